"""A privacy profile, delta as a function of epsilon, and the trade-off curve that it implies.

A profile gives, at each epsilon of a fixed grid, a delta for which (epsilon, delta)-DP holds in
both directions, adding and removing a unit. A test with false alarm rate x then has a hit rate of
at most ``exp(epsilon) x + delta``, and, with both outputs exchanged, at most
``1 - exp(-epsilon) (1 - delta - x)`` (Wasserman & Zhou 2010; Kairouz, Oh & Viswanath 2015). Every
point of the grid is a valid bound, so the least of them is one, whatever the grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from dpsynth.arrays import Floats
from dpsynth.errors import InputError
from dpsynth.privacy.sampled import SampledSteps, orders

_OUTWARD = 1.0 + 1e-9


@dataclass(frozen=True, eq=False)
class Profile:
    """Bounds on what two neighbouring tables differ by in their output.

    Attributes:
        deltas: Delta at each epsilon of :func:`epsilons`, shape (grid,).
        total_variation: Bound on the total variation distance.
        tail: Bound on the chance that the privacy loss exceeds an epsilon, as a function of it.
    """

    deltas: Floats
    total_variation: float
    tail: Callable[[Floats], Floats]

    def tighter(self, deltas: Floats) -> Profile:
        """Return the least of both bounds, where `deltas` are valid for the same mechanism."""
        least: Floats = np.minimum(self.deltas, deltas)
        variation = min(self.total_variation, float(least[0]))
        return Profile(least, variation, self.tail)

    def hit_rates(self, false_alarms: Floats, delta: float = 0.0) -> Floats:
        """Return the largest hit rate at each false alarm rate.

        Args:
            false_alarms: In [0, 1], shape (n,).
            delta: Chance that nothing is promised.
        """
        if np.any((false_alarms < 0) | (false_alarms > 1)) or np.any(np.isnan(false_alarms)):
            raise InputError("A false alarm rate is a probability.")
        grid, deltas = epsilons(), self.deltas + delta
        x = false_alarms[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            first = np.where(x > 0, np.exp(grid) * x, 0.0) + deltas
        second = 1.0 - np.exp(-grid) * (1.0 - deltas - x)
        best = np.minimum(first.min(axis=1), second.min(axis=1))
        best = np.minimum(best, false_alarms + self.total_variation + delta)
        rates: Floats = np.clip(best * _OUTWARD, false_alarms, 1.0)
        return rates

    def tail_probability(self, epsilon: float, delta: float = 0.0) -> float:
        """Return a bound on the chance that the privacy loss exceeds `epsilon`.

        ``delta(e) >= E[1 - exp(e - Z)]+ >= P[Z > epsilon] (1 - exp(e - epsilon))`` for any e below
        epsilon. The chance `delta` of no promise can lift outputs just below epsilon above it, so
        it adds ``delta / (1 - exp(e - epsilon))`` to the tail at e, not delta alone
        (docs/accounting.md).
        """
        if math.isnan(epsilon):
            raise InputError("is not a number (NaN).", where="epsilon")
        bound = float(self.tail(np.array([epsilon]))[0]) if delta == 0 else 1.0
        below = epsilons()[epsilons() < epsilon]
        if below.size:
            room = -np.expm1(below - epsilon)
            bound = min(bound, float(((self.deltas[: below.size] + delta) / room).min()))
            if delta:
                bound = min(bound, float((self.tail(below) + delta / room).min()))
        return min(1.0, bound * _OUTWARD)


def zcdp_profile(rho: float) -> Profile:
    """Return what rho-zCDP implies.

    Profile: Canonne, Kamath & Steinke 2020, Proposition 12. Tail: Markov's inequality on the
    moments of the loss, ``exp(-(epsilon-rho)**2 / (4 rho))``. Total variation: the Kullback-Leibler
    divergence is at most rho, so Pinsker and Bretagnolle & Huber bound it.
    """
    check_rho(rho)

    def tail(at: Floats) -> Floats:
        above = np.maximum(at - rho, 0.0)
        bound: Floats = np.exp(-(above**2) / (4.0 * rho)) if rho else (at <= 0).astype(np.float64)
        return bound

    deltas = _moment_deltas(rho, _orders())
    return Profile(deltas, _variation(rho, float(deltas[0])), tail)


def renyi_profile(rho: float, order: float) -> Profile:
    """Return what a Renyi divergence of at most ``order * rho`` at that order alone implies."""
    check_rho(rho)
    less_one = order - 1.0

    def tail(at: Floats) -> Floats:
        bound: Floats = np.exp(np.minimum(less_one * (order * rho - at), 0.0))
        return bound

    deltas = _moment_deltas(rho, np.array([less_one]))
    # The Kullback-Leibler divergence is at most the Renyi divergence of any order above 1.
    return Profile(deltas, _variation(order * rho, float(deltas[0])), tail)


def sampled_profile(steps: SampledSteps, zcdp_rho: float) -> Profile:
    """Return what steps on Poisson samples imply together with zCDP mechanisms beside them.

    All of it was fixed in advance, so it is bounded at every order, and each order gives a valid
    profile: the least is one.

    Args:
        steps: The steps.
        zcdp_rho: Sum of the prices of everything else.
    """
    check_rho(zcdp_rho)
    tried = orders()
    rhos = [zcdp_rho + steps.rho(order) for order in tried]
    profiles = [renyi_profile(rho, order) for rho, order in zip(rhos, tried, strict=True)]

    def tail(at: Floats) -> Floats:
        bound: Floats = np.min([profile.tail(at) for profile in profiles], axis=0)
        return bound

    deltas: Floats = np.min([profile.deltas for profile in profiles], axis=0)
    variation = min(float(deltas[0]), *(profile.total_variation for profile in profiles))
    return Profile(deltas, variation, tail)


@cache
def epsilons() -> Floats:
    """Return the epsilons of every profile, from 0 upward.

    No two in the range that curves live in are further apart than 0.02, so a corner of the curve of
    coarse noise is cut by at most one per cent, outward; smooth curves are met far closer.
    """
    small, large = np.geomspace(1e-6, 0.4, 400), np.geomspace(20.0, 400.0, 200)
    grid = np.concatenate([[0.0], small, np.arange(0.41, 20.0, 0.02), large])
    grid.setflags(write=False)
    return grid


@cache
def _orders() -> Floats:
    """Return alpha - 1 of the orders that are tried for a bound at all orders."""
    less_one = np.geomspace(1e-4, 1e8, 900)
    less_one.setflags(write=False)
    return less_one


def _moment_deltas(rho: float, less_one: Floats) -> Floats:
    """Return delta at each epsilon by the best of some orders, each at most 1."""
    alpha = 1.0 + less_one
    constant = -np.log(less_one) + alpha * np.log1p(-1.0 / alpha)
    grid = epsilons()
    bound = np.full(grid.size, np.inf)
    for block in range(0, less_one.size, 64):
        part = slice(block, block + 64)
        a, k = less_one[part, None], constant[part, None]
        bound = np.minimum(bound, (a * ((a + 1.0) * rho - grid) + k).min(axis=0))
    deltas: Floats = np.minimum(np.exp(np.minimum(bound, 0.0)) * _OUTWARD, 1.0)
    return deltas


def _variation(divergence: float, delta_at_zero: float) -> float:
    """Return the smallest bound on total variation from a Kullback-Leibler divergence."""
    pinsker, huber = math.sqrt(divergence / 2), math.sqrt(-math.expm1(-divergence))
    return min(1.0, min(pinsker, huber, delta_at_zero) * _OUTWARD)


def check_rho(rho: float) -> None:
    """Refuse a rho that is not one."""
    if not (math.isfinite(rho) and rho >= 0):
        raise InputError("must be finite and at least 0.", where="rho")
