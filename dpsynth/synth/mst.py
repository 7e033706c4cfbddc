"""MST: a spanning tree of the most dependent pairs, measured once and fitted exactly.

Follows McKenna, Miklau and Sheldon (2021), Winning the NIST contest, with changes that were
measured to help: bins chosen from the noisy one-way counts, a fit that shrinks towards independent
columns, shares of the budget by table size, scores without what chance explains, and pairs with the
label counted double. Selection is
the exponential mechanism on exact integer scores, one edge at a time (Kruskal). Every decision is a
function of the domain and of noisy values; the number of rows is never used.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.arrays import Floats
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.measurement import Candidate, MarginalQuery, SelectionQuery
from dpsynth.privacy.requests import MAX_CELLS_PER_MARGINAL, MAX_CELLS_PER_RUN
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Assumption, ExpectedNoise, PlannedMarginal, PlannedStage
from dpsynth.synth.forecast import bins_at_most, expected_noise
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.oneway import (
    OneWays,
    check_domain,
    measure_one_ways,
    one_way_cells,
    one_way_stage,
    selecting_prices,
    shares,
)
from dpsynth.synth.pgm.fit import shrinkage_for
from dpsynth.synth.structure import LABEL_WEIGHT, chance, held_zeros

_PAIRS = "pairs"

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class MstSynthesizer:
    """Configuration of the method.

    Attributes:
        label: Column whose pairs count double, or None.
    """

    label: str | None = None
    name = "mst"

    def options(self) -> Mapping[str, Any]:
        """Return the declared options."""
        return {"label": self.label}

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what a fit would ask and cost at most.

        Raises:
            InputError: The domain or the price cannot work.
        """
        check_domain(domain, rho, self.label)
        first, select, measure = selecting_prices(rho, len(domain))
        one_way = one_way_stage(domain, first)
        if len(domain) == 1:
            return (one_way,)
        edges = len(domain) - 1
        left, right = sorted(map(bins_at_most, domain))[-2:]
        return (
            one_way,
            PlannedStage(
                stage="select",
                description="The most dependent pair that joins two parts of the tree, repeatedly.",
                queries=edges,
                rho=select,
            ),
            PlannedStage(
                stage=_PAIRS,
                description="Noisy counts of the selected pairs of columns, in bins.",
                queries=edges,
                rho=measure,
                marginals=(
                    PlannedMarginal(
                        attributes=(),
                        columns=2,
                        count=edges,
                        cells=min(left * right, _most_cells(domain)),
                        at_most=True,
                        rho=measure / edges,
                    ),
                ),
            ),
        )

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption
    ) -> tuple[ExpectedNoise, ...]:
        """Say how far noise alone would move the columns and the pairs that are measured."""
        first, _, measure = selecting_prices(rho, len(domain))
        return expected_noise(
            domain,
            assumption,
            stage=_PAIRS,
            one_way_rho=first,
            rho=measure,
            pairs=len(domain) - 1,
            most_cells=_most_cells(domain),
            shrinkage=shrinkage_for(rho),
        )

    def fit(self, curator: Curator) -> MarginalModel:
        """Fit through the Curator, spending at most its budget."""
        domain, rho = curator.domain, curator.rho
        check_domain(domain, rho, self.label)
        first, select, measure = selecting_prices(rho, len(domain))
        most = len(domain) - 1
        one_ways = measure_one_ways(
            curator, min(first, curator.remaining), pair_rho=measure / most if most else None
        )
        edges = self._spanning_tree(curator, one_ways, select / max(1, most))
        zeros = held_zeros(one_ways, edges)
        if not edges:
            return MarginalModel.from_measurements(self.name, one_ways, (), rho, zeros=zeros)
        coarse = one_ways.coarse_domain
        prices = shares(curator.remaining, [coarse.cells(edge) for edge in edges])
        pairs = curator.measure(
            [
                MarginalQuery(
                    attributes=edge,
                    rho=price,
                    partitions=one_ways.bins_of(edge),
                )
                for edge, price in zip(edges, prices, strict=True)
            ],
            stage=_PAIRS,
        )
        return MarginalModel.from_measurements(self.name, one_ways, pairs, rho, zeros=zeros)

    def _spanning_tree(self, curator: Curator, one_ways: OneWays, price: float) -> list[Pair]:
        """Select the edges of a spanning forest, each at the given price."""
        candidates = self._candidates(one_ways)
        part = {name: name for name in one_ways.domain.names}
        edges: list[Pair] = []
        while True:
            joining = [e for e in candidates if part[e[0]] != part[e[1]]]
            if not joining:
                return edges
            index = 0
            if len(joining) > 1:
                query = SelectionQuery(
                    candidates=tuple(candidates[edge] for edge in joining), rho=price
                )
                index = curator.select(query, stage="select").index
            left, right = joining[index]
            edges.append((left, right))
            old, new = part[right], part[left]
            part = {name: new if p == old else p for name, p in part.items()}

    def _candidates(self, one_ways: OneWays) -> dict[Pair, Candidate]:
        """Return all pairs that are small enough, with the product of their noisy one-ways."""
        coarse = one_ways.coarse_domain
        counts = dict(zip(coarse.names, one_ways.coarse, strict=True))
        limit = _most_cells(one_ways.domain)
        return {
            (a, b): _candidate(
                one_ways,
                (a, b),
                np.outer(counts[a], counts[b]) / one_ways.total,
                LABEL_WEIGHT if self.label in (a, b) else 1,
            )
            for a, b in itertools.combinations(coarse.names, 2)
            if coarse.cells((a, b)) <= limit
        }


def _candidate(one_ways: OneWays, pair: Pair, product: Floats, weight: int) -> Candidate:
    """Return a pair whose score is its distance from independence beyond that of chance."""
    return Candidate(
        attributes=pair,
        reference=np.rint(product).astype(np.int64),
        partitions=one_ways.bins_of(pair),
        weight=weight,
        offset=-weight * round(chance(product)),
    )


def _most_cells(domain: Domain) -> int:
    """Return the number of cells that a pair may have, so that a run keeps to its limit."""
    left = MAX_CELLS_PER_RUN - one_way_cells(domain)
    return min(MAX_CELLS_PER_MARGINAL, left // max(1, len(domain) - 1))
