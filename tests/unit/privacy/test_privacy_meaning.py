"""What rho means for one person: known values, limits, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from dpsynth.errors import InputError
from dpsynth.privacy import meaning

RHO = 0.02435597  # epsilon 1, delta 1e-6


def test_tail_is_small_at_epsilon_and_one_below_rho() -> None:
    assert meaning.tail_probability(RHO, 1.0) == pytest.approx(
        math.exp(-((1 - RHO) ** 2) / (4 * RHO)), rel=1e-8
    )
    assert meaning.tail_probability(RHO, RHO) == 1.0
    assert meaning.tail_probability(0.0, 1.0) == 0.0
    # The loss of a Gaussian mechanism is N(rho, 2 rho).
    assert meaning.tail_probability(RHO, 0.5) >= norm.sf((0.5 - RHO) / math.sqrt(2 * RHO))


def test_bounds_at_epsilon_one() -> None:
    assert 0.0176 < meaning.hit_rate(0.01, RHO) < 0.0192
    assert 0.0020 < meaning.hit_rate(0.001, RHO) < 0.0027
    assert 0.5439 < meaning.right_guesses(RHO) < 0.5553
    assert meaning.right_guesses(RHO) <= 0.5 + 0.5 * math.sqrt(RHO / 2) * (1 + 1e-8)


def test_no_information_means_guessing() -> None:
    assert meaning.hit_rate(0.3, 0.0) == pytest.approx(0.3)
    assert meaning.right_guesses(0.0) == 0.5


@pytest.mark.parametrize("rho", [1e-9, 1e-5, 1e-3, RHO, 0.3, 2.0, 20.0, 60.0])
def test_never_below_the_exact_gaussian_curve(rho: float) -> None:
    x = np.concatenate([[0.0], np.geomspace(1e-9, 1.0, 300), np.linspace(0, 1, 301)])
    exact = norm.cdf(norm.ppf(x) + math.sqrt(2 * rho))
    bound = np.array([meaning.hit_rate(float(value), rho) for value in x[::7]])
    assert np.all(bound >= exact[::7])
    curve = meaning.trade_off_curve(rho, 201)
    assert np.all(curve[:, 1] >= norm.cdf(norm.ppf(curve[:, 0]) + math.sqrt(2 * rho)))
    assert meaning.right_guesses(rho) >= norm.cdf(math.sqrt(2 * rho) / 2)


def test_curve_and_single_points_agree() -> None:
    curve = meaning.trade_off_curve(RHO, 11)
    assert curve.shape == (11, 2)
    assert [meaning.hit_rate(x, RHO) for x, _ in curve] == pytest.approx(list(curve[:, 1]))


def test_beliefs_follow_bayes() -> None:
    assert meaning.beliefs(math.log(3), [0.0, 0.25, 0.5, 1.0]) == pytest.approx([0, 0.5, 0.75, 1])
    assert meaning.beliefs(1000.0, [0.0, 1e-9]) == [0.0, 1.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: meaning.hit_rate(-0.1, 1.0),
        lambda: meaning.hit_rate(math.nan, 1.0),
        lambda: meaning.hit_rate(0.1, math.nan),
        lambda: meaning.trade_off_curve(1.0, 1),
        lambda: meaning.tail_probability(-1.0, 1.0),
        lambda: meaning.beliefs(1.0, [1.5]),
        lambda: meaning.beliefs(math.inf, [0.5]),
    ],
)
def test_nonsense_is_refused(call: object) -> None:
    with pytest.raises(InputError):
        call()  # type: ignore[operator]


@pytest.mark.parametrize("mu", [0.25, 1.0, 2.0])
@pytest.mark.parametrize("secrets", [2, 10, 100])
def test_no_guess_of_a_secret_beats_the_bound(mu: float, secrets: int) -> None:
    """One row has one of k equally likely secrets and lands in its cell of a noisy histogram.

    The best guess is the highest cell (all else is known). Its exact chance is that of one normal
    variable, moved by mu, to exceed k - 1 others. A bound for half the noise must fall below it.
    """
    x, step = np.linspace(-9.0, 11.0 + mu, 40_001, retstep=True)
    chance = float(np.sum(norm.pdf(x - mu) * norm.cdf(x) ** (secrets - 1)) * step)
    promise = meaning.Guarantee.of((), rho=mu**2 / 2, delta_own=0.0, fixed_plan=False)
    assert chance <= promise.success(1 / secrets)
    if mu >= 1.0 and secrets >= 10:  # planted: four times too small a price
        wrong = meaning.Guarantee.of((), rho=mu**2 / 8, delta_own=0.0, fixed_plan=False)
        assert chance > wrong.success(1 / secrets)
