"""The ROC curve of an attack at low false-positive rates, inside a band that holds for all of it.

Low rates are what matters (Carlini et al., S&P 2022), so the curve is written down at ten rates per
decade. At a rate f both errors of an empirical point are met: a threshold that lets through f of
the non-members at hand lets through another share of all, and the members above it are a sample.
Thresholds are order statistics of the non-members at ranks that depend on n, f and the level alone
(Wilks, Ann. Math. Stat. 1941: the share above the (j + 1)-th largest of n is at most
Beta(j + 1, n - j), ties or not), so that Clopper and Pearson's limits of the members above them are
exact. The error is shared among all points, both sides and both limits (Bonferroni): with the
probability `level` the true curve lies inside the band everywhere. Where the lower edge passes the
ceiling of a claim at any rate, the claim is refuted, with half of the error as false-alarm rate.

Never true here: a band for an attacker who chose the threshold after seeing the members, or a curve
that falls. Rows are treated as independent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from dpsynth.attacks.api import ALPHA
from numpy.typing import NDArray
from scipy import stats

from dpsynth.exact import clopper_pearson
from dpsynth.results import FALSE_POSITIVE_RATES, Roc

BAND = 1.0 - ALPHA  #: confidence of the whole band
FEWEST = 100  #: members, and non-members, that a curve needs
Scores = NDArray[np.floating[Any]]


def roc_curve(members: Scores, others: Scores, level: float = BAND) -> Roc:
    """Return the ROC curve of scores, higher for "was trained on".

    Args:
        members: Scores of members, shape (m,).
        others: Scores of non-members, shape (n,).
        level: Simultaneous confidence of the band.
    """
    m, n = len(members), len(others)
    if min(m, n) < FEWEST:
        return Roc(
            level=level,
            members=m,
            non_members=n,
            reason=f"Fewer than {FEWEST} members or non-members were scored: the curve would have "
            "no point at or below 1 % false positives.",
        )
    rates = np.array([rate for rate in FALSE_POSITIVE_RATES[:-1] if rate * n >= 1.0 - 1e-9])
    tail = (1.0 - level) / (4.0 * len(rates))
    down, up = np.sort(others)[::-1], np.sort(members)
    reached = _above(up, down, np.floor(rates * n + 1e-9).astype(int)) / m
    # At most f of all non-members lie above the threshold, but for a chance of `tail`.
    few = stats.binom.ppf(tail, n, rates).astype(int) - 1
    hits = np.where(few >= 0, _above(up, down, np.maximum(few, 0)), 0)
    low = [clopper_pearson(int(some), m, 1.0 - 2.0 * tail).low for some in hits]
    # At least f of all non-members lie at or above it.
    many = stats.binom.isf(tail, n, rates).astype(int)
    hits = np.where(many < n, m - np.searchsorted(up, down[np.minimum(many, n - 1)]), m)
    high = [clopper_pearson(int(some), m, 1.0 - 2.0 * tail).high for some in hits]
    points = np.column_stack([rates, reached, low, high]).tolist()
    return Roc(
        points=(*(tuple(point) for point in points), (1.0, 1.0, 1.0, 1.0)),
        level=level,
        members=m,
        non_members=n,
    )


def _above(up: Scores, down: Scores, ranks: NDArray[np.int_]) -> NDArray[np.int_]:
    """Return how many members lie above the non-member that has `rank` others before it.

    Args:
        up: Scores of members, ascending, shape (m,).
        down: Scores of non-members, descending, shape (n,).
        ranks: Below n, shape (k,).
    """
    return len(up) - np.searchsorted(up, down[ranks], side="right")
