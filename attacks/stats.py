"""Tests and rates of attacks; exact intervals and bounds come from `dpsynth.exact`.

Sources: Fisher's exact test (JRSS 1935); DeLong, DeLong and Clarke-Pearson (Biometrics 1988) in the
form of Sun and Xu (IEEE SPL 2014); Mann and Whitney (1947) with tie correction; Holm (Scand. J.
Statistics 1979); low false-positive rates as in Carlini et al., "Membership inference attacks from
first principles" (S&P 2022).

Never true here: a p-value from the data that chose the test, or a rate without its interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dpsynth.exact import clopper_pearson, first
from dpsynth.results import Interval

Scores = NDArray[np.floating[Any]]


def fisher_p(hits: int, members: int, control_hits: int, non_members: int) -> float:
    """Return Fisher's exact one-sided p-value of "members are hit more often".

    Conditional on all hits, the hits among members are hypergeometric if the split was random. This
    stays exact when identical rows are hit together, because the labels are what is random.

    >>> round(fisher_p(2, 2, 0, 2), 4)
    0.1667
    """
    total = members + non_members
    return float(stats.hypergeom.sf(hits - 1, total, hits + control_hits, members))


def fisher_smallest(hits: int, members: int, non_members: int, alpha: float) -> int | None:
    """Return the fewest members among `hits` records for which Fisher's p-value is below alpha.

    Args:
        hits: Records that were hit, members and non-members together.
        members: Members in all.
        non_members: Non-members in all.
        alpha: Level.

    Returns:
        That number, or None where not even all hits being members would be enough.
    """
    return first(
        max(0, hits - non_members),
        min(hits, members),
        lambda some: fisher_p(some, members, hits - some, non_members) < alpha,
    )


@dataclass(frozen=True, kw_only=True)
class Auc:
    """Area under the ROC curve of members against non-members.

    Attributes:
        value: P[member score > non-member score], ties counted one half.
        interval: DeLong interval.
        null_sd: Standard deviation under random labels, with tie correction (0 if all scores tie).
        p_value: One-sided, of "members score higher", against random labels.
    """

    value: float
    interval: Interval
    null_sd: float
    p_value: float


def auc(members: Scores, non_members: Scores, level: float = 0.95) -> Auc:
    """Return AUC, DeLong interval and one-sided rank test.

    The interval uses DeLong's variance at the estimate; the p-value uses the exact variance under
    random labels, which also holds when many scores tie.

    Args:
        members: Scores of members, shape (m,); higher means "more like a member".
        non_members: Scores of non-members, shape (n,).
        level: Confidence level of the interval.
    """
    m, n = len(members), len(non_members)
    if m < 2 or n < 2:
        raise ValueError("an AUC needs two members and two non-members")
    both = np.concatenate([members, non_members])
    rank = stats.rankdata(both)
    above_others = (rank[:m] - stats.rankdata(members)) / n
    below_members = 1.0 - (rank[m:] - stats.rankdata(non_members)) / m
    value = float(above_others.mean())
    variance = float(above_others.var(ddof=1)) / m + float(below_members.var(ddof=1)) / n
    half = float(stats.norm.isf((1.0 - level) / 2.0)) * math.sqrt(variance)
    tied = np.unique(both, return_counts=True)[1].astype(float)
    total = m + n
    spread = (total + 1) - float((tied**3 - tied).sum()) / (total * (total - 1))
    null_sd = math.sqrt(max(0.0, spread) / (12.0 * m * n))
    p_value = float(stats.norm.sf((value - 0.5) / null_sd)) if null_sd > 1e-12 else 1.0
    interval = Interval(low=max(0.0, value - half), high=min(1.0, value + half), level=level)
    return Auc(value=value, interval=interval, null_sd=null_sd, p_value=p_value)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A true-positive rate at a threshold, with the false-positive rate really reached."""

    tpr: float
    interval: Interval
    fpr: float
    threshold: float


def tpr_at_fpr(
    members: Scores, non_members: Scores, fpr: float, level: float = 0.95
) -> Rate | None:
    """Return the true-positive rate at a false-positive rate of at most `fpr`.

    Returns:
        The rate with its Clopper-Pearson interval, or None ("not estimable") where fewer than five
        false positives are allowed: 0.1 % needs 5,000 non-members, 1 % needs 500.
    """
    allowed = math.floor(fpr * len(non_members) + 1e-9)
    if allowed < 5 or not len(members):
        return None
    threshold = float(np.sort(non_members)[::-1][allowed])
    hits = int((members > threshold).sum())
    return Rate(
        tpr=hits / len(members),
        interval=clopper_pearson(hits, len(members), level),
        fpr=float((non_members > threshold).mean()),
        threshold=threshold,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    count = len(p_values)
    adjusted = [0.0] * count
    running = 0.0
    for place, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (count - place) * p_values[index]))
        adjusted[index] = running
    return adjusted


def normal_tail(z: float) -> float:
    """Return P[Z > z] for a standard normal Z."""
    return float(stats.norm.sf(z))


def normal_quantile(upper_tail: float) -> float:
    """Return z with P[Z > z] = upper_tail."""
    return float(stats.norm.isf(upper_tail))


@dataclass(frozen=True, kw_only=True)
class Residual:
    """Residual risk (p - c) / (1 - c): what members lose beyond what non-members lose anyway.

    Attributes:
        value: The estimate, below zero where non-members are hit more often: never clipped.
        interval: Interval of at least the level asked for, however the two rates depend.
    """

    value: float
    interval: Interval


def residual_risk(
    hits: int, trials: int, control_hits: int, control_trials: int, level: float = 0.95
) -> Residual | None:
    """Return the residual risk of Giomi et al. (PoPETs 2023), or None if every control is hit.

    The interval joins two Clopper-Pearson intervals that share the error 1 - level (Bonferroni), so
    it also holds where the same predicates or guesses are put to both groups.

    >>> round(residual_risk(30, 100, 20, 100).value, 3)
    0.125
    """
    if control_hits == control_trials:
        return None
    rate = clopper_pearson(hits, trials, (1.0 + level) / 2.0)
    control = clopper_pearson(control_hits, control_trials, (1.0 + level) / 2.0)
    kept = (1.0 - hits / trials) / (1.0 - control_hits / control_trials)
    low = 1.0 - (1.0 - rate.low) / (1.0 - control.high)
    high = 1.0 - (1.0 - rate.high) / (1.0 - control.low)
    return Residual(value=1.0 - kept, interval=Interval(low=low, high=high, level=level))
