"""Coded rows in memory with their privacy units, and the protocol that any engine can implement.

Everything private that is computed later (counts, splits, attacks) starts here. Two rules: at most
the declared number of rows of a unit is kept, and adding or removing one unit never changes what
happens to another one. Both follow from keyed hashes of each unit alone; there is no global
shuffle, no reservoir and nothing that depends on n.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.schema.domain import Domain
from dpsynth.sources.counting import Query, count_marginals
from dpsynth.sources.labels import named_units
from dpsynth.sources.undeclared import TextColumn

__all__ = ["CodedTable", "MarginalSource", "Query"]

_DIGEST = 16
_MIN_KEY = 16


@runtime_checkable
class MarginalSource(Protocol):
    """Rows that can be counted; where they live is nobody else's business."""

    @property
    def domain(self) -> Domain:
        """The coded domain of the rows."""
        ...

    @property
    def max_rows(self) -> int | None:
        """Rows of one unit at most; None if nobody has bounded them, and then no noise fits."""
        ...

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns without a declared domain whose texts can be counted."""
        ...

    def count_texts(self, name: str) -> dict[str, int]:
        """Return how many rows hold each text of such a column; exact, so for the Curator only."""
        ...

    def count(self, queries: Sequence[Query]) -> list[NDArray[np.int64]]:
        """Return exact counts, one int64 array a query, shaped by the (coarsened) sizes.

        A query is (attributes in axis order, partitions by attribute); see ``counting.py``.
        """
        ...

    @property
    def units(self) -> NDArray[np.int64]:
        """Unit of each row, dense from 0, shape (n,); private."""
        ...

    def rows(self) -> NDArray[np.int32]:
        """Return all rows, shape (n, d), for training, attacks and fidelity."""
        ...


@dataclass(frozen=True, kw_only=True)
class CodedTable:
    """Coded rows in memory; make it with :meth:`build`.

    Attributes:
        domain: The coded domain.
        codes: Columns, shape (d, n), C order.
        units: Unit of each row, int64 (n,), dense: 0..n_units-1.
        digests: Digest of the label of each unit, uint8 (n_units, 16). It exists only in memory.
        max_rows: Rows of one unit at most, stamped by :meth:`bounded`; None if not bounded yet.
        texts: Columns without a declared domain, as texts, until they are discovered and coded.
    """

    domain: Domain
    codes: Codes
    units: NDArray[np.int64]
    digests: NDArray[np.uint8]
    max_rows: int | None
    texts: Mapping[str, TextColumn] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes and codes: the counting kernel trusts them."""
        if self.codes.ndim != 2 or self.codes.shape != (len(self.domain), len(self.units)):
            raise ValueError(f"codes of shape {self.codes.shape} for {len(self.units)} rows")
        for attribute, column in zip(self.domain, self.codes, strict=True):
            if len(column) and not 0 <= int(column.min()) <= int(column.max()) < attribute.size:
                raise ValueError(f"{attribute.name}: a code lies outside the attribute")

    @classmethod
    def build(
        cls,
        domain: Domain,
        codes: Codes,
        unit_labels: pa.ChunkedArray | pa.Array | None = None,
        texts: Mapping[str, TextColumn] | None = None,
        *,
        nobody: Collection[str] = (),
    ) -> CodedTable:
        """Make a table.

        With labels, rows of one label (compared byte by byte, without surrounding spaces) are one
        unit. Rows whose label names nobody (:func:`named_units`) belong to nobody that could be
        protected and are left out, row by row: were they one unit, removing one person would change
        which rows of the others are kept, by more than the declared maximum.

        Without labels each row is a unit. Its label is then its own content and how many identical
        rows stand above it, not its place in the file: places would shift for everybody when one
        row is removed, and with them the split; this label stays (among identical rows it does not
        matter which one goes). Content is everything that is kept of a row, `texts` included: rows
        that differ only there must not pass for identical.

        Args:
            domain: The coded domain.
            codes: Columns, shape (d, n), every code inside its attribute.
            unit_labels: Label of each row, or None if each row is a unit.
            texts: Columns without a declared domain, each of n rows.
            nobody: Declared codes of the column of labels.
        """
        codes, texts = np.ascontiguousarray(codes), texts or {}
        if unit_labels is None:
            return cls(
                domain=domain,
                codes=codes,
                units=np.arange(codes.shape[1], dtype=np.int64),
                digests=_row_digests(codes, list(texts.values())),
                max_rows=1,
                texts=texts,
            )
        labels, places = named_units(unit_labels, nobody)
        named = places >= 0
        used, units = np.unique(places[named], return_inverse=True)
        return cls(
            domain=domain,
            codes=np.ascontiguousarray(codes[:, named]),
            units=units.reshape(-1).astype(np.int64),
            digests=_stack([_digest(labels[place]) for place in used.tolist()]),
            max_rows=None,
            texts={name: column.rows(named) for name, column in texts.items()},
        )

    @property
    def n_rows(self) -> int:
        """Number of rows; private."""
        return int(self.codes.shape[1])

    @property
    def n_units(self) -> int:
        """Number of units; private."""
        return len(self.digests)

    def count(self, queries: Sequence[Query]) -> list[NDArray[np.int64]]:
        """Return exact counts; see :class:`MarginalSource`."""
        return count_marginals(self.domain, self.codes, queries)

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns without a declared domain; see :class:`MarginalSource`."""
        return tuple(self.texts)

    def count_texts(self, name: str) -> dict[str, int]:
        """Return exact counts of texts; see :class:`MarginalSource`."""
        return self.texts[name].counts()

    def coded(self, domain: Domain, codes: Codes) -> CodedTable:
        """Return the same rows and units in another coded domain, without undeclared texts."""
        return replace(self, domain=domain, codes=codes, texts={})

    def rows(self) -> NDArray[np.int32]:
        """Return all rows, int32 of shape (n, d)."""
        return np.ascontiguousarray(self.codes.T, dtype=np.int32)

    def bounded(self, max_rows: int, key: bytes) -> CodedTable:
        """Keep at most `max_rows` rows of each unit.

        Which rows stay is decided inside the unit, by a keyed hash of the unit and the number of
        the row within it, so that no unit ever changes what is kept of another.

        Args:
            max_rows: At least 1.
            key: Secret bytes, at least 16.
        """
        if max_rows < 1:
            raise ValueError(f"max_rows is {max_rows}")
        sizes = np.bincount(self.units, minlength=self.n_units)
        large = np.flatnonzero(sizes[self.units] > max_rows)
        if not len(large):
            return replace(self, max_rows=max_rows)
        order = large[np.argsort(self.units[large], kind="stable")]
        units = self.units[order]
        first = np.flatnonzero(np.append(True, units[1:] != units[:-1]))
        number = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
        priority = _keyed(self.digests[units], key, b"rows kept", number)
        ranked = np.lexsort((priority, units))
        keep = np.ones(self.n_rows, dtype=bool)
        keep[order[ranked[number >= max_rows]]] = False
        return replace(self._rows(keep), max_rows=max_rows)

    def split(self, fraction: float, key: bytes) -> tuple[CodedTable, CodedTable]:
        """Return (train, holdout): each unit goes whole to one side.

        The side is a keyed hash of the unit's label alone: a unit never straddles, and adding or
        removing one never moves another. The holdout gets about `fraction` of the units.

        Args:
            fraction: Between 0 and 1.
            key: Secret bytes, at least 16.
        """
        if not 0.0 <= fraction <= 1.0:
            raise ValueError(f"fraction is {fraction}")
        priority = _keyed(self.digests, key, b"holdout", np.zeros(self.n_units, dtype=np.int64))
        held = (priority / 2.0**64 < fraction)[self.units]
        return self._rows(~held), self._rows(held)

    def _rows(self, keep: NDArray[np.bool_]) -> CodedTable:
        used, units = np.unique(self.units[keep], return_inverse=True)
        return CodedTable(
            domain=self.domain,
            codes=np.ascontiguousarray(self.codes[:, keep]),
            units=units.reshape(-1).astype(np.int64),
            digests=self.digests[used],
            max_rows=self.max_rows,
            texts={name: column.rows(keep) for name, column in self.texts.items()},
        )


def _digest(label: bytes) -> bytes:
    return hashlib.blake2b(label, digest_size=_DIGEST).digest()


def _stack(digests: Sequence[bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, _DIGEST)


def _row_digests(codes: Codes, texts: Sequence[TextColumn]) -> NDArray[np.uint8]:
    """Return a digest of each row's content and its number among identical rows."""
    coded = np.ascontiguousarray(codes.T, dtype=np.int32)
    rows = np.hstack(
        [
            coded.view(np.uint8).reshape(len(coded), 4 * coded.shape[1]),
            *(column.digests() for column in texts),
        ]
    )
    width, content = rows.shape[1], rows.tobytes()
    seen: dict[bytes, int] = {}
    digests = []
    for i in range(len(rows)):
        row = content[i * width : (i + 1) * width]
        number = seen[row] = seen.get(row, -1) + 1
        digests.append(_digest(row + number.to_bytes(8, "little")))
    return _stack(digests)


def _keyed(
    digests: NDArray[np.uint8], key: bytes, purpose: bytes, numbers: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return a keyed 64-bit hash (BLAKE2b) of each (digest, number), shape (len(digests),)."""
    if len(key) < _MIN_KEY:
        raise ValueError(f"a key needs at least {_MIN_KEY} bytes")
    keyed = hashlib.blake2b(key=hashlib.sha512(key).digest(), digest_size=8, person=purpose)
    content = digests.tobytes()
    found = bytearray()
    for i, number in enumerate(numbers.tolist()):
        state = keyed.copy()
        state.update(content[i * _DIGEST : (i + 1) * _DIGEST] + number.to_bytes(8, "little"))
        found += state.digest()
    return np.frombuffer(bytes(found), dtype=np.uint64)
