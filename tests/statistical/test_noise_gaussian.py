"""Discrete Gaussian noise against its exact probability mass function, at five scales.

40,000 draws a scale. Each p-value is compared with ALPHA = 1e-8; 20 of them, the chi-square ones
at a real rate below 2 ALPHA, so a run of this file fails by chance with probability below 4e-7.
A scale that is 10 % off is missed with probability below 1e-49 (noncentral chi-square), a tail cut
where 40 draws are expected with exp(-40). What 40,000 draws cannot see: a tail that is wrong only
beyond 3.1 sigma, unless it throws a draw where none is expected.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from noise_checks import (
    ALPHA,
    MISSED,
    SIGMAS,
    chi_square,
    chi_square_rate,
    gaussian_law,
    grain,
    lag,
    missed,
    tails,
    unseen_faults,
)

from dpsynth.privacy.noise import gaussian

DRAWS = 40_000
OFFSET = 1000


@cache
def draws(sigma: float) -> np.ndarray:
    """Draw once a scale and a process: a sample that failed a test fails it for good."""
    noisy, rho = gaussian(np.full(DRAWS, OFFSET, dtype=np.int64), sigma, 1)
    assert rho >= 1 / (2 * sigma**2)
    return noisy - OFFSET


@pytest.mark.parametrize("sigma", SIGMAS)
def test_body_fits_the_exact_law(sigma: float) -> None:
    """False-alarm rate: below 2e-8 for the body, 1e-8 for the residues modulo 4."""
    assert chi_square(draws(sigma), gaussian_law(sigma)) > ALPHA
    assert grain(draws(sigma), gaussian_law(sigma)) > ALPHA


@pytest.mark.parametrize("sigma", SIGMAS)
def test_tails_fit_the_exact_law(sigma: float) -> None:
    """False-alarm rate: at most 1e-8, exact binomial."""
    assert tails(draws(sigma), gaussian_law(sigma)) > ALPHA


@pytest.mark.parametrize("sigma", SIGMAS)
def test_cells_are_independent(sigma: float) -> None:
    """False-alarm rate: 1e-8 by the normal approximation; a cell used twice is rejected."""
    assert lag(draws(sigma)) > ALPHA
    assert lag(np.repeat(draws(sigma)[: DRAWS // 2], 2)) < ALPHA


@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_scale_that_is_ten_percent_off_is_rejected(sigma: float) -> None:
    """The drawn noise itself must not pass for another scale. False-alarm rate: below 1e-12."""
    for factor in (1.1, 0.9):
        assert missed(gaussian_law(sigma), gaussian_law(sigma * factor), DRAWS) < MISSED
        assert missed(gaussian_law(sigma / factor), gaussian_law(sigma), DRAWS) < MISSED
        assert chi_square(draws(sigma), gaussian_law(sigma / factor)) < ALPHA


@pytest.mark.parametrize("sigma", SIGMAS)
def test_planted_faults_are_rejected(sigma: float) -> None:
    """Seeded draws: no chance is left."""
    assert unseen_faults(sigma, DRAWS) == []
    law = gaussian_law(sigma)
    honest = law.sample(DRAWS)
    assert min(judge(honest, law) for judge in (chi_square, tails, grain)) > ALPHA
    assert grain(honest // 2 * 2, law) < ALPHA, "noise on a coarser grid"
    far = np.where(np.arange(DRAWS) == 7, int(9 * sigma) + 9, honest)
    assert tails(far, law) < ALPHA, "one draw beyond 9 sigma"


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_stated_false_alarm_rate_is_the_real_one(sigma: float) -> None:
    assert 0.8 < chi_square_rate(gaussian_law(sigma), DRAWS) < 2.0


def test_shape_and_type_are_kept() -> None:
    """False-alarm rate: exp(-5000) a cell."""
    noisy, _ = gaussian(np.arange(6, dtype=np.int64).reshape(2, 3), 0.01, 1)
    assert noisy.dtype == np.int64
    assert noisy.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_two_runs_differ() -> None:
    """False-alarm rate: below 1e-1000."""
    counts = np.zeros(1000, dtype=np.int64)
    assert not np.array_equal(gaussian(counts, 25.0, 1)[0], gaussian(counts, 25.0, 1)[0])
