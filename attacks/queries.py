"""Targeted-query membership inference: are the cells of this very row fuller than they should be?

A marginal that was released, or fitted, with too little noise still contains each training row as
one count. For 2- and 3-way marginals q let c_q be the count of synthetic rows in the target's cell
and r_q what a reference population of rows that are not attacked expects there. The score is

    sum over q of w_q log((c_q + s a) / (r_q + s a)),

s the ratio of table sizes and a = 1/4. One row more is 1/r of a cell, so the logarithm gives rare
cells the weight that a matched filter would give them. The weight w_q falls with the eighth power
of the misfit of q between synthetic and reference table (chi-square over its expectation): a
marginal that the generator never looked at says nothing about members and is hardly listened to.
Targeted queries follow Houssiau et al., "TAPAS" (2022); scoring a row against released counts
follows Homer et al. (PLoS Genetics 2008).

Never true here: a weight or a query chosen with the labels of attacked rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dpsynth.attacks.api import AttackData, inconclusive, too_little
from dpsynth.attacks.cells import Query, choose_queries, count_cells
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.scores import membership_result
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.results import AttackResult
from dpsynth.schema.domain import Domain

PAIRS, TRIPLES = 120, 400  #: largest numbers of 2-way and 3-way marginals
_PRIOR = 0.25  # rows of the reference table in a cell, before any was seen
_MISFIT_POWER = 8


@dataclass(frozen=True, kw_only=True)
class TargetedQueries:
    """Members against non-members by how full their own cells are."""

    name: str = "targeted_query_membership"
    title: str = "Membership inference by targeted marginal queries"
    all_rows: bool = True
    claim: Claim | None = None

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Attack; half of the holdout is the reference, members and non-members are equally many.

        All synthetic rows are counted: a subsample would hide single rows.

        Args:
            data: The tables.
            seed: Draws the reference, the rows that are kept, the queries and the halves of the
                epsilon bound.
        """
        attacked, reference = data.with_reference(seed)
        size = len(attacked.train)
        reason = too_little(attacked)
        if reason is not None:
            return inconclusive(self, f"After half of the holdout became the reference: {reason}")
        queries = targeted_queries(data.domain, seed)
        if not queries:
            return inconclusive(self, "A marginal of two columns needs two columns.")
        scores = query_scores(
            data.domain,
            queries,
            np.concatenate([attacked.train, attacked.holdout]),
            attacked.synthetic,
            reference,
        )
        return membership_result(
            self,
            scores[:size],
            scores[size:],
            seed=seed,
            claim=self.claim,
            details={
                "synthetic_rows": len(data.synthetic),
                "reference_rows": len(reference),
                "queries": len(queries),
            },
        )


def targeted_queries(domain: Domain, seed: int) -> tuple[Query, ...]:
    """Return the 2-way and 3-way marginals that are asked, chosen from names and a seed."""
    return (
        *choose_queries(domain, seed, ways=2, most=PAIRS),
        *choose_queries(domain, seed, ways=3, most=TRIPLES),
    )


def query_scores(
    domain: Domain,
    queries: Sequence[Query],
    targets: Codes,
    synthetic: Codes,
    reference: Codes,
) -> NDArray[np.float64]:
    """Return the score of each target, higher for "more like a member".

    Args:
        domain: Domain of the columns.
        queries: Sets of column numbers.
        targets: Codes of the rows to score, shape (n, d).
        synthetic: Codes of the output, at least one row.
        reference: Codes of rows of the same population that are no targets, at least one row.

    Returns:
        Shape (n,).
    """
    scale = len(synthetic) / len(reference)
    scores = np.zeros(len(targets))
    for query in queries:
        cells = count_cells(domain, query, targets, (synthetic, reference))
        made, known = cells.counts
        expected = scale * known.astype(np.float64)
        prior = scale * _PRIOR
        log_ratio = np.log((made[cells.at] + prior) / (expected[cells.at] + prior))
        scores += log_ratio / _misfit(made, expected, scale) ** _MISFIT_POWER
    return scores


def _misfit(made: NDArray[np.int64], expected: NDArray[np.floating[Any]], scale: float) -> float:
    """Return squared differences over what two random tables of the same population would have."""
    rate = (made + expected) / (1.0 + 1.0 / scale)  # pooled, per synthetic table
    chance = float(rate.sum()) * (1.0 + scale)
    return max(1.0, float(((made - expected) ** 2).sum()) / chance)
