"""Steps on Poisson samples as a release plans them: calibrated before, within both promises."""

from __future__ import annotations

from fractions import Fraction

import pytest

from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy.accountants import PldAccountant, RdpAccountant, cross_check_sampled
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import sigma_for
from dpsynth.privacy.conversion import epsilon_at, renyi_order
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.curve import epsilons, renyi_profile, sampled_profile
from dpsynth.privacy.events import Event, GaussianEvent
from dpsynth.privacy.meaning import RENYI_ORDERS, SAMPLED_PLD, Guarantee
from dpsynth.privacy.mechanisms import gaussian_rho
from dpsynth.privacy.sampled import SampledSteps, orders, release_steps, steps_for

DELTA = 1e-6
# (epsilon of the release, of its lineage, sampling rate, steps)
CASES = [
    (1.0, 1.0, 0.02, 1000),
    (1.0, 3.0, 0.02, 1000),
    (0.1, 3.0, 0.05, 200),
    (3.0, 3.0, 0.2, 100),
    (10.0, 10.0, 0.01, 2000),
    (10.0, 30.0, 0.05, 500),
    (1.0, 1.0, 1.0, 50),
]


def planned(epsilon: float, total: float, rate: float, steps: int) -> tuple[SampledSteps, float]:
    """Return the steps of a release with 80 % of its price, and its zCDP rest."""
    rho = rho_for(Budget(epsilon=epsilon, delta=DELTA))
    order = renyi_order(rho_for(Budget(epsilon=total, delta=DELTA)), DELTA)
    rest = 0.2 * rho
    made = release_steps(
        rate, steps, rho=0.8 * rho, order=order, zcdp_rho=rest, epsilon=epsilon, delta=DELTA
    )
    assert made.rho(order) <= 0.8 * rho
    return made, rest


@pytest.mark.parametrize("case", CASES)
def test_both_promises_hold_at_the_calibrated_noise(
    case: tuple[float, float, float, int],
) -> None:
    made, rest = planned(*case)
    assert made.epsilon(rest, DELTA) <= case[0]
    # ... and not at a little less of it: no budget is wasted.
    rho = rho_for(Budget(epsilon=case[0], delta=DELTA))
    order = renyi_order(rho_for(Budget(epsilon=case[1], delta=DELTA)), DELTA)
    less = SampledSteps(
        sampling_rate=case[2], noise_multiplier=0.999 * made.noise_multiplier, steps=case[3]
    )
    assert less.rho(order) > 0.8 * rho or less.epsilon(rest, DELTA) > case[0]


@pytest.mark.parametrize("case", CASES)
def test_other_accountants_agree(case: tuple[float, float, float, int]) -> None:
    """dp-accounting's Renyi bound is ours; its loss distribution needs less, never more."""
    made, rest = planned(*case)
    events: list[Event] = [column(rest), made.event("training", 8.0)]
    own = made.epsilon(gaussian_rho(sigma_for(rest, 1), 1), DELTA)
    assert RdpAccountant(events, fixed_plan=True).epsilon(DELTA) == pytest.approx(own, rel=0.03)
    assert own >= PldAccountant(events, fixed_plan=True).epsilon(DELTA) > 0.8 * own
    named = cross_check_sampled(events, DELTA)
    assert [name for name, _ in named] == ["dpsynth RDP", *(r.name for r in
                                           (RdpAccountant, PldAccountant))]  # fmt: skip
    assert named[0][1] == pytest.approx(own)


def test_an_accountant_that_contradicts_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    made, rest = planned(*CASES[0])
    events: list[Event] = [column(rest), made.event("training", 8.0)]
    monkeypatch.setattr(PldAccountant, "epsilon", lambda self, delta: 1.2)
    with pytest.raises(SelfTestError, match="accountants disagree"):
        cross_check_sampled(events, DELTA)


