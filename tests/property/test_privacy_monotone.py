"""Laws of the conversions: more rho never means less loss, and nothing is rounded inward."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.privacy import meaning
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.conversion import tight_epsilon
from dpsynth.privacy.cross_check import rho_for

RHOS = st.floats(1e-10, 60.0)
DELTAS = st.floats(1e-15, 1e-3)


@given(RHOS, st.floats(1.0, 10.0), DELTAS)
@settings(max_examples=60, deadline=None)
def test_more_rho_is_more_loss(rho: float, factor: float, delta: float) -> None:
    more = rho * factor
    assert tight_epsilon(more, delta) >= tight_epsilon(rho, delta) * (1 - 1e-9)
    assert tight_epsilon(rho, delta) <= tight_epsilon(rho, delta / 2) * (1 + 1e-9)
    assert meaning.right_guesses(more) >= meaning.right_guesses(rho)
    assert meaning.tail_probability(more, 3.0) >= meaning.tail_probability(rho, 3.0)
    low, high = meaning.trade_off_curve(rho, 21), meaning.trade_off_curve(more, 21)
    assert (high[:, 1] >= low[:, 1]).all()


@given(RHOS)
@settings(max_examples=40, deadline=None)
def test_a_trade_off_curve_is_one(rho: float) -> None:
    x, y = meaning.trade_off_curve(rho, 101).T
    assert ((y >= x) & (y <= 1.0)).all()
    assert (y[1:] >= y[:-1]).all(), "more false alarms never mean fewer hits"
    assert (y[:-2] + y[2:] - 2 * y[1:-1] <= 1e-8).all(), "and the curve is concave"
    assert (y - x).max() <= 2 * (meaning.right_guesses(rho) - 0.5) + 1e-8


@given(st.floats(1e-3, 50.0), st.floats(1e-12, 1e-4))
@settings(max_examples=25, deadline=None)
def test_rho_for_inverts_epsilon_on_the_safe_side(epsilon: float, delta: float) -> None:
    rho = rho_for(Budget(epsilon=epsilon, delta=delta))
    assert epsilon * (1 - 1e-6) <= tight_epsilon(rho, delta) <= epsilon
    assert tight_epsilon(rho * (1 + 1e-6), delta) > epsilon
