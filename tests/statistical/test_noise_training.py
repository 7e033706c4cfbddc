"""Noise and samples of training: normal draws, and coins that fall independently at their rate.

Draws are from the operating system and have no seed, so each test states the chance that it fails
without a fault; together it is below 1e-7. Each also rejects a planted fault.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from noise_checks import body, spread
from scipy import stats

from dpsynth.privacy.noise import coins, normals

ALPHA = 1e-9
DRAWS = 400_000
UNITS, TIMES = 2_000, 400


@cache
def drawn() -> np.ndarray:
    """Draw once a process: a sample that failed a test fails it for good."""
    return normals(DRAWS)


@cache
def thrown(rate: float) -> np.ndarray:
    """Return samples, bool of shape (TIMES, UNITS)."""
    return np.array([coins(UNITS, rate) for _ in range(TIMES)])


def far(sample: np.ndarray) -> float:
    """Return the two-sided p-value of the number of draws beyond 3.5 (exact binomial)."""
    count = int((np.abs(sample) > 3.5).sum())
    return float(stats.binomtest(count, sample.size, 2 * stats.norm.sf(3.5)).pvalue)


@pytest.mark.parametrize("judge", [body, spread, far])
def test_noise_is_normal(judge) -> None:
    """False-alarm rate: 1e-9 each."""
    assert judge(drawn()) > ALPHA
    assert judge(drawn()[::-1] * np.where(np.arange(DRAWS) % 2, 1, -1)) > ALPHA


def test_draws_are_independent() -> None:
    """False-alarm rate: 1e-9 a lag, by the normal law of a mean of products; pairs are looked at.

    Box and Muller's two halves come from the same uniform numbers, so the lag of a half is among
    them, for draws and for their squares.
    """
    sample = drawn()
    for lag in (1, 2, DRAWS // 2):
        for part in (sample, (sample**2 - 1) / math.sqrt(2)):
            mean = float((part[:-lag] * part[lag:]).mean()) * math.sqrt(DRAWS - lag)
            assert 2 * stats.norm.sf(abs(mean)) > ALPHA
    twice = np.repeat(sample[: DRAWS // 2], 2)
    assert 2 * stats.norm.sf(float((twice[:-1] * twice[1:]).mean()) * math.sqrt(DRAWS)) < ALPHA


@pytest.mark.parametrize(
    ("judge", "fault"),
    [
        (spread, lambda x: 0.98 * x),
        (far, lambda x: np.clip(x, -3.5, 3.5)),
        (body, lambda x: x + 0.02),
        (body, lambda x: np.random.default_rng(1).uniform(-1.73, 1.73, x.size)),
    ],
)
def test_a_planted_fault_of_noise_is_rejected(judge, fault) -> None:
    """The chance that a fault passes is below 1e-12 for each (at 400,000 draws)."""
    assert judge(fault(drawn())) < ALPHA


@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_as_many_draws_as_were_asked_for(size: int) -> None:
    assert normals(size).shape == (size,) and coins(size, 0.5).shape == (size,)


@pytest.mark.parametrize("rate", [0.02, 0.5, 0.97])
def test_samples_are_poisson(rate: float) -> None:
    """False-alarm rate: 3e-9. Sizes vary as sums of independent coins do; no unit is favoured."""
    sample = thrown(rate)
    assert stats.binomtest(int(sample.sum()), sample.size, rate).pvalue > ALPHA
    by_unit, by_time = sample.sum(0), sample.sum(1)
    for counts, of in ((by_unit, TIMES), (by_time, UNITS)):
        square = float(((counts - of * rate) ** 2).sum()) / (of * rate * (1 - rate))
        law = stats.chi2(counts.size)
        assert 2 * min(law.cdf(square), law.sf(square)) > ALPHA


def test_samples_of_a_fixed_size_are_rejected() -> None:
    """Batches of a shuffled table, booked as Poisson: their sizes do not vary at all."""
    sizes = np.full(TIMES, UNITS * 0.02)
    square = float(((sizes - UNITS * 0.02) ** 2).sum()) / (UNITS * 0.02 * 0.98)
    assert stats.chi2(TIMES).cdf(square) < ALPHA


def test_extreme_rates() -> None:
    assert coins(1000, 1.0).all() and not coins(1000, 1e-12).any()
