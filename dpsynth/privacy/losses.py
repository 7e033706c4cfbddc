"""What events cost: the price of each, re-derived from its parameters, and their exact sum.

The claim of an event is never believed: its price follows from its parameters (derivations and
papers: docs/accounting.md), and an event that understates it is refused. Sums are exact fractions.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

import numpy as np

from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy.events import (
    Event,
    GaussianEvent,
    PoissonGaussianEvent,
    ScoresEvent,
    SelectionEvent,
    ThresholdEvent,
)
from dpsynth.privacy.foreign import ThirdPartyEvent, UnboundedEvent, refused

_OUTWARD = 1.0 + 1e-9
# Half of that margin is left to whoever checks a price on another machine, whose exponentials may
# differ in the last digits.
_ELSEWHERE = 1.0 - 5e-10
_TERMS = 100_000


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Privacy loss as it adds up: rho and delta, exact.

    Attributes:
        rho: zCDP rho; where `order` is given, a Renyi divergence at that order, over the order.
        delta: What events may fail by on their own (approximate zCDP); the delta of a conversion
            to (epsilon, delta) comes on top.
        order: The only Renyi order at which `rho` says anything; None where it holds at all.
    """

    rho: Fraction = Fraction(0)
    delta: Fraction = Fraction(0)
    order: float | None = None

    def __add__(self, other: Loss) -> Loss:
        """Return the loss of both together, also where the second depends on the first.

        Raises:
            InputError: They are known at different Renyi orders, so their sum at neither.
        """
        orders = {self.order, other.order} - {None}
        if len(orders) > 1:
            raise InputError("Losses at different Renyi orders do not add up.", where="order")
        return Loss(
            rho=self.rho + other.rho,
            delta=self.delta + other.delta,
            order=orders.pop() if orders else None,
        )


