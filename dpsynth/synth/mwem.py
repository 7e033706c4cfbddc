"""MWEM+PGM: a fixed number of rounds, each measures the table of a workload that is fitted worst.

Follows Hardt, Ligett and McSherry (2012), A simple and practical algorithm for differentially
private data release, with the graphical model of McKenna, Sheldon and Miklau (2019) in the place of
multiplicative weights. Selection is the exponential mechanism on exact integer L1 distances. The
model begins with the noisy columns instead of a uniform distribution. Every decision is a function
of the domain, the budget and of noisy values; the number of rows is never used.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpsynth.privacy.curator import Curator
from dpsynth.privacy.requests import MAX_CELLS_PER_MARGINAL
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Assumption, ExpectedNoise, PlannedStage
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.oneway import SELECT_SHARE
from dpsynth.synth.rounds import (
    Growth,
    check_options,
    check_run,
    forecast_rounds,
    planned_rounds,
    whole_weights,
)
from dpsynth.synth.structure import LABEL_WEIGHT, SIZES, Scope

# One table a round: measured on four tables at epsilon 1, one round a column has 6 to 14 % more
# 2-way error.
_ROUNDS_PER_COLUMN = 2


@dataclass(frozen=True, kw_only=True)
class MwemSynthesizer:
    """Configuration of the method.

    Attributes:
        label: Column whose tables count double, or None.
        rounds: Number of rounds, 1 to 1000; None for two a column.
        size: Largest clique: ``fast``, ``default`` or ``large``.
        workload: Sets of columns that may be measured, each as one table; empty for all pairs. A
            set that is too large for a clique stands for its pairs.
    """

    label: str | None = None
    rounds: int | None = None
    size: str = "default"
    workload: tuple[tuple[str, ...], ...] = ()
    name = "mwem"

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            InputError: One of them is not as described.
        """
        sets = check_options("mwem", self.size, self.rounds, self.workload)
        object.__setattr__(self, "workload", sets)

    def options(self) -> Mapping[str, Any]:
        """Return the declared options."""
        return {
            "label": self.label,
            "rounds": self.rounds,
            "size": self.size,
            "workload": [list(names) for names in self.workload],
        }

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what a fit would ask and cost at most.

        Raises:
            InputError: The domain, the price or an option cannot work.
        """
        self._check(domain, rho)
        return planned_rounds(
            domain,
            rho,
            rounds=self._rounds(domain),
            columns=max(map(len, self.workload), default=2),
        )

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption
    ) -> tuple[ExpectedNoise, ...]:
        """Say how far noise alone would move the columns and the pairs that are measured."""
        rounds = self._rounds(domain)
        return forecast_rounds(domain, rho, assumption, rounds=rounds, size=self.size)

    def fit(self, curator: Curator) -> MarginalModel:
        """Fit through the Curator, spending at most its budget."""
        domain = curator.domain
        self._check(domain, curator.rho)
        rounds = self._rounds(domain)
        growth = Growth.begun(self.name, curator, rounds=rounds, size=self.size)
        if len(domain) > 1:
            self._grow(growth, rounds)
        return growth.model

    def _grow(self, growth: Growth, rounds: int) -> None:
        """Run the rounds, which share what is left equally."""
        curator = growth.curator
        weights = whole_weights(self._tables(growth.one_ways.coarse_domain))
        for left in range(rounds, 0, -1):
            models = growth.allowed(weights)
            if not models:
                return
            last = left == 1 or growth.is_last(models)
            price = curator.remaining / (1 if last else left)
            chosen = growth.select(models, weights=weights, rho=SELECT_SHARE * price)
            growth.measure(chosen, curator.remaining if last else (1.0 - SELECT_SHARE) * price)
            if last:
                return

    def _tables(self, coarse: Domain) -> dict[Scope, float]:
        """Return the tables that may be measured and what a row of distance counts in each."""
        most = min(SIZES[self.size], MAX_CELLS_PER_MARGINAL)
        sets = {tuple(sorted(s, key=coarse.index)) for s in self.workload or (coarse.names,)}
        tables = {s for s in sets if self.workload and coarse.cells(s) <= most}
        tables.update(p for s in sets - tables for p in itertools.combinations(s, 2))
        return {s: LABEL_WEIGHT if self.label in s else 1.0 for s in sorted(tables)}

    def _rounds(self, domain: Domain) -> int:
        """Return the number of rounds."""
        return self.rounds or _ROUNDS_PER_COLUMN * len(domain)

    def _check(self, domain: Domain, rho: float) -> None:
        """Refuse what a fit could not do; see :func:`check_run`."""
        check_run(
            domain,
            rho,
            label=self.label,
            workload=self.workload,
            rounds=self._rounds(domain),
        )
