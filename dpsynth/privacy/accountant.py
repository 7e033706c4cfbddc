"""zCDP accounting: what events cost together, and what that is as (epsilon, delta).

zCDP composes by adding rho, also adaptively and over releases (Bun & Steinke 2016, Lemma 1.7).
Sums are exact fractions. The claim of an event is re-derived from its parameters, and an event
that understates its price is refused. The conversion is made three times, by our own code, by
OpenDP and by dp-accounting; the largest is used, and a run stops where they disagree. Every
rounding is outward: an epsilon is never too small and a rho never too large.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, assert_never

import numpy as np
from scipy.special import gammaln, logsumexp

from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import (
    Event,
    GaussianEvent,
    PoissonGaussianEvent,
    ScoresEvent,
    SelectionEvent,
    ThresholdEvent,
)
from dpsynth.privacy.mechanisms import opendp

TOLERANCE = 0.02
_OUTWARD = 1.0 + 1e-12


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Privacy loss as it adds up: exact zCDP rho (or its equal at a Renyi order), and delta.

    delta is what events of their own may fail by (approximate zCDP); the delta of the conversion
    to (epsilon, delta) comes on top.
    """

    rho: Fraction = Fraction(0)
    delta: Fraction = Fraction(0)

    def __add__(self, other: Loss) -> Loss:
        """Return the loss of both together, also where the second depends on the first."""
        return Loss(rho=self.rho + other.rho, delta=self.delta + other.delta)


def true_loss(event: Event) -> Loss:
    """Return the loss of what an event says that ran; rho is exact for all zCDP events.

    Gaussian noise: ``sensitivity**2 / (2 sigma**2)``. Selection: ``epsilon**2 / 8`` with
    ``epsilon = 2 * sensitivity / scale``. Threshold: as Gaussian, and the chance that a text of one
    unit reaches the threshold. Poisson: see :func:`poisson_rho`.
    """
    match event:
        case GaussianEvent():
            return Loss(rho=Fraction(event.sensitivity) ** 2 / (2 * Fraction(event.sigma) ** 2))
        case ScoresEvent():
            return Loss(rho=Fraction(event.squared_sensitivity) / (2 * Fraction(event.sigma) ** 2))
        case SelectionEvent():
            epsilon = 2 * Fraction(event.sensitivity) / Fraction(event.scale)
            return Loss(rho=epsilon**2 / 8)
        case ThresholdEvent():
            return Loss(
                rho=Fraction(event.sensitivity) ** 2 / (2 * Fraction(event.sigma) ** 2),
                delta=Fraction(threshold_delta(event.sigma, event.threshold, event.sensitivity)),
            )
        case PoissonGaussianEvent():
            return Loss(
                rho=Fraction(
                    poisson_rho(
                        event.sampling_rate, event.noise_multiplier, event.steps, event.order
                    )
                )
            )
    assert_never(event)


def total_loss(events: Iterable[Event]) -> Loss:
    """Return the exact sum of what the events charged.

    Raises:
        SelfTestError: An event charged less than what it says that ran.
    """
    total = Loss()
    for event in events:
        charged, true = Loss(rho=Fraction(event.rho), delta=Fraction(event.delta)), true_loss(event)
        if charged.rho < true.rho or charged.delta < true.delta:
            raise SelfTestError(
                "An event charges less than its own parameters cost.",
                where=event.stage,
                fix="Nothing was drawn for it. Please report this as a defect.",
            )
        total += charged
    return total


