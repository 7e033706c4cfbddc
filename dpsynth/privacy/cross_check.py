"""Conversions: what a loss is as (epsilon, delta), and the largest rho that a budget allows.

Each conversion is made by independent implementations, our own code, OpenDP and dp-accounting; the
largest is used, and a run stops where they disagree. Every rounding is outward: an epsilon is never
too small and a rho never too large. Derivations: docs/accounting.md.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.conversion import (
    best_order,
    check_loss,
    epsilon_at,
    tight_epsilon,
)
from dpsynth.privacy.losses import Loss
from dpsynth.privacy.mechanisms import opendp
from dpsynth.privacy.numbers import float_down, float_up

TOLERANCE = 0.02


def cross_check(loss: Loss | float, delta: float) -> list[tuple[str, float]]:
    """Convert a loss to epsilon at delta by independent implementations.

    The own delta of a loss is taken from `delta` first: a mechanism that is rho-zCDP but for a
    chance of d is (epsilon, delta - d)-DP but for that chance (Bun & Steinke 2016, Section 8).

    Args:
        loss: A loss, or the rho of a pure one.
        delta: The delta of the statement, in (0, 1).

    Returns:
        (name of the accountant, epsilon), our own first.

    Raises:
        InputError: The own delta of the loss leaves nothing of `delta`.
        SelfTestError: They differ by more than 2 %.
    """
    loss = loss if isinstance(loss, Loss) else _pure(loss)
    rho, left = float_up(loss.rho), _left(loss, delta)
    if loss.order is None:
        found = [
            ("dpsynth zCDP", tight_epsilon(rho, left)),
            ("OpenDP zCDP", _opendp_epsilon(rho, left)),
            ("dp-accounting RDP", _rdp_epsilon(rho, left, _orders(rho, left))),
        ]
    else:
        found = [
            ("dpsynth Renyi", epsilon_at(loss.order, rho, left)),
            ("dp-accounting RDP", _rdp_epsilon(rho, left, [loss.order])),
        ]
    values = [value for _, value in found]
    if max(values) > (1.0 + TOLERANCE) * min(values) + 1e-6:
        raise SelfTestError(
            "The privacy accountants disagree.",
            where=", ".join(f"{name} {value:.6g}" for name, value in found),
            fix="No epsilon can be stated. Check the versions of opendp and dp-accounting.",
        )
    return found


def epsilon(loss: Loss | float, delta: float) -> float:
    """Return the epsilon of a loss at delta: the largest that the accountants find.

    Args:
        loss: A loss, or the rho of a pure one.
        delta: The delta of the statement, the own delta of the loss included.

    Raises:
        InputError: The own delta of the loss leaves nothing of `delta`.
        SelfTestError: The accountants disagree.
    """
    return max(value for _, value in cross_check(loss, delta))


def group_epsilon(loss: Loss | float, size: int, delta: float) -> float:
    """Return the epsilon of a pure zCDP loss for `size` privacy units together.

    rho grows by ``size**2`` (Bun & Steinke 2016, Proposition 1.9). Where a loss has a delta of its
    own or holds at one Renyi order, its sum does not say what a group loses: derive the loss of the
    group from the events (:func:`dpsynth.privacy.losses.group_loss`) and convert that.

    Raises:
        InputError: The loss has a delta or a Renyi order of its own, or the size is no group.
    """
    loss = loss if isinstance(loss, Loss) else _pure(loss)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InputError("A group has at least one member.", where="group")
    if loss.delta or loss.order is not None:
        raise InputError("not stated for a loss with a delta or an order.", where="group")
    return epsilon(Loss(rho=loss.rho * size**2), delta)


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


def _rdp_epsilon(rho: float, delta: float, orders: list[float]) -> float:
    """Return dp-accounting's epsilon at the best of some orders; any set gives a valid bound."""
    from dp_accounting import dp_event, rdp

    if rho == 0:
        return 0.0
    accountant = rdp.RdpAccountant(orders=orders)
    accountant.compose(dp_event.ZCDpEvent(rho))
    return float(accountant.get_epsilon(delta))


def _orders(rho: float, delta: float) -> list[float]:
    """Return orders around the best one: the defaults are too coarse for small rho."""
    best = best_order(rho, delta)[1]
    return [1.0 + best * float(factor) for factor in np.linspace(0.9, 1.1, 21)]


def _pure(rho: float) -> Loss:
    """Return the loss of a pure zCDP rho."""
    check_loss(rho, 0.5)
    return Loss(rho=Fraction(rho))


def _left(loss: Loss, delta: float) -> float:
    """Return what the own delta of a loss leaves of `delta`, rounded down."""
    check_loss(0.0, delta)
    left = float_down(Fraction(delta) - loss.delta) if loss.delta else delta
    if left <= 0:
        raise InputError(
            "The steps take all of it; nothing is left for a statement.",
            where="delta",
            fix="Raise a threshold, or declare a larger delta.",
        )
    return left
