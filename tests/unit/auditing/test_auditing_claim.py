"""The claimed curve may never lie below that of the mechanism that runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import norm

from dpsynth.auditing.claim import claimed_mu, discrete_mu, hit_rates


def tails(sigma: float) -> np.ndarray:
    """Return P[N >= k] of discrete Gaussian noise, k from 1 to 6 sigma."""
    reach = math.ceil(20 * sigma) + 20
    mass = np.exp(-((np.arange(-reach, reach + 1) / sigma) ** 2) / 2)
    above = np.cumsum(mass[::-1])[::-1] / mass.sum()
    return above[reach + 1 : reach + 2 + math.ceil(6 * sigma)]


@pytest.mark.parametrize("sigma", [0.4, 0.7, 1.0, 2.2, 7.0, 31.6])
def test_no_threshold_beats_the_mu_of_discrete_noise(sigma: float) -> None:
    above = tails(sigma)
    apart = ndtri(above[:-1]) - ndtri(above[1:])
    middle = ndtri(1.0 - above[0]) - ndtri(above[0])
    assert discrete_mu(sigma) == pytest.approx(middle, rel=1e-9)
    assert apart.max() <= discrete_mu(sigma) * (1 + 1e-9)


def test_the_lattice_adds_least_to_the_coarsest_noise() -> None:
    excess = [sigma * discrete_mu(sigma) for sigma in np.geomspace(0.3, 300.0, 60)]
    assert all(later < earlier for earlier, later in zip(excess, excess[1:], strict=False))
    assert excess[-1] == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("epsilon", [0.01, 0.3, 1.0, 4.0])
def test_no_selection_beats_its_factor(epsilon: float) -> None:
    """Log ratios in an interval of length epsilon: the worst test has two pieces, any place."""
    worst = 0.0
    for top in np.linspace(0.01, 0.99, 99) * epsilon:
        rate = -math.expm1(top - epsilon) / (math.exp(top) - math.exp(top - epsilon))
        worst = max(worst, float(norm.ppf(math.exp(top) * rate) - norm.ppf(rate)))
    rho = epsilon**2 / 8
    assert worst**2 <= math.pi / 2 * 2 * rho * (1 + 1e-9)
    assert worst <= claimed_mu(rho, 1.0)


def test_however_a_price_is_split_the_claim_covers_it() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        rho, share = float(rng.uniform(0.01, 2.0)), float(rng.uniform(0.0, 0.3))
        parts = rng.dirichlet(np.ones(5)) * rho * (1.0 - share)
        squares = sum(discrete_mu(1.0 / math.sqrt(2.0 * part)) ** 2 for part in parts)
        assert squares + math.pi * rho * share <= claimed_mu(rho, share) ** 2 * (1 + 1e-9) or (
            discrete_mu(1.0 / math.sqrt(2.0 * rho)) ** 2 > math.pi * rho
        )


def test_hit_rates_are_those_of_a_shift() -> None:
    rates = hit_rates(np.array([0.0, 0.1, 0.5, 1.0]), 1.0)
    assert rates.tolist() == pytest.approx([0.0, norm.sf(norm.isf(0.1) - 1.0), norm.cdf(1.0), 1.0])
