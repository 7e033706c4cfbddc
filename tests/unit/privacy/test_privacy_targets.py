"""A budget from an attack risk keeps its promise, is not wasteful, and says no where it must."""

from __future__ import annotations

import math

import pytest
from scipy.stats import norm

from dpsynth.errors import InputError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.cross_check import epsilon, rho_for
from dpsynth.privacy.meaning import hit_rate
from dpsynth.privacy.targets import budget_for_hits, rho_for_hits

TARGETS = [(0.03, 0.01), (0.011, 0.01), (0.002, 0.001), (0.5, 0.1), (0.95, 0.05)]


@pytest.mark.parametrize(("most", "alarm"), TARGETS)
def test_the_rho_is_the_largest_that_keeps_the_target(most: float, alarm: float) -> None:
    rho = rho_for_hits(most, alarm)
    assert hit_rate(alarm, rho) <= most < hit_rate(alarm, rho * (1 + 1e-7))
    # No mechanism of that price does worse, the Gaussian one included.
    assert norm.cdf(norm.ppf(alarm) + math.sqrt(2 * rho)) <= most


@pytest.mark.parametrize(("most", "alarm"), TARGETS)
@pytest.mark.parametrize("delta", [1e-6, 1e-9])
def test_the_budget_keeps_the_target(most: float, alarm: float, delta: float) -> None:
    budget = budget_for_hits(most, alarm, delta)
    assert hit_rate(alarm, rho_for(budget)) + delta <= most
    step = 10.0 ** (math.floor(math.log10(budget.epsilon)) - 3)
    more = Budget(epsilon=budget.epsilon + 1.01 * step, delta=delta)
    assert hit_rate(alarm, rho_for(more)) + delta > most, "one digit more would break it"


def test_three_hits_in_a_hundred() -> None:
    assert budget_for_hits(0.03, 0.01, 1e-6) == Budget(epsilon=1.828, delta=1e-6)
    assert rho_for_hits(0.03, 0.01) == pytest.approx(0.0746956, rel=1e-5)


def test_epsilon_is_rounded_down() -> None:
    assert budget_for_hits(0.03, 0.01, 1e-6).epsilon < epsilon(rho_for_hits(0.03, 0.01), 1e-6)


def test_more_hits_allow_more() -> None:
    rhos = [rho_for_hits(most, 0.01) for most in (0.0101, 0.011, 0.03, 0.2, 0.9)]
    assert rhos == sorted(rhos) and len(set(rhos)) == 5


@pytest.mark.parametrize(
    ("most", "alarm"),
    [(0.01, 0.01), (0.005, 0.01), (0.0, 0.01), (1.0, 0.01), (0.5, 0.0), (0.5, 1.0)]
    + [(math.nan, 0.01), (0.5, math.nan), (1e-9, 1e-12)],
)
def test_impossible_targets_are_refused(most: float, alarm: float) -> None:
    with pytest.raises(InputError, match="attack risk"):
        budget_for_hits(most, alarm, 1e-6)


def test_a_target_below_what_a_budget_can_hold_is_refused() -> None:
    with pytest.raises(InputError, match="outside"):
        budget_for_hits(0.0100015, 0.01, 1e-6)
    with pytest.raises(InputError):
        budget_for_hits(0.03, 0.01, 0.0)
