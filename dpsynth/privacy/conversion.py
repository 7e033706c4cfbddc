"""What zCDP, or a Renyi bound at one order, says as (epsilon, delta): our own conversions.

They need no arrays, so a ledger that is only read need not load any to say what is spent. Every
rounding is outward. What is stated for a release is the largest of these and of other accountants:
:mod:`dpsynth.privacy.cross_check`. Derivations: docs/accounting.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from dpsynth.errors import InputError

OUTWARD = 1.0 + 1e-12  #: factor that covers the rounding of a conversion


def renyi_order(rho: float, delta: float) -> float:
    """Return the Renyi order at which rho-zCDP converts to (epsilon, delta) best."""
    return 1.0 + best_order(rho, delta)[1]


def epsilon_at(order: float, rho: float, delta: float) -> float:
    """Return the epsilon at delta of a Renyi bound ``order * rho`` at that order alone.

    One order that is fixed before the first release is what an adaptive filter may use (Feldman &
    Zrnic 2021; Lecuyer 2021); the best order in hindsight is not. A divergence so small that the
    total variation, at most ``sqrt(1 - exp(-order * rho))`` (Bretagnolle & Huber), stays below
    delta needs no epsilon at all.
    """
    if not (math.isfinite(order) and order > 1):
        raise InputError("must be finite and above 1.", where="order")
    check_loss(rho, delta)
    if -math.expm1(-order * rho) < delta**2:
        return 0.0
    bound = order * rho + (-math.log(delta) - math.log(order)) / (order - 1.0)
    return max(0.0, bound + math.log1p(-1.0 / order)) * OUTWARD + 1e-15


def tight_epsilon(rho: float, delta: float) -> float:
    """Return the smallest epsilon that rho-zCDP implies at delta, by our own code.

    ``inf over alpha > 1 of alpha rho + log(1/(alpha delta)) / (alpha-1) + log(1 - 1/alpha)``
    (Canonne, Kamath & Steinke 2020, Proposition 12). Each alpha gives a valid bound, so a search
    that misses the best one is only a little larger.
    """
    check_loss(rho, delta)
    return max(best_order(rho, delta)[0], 0.0) * OUTWARD + 1e-15


def tight_delta(rho: float, epsilon: float) -> float:
    """Return the smallest delta that rho-zCDP implies at epsilon, by our own code.

    ``inf over a > 1 of exp((a-1) (a rho - epsilon)) / a * (1 - 1/a)**(a-1)``, the same proposition
    read the other way.
    """
    check_loss(rho, 0.5)
    if not epsilon >= 0:
        raise InputError("must be at least 0.", where="epsilon")
    if rho == 0 or math.isinf(epsilon):
        return 0.0

    def log_delta(less_one: float) -> float:
        alpha = 1.0 + less_one
        exponent = less_one * (alpha * rho - epsilon + math.log1p(-1.0 / alpha))
        return exponent - math.log(alpha)

    best = _minimise(log_delta)[0]
    # An exponent of size t is rounded by t ulps.
    return min(1.0, math.exp(min(best + 1e-12 + 1e-15 * abs(best), 0.0)))


def best_order(rho: float, delta: float) -> tuple[float, float]:
    """Return the smallest bound found, and alpha - 1 of the order that gives it."""

    def bound(less_one: float) -> float:
        alpha = 1.0 + less_one
        first = alpha * rho + (-math.log(delta) - math.log(alpha)) / less_one
        return first + math.log1p(-1.0 / alpha)

    return _minimise(bound)


def _minimise(bound: Callable[[float], float]) -> tuple[float, float]:
    """Return the smallest value found of a function of alpha - 1, and where."""
    low, high = math.log(1e-4), math.log(1e10)
    best, order = math.inf, 1.0
    for points in (601, 201, 201):
        step = (high - low) / (points - 1)
        offsets = [low + step * i for i in range(points)]
        found = [bound(math.exp(offset)) for offset in offsets]
        index = min(range(points), key=found.__getitem__)
        if found[index] < best:
            best, order = found[index], math.exp(offsets[index])
        low, high = offsets[max(index - 1, 0)], offsets[min(index + 1, points - 1)]
    return best, order


def check_loss(rho: float, delta: float) -> None:
    """Refuse what is no loss or no delta."""
    if rho < 0 or not math.isfinite(rho) or not 0 < delta < 1:
        raise InputError("Only a finite rho of at least 0 and a delta in (0, 1) can be converted.")
