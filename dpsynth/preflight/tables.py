"""Made-up tables over a declared domain, grouped by privacy unit, and the file that holds them.

Everything is drawn from the dictionary: no row of anybody is read. Seeds are allowed, because a
made-up table is no noise and protects nobody.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from dpsynth.pipeline import Plan
from dpsynth.schema.declared import Column, Kind, OpenDomain

CANARY = "Canary-Kx7-Quux-51893"  #: text that no dictionary declares and no file may hold
_TAIL_SHARE = 0.15  # so that missing, special, blank and out-of-domain codes occur in small tables
_OPEN_TEXTS = 4

Row = tuple[str, ...]
Unit = tuple[Row, ...]
Table = tuple[Unit, ...]


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Draws units of made-up rows.

    Attributes:
        plan: Any plan of the release: dictionary, codec and unit are taken from it.
        seed: Seed of all draws.
    """

    plan: Plan
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in file order."""
        return self.plan.dictionary.names

    def rows(self, count: int, stream: int, *, without_first: bool = False) -> list[Row]:
        """Return `count` rows of independent random cells, special and missing codes included.

        Args:
            count: Number of rows.
            stream: Number of the random stream, so that two draws of one seed differ.
            without_first: Leave the first code of every column out, for a unit that has it alone.
        """
        rng = np.random.default_rng([self.seed, stream])
        codec = self.plan.codec
        codes = np.empty((count, len(codec.domain)), dtype=np.int64)
        for place, attribute in enumerate(codec.domain):
            low = 1 if without_first and attribute.size > 1 else 0
            tail = max(low, min(attribute.n_ordered, attribute.size - 1))
            starts = np.where(rng.random(count) < _TAIL_SHARE, tail, low)
            codes[:, place] = rng.integers(starts, attribute.size)
        return self.decoded(codes, stream)

    def decoded(self, codes: np.ndarray, stream: int) -> list[Row]:
        """Return coded rows, shape (rows, attributes), as the source would write them."""
        rng = np.random.default_rng([self.seed, stream, 1])
        text = self.plan.codec.decode(codes, seed=int(rng.integers(2**62)))
        columns = [
            text.column(column.name).to_pylist()
            if column.name in text.column_names
            else _filler(column, len(codes), rng)
            for column in self.plan.dictionary.columns
        ]
        return [tuple(row) for row in zip(*columns, strict=True)]

    def unit(self, rows: Sequence[Row], label: str) -> Unit:
        """Return rows as one unit that is called `label`, where a column names the unit."""
        column = self.plan.unit.column
        if column is None:
            return tuple(rows)
        place = self.names.index(column)
        return tuple((*row[:place], label, *row[place + 1 :]) for row in rows)

    def table(self, count: int, stream: int, *, without_first: bool = False) -> Table:
        """Return units of `count` rows in all; the last ones have one row each.

        Where a column names the unit, the first ones have 1 to c + 2 rows, so that truncation to
        the declared number of rows c has something to do.
        """
        rows = self.rows(count, stream, without_first=without_first)
        rng = np.random.default_rng([self.seed, stream, 2])
        units: list[Unit] = []
        while rows:
            size = 1
            if self.plan.unit.column is not None and len(rows) > count // 2:
                size = int(rng.integers(1, self.plan.unit.max_rows + 3))
            units.append(self.unit(rows[:size], self.label(len(units))))
            rows = rows[size:]
        return tuple(units)

    def label(self, number: int) -> str:
        """Return the label of a unit; numbers from a million on are free for further units."""
        column = self.plan.unit.column
        if column is None:
            return ""
        kind = self.plan.dictionary[column].kind
        return str(number + 1) if kind in {Kind.INTEGER, Kind.FLOAT} else f"unit-{number + 1}"

    def all_cells(self, text: str) -> Row:
        """Return a row whose every cell holds one text."""
        return (text,) * len(self.names)


def _filler(column: Column, count: int, rng: np.random.Generator) -> list[str]:
    """Return cells of a column that is not modelled; few values where the domain is open."""
    if isinstance(column.domain, OpenDomain):
        known = column.domain.known_values or tuple(f"open-{k}" for k in range(_OPEN_TEXTS))
        return [known[k] for k in rng.integers(len(known), size=count)]
    return [f"text {k}" for k in rng.integers(10**6, size=count)]


def write(table: Table, path: Path, plan: Plan) -> None:
    """Write a table as CSV, or as Parquet with binary columns if the suffix says so.

    Cells may hold bytes that no encoding knows, as surrogate escapes (PEP 383).
    """
    rows = [row for unit in table for row in unit]
    names, encoding = plan.dictionary.names, plan.dictionary.encoding
    if path.suffix == ".parquet":
        columns = list(zip(*rows, strict=True)) or [()] * len(names)
        content = {
            name: pa.array([c.encode("utf-8", "surrogateescape") for c in cells], type=pa.binary())
            for name, cells in zip(names, columns, strict=True)
        }
        pa_parquet.write_table(pa.table(content), path)
        return
    with path.open("w", encoding=encoding, errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, delimiter=plan.dictionary.delimiter, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
