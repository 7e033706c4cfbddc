"""Exact nearest neighbours of coded rows under Gower's distance.

Gower (Biometrics 1971): the mean over columns of |difference of positions| / declared range,
capped at 1, for ordered cells, and of 0 or 1 for nominal codes. A missing, special or
out-of-domain code is a nominal value: distance 0 to itself, 1 to everything else, also to every
ordered cell.

Positions are rounded to a grid of 2**24 // d steps per range, so that all sums are whole numbers
of 32 bits: exact, and compared eight to sixteen at a time, which floats are not. (An ordered
column with more than 32 d missing and special codes makes it coarser, so that their places fit.)
Rows of equal cells therefore always compare equal and ties are counted, not broken by order; what
tie or order a distance has depends on the cells alone, never on which table a row came from.

References that are alike stand side by side, in tiles. The range of each column in a tile bounds
the distance to all of it from below, and a tile whose bound exceeds what was found is skipped.
Nothing is approximated; where nothing can be skipped, bounds cost a hundredth of the search.

Memory is O(references * d) plus one tile; no n x m matrix ever exists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.schema.domain import Domain

TILE = 128  #: references whose distances are held at once: stays in the first-level cache
_FAR = np.int32(2**31 - 1)
_STEP = 4096  # queries between two progress reports
Progress = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The two nearest references of each query.

    Attributes:
        first: Distance to the nearest reference, in [0, 1], shape (n,).
        second: Distance to the next one, equal to `first` on a tie; NaN with one reference only.
        ties: Number of references at the distance `first`, at least 1.
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    ties: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Queries and references on the grid: differences of places are distances, capped at `steps`.

    Attributes:
        queries: Places, ordered columns first, shape (n, d).
        references: The same, one row per column, shape (d, m).
        order: The column of the domain that stands at each place of that order, shape (d,).
        n_line: How many of them are ordered.
        steps: The distance of two cells that have nothing in common.
    """

    queries: NDArray[np.int32]
    references: NDArray[np.int32]
    order: list[int]
    n_line: int
    steps: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Tiles:
    """References in tiles of like ones.

    Attributes:
        order: Number of each reference before they were sorted, shape (m,).
        table: Places of the sorted references, one row per column, shape (d, m).
        low: Smallest place of each column in each tile, shape (d, tiles).
        high: Largest place, the same.
    """

    order: NDArray[np.int64]
    table: NDArray[np.int32]
    low: NDArray[np.int32]
    high: NDArray[np.int32]


def on_grid(domain: Domain, queries: Codes, references: Codes) -> Grid:
    """Put coded rows on the grid of Gower's distance.

    Args:
        domain: Domain of the columns.
        queries: Codes, shape (n, d).
        references: Codes, shape (m, d), at least one row.
    """
    if not len(references):
        raise ValueError("nearest neighbours need at least one reference")
    tails = max((a.size - a.n_ordered for a in domain if a.n_ordered), default=0)
    steps = 2**24 // max(1, len(domain), tails // 32)
    line = [j for j, attribute in enumerate(domain) if attribute.n_ordered]
    order = line + [j for j, attribute in enumerate(domain) if not attribute.n_ordered]
    places = [
        _places(domain.attributes[j].positions, domain.attributes[j].size, steps) for j in line
    ]
    return Grid(
        queries=_scaled(queries, order, places),
        references=np.ascontiguousarray(_scaled(references, order, places).T),
        order=order,
        n_line=len(line),
        steps=steps,
    )


def in_tiles(grid: Grid) -> Tiles:
    """Sort the references of a grid so that like ones share a tile."""
    order = _alike(grid)
    table = np.ascontiguousarray(grid.references[:, order])
    cuts = np.arange(0, len(order), TILE)
    low, high = (f.reduceat(table, cuts, axis=1) for f in (np.minimum, np.maximum))
    return Tiles(order=order, table=table, low=low, high=high)


def nearest_two(
    domain: Domain, queries: Codes, references: Codes, *, progress: Progress | None = None
) -> Neighbours:
    """Return the exact distances of each query to its two nearest references.

    Args:
        domain: Domain of the columns.
        queries: Codes, shape (n, d).
        references: Codes, shape (m, d), at least one row.
        progress: Called with the finished share, in (0, 1].
    """
    return _search(domain, queries, references, None, progress)


