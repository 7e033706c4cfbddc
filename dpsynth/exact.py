"""Exact statistics, each rounded to a side that its caller names, and searches by halving.

Sources: Clopper and Pearson (Biometrika 1934), the interval of a rate; Jagielski, Ullman and Oprea,
"Auditing differentially private machine learning" (NeurIPS 2020), a bound on epsilon from hits;
Dong, Roth and Su (JRSS B 2022), the epsilon of a Gaussian trade-off curve.

A search by halving ends between two numbers, and only its caller knows which of them is the careful
one: a lower bound is the one, an upper bound the other.

Never true here: a bound that rounding carried to its other side. scipy is imported on first use,
because commands that only search load nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from dpsynth.results import Interval

#: On which side of the exact number a result lies, if it is not that number.
Side = Literal["below", "above"]
_TOLERANCE = 1e-9  # of an epsilon
_ROUNDING = 1e-11  # relative error of a normal tail, with much room


def clopper_pearson(hits: int, trials: int, level: float = 0.95) -> Interval:
    """Return the exact two-sided interval of a rate; its coverage is at least `level`.

    Each limit is a one-sided one of error (1 - level) / 2, to within the last places of a double.

    >>> round(clopper_pearson(0, 100, 0.98).high, 4)  # 1 - 0.01 ** (1 / 100)
    0.045
    """
    from scipy.special import betainccinv, betaincinv

    if trials < 1 or not 0 <= hits <= trials:
        raise ValueError(f"{hits} hits in {trials} trials")
    tail = (1.0 - level) / 2.0
    low = 0.0 if hits == 0 else float(betaincinv(hits, trials - hits + 1, tail))
    high = 1.0 if hits == trials else float(betainccinv(hits + 1, trials - hits, tail))
    return Interval(low=low, high=high, level=level)


def epsilon_lower_bound(
    hits: int,
    members: int,
    false_hits: int,
    non_members: int,
    *,
    delta: float,
    confidence: float = 0.95,
) -> float:
    """Return a lower confidence bound on epsilon from one fixed decision rule, 0 if none.

    (epsilon, delta)-DP implies TPR <= exp(epsilon) * FPR + delta. Both rates are bounded by
    one-sided Clopper-Pearson limits that share the error 1 - confidence. The rule must not have
    been chosen on the same records.

    Args:
        hits: Members, or runs with the unit, that the rule calls so.
        members: All of them.
        false_hits: Non-members, or runs without the unit, that it calls so.
        non_members: All of them.
        delta: Delta of the bound.
        confidence: Confidence of the bound.
    """
    if not members or not non_members:
        return 0.0
    low = clopper_pearson(hits, members, confidence).low  # each tail: (1 - confidence) / 2
    high = clopper_pearson(false_hits, non_members, confidence).high
    if low <= delta or high <= 0.0:
        return 0.0
    return max(0.0, math.log((low - delta) / high))


def gdp_epsilon(mu: float, delta: float, *, side: Side) -> float:
    """Return the epsilon at `delta` of a Gaussian trade-off curve (their Corollary 2.13).

    The least epsilon with ``Phi(mu/2 - epsilon/mu) - exp(epsilon) Phi(-mu/2 - epsilon/mu)`` at most
    delta, to within 1e-9. Both terms are taken for uncertain in their twelfth digit, so that not
    even the rounding of a tail puts the result on the other side.

    Args:
        mu: Of the curve, at least 0.
        delta: In [0, 1]; at 0 epsilon is infinite.
        side: "below" for a lower bound on epsilon, of a lower bound on mu; "above" for what is
            spent at most.

    >>> below, above = (gdp_epsilon(1.0, 1e-5, side=side) for side in ("below", "above"))
    >>> below < 4.37717809568 < above < below + 2e-9
    True
    """
    from scipy.special import log_ndtr, ndtr

    if mu <= 0.0 or delta >= 1.0:
        return 0.0
    if delta <= 0.0:
        return math.inf
    slack = _ROUNDING if side == "above" else -_ROUNDING

    def fits(epsilon: float) -> bool:
        near = float(ndtr(mu / 2.0 - epsilon / mu))
        far = math.exp(epsilon + float(log_ndtr(-mu / 2.0 - epsilon / mu)))
        return near - far + slack * (near + far) <= delta

    if fits(0.0):
        return 0.0
    # There the first term alone is at most delta / 2.
    top = mu * mu / 2.0 + mu * math.sqrt(-2.0 * math.log(delta))
    below, above = bisect(0.0, top, fits, _TOLERANCE)
    return above if side == "above" else below


def first(low: int, high: int, holds: Callable[[int], bool]) -> int | None:
    """Return the first integer of low, low + 1, ... high at which something holds.

    Args:
        low: First integer.
        high: Last integer, no less than `low`.
        holds: Never true and then false again. If it is, the integer that is returned holds all the
            same, and the one before it, if there is one, does not.

    Returns:
        The integer, or None if it does not hold at `high`.

    >>> first(0, 100, lambda number: number * number >= 50)
    8
    """
    if not holds(high):
        return None
    below, found = low - 1, high
    while found - below > 1:
        middle = (below + found) // 2
        if holds(middle):
            found = middle
        else:
            below = middle
    return found


def bisect(
    low: float, high: float, holds: Callable[[float], bool], tolerance: float
) -> tuple[float, float]:
    """Return two neighbours between `low` and `high`: it does not hold at one, but at the other.

    Args:
        low: Where it does not hold. It is not tried there.
        high: Where it holds. It is not tried there either.
        holds: Never true and then false again.
        tolerance: How far apart the two may be; as near as doubles can be, if that is farther.

    Returns:
        The largest number seen where it does not hold, the smallest where it does.

    >>> low, high = bisect(0.0, 2.0, lambda number: number * number >= 2.0, 1e-12)
    >>> low < 2.0**0.5 <= high
    True
    """
    while high - low > tolerance:
        middle = (low + high) / 2.0
        if not low < middle < high:
            break
        if holds(middle):
            high = middle
        else:
            low = middle
    return low, high
