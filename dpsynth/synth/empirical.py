"""A model that is a set of synthetic rows: what a third party's program drew before it was dropped.

Such programs can often only be sampled, and their objects may hold rows of the table. So a fixed or
noisy number of rows is drawn while the program runs, the program is dropped, and these synthetic
rows are the model. Drawing from it takes whole copies of them and a random part of one more: beyond
their number rows repeat, and nothing new is learned.

Never true here: a row of the private table that the program did not put out itself, or a number of
rows that follows the exact size of the table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Rows
from dpsynth.errors import InputError
from dpsynth.privacy.measurement import Partitions
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Check, HalfWidth
from dpsynth.synth.persist import (
    domain_of,
    positive,
    read_arrays,
    read_head,
    reading,
    require,
    require_head,
    take,
    write_arrays,
    write_head,
    zeros_arrays,
)
from dpsynth.synth.pgm.model import MAX_TABLE_CELLS

FORMAT = "dpsynth-empirical-model"
VERSION = 1
_KEYS = {"format", "version", "method", "total", "total_sigma", "domain", "zeros", "tables"}
_TABLE_KEYS = {"attributes", "cells", "sigma"}
_ABSOLUTE = math.sqrt(2.0 / math.pi)  # mean absolute value of Gaussian noise of scale 1


@dataclass(frozen=True, kw_only=True)
class NoisyTable:
    """A table of counts that the program measured with Gaussian noise.

    Attributes:
        attributes: Its columns.
        cells: Number of its cells.
        sigma: Standard deviation of the noise of a cell, in rows.
    """

    attributes: tuple[str, ...]
    cells: int
    sigma: float


@dataclass(frozen=True, kw_only=True, eq=False)
class EmpiricalModel:
    """Synthetic rows as a model.

    Attributes:
        method: Registered name of the method that was fitted.
        domain: The coded domain of the rows.
        codes: The rows, shape (k, d).
        total: Noisy estimate of the number of rows behind it, or a public number.
        total_sigma: Standard deviation of the noise of `total`; 0 for a public number.
        tables: What was measured with noise; empty where nothing is known of it.
        fixed: Code of every attribute that :meth:`given` fixed.
    """

    method: str
    domain: Domain
    codes: Rows
    total: float
    total_sigma: float
    tables: tuple[NoisyTable, ...] = ()
    fixed: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse rows that lie outside of the domain.

        Raises:
            InputError: There are no rows, or one holds a code that the domain does not have.
        """
        sizes = np.array([attribute.size for attribute in self.domain])
        codes = self.codes
        if codes.dtype != np.int32 or codes.ndim != 2 or codes.shape[1] != len(sizes):
            raise InputError("The rows of a model have another shape or type.", where=self.method)
        if not len(codes) or not bool(((codes >= 0) & (codes < sizes)).all()):
            raise InputError(
                "The program drew no rows, or rows outside of the declared domain.",
                where=f"method {self.method}",
            )
        if not (self.total > 0 and self.total_sigma >= 0 and math.isfinite(self.total)):
            raise InputError("A model needs a positive number of rows.", where=self.method)

    @property
    def noise_share(self) -> float:
        """How far noise alone moves a column, as a share of the rows; nan where it is not known."""
        moved = [
            min(1.0, 0.5 * t.cells * t.sigma * _ABSOLUTE / self.total)
            for t in self.tables
            if len(t.attributes) == 1
        ]
        return float(np.mean(moved)) if moved else math.nan

    def marginal(self, attributes: Sequence[str]) -> NDArray[np.float64]:
        """Return expected counts over `attributes`, shape ``domain.shape(attributes)``.

        Raises:
            InputError: The table would have more than MAX_TABLE_CELLS cells.
        """
        shape = self.domain.shape(attributes)
        if math.prod(shape) > MAX_TABLE_CELLS:
            raise InputError(
                f"A marginal of more than {MAX_TABLE_CELLS} cells was asked for.",
                where=", ".join(attributes),
                fix="Ask for fewer attributes at once.",
            )
        columns = tuple(self.codes[:, self.domain.index(name)] for name in attributes)
        counts = np.bincount(np.ravel_multi_index(columns, shape), minlength=math.prod(shape))
        table = counts.astype(np.float64).reshape(shape)
        return np.multiply(table, self.total / len(self.codes), dtype=np.float64)

    def given(self, codes: Mapping[str, int]) -> EmpiricalModel:
        """Return the model of the rows in which some attributes have the given codes.

        Raises:
            InputError: There is no such attribute, or no such row.
        """
        kept = np.ones(len(self.codes), dtype=np.bool_)
        for name, code in codes.items():
            if name not in self.domain.names:
                raise InputError("is no column of the model.", where=f"condition on {name!r}")
            kept &= self.codes[:, self.domain.index(name)] == code
        if not kept.any():
            raise InputError(
                "The model holds no rows of this kind.",
                where=f"condition on {', '.join(map(repr, codes))}",
                fix="Drop a part of the condition, or choose a value that is not as rare.",
            )
        return replace(
            self,
            codes=self.codes[kept],
            total=self.total * float(kept.mean()),
            fixed={**self.fixed, **codes},
        )

    def sample(self, rows: int, *, seed: int) -> Rows:
        """Return `rows` rows, shape (rows, d), in no particular order.

        Each row of the model comes out as often as any other, but for one time.

        Args:
            rows: Number of rows, 0 or more.
            seed: Seed of the draw; sampling is post-processing.
        """
        if rows < 0:
            raise InputError("must not be negative.", where="rows")
        rng = np.random.default_rng(seed)
        whole, part = divmod(rows, len(self.codes))
        places = np.concatenate(
            [
                np.tile(np.arange(len(self.codes)), whole),
                rng.choice(len(self.codes), part, replace=False),
            ]
        )
        rng.shuffle(places)
        drawn: Rows = self.codes[places]
        return drawn

    def self_test(self, codes: Rows, *, seed: int) -> list[Check]:
        """Compare drawn rows with this model; a correct draw never fails.

        No row may come out more often than the even draw of :meth:`sample` allows.
        """
        del seed
        if codes.shape[1] != len(self.domain):
            return [_check("rows of the model", math.inf)]
        known, held = np.unique(self.codes, axis=0, return_counts=True)
        drawn, times = np.unique(codes, axis=0, return_counts=True)
        most = {row.tobytes(): int(count) for row, count in zip(known, held, strict=True)}
        copies = -(-len(codes) // len(self.codes))
        excess = [
            int(count) - copies * most.get(row.tobytes(), 0)
            for row, count in zip(drawn, times, strict=True)
        ]
        return [_check("rows drawn more often than the model has them", max([0, *excess]))]

    def errors(self) -> list[dict[str, object]]:
        """Return {attributes, cells, sigma, typical_error} of everything that was measured."""
        return [
            {
                "attributes": list(t.attributes),
                "cells": t.cells,
                "sigma": t.sigma,
                "typical_error": t.sigma * _ABSOLUTE,
            }
            for t in self.tables
        ]

    def half_widths(self, bins: Partitions) -> list[HalfWidth]:
        """Return nothing: the noisy counts themselves are not kept."""
        del bins
        return []

    def out_of_domain_counts(self) -> list[tuple[str, float, float]]:
        """Return nothing: the noisy counts themselves are not kept."""
        return []

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and ``arrays.npz`` into an existing folder.

        Raises:
            InputError: The model stands under a condition, so it is no longer what was fitted.
        """
        if self.fixed:
            raise InputError(
                "A model under a condition is not saved.",
                fix="Save the model that it came from, and give the condition again.",
            )
        head = {
            "format": FORMAT,
            "version": VERSION,
            "method": self.method,
            "total": self.total,
            "total_sigma": self.total_sigma,
            "domain": [asdict(attribute) for attribute in self.domain],
            "zeros": [zeros.names for zeros in self.domain.zeros],
            "tables": [asdict(table) for table in self.tables],
        }
        write_head(folder, head)
        write_arrays(folder, {"codes": self.codes} | zeros_arrays(self.domain))


def load_empirical(folder: Path) -> EmpiricalModel:
    """Read what :meth:`EmpiricalModel.save` wrote.

    Raises:
        InputError: A file is missing, damaged, or holds more or less than a model.
    """
    with reading(folder):
        head, arrays = read_head(folder), read_arrays(folder)
        require_head(head, _KEYS, FORMAT, VERSION)
        domain = domain_of(head, arrays)
        codes = take(arrays, "codes", (len(arrays["codes"]), len(domain)), np.int32)
        require(not arrays)
        sigma = head["total_sigma"]
        return EmpiricalModel(
            method=head["method"],
            domain=domain,
            codes=codes,
            total=positive(head["total"]),
            total_sigma=0.0 if sigma == 0 and type(sigma) is not bool else positive(sigma),
            tables=tuple(_table(domain, entry) for entry in head["tables"]),
        )


def _table(domain: Domain, entry: Mapping[str, Any]) -> NoisyTable:
    """Return what is said of a noisy table of this domain; ValueError for anything else."""
    require(isinstance(entry, dict) and set(entry) == _TABLE_KEYS)
    names = tuple(entry["attributes"])
    require(type(entry["cells"]) is int and 0 < entry["cells"] <= domain.cells(names))
    return NoisyTable(attributes=names, cells=entry["cells"], sigma=positive(entry["sigma"]))


def _check(name: str, value: float) -> Check:
    return Check(name=name, value=float(min(value, 1e9)), limit=0.0, passed=value <= 0)
