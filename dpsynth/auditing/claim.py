"""What was promised: the trade-off curve that follows from the price that was declared.

A test with false alarm rate x between two neighbours hits at most ``Phi(Phi^-1(x) + mu)``: Gaussian
differential privacy (Dong, Roth and Su 2022). It adds up as ``mu**2 = sum of mu_i**2``, also where
later mechanisms depend on earlier answers. Each mechanism of zCDP price rho here has a mu of its
own, a little more than the sqrt(2 rho) of continuous Gaussian noise; derivations in docs/audit.md.
Training on samples has a curve of another shape, that of its privacy loss distribution.
Never true here: a claim that depends on what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import ndtr, ndtri

from dpsynth.arrays import Floats

#: mu**2 of a selection is at most this times its 2 rho.
SELECTION_FACTOR = math.pi / 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class TradeOff:
    """How often any test may hit, for each false alarm rate.

    Attributes:
        hit_rates: Largest hit rates at false alarm rates, shape (k,) each; concave.
        gaussian_mu: The mu of a mu-GDP mechanism; None for a curve of another shape.
    """

    hit_rates: Callable[[Floats], Floats]
    gaussian_mu: float | None = None

    @classmethod
    def gaussian(cls, mu: float) -> TradeOff:
        """Return the claim of a mu-GDP mechanism."""
        return cls(hit_rates=partial(hit_rates, mu=mu), gaussian_mu=mu)

    def hit_rate(self, false_alarm: float) -> float:
        """Return the largest hit rate at one false alarm rate."""
        return float(self.hit_rates(np.array([false_alarm]))[0])

    def mu(self, false_alarm: float) -> float:
        """Return how far apart worlds may be where a test has this false alarm rate, in (0, 1).

        The mu of the Gaussian claim through that point; infinite where every hit is allowed.
        """
        if self.gaussian_mu is not None:
            return self.gaussian_mu
        return float(ndtri(self.hit_rate(false_alarm)) - ndtri(false_alarm))


def hit_rates(false_alarms: Floats, mu: float) -> Floats:
    """Return the largest hit rates of a mu-GDP mechanism, shape of `false_alarms`."""
    rates: Floats = ndtr(ndtri(false_alarms) + mu)
    return rates


def claimed_mu(rho: float, selections: float) -> float:
    """Return the mu of everything that rho pays for.

    No answer of Gaussian noise is more precise than one that costs all of rho, and the lattice of
    the integers adds least to the coarsest noise, so each has at most the ``mu**2 / (2 rho)`` of
    that one. Selections have at most pi / 2.

    Args:
        rho: Declared price in zCDP rho.
        selections: Share of rho that selections spend at most, in [0, 1].

    >>> round(claimed_mu(0.02, 0.0) / math.sqrt(2 * 0.02), 4)
    1.0017
    """
    gaussian = discrete_mu(1.0 / math.sqrt(2.0 * rho)) ** 2 / (2.0 * rho)
    factor = gaussian + selections * max(0.0, SELECTION_FACTOR - gaussian)
    return math.sqrt(2.0 * rho * factor)


def discrete_mu(sigma: float) -> float:
    """Return the mu of discrete Gaussian noise on one count that a row moves by one.

    Likelihood ratios are monotone, so the best tests are thresholds k; the worst of them is k = 1,
    where the noise has ``P[N >= 1]`` of false alarms and ``P[N >= 0] = 1 - P[N >= 1]`` of hits.
    """
    steps = np.arange(1, math.ceil(12.0 * sigma) + 12, dtype=np.float64)
    tail = math.fsum(np.exp(-((steps / sigma) ** 2) / 2.0))
    return -2.0 * float(ndtri(tail / (1.0 + 2.0 * tail)))
