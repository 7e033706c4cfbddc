"""How much noise a price buys: scales whose price, by OpenDP's own map, never exceeds the offer.

A scale is the closed form, then nudged up by units in the last place until OpenDP's map agrees. A
head-room of 2**-40 of the price is left, so that a budget which a synthesizer splits in floats is
affordable although the parts add up to a few units in the last place more than the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from dpsynth.errors import InputError, SelfTestError
from dpsynth.exact import first
from dpsynth.privacy.losses import threshold_delta
from dpsynth.privacy.mechanisms import gaussian_rho, noisy_max_rho

HEADROOM = 2.0**-40
MIN_RHO = 1e-12
MAX_RHO = 1e4
_NUDGES = 64
_Number = TypeVar("_Number", int, float)


def sigma_for(rho: float, sensitivity: float) -> float:
    """Return the scale of discrete Gaussian noise that costs at most `rho`.

    Args:
        rho: Price in zCDP rho, in [1e-12, 1e4].
        sensitivity: L2 sensitivity in rows; for a vector of scores a root, rounded up.

    Raises:
        InputError: The price or the sensitivity is out of range.
    """
    return _nudged(sensitivity / math.sqrt(2.0 * _checked(rho, sensitivity)), rho, sensitivity,
                   gaussian_rho)  # fmt: skip


def selection_scale_for(rho: float, sensitivity: int) -> float:
    """Return the scale of Gumbel noise that costs at most `rho`; epsilon is sqrt(8 rho).

    Args:
        rho: Price in zCDP rho, in [1e-12, 1e4].
        sensitivity: L-infinity sensitivity of the scores.

    Raises:
        InputError: The price or the sensitivity is out of range.
    """
    return _nudged(2.0 * sensitivity / math.sqrt(8.0 * _checked(rho, sensitivity)), rho,
                   sensitivity, noisy_max_rho)  # fmt: skip


def threshold_for(sigma: float, sensitivity: int, delta: float) -> int:
    """Return the smallest threshold at which one unit's own texts stay hidden but for `delta`.

    Args:
        sigma: Scale of the noise.
        sensitivity: Rows of one unit at most.
        delta: Chance, in (0, 1), that some text which only one unit has is released.
    """
    if not 0 < delta < 1:
        raise InputError("The delta of a discovery must lie in (0, 1).", where="delta")

    def hides(threshold: int) -> bool:
        return threshold_delta(sigma, threshold, sensitivity) <= delta

    low, high = sensitivity, sensitivity + 1
    while not hides(high):
        low, high = high, 2 * high
    return first(low + 1, high, hides) or high


def _checked(rho: float, sensitivity: float) -> float:
    """Return rho if both arguments can be priced."""
    if not (math.isfinite(rho) and MIN_RHO <= rho <= MAX_RHO):
        raise InputError(
            f"A price in rho must lie in [{MIN_RHO:g}, {MAX_RHO:g}].",
            fix="Ask fewer questions or give the release a larger epsilon.",
        )
    if sensitivity < 1:
        raise InputError("A sensitivity must be a positive integer.")
    return rho


def _nudged(
    scale: float, rho: float, sensitivity: _Number, price: Callable[[float, _Number], float]
) -> float:
    """Return the first scale at or above the closed form whose price fits."""
    limit = rho * (1.0 - HEADROOM)
    scale /= math.sqrt(1.0 - HEADROOM)
    for _ in range(_NUDGES):
        if price(scale, sensitivity) <= limit:
            return scale
        scale = math.nextafter(scale, math.inf)
    raise SelfTestError("OpenDP prices this noise above its closed form.")
