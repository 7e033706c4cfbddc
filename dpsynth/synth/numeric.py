"""What noisy one-way counts say: distributions, and bins coarse enough to pair.

All of it is post-processing of noisy values and the public domain (Dwork and Roth 2014,
Proposition 2.1), so it costs nothing. What may never be true: a bin edge, a folded category or a
distribution that depends on a row other than through a Measurement.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from dpsynth.arrays import Floats, Integers
from dpsynth.schema.domain import Attribute
from dpsynth.synth.estimate import Estimate

# 24 to 64 bins gave the same error at epsilon 1 on two tables; more bins cost budget in every pair.
MAX_BINS = 32
# Below three standard deviations a count cannot be told from no rows at all.
HEAVY_SIGMAS = 3.0
# The number of cells for which that is meant: one column in 23 then shows a cell that is empty.
_HEAVY_CELLS = 32


def project_simplex(values: Floats, total: float, variance: Floats | None = None) -> Floats:
    """Return the non-negative array of sum `total` that is closest to `values`.

    Closest in the sum of squares over the variances: x = max(y - shift * variance, 0), so that
    what is to be taken off or added comes mostly from the noisiest values. Sorting algorithm of
    Held, Wolfe and Crowder (1974).

    Args:
        values: Finite numbers, shape (k,), k at least 1.
        total: Positive.
        variance: Positive noise variance of each; None where all are equal.

    >>> project_simplex(np.array([5.0, 1.0, -2.0]), 4.0)
    array([4., 0., 0.])
    >>> project_simplex(np.array([5.0, 3.0]), 4.0, np.array([1.0, 3.0]))
    array([4., 0.])
    """
    weight = np.ones_like(values) if variance is None else variance
    ratio = values / weight
    order = np.argsort(-ratio)
    shift = (np.cumsum(values[order]) - total) / np.cumsum(weight[order])
    kept = int(np.flatnonzero(ratio[order] > shift)[-1])
    projected: Floats = np.maximum(values - shift[kept] * weight, 0.0)
    return projected


def heavy_sigmas(cells: int) -> float:
    """Return how many standard deviations make one of `cells` cells visible above its noise.

    Three for up to 32 cells. For more, as many as keep the expected number of cells that noise
    alone makes visible at that of 32 cells: 3.9 for 1000.
    """
    return max(HEAVY_SIGMAS, -float(ndtri(ndtr(-HEAVY_SIGMAS) * min(1.0, _HEAVY_CELLS / cells))))


def max_bins_for(total: float, sigma: float, most: int = MAX_BINS) -> int:
    """Return how many bins a column may have in a pair whose cells have noise `sigma`.

    The cells of a pair of two such columns hold `sigma` rows on average: finer tables would be
    noise. At least 2, at most `most`.
    """
    return int(min(most, max(2.0, math.sqrt(total / sigma))))


def distribution(attribute: Attribute, estimate: Estimate, total: float) -> Floats:
    """Return expected counts of the codes, non-negative and of sum `total`.

    A cell that is visible above its noise stands for itself. A blank or out-of-domain cell that is
    not is empty: nobody declared it, and its rows would be noise. The other cells of a block (of a
    nominal column: all other categories) share one mass. These masses are projected onto the
    simplex, weighted by their noise. Inside a block, the mass is spread in the shape of the noisy
    counts shrunk towards equal counts by the positive-part rule of James and Stein (1961), with
    factor 1 - (m - 3) variance / (sum of squared differences):
    where m cells differ by no more than their noise, they come out equal.

    Args:
        attribute: The attribute.
        estimate: Unbiased counts of its codes.
        total: Estimated number of rows, positive.
    """
    values = estimate.values
    visible = values >= heavy_sigmas(attribute.size) * estimate.sigmas()
    empty = ~visible & ~declared_codes(attribute)
    blocks = estimate.blocks if attribute.n_ordered else np.zeros_like(estimate.blocks)
    group = np.where(visible, blocks.max() + 1 + np.arange(attribute.size), blocks)
    group[empty] = -1
    used, group = np.unique(group, return_inverse=True)
    first = int(empty.any())  # the group of the empty cells has no mass
    sums, variance = sum_bins(values, group), estimate.bin_variance(group)
    masses = np.zeros(used.size)
    masses[first:] = project_simplex(sums[first:], total, variance[first:])
    order = np.argsort(group, kind="stable")
    expected = np.zeros(attribute.size)
    starts = np.searchsorted(group[order], np.arange(1, used.size))
    for cells, mass in zip(np.split(order, starts), masses, strict=True):
        expected[cells] = _spread(values[cells], float(mass), estimate.cell_variance)
    return expected


def declared_codes(attribute: Attribute) -> NDArray[np.bool_]:
    """Return which codes are neither blank nor out of the domain; all, where no other is left."""
    declared = np.ones(attribute.size, dtype=np.bool_)
    for code in (attribute.blank, attribute.out_of_domain):
        if code is not None:
            declared[code] = False
    return declared | ~declared.any()


def _spread(values: Floats, mass: float, variance: float) -> Floats:
    """Spread `mass` in the shape of noisy values, as far as the shape stands out of the noise."""
    if not mass > 0:
        return np.zeros_like(values)
    difference = values - values.mean()
    energy = float(difference @ difference)
    trust = 1.0 - (values.size - 3) * variance / energy if energy > 0 and values.size > 3 else 0.0
    return project_simplex(mass / values.size + max(0.0, trust) * difference, mass)


def coarsen(attribute: Attribute, estimate: Estimate, total: float, max_bins: int) -> Integers:
    """Choose the bins of one attribute from its noisy counts.

    The first `n_ordered` codes are cells of a line: a visible cell of mass total/max_bins is a
    spike, a bin of its own; the others are merged from left to right, around the spikes, until a
    bin weighs both its share of what is not in spikes and three standard deviations of its noise.
    So a column that is zero for nearly everybody keeps bins for the rest. Of the other codes, the
    max_bins - 1 heaviest that weigh three standard deviations are bins of their own, and the rest
    share one.

    Args:
        attribute: The attribute.
        estimate: Unbiased counts of its codes.
        total: Estimated number of rows.
        max_bins: About the largest number of bins, at least 2.

    Returns:
        int64 array of shape (size,): the bin of each code, numbered from 0 without gaps.
    """
    line = _merge_line(estimate, attribute.n_ordered, total, max_bins)
    start = int(line.max()) + 1 if line.size else 0
    tail = estimate.values[attribute.n_ordered :]
    heavy = tail >= HEAVY_SIGMAS * estimate.sigmas()[attribute.n_ordered :]
    heavy[np.argsort(-tail, kind="stable")[max_bins - 1 :]] = False
    if np.count_nonzero(~heavy) == 1:  # a rare bin of one code is that code
        heavy = np.ones_like(heavy)
    bins = np.full(tail.shape, start + np.count_nonzero(heavy), dtype=np.int64)
    bins[heavy] = start + np.arange(np.count_nonzero(heavy))
    return np.concatenate([line, bins])


def _merge_line(estimate: Estimate, cells: int, total: float, max_bins: int) -> Integers:
    """Return the bin of each cell of a line: max_bins at most, one more if all are spikes."""
    if cells <= 1:
        return np.zeros(cells, dtype=np.int64)
    counts = estimate.values[:cells]
    visible = heavy_sigmas(cells) * estimate.sigmas()[:cells]
    spike = counts >= np.maximum(total / max_bins, visible)
    room = max(1, max_bins - int(np.count_nonzero(spike)))
    share = max(float(counts[~spike].sum()), 0.0) / room
    first = _merge(
        counts,
        spike,
        estimate.blocks,
        estimate.block_cells,
        estimate.cell_variance,
        estimate.block_variance,
        room,
        share,
    )
    made = int(first.max()) + 1
    first[spike] = made + np.arange(np.count_nonzero(spike))
    # Number the bins by their first cell, so that neighbours have neighbouring numbers.
    _, starts, inverse = np.unique(first, return_index=True, return_inverse=True)
    numbered: Integers = np.argsort(np.argsort(starts)).astype(np.int64)[inverse]
    return numbered


@njit(cache=True)
def _merge(
    counts: Floats,
    spike: NDArray[np.bool_],
    blocks: Integers,
    block_cells: Integers,
    cell_variance: float,
    block_variance: Floats,
    room: int,
    share: float,
) -> Integers:
    """Merge cells from left to right; bins in order of their making, -1 for a spike.

    The noise of a bin is that of its blocks, see :meth:`Estimate.part_variance`.
    """
    first = np.full(counts.size, -1, dtype=np.int64)
    made, mass = 0, 0.0
    closed, part = 0.0, 0.0  # variance of the blocks left behind, and of the one at hand
    block, inside = -1, 0
    for cell in range(counts.size):
        if spike[cell]:
            continue
        if blocks[cell] != block:
            closed, part, inside = closed + part, 0.0, 0
            block = blocks[cell]
        first[cell] = made
        mass += counts[cell]
        inside += 1
        rate = inside / block_cells[block]
        part = cell_variance * inside * (1.0 - rate) + rate * rate * block_variance[block]
        if mass >= max(share, HEAVY_SIGMAS * math.sqrt(closed + part)) and made < room - 1:
            made, mass, closed, part, inside = made + 1, 0.0, 0.0, 0.0, 0
    if made > 0 and mass < HEAVY_SIGMAS * math.sqrt(closed + part):
        for cell in range(counts.size):  # the light rest joins the last bin that is heavy enough
            if first[cell] == made:
                first[cell] = made - 1
    return first


def shares_inside(weight: Floats, partition: Integers) -> Floats:
    """Return the share of each code in the weight of its bin; equal shares where it has none."""
    mass = sum_bins(weight, partition)
    flat = 1.0 / np.bincount(partition)[partition]
    share: Floats = np.divide(weight, mass[partition], out=flat, where=mass[partition] > 0)
    return share


def absorbed(attribute: Attribute, partition: Integers, fine: Floats) -> Integers:
    """Return bins in which undeclared codes without rows share the bin of the heaviest code.

    There no row will take them, and they cost no cell in any table of bins.

    Args:
        attribute: The attribute.
        partition: Bin of each code, numbered without gaps; their order is kept.
        fine: Expected count of each code.
    """
    nobody = ~declared_codes(attribute) & ~(fine > 0)
    moved = np.where(nobody, partition[int(np.argmax(fine))], partition)
    return np.unique(moved, return_inverse=True)[1].reshape(-1).astype(np.int64)


def sum_bins(values: NDArray[np.number], partition: Integers) -> Floats:
    """Return the sum of `values` in each bin of a partition, both of shape (size,)."""
    return np.bincount(partition, weights=values.astype(np.float64)).astype(np.float64)
