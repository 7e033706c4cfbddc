"""Closed forms and exact sums that the accountants are held against; no code of dpsynth is used."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri

Floats = NDArray[np.float64]


def gaussian_delta(mu: float, epsilon: float) -> float:
    """Return the exact delta of the Gaussian mechanism (Balle & Wang 2018, Theorem 8)."""
    low = log_ndtr(-epsilon / mu - mu / 2)
    return float(ndtr(mu / 2 - epsilon / mu) - math.exp(epsilon + low))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Return the epsilon at which that delta is reached."""
    return _solve(lambda epsilon: gaussian_delta(mu, epsilon), delta, 40 * mu + 10 * mu * mu)


def gaussian_hits(mu: float, false_alarms: Floats) -> Floats:
    """Return the exact hit rate of the best test."""
    hits: Floats = ndtr(ndtri(false_alarms) + mu)
    return hits


def sum_of_noise(sigma: float, times: int) -> tuple[Floats, Floats]:
    """Return (values, probabilities) of the sum of discrete Gaussian draws, by convolution."""
    reach = math.ceil(14 * sigma) + 2
    grid = np.arange(-reach, reach + 1)
    one = np.exp(-(grid**2) / (2 * sigma**2))
    one /= math.fsum(one)
    total = np.ones(1)
    for _ in range(times):
        total = np.convolve(total, one)
    half = reach * times
    return np.arange(-half, half + 1).astype(np.float64), total


def discrete_delta(sigma: float, times: int, epsilon: float, shift: int = 1) -> float:
    """Return the exact delta of releases that each move by `shift`: only their sum matters."""
    values, mass = sum_of_noise(sigma, times)
    loss = shift * (2 * values + times * shift) / (2 * sigma**2)
    above = loss > epsilon
    return math.fsum(-np.expm1(epsilon - loss[above]) * mass[above])


def discrete_epsilon(sigma: float, times: int, delta: float, shift: int = 1) -> float:
    """Return the epsilon at which that delta is reached."""
    mu = shift * math.sqrt(times) / sigma
    top = 40 * mu + 10 * mu * mu
    return _solve(lambda epsilon: discrete_delta(sigma, times, epsilon, shift), delta, top)


def discrete_hits(sigma: float, times: int, false_alarms: Floats) -> Floats:
    """Return the exact hit rate of the best test between sums that differ by one each."""
    values, mass = sum_of_noise(sigma, times)
    with_unit = np.zeros(mass.size + times)
    without = np.zeros(mass.size + times)
    with_unit[times:], without[: mass.size] = mass, mass
    x = np.concatenate([[0.0], np.cumsum(without[::-1])])
    y = np.concatenate([[0.0], np.cumsum(with_unit[::-1])])
    hits: Floats = np.interp(false_alarms, x, y)
    return hits


def sampled_delta(rate: float, multiplier: float, epsilon: float) -> tuple[float, float]:
    """Return the exact deltas of one Poisson-sampled Gaussian step, (removing, adding)."""
    mu = 1 / multiplier

    def removing() -> float:
        # (1-q) N(0) + q N(mu) > e^eps N(0) where x exceeds a point.
        point = math.log((math.exp(epsilon) - 1 + rate) / rate) / mu + mu / 2
        return float(
            rate * ndtr(mu - point) - (math.exp(epsilon) - 1 + rate) * ndtr(-point)
        )  # fmt: skip

    def adding() -> float:
        inside = (math.exp(-epsilon) - 1 + rate) / rate
        if inside <= 0:
            return 0.0
        point = math.log(inside) / mu + mu / 2
        first = ndtr(point) * (1 - math.exp(epsilon) * (1 - rate))
        return float(first - math.exp(epsilon) * rate * ndtr(point - mu))

    return removing(), adding()


def _solve(delta_at: Callable[[float], float], delta: float, top: float) -> float:
    """Return the root of log delta, which falls."""

    def gap(epsilon: float) -> float:
        return math.log(max(delta_at(epsilon), 1e-300) / delta)

    return 0.0 if gap(0.0) <= 0 else float(brentq(gap, 0.0, top, xtol=1e-12, rtol=1e-12))
