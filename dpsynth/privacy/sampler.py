"""Discrete Gaussian noise from a table: fast, and off by a distance that is known and charged.

The law is the discrete Gaussian of Canonne, Kamath & Steinke (2020): P(k) is proportional to
exp(-k**2 / (2 sigma**2)) over all integers k, with sigma the exact value of the float. A table
holds the cumulative law of abs(k) on 127 bits; a cell costs 16 bytes from the operating system: 127
bits pick the magnitude by inversion, one is the sign. docs/sampler.md derives every bound.

Never true of it: a seed, entropy that is not the operating system's, a table made with floats, work
that depends on a count, a draw whose total-variation distance is not charged to delta.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InputError

MIN_SIGMA = 0.1
MAX_SIGMA = 1e5
CACHED_TABLES = 8  # a table holds 16 bytes for each of its 13.33 sigma entries: 21 MB at 1e5

_REACH = Fraction(1333, 100)  # exp(-13.33**2 / 2) is below 2**-128
_PRECISION = 256  # bits of a weight
_CUMULATIVE = 127  # bits of a cumulative probability: 64 in the high word, 63 in the low one
_LOW = _CUMULATIVE - 64
_BLOCK = 1 << 16  # cells drawn at once: 1 MiB of entropy
_DECIMAL = Context(prec=120, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])


@dataclass(frozen=True, eq=False)
class Table:
    """The cumulative law of the magnitude of discrete Gaussian noise; `table` builds it.

    Attributes:
        sigma: Scale of the noise.
        high: High 64 bits of each cumulative probability, ascending, uint64.
        low: Low 63 bits of each, uint64.
        total_variation: Bound on the total-variation distance of one cell to the exact law.
    """

    sigma: float
    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    total_variation: Fraction

    def draw(self, shape: int | tuple[int, ...]) -> NDArray[np.int64]:
        """Draw independent noise, one value a cell, in blocks of bounded memory.

        Args:
            shape: Shape of the array.

        Returns:
            Noise as int64, at most 13.33 sigma + 1 in magnitude.
        """
        noise = np.empty(shape, dtype=np.int64)
        cells = noise.reshape(-1)
        for start in range(0, cells.size, _BLOCK):
            part = cells[start : start + _BLOCK]
            part[:] = self._block(part.size)
        return noise

    def _block(self, size: int) -> NDArray[np.int64]:
        """Return `size` cells: the magnitude is the number of entries that are at most the draw."""
        high, last = np.frombuffer(_entropy(16 * size), dtype="<u8").reshape(2, size)
        negative, low = (last & 1).astype(bool), last >> 1
        magnitude = np.searchsorted(self.high, high, side="left").astype(np.int64, copy=False)
        tied = np.flatnonzero(self.high.take(magnitude, mode="clip") == high)
        if tied.size:  # about table size / 2**64 of all cells: the low words decide
            same = self.high == high[tied, None]
            magnitude[tied] += (same & (self.low <= low[tied, None])).sum(axis=1)
        np.negative(magnitude, out=magnitude, where=negative)
        return magnitude


@lru_cache(maxsize=CACHED_TABLES)
def table(sigma: float) -> Table:
    """Return the table of discrete Gaussian noise, from the cache if it was built before.

    Args:
        sigma: Scale of the noise, from `MIN_SIGMA` to `MAX_SIGMA`.

    Raises:
        InputError: Sigma is out of range; OpenDP's sampler has no such limit.

    >>> noise = table(10.0).draw((2, 3))
    >>> noise.shape, noise.dtype
    ((2, 3), dtype('int64'))
    >>> table(10.0).total_variation < Fraction(1, 2**100)
    True
    """
    distance = total_variation(sigma)
    entries = _cumulative(sigma)
    mask = (1 << _LOW) - 1
    high = np.array([entry >> _LOW for entry in entries], dtype=np.uint64)
    low = np.array([entry & mask for entry in entries], dtype=np.uint64)
    high.setflags(write=False)
    low.setflags(write=False)
    return Table(sigma=sigma, high=high, low=low, total_variation=distance)


def total_variation(sigma: float) -> Fraction:
    """Return (K + 3) / 2**128, K = ceil(13.33 sigma): how far one cell is from the exact law.

    It bounds the total-variation distance, for every sigma in range below 2**-107.

    Args:
        sigma: Scale of the noise, from `MIN_SIGMA` to `MAX_SIGMA`.

    Raises:
        InputError: Sigma is out of range.
    """
    return Fraction(_reach(sigma) + 3, 1 << (_CUMULATIVE + 1))


def _reach(sigma: float) -> int:
    """Return K, the largest magnitude in the table."""
    if not MIN_SIGMA <= sigma <= MAX_SIGMA:
        raise InputError(
            f"The scale of noise from a table must lie in [{MIN_SIGMA:g}, {MAX_SIGMA:g}].",
            where="sigma",
            fix="Draw this noise with OpenDP instead.",
        )
    return math.ceil(_REACH * Fraction(sigma))


def _cumulative(sigma: float) -> list[int]:
    """Return floor(2**127 P(abs(k) <= m)) for m = 0, 1, ..., while it is below 2**127."""
    exponent = 1 / (2 * Fraction(sigma) ** 2)
    ratio, step = _exp_minus(exponent), _exp_minus(2 * exponent)
    weight = 1 << _PRECISION
    sums = [weight]
    for _ in range(_reach(sigma)):
        weight = weight * ratio >> _PRECISION
        ratio = ratio * step >> _PRECISION
        sums.append(sums[-1] + 2 * weight)
    total = sums[-1]
    return [(part << _CUMULATIVE) // total for part in sums if part < total]


def _exp_minus(x: Fraction) -> int:
    """Return exp(-x) in units of 2**-256, off by less than 2 units, for x from 0 to 100.

    Decimal's exponential is correctly rounded; 120 digits leave the floor as the only error seen.
    """
    value = _DECIMAL.exp(_DECIMAL.divide(Decimal(-x.numerator), Decimal(x.denominator)))
    return int(_DECIMAL.multiply(value, Decimal(1 << _PRECISION)))


def _entropy(size: int) -> bytes:
    """Return random bytes of the operating system; tests replace this function."""
    return os.urandom(size)
