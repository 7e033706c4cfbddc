"""How much noise a price buys: scales whose price, by OpenDP's own map, never exceeds the offer.

A scale is the closed form, then nudged up by units in the last place until OpenDP's map agrees. A
head-room of 2**-40 of the price is left, so that a budget which a synthesizer splits in floats is
affordable although the parts add up to a few units in the last place more than the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy.mechanisms import gaussian_rho, noisy_max_rho

HEADROOM = 2.0**-40
MIN_RHO = 1e-12
MAX_RHO = 1e4
_NUDGES = 64


def sigma_for(rho: float, sensitivity: int) -> float:
    """Return the scale of discrete Gaussian noise that costs at most `rho`.

    Args:
        rho: Price in zCDP rho, in [1e-12, 1e4].
        sensitivity: L2 sensitivity in rows.

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


def _checked(rho: float, sensitivity: int) -> float:
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
    scale: float, rho: float, sensitivity: int, price: Callable[[float, int], float]
) -> float:
    """Return the first scale at or above the closed form whose price fits."""
    limit = rho * (1.0 - HEADROOM)
    scale /= math.sqrt(1.0 - HEADROOM)
    for _ in range(_NUDGES):
        if price(scale, sensitivity) <= limit:
            return scale
        scale = math.nextafter(scale, math.inf)
    raise SelfTestError("OpenDP prices this noise above its closed form.")
