"""Bounds, thresholds and limits of a mechanism audit, against simulation and exact tails."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import beta, binom

from dpsynth.auditing.bound import (
    ERROR,
    Hits,
    choose_threshold,
    count_hits,
    detectable_mu,
    needed_runs,
    pilot_runs,
)
from dpsynth.auditing.claim import TradeOff

MU = 0.45
CLAIM = TradeOff.gaussian(MU)


def drawn(mu: float, alarm: float, runs: int, times: int, seed: int) -> list[Hits]:
    """Return what a threshold of this false alarm rate would count, for an exactly mu-GDP test."""
    rng = np.random.default_rng(seed)
    rate = float(ndtr(ndtri(alarm) + mu))
    alarms, hits = rng.binomial(runs, alarm, times), rng.binomial(runs, rate, times)
    return [
        Hits(runs=runs, false_alarms=int(a), hits=int(h)) for a, h in zip(alarms, hits, strict=True)
    ]


@pytest.mark.parametrize("alarm", [0.01, 0.2, 0.41])
@pytest.mark.parametrize("runs", [100, 2000])
def test_a_true_claim_is_refuted_in_one_of_a_hundred_at_most(alarm: float, runs: int) -> None:
    """400 samples on the edge of the claim, fixed seeds; 13 of them are .9999 of binomial(.01)."""
    refuted = sum(h.p_value(CLAIM) <= ERROR for h in drawn(0.45, alarm, runs, 400, seed=runs))
    assert refuted <= 13


def test_the_p_value_is_the_largest_over_all_false_alarm_rates() -> None:
    hits = Hits(runs=300, false_alarms=110, hits=190)
    rates = np.linspace(1e-4, 1.0 - 1e-4, 20_001)
    few = binom.cdf(hits.false_alarms, hits.runs, rates)
    many = binom.sf(hits.hits - 1, hits.runs, ndtr(ndtri(rates) + 0.3))
    product = float((few * many).max())
    assert hits.p_value(TradeOff.gaussian(0.3)) == pytest.approx(
        product * (1.0 - math.log(product)), rel=1e-4
    )


def test_the_bound_is_the_edge_of_what_is_refuted() -> None:
    hits = Hits(runs=19_500, false_alarms=8_000, hits=11_500)
    bound = hits.mu_bound()
    assert 0 < bound < hits.mu
    assert hits.p_value(TradeOff.gaussian(bound)) <= ERROR
    assert hits.p_value(TradeOff.gaussian(bound + 1e-4)) > ERROR


def test_it_is_tighter_than_two_separate_limits() -> None:
    hits = Hits(runs=19_500, false_alarms=8_000, hits=11_500)
    low = beta.ppf(ERROR / 2, hits.hits, hits.runs - hits.hits + 1)
    high = beta.isf(ERROR / 2, hits.false_alarms + 1, hits.runs - hits.false_alarms)
    assert hits.mu_bound() > float(ndtri(low) - ndtri(high)) + 0.01


@pytest.mark.parametrize(("alarms", "hits"), [(0, 0), (100, 100), (100, 0), (50, 50), (60, 40)])
def test_worlds_that_are_not_apart_bound_nothing(alarms: int, hits: int) -> None:
    found = Hits(runs=100, false_alarms=alarms, hits=hits)
    assert found.mu_bound() == 0.0
    assert math.isfinite(found.mu)


def test_a_perfect_test_has_a_finite_bound() -> None:
    found = Hits(runs=100, false_alarms=0, hits=100)
    # Each rate is .001**(1/100) or so from certain: about 2 times 1.6.
    assert 3.0 < found.mu_bound() < 4.0


def test_worlds_that_are_far_apart_are_refuted_whatever_underflows() -> None:
    for found in (
        Hits(runs=3_800, false_alarms=79, hits=2_002),
        Hits(runs=20_000, false_alarms=0, hits=20_000),
    ):
        assert found.p_value(TradeOff.gaussian(1.5)) <= 1e-12
        assert 1.8 < found.mu_bound() < found.mu


def test_a_bound_on_epsilon_is_exact_or_too_small() -> None:
    """Randomised response: hits 0.75, false alarms 0.25, so epsilon is log 3."""
    rng = np.random.default_rng(5)
    alarms, hits = rng.binomial(2_000, 0.25, 400), rng.binomial(2_000, 0.75, 400)
    bounds = [
        Hits(runs=2_000, false_alarms=int(a), hits=int(h)).epsilon_bound(0.0)
        for a, h in zip(alarms, hits, strict=True)
    ]
    assert np.mean(np.array(bounds) > math.log(3.0)) <= 0.03
    assert 0.85 * math.log(3.0) < np.median(bounds)
    assert Hits(runs=100, false_alarms=50, hits=50).epsilon_bound(0.0) == 0.0
    assert Hits(runs=100, false_alarms=0, hits=0).epsilon_bound(0.0) == 0.0


def test_the_detection_limit_is_what_simulation_finds() -> None:
    """400 simulated audits at the limit of 80 %, fixed seed: 3 standard deviations are 6 %."""
    runs = 1000
    limit = detectable_mu(MU, runs, 0.8, 2)
    alarm = float(ndtr(-limit / 2))
    found = [
        first.p_value(CLAIM) <= ERROR and second.p_value(CLAIM) <= ERROR
        for first, second in zip(
            drawn(limit, alarm, runs, 400, 1), drawn(limit, alarm, runs, 400, 2), strict=True
        )
    ]
    assert 0.74 < np.mean(found) < 0.88


def test_the_runs_that_are_needed_are_those_of_the_limit() -> None:
    runs = needed_runs(0.45, 0.9, 0.999, 2)
    assert detectable_mu(0.45, runs, 0.999, 2) <= 0.9 < detectable_mu(0.45, runs - 1, 0.999, 2)
    assert detectable_mu(0.45, 3, 0.999, 2) == math.inf
    assert needed_runs(0.45, 0.4, 0.999, 2) >= 2**30, "what is below the claim is never refuted"


def test_a_threshold_is_the_middle_and_counts_what_lies_above() -> None:
    without, with_unit = np.array([0.0, 1.0, 2.0]), np.array([2.0, 3.0, 4.0])
    threshold = choose_threshold(without, with_unit)
    assert threshold == 2.0
    assert count_hits(without, with_unit, threshold) == Hits(runs=3, false_alarms=0, hits=2)
    assert [pilot_runs(runs) for runs in (100, 2000, 20_000)] == [50, 100, 500]
