"""Readers of events agree with closed forms, exact sums and each other; what they cannot read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from exact_curves import (
    discrete_delta,
    discrete_epsilon,
    gaussian_epsilon,
    sampled_delta,
)

from dpsynth.errors import InputError
from dpsynth.privacy.accountants import (
    MAX_PLD_SIGMA,
    PLD_SLACK,
    Accountant,
    PldAccountant,
    RdpAccountant,
    ZcdpAccountant,
)
from dpsynth.privacy.conversion import tight_epsilon
from dpsynth.privacy.events import (
    Event,
    GaussianEvent,
    PoissonGaussianEvent,
    ScoresEvent,
    SelectionEvent,
    ThresholdEvent,
)
from dpsynth.privacy.losses import poisson_rho, threshold_delta

UP = 1 + 1e-12


def gauss(sigma: float, c: int = 1) -> GaussianEvent:
    rho = c * c / (2 * sigma**2) * UP
    return GaussianEvent(stage="g", attributes=("a",), cells=2, sigma=sigma, sensitivity=c, rho=rho)


def scores(sigma: float, number: int, squared: int) -> ScoresEvent:
    rho = squared / (2 * sigma**2) * UP
    return ScoresEvent(stage="s", scores=number, sigma=sigma, squared_sensitivity=squared, rho=rho)


def sampled(q: float, multiplier: float, steps: int) -> PoissonGaussianEvent:
    return PoissonGaussianEvent(
        stage="p", sampling_rate=q, noise_multiplier=multiplier, steps=steps, order=8.0,
        rho=poisson_rho(q, multiplier, steps, 8.0),
    )  # fmt: skip


SELECT = SelectionEvent(stage="x", candidates=9, scale=10.0, sensitivity=1, rho=0.0051)
THRESHOLD = ThresholdEvent(
    stage="t", attribute="a", sigma=3.3, threshold=30, sensitivity=1,
    rho=1 / (2 * 3.3**2) * UP, delta=threshold_delta(3.3, 30, 1),
)  # fmt: skip

Reading = Callable[[Sequence[Event], float], float]


def rdp_epsilon(events: Sequence[Event], delta: float) -> float:
    return RdpAccountant(events, fixed_plan=True).epsilon(delta)


def zcdp_epsilon(events: Sequence[Event], delta: float) -> float:
    return ZcdpAccountant(events).epsilon(delta)


def pld_epsilon(events: Sequence[Event], delta: float) -> float:
    return PldAccountant(events, fixed_plan=True).epsilon(delta)


def check_moments(reading: Reading) -> None:
    """RDP and zCDP of Gaussian noise are the closed form of Canonne, Kamath & Steinke."""
    for sigma in (0.5, 2.0, 10.0, 100.0):
        for c, count in ((1, 1), (1, 1000), (3, 30)):
            closed_rho = count * c * c / (2 * sigma**2)
            for delta in (1e-5, 1e-9):
                found = reading([gauss(sigma, c)] * count, delta)
                closed = tight_epsilon(closed_rho, delta)
                assert closed * (1 - 1e-9) <= found <= closed * 1.02
                exact = gaussian_epsilon(math.sqrt(2 * closed_rho), delta)
                assert found >= exact, "below the exact Gaussian curve"


def check_continuous(reading: Reading) -> None:
    """Steps without sampling are the analytic Gaussian mechanism (Balle & Wang 2018)."""
    for multiplier in (0.5, 2.0, 10.0, 100.0):
        for steps in (1, 30, 1000):
            for delta in (1e-5, 1e-9):
                found = reading([sampled(1.0, multiplier, steps)], delta)
                exact = gaussian_epsilon(math.sqrt(steps) / multiplier, delta)
                assert exact * (1 - 1e-9) <= found <= exact * 1.02


def check_discrete(reading: Reading) -> None:
    """Marginals and scores are exact sums over the noise."""
    for sigma, times in ((0.5, 1), (0.5, 10), (1.0, 1), (1.0, 50), (3.0, 1), (3.0, 30), (30.0, 3)):
        for delta in (1e-5, 1e-9):
            exact = discrete_epsilon(sigma, times, delta)
            found = reading([gauss(sigma)] * times, delta)
            assert exact * (1 - 1e-9) <= found <= exact * 1.02
            vector = reading([scores(sigma, times, times)], delta)
            assert vector == pytest.approx(found, rel=1e-6)
    for sigma, root in ((4.0, 3), (10.0, 20)):
        found = reading([scores(sigma, 1, root**2)], 1e-6)
        exact = discrete_epsilon(sigma, 1, 1e-6, root)
        assert exact * (1 - 1e-9) <= found <= exact * 1.02


def check_mixture(reading: Reading) -> None:
    """Events of different noise: the sum of continuous losses, which fine noise is close to."""
    events: list[Event] = [gauss(20.0)] * 7 + [gauss(33.3)] * 5 + [sampled(1.0, 25.0, 4)]
    mu = math.sqrt(7 / 20.0**2 + 5 / 33.3**2 + 4 / 25.0**2)
    for delta in (1e-5, 1e-9):
        exact = gaussian_epsilon(mu, delta)
        assert exact * (1 - 1e-4) <= reading(events, delta) <= exact * 1.02


@pytest.mark.parametrize("reading", [rdp_epsilon, zcdp_epsilon])
def test_moments_are_the_closed_form(reading: Reading) -> None:
    check_moments(reading)


@pytest.mark.parametrize("check", [check_continuous, check_discrete, check_mixture])
def test_distributions_are_exact(check: Callable[[Reading], None]) -> None:
    check(pld_epsilon)


def _each(change: Callable[[Event], Event]) -> Callable[[Reading], Reading]:
    return lambda reading: lambda events, delta: reading([change(e) for e in events], delta)


def _noisier(event: Event) -> Event:
    """Plant the fault that halves every rho: noise taken for sqrt(2) times what it is."""
    if isinstance(event, GaussianEvent | ScoresEvent):
        return replace(event, sigma=event.sigma * math.sqrt(2), rho=event.rho / 2 * UP)
    assert isinstance(event, PoissonGaussianEvent)
    return replace(event, noise_multiplier=event.noise_multiplier * math.sqrt(2))


def _one_row(event: Event) -> Event:
    """Plant the fault that takes the rows of a unit for one."""
    assert isinstance(event, GaussianEvent)
    return replace(event, sensitivity=1, rho=event.rho / event.sensitivity**2 * UP)


def _shorter(reading: Reading) -> Reading:
    """Plant the fault that forgets the last event, or step, of a plan."""

    def read(events: Sequence[Event], delta: float) -> float:
        last = events[-1]
        if len(events) == 1 and isinstance(last, PoissonGaussianEvent):
            return reading([replace(last, steps=max(1, last.steps * 3 // 4))], delta)
        return reading(events[:-1] or events, delta)

    return read


FAULTS = {
    "rho halved": _each(_noisier),
    "an event forgotten": _shorter,
    "delta too large": lambda reading: lambda events, delta: reading(events, delta * 10),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("check", [check_continuous, check_discrete, check_mixture])
def test_a_wrong_distribution_is_rejected(
    fault: Callable[[Reading], Reading], check: Callable[[Reading], None]
) -> None:
    with pytest.raises(AssertionError):
        check(fault(pld_epsilon))


@pytest.mark.parametrize("reading", [rdp_epsilon, zcdp_epsilon])
@pytest.mark.parametrize("fault", [_each(_noisier), _each(_one_row)], ids=["halved", "c as 1"])
def test_a_wrong_moment_is_rejected(reading: Reading, fault: Callable[[Reading], Reading]) -> None:
    with pytest.raises(AssertionError):
        check_moments(fault(reading))


def check_own_delta(reading: Reading) -> None:
    """The delta of a threshold is no longer there for the conversion."""
    delta = THRESHOLD.delta * 2
    left = tight_epsilon(THRESHOLD.rho, delta - THRESHOLD.delta)
    assert left * (1 - 1e-9) <= reading([THRESHOLD], delta) <= left * 1.02


@pytest.mark.parametrize("reader", [ZcdpAccountant, RdpAccountant])
def test_the_delta_of_thresholds_is_taken_first(reader: type) -> None:
    check_own_delta(lambda events, delta: reader(events).epsilon(delta))
    with pytest.raises(AssertionError):  # planted: delta forgotten
        check_own_delta(lambda events, delta: reader([gauss(3.3)]).epsilon(delta))
    with pytest.raises(InputError, match="nothing is left"):
        reader([THRESHOLD]).epsilon(THRESHOLD.delta)
    free, priced = reader([gauss(3.3)]), reader([THRESHOLD])
    assert priced.delta(1.0) == pytest.approx(free.delta(1.0) + THRESHOLD.delta, rel=1e-9)


@pytest.mark.parametrize("q", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("multiplier", [0.7, 2.0, 5.0])
@pytest.mark.parametrize("epsilon", [0.01, 0.3, 2.0])
def test_one_sampled_step_is_exact(q: float, multiplier: float, epsilon: float) -> None:
    exact = max(sampled_delta(q, multiplier, epsilon))
    found = PldAccountant([sampled(q, multiplier, 1)], fixed_plan=True).delta(epsilon)
    assert exact <= found <= exact * 1.02 + 2 * PLD_SLACK


@pytest.mark.parametrize("q", [0.001, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("multiplier", [0.7, 1.0, 5.0])
def test_a_distribution_is_at_most_its_moments(q: float, multiplier: float) -> None:
    # RDP is looser by nature: its conversion loses 7 to 10 % where many steps look Gaussian, and
    # far more where few do. poisson_rho is held against it at whole orders in test_privacy_losses.
    before = 0.0
    for steps in (100, 5000) if q < 0.01 else (100, 1000, 5000):
        events = [sampled(q, multiplier, steps)]
        found = pld_epsilon(events, 1e-6)
        assert before < found <= rdp_epsilon(events, 1e-6)
        before = found


def test_many_sampled_steps_look_gaussian() -> None:
    # Central limit (Bu, Dong, Long & Su 2020): mu = q sqrt(T (exp(1/sigma^2) - 1)).
    q, multiplier, steps = 0.01, 5.0, 5000
    mu = q * math.sqrt(steps * math.expm1(multiplier**-2))
    found = pld_epsilon([sampled(q, multiplier, steps)], 1e-5)
    assert found == pytest.approx(gaussian_epsilon(mu, 1e-5), rel=0.02)


@pytest.mark.parametrize("reading", [pld_epsilon, rdp_epsilon])
def test_more_of_anything_costs_more(reading: Reading) -> None:
    def rising(plans: Sequence[Sequence[Event]]) -> bool:
        found = [reading(plan, 1e-6) for plan in plans]
        return all(a < b for a, b in zip(found, found[1:], strict=False))

    assert rising([[sampled(0.05, 2.0, t)] for t in (100, 101, 200, 1000)])
    assert rising([[sampled(q, 2.0, 100)] for q in (0.01, 0.0101, 0.1, 0.5, 0.999, 1.0)])
    assert rising([[sampled(0.05, m, 100)] for m in (5.0, 4.99, 2.0, 0.7)])
    assert rising([[gauss(s)] * 5 for s in (100.0, 99.0, 10.0, 1.0)])
    assert rising([[gauss(10.0)] * t for t in (1, 2, 10, 100)])
    assert rising([[scores(10.0, 1, c * c)] for c in (1, 2, 7, 20)])


def test_larger_shifts_dominate_smaller_ones() -> None:
    for sigma in (0.4, 1.0, 3.0):
        for epsilon in np.linspace(0, 6 / sigma, 25):
            deltas = [discrete_delta(sigma, 1, float(epsilon), shift) for shift in (1, 2, 3, 4)]
            assert all(a <= b + 1e-15 for a, b in zip(deltas, deltas[1:], strict=False))


def test_four_shifts_by_one_are_not_one_shift_by_two() -> None:
    # Equal in L2, so equal for continuous noise; on the lattice neither dominates the other.
    # Therefore squared sensitivities of vectors are read only where each score moves by one.
    epsilons = np.linspace(0, 8, 400)
    four = np.array([discrete_delta(0.7, 4, float(e)) for e in epsilons])
    two = np.array([discrete_delta(0.7, 1, float(e), 2) for e in epsilons])
    assert (four > two * 1.01).any() and (two > four * 1.01).any()


def test_golden_values() -> None:
    # A library that changes one of these has changed what is signed.
    golden = {
        (rdp_epsilon, 0): 1.471627198,
        (pld_epsilon, 0): 1.367645234,  # the exact sum gives 1.367586838
        (rdp_epsilon, 1): 3.212534134,
        (pld_epsilon, 1): 2.989019100,
    }
    plans: list[list[Event]] = [[gauss(10.0)] * 10, [sampled(0.1, 5.0, 1000)]]
    for (reading, index), value in golden.items():
        assert reading(plans[index], 1e-6) == pytest.approx(value, rel=1e-6)


def test_what_readers_refuse() -> None:
    vector = scores(10.0, 5, 6)
    cases: list[tuple[type, Event]] = [
        (ZcdpAccountant, sampled(0.1, 1.0, 10)),
        (PldAccountant, SELECT),
        (PldAccountant, THRESHOLD),
        (PldAccountant, gauss(10.0, 2)),
        (PldAccountant, vector),
        (PldAccountant, gauss(MAX_PLD_SIGMA * 1.01)),
    ]
    for reader, event in cases:
        assert not reader.supports(event)
        plan = {} if reader is ZcdpAccountant else {"fixed_plan": True}
        with pytest.raises(InputError, match=type(event).__name__):
            reader([gauss(10.0), event], **plan)
    for reader in (ZcdpAccountant, RdpAccountant, PldAccountant):
        assert not reader.supports("laplace")
        assert reader.supports(gauss(10.0))
    assert RdpAccountant([SELECT, vector, THRESHOLD]).epsilon(1e-5) > 0


def test_a_plan_must_be_stated_to_be_fixed() -> None:
    for build in (
        lambda: PldAccountant([gauss(10.0)]),
        lambda: PldAccountant([gauss(10.0)], fixed_plan=False),
        lambda: RdpAccountant([sampled(0.1, 1.0, 10)]),
    ):
        with pytest.raises(InputError, match="fixed"):
            build()


def test_limits_of_deltas() -> None:
    reader = PldAccountant([gauss(10.0)], fixed_plan=True)
    for delta in (1e-12, 0.0, 1.0, math.nan):
        with pytest.raises(InputError):
            reader.epsilon(delta)
    for epsilon in (-1.0, math.nan):
        with pytest.raises(InputError):
            reader.delta(epsilon)
    with pytest.raises(InputError):
        RdpAccountant([gauss(10.0)]).epsilon(0.0)


def test_epsilon_and_delta_are_inverse() -> None:
    readers: list[Accountant] = [
        ZcdpAccountant([gauss(10.0)]),
        RdpAccountant([gauss(10.0)]),
        PldAccountant([gauss(10.0)], fixed_plan=True),
    ]
    for reader in readers:
        assert reader.delta(reader.epsilon(1e-6)) == pytest.approx(1e-6, rel=1e-4)
    assert len({reader.name for reader in readers}) == 3


def test_floating_point_stays_far_below_the_slack() -> None:
    for sigma, times in ((0.5, 1), (1.0, 100), (3.0, 30), (10.0, 10)):
        reader = PldAccountant([gauss(sigma)] * times, fixed_plan=True)
        for epsilon in np.linspace(0, 8, 9) * math.sqrt(times) / sigma:
            exact = discrete_delta(sigma, times, float(epsilon))
            assert reader.delta(float(epsilon)) - PLD_SLACK >= exact * (1 - 1e-9) - PLD_SLACK / 100
