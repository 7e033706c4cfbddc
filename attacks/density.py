"""Density-ratio membership inference: is the synthetic table denser at this row than the public is?

DOMIAS (van Breugel et al., "Membership inference attacks against synthetic data through overfitting
detection", AISTATS 2023): score = log p_synthetic(x) - log p_reference(x), the reference being rows
of the same population that are not attacked. Two estimates are added, each scaled to unit spread
over all attacked rows together:

- histograms: log p(x) averaged over all spanning trees of the columns, which is the sum of
  log p_j plus (2 / d) times the sum over pairs of log p_jk - log p_j - log p_k. One-way histograms
  are smoothed towards uniform, two-way ones towards independence.
- nearest neighbours: log of the distance to the reference over the distance to the synthetic
  table, which sees the near copies that histograms do not. One neighbour sees more of them than
  two or more do.

Never true here: a reference row that is attacked, a fixed number of reference rows, or a scale that
knows labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from dpsynth.attacks.api import AttackData, inconclusive, too_little
from dpsynth.attacks.cells import choose_queries, count_cells
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.neighbours import nearest_two
from dpsynth.attacks.scores import membership_result
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.results import AttackResult
from dpsynth.schema.domain import Domain

PAIRS = 300  #: largest number of two-way histograms
_PRIOR = 1.0  # rows that smoothing adds to a histogram
_FLOOR = 0.02  # columns: a copy is not infinitely dense


@dataclass(frozen=True, kw_only=True)
class DensityRatio:
    """Members against non-members by density of the synthetic over that of a reference table."""

    name: str = "density_ratio_membership"
    title: str = "Membership inference by density ratio (DOMIAS)"
    all_rows: bool = False
    claim: Claim | None = None

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Attack; half of the holdout is the reference, members and non-members are equally many.

        Args:
            data: The tables.
            seed: Draws the reference, the rows that are kept, the pairs of columns where there are
                many, and the halves of the epsilon bound.
        """
        attacked, reference = data.with_reference(seed)
        size = len(attacked.train)
        reason = too_little(attacked)
        if reason is not None:
            return inconclusive(self, f"After half of the holdout became the reference: {reason}")
        targets = np.concatenate([attacked.train, attacked.holdout])
        scores = _unit_spread(
            histogram_log_ratio(data.domain, targets, attacked.synthetic, reference, seed)
        ) + _unit_spread(neighbour_log_ratio(data.domain, targets, attacked.synthetic, reference))
        return membership_result(
            self,
            scores[:size],
            scores[size:],
            seed=seed,
            claim=self.claim,
            details={
                "synthetic_rows": len(data.synthetic),
                "reference_rows": len(reference),
                "density": "product of smoothed one- and two-way histograms, and nearest neighbour",
            },
        )


def histogram_log_ratio(
    domain: Domain, targets: Codes, synthetic: Codes, reference: Codes, seed: int
) -> NDArray[np.float64]:
    """Return log p_synthetic - log p_reference at each target by smoothed histograms.

    Args:
        domain: Domain of the columns.
        targets: Codes of the rows to score, shape (n, d).
        synthetic: Codes of the output, at least one row.
        reference: Codes of the reference rows, at least one.
        seed: Draws the pairs where there are more than `PAIRS`.

    Returns:
        Shape (n,).
    """
    tables = (synthetic, reference)
    ones = np.empty((len(domain), 2, len(targets)))
    for j, attribute in enumerate(domain):
        cells = count_cells(domain, (j,), targets, tables)
        for t, counts in enumerate(cells.counts):
            rows = counts[cells.at] + _PRIOR / attribute.size
            ones[j, t] = rows / (len(tables[t]) + _PRIOR)
    ratio: NDArray[np.float64] = np.log(ones[:, 0] / ones[:, 1]).sum(axis=0)
    pairs = choose_queries(domain, seed, ways=2, most=PAIRS)
    if not pairs:
        return ratio
    weight = 2.0 / len(domain) * math.comb(len(domain), 2) / len(pairs)
    for j, k in pairs:
        cells = count_cells(domain, (j, k), targets, tables)
        logs = []
        for t, counts in enumerate(cells.counts):
            expected = ones[j, t] * ones[k, t]
            joint = (counts[cells.at] + _PRIOR * expected) / (len(tables[t]) + _PRIOR)
            logs.append(np.log(joint / expected))
        ratio += weight * (logs[0] - logs[1])
    return ratio


def neighbour_log_ratio(
    domain: Domain, targets: Codes, synthetic: Codes, reference: Codes
) -> NDArray[np.float64]:
    """Return log distance to the reference minus log distance to the synthetic rows.

    Args:
        domain: Domain of the columns.
        targets: Codes of the rows to score, shape (n, d).
        synthetic: Codes of the output, at least one row.
        reference: Codes of the reference rows, at least one.

    Returns:
        Shape (n,).
    """
    floor = _FLOOR / len(domain)

    def log_distance(table: Codes) -> NDArray[np.float64]:
        return np.log(floor + nearest_two(domain, targets, table).first)

    return log_distance(reference) - log_distance(synthetic)


def _unit_spread(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = float(scores.std())
    return scores / spread if spread > 0 else scores
