"""Clique tree: every pair is scored once, one large junction tree is measured once and fitted.

The default method. The questions are those of ``oneshot.py``: the pairs that are worth their noise
are measured together, as many as a junction tree of bounded size holds, and a model is fitted to
all of them that shrinks towards independent columns. Where the budget leaves little noise in the
pairs, a part of it buys triples inside the cliques. A size-bounded tree from one noisy vector of
scores follows SWIFT (google/dpsynth); the fit is McKenna, Sheldon and Miklau (2019) with an entropy
term. Every decision is a function of the domain, the budget and of noisy values; the number of rows
is never used.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.privacy.curator import Curator
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Assumption, ExpectedNoise, PlannedStage
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.numeric import MAX_BINS
from dpsynth.synth.oneshot import OneShot
from dpsynth.synth.oneway import OneWays
from dpsynth.synth.structure import (
    SIZES,
    TOGETHER,
    Limits,
    Scope,
    check_size,
    held_zeros,
    small_enough,
)


@dataclass(frozen=True, kw_only=True)
class CliqueTreeSynthesizer:
    """Configuration of the method.

    Attributes:
        label: Column whose pairs come first, or None.
        size: Largest clique: ``fast``, ``default`` or ``large``.
        bins: Bins of a column in a table at most, 2 to 64.
        workload: Sets of columns that matter most; their pairs count double.
    """

    label: str | None = None
    size: str = "default"
    bins: int = MAX_BINS
    workload: tuple[tuple[str, ...], ...] = ()
    name = "cliquetree"

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            InputError: One of them is not as described.
        """
        check_size(self.name, self.size)
        object.__setattr__(self, "workload", self._questions.workload)

    @property
    def _questions(self) -> OneShot:
        return OneShot.checked(self.name, label=self.label, bins=self.bins, workload=self.workload)

    def options(self) -> Mapping[str, Any]:
        """Return the declared options."""
        return {"size": self.size, **self._questions.options()}

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what a fit would ask and cost at most.

        Raises:
            InputError: The domain, the price or an option cannot work.
        """
        return self._questions.plan(domain, rho)

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption
    ) -> tuple[ExpectedNoise, ...]:
        """Say how far noise alone would move the columns and the pairs that are measured."""
        return self._questions.forecast(domain, rho, assumption, most_cells=SIZES[self.size])

    def fit(self, curator: Curator) -> MarginalModel:
        """Fit through the Curator, spending at most its budget."""
        ask, rho = self._questions, curator.rho
        ask.check(curator.domain, rho)
        one_ways = ask.columns(curator)
        zeros = held_zeros(one_ways, size=self.size)
        several = len(curator.domain) > 1
        pairs = ask.pairs(curator, one_ways, self._limits(curator), zeros) if several else []
        if not pairs:
            return MarginalModel.from_measurements(self.name, one_ways, (), rho, zeros=zeros)
        share = ask.share_of_pairs(curator, one_ways, pairs)
        measured = ask.count(curator, one_ways, pairs, share=share)
        model = MarginalModel.from_measurements(self.name, one_ways, measured, rho, zeros=zeros)
        if share == 1.0:
            return model
        models = _inside_cliques(one_ways, model)
        # Where no triple is worth its noise, the pairs are counted a second time.
        more = ask.triples(curator, one_ways, models, self._limits(curator), zeros) or pairs
        measured += ask.count(curator, one_ways, more)
        return MarginalModel.from_measurements(
            self.name, one_ways, measured, rho, zeros=zeros, before=model
        )

    def _limits(self, curator: Curator) -> Limits:
        """Return how large the model may become."""
        most = SIZES[self.size]
        return Limits(clique=most, together=TOGETHER * most, measured=curator.cells_left)


def _inside_cliques(one_ways: OneWays, model: MarginalModel) -> dict[Scope, NDArray[np.float64]]:
    """Return the triples inside the cliques of a model, with what it expects in them."""
    coarse, tree = one_ways.coarse_domain, model.graph.tree
    inside = {t for clique in tree.cliques for t in itertools.combinations(clique, 3)}
    scopes = small_enough(coarse, [tuple(coarse.names[a] for a in t) for t in sorted(inside)])
    return {scope: model.graph.marginal(scope) * one_ways.total for scope in scopes}
