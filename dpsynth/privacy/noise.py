"""The only place that draws noise: from the operating system's entropy, and there is no seed.

Counts and scores get OpenDP's integer noise inside the measurement, never drawn on zeros and added
afterwards; each such function returns what it cost together with what it says. Sums of gradients
are whole numbers, too, and get the same noise from a faster sampler (:func:`on_sums`). Normal draws
in floating point (:func:`normals`) protect nobody: a loss may ask for them. Nothing else may import
this module but the Curator (a test enforces it).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Integers
from dpsynth.privacy import mechanisms
from dpsynth.privacy.sampled import SUM_BITS

# Words of entropy for one number: more than the mean, so that few calls are needed.
_WORDS = 16


def gaussian(counts: Integers, sigma: float, sensitivity: float) -> tuple[Integers, float]:
    """Add discrete Gaussian noise to every cell.

    Args:
        counts: Exact counts, int64, any shape. About 0.12 s for 10,000 cells.
        sigma: Scale of the noise.
        sensitivity: L2 sensitivity of the whole array, in rows.

    Returns:
        Noisy int64 counts of the same shape, and the zCDP rho that they cost.
    """
    measurement = mechanisms.gaussian(sigma)
    noisy = np.asarray(measurement(np.ascontiguousarray(counts).reshape(-1)), dtype=np.int64)
    return noisy.reshape(counts.shape), float(measurement.map(float(sensitivity)))


def noisy_max(scores: Integers, scale: float, sensitivity: int) -> tuple[int, float]:
    """Pick the index of the largest score after Gumbel noise (the exponential mechanism).

    Args:
        scores: Exact scores, int64, one dimension.
        scale: Scale of the noise.
        sensitivity: L-infinity sensitivity of the scores.

    Returns:
        The index, and the zCDP rho that it cost.
    """
    measurement = mechanisms.noisy_max(scale)
    return int(measurement(np.ascontiguousarray(scores))), float(measurement.map(sensitivity))


def threshold(
    counts: Mapping[str, int], sigma: float, smallest: int, sensitivity: int
) -> tuple[dict[str, int], float]:
    """Add discrete Gaussian noise to the count of each text; keep those that reach `smallest`.

    Args:
        counts: Exact counts of the texts that occur.
        sigma: Scale of the noise.
        smallest: Threshold.
        sensitivity: Rows of one unit: it changes so many texts at most, by as many rows in all.

    Returns:
        Noisy counts in the order of the texts' characters, and the zCDP rho that they cost. The
        delta is the accountant's, see :func:`dpsynth.privacy.losses.threshold_delta`.
    """
    measurement = mechanisms.threshold(sigma, smallest)
    found = measurement(dict(counts)) if counts else {}
    kept = {text: int(found[text]) for text in sorted(found) if found[text] >= smallest}
    rho, _ = measurement.map((sensitivity, sensitivity, sensitivity))
    return kept, float(rho)


def on_sums(sums: Integers) -> Integers:
    """Add discrete Gaussian noise of scale ``2**SUM_BITS`` to every sum.

    Args:
        sums: Exact sums, int64, one dimension. About 0.7 s for 1,000,000.

    Returns:
        Noisy sums, int64. Their price is that of the steps, which were charged before.
    """
    from dpsynth.privacy.integer_noise import ENOUGH, add_noise

    noisy = np.array(sums, dtype=np.int64)
    done = 0
    while done < len(noisy):
        words = np.frombuffer(os.urandom(8 * (_WORDS * (len(noisy) - done) + ENOUGH)), dtype="<u8")
        done, _ = add_noise(noisy, SUM_BITS, words, done)
    return noisy


def normals(size: int) -> NDArray[np.float64]:
    """Return independent standard normal draws, shape (size,), by Box and Muller (1958).

    53 bits of entropy for each uniform: no draw exceeds 8.6, which a normal one does with a chance
    of 1e-17. About 0.05 s for 1,000,000.
    """
    pairs = (size + 1) // 2
    bits = np.frombuffer(os.urandom(16 * pairs), dtype="<u8").reshape(2, pairs) >> np.uint64(11)
    radius = np.sqrt(-2.0 * np.log((bits[0] + np.uint64(1)) * 2.0**-53))
    angle = bits[1] * (2.0 * math.pi * 2.0**-53)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:size]


def coins(size: int, rate: float) -> NDArray[np.bool_]:
    """Return independent coins that fall heads with probability `rate`, shape (size,).

    32 bits a coin. The probability is rounded down, by less than 2**-32, so a sample that is
    charged at `rate` is never larger than what was paid for.
    """
    bits = np.frombuffer(os.urandom(4 * size), dtype="<u4")
    heads: NDArray[np.bool_] = bits < math.floor(rate * 2**32)
    return heads
