"""What noisy one-way counts say: totals, distributions, and bins coarse enough to pair.

All of it is post-processing of noisy values and the public domain (Dwork and Roth 2014,
Proposition 2.1), so it costs nothing. What may never be true: a bin edge, a folded category or a
total that depends on a row other than through a Measurement.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.privacy.measurement import Codes, Measurement
from dpsynth.schema.domain import Attribute

Floats = NDArray[np.float64]

# 24 to 64 bins gave the same error at epsilon 1 on two tables; more bins cost budget in every pair.
MAX_BINS = 32
# Below three standard deviations a count cannot be told from no rows at all.
HEAVY_SIGMAS = 3.0


def project_simplex(values: Floats, total: float) -> Floats:
    """Return the non-negative array of sum `total` that is closest to `values` in L2.

    Sorting algorithm of Held, Wolfe and Crowder (1974).

    >>> project_simplex(np.array([5.0, 1.0, -2.0]), 4.0)
    array([4., 0., 0.])
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    falling = np.sort(flat)[::-1]
    excess = (np.cumsum(falling) - total) / np.arange(1, flat.size + 1)
    kept = int(np.flatnonzero(falling > excess)[-1])
    projected: Floats = np.maximum(flat - excess[kept], 0.0).reshape(values.shape)
    return projected


def estimate_total(measurements: Sequence[Measurement]) -> float:
    """Return the number of rows: the inverse-variance mean of the noisy sums, at least 1.

    A sum over m cells of noise sigma has variance m * sigma^2.
    """
    sums = np.array([float(m.values.sum()) for m in measurements])
    weights = np.array([1.0 / (m.sigma**2 * m.values.size) for m in measurements])
    return max(1.0, float(sums @ weights / weights.sum()))


def coarsen(attribute: Attribute, noisy: Codes, sigma: float, total: float) -> Codes:
    """Choose the bins of one attribute from its noisy counts.

    The first `n_ordered` codes are cells of a line: a cell of mass total/32 is a spike, a bin of
    its own; the others are merged from left to right, around the spikes, until a bin weighs both
    its share of what is not in spikes and three standard deviations of its noise. So a column
    that is zero for nearly everybody keeps bins for the rest. Of the other codes, each that weighs
    three standard deviations is a bin of its own, and the rest share one.

    Args:
        attribute: The attribute.
        noisy: Noisy counts of its codes, shape (size,).
        sigma: Standard deviation of the noise of each.
        total: Estimated number of rows.

    Returns:
        int64 array of shape (size,): the bin of each code, numbered from 0 without gaps.
    """
    line = _merge_line(noisy[: attribute.n_ordered].astype(np.float64), sigma, total)
    start = int(line.max()) + 1 if line.size else 0
    tail = noisy[attribute.n_ordered :]
    heavy = tail >= HEAVY_SIGMAS * sigma
    if np.count_nonzero(~heavy) == 1:  # a rare bin of one code is that code
        heavy = np.ones_like(heavy)
    bins = np.full(tail.shape, start + np.count_nonzero(heavy), dtype=np.int64)
    bins[heavy] = start + np.arange(np.count_nonzero(heavy))
    return np.concatenate([line, bins])


def _merge_line(counts: Floats, sigma: float, total: float) -> Codes:
    """Return the bin of each cell of a line: MAX_BINS at most, one more if all are spikes."""
    if counts.size <= 1:
        return np.zeros(counts.size, dtype=np.int64)
    spike = counts >= max(total / MAX_BINS, HEAVY_SIGMAS * sigma)
    room = max(1, MAX_BINS - int(np.count_nonzero(spike)))
    share = max(float(counts[~spike].sum()), 0.0) / room
    first = np.full(counts.size, -1, dtype=np.int64)  # bins in order of their making
    made, mass, merged = 0, 0.0, 0
    for cell in np.flatnonzero(~spike):
        first[cell] = made
        mass += counts[cell]
        merged += 1
        enough = mass >= max(share, HEAVY_SIGMAS * sigma * np.sqrt(merged))
        if enough and made < room - 1:
            made, mass, merged = made + 1, 0.0, 0
    if made and mass < HEAVY_SIGMAS * sigma * np.sqrt(merged):
        first[first == made] = made - 1  # the light rest joins the last bin that is heavy enough
    made = int(first.max()) + 1
    first[spike] = made + np.arange(np.count_nonzero(spike))
    # Number the bins by their first cell, so that neighbours have neighbouring numbers.
    _, starts, inverse = np.unique(first, return_index=True, return_inverse=True)
    numbered: Codes = np.argsort(np.argsort(starts)).astype(np.int64)[inverse]
    return numbered


def sum_bins(values: NDArray[np.number], partition: Codes) -> Floats:
    """Return the sum of `values` in each bin of a partition, both of shape (size,)."""
    return np.bincount(partition, weights=values.astype(np.float64)).astype(np.float64)
