"""The three OpenDP mechanisms of dpsynth, built in one place, with the price that OpenDP proves.

Calibration, noise and the accountant share these constructors, so the mechanism that is priced is
the mechanism that runs. All work on 64-bit integers and draw from the operating system's entropy
inside OpenDP; none takes a seed.

* ``gaussian``: discrete Gaussian on a vector, ``rho = sensitivity**2 / (2 * sigma**2)``
  (Canonne, Kamath & Steinke 2020).
* ``noisy_max``: the largest score after Gumbel noise, which is the exponential mechanism; with
  ``epsilon = 2 * sensitivity / scale`` it is epsilon-bounded-range and so epsilon**2/8-zCDP
  (Cesar & Rogers 2021). Asked for max-divergence OpenDP would run permute-and-flip, which lacks
  that property; the measure below is therefore part of the mechanism.
* ``threshold``: discrete Gaussian on the count of each text that occurs; only texts whose noisy
  count reaches the threshold are released. OpenDP's delta for it is too small: it releases counts
  equal to the threshold and prices only those above it (opendp/opendp issue 2922); the
  accountant's own delta is what is charged.

OpenDP is imported on first use: it takes two seconds, and importing dpsynth has no effects.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any


@cache
def opendp() -> ModuleType:
    """Return OpenDP's prelude with its floating-point-free integer mechanisms enabled."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    return dp


def gaussian(sigma: float) -> Any:
    """Return the measurement that adds discrete Gaussian noise of scale `sigma` to int64 counts."""
    dp = opendp()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float)
    return dp.m.make_gaussian(*space, scale=sigma)


def noisy_max(scale: float) -> Any:
    """Return the measurement that picks the index of the largest int64 score plus Gumbel noise."""
    dp = opendp()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64")
    return dp.m.make_noisy_max(*space, dp.zero_concentrated_divergence(), scale=scale)


def threshold(sigma: float, smallest: int) -> Any:
    """Return the measurement that releases noisy counts of texts that reach `smallest`."""
    dp = opendp()
    space = (
        dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T="i64")),
        dp.l02inf_distance(dp.absolute_distance(T="i64")),
    )
    return dp.m.make_gaussian_threshold(*space, scale=sigma, threshold=smallest)


def gaussian_rho(sigma: float, sensitivity: float) -> float:
    """Return the rho of discrete Gaussian noise at an L2 sensitivity, rounded up by OpenDP."""
    return float(gaussian(sigma).map(float(sensitivity)))


def noisy_max_rho(scale: float, sensitivity: int) -> float:
    """Return the rho of a selection at an L-infinity sensitivity, rounded up by OpenDP."""
    return float(noisy_max(scale).map(sensitivity))
