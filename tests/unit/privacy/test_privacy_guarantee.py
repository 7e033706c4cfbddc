"""What a release promises: never below the exact curve of what ran, and tight where it can be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from exact_curves import (
    discrete_hits,
    gaussian_delta,
    gaussian_hits,
    sampled_delta,
    sum_of_noise,
)
from scipy.stats import norm

from dpsynth.errors import InputError
from dpsynth.privacy import meaning
from dpsynth.privacy.conversion import epsilon_at
from dpsynth.privacy.events import (
    Event,
    GaussianEvent,
    PoissonGaussianEvent,
    SelectionEvent,
    ThresholdEvent,
)
from dpsynth.privacy.losses import poisson_rho, threshold_delta
from dpsynth.privacy.meaning import DISCRETE_PLD, RENYI, SAMPLED_PLD, ZCDP, Guarantee

UP = 1 + 1e-12
ALARMS = np.concatenate([[0.0], np.geomspace(1e-7, 0.5, 60), np.linspace(0.51, 1.0, 20)])
SELECT = SelectionEvent(stage="x", candidates=9, scale=10.0, sensitivity=1, rho=0.0051)
THRESHOLD = ThresholdEvent(
    stage="t", attribute="a", sigma=3.3, threshold=25, sensitivity=1,
    rho=1 / (2 * 3.3**2) * UP, delta=threshold_delta(3.3, 25, 1),
)  # fmt: skip


def gauss(sigma: float, c: int = 1) -> GaussianEvent:
    rho = c * c / (2 * sigma**2) * UP
    return GaussianEvent(stage="g", attributes=("a",), cells=2, sigma=sigma, sensitivity=c, rho=rho)


def sampled(q: float, multiplier: float, steps: int, order: float = 8.0) -> PoissonGaussianEvent:
    return PoissonGaussianEvent(
        stage="p", sampling_rate=q, noise_multiplier=multiplier, steps=steps, order=order,
        rho=poisson_rho(q, multiplier, steps, order),
    )  # fmt: skip


def fixed(events: list[Event], *, delta_own: float = 0.0, plan: bool = True) -> Guarantee:
    rho = sum(event.rho for event in events) * (1 + 1e-9)
    return Guarantee.of(events, rho=rho, delta_own=delta_own, fixed_plan=plan)


def hits(promise: Guarantee) -> np.ndarray:
    return np.array([promise.hit_rate(float(x)) for x in ALARMS])


Maker = Callable[[float, int], Guarantee]


def of_marginals(sigma: float, times: int) -> Guarantee:
    return fixed([gauss(sigma)] * times)


def check_exact(maker: Maker) -> None:
    """The exact test between sums of noise is bounded, closely, in every number."""
    for sigma, times in ((0.5, 1), (1.0, 1), (1.0, 20), (3.0, 5), (10.0, 1), (10.0, 10)):
        promise = maker(sigma, times)
        assert promise.basis == DISCRETE_PLD
        exact = discrete_hits(sigma, times, ALARMS)
        found = hits(promise)
        # 1e-30: the exact sums end at 14 sigma.
        assert (found >= exact * (1 - 1e-9) - 1e-30).all(), "more hits than promised"
        assert (found <= exact * 1.01 + 2e-4).all()
        variation = float(np.max(discrete_hits(sigma, times, _fine()) - _fine()))
        assert 0.5 + 0.5 * variation <= promise.right_guesses() * (1 + 1e-9)
        assert promise.right_guesses() <= 0.5 + 0.5 * variation + 2e-3
        values, mass = sum_of_noise(sigma, times)
        loss = (2 * values + times) / (2 * sigma**2)
        for epsilon in np.linspace(0.1, 6, 12) * math.sqrt(times) / sigma:
            tail = float(mass[loss > epsilon].sum())
            assert tail <= promise.tail_probability(float(epsilon)) * (1 + 1e-9)


def _fine() -> np.ndarray:
    return np.linspace(0, 1, 4001)


def test_promises_bound_the_exact_attack_closely() -> None:
    check_exact(of_marginals)


@pytest.mark.parametrize(
    "fault",
    [
        lambda s, t: of_marginals(s * math.sqrt(2), t),  # rho halved
        lambda s, t: of_marginals(s, max(1, t * 3 // 4)) if t > 1 else of_marginals(s * 1.1, 1),
        lambda s, t: replace(of_marginals(s, t), delta_own=0.01),  # needlessly loose
        lambda s, t: Guarantee.of(
            [gauss(s)] * t, rho=t / (2 * s * s) * (1 + 1e-9), delta_own=0, fixed_plan=False
        ),
    ],
)
def test_a_wrong_promise_is_rejected(fault: Maker) -> None:
    with pytest.raises(AssertionError):
        check_exact(fault)


@pytest.mark.parametrize(("sigma", "times"), [(1.0, 30), (3.0, 1), (3.0, 10), (10.0, 3), (50.0, 9)])
def test_near_the_gaussian_curve_and_never_above_zcdp(sigma: float, times: int) -> None:
    # A lattice of atoms of mass a = 1 / (sigma sqrt(2 pi T)) is a polygon on the smooth curve; it
    # lies below it by at most about a squared: that is the tolerance.
    rho = times / (2 * sigma**2)
    tolerance = 1 / (2 * math.pi * sigma**2 * times)
    found = hits(fixed([gauss(sigma)] * times))
    assert (found >= gaussian_hits(math.sqrt(2 * rho), ALARMS) - tolerance).all()
    assert (found <= hits(fixed([gauss(sigma)] * times, plan=False)) * UP).all()
    assert (found <= gaussian_hits(math.sqrt(2 * rho), ALARMS) + tolerance + 1e-3).all()


def test_the_gain_over_zcdp() -> None:
    # epsilon 1 at delta 1e-6 as ten marginals.
    rho = 0.02435597
    events: list[Event] = [gauss(math.sqrt(10 / (2 * rho)))] * 10
    promise, priced = fixed(events), fixed(events, plan=False)
    assert (promise.basis, priced.basis) == (DISCRETE_PLD, ZCDP)
    assert priced.hit_rate(0.01) == pytest.approx(meaning.hit_rate(0.01, rho), rel=1e-6)
    exact = norm.cdf(norm.ppf(0.01) + math.sqrt(2 * rho))
    assert exact * 0.999 < promise.hit_rate(0.01) < exact * 1.005 < 0.97 * priced.hit_rate(0.01)
    assert 0.5 < promise.right_guesses() < priced.right_guesses()
    assert promise.tail_probability(1.0) <= priced.tail_probability(1.0)


@pytest.mark.parametrize(
    "events", [[gauss(10.0), SELECT], [gauss(10.0, 2)], [THRESHOLD], []], ids=str
)
def test_what_no_distribution_describes_falls_to_zcdp(events: list[Event]) -> None:
    promise = Guarantee.of(events, rho=0.2, delta_own=1e-6, fixed_plan=True)
    assert promise.basis == ZCDP
    assert promise.hit_rate(0.01) == pytest.approx(meaning.hit_rate(0.01, 0.2) + 1e-6)


def test_a_distribution_never_promises_less_than_the_price() -> None:
    # The price that was declared is larger than what ran; the least bound counts.
    promise = Guarantee.of([gauss(100.0)], rho=1.0, delta_own=0.0, fixed_plan=True)
    assert promise.hit_rate(0.01) < meaning.hit_rate(0.01, 1e-4)


def test_more_charged_than_declared_is_refused() -> None:
    for rho, delta in ((0.004, 0.0), (1.0, -1e-9), (1.0, 1.0), (math.nan, 0.0)):
        with pytest.raises(InputError):
            Guarantee.of([gauss(10.0)], rho=rho, delta_own=delta, fixed_plan=False)
    with pytest.raises(InputError, match="charged more"):
        Guarantee.of([THRESHOLD], rho=1.0, delta_own=THRESHOLD.delta / 2, fixed_plan=False)


def test_sampled_steps_are_bounded_in_both_directions() -> None:
    q, multiplier = 0.3, 1.0
    promise = fixed([sampled(q, multiplier, 1)])
    assert promise.basis == SAMPLED_PLD
    mu = 1 / multiplier
    tests = np.linspace(-5, 5, 41)
    out, inside = norm.sf(tests), (1 - q) * norm.sf(tests) + q * norm.sf(tests - mu)
    for x, y in ((out, inside), (1 - inside, 1 - out)):  # removing, and adding
        found = np.array([promise.hit_rate(float(v)) for v in x])
        assert (found >= y * (1 - 1e-9)).all()
    assert promise.hit_rate(0.1) < 0.1 + sampled_delta(q, multiplier, 0.0)[0] + 1e-3


def test_sampled_steps_of_an_adaptive_plan_have_one_order() -> None:
    event = sampled(0.01, 1.0, 100, order=12.5)
    promise = Guarantee.of([event, SELECT], rho=event.rho + 0.0052, delta_own=0, fixed_plan=False)
    assert promise.basis == RENYI
    # Rearranged, the profile is the conversion at that order.
    epsilon = epsilon_at(12.5, promise.rho, 1e-3)
    assert promise.hit_rate(1e-12) <= 1e-12 * math.exp(epsilon) + 1.02e-3
    exact = fixed([event])
    assert (hits(promise) >= hits(exact) * (1 - 1e-9)).all()
    assert promise.tail_probability(epsilon) >= exact.tail_probability(epsilon)


def _approximate(
    rho_mu: float, chance: float, low: float, high: float
) -> tuple[Callable, Callable]:
    """Return the cumulative distributions of an output that fails with a chance.

    With a chance of 1 - d the output is N(mu) or N(0). With the member in, the rest falls into
    [low, high]; with the member out, far away.
    """

    def inside(x: np.ndarray) -> np.ndarray:
        rest = np.clip((x - low) / (high - low), 0, 1)
        return (1 - chance) * norm.cdf(x - rho_mu) + chance * rest

    def outside(x: np.ndarray) -> np.ndarray:
        return (1 - chance) * norm.cdf(x) + chance * (x > -50)

    return inside, outside


def _own_delta_figures(low: float, high: float) -> tuple[float, float, np.ndarray, np.ndarray]:
    mu, chance = 0.3, 0.01
    inside, outside = _approximate(mu, chance, low, high)
    cells = np.concatenate([[-60.0], np.linspace(-8, 9, 40_001), [60.0]])
    p, q = np.diff(inside(cells)), np.diff(outside(cells))
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.nan_to_num(np.log(p) - np.log(q), nan=-np.inf)
    order = np.argsort(-loss)
    x = np.concatenate([[0.0], np.cumsum(q[order])])
    y = np.concatenate([[0.0], np.cumsum(p[order])])
    tail = float(p[loss > 1.0].sum())
    return tail, float(np.abs(p - q).sum() / 2), x, y


@pytest.mark.parametrize(("low", "high"), [(5.0, 6.0), (1.5, 2.5), (2.6, 2.9), (0.0, 4.0)])
def test_the_own_delta_enters_every_number(low: float, high: float) -> None:
    mu, chance = 0.3, 0.01
    tail, variation, x, y = _own_delta_figures(low, high)
    promise = Guarantee.of([], rho=mu * mu / 2, delta_own=chance, fixed_plan=False)
    found = np.array([promise.hit_rate(float(v)) for v in ALARMS])
    assert (found >= np.interp(ALARMS, x, y) - 1e-9).all()
    assert promise.right_guesses() >= 0.5 + variation / 2 - 1e-9
    assert promise.tail_probability(1.0) >= tail - 1e-9
    pure = Guarantee.of([], rho=mu * mu / 2, delta_own=0.0, fixed_plan=False)
    assert (hits(pure) <= found).all() and (found <= hits(pure) + chance * 1.001).all()


def test_forgetting_the_own_delta_is_seen() -> None:
    tail, variation, x, y = _own_delta_figures(5.0, 6.0)
    pure = Guarantee.of([], rho=0.3**2 / 2, delta_own=0.0, fixed_plan=False)
    assert pure.hit_rate(0.0) < np.interp(0.0, x, y)
    # A tail that grows by delta alone would be wrong: the failing outputs lift others with them.
    tail, *_ = _own_delta_figures(2.6, 2.9)
    assert tail > 0.01 + float(norm.sf((1.0 - 0.3**2 / 2) / 0.3))


def test_the_profile_is_the_exact_one() -> None:
    promise = fixed([sampled(1.0, 5.0, 4)])
    mu = 2 / 5.0
    for epsilon in (0.05, 0.5, 1.0):
        bound = promise.hit_rate(1e-300)
        assert bound < 1e-6
        exact = gaussian_delta(mu, epsilon)
        x = norm.sf((epsilon + mu * mu / 2) / mu)  # where the test at this epsilon lies
        assert promise.hit_rate(float(x)) >= math.exp(epsilon) * x + exact - 1e-12
        assert promise.hit_rate(float(x)) == pytest.approx(math.exp(epsilon) * x + exact, rel=2e-3)


def test_curves_are_curves() -> None:
    for promise in (
        fixed([gauss(1.0)]),
        fixed([sampled(0.1, 1.0, 10)]),
        Guarantee.of([THRESHOLD], rho=0.1, delta_own=1e-3, fixed_plan=False),
    ):
        x, y = promise.trade_off_curve(101).T
        assert ((y >= x) & (y <= 1)).all() and (np.diff(y) >= 0).all()
        assert (y[:-2] + y[2:] - 2 * y[1:-1] <= 1e-8).all(), "and concave"
        assert promise.tail_probability(0.0) == 1.0
        with pytest.raises(InputError):
            promise.trade_off_curve(1)
        with pytest.raises(InputError):
            promise.tail_probability(math.nan)