def nearest_weights(
    domain: Domain, queries: Codes, references: Codes, *, progress: Progress | None = None
) -> NDArray[np.float64]:
    """Return for each reference how many queries have it as nearest; tied references share one.

    Args:
        domain: Domain of the columns.
        queries: Codes, shape (n, d).
        references: Codes, shape (m, d), at least one row.
        progress: Called with the finished share, in (0, 1].

    Returns:
        Weights, shape (m,), that sum to n.
    """
    weights = np.zeros(len(references))
    _search(domain, queries, references, weights, progress)
    return weights


def mean_nearest(domain: Domain, rows: Codes, count: int) -> NDArray[np.float64]:
    """Return the mean distance of each row to its `count` nearest others in the same table.

    Args:
        domain: Domain of the columns.
        rows: Codes, shape (n, d), more rows than `count`.
        count: Number of neighbours, at least 1.

    Returns:
        Shape (n,), in [0, 1].
    """
    if not 0 < count < len(rows):
        raise ValueError(f"{count} neighbours among {len(rows)} rows")
    grid = on_grid(domain, rows, rows)
    totals = np.empty(len(rows))
    _nearest_totals(
        grid.queries, grid.references, grid.n_line, np.int32(grid.steps), count + 1, totals
    )
    return totals / (grid.steps * max(1, len(domain)) * count)  # the row itself adds 0


def _search(
    domain: Domain,
    queries: Codes,
    references: Codes,
    weights: NDArray[np.float64] | None,
    progress: Progress | None,
) -> Neighbours:
    grid = on_grid(domain, queries, references)
    n = len(queries)
    tiles = in_tiles(grid)
    first, second = np.empty(n, np.int32), np.empty(n, np.int32)
    ties = np.empty(n, np.int64)
    share = np.zeros(0 if weights is None else len(references))
    for start in range(0, n, _STEP):
        part = slice(start, min(n, start + _STEP))
        _kernel(
            grid.queries[part],
            tiles.table,
            tiles.low,
            tiles.high,
            grid.n_line,
            np.int32(grid.steps),
            first[part],
            second[part],
            ties[part],
            share,
        )
        if progress is not None:
            progress(part.stop / n)
    if weights is not None:
        weights[tiles.order] = share
    scale = float(grid.steps * max(1, len(domain)))
    distances = second.astype(np.float64) / scale
    if len(references) == 1:
        distances[:] = np.nan
    return Neighbours(first=first.astype(np.float64) / scale, second=distances, ties=ties)


def _alike(grid: Grid) -> NDArray[np.int64]:
    """Return the references in an order in which like ones are neighbours, shape (m,).

    Sorted by nominal columns, then ordered ones, of each kind those of fewest values first: these
    keep long runs alike, and a column that is alike in a whole tile bounds the tile's distance.
    """
    values = [len(np.unique(column)) for column in grid.references]
    first = sorted(range(len(values)), key=lambda c: (c < grid.n_line, values[c]))
    if not first:
        return np.arange(grid.references.shape[1])
    return np.lexsort([grid.references[c] for c in reversed(first)])


def _places(positions: tuple[float, ...], size: int, steps: int) -> NDArray[np.int32]:
    """Return the place of each code of one attribute; tail codes lie further off than a range."""
    at = np.asarray(positions, np.float64)
    extent = float(at.max() - at.min())
    ordered = np.rint((at - at.min()) / extent * steps) if extent > 0 else np.zeros(len(at))
    tail = 2.0 * steps * (1.0 + np.arange(size - len(at)))
    return np.concatenate([ordered, tail]).astype(np.int32)


