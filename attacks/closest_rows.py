"""Which reference rows are nearest: row numbers, where ``neighbours`` gives distances.

Same exact Gower distance, same grid. Of equally near references the one with the lowest number is
taken: shuffle the references first, or the order of a file decides.

Never true here: that a choice depends on anything but the query and the references, in particular
on the table that a query came from. That keeps members and non-members exchangeable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from dpsynth.attacks.neighbours import (
    TILE,
    Grid,
    in_tiles,
    on_grid,
    tile_bounds,
    tile_distances,
)
from numba import njit
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.schema.domain import Domain

_FAR = np.int32(2**31 - 1)
Places = NDArray[np.int32]


def closest_rows(
    domain: Domain, queries: Codes, references: Codes, *, k: int = 1
) -> NDArray[np.int64]:
    """Return the numbers of the `k` nearest references of each query, nearest first.

    Args:
        domain: Domain of the columns.
        queries: Codes, shape (n, d).
        references: Codes, shape (m, d), m >= k.
        k: Number of neighbours, at least 1.

    Returns:
        Row numbers of references, shape (n, k).
    """
    if not 1 <= k <= len(references):
        raise ValueError(f"{k} neighbours of {len(references)} references")
    grid = on_grid(domain, queries, references)
    found = np.empty((len(queries), k), np.int64)
    tiles, steps = in_tiles(grid), np.int32(grid.steps)
    _closest(
        grid.queries, tiles.table, tiles.low, tiles.high, tiles.order, grid.n_line, steps, found
    )
    return found


def closest_without(
    domain: Domain, queries: Codes, references: Codes, left_out: Sequence[int]
) -> NDArray[np.int64]:
    """Return for each query and each column left out the nearest reference by all other columns.

    One pass over the references serves all columns: the distance without a column is the whole
    distance less that column's part, exact because both are whole numbers.

    Args:
        domain: Domain of the columns, at least two.
        queries: Codes, shape (n, d).
        references: Codes, shape (m, d), at least one row.
        left_out: Columns to leave out, one at a time, s of them.

    Returns:
        Row numbers of references, shape (n, s).
    """
    grid = on_grid(domain, queries, references)
    place = {column: at for at, column in enumerate(grid.order)}
    asked = np.array([place[column] for column in left_out], np.int64)
    found = np.empty((len(queries), len(asked)), np.int64)
    _without(*_whole(grid), asked, found)
    return found


def _whole(grid: Grid) -> tuple[Places, Places, int, np.int32]:
    """Return what the kernels read."""
    return grid.queries, grid.references, grid.n_line, np.int32(grid.steps)


# The casts keep the compiler from widening to 64 bits.
@njit(cache=True)
def _parts(row, table, start, n_line, steps, parts, total):  # type: ignore[no-untyped-def]
    """Write each column's distance and their sum, of one query to the references of one tile."""
    total[:] = 0
    size = total.size
    for c in range(row.size):
        value, part, other = row[c], parts[c, :size], table[c, start : start + size]
        if c < n_line:
            for j in range(size):
                gap = np.int32(other[j] - value)
                gap = gap if gap >= 0 else np.int32(-gap)
                part[j] = gap if gap < steps else steps
                total[j] = np.int32(total[j] + part[j])
        else:
            for j in range(size):
                part[j] = steps if other[j] != value else np.int32(0)
                total[j] = np.int32(total[j] + part[j])


@njit(cache=True)
def _smallest_without(total, part):  # type: ignore[no-untyped-def]
    low = _FAR
    for j in range(total.size):
        rest = np.int32(total[j] - part[j])
        low = rest if rest < low else low
    return low


@njit(cache=True)
def _closest(queries, table, low, high, order, n_line, steps, found):  # type: ignore[no-untyped-def]
    """Fill the k nearest references of each query, of equals those of the lowest numbers."""
    m, k = table.shape[1], found.shape[1]
    buffer, best = np.empty(TILE, np.int32), np.empty(k, np.int32)
    lows = np.empty(low.shape[1], np.int32)
    for i in range(queries.shape[0]):
        row, number = queries[i], found[i]
        best[:] = _FAR
        number[:] = m
        tile_bounds(row, low, high, n_line, steps, lows)
        nearest = lows.argmin()
        for visit in range(lows.size):  # the tile of the lowest bound takes its turn first
            tile = nearest if visit == 0 else (0 if visit == nearest else visit)
            if lows[tile] > best[k - 1]:
                continue
            start = tile * TILE
            near = buffer[: min(TILE, m - start)]
            stop = start + near.size
            if tile_distances(row, table, start, stop, n_line, steps, near) > best[k - 1]:
                continue
            for j in range(near.size):
                x, name = near[j], order[start + j]
                at = k - 1
                if x > best[at] or (x == best[at] and name > number[at]):
                    continue
                while at > 0 and (
                    x < best[at - 1] or (x == best[at - 1] and name < number[at - 1])
                ):
                    best[at] = best[at - 1]
                    number[at] = number[at - 1]
                    at -= 1
                best[at] = x
                number[at] = name


@njit(cache=True)
def _without(queries, table, n_line, steps, asked, found):  # type: ignore[no-untyped-def]
    """Fill the nearest reference of each query without each asked column, the first of equals."""
    m = table.shape[1]
    parts = np.empty((table.shape[0], TILE), np.int32)
    buffer, best = np.empty(TILE, np.int32), np.empty(asked.size, np.int32)
    for i in range(queries.shape[0]):
        best[:] = _FAR
        for start in range(0, m, TILE):
            near = buffer[: min(TILE, m - start)]
            _parts(queries[i], table, start, n_line, steps, parts, near)
            for s in range(asked.size):
                part = parts[asked[s], : near.size]
                low = _smallest_without(near, part)
                if low < best[s]:
                    best[s] = low
                    for j in range(near.size):
                        if near[j] - part[j] == low:
                            found[i, s] = start + j
                            break
