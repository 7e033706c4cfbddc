"""Differences of association between training and synthetic rows.

Association of two columns: Cramer's V with the bias correction of Bergsma (J. Korean Statistical
Society 2013), on declared cells, so that ordered, nominal and missing cells are treated alike and
nothing is assumed to be linear. The measure is the mean absolute difference over pairs.

Never true here: that a small mean hides a lost relation; the worst pair is named.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.fidelity.api import FidelityData, Reference, column_sets, inconclusive, named
from dpsynth.fidelity.counting import histograms, occupied
from dpsynth.fidelity.marginals import MAX_PAIRS
from dpsynth.results import FidelityResult

NAME = "association_difference"
TITLE = "Mean absolute difference of association (Cramér's V)"


def association_difference(data: FidelityData, tables: Reference, seed: int) -> FidelityResult:
    """Return the mean absolute difference of Cramer's V over pairs of columns.

    Args:
        data: The tables and their coarse domain.
        tables: The same tables beside floor and independent columns.
        seed: Draws the pairs where there are more than `MAX_PAIRS`.
    """
    if len(data.domain) < 2:
        return inconclusive(NAME, TITLE, "The table has fewer than 2 columns.")
    pairs = column_sets(len(data.domain), 2, MAX_PAIRS, seed)
    four = [tables.train, tables.synthetic, tables.floor, tables.independent]
    sizes = [attribute.size for attribute in data.domain]
    margins = [histograms(four, [j], [sizes[j]]) for j in range(len(sizes))]
    strengths = np.empty((len(pairs), 4))
    for i, (a, b) in enumerate(pairs):
        found = [occupied(table, (a, b), (sizes[a], sizes[b])) for table in four]
        for t in range(4):
            rows, columns = margins[a][t], margins[b][t]
            cells, counts = found[t]
            strengths[i, t] = _cramers_v(
                counts, rows[cells // sizes[b]], columns[cells % sizes[b]], rows, columns
            )
    differences = np.abs(strengths[:, 1:] - strengths[:, :1])
    worst = int(differences[:, 0].argmax())
    return FidelityResult(
        name=NAME,
        title=TITLE,
        value=float(differences[:, 0].mean()),
        unit="Cramér's V, bias-corrected",
        n=len(pairs),
        baseline=float(differences[:, 1].mean()),
        baseline_title="noise floor: as many real training rows, drawn again",
        control=float(differences[:, 2].mean()),
        control_title="independent columns with the exact one-way distributions",
        details={
            "worst": float(differences[worst, 0]),
            "worst_columns": named(data.domain, pairs[worst]),
            "worst_in_train": float(strengths[worst, 0]),
            "worst_in_synthetic": float(strengths[worst, 1]),
            "mean_in_train": float(strengths[:, 0].mean()),
            "mean_in_synthetic": float(strengths[:, 1].mean()),
            "pairs": len(pairs),
            "seed": str(seed),
        },
    )


def cramers_v(table: NDArray[np.integer[Any]]) -> float:
    """Return the bias-corrected Cramer's V of a contingency table, in [0, 1].

    With phi2 = chi2 / n: phi2' = max(0, phi2 - (r-1)(c-1)/(n-1)), r' = r - (r-1)^2/(n-1), c' alike,
    V = sqrt(phi2' / min(r'-1, c'-1)); r and c count occupied rows and columns.

    >>> round(cramers_v(np.array([[50, 0], [0, 50]])), 6)
    1.0
    """
    row, column = np.nonzero(table)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    return _cramers_v(table[row, column], rows[row], columns[column], rows, columns)


def _cramers_v(
    counts: NDArray[Any],
    row_totals: NDArray[Any],
    column_totals: NDArray[Any],
    rows: NDArray[Any],
    columns: NDArray[Any],
) -> float:
    n = int(rows.sum())
    r, c = int((rows > 0).sum()), int((columns > 0).sum())
    if n < 2 or r < 2 or c < 2:
        return 0.0
    share = counts.astype(float) ** 2 / (row_totals.astype(float) * column_totals)
    phi2 = max(0.0, float(share.sum()) - 1.0 - (r - 1) * (c - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1.0
    return min(1.0, math.sqrt(phi2 / least)) if least > 0 else 0.0
