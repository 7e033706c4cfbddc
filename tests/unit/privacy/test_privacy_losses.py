"""Prices of events against exact sums, quadrature and dp-accounting."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from dp_accounting import dp_event, rdp

from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy.conversion import epsilon_at, renyi_order, tight_delta, tight_epsilon
from dpsynth.privacy.cross_check import epsilon, group_epsilon
from dpsynth.privacy.events import GaussianEvent, PoissonGaussianEvent, ThresholdEvent
from dpsynth.privacy.losses import Loss, group_loss, poisson_rho, threshold_delta, total_loss
from dpsynth.privacy.mechanisms import opendp

THRESHOLD = ThresholdEvent(
    stage="t", attribute="a", sigma=3.3, threshold=30, sensitivity=1,
    rho=1 / (2 * 3.3**2) * 1.0001, delta=threshold_delta(3.3, 30, 1),
)  # fmt: skip
GAUSS = GaussianEvent(stage="g", attributes=("a",), cells=3, sigma=10.0, sensitivity=1, rho=0.005)
ORDER = 16.5
SAMPLED = PoissonGaussianEvent(
    stage="p", sampling_rate=0.01, noise_multiplier=1.0, steps=100, order=ORDER,
    rho=poisson_rho(0.01, 1.0, 100, ORDER),
)  # fmt: skip


def exact_tail(sigma: float, start: int) -> float:
    """Return P[N >= start] of discrete Gaussian noise, by summation in 50 digits."""
    with localcontext() as context:
        context.prec = 50
        scale = 2 * Decimal(sigma) ** 2
        terms = {n: (-Decimal(n * n) / scale).exp() for n in range(int(40 * sigma) + start + 5)}
        norm = 2 * sum(terms.values()) - 1
        return float(sum(terms[n] for n in terms if n >= start) / norm)


Bound = Callable[[float, int, int], float]


def check_threshold(bound: Bound) -> None:
    for sigma in (0.3, 0.5, 1.0, 3.3, 12.0, 40.0):
        for rows in (1, 2, 5):
            for multiple in (0.5, 2.0, 5.0, 8.0):
                threshold = rows + 1 + round(multiple * sigma)
                exact = rows * exact_tail(sigma, threshold - rows)
                found = bound(sigma, threshold, rows)
                assert found >= min(1.0, exact), "a chance that is too small"
                assert found <= exact * (1.02 if sigma > 0.6 else 1.2)


def test_the_chance_of_a_threshold_is_the_exact_one_or_more() -> None:
    check_threshold(threshold_delta)


@pytest.mark.parametrize(
    "fault",
    [
        lambda s, t, c: threshold_delta(s, t, 1),  # sensitivity taken as 1
        lambda s, t, c: threshold_delta(s, t, c) / 2,
        lambda s, t, c: threshold_delta(s, t + 1, c),
        lambda s, t, c: 0.0,  # delta forgotten
        lambda s, t, c: c * 0.5 * math.erfc((t - c) / s / math.sqrt(2)),  # the continuous tail
    ],
)
def test_a_wrong_chance_is_rejected(fault: Bound) -> None:
    with pytest.raises(AssertionError):
        check_threshold(fault)


def test_chances_far_out_are_tiny_and_not_zero() -> None:
    assert 0 < threshold_delta(1.0, 100_000, 1) < 1e-300
    assert threshold_delta(5.0, 3, 3) == 1.0
    wide = threshold_delta(1e7, 40_000_000, 1)  # the sum is cut off, the integral takes over
    assert wide == pytest.approx(0.5 * math.erfc(4 / math.sqrt(2)), rel=1e-4)
    assert wide >= 0.5 * math.erfc(4 / math.sqrt(2)) * (1 - 1e-6)


def _opendp_threshold(scale: float, threshold: int) -> object:
    dp = opendp()
    space = (
        dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T="i64")),
        dp.l02inf_distance(dp.absolute_distance(T="i64")),
    )
    return dp.m.make_gaussian_threshold(*space, scale=scale, threshold=threshold)


def test_opendp_states_less_delta_than_its_integer_noise_takes() -> None:
    # OpenDP 0.14.2 prices integer noise by the continuous tail behind threshold - distance. If this
    # fails, OpenDP has changed: read its map again before anything else is changed.
    _, stated = _opendp_threshold(3.3, 20).map((1, 1, 1))  # type: ignore[attr-defined]
    assert stated == pytest.approx(4.266541e-9, rel=1e-6)
    assert exact_tail(3.3, 19) == pytest.approx(9.159440e-9, rel=1e-6)
    assert stated < exact_tail(3.3, 19) <= threshold_delta(3.3, 20, 1)


def test_opendp_releases_nothing_below_the_threshold() -> None:
    # Of 2,000 counts of 1 under noise of scale 10, a third falls to -3 or below; none is released.
    release = _opendp_threshold(10.0, 3)({str(i): 1 for i in range(2000)})  # type: ignore[operator]
    assert 700 < len(release) < 1100 and min(release.values()) >= 3


Price = Callable[[float, float, int, float], float]


def check_whole_orders(price: Price) -> None:
    for q in (0.001, 0.01, 0.1, 0.5, 1.0):
        for multiplier in (0.7, 1.0, 2.0, 5.0):
            for steps in (100, 1000, 5000):
                orders = [2, 3, 8, 33, 128]
                other = rdp.RdpAccountant(orders=orders)
                noise = dp_event.GaussianDpEvent(multiplier)
                event = dp_event.PoissonSampledDpEvent(q, noise) if q < 1 else noise
                other.compose(dp_event.SelfComposedDpEvent(event, steps))
                theirs = np.array(other._rdp)  # their divergence at each order
                ours = [price(q, multiplier, steps, float(a)) * a for a in orders]
                assert ours == pytest.approx(theirs, rel=1e-6)
                assert (np.array(ours) >= theirs * (1 - 1e-9)).all()


def test_poisson_prices_are_those_of_dp_accounting() -> None:
    check_whole_orders(poisson_rho)


@pytest.mark.parametrize(
    "fault",
    [
        lambda q, m, t, a: poisson_rho(q, m, t, a) / 2,
        lambda q, m, t, a: poisson_rho(q, m, t - 1, a),
        lambda q, m, t, a: poisson_rho(q, m * 1.001, t, a),
        lambda q, m, t, a: poisson_rho(1.0, m, t, a) * q * q,  # amplification by hearsay
    ],
)
def test_a_wrong_poisson_price_is_rejected(fault: Price) -> None:
    with pytest.raises(AssertionError):
        check_whole_orders(fault)


@pytest.mark.parametrize("q", [0.003, 0.1, 0.6])
@pytest.mark.parametrize("multiplier", [0.8, 2.0])
@pytest.mark.parametrize("order", [1.3, 2.0, 4.5, 9.0])
def test_both_directions_are_bounded(q: float, multiplier: float, order: float) -> None:
    x = np.linspace(-40 * multiplier, 40 * multiplier + 40 * order, 400_001)
    without = -(x**2) / (2 * multiplier**2) - math.log(multiplier * math.sqrt(2 * math.pi))
    shift = (2 * x - 1) / (2 * multiplier**2)
    with_unit = without + np.logaddexp(math.log1p(-q), math.log(q) + shift)

    def divergence(log_p: np.ndarray, log_q: np.ndarray) -> float:
        values = np.exp(order * log_p + (1 - order) * log_q)
        return math.log(np.trapezoid(values, x)) / (order - 1)

    priced = poisson_rho(q, multiplier, 1, order) * order
    remove, add = divergence(with_unit, without), divergence(without, with_unit)
    assert add <= remove * (1 + 1e-9) + 1e-12
    assert remove <= priced * (1 + 1e-7) + 1e-12
    if order == int(order):
        assert priced == pytest.approx(remove, rel=1e-5, abs=1e-11)


def test_nothing_cancels_where_a_moment_is_close_to_one() -> None:
    # A - 1 = q^2 (exp(1/sigma^2) - 1) at order 2: 1e-14 here, below the rounding of A.
    q, multiplier = 1e-5, 100.0
    exact = q * q * math.expm1(multiplier**-2)
    assert poisson_rho(q, multiplier, 1, 2.0) * 2 == pytest.approx(exact, rel=1e-8)
    assert poisson_rho(q, multiplier, 1, 2.0) * 2 >= exact


def test_losses_at_different_orders_do_not_add_up() -> None:
    total = total_loss([GAUSS, SAMPLED, THRESHOLD])
    assert total.order == ORDER
    assert total.rho == Fraction(GAUSS.rho) + Fraction(SAMPLED.rho) + Fraction(THRESHOLD.rho)
    assert total.delta == Fraction(THRESHOLD.delta)
    other = replace(SAMPLED, order=8.0, rho=poisson_rho(0.01, 1.0, 100, 8.0))
    with pytest.raises(InputError, match="order"):
        total_loss([SAMPLED, other])
    with pytest.raises(SelfTestError):
        total_loss([replace(SAMPLED, rho=SAMPLED.rho * 0.999)])
    with pytest.raises(SelfTestError):
        total_loss([replace(THRESHOLD, delta=THRESHOLD.delta * 0.999)])


def test_a_loss_at_one_order_is_not_converted_at_another() -> None:
    loss = total_loss([SAMPLED])
    at = epsilon_at(ORDER, float(loss.rho), 1e-6)
    assert epsilon(loss, 1e-6) == pytest.approx(at, rel=1e-9)
    assert epsilon(loss, 1e-6) > epsilon(Loss(rho=loss.rho), 1e-6)


@pytest.mark.parametrize("rho", [1e-8, 1e-3, 0.0244, 1.0, 30.0])
@pytest.mark.parametrize("delta", [1e-3, 1e-6, 1e-12])
def test_the_best_order_gives_the_best_epsilon(rho: float, delta: float) -> None:
    order = renyi_order(rho, delta)
    best = tight_epsilon(rho, delta)
    assert epsilon_at(order, rho, delta) == pytest.approx(best, rel=1e-9)
    for factor in (0.3, 0.7, 1.5, 10.0):
        assert epsilon_at(1 + (order - 1) * factor, rho, delta) >= best * (1 - 1e-12)
    back = tight_delta(rho, best)
    assert back <= delta * (1 + 1e-6)
    assert back >= delta * (1 - 1e-6) or best < 1e-12


def test_no_loss_needs_no_epsilon() -> None:
    assert epsilon_at(8.0, 0.0, 1e-6) == 0.0
    assert epsilon_at(8.0, 1e-5, 1e-6) > 0.0
    assert tight_delta(0.0, 0.0) == 0.0
    with pytest.raises(InputError):
        epsilon_at(1.0, 0.1, 1e-6)


def test_the_own_delta_is_taken_from_the_statement() -> None:
    loss = Loss(rho=Fraction(0.02), delta=Fraction(4e-7))
    assert epsilon(loss, 1e-6) == pytest.approx(epsilon(0.02, 6e-7), rel=1e-9)
    assert epsilon(loss, 1e-6) > epsilon(0.02, 1e-6)
    for delta in (4e-7, 3e-7):
        with pytest.raises(InputError, match="nothing is left"):
            epsilon(loss, delta)


def test_groups() -> None:
    assert group_epsilon(0.01, 3, 1e-6) == pytest.approx(epsilon(0.09, 1e-6))
    assert group_epsilon(0.01, 1, 1e-6) == epsilon(0.01, 1e-6)
    for loss in (Loss(rho=Fraction(1), delta=Fraction(1, 10**7)), Loss(order=2.0)):
        with pytest.raises(InputError, match="not stated"):
            group_epsilon(loss, 2, 1e-6)
    for size in (0, -1, True):
        with pytest.raises(InputError):
            group_epsilon(0.1, size, 1e-6)
    pair = group_loss([GAUSS, THRESHOLD], 2)
    assert pair.rho == 4 * total_loss([GAUSS, THRESHOLD]).rho
    assert pair.delta == Fraction(threshold_delta(3.3, 30, 2)) > 2 * total_loss([THRESHOLD]).delta
    assert epsilon(pair, 1e-6) > epsilon(4 * GAUSS.rho, 1e-6)
    with pytest.raises(InputError, match="reach"):
        group_loss([THRESHOLD], 30)
    with pytest.raises(InputError, match="Poisson"):
        group_loss([SAMPLED], 2)
    with pytest.raises(SelfTestError):
        group_loss([replace(GAUSS, sigma=9.0)], 2)


def test_a_price_from_another_machine_is_believed_and_a_lower_one_is_not() -> None:
    """Exponentials differ in the last digits between machines; a ledger is checked on any."""
    for price in (math.nextafter(SAMPLED.rho, 0.0), SAMPLED.rho * (1.0 - 1e-12)):
        assert total_loss([replace(SAMPLED, rho=price)]).rho == Fraction(price)
    with pytest.raises(SelfTestError, match="charges less"):
        total_loss([replace(SAMPLED, rho=SAMPLED.rho * (1.0 - 1e-9))])
