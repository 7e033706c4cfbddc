"""The coded, public domain on which everything private is computed.

A table is n rows of small integers. Attribute j takes the codes 0..size-1. The codes come from
the dictionary alone, so a Domain is public and never depends on a row.

Code layout of an attribute made by the codec, in this order: the `n_ordered` cells that lie on a
line (numeric cells, ordinal categories, dates) or the plain categories; then one code for each
declared special and missing code; then the blank cell; last the out-of-domain bucket.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dpsynth.schema.zeros import Zeros


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One coded column.

    Attributes:
        name: Column name.
        size: Number of codes, at least 1.
        n_ordered: The first `n_ordered` codes lie on a line; 0 for a nominal attribute.
        positions: Place of each ordered code on that line (its middle, in the column's unit);
            empty for nominal attributes, equally spaced where only ranks are known.
        out_of_domain: Code of the out-of-domain bucket, or None where no such bucket exists.
        blank: Code of the blank (null) cell, or None.
    """

    name: str
    size: int
    n_ordered: int = 0
    positions: tuple[float, ...] = ()
    out_of_domain: int | None = None
    blank: int | None = None

    def __post_init__(self) -> None:
        """Check the shape."""
        if self.size < 1 or not 0 <= self.n_ordered <= self.size:
            raise ValueError(f"{self.name}: size {self.size}, ordered {self.n_ordered}")
        if len(self.positions) != self.n_ordered:
            raise ValueError(f"{self.name}: {len(self.positions)} positions for {self.n_ordered}")


@dataclass(frozen=True)
class Domain:
    """An ordered set of attributes; the column order of every coded table.

    Attributes:
        attributes: The columns.
        zeros: Combinations of their codes that no row may have.
    """

    attributes: tuple[Attribute, ...]
    zeros: tuple[Zeros, ...] = ()

    def __post_init__(self) -> None:
        """Names are unique, and structural zeros speak of the codes of these attributes."""
        if len({a.name for a in self.attributes}) != len(self.attributes):
            raise ValueError("attribute names are not unique")
        for zeros in self.zeros:
            if tuple(map(len, zeros.classes)) != self.shape(zeros.names):
                raise ValueError(f"structural zeros of other codes: {zeros.names}")

    @classmethod
    def from_sizes(cls, sizes: Mapping[str, int], *, ordered: Iterable[str] = ()) -> Domain:
        """Make a domain from ``{name: size}``; columns in `ordered` lie on a line of ranks."""
        line = set(ordered)
        return cls(
            tuple(
                Attribute(
                    name=name,
                    size=size,
                    n_ordered=size if name in line else 0,
                    positions=tuple(float(i) for i in range(size)) if name in line else (),
                )
                for name, size in sizes.items()
            )
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Attribute names in column order."""
        return tuple(a.name for a in self.attributes)

    def __len__(self) -> int:
        """Return the number of attributes."""
        return len(self.attributes)

    def __iter__(self) -> Iterator[Attribute]:
        """Iterate over the attributes in column order."""
        return iter(self.attributes)

    def __getitem__(self, name: str) -> Attribute:
        """Return the attribute called `name`; KeyError if there is none."""
        return self.attributes[self.index(name)]

    def index(self, name: str) -> int:
        """Return the column number of `name`; KeyError if there is none."""
        try:
            return self.names.index(name)
        except ValueError:
            raise KeyError(name) from None

    def shape(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the sizes of the named attributes, in the order given."""
        return tuple(self[name].size for name in names)

    def cells(self, names: Sequence[str]) -> int:
        """Return the number of cells of the marginal over the named attributes."""
        return math.prod(self.shape(names))

    def project(self, names: Sequence[str]) -> Domain:
        """Return the domain of the named attributes, in the order given."""
        return Domain(
            tuple(self[name] for name in names),
            zeros=tuple(z for z in self.zeros if set(z.names) <= set(names)),
        )
