"""Even out a sample: swap values between rows of one component until pairs come out as expected.

In a component the blocks of columns are independent, so its rows may exchange their values of a
block without leaving the component. Of such swaps, proposed at random, those are kept that bring
the counts of all pairs of bins closer to what the mixture expects (in the sum of squares). That
takes most of the rounding noise out of pairs: on Adult at epsilon 10 the mean 2-way error of a
sample falls from 0.0199 to 0.0181, that of the mixture itself being 0.0164. It is post-processing
of the model. Never true here: a swap that changes a one-way count, or what a component holds of a
block.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dpsynth.arrays import Floats32, Integers

# Proposals a row and block: more than two gain less than 0.0001.
_SWEEPS = 2
# Steps of the innermost loops (about five seconds): beyond that only a part of the rows is swapped.
_MOST_WORK = 2_000_000_000


@njit(cache=True)
def _count(cells: Integers, excess: Floats32) -> None:
    """Add the pairs of bins of each row."""
    for row in cells:
        for left in row:
            for right in row:
                excess[left, right] += 1


@njit(cache=True)
def _gain(left: Integers, right: Integers, block: Integers, number: int, excess: Floats32) -> float:
    """Return by how much a swap of a block changes the sum of squares, over two."""
    change = 0.0
    for column in range(block.size):
        if block[column] != number or left[column] == right[column]:
            continue
        one, two = left[column], right[column]
        for other in range(block.size):
            if block[other] != number and left[other] != right[other]:
                change += excess[left[other], two] - excess[left[other], one]
                change += excess[right[other], one] - excess[right[other], two] + 2.0
    return change


@njit(cache=True)
def _swap(left: Integers, right: Integers, block: Integers, number: int, excess: Floats32) -> None:
    """Swap a block between two rows, and keep the excess of pairs."""
    for column in range(block.size):
        if block[column] != number or left[column] == right[column]:
            continue
        one, two = left[column], right[column]
        for other in range(block.size):
            if block[other] != number and left[other] != right[other]:
                for pair, step in (
                    ((left[other], one), -1.0),
                    ((left[other], two), 1.0),
                    ((right[other], two), -1.0),
                    ((right[other], one), 1.0),
                ):
                    excess[pair[0], pair[1]] += step
                    excess[pair[1], pair[0]] += step
        left[column], right[column] = two, one


@njit(cache=True)
def _sweep(
    cells: Integers,
    first: Integers,
    last: Integers,
    order: Integers,
    coins: Floats32,
    block: Integers,
    excess: Floats32,
) -> None:
    """Propose one swap of each block for the rows in `order`, with rows of their components."""
    for place, row in enumerate(order):
        rows = last[row] - first[row]
        for number in range(coins.shape[1]):
            other = first[row] + min(rows - 1, int(coins[place, number] * rows))
            if _gain(cells[row], cells[other], block, number, excess) < 0.0:
                _swap(cells[row], cells[other], block, number, excess)


def even_out(
    cells: Integers,
    allotted: Integers,
    block: Integers,
    expected: Floats32,
    rng: np.random.Generator,
) -> None:
    """Swap values between rows of the same component, in place.

    Args:
        cells: Number of the bin of each row and column among the bins of all columns, shape (rows,
            columns); rows of a component stand together.
        allotted: How many rows each component has, in their order.
        block: Number of the block of each column.
        expected: Expected share of each pair of bins, symmetric, shape (bins, bins); those of
            columns in one block are not looked at.
        rng: Source of randomness.
    """
    rows, columns = cells.shape
    last = np.repeat(np.cumsum(allotted), allotted)
    first = last - np.repeat(allotted, allotted)
    if not rows or allotted.max() < 2:
        return
    excess = expected * np.float32(-rows)
    _count(cells, excess)
    blocks = int(block.max()) + 1
    visits = min(_SWEEPS * rows, _MOST_WORK // (4 * columns * columns))
    while visits > 0:
        order = rng.permutation(rows)[:visits]
        coins = rng.random((order.size, blocks), dtype=np.float32)
        _sweep(cells, first, last, order, coins, block, excess)
        visits -= order.size
