"""Rounding is exact on sums, within one of every expectation, and unbiased.

False-alarm rate: each of the 400 cells is compared at 6.5 standard deviations, below 1e-7 in all.
"""

from __future__ import annotations

import numpy as np

from dpsynth.synth.rounding import round_table
from dpsynth.synth.sampling import refine

TRIALS = 4000
LIMIT = 6.5


def table(seed: int, groups: int, values: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    weight = rng.random((groups, values)) ** 5
    weight[rng.random(weight.shape) < 0.3] = 0.0
    weight[:, 0] += 0.01
    return weight / weight.sum(1, keepdims=True) * rng.integers(1, 5, (groups, 1))


def largest_remainder(expected: np.ndarray) -> np.ndarray:
    """The planted fault: biased on sparse tables."""
    counts = np.floor(expected).astype(np.int64)
    for row, missing in enumerate(np.rint(expected.sum(1) - counts.sum(1)).astype(int)):
        best = np.argsort(counts[row] - expected[row])[:missing]
        counts[row, best] += 1
    return counts


def z_scores(expected: np.ndarray, mean: np.ndarray) -> np.ndarray:
    fraction = expected - np.floor(expected)
    deviation = np.sqrt(fraction * (1 - fraction) / TRIALS)
    return np.abs(mean - expected) / np.maximum(deviation, 1e-3 / np.sqrt(TRIALS))


def test_rounding_keeps_sums_and_expectations() -> None:
    expected = table(0, 50, 8)
    mean = np.zeros_like(expected)
    for seed in range(TRIALS):
        counts = round_table(expected, np.random.default_rng(seed))
        assert (counts.sum(1) == np.rint(expected.sum(1))).all()
        assert (np.abs(counts - expected) < 1 + 1e-6).all()
        assert (np.abs(counts.sum(0) - expected.sum(0)) < 1 + 1e-6).all()
        assert (counts[expected == 0] == 0).all()
        mean += counts / TRIALS
    assert z_scores(expected, mean).max() < LIMIT
    assert z_scores(expected, largest_remainder(expected).astype(float)).max() > 10 * LIMIT


def test_the_redraw_inside_bins_is_unbiased() -> None:
    rng = np.random.default_rng(0)
    partition = np.array([0, 1, 0, 0, 2, 2, 1, 0, 2, 3])
    fine = np.array([0.2, 3.0, 1.0, 0.0, 0.4, 0.5, 1.0, 0.3, 2.0, 0.0])
    coarse = np.repeat([0, 1, 2, 3], [3, 2, 5, 4]).astype(np.int32)
    mean = np.zeros(10)
    for _ in range(TRIALS):
        drawn = refine(coarse, partition, fine, rng)
        assert (partition[drawn] == coarse).all()
        mean += np.bincount(drawn, minlength=10) / TRIALS
    bins = np.bincount(partition, weights=fine)
    share = np.where(bins[partition] > 0, fine / np.maximum(bins[partition], 1e-300), 1.0)
    expected = np.array([3, 2, 5, 4])[partition] * share
    assert z_scores(expected, mean).max() < LIMIT


def test_large_tables_are_rounded_exactly() -> None:
    expected = table(1, 3000, 30) * 7
    counts = round_table(expected, np.random.default_rng(0))
    assert (counts.sum(1) == np.rint(expected.sum(1))).all()
    assert (np.abs(counts.sum(0) - expected.sum(0)) < 1 + 1e-6).all()
