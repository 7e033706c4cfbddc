"""The table sampler under the tests of OpenDP's sampler, at the same five scales, and beside it.

A million draws a scale. Each p-value is compared with ALPHA = 1e-8; 25 of them, so a run of this
file fails by chance with probability below 5e-7. A scale that is 10 % off is missed with
probability below 1e-300 (noncentral chi-square), a tail cut where 40 draws are expected with
exp(-40). What a million draws cannot see: a tail that is wrong only beyond 4 sigma, and the digits
of the table; those are compared with an independent computation in test_privacy_sampler.py.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from noise_checks import (
    ALPHA,
    MISSED,
    SIGMAS,
    chi_square,
    gaussian_faults,
    gaussian_law,
    grain,
    lag,
    missed,
    tails,
    two_samples,
)

from dpsynth.privacy import sampler
from dpsynth.privacy.noise import gaussian

DRAWS = 1_000_000
OPENDP_DRAWS = 40_000


@cache
def draws(sigma: float) -> np.ndarray:
    """Draw once a scale and a process: a sample that failed a test fails it for good."""
    return sampler.table(sigma).draw(DRAWS)


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
    """False-alarm rate: 1e-8 by the normal approximation, for cells and for their magnitudes."""
    assert lag(draws(sigma)) > ALPHA / 2
    assert lag(np.abs(draws(sigma))) > ALPHA / 2


@pytest.mark.parametrize("sigma", SIGMAS)
def test_it_cannot_be_told_from_opendp(sigma: float) -> None:
    """False-alarm rate: below 2e-8. The same test tells a scale that is 10 % off."""
    law, noisy = gaussian_law(sigma), gaussian(np.zeros(OPENDP_DRAWS, dtype=np.int64), sigma, 1)[0]
    assert two_samples(draws(sigma), noisy, law) > ALPHA
    for factor in (1.1, 0.9):
        assert two_samples(sampler.table(sigma * factor).draw(DRAWS), noisy, law) < ALPHA


@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_table_of_another_scale_is_rejected(sigma: float) -> None:
    """The fault runs in the sampler itself. False-alarm rate: below 1e-12."""
    law = gaussian_law(sigma)
    for factor in (1.1, 0.9):
        assert missed(law, gaussian_law(sigma * factor), DRAWS) < MISSED
        assert chi_square(sampler.table(sigma * factor).draw(DRAWS), law) < ALPHA


@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_table_with_a_cut_tail_is_rejected(sigma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The support ends where 40 draws a side are expected. False-alarm rate: exp(-40)."""
    law = gaussian_law(sigma)
    monkeypatch.setattr(sampler, "_REACH", (law.deepest(DRAWS) - 1) / Fraction(sigma))
    assert tails(sampler.table.__wrapped__(sigma).draw(DRAWS), law) < ALPHA


@pytest.mark.parametrize("sigma", SIGMAS)
def test_planted_laws_are_rejected(sigma: float) -> None:
    """The faults of test_noise_gaussian.py. Seeded draws: no chance is left."""
    law = gaussian_law(sigma)
    for name, fault in gaussian_faults(sigma, DRAWS).items():
        judge = tails if "tail" in name else chi_square
        assert judge(fault.sample(DRAWS), law) < ALPHA, name


@pytest.mark.parametrize("sigma", SIGMAS)
def test_entropy_that_is_not_uniform_is_rejected(
    sigma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bit of 64 stuck: the top one of the magnitude, or the sign. False alarm: below 1e-12."""
    honest, law = sampler._entropy, gaussian_law(sigma)

    def stuck(half: int, bit: int, value: int) -> np.ndarray:
        def entropy(size: int) -> bytes:
            words = np.frombuffer(honest(size), dtype="<u8").reshape(2, -1).copy()
            words[half] &= np.uint64(2**64 - 1 - 2**bit)
            words[half] |= np.uint64(value << bit)
            return words.tobytes()

        monkeypatch.setattr(sampler, "_entropy", entropy)
        return sampler.table(sigma).draw(DRAWS)

    for half, bit in ((0, 63), (1, 0)):
        for value in (0, 1):
            assert chi_square(stuck(half, bit, value), law) < ALPHA