@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize("rows", [1, 2])
def test_our_own_formula_is_checked_in_both_directions(
    monkeypatch: pytest.MonkeyPatch, factor: float, rows: int
) -> None:
    """Units of two rows have no loss distribution that would notice a price that is too low."""
    made, rest = planned(*CASES[0])
    events: list[Event] = [column(rest, rows), made.event("training", 8.0)]
    assert len(cross_check_sampled(events, DELTA)) == (3 if rows == 1 else 2)
    honest = SampledSteps.rho
    monkeypatch.setattr(SampledSteps, "rho", lambda self, order: factor * honest(self, order))
    with pytest.raises(SelfTestError, match="accountants disagree"):
        cross_check_sampled(events, DELTA)


def test_the_guarantee_holds_at_every_order_and_is_tighter_than_at_one() -> None:
    made, rest = planned(*CASES[0])
    many = sampled_profile(made, rest)
    for order in orders()[::7]:
        one = renyi_profile(rest + made.rho(order), order)
        assert (many.deltas <= one.deltas).all() and many.total_variation <= one.total_variation
    assert many.deltas[(epsilons() >= 1.0).argmax()] <= DELTA
    promise = Guarantee.of((), rho=0.02, delta_own=0.0, fixed_plan=False, sampled=(made, rest))
    assert promise.basis == RENYI_ORDERS
    events: list[Event] = [column(rest), made.event("training", 8.0)]
    price = rest + made.rho(8.0)
    fixed = Guarantee.of(
        events, rho=price * 1.001, delta_own=0.0, fixed_plan=True, sampled=(made, rest)
    )
    assert fixed.basis == SAMPLED_PLD
    for rate in (0.001, 0.01, 0.1):
        assert rate < fixed.hit_rate(rate) <= promise.hit_rate(rate)


def test_one_order_alone_never_says_more() -> None:
    made, rest = planned(*CASES[1])
    for order in (2.0, 9.0, 22.0):
        assert made.epsilon(rest, DELTA) <= epsilon_at(order, rest + made.rho(order), DELTA)


def test_alone_in_a_lineage_it_counts_at_its_best_order_if_it_ran() -> None:
    made, rest = planned(*CASES[1])
    order = renyi_order(rho_for(Budget(epsilon=3.0, delta=DELTA)), DELTA)
    whole = rest + made.rho(order)
    assert made.epsilon_alone(whole, order, DELTA) <= 1.0 + 1e-6
    assert epsilon_at(order, whole, DELTA) > 1.5
    # zCDP of the same price, without the steps, is bounded at that order only.
    less = 0.99 * made.rho(order)
    assert made.epsilon_alone(less, order, DELTA) == epsilon_at(order, less, DELTA)


def test_it_reads_back_what_it_wrote() -> None:
    made, _ = planned(*CASES[0])
    assert SampledSteps.from_json(made.to_json()) == made
    for tree in ({**made.to_json(), "more": 1}, {"steps": 3}, {**made.to_json(), "steps": "3"}):
        with pytest.raises(InputError):
            SampledSteps.from_json(tree)


@pytest.mark.parametrize(
    ("rate", "steps"), [(0.0, 10), (1.1, 10), (float("nan"), 10), (0.1, 0), (0.1, True)]
)
def test_what_is_no_training_is_refused(rate: float, steps: int) -> None:
    with pytest.raises(InputError):
        steps_for(rate, steps, rho=0.01, order=8.0)


def test_too_many_steps_are_refused() -> None:
    with pytest.raises(InputError, match="cheap enough"):
        steps_for(1.0, 1_000_000, rho=1e-9, order=8.0)


def column(rho: float, rows: int = 1) -> GaussianEvent:
    """Return the count of one column at a price."""
    sigma = sigma_for(rho, rows)
    return GaussianEvent(
        stage="one-way", attributes=("a",), cells=2, sigma=sigma, sensitivity=rows,
        rho=gaussian_rho(sigma, rows),
    )  # fmt: skip


def test_prices_are_exact_fractions() -> None:
    made, rest = planned(*CASES[0])
    event = made.event("training", 8.0)
    assert made.describes(event) and Fraction(event.rho) == Fraction(made.rho(8.0))
    other = SampledSteps(sampling_rate=0.02, noise_multiplier=9.0, steps=1000)
    assert not other.describes(event) and rest > 0
