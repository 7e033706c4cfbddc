"""The two hot loops of inference, along the last axis of a table: multiply factors in, sum to them.

A table stands as rows along its last axis. A factor that has this axis is, for each row, a run of
the same length that begins somewhere in a flat array; where, is an index a row and not a cell.
"""

from __future__ import annotations

from numba import njit

from dpsynth.arrays import Floats, Integers


@njit(cache=True)
def expand(prefix: Floats, factors: Floats, starts: Integers, table: Floats) -> None:
    """Fill each row of a table with its prefix times its run of every factor.

    Args:
        prefix: One number a row, shape (r,).
        factors: All factors, flat.
        starts: Where the run of each factor begins for each row, shape (r, f).
        table: Shape (r, length), overwritten.
    """
    length = table.shape[1]
    for r in range(table.shape[0]):
        row = table[r]
        row[:] = prefix[r]
        for f in range(starts.shape[1]):
            begin = starts[r, f]
            run = factors[begin : begin + length]
            for j in range(length):
                row[j] *= run[j]


@njit(cache=True)
def add_up(table: Floats, starts: Integers, sums: Floats, prefix: Floats) -> None:
    """Add each row of a table to its run of every factor, and its sum to its prefix.

    Args:
        table: Shape (r, length).
        starts: Where the run of each factor begins for each row, shape (r, f).
        sums: All factors, flat, added to.
        prefix: One number a row, shape (r,), overwritten.
    """
    length = table.shape[1]
    for r in range(table.shape[0]):
        row = table[r]
        for f in range(starts.shape[1]):
            begin = starts[r, f]
            run = sums[begin : begin + length]
            for j in range(length):
                run[j] += row[j]
        total = 0.0
        for j in range(length):
            total += row[j]
        prefix[r] = total
