"""Two made-up tables that differ by one privacy unit.

The tables are drawn from nothing but a seed, so what is found on them concerns nobody. Which unit
is the worst one depends on the method; the pairs differ in where it stands:

* ``lone``: in cells that nobody else is in, so its own value shows wherever it is not hidden;
* ``crossed``: in cells that other columns make likely and unlikely, so that it raises the score of
  one pair of columns and lowers that of others, which moves a choice among them most;
* ``empty``: alone in the table.

Never true here: a row that was read from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.errors import InputError
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable

PAIRS: Mapping[str, str] = {
    "lone": "a unit in cells that nobody else is in",
    "crossed": "a unit that moves the scores of two pairs of columns in opposite directions",
    "empty": "a unit alone in the table",
}
MAX_COLUMNS = 4
ROWS = 2000  #: of the others: enough for pairs of columns to stand out of the noise
_SIZE = 3  # codes of a column, the last one the lone unit's; few, so that a fit is quick
_WIDE = 40  # codes of the fourth column, which is counted at two levels
_KEPT = 0.6  # share of rows in which a column follows the first one
_KEY = b"made-up rows need no secret"


@dataclass(frozen=True, kw_only=True, eq=False)
class Worlds:
    """A pair of neighbours.

    Attributes:
        pair: Name of the pair.
        tables: The table without the unit and the table with it.
        unit: Codes of the unit's rows, which are alike, int32 (d,).
        max_rows: Rows of a unit at most; this one has so many.
    """

    pair: str
    tables: tuple[CodedTable, CodedTable]
    unit: NDArray[np.int32]
    max_rows: int


def make_worlds(pair: str, *, columns: int, seed: int, max_rows: int = 1, units: int = 1) -> Worlds:
    """Return a pair of neighbours.

    Args:
        pair: One of :data:`PAIRS`.
        columns: Number of columns, 1 to 4.
        seed: Seed of the rows that both have.
        max_rows: Rows of a unit, at least 1.
        units: Units that the second table has more. Tables are neighbours only where it is 1; a
            control that understates the sensitivity asks for 2, and one without a difference for 0.

    Raises:
        InputError: There is no such pair, or the number of columns is out of range.
    """
    if pair not in PAIRS:
        raise InputError(
            f"There is no pair of tables called {pair}.",
            where="--pair",
            fix=f"Choose from: {', '.join(PAIRS)}.",
        )
    if not 1 <= columns <= MAX_COLUMNS:
        raise InputError(f"must lie in [1, {MAX_COLUMNS}].", where="columns")
    sizes = [_SIZE] * min(columns, MAX_COLUMNS - 1) + [_WIDE] * (columns == MAX_COLUMNS)
    domain = Domain.from_sizes(
        {name: size for name, size in zip("abcd", sizes, strict=False)}, ordered="d"
    )
    others = _others(sizes, 0 if pair == "empty" else ROWS, seed)
    unit = np.array([s - 1 for s in sizes] if pair == "lone" else [0, 0, 1, 1][:columns], np.int32)
    tables = [_table(domain, others, unit, max_rows, count) for count in (0, units)]
    return Worlds(pair=pair, tables=(tables[0], tables[1]), unit=unit, max_rows=max_rows)


def _others(sizes: list[int], rows: int, seed: int) -> NDArray[np.int32]:
    """Return rows that never take the last code of a column: most columns follow the first."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, _SIZE - 1, rows)
    columns = [first]
    for size in sizes[1:]:
        follows = rng.random(rows) < _KEPT
        columns.append(np.where(follows, first, rng.integers(0, size - 1, rows)))
    return np.array(columns, dtype=np.int32)


def _table(
    domain: Domain, others: NDArray[np.int32], unit: NDArray[np.int32], max_rows: int, units: int
) -> CodedTable:
    """Return the table of the others and of so many units of `max_rows` equal rows."""
    added = np.repeat(unit[:, None], units * max_rows, axis=1)
    labels = [f"other {row}" for row in range(others.shape[1])]
    labels += [f"unit {number}" for number in range(units) for _ in range(max_rows)]
    codes = np.hstack([others, added])
    named = pa.array([label.encode() for label in labels], type=pa.binary())
    return CodedTable.build(domain, codes, named).bounded(max_rows, _KEY)
