r"""What rho-zCDP means for one person, in numbers that a reader who is no specialist can use.

Everything here is a function of the declared price, so it is post-processing. Each number is an
upper bound on what *any* attacker can do who knows all rows but one person's, the program and
every release, from these facts (P, Q: the output with and without the person, either way round):

* Tail. rho-zCDP says E[exp((alpha-1) Z)] <= exp((alpha-1) alpha rho) for the privacy loss Z and
  every alpha > 1 (Bun & Steinke 2016). Markov's inequality at alpha - 1 = (epsilon-rho)/(2 rho)
  gives P[Z > epsilon] <= exp(-(epsilon-rho)**2 / (4 rho)).
* Family. For every epsilon >= 0, (epsilon, delta(epsilon))-DP holds with
  delta = inf_alpha exp((alpha-1)(alpha rho - epsilon)) / (alpha-1) * (1 - 1/alpha)**alpha
  (Canonne, Kamath & Steinke 2020, Prop. 12). A test with false alarm rate x then has a hit rate
  of at most exp(epsilon) x + delta, and, exchanging P and Q, at most
  1 - exp(-epsilon) (1 - delta - x) (Wasserman & Zhou 2010; Kairouz, Oh & Viswanath 2015).
* Total variation. As alpha -> 1, zCDP bounds the Kullback-Leibler divergence by rho, so
  TV <= sqrt(rho/2) (Pinsker) and TV <= sqrt(1 - exp(-rho)) (Bretagnolle & Huber); also
  TV <= delta(0). A hit rate exceeds its false alarm rate by at most TV.

The grids of epsilon and alpha are fixed, every point of them is a valid bound, and each bound
grows with rho; so the results are valid and monotone whatever the grid. None may ever fall below
the exact curve of a Gaussian mechanism with mu = sqrt(2 rho), which is rho-zCDP (tested).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InputError

Floats = NDArray[np.float64]
_OUTWARD = 1.0 + 1e-9


def tail_probability(rho: float, epsilon: float) -> float:
    """Return a bound on the probability that the privacy loss exceeds `epsilon`."""
    _check(rho)
    if epsilon <= rho:
        return 1.0
    return 0.0 if rho == 0 else min(1.0, math.exp(-((epsilon - rho) ** 2) / (4 * rho)) * _OUTWARD)


def hit_rate(false_alarm: float, rho: float) -> float:
    """Return the largest share of members that any attacker recognises.

    Args:
        false_alarm: Share of non-members that the attacker takes for members, in [0, 1].
        rho: Price in zCDP rho.
    """
    return float(_hit_rates(np.array([false_alarm]), rho)[0])


def trade_off_curve(rho: float, points: int) -> Floats:
    """Return the largest hit rate at equally spaced false alarm rates.

    Returns:
        Shape (points, 2): false alarm rate from 0 to 1, largest hit rate.
    """
    if points < 2:
        raise InputError("A curve needs at least two points.")
    false_alarms = np.linspace(0.0, 1.0, points)
    return np.column_stack([false_alarms, _hit_rates(false_alarms, rho)])


def right_guesses(rho: float) -> float:
    """Return the largest share of right guesses when membership was decided by a fair coin."""
    return 0.5 + 0.5 * _total_variation(_deltas(rho)[0], rho)


def beliefs(epsilon: float, priors: Sequence[float]) -> list[float]:
    """Return the strongest belief in membership after the release, for each belief before it.

    The odds grow by a factor of exp(epsilon) at most (Bayes), except with the probability that
    :func:`tail_probability` bounds.

    Args:
        epsilon: Privacy loss.
        priors: Probabilities before the release, in [0, 1].
    """
    if not (math.isfinite(epsilon) and epsilon >= 0):
        raise InputError("must be finite and at least 0.", where="epsilon")
    if any(not 0.0 <= prior <= 1.0 for prior in priors):
        raise InputError("A belief is a probability.")
    shrink = math.exp(-epsilon)
    return [prior / (prior + (1.0 - prior) * shrink) if prior else 0.0 for prior in priors]


def _hit_rates(false_alarms: Floats, rho: float) -> Floats:
    """Return the minimum of all bounds, at each false alarm rate."""
    if np.any((false_alarms < 0) | (false_alarms > 1)) or np.any(np.isnan(false_alarms)):
        raise InputError("A false alarm rate is a probability.")
    epsilons, deltas = _grid()[0], _deltas(rho)
    x = false_alarms[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        first = np.where(x > 0, np.exp(epsilons) * x, 0.0) + deltas
    second = 1.0 - np.exp(-epsilons) * (1.0 - deltas - x)
    best = np.minimum(first.min(axis=1), second.min(axis=1))
    best = np.minimum(best, false_alarms + _total_variation(deltas[0], rho))
    rates: Floats = np.clip(best * _OUTWARD, false_alarms, 1.0)
    return rates


def _total_variation(delta_at_zero: float, rho: float) -> float:
    """Return the smallest of the valid bounds on total variation."""
    bound = min(math.sqrt(rho / 2), math.sqrt(-math.expm1(-rho)), float(delta_at_zero))
    return min(1.0, bound * _OUTWARD)


def _deltas(rho: float) -> Floats:
    """Return delta(epsilon) on the grid of epsilons, each at most 1."""
    _check(rho)
    epsilons, less_one, constant = _grid()
    bound = np.full(epsilons.size, np.inf)
    for block in range(0, less_one.size, 64):
        part = slice(block, block + 64)
        a, k = less_one[part, None], constant[part, None]
        bound = np.minimum(bound, (a * ((a + 1.0) * rho - epsilons) + k).min(axis=0))
    deltas: Floats = np.minimum(np.exp(np.minimum(bound, 0.0)) * _OUTWARD, 1.0)
    return deltas


@cache
def _grid() -> tuple[Floats, Floats, Floats]:
    """Return epsilons from 0, alpha - 1, and the part of log delta that depends on alpha only."""
    epsilons = np.concatenate([[0.0], np.geomspace(1e-6, 400.0, 1500)])
    less_one = np.geomspace(1e-4, 1e8, 900)
    alpha = 1.0 + less_one
    constant = -np.log(less_one) + alpha * np.log1p(-1.0 / alpha)
    for array in (epsilons, less_one, constant):
        array.setflags(write=False)
    return epsilons, less_one, constant


def _check(rho: float) -> None:
    """Refuse a rho that is not one."""
    if not (math.isfinite(rho) and rho >= 0):
        raise InputError("must be finite and at least 0.", where="rho")
