"""Exact statistics against numbers of 60 digits, and the side on which they err."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from dp_accounting import get_epsilon_gaussian
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpsynth.exact import bisect, clopper_pearson, epsilon_lower_bound, first, gdp_epsilon

# (mu, delta, epsilon), by mpmath 1.3.0 with 60 digits: halving of Dong, Roth and Su's equation.
EPSILONS = [
    (0.001, 1e-6, "0.002718219088813995196346481"),
    (0.05, 1e-9, "0.2601967737180187005428481"),
    (0.2, 0.01, "0.2632312097740829801688469"),
    (0.3, 1e-5, "1.131774896640894975737528"),
    (0.7, 1e-6, "3.270557675274129533991563"),
    (1.0, 1e-12, "7.238494420178858362751831"),
    (5.0, 1e-9, "41.83337508055051987433295"),
    (20.0, 1e-6, "294.1717862576445010310747"),
    (40.0, 1e-300, "2281.176098264011443740617"),
]


@pytest.mark.parametrize(("mu", "delta", "exact"), EPSILONS)
def test_an_epsilon_lies_on_the_side_that_is_asked_for(mu: float, delta: float, exact: str) -> None:
    below, above = (Fraction(gdp_epsilon(mu, delta, side=side)) for side in ("below", "above"))
    assert below <= Fraction(exact) <= above
    assert above - below <= Fraction(3, 10**9)


@given(st.floats(1e-4, 30.0), st.floats(1e-12, 0.9))
def test_both_sides_enclose_one_number(mu: float, delta: float) -> None:
    below, above = (gdp_epsilon(mu, delta, side=side) for side in ("below", "above"))
    assert 0.0 <= below <= above
    assert gdp_epsilon(1.01 * mu, delta, side="above") >= below
    assert gdp_epsilon(mu, min(1.0, 1.01 * delta), side="below") <= above


def test_an_epsilon_is_that_of_the_gaussian_mechanism() -> None:
    for mu, delta in ((0.2, 1e-2), (0.45, 1e-2), (1.0, 1e-6), (5.0, 1e-9)):
        expected = get_epsilon_gaussian(1 / mu, delta)
        assert gdp_epsilon(mu, delta, side="above") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("side", ["below", "above"])
def test_epsilons_at_the_ends(side: str) -> None:
    assert gdp_epsilon(0.0, 1e-6, side=side) == gdp_epsilon(0.0, 0.0, side=side) == 0.0
    assert gdp_epsilon(0.01, 0.01, side=side) == gdp_epsilon(3.0, 1.0, side=side) == 0.0
    assert gdp_epsilon(0.01, 0.0, side=side) == math.inf


@pytest.mark.parametrize(
    ("hits", "trials", "level", "low", "high"),
    [
        # By mpmath 1.3.0: halving of the regularised incomplete beta function, 60 digits.
        (0, 20, 0.95, 0.0, 0.1684334709830853),
        (1, 20, 0.95, 0.0012650894979498048, 0.24873276277202774),
        (7, 20, 0.95, 0.15390920478454119, 0.59218853453282808),
        (20, 20, 0.95, 0.8315665290169147, 1.0),
        (3, 1000, 0.99, 0.00033814452906649337, 0.010933777420405241),
        (500, 1000, 0.999, 0.44762941985860422, 0.55237058014139578),
    ],
)
def test_limits_of_a_rate(hits: int, trials: int, level: float, low: float, high: float) -> None:
    found = clopper_pearson(hits, trials, level)
    assert found.low == pytest.approx(low, rel=1e-12, abs=0.0)
    assert found.high == pytest.approx(high, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("hits", [0, 1, 7, 20])
def test_the_interval_holds_the_estimate_and_stays_in_range(hits: int) -> None:
    found = clopper_pearson(hits, 20, 0.95)
    assert 0.0 <= found.low <= hits / 20 <= found.high <= 1.0


def test_clopper_pearson_covers_at_least_its_level_exactly() -> None:
    n = 30
    for p in (0.01, 0.2, 0.5):
        covered = sum(
            stats.binom.pmf(k, n, p)
            for k in range(n + 1)
            if (i := clopper_pearson(k, n, 0.95)).low <= p <= i.high
        )
        assert covered >= 0.95


def test_impossible_counts_are_refused() -> None:
    for hits, trials in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match=f"{hits} hits in {trials} trials"):
            clopper_pearson(hits, trials)


def test_a_bound_on_epsilon_shares_its_error_between_both_rates() -> None:
    # No false hit of 100 at 0.025 each: 1 - 0.025 ** 0.01; all of 100 hit: 0.025 ** 0.01.
    limit = 0.025**0.01
    expected = math.log((limit - 0.1) / (1.0 - limit))
    assert epsilon_lower_bound(100, 100, 0, 100, delta=0.1) == pytest.approx(expected, rel=1e-12)
    assert epsilon_lower_bound(100, 100, 100, 100, delta=0.0) == 0.0
    assert epsilon_lower_bound(0, 100, 0, 100, delta=0.0) == 0.0
    assert epsilon_lower_bound(5, 5, 0, 0, delta=0.0) == 0.0


def test_epsilon_bound() -> None:
    assert epsilon_lower_bound(50, 1000, 50, 1000, delta=0.0) == 0.0
    sharp = epsilon_lower_bound(900, 1000, 10, 1000, delta=0.0)
    assert 0 < sharp < math.log(90)
    assert epsilon_lower_bound(900, 1000, 10, 1000, delta=1.0) == 0.0
    assert epsilon_lower_bound(0, 0, 0, 0, delta=0.0) == 0.0


def test_epsilon_bound_holds_for_randomised_response() -> None:
    """Truth: epsilon 1. The bound may exceed it with probability 0.05; 20 of 100 has p < 1e-7."""
    rng = np.random.default_rng(8)
    keep = math.e / (1 + math.e)
    broken = sum(
        epsilon_lower_bound(
            rng.binomial(500, keep), 500, rng.binomial(500, 1 - keep), 500, delta=0.0
        )
        > 1.0
        for _ in range(100)
    )
    assert broken < 20


@given(st.integers(-50, 50), st.integers(0, 200), st.integers(-60, 300))
def test_the_first_is_found_among_all(low: int, more: int, start: int) -> None:
    tried: list[int] = []

    def holds(number: int) -> bool:
        tried.append(number)
        return number >= start

    numbers = range(low, low + more + 1)
    assert first(low, low + more, holds) == next((n for n in numbers if n >= start), None)
    assert set(tried) <= set(numbers)
    assert len(tried) <= 2 + math.log2(more + 1)


@given(st.lists(st.booleans(), min_size=1))
def test_where_it_comes_and_goes_a_place_where_it_begins_is_found(holds: list[bool]) -> None:
    found = first(0, len(holds) - 1, holds.__getitem__)
    if not holds[-1]:
        assert found is None
    else:
        assert found is not None
        assert holds[found] and not (found and holds[found - 1])


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_halving_ends_on_both_sides(low: float, width: float, at: float, tolerance: float) -> None:
    high = low + width
    edge = low + at * width
    before, after = bisect(low, high, lambda number: number >= edge, tolerance)
    assert low <= before < after <= high
    assert before < edge or before == low
    assert after >= edge or after == high
    assert after - before <= tolerance or after == math.nextafter(before, math.inf)


def test_a_search_loads_no_numbers() -> None:
    code = (
        "import sys; from dpsynth.exact import first; first(0, 9, bool);"
        "print('numpy' in sys.modules, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
