"""A budget from the attack risk that somebody accepts: "at most 3 hits in 100 at 1 false alarm".

The bound on the hit rate of rho-zCDP grows with rho, so the largest rho that keeps it at or below a
target is found by bisection and rounded down. It holds for every mechanism of that price.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy.budget import MAX_EPSILON, MIN_EPSILON, Budget
from dpsynth.privacy.cross_check import epsilon, rho_for
from dpsynth.privacy.meaning import hit_rate

_LEAST_RHO = 1e-12
_RHO_LIMIT = 1e3


def rho_for_hits(max_hit_rate: float, false_alarm: float) -> float:
    """Return the largest rho, to 1e-9 of itself, that keeps any attacker's hits at a target.

    Args:
        max_hit_rate: Share of members that an attacker may recognise at most.
        false_alarm: Share of non-members that the attacker takes for members.

    Raises:
        InputError: The target is no probability, or at or below what guessing reaches.

    >>> round(rho_for_hits(0.03, 0.01), 4)
    0.0747
    """
    _check_rates(max_hit_rate, false_alarm)
    low, high = _LEAST_RHO, _RHO_LIMIT
    if hit_rate(false_alarm, low) > max_hit_rate:
        raise InputError(
            f"{max_hit_rate:g} cannot be promised at {false_alarm:g} false alarms: guessing alone "
            "reaches as many hits.",
            where="attack risk",
            fix="Allow more hits than false alarms.",
        )
    if hit_rate(false_alarm, high) <= max_hit_rate:
        raise InputError("That many hits limit nothing.", where="attack risk")
    while high > low * (1.0 + 1e-9):
        middle = (low * high) ** 0.5
        if hit_rate(false_alarm, middle) <= max_hit_rate:
            low = middle
        else:
            high = middle
    return low


def budget_for_hits(max_hit_rate: float, false_alarm: float, delta: float) -> Budget:
    """Return the largest budget, to 4 digits of epsilon, whose releases keep a target.

    A release runs at ``rho_for(budget)`` and may fail by up to delta on its own, which counts as
    hits; epsilon is rounded down and the promise is confirmed for that very rho.

    Raises:
        InputError: The target cannot be promised, or needs an epsilon that no budget may have.
        SelfTestError: The promise does not hold for the budget that was found.
    """
    _check_rates(max_hit_rate, false_alarm)
    Budget(epsilon=1.0, delta=delta)  # refuses a delta that is none
    if not max_hit_rate > delta:
        raise InputError("at or below delta cannot be promised.", where="attack risk")
    allowed = max_hit_rate - delta * (1.0 + 1e-9)
    exact = Decimal(epsilon(rho_for_hits(allowed, false_alarm), delta))
    digits = exact.quantize(Decimal(1).scaleb(exact.adjusted() - 3), rounding=ROUND_DOWN)
    if not MIN_EPSILON <= digits <= MAX_EPSILON:
        raise InputError(
            f"needs an epsilon of {digits:g}, outside of {MIN_EPSILON:g} to {MAX_EPSILON:g}.",
            where="attack risk",
        )
    budget = Budget(epsilon=float(digits), delta=delta)
    if hit_rate(false_alarm, rho_for(budget)) > allowed:
        raise SelfTestError("The budget found does not keep the promised hit rate.")
    return budget


def _check_rates(max_hit_rate: float, false_alarm: float) -> None:
    """Refuse rates that are no probabilities, or certain."""
    if not 0 < false_alarm < 1 or not 0 < max_hit_rate < 1:
        raise InputError(
            "Both rates must lie between 0 and 1.",
            where="attack risk",
            fix="For example 0.03 at a false alarm rate of 0.01.",
        )
