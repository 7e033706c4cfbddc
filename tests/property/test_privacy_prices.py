"""Laws of prices: more of what costs never costs less, and a bound is a bound at every order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.privacy.losses import poisson_rho, threshold_delta

RATES = st.floats(1e-6, 1.0)
MULTIPLIERS = st.floats(0.3, 100.0)
ORDERS = st.floats(1.01, 300.0)
NO_LESS = 1 - 1e-8


@given(RATES, MULTIPLIERS, st.integers(1, 10_000), ORDERS, st.floats(1.0, 3.0))
@settings(max_examples=150, deadline=None)
def test_poisson_prices_rise(q: float, m: float, steps: int, order: float, factor: float) -> None:
    price = poisson_rho(q, m, steps, order)
    assert price > 0
    assert poisson_rho(min(1.0, q * factor), m, steps, order) >= price * NO_LESS
    assert poisson_rho(q, m / factor, steps, order) >= price * NO_LESS
    assert poisson_rho(q, m, steps + 1, order) >= price
    # Sampling never costs more than no sampling, between whole orders but for the straight line.
    assert price * order <= (order + 1) * steps / (2 * m * m) * (1 + 1e-6)
    # A Renyi divergence rises with its order.
    whole = float(int(order) + 1)
    above = poisson_rho(q, m, steps, whole + 1) * (whole + 1)
    assert above >= poisson_rho(q, m, steps, whole) * whole * NO_LESS


@given(st.floats(0.2, 1e4), st.integers(1, 50), st.integers(0, 10**5))
@settings(max_examples=150, deadline=None)
def test_chances_of_thresholds_fall(sigma: float, rows: int, room: int) -> None:
    threshold = rows + 1 + room
    chance = threshold_delta(sigma, threshold, rows)
    assert 0 < chance <= 1
    assert threshold_delta(sigma, threshold + 1, rows) <= chance
    assert threshold_delta(sigma, threshold + 1, rows + 1) >= chance
    assert threshold_delta(sigma * 1.5, threshold, rows) >= min(1.0, chance) * NO_LESS or (
        room < sigma  # inside the bulk a wider distribution has less mass on one side
    )