def true_loss(event: Event) -> Loss:
    """Return the loss of what an event says that ran; rho is exact for all zCDP events.

    Gaussian noise: ``sensitivity**2 / (2 sigma**2)``. Selection: ``epsilon**2 / 8`` with
    ``epsilon = 2 * sensitivity / scale``. Threshold: as Gaussian, and :func:`threshold_delta`.
    Poisson: :func:`poisson_rho`, at the order of the event only. A third party's core: what was
    argued for one row, times the squared rows of a unit.
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
            rate, multiplier = event.sampling_rate, event.noise_multiplier
            price = poisson_rho(rate, multiplier, event.steps, event.order)
            return Loss(rho=Fraction(price * _ELSEWHERE), order=event.order)
        case ThirdPartyEvent():
            return Loss(rho=Fraction(event.row_rho) * event.sensitivity**2)
    assert_never(event)


def total_loss(events: Iterable[Event | UnboundedEvent]) -> Loss:
    """Return the exact sum of what the events charged.

    Raises:
        SelfTestError: An event charged less than what it says that ran.
        InputError: Events are priced at different Renyi orders, or one has no price at all.
    """
    total = Loss()
    for event in events:
        if isinstance(event, UnboundedEvent):
            raise refused(event, "The sum of losses")
        true = true_loss(event)
        charged = Loss(rho=Fraction(event.rho), delta=Fraction(event.delta), order=true.order)
        if charged.rho < true.rho or charged.delta < true.delta:
            raise SelfTestError(
                "An event charges less than its own parameters cost.",
                where=event.stage,
                fix="Nothing was drawn for it. Please report this as a defect.",
            )
        total += charged
    return total


def group_loss(events: Iterable[Event], size: int) -> Loss:
    """Return the loss of the same events for `size` privacy units together.

    A group of k units of at most c rows is one unit of at most kc rows, so rho grows by
    ``k**2`` (Bun & Steinke 2016, Proposition 1.9). A delta does not grow by a factor: it is derived
    again from the threshold, for kc rows.

    Raises:
        InputError: Steps on Poisson samples draw each unit of a group by itself: not stated.
            Or a group reaches a threshold by its rows alone.
        SelfTestError: An event charged less than what it says that ran.
    """
    if size < 1:
        raise InputError("A group has at least one member.", where="group")
    events, total = list(events), Loss()
    total_loss(events)  # refuses what understates its price
    for event in events:
        if isinstance(event, PoissonGaussianEvent):
            raise InputError("not stated for steps on Poisson samples.", where="group")
        delta = Fraction(0)
        if isinstance(event, ThresholdEvent):
            rows = event.sensitivity * size
            if event.threshold <= rows:
                raise InputError("not stated: its rows alone reach a threshold.", where="group")
            delta = Fraction(threshold_delta(event.sigma, event.threshold, rows))
        total += Loss(rho=Fraction(event.rho) * size**2, delta=delta)
    return total


def threshold_delta(sigma: float, threshold: int, sensitivity: int) -> float:
    """Return a bound on the chance that a text of one unit alone is released, rounded up.

    At most `sensitivity` texts occur only because of one unit, each at most `sensitivity` times, so
    the chance is at most ``sensitivity * P[N >= threshold - sensitivity]`` with N discrete
    Gaussian. The normalising constant of N is at least ``sigma sqrt(2 pi)`` (Poisson summation) and
    at least 1; the sum over the tail is exact up to a last term, and what follows it is at most
    that term and the integral behind it, since the terms fall.
    """
    start = threshold - sensitivity
    if start < 1:
        return 1.0
    end = start + min(math.ceil(12.0 * sigma) + 12, _TERMS)
    steps = np.arange(start, end, dtype=np.float64)
    mass = math.fsum(np.exp(-((steps / sigma) ** 2) / 2.0))
    rest = math.exp(-((end / sigma) ** 2) / 2.0)
    rest += sigma * math.sqrt(math.pi / 2.0) * math.erfc(end / sigma / math.sqrt(2.0))
    norm = max(1.0, sigma * math.sqrt(2.0 * math.pi))
    bound = sensitivity * (mass + rest) / norm * _OUTWARD
    # Far out the sum underflows; the chance is tiny there, not zero.
    return min(1.0, max(bound, sys.float_info.min))


def poisson_rho(rate: float, multiplier: float, steps: int, order: float) -> float:
    """Return the Renyi bound of Poisson-sampled Gaussian steps at an order, over the order.

    At a whole order a the divergence of one step is ``log(A) / (a - 1)`` with
    ``A = sum_k binom(a, k) (1-q)**(a-k) q**k exp(k (k-1) / (2 sigma**2))`` where a unit is removed;
    where it is added it is at most that (Mironov, Talwar & Zhang 2019, Section 3). Between whole
    orders ``log A`` is convex, so the line between its neighbours bounds it from above.
    """
    low = math.floor(order)
    share = order - low
    bound = (1.0 - share) * _log_moment(rate, multiplier, low)
    if share:
        bound += share * _log_moment(rate, multiplier, low + 1)
    return steps * bound / (order - 1.0) / order * _OUTWARD


def _log_moment(rate: float, multiplier: float, order: int) -> float:
    """Return log A of one step at a whole order, rounded up; 0 at order 1.

    ``A - 1 = sum_k binom(a, k) (1-q)**(a-k) q**k (exp(k (k-1) / (2 sigma**2)) - 1)`` has positive
    terms only, from k = 2 on. Summed this way nothing cancels, however close A is to 1.
    """
    from scipy.special import gammaln

    if order == 1:
        return 0.0
    if rate == 1.0:
        return order * (order - 1) / (2.0 * multiplier**2)
    k = np.arange(2, order + 1, dtype=np.float64)
    growth = k * (k - 1.0) / (2.0 * multiplier**2)
    logs = (
        gammaln(order + 1.0) - gammaln(k + 1.0) - gammaln(order - k + 1.0)
        + (order - k) * math.log1p(-rate) + k * math.log(rate)
        + growth + np.log(-np.expm1(-growth))
    )  # fmt: skip
    top = float(logs.max())
    log_excess = top + math.log(math.fsum(np.exp(logs - top)))
    # Rounding of the logarithms of factorials, which grow with the order.
    log_excess += 1e-11 + 1e-14 * float(gammaln(order + 1.0))
    return float(np.logaddexp(0.0, log_excess))