def threshold_delta(sigma: float, threshold: int, sensitivity: int) -> float:
    """Return the chance that a text of one unit alone reaches the threshold, rounded up.

    At most `sensitivity` texts occur only because of one unit, each at most `sensitivity` times; a
    text is seen where its count plus discrete Gaussian noise reaches the threshold. The sum
    runs over the noise values that do so, with a geometric bound on what follows the last of them.
    """
    start = threshold - sensitivity
    if start < 1:
        return 1.0
    steps = np.arange(start, start + math.ceil(12.0 * sigma) + 12, dtype=np.float64)
    logs = -(steps**2) / (2.0 * sigma**2)
    # After the last step k, ratios of neighbours are at most exp(-k / sigma**2).
    rest = math.exp(logs[-1]) / -math.expm1(-steps[-1] / sigma**2)
    mass = math.fsum(np.exp(logs)) + rest
    # The normalising constant is at least that of the continuous density and at least 1.
    norm = max(1.0, sigma * math.sqrt(2.0 * math.pi))
    return min(1.0, sensitivity * mass / norm * (1.0 + 1e-9))


def poisson_rho(rate: float, multiplier: float, steps: int, order: float) -> float:
    """Return the Renyi bound of Poisson-sampled Gaussian steps at an order, over the order.

    At a whole order a the divergence of one step is ``log(A) / (a - 1)`` with
    ``A = sum_k binom(a, k) (1-q)**(a-k) q**k exp(k (k-1) / (2 sigma**2))``, for removing and adding
    a unit alike (Mironov, Talwar & Zhang 2019, 3.3). Between whole orders ``log A`` is convex, so a
    straight line between its neighbours bounds it from above.
    """
    low = math.floor(order)
    share = order - low
    logs = [_log_moment(rate, multiplier, whole) for whole in (low, low + 1)]
    bound = (1.0 - share) * logs[0] + share * logs[1]
    return steps * bound / (order - 1.0) / order * (1.0 + 1e-9)


def _log_moment(rate: float, multiplier: float, order: int) -> float:
    """Return log A of one step at a whole order; 0 at order 1."""
    if order == 1:
        return 0.0
    if rate == 1.0:
        return order * (order - 1) / (2.0 * multiplier**2)
    k = np.arange(order + 1, dtype=np.float64)
    logs = (
        gammaln(order + 1.0) - gammaln(k + 1.0) - gammaln(order - k + 1.0)
        + (order - k) * math.log1p(-rate) + k * math.log(rate)
        + k * (k - 1.0) / (2.0 * multiplier**2)
    )  # fmt: skip
    return max(0.0, float(logsumexp(logs)))


def renyi_order(rho: float, delta: float) -> float:
    """Return the Renyi order at which rho-zCDP converts to (epsilon, delta) best."""
    return 1.0 + _best_order(rho, delta)[1]


def epsilon_at(order: float, rho: float, delta: float) -> float:
    """Return the epsilon at delta of a Renyi bound ``order * rho`` at that order alone.

    One order that is fixed before the first release is what an adaptive filter may use (Feldman &
    Zrnic 2021, Theorem 4.3); the best order in hindsight is not.
    """
    less_one = order - 1.0
    bound = order * rho + (-math.log(delta) - math.log(order)) / less_one
    return max(0.0, bound + math.log1p(-1.0 / order)) * _OUTWARD + 1e-15


def tight_epsilon(rho: float, delta: float) -> float:
    """Return the smallest epsilon that rho-zCDP implies at delta, by our own code.

    ``inf over alpha > 1 of alpha rho + log(1/(alpha delta)) / (alpha-1) + log(1 - 1/alpha)``
    (Canonne, Kamath & Steinke 2020, Proposition 12). Each alpha gives a valid bound, so a search
    that misses the best one is only a little larger.
    """
    if rho < 0 or not math.isfinite(rho) or not 0 < delta < 1:
        raise InputError("Only a finite rho of at least 0 and a delta in (0, 1) can be converted.")
    return max(_best_order(rho, delta)[0], 0.0) * _OUTWARD + 1e-15


