"""AIM: an adaptive and iterative mechanism, one table a round, for a workload of tables.

Follows McKenna, Mullins, Sheldon and Miklau (2022), AIM: An Adaptive and Iterative Mechanism for
Differentially Private Synthetic Data. Each round selects, by the exponential mechanism on exact
integer scores, the table of  weight * (L1 distance of the model - expected noise)  that is largest,
measures it and fits the model anew; where that taught the model less than noise would, the next
rounds are dearer and more precise. Every decision is a function of the domain, the budget and of
noisy values; the number of rows is never used.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.arrays import Floats
from dpsynth.errors import InputError
from dpsynth.privacy.curator import Curator
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Assumption, ExpectedNoise, PlannedStage
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.oneway import SELECT_SHARE
from dpsynth.synth.rounds import (
    Growth,
    check_options,
    check_run,
    forecast_rounds,
    penalty,
    planned_rounds,
    whole_weights,
)
from dpsynth.synth.structure import LABEL_WEIGHT, Scope

# The first price is enough for so many rounds, as in the paper. Measured on five tables at epsilon
# 1: with 4 a column, 2-way errors are 5 % less to 1 % more, not enough to leave the paper; either
# way the prices rise so soon that Adult takes 30 to 40 rounds and 4 seconds.
_ROUNDS_PER_COLUMN = 16
# About how many rounds there are until the budget is spent: 1.1 to 2.9 a column where rows are
# enough. The bins follow from it.
_TYPICAL_ROUNDS = 2.5
# Half the noise, as in the paper, costs four times as much.
_DEARER = 4.0


@dataclass(frozen=True, kw_only=True)
class AimSynthesizer:
    """Configuration of the method.

    Attributes:
        label: Column whose sets count double in the workload, or None.
        rounds: Number of rounds of equal price, 1 to 1000; None for rounds that become dearer.
        size: Largest clique: ``fast``, ``default`` or ``large``.
        degree: Columns of a table at most, 2 or 3.
        workload: Sets of columns that matter; empty for all sets of `degree` columns. Only tables
            inside one of them are measured.
    """

    label: str | None = None
    rounds: int | None = None
    size: str = "default"
    degree: int = 2
    workload: tuple[tuple[str, ...], ...] = ()
    name = "aim"

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            InputError: One of them is not as described.
        """
        if type(self.degree) is not int or self.degree not in {2, 3}:
            raise InputError("must be 2 or 3.", where="aim, degree")
        sets = check_options("aim", self.size, self.rounds, self.workload)
        object.__setattr__(self, "workload", sets)

    def options(self) -> Mapping[str, Any]:
        """Return the declared options."""
        return {
            "label": self.label,
            "rounds": self.rounds,
            "size": self.size,
            "degree": self.degree,
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
            rounds=self._most_rounds(domain),
            columns=min(self.degree, len(domain)),
        )

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption
    ) -> tuple[ExpectedNoise, ...]:
        """Say how far noise alone would move the columns and the pairs that are measured."""
        rounds = self._expected_rounds(domain)
        return forecast_rounds(domain, rho, assumption, rounds=rounds, size=self.size)

    def fit(self, curator: Curator) -> MarginalModel:
        """Fit through the Curator, spending at most its budget."""
        domain = curator.domain
        self._check(domain, curator.rho)
        rounds = self._expected_rounds(domain)
        growth = Growth.begun(self.name, curator, rounds=rounds, size=self.size)
        weights = whole_weights(workload_weights(domain, self.workload, self.degree, self.label))
        if len(domain) > 1:
            self._grow(growth, weights, curator.remaining / self._most_rounds(domain))
        return growth.model

    def _grow(self, growth: Growth, weights: Mapping[Scope, int], price: float) -> None:
        """Run the rounds, the first at the given price, until everything is spent."""
        curator = growth.curator
        while models := growth.allowed(weights):
            # A charge is a little below its price, see calibrate.HEADROOM: two rounds are two.
            last = curator.remaining < 2.0 * price or growth.is_last(models)
            if last:
                price = curator.remaining
            tables = (1.0 - SELECT_SHARE) * price
            sigma = curator.unit_rows / math.sqrt(2.0 * tables)
            chosen = growth.select(models, weights=weights, rho=SELECT_SHARE * price, sigma=sigma)
            growth.measure(chosen, curator.remaining if last else tables)
            if last:
                return
            if self.rounds is None and learnt_little(
                models[chosen], growth.expected(chosen), sigma
            ):
                price *= _DEARER

    def _most_rounds(self, domain: Domain) -> int:
        """Return how many rounds the first price is enough for."""
        return self.rounds or _ROUNDS_PER_COLUMN * len(domain)

    def _expected_rounds(self, domain: Domain) -> int:
        """Return about how many rounds are run."""
        return self.rounds or round(_TYPICAL_ROUNDS * len(domain))

    def _check(self, domain: Domain, rho: float) -> None:
        """Refuse what a fit could not do; see :func:`check_run`."""
        check_run(
            domain,
            rho,
            label=self.label,
            workload=self.workload,
            rounds=self._most_rounds(domain),
        )


def workload_weights(
    domain: Domain, workload: tuple[Scope, ...], degree: int, label: str | None
) -> dict[Scope, float]:
    """Return the tables that may be selected and what a row of distance counts in each.

    A table r counts  sum over the sets s of the workload of c_s |r and s|  (AIM, section 4), c_s
    being 2 for a set with the label. The tables are the subsets of 2 to `degree` columns of the
    sets: single columns were all counted at fine resolution first.

    Args:
        domain: The domain.
        workload: Sets of columns; empty for all sets of `degree` columns.
        degree: Columns of a table at most.
        label: A column whose sets count double, or None.
    """
    names = domain.names
    sets = workload or tuple(itertools.combinations(names, min(degree, len(names))))
    ordered = [sorted(s, key=domain.index) for s in sets]
    inside = {
        scope
        for s in ordered
        for k in range(2, degree + 1)
        for scope in itertools.combinations(s, k)
    }
    # |r and s| summed over s is a sum over the columns of r.
    column = dict.fromkeys(names, 0.0)
    for s in sets:
        for name in s:
            column[name] += LABEL_WEIGHT if label in s else 1.0
    return {scope: sum(column[name] for name in scope) for scope in sorted(inside)}


def learnt_little(before: Floats, after: Floats, sigma: float) -> bool:
    """Say whether a measurement moved the model of it by no more than its noise would."""
    return float(np.abs(after - before).sum()) <= penalty(sigma, before.size)
