"""Cells on a line: how a declared numeric or date range is cut into fine cells.

Cells are made from the dictionary alone (bounds and bins), never from rows: each whole number where
there are at most 1000, else the declared bins divided evenly into about 256 cells in all, with
single values at the bounds and at 0, because real columns pile up there (top codes, "none").
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np

from dpsynth.arrays import Floats, Integers
from dpsynth.schema.declared import NumericDomain

MAX_SINGLE = 1000  #: at most so many whole numbers or days get a cell each
FINE_CELLS = 256  #: about so many cells otherwise


@dataclass(frozen=True, kw_only=True)
class Line:
    """Cells 0..size-1 in rising order; a value belongs to one cell or to none (-1).

    Attributes:
        lower: Smallest value inside.
        upper: Largest value inside.
        whole: Whether values are whole numbers.
        cuts: Rising start values, shape (m,), the first equal to `lower`.
        point: Code of the single value ``cuts[i]``, or -1 if it belongs to the interval.
        interval: Code of the interval that starts at ``cuts[i]``, or -1 if there is none.
        bins: Declared bin of each code, renumbered 0..b-1, shape (size,).
        bin_positions: Middle of each of those bins, within the bounds.
        positions: Middle of each cell.
        lows: First value of each cell (`point` or interval start).
        highs: End of each cell: its last value where `whole`, else where the next one starts.
    """

    lower: float
    upper: float
    whole: bool
    cuts: Floats
    point: Integers
    interval: Integers
    bins: Integers
    bin_positions: tuple[float, ...]
    positions: tuple[float, ...]
    lows: Floats
    highs: Floats

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self.positions)

    def encode(self, values: Floats) -> Integers:
        """Return the cell of each value, -1 where it has none (NaN included)."""
        inside = (values >= self.lower) & (values <= self.upper)
        if self.whole:
            inside &= values == np.floor(values)
        safe = np.where(inside, values, self.lower)
        at = np.searchsorted(self.cuts, safe, side="right") - 1
        exact = (self.cuts[at] == safe) & (self.point[at] >= 0)
        return np.where(inside, np.where(exact, self.point[at], self.interval[at]), -1)


def integer_line(domain: NumericDomain, taken: Iterable[float] = ()) -> Line:
    """Return the cells of a column of whole numbers.

    Args:
        domain: Declared bounds and bins.
        taken: Values that are missing or special codes; they get no cell here.
    """
    lower, upper = int(domain.lower), int(domain.upper)
    spared = {int(v) for v in taken if lower <= v <= upper and float(v).is_integer()}
    if upper - lower + 1 <= MAX_SINGLE:
        starts = list(range(lower, upper + 1))
    else:
        marks = [min(max(math.ceil(e), lower), upper + 1) for e in domain.edges[:-1]]
        ends = [*marks[1:], upper + 1]
        full = [(a, b) for a, b in zip(marks, ends, strict=True) if a < b]
        parts = max(1, round(FINE_CELLS / len(full)))
        cut = {lower}
        for a, b in full:
            m = min(parts, b - a)
            cut.update(a + (b - a) * j // m for j in range(m))
        for single in {lower, upper, 0} | spared:
            cut.update(v for v in (single, single + 1) if lower <= v <= upper)
        starts = sorted(cut)
    return _whole_line(starts, upper, spared, domain.edges)


def date_line(lower: date, upper: date, taken: Iterable[float] = ()) -> Line:
    """Return the cells of a date column on the line of proleptic day numbers.

    Days where there are at most 1000, else weeks, else calendar months, else years. Days that are
    missing or special codes (`taken`) get no cell here.
    """
    first, last = lower.toordinal(), upper.toordinal()
    if last - first + 1 <= MAX_SINGLE:
        starts = list(range(first, last + 1))
    elif (last - first) // 7 + 1 <= MAX_SINGLE:
        starts = list(range(first, last + 1, 7))
    else:
        step = 1 if (upper.year - lower.year) * 12 + upper.month - lower.month < MAX_SINGLE else 12
        months = range(lower.year * 12 + lower.month - 1, upper.year * 12 + upper.month)
        starts = [first] + [
            date(m // 12, m % 12 + 1, 1).toordinal() for m in months[1:] if step == 1 or m % 12 == 0
        ]
    spared = {int(day) for day in taken if first <= day <= last}
    cut = {*starts, *(v for day in spared for v in (day, day + 1) if v <= last)}
    return _whole_line(sorted(cut), last, spared, None)


def _whole_line(
    starts: list[int], upper: int, spared: set[int], edges: tuple[float, ...] | None
) -> Line:
    ends = [*(s - 1 for s in starts[1:]), upper]
    keep = np.array([s not in spared for s in starts])
    interval = np.where(keep, np.cumsum(keep) - 1, -1).astype(np.int64)
    lows = np.array(starts, dtype=np.float64)[keep]
    highs = np.array(ends, dtype=np.float64)[keep]
    return _line(
        lower=float(starts[0]),
        upper=float(upper),
        whole=True,
        cuts=np.array(starts, dtype=np.float64),
        point=np.full(len(starts), -1, dtype=np.int64),
        interval=interval,
        lows=lows,
        highs=highs,
        edges=edges,
    )


def float_line(domain: NumericDomain, taken: Iterable[float] = ()) -> Line:
    """Return the cells of a column of real numbers; see :func:`integer_line`.

    Cells are half-open intervals, with a cell of its own for lower, upper and 0.
    """
    lower, upper = domain.lower, domain.upper
    spared = {float(v) for v in taken if lower <= v <= upper}
    single = {lower, upper} | ({0.0} if lower <= 0 <= upper else set())
    inner = [lower, *(e for e in domain.edges if lower < e < upper), upper]
    parts = max(1, round(FINE_CELLS / (len(inner) - 1)))
    cut = np.concatenate(
        [np.linspace(a, b, parts, endpoint=False) for a, b in zip(inner, inner[1:], strict=False)]
    )
    exact = np.array(sorted(single | spared))
    # A cut that only rounding keeps apart from a single value would leave a cell nobody can reach.
    near = np.abs(cut[:, None] - exact[None, :]).min(axis=1) <= 1e-9 * (upper - lower)
    cuts = np.unique(np.concatenate([cut[~near], exact]))
    point = np.full(len(cuts), -1, dtype=np.int64)
    interval = np.full(len(cuts), -1, dtype=np.int64)
    lows: list[float] = []
    highs: list[float] = []
    for i, start in enumerate(cuts):
        if start in single and start not in spared:
            point[i] = len(lows)
            lows.append(start)
            highs.append(start)
        if i + 1 < len(cuts):
            interval[i] = len(lows)
            lows.append(start)
            highs.append(cuts[i + 1])
    return _line(
        lower=lower,
        upper=upper,
        whole=False,
        cuts=cuts,
        point=point,
        interval=interval,
        lows=np.array(lows),
        highs=np.array(highs),
        edges=domain.edges,
    )


def _line(
    *,
    lower: float,
    upper: float,
    whole: bool,
    cuts: Floats,
    point: Integers,
    interval: Integers,
    lows: Floats,
    highs: Floats,
    edges: tuple[float, ...] | None,
) -> Line:
    middles = (lows + highs) / 2
    if edges is None:
        bins = np.arange(len(lows), dtype=np.int64)
        bin_middles = middles
    else:
        places = lows if whole else middles
        found = np.clip(np.searchsorted(edges, places, side="right") - 1, 0, len(edges) - 2)
        _, first, bins = np.unique(found, return_index=True, return_inverse=True)
        last = np.append(first[1:], len(found)) - 1
        bin_middles = (lows[first] + highs[last]) / 2
    return Line(
        lower=lower,
        upper=upper,
        whole=whole,
        cuts=cuts,
        point=point,
        interval=interval,
        bins=bins.astype(np.int64).reshape(-1),
        bin_positions=tuple(float(p) for p in bin_middles),
        positions=tuple(float(p) for p in middles),
        lows=lows,
        highs=highs,
    )
