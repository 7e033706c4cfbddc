"""Round a table of expected counts to whole counts without bias.

Dependent rounding of Gandhi, Khuller, Parthasarathy and Srinivasan (2006): each cell becomes its
floor or ceiling with exactly its expectation, every row sum is kept, and every column sum becomes
its floor or ceiling. Largest-remainder rounding keeps the sums too, but is biased on sparse tables:
a cell of expectation 0.3 is then never drawn. That may never be true here.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dpsynth.arrays import Floats, Integers

# A fraction closer than this to 0 or 1 is that: far above rounding error, far below one row.
_EPSILON = 1e-9


@njit(cache=True)
def _hang(parent: Integers, weight: Floats, node: int, under: int, fraction: float) -> None:
    """Make `node` the root of its tree, then hang it under another node."""
    above, held = under, fraction
    while node >= 0:
        following, carried = parent[node], weight[node]
        parent[node], weight[node] = above, held
        above, held, node = node, carried, following


@njit(cache=True)
def _settle(
    counts: Integers, parent: Integers, weight: Floats, start: int, end: int, step: float
) -> None:
    """Move the edges from `start` up to `end` by -step, +step, ...; cut those that are whole."""
    values = counts.shape[1]
    node, sign = start, -1.0
    while node != end:
        above = parent[node]
        fraction = weight[node] + sign * step
        if fraction < _EPSILON or fraction > 1.0 - _EPSILON:
            if fraction > 0.5:
                if node < values:
                    counts[above - values, node] += 1
                else:
                    counts[node - values, above] += 1
            parent[node] = -1
        else:
            weight[node] = fraction
        sign = -sign
        node = above


@njit(cache=True)
def _round(expected: Floats, coins: Floats) -> Integers:
    """Round row by row, keeping the undecided fractions as a forest of rows and columns.

    An edge that closes a cycle is settled at once by moving along the cycle, so the forest never
    has more than twice as many edges as there are columns. The last row of `expected` completes
    the column sums to whole numbers.
    """
    rows, values = expected.shape
    counts = np.floor(expected + _EPSILON).astype(np.int64)
    parent = np.full(values + rows, -1, dtype=np.int64)
    weight = np.zeros(values + rows)
    mark = np.zeros(values + rows, dtype=np.int64)
    stamp = 0
    for row in range(rows):
        group = values + row
        for value in range(values):
            fraction = expected[row, value] - counts[row, value]
            if fraction < _EPSILON:
                continue
            stamp += 1
            node = value
            while node >= 0:
                mark[node] = stamp
                node = parent[node]
            top = group
            while top >= 0 and mark[top] != stamp:
                top = parent[top]
            if top < 0:
                _hang(parent, weight, value, group, fraction)
                continue
            up, down = 1.0 - fraction, fraction
            for start in (value, group):
                node, falling = start, True
                while node != top:
                    held = weight[node]
                    up = min(up, held if falling else 1.0 - held)
                    down = min(down, 1.0 - held if falling else held)
                    falling = not falling
                    node = parent[node]
            step = up if coins[stamp] * (up + down) < down else -down
            _settle(counts, parent, weight, value, top, step)
            _settle(counts, parent, weight, group, top, step)
            fraction += step
            if fraction > 1.0 - _EPSILON:
                counts[row, value] += 1
            elif fraction >= _EPSILON:
                _hang(parent, weight, value, group, fraction)
    for node in range(values + rows):  # only rounding error can have left anything here
        if parent[node] >= 0 and weight[node] > 0.5:
            if node < values:
                counts[parent[node] - values, node] += 1
            else:
                counts[node - values, parent[node]] += 1
    return counts


def round_table(expected: Floats, rng: np.random.Generator) -> Integers:
    """Round expected counts to whole counts.

    Args:
        expected: Non-negative, shape (groups, values), whole row sums up to rounding error.
        rng: Source of the coin flips.

    Returns:
        int64 counts of the same shape and row sums, each cell unbiased.
    """
    sums = expected.sum(axis=0)
    filler = np.ceil(sums - _EPSILON) - sums
    table = np.vstack([expected, np.maximum(filler, 0.0)])
    counts: Integers = _round(table, rng.random(table.size + 1))[:-1]
    wanted = np.rint(expected.sum(axis=1)).astype(np.int64)
    for row in np.flatnonzero(counts.sum(axis=1) != wanted):
        # Rounding error of the last bits: mend the row in its largest cell, never in an empty one.
        short = wanted[row] - counts[row].sum()
        counts[row, np.argmax(expected[row] if short > 0 else counts[row])] += short
    return counts
