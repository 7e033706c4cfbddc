"""Which cell of a marginal a row falls in, and how many rows of a table share it.

Queries (sets of columns) are chosen from column names and a seed, never from rows, and do not
depend on the order of the columns.

Never true here: an array as large as a marginal that is larger than its tables; sparse marginals
are renumbered to the cells that occur.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.schema.domain import Domain

_DENSE = 2**16  # cells up to which a marginal is counted without renumbering
Query = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Cells:
    """One marginal of several tables.

    Attributes:
        at: Number of the cell of each target row, shape (n,).
        counts: Rows of each table in each cell, one array of shape (cells,) for each table.
    """

    at: NDArray[np.int64]
    counts: tuple[NDArray[np.int64], ...]


def choose_queries(domain: Domain, seed: int, *, ways: int, most: int) -> tuple[Query, ...]:
    """Return up to `most` different sets of `ways` columns, drawn by name.

    Args:
        domain: The columns.
        seed: Seed of the draw.
        ways: Columns in a set.
        most: Largest number of sets; all sets where there are no more.

    Returns:
        Column numbers, each set in ascending order.
    """
    names = sorted(domain.names)
    place = [domain.index(name) for name in names]
    if math.comb(len(names), ways) <= most:
        chosen = set(combinations(range(len(names)), ways))
    else:
        rng = np.random.default_rng(seed)
        chosen = set()
        while len(chosen) < most:
            drawn = rng.choice(len(names), ways, replace=False)
            chosen.add(tuple(sorted(int(j) for j in drawn)))
    return tuple(tuple(sorted(place[j] for j in query)) for query in sorted(chosen))


def count_cells(domain: Domain, query: Query, targets: Codes, tables: Sequence[Codes]) -> Cells:
    """Count the marginal over the columns of `query`.

    Args:
        domain: Domain of the columns.
        query: Column numbers.
        targets: Codes of the rows whose cells are wanted, shape (n, d).
        tables: Codes of the tables that are counted, shapes (m_i, d).
    """
    everything = (targets, *tables)
    key = np.zeros(sum(len(table) for table in everything), np.int64)
    cells = 1
    for j in query:
        size = domain.attributes[j].size
        key *= size
        key += np.concatenate([table[:, j] for table in everything])
        cells *= size
        if cells > _DENSE:
            found, key = np.unique(key, return_inverse=True)
            cells = len(found)
    at, *parts = np.split(key, np.cumsum([len(table) for table in everything])[:-1])
    return Cells(at=at, counts=tuple(np.bincount(part, minlength=cells) for part in parts))
