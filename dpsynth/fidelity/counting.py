"""Fast exact counting of marginals over coded columns.

Dense tables up to `DENSE_CELLS` cells, occupied cells only beyond, so that memory never follows
the product of the domain sizes. Never true here: that a count is anything but exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

DENSE_CELLS = 2**22
Table = NDArray[np.int32]


def histograms(
    tables: Sequence[Table], columns: Sequence[int], sizes: Sequence[int]
) -> list[NDArray[np.int64]]:
    """Return the counts of one marginal in several tables, over the same cells.

    Args:
        tables: Column-major codes, shapes (d, n_i).
        columns: Columns of the marginal.
        sizes: Number of codes of each of these columns.

    Returns:
        Flat counts in row-major order of the cells; for more than `DENSE_CELLS` cells only those
        that are occupied in any table, in the same order for all.
    """
    shape = np.array(sizes, dtype=np.int64)
    picked = np.array(columns, dtype=np.int64)
    cells = math.prod(int(size) for size in sizes)
    if cells <= DENSE_CELLS:
        return [_count(table, picked, shape, cells) for table in tables]
    keys = [_keys(table, picked, shape) for table in tables]
    _, numbers = np.unique(np.concatenate(keys), return_inverse=True)
    ends = np.cumsum([len(k) for k in keys])[:-1]
    occupied = int(numbers.max()) + 1
    return [np.bincount(part, minlength=occupied) for part in np.split(numbers, ends)]


def occupied(
    table: Table, columns: Sequence[int], sizes: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row-major numbers of the occupied cells of one marginal, and their counts."""
    picked, shape = np.array(columns, dtype=np.int64), np.array(sizes, dtype=np.int64)
    cells = math.prod(int(size) for size in sizes)
    if cells > DENSE_CELLS:
        return np.unique(_keys(table, picked, shape), return_counts=True)
    counts: NDArray[np.int64] = _count(table, picked, shape, cells)
    filled = np.flatnonzero(counts)
    return filled, counts[filled]


def total_variation(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Return the total variation distance of two histograms, in [0, 1].

    >>> total_variation(np.array([1, 1]), np.array([2, 0]))
    0.5
    """
    return float(np.abs(a / a.sum() - b / b.sum()).sum()) / 2.0


@njit(cache=True)
def _count(table, columns, sizes, cells):  # type: ignore[no-untyped-def]
    counts = np.zeros(cells, np.int64)
    for i in range(table.shape[1]):
        key = np.int64(0)
        for c in range(columns.size):
            key = key * sizes[c] + table[columns[c], i]
        counts[key] += 1
    return counts


@njit(cache=True)
def _keys(table, columns, sizes):  # type: ignore[no-untyped-def]
    keys = np.zeros(table.shape[1], np.int64)
    for c in range(columns.size):
        column = table[columns[c]]
        for i in range(keys.size):
            keys[i] = keys[i] * sizes[c] + column[i]
    return keys
