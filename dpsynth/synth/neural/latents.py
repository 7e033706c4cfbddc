"""The points of the latent space at which a decoder is evaluated: fixed, finite and public.

Either drawn from a stored seed, so that a file need not hold them, or trained and stored. The seed
is one of post-processing: nothing private depends on it that the decoder does not hold already.
Points from a seed are made of raw bits, whose stream numpy keeps for ever, so that a model file
means the same distribution everywhere. Never true here: as many points as there are rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from dpsynth.arrays import Floats32, Integers

#: Largest number of points, which bounds the time of everything that is asked of a model.
MAX_COMPONENTS = 65_536
_BITS = 53


@dataclass(frozen=True, kw_only=True)
class NormalLatents:
    """Points of a standard normal distribution, from a seed.

    Attributes:
        seed: The seed, 0 or more.
        count: Number of points, 1 to MAX_COMPONENTS.
        dimension: Of each, 1 or more.
    """

    seed: int
    count: int
    dimension: int

    def __post_init__(self) -> None:
        """Check the numbers; ValueError."""
        _check(self.count, self.dimension)
        if self.seed < 0:
            raise ValueError("a seed is not negative")

    def points(self, numbers: Integers) -> Floats32:
        """Return some of the points.

        Args:
            numbers: Which, in ascending order, shape (n,).

        Returns:
            Shape (n, dimension).
        """
        if not numbers.size:
            return np.zeros((0, self.dimension), dtype=np.float32)
        first, last = int(numbers[0]), int(numbers[-1])
        bits = np.random.PCG64(self.seed)
        bits.advance(first * self.dimension)
        raw = bits.random_raw((last - first + 1) * self.dimension) >> np.uint64(64 - _BITS)
        uniform = (raw.reshape(-1, self.dimension)[numbers - first] + 0.5) / 2.0**_BITS
        normal: Floats32 = ndtri(uniform).astype(np.float32)
        return normal


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredLatents:
    """Points that were trained.

    Attributes:
        values: The points, shape (count, dimension), finite.
    """

    values: Floats32

    def __post_init__(self) -> None:
        """Check the shape; ValueError."""
        _check(*self.values.shape)

    @property
    def count(self) -> int:
        """Number of points."""
        return int(self.values.shape[0])

    @property
    def dimension(self) -> int:
        """Of each point."""
        return int(self.values.shape[1])

    def points(self, numbers: Integers) -> Floats32:
        """Return some of the points, see :meth:`NormalLatents.points`."""
        return self.values[numbers]


Latents = NormalLatents | StoredLatents


def _check(count: int, dimension: int) -> None:
    """Raise ValueError for numbers that cannot be those of latent points."""
    if not 1 <= count <= MAX_COMPONENTS or dimension < 1:
        raise ValueError(f"{count} points of dimension {dimension}")