def _scaled(codes: Codes, order: list[int], places: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    out = np.empty((len(codes), len(order)), np.int32)
    for column, j in enumerate(order):
        out[:, column] = places[column][codes[:, j]] if column < len(places) else codes[:, j]
    return out


# The casts keep the compiler from widening to 64 bits, of which half as many fit a register.
@njit(cache=True)
def _line(at, value, steps):  # type: ignore[no-untyped-def]
    gap = np.int32(at - value)
    gap = gap if gap >= 0 else np.int32(-gap)
    return gap if gap < steps else steps


@njit(cache=True)
def _name(at, value, steps):  # type: ignore[no-untyped-def]
    return steps if at != value else np.int32(0)


@njit(cache=True)
def tile_distances(row, table, start, stop, n_line, steps, out):  # type: ignore[no-untyped-def]
    """Write the summed distances of one query to references start..stop; return the smallest."""
    d = row.size
    out[:] = 0
    c = 0
    while c + 1 < n_line:
        v0, r0 = row[c], table[c, start:stop]
        v1, r1 = row[c + 1], table[c + 1, start:stop]
        for j in range(out.size):
            out[j] = np.int32(out[j] + _line(r0[j], v0, steps) + _line(r1[j], v1, steps))
        c += 2
    if c < n_line:
        v0, r0 = row[c], table[c, start:stop]
        for j in range(out.size):
            out[j] = np.int32(out[j] + _line(r0[j], v0, steps))
        c += 1
    while c + 3 < d:
        v0, r0 = row[c], table[c, start:stop]
        v1, r1 = row[c + 1], table[c + 1, start:stop]
        v2, r2 = row[c + 2], table[c + 2, start:stop]
        v3, r3 = row[c + 3], table[c + 3, start:stop]
        for j in range(out.size):
            some = _name(r0[j], v0, steps) + _name(r1[j], v1, steps)
            out[j] = np.int32(out[j] + some + _name(r2[j], v2, steps) + _name(r3[j], v3, steps))
        c += 4
    while c < d:
        v0, r0 = row[c], table[c, start:stop]
        for j in range(out.size):
            out[j] = np.int32(out[j] + _name(r0[j], v0, steps))
        c += 1
    low = out[0]
    for j in range(out.size):
        low = out[j] if out[j] < low else low
    return low


@njit(cache=True)
def tile_bounds(row, low, high, n_line, steps, out):  # type: ignore[no-untyped-def]
    """Write for each tile a distance that no reference in it falls below."""
    out[:] = 0
    for c in range(row.size):
        value, least, most = row[c], low[c], high[c]
        if c < n_line:
            for t in range(out.size):
                under, over = np.int32(least[t] - value), np.int32(value - most[t])
                gap = under if under > over else over
                gap = gap if gap > 0 else np.int32(0)
                out[t] = np.int32(out[t] + (gap if gap < steps else steps))
        else:
            for t in range(out.size):
                outside = (value < least[t]) | (value > most[t])
                out[t] = np.int32(out[t] + (steps if outside else np.int32(0)))


@njit(cache=True)
def _kernel(queries, table, low, high, n_line, steps, first, second, ties, weights):  # type: ignore[no-untyped-def]
    """Fill the two smallest distances and the tie counts; add tie-shared weights if asked for."""
    m = table.shape[1]
    buffer = np.empty(TILE, np.int32)
    lows = np.empty(low.shape[1], np.int32)
    for i in range(queries.shape[0]):
        row = queries[i]
        best = _FAR
        next_best = best
        count = 0
        tile_bounds(row, low, high, n_line, steps, lows)
        nearest = lows.argmin()
        for visit in range(lows.size):  # the tile of the lowest bound takes its turn first
            tile = nearest if visit == 0 else (0 if visit == nearest else visit)
            if lows[tile] > next_best:
                continue
            start = tile * TILE
            stop = min(m, start + TILE)
            near = buffer[: stop - start]
            lows[tile] = tile_distances(row, table, start, stop, n_line, steps, near)
            if lows[tile] <= next_best:
                for j in range(near.size):
                    x = near[j]
                    if x < best:
                        next_best = best
                        best = x
                        count = 1
                    elif x == best:
                        next_best = x
                        count += 1
                    elif x < next_best:
                        next_best = x
        first[i] = best
        second[i] = next_best
        ties[i] = count
        if weights.size:
            for tile in range(lows.size):
                if lows[tile] == best:
                    start = tile * TILE
                    stop = min(m, start + TILE)
                    near = buffer[: stop - start]
                    tile_distances(row, table, start, stop, n_line, steps, near)
                    for j in range(near.size):
                        if near[j] == best:
                            weights[start + j] += 1.0 / count


@njit(cache=True)
def _nearest_totals(queries, table, n_line, steps, count, totals):  # type: ignore[no-untyped-def]
    """Write the sum of the `count` smallest distances of each query to the references."""
    m = table.shape[1]
    buffer = np.empty(TILE, np.int32)
    smallest = np.empty(count, np.int32)
    for i in range(queries.shape[0]):
        smallest[:] = _FAR
        for start in range(0, m, TILE):
            stop = min(m, start + TILE)
            near = buffer[: stop - start]
            low = tile_distances(queries[i], table, start, stop, n_line, steps, near)
            if low >= smallest[count - 1]:
                continue
            for x in near:
                place = count - 1
                if x >= smallest[place]:
                    continue
                while place > 0 and smallest[place - 1] > x:
                    smallest[place] = smallest[place - 1]
                    place -= 1
                smallest[place] = x
        totals[i] = smallest.astype(np.float64).sum()