def _best_order(rho: float, delta: float) -> tuple[float, float]:
    """Return the smallest bound found, and alpha - 1 of the order that gives it."""
    low, high = math.log(1e-4), math.log(1e10)
    best, order = math.inf, 1.0
    for points in (601, 201, 201):
        offset = np.linspace(low, high, points)
        less_one = np.exp(offset)
        alpha = 1.0 + less_one
        bound = alpha * rho + (-math.log(delta) - np.log(alpha)) / less_one + np.log1p(-1.0 / alpha)
        index = int(np.argmin(bound))
        if bound[index] < best:
            best, order = float(bound[index]), float(less_one[index])
        low, high = float(offset[max(index - 1, 0)]), float(offset[min(index + 1, points - 1)])
    return best, order


def cross_check(rho: float, delta: float) -> list[tuple[str, float]]:
    """Convert rho-zCDP to epsilon at delta by three independent implementations.

    Returns:
        (name of the accountant, epsilon), our own first.

    Raises:
        SelfTestError: They differ by more than 2 %.
    """
    found = [
        ("dpsynth zCDP", tight_epsilon(rho, delta)),
        ("OpenDP zCDP", _opendp_epsilon(rho, delta)),
        ("dp-accounting RDP", _rdp_epsilon(rho, delta)),
    ]
    values = [value for _, value in found]
    if max(values) > (1.0 + TOLERANCE) * min(values) + 1e-6:
        raise SelfTestError(
            "The privacy accountants disagree.",
            where=", ".join(f"{name} {value:.6g}" for name, value in found),
            fix="No epsilon can be stated. Check the versions of opendp and dp-accounting.",
        )
    return found


def epsilon(rho: float, delta: float) -> float:
    """Return the epsilon of rho-zCDP at delta: the largest of the three accountants.

    Raises:
        SelfTestError: The accountants disagree.
    """
    return max(value for _, value in cross_check(rho, delta))


def rho_for(budget: Budget) -> float:
    """Return the largest rho, to within 1e-9 of itself, whose epsilon at delta fits the budget.

    The search uses our own conversion; the result is then confirmed by all three and lowered
    until the largest of them fits.

    Raises:
        SelfTestError: The accountants disagree.

    >>> round(rho_for(Budget(epsilon=1.0, delta=1e-6)), 5)
    0.02436
    """
    low, high = 0.0, budget.epsilon + 1.0
    while tight_epsilon(high, budget.delta) <= budget.epsilon:
        high *= 2.0
    while high - low > 1e-12 * high:
        middle = 0.5 * (low + high)
        if tight_epsilon(middle, budget.delta) <= budget.epsilon:
            low = middle
        else:
            high = middle
    step = 1e-10
    while epsilon(low, budget.delta) > budget.epsilon:
        low *= 1.0 - step
        step *= 2.0
        if step > TOLERANCE:
            raise SelfTestError("No rho fits this budget by all accountants.")
    return low


@cache
def _opendp_converter() -> Any:
    """Return OpenDP's conversion of unit-scale Gaussian noise, of which rho is d**2 / 2."""
    dp = opendp()
    space = dp.atom_domain(T="i64"), dp.absolute_distance(T=float)
    return dp.c.make_zCDP_to_approxDP(dp.m.make_gaussian(*space, scale=1.0))


def _opendp_epsilon(rho: float, delta: float) -> float:
    """Return OpenDP's epsilon for the smallest distance whose rho is at least `rho`."""
    distance = math.sqrt(2.0 * rho)
    while Fraction(distance) ** 2 / 2 < Fraction(rho):
        distance = math.nextafter(distance, math.inf)
    return float(_opendp_converter().map(distance).epsilon(delta))


def _rdp_epsilon(rho: float, delta: float) -> float:
    """Return dp-accounting's epsilon over orders around the best one.

    Its default orders are too coarse for small rho; any set of orders gives a valid bound.
    """
    from dp_accounting import dp_event, rdp

    if rho == 0:
        return 0.0
    best = _best_order(rho, delta)[1]
    orders = [1.0 + best * float(factor) for factor in np.linspace(0.9, 1.1, 21)]
    accountant = rdp.RdpAccountant(orders=orders)
    accountant.compose(dp_event.ZCDpEvent(rho))
    return float(accountant.get_epsilon(delta))
