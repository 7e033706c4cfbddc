"""Values that a decoded cell may take: whole multiples of a power of ten inside each cell.

A cell wider than one value is decoded to one of its grid values at random. The grid is as coarse
as the cells allow, so that decoded numbers have a sensible number of decimals, and each grid value
reads back into the cell that it came from.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InputError
from dpsynth.schema.line import Line

_MAX_SCALED = 1e15  #: multiples of 10**-d below this are exact in float64 and in text


@dataclass(frozen=True, kw_only=True)
class Grid:
    """First and last multiple of ``10**-decimals`` inside each cell, inclusive.

    Attributes:
        low: First multiple of each cell, shape (size,).
        high: Last multiple of each cell.
        decimals: Number of decimals, 0 for whole numbers and days.
        single: Whether the cell is one value that may lie off the grid.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    decimals: int
    single: NDArray[np.bool_]

    @classmethod
    def of(cls, line: Line, taken: Collection[float], where: str) -> Grid:
        """Choose the grid of a line of cells; values in `taken` are read as codes, not as cells.

        Raises:
            InputError: Some cell is too narrow for numbers of 15 digits.
        """
        size = max(abs(line.lower), abs(line.upper))
        single = line.lows == line.highs
        best = None
        for decimals in range(1 if line.whole else 16):
            if size * 10.0**decimals > _MAX_SCALED:
                break
            low, high = _ends(line, taken, decimals)
            room = np.where(single, 2, high - low + 1)
            if room.min() >= 1:
                best = cls(low=low, high=high, decimals=decimals, single=single)
            if room.min() >= 2:
                break
        if best is None:
            raise InputError(
                "the declared bins are too narrow for numbers of 15 digits.",
                where=where,
                fix="Declare wider or fewer bins.",
            )
        return best

    def pick(
        self, codes: NDArray[np.integer[Any]], coins: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Return one grid multiple for each code, by a coin in [0, 1): uniform inside its cell."""
        low, high = self.low[codes], self.high[codes]
        picked: NDArray[np.int64] = low + np.floor(coins * (high - low + 1)).astype(np.int64)
        return picked


def _ends(
    line: Line, taken: Collection[float], decimals: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if line.whole:
        return line.lows.astype(np.int64), line.highs.astype(np.int64)
    scale = 10.0**decimals
    low = np.ceil(line.lows * scale).astype(np.int64)
    high = np.floor(line.highs * scale).astype(np.int64)
    code, values = np.arange(line.size), np.array(sorted(taken))
    for _ in range(2):  # an end of the interval belongs to a neighbour, or rounding moved it
        low += (line.encode(low / scale) != code) | np.isin(low / scale, values)
        high -= (line.encode(high / scale) != code) | np.isin(high / scale, values)
    return low, high


def number_texts(multiples: NDArray[np.int64], decimals: int) -> list[str]:
    """Return grid multiples as decimal texts."""
    if decimals == 0:
        return [str(k) for k in multiples.tolist()]
    scale = 10.0**decimals
    return [f"{k / scale:.{decimals}f}" for k in multiples.tolist()]


def day_texts(days: NDArray[np.int64], form: str) -> list[str]:
    """Return proleptic day numbers as texts in a strftime format."""
    return [date.fromordinal(day).strftime(form) for day in days.tolist()]


def plain(value: float) -> str:
    """Return the shortest text that reads back as `value`, without a trailing ``.0``."""
    return str(int(value)) if value.is_integer() else repr(value)
