"""One choice, one measurement: what methods ask that score every pair once and measure once.

The columns are counted, then one noisy vector says how far each pair is from independent; the pairs
that are worth their noise are measured together, those with the label first, because they decide
what a classifier can learn. Where the budget leaves little noise in the pairs, a part of it buys
triples. What such a method fits to the answers is its own: a junction tree (``cliquetree.py``) or a
mixture (``neural/marginal_net.py``). Selection by one noisy vector of scores follows SWIFT
(google/dpsynth). Every decision is a function of the domain, the budget and of noisy values; the
number of rows is never used.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.arrays import Floats
from dpsynth.errors import InputError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.measurement import Measurement
from dpsynth.privacy.requests import MAX_CELLS_PER_RUN
from dpsynth.schema.domain import Domain
from dpsynth.schema.zeros import Zeros
from dpsynth.synth.api import Assumption, ExpectedNoise, PlannedMarginal, PlannedStage
from dpsynth.synth.forecast import bins_at_most, expected_noise
from dpsynth.synth.oneway import (
    OneWays,
    check_domain,
    measure_one_ways,
    one_way_cells,
    one_way_stage,
    stage_prices,
)
from dpsynth.synth.pgm.fit import shrinkage_for
from dpsynth.synth.structure import (
    Limits,
    Scope,
    Scored,
    chance,
    check_columns,
    checked_workload,
    choose,
    measure,
    noise,
    score,
    small_enough,
)

# Of the rest. Scores are thousands of rows and their noise tens to hundreds.
_SCORE_SHARE = 0.06
# A pair must stand out of the noise of its score by this many standard deviations: of hundreds of
# scores the largest are large by chance. On large tables 0 to 1 choose alike; on tables of 800 rows
# 0 loses up to 5 %, and 1 leaves out weak relations of flags.
_CLEAR = 0.5
# Where noise moves columns by more than this share of the rows, the table is too small for its
# budget: half of the price of the tables counts the columns once more. Measured on four tables of
# 800 to 5,600 rows at epsilon 1: 3 to 10 % less 2-way error.
_THIN = 0.03
_THIN_SHARE = 0.5
# Columns of a workload are asked for by name, so their distance counts double.
_WORKLOAD_WEIGHT = 2.0
# Where the noise left in a pair is below this share of the rows, triples are the larger gain.
_QUIET = 0.006
_TRIPLE_SHARE = 0.4
# About how many pairs a column is in: 2.4 to 3.2 on eight tables at epsilon 1.
_PAIRS_PER_COLUMN = 2.5
_SCORES, _TABLES = "scores", "tables"


@dataclass(frozen=True, kw_only=True)
class OneShot:
    """The questions of such a method.

    Attributes:
        label: Column whose pairs come first, or None.
        bins: Bins of a column in a table at most, 2 to 64.
        workload: Sets of columns that matter most; their pairs count double.
    """

    label: str | None
    bins: int
    workload: tuple[Scope, ...]

    @classmethod
    def checked(cls, method: str, *, label: str | None, bins: object, workload: object) -> OneShot:
        """Return the questions under the options of a method.

        Raises:
            InputError: An option is not as described.
        """
        if type(bins) is not int or not 2 <= bins <= 64:
            raise InputError("must be a whole number from 2 to 64.", where=f"{method}, bins")
        return cls(label=label, bins=bins, workload=checked_workload(method, workload))

    def options(self) -> Mapping[str, Any]:
        """Return the declared options, JSON-ready."""
        return {
            "label": self.label,
            "bins": self.bins,
            "workload": [list(names) for names in self.workload],
        }

    def check(self, domain: Domain, rho: float) -> None:
        """Refuse what a fit could not do; see :func:`check_domain`."""
        check_domain(domain, rho, self.label)
        check_columns(domain, self.workload)

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what a fit would ask and cost at most.

        Raises:
            InputError: The domain, the price or an option cannot work.
        """
        self.check(domain, rho)
        first, scores, tables = _stages(rho, len(domain))
        one_way = one_way_stage(domain, first)
        if len(domain) == 1:
            return (one_way,)
        pairs, count = math.comb(len(domain), 2), _expected_pairs(domain)
        left, right = sorted(bins_at_most(a, self.bins) for a in domain)[-2:]
        return (
            one_way,
            PlannedStage(
                stage=_SCORES,
                description="Noisy distances of all pairs of columns from independent ones, in one "
                "vector; with much budget, also of triples from the model.",
                queries=pairs,
                rho=scores,
            ),
            PlannedStage(
                stage=_TABLES,
                description="Noisy counts of the pairs that are worth their noise, in bins; with "
                "much budget, also of triples; of a small table, of the columns once more.",
                queries=pairs,
                rho=tables,
                marginals=(
                    PlannedMarginal(
                        attributes=(),
                        columns=2,
                        count=count,
                        cells=left * right,
                        at_most=True,
                        rho=tables / count,
                    ),
                ),
            ),
        )

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption, *, most_cells: int
    ) -> tuple[ExpectedNoise, ...]:
        """Say how far noise alone would move the columns and the pairs that are measured.

        Args:
            domain: The fine domain.
            rho: Price of the fit.
            assumption: What is supposed of the table.
            most_cells: Cells that the method lets a pair have.
        """
        first, _, tables = _stages(rho, len(domain))
        return expected_noise(
            domain,
            assumption,
            stage=_TABLES,
            one_way_rho=first,
            rho=tables,
            pairs=_expected_pairs(domain),
            most_cells=min(most_cells, MAX_CELLS_PER_RUN - one_way_cells(domain)),
            shrinkage=shrinkage_for(rho),
        )

    def columns(self, curator: Curator) -> OneWays:
        """Count the columns; twice, where the table is too small for its budget."""
        domain = curator.domain
        first, _, tables = _stages(curator.rho, len(domain))
        several = len(domain) > 1
        expected = max(1, _expected_pairs(domain))
        one_ways = measure_one_ways(
            curator,
            min(first, curator.remaining),
            pair_rho=tables / expected if several else None,
            max_bins=self.bins,
        )
        if several and one_ways.noise_share > _THIN:
            again = _THIN_SHARE * tables
            one_ways = measure_one_ways(
                curator,
                again,
                pair_rho=(tables - again) / expected,
                max_bins=self.bins,
                stage=_TABLES,
                before=one_ways,
            )
        return one_ways

    def pairs(
        self, curator: Curator, one_ways: OneWays, limits: Limits, zeros: Sequence[Zeros] = ()
    ) -> list[Scored]:
        """Score all pairs and return those to measure.

        Args:
            curator: Who answers.
            one_ways: The columns and their bins.
            limits: How large the model may become.
            zeros: Structural zeros that the model holds.
        """
        coarse = one_ways.coarse_domain
        counts = dict(zip(coarse.names, one_ways.coarse, strict=True))
        scopes = small_enough(coarse, list(itertools.combinations(coarse.names, 2)))
        if not scopes:
            return []
        _, price, _ = _stages(curator.rho, len(coarse))
        models = [np.outer(counts[a], counts[b]) / one_ways.total for a, b in scopes]
        gains, sigma = score(curator, one_ways, scopes, models, rho=price, stage=_SCORES)
        gains -= _CLEAR * sigma + np.array([chance(model) for model in models])
        return choose(
            coarse,
            self._scored(coarse, scopes, gains),
            given=[scope for scope in scopes if self.label in scope],
            zeros=[z.names for z in zeros],
            rho=curator.remaining,
            unit_rows=curator.unit_rows,
            limits=limits,
        )

    def count(
        self, curator: Curator, one_ways: OneWays, tables: Sequence[Scored], *, share: float = 1.0
    ) -> list[Measurement]:
        """Measure tables with a share of what is left."""
        return measure(curator, one_ways, tables, rho=share * curator.remaining, stage=_TABLES)

    def share_of_pairs(self, curator: Curator, one_ways: OneWays, pairs: Sequence[Scored]) -> float:
        """Return the share of what is left that pairs get: all of it, unless triples gain more."""
        left = noise(pairs, rho=curator.remaining, unit_rows=curator.unit_rows)
        quiet = left / (2.0 * len(pairs)) < _QUIET * one_ways.total
        return 1.0 - _TRIPLE_SHARE if quiet and len(one_ways.domain) > 2 else 1.0

    def triples(
        self,
        curator: Curator,
        one_ways: OneWays,
        models: Mapping[Scope, Floats],
        limits: Limits,
        zeros: Sequence[Zeros] = (),
    ) -> list[Scored]:
        """Score triples and return those to measure.

        Args:
            curator: Who answers.
            one_ways: The columns and their bins.
            models: What the model of the pairs expects in each triple, in rows.
            limits: How large the model may become.
            zeros: Structural zeros that the model holds.
        """
        if not models:
            return []
        coarse, scopes = one_ways.coarse_domain, list(models)
        price = _SCORE_SHARE * curator.remaining
        gains, _ = score(curator, one_ways, scopes, list(models.values()), rho=price, stage=_SCORES)
        return choose(
            coarse,
            self._scored(coarse, scopes, gains),
            zeros=[z.names for z in zeros],
            rho=curator.remaining,
            unit_rows=curator.unit_rows,
            limits=limits,
        )

    def _scored(self, coarse: Domain, scopes: Sequence[Scope], gains: Any) -> list[Scored]:
        """Return tables with what they gain and what they weigh."""
        wanted = [set(names) for names in self.workload]
        return [
            Scored(
                attributes=scope,
                cells=coarse.cells(scope),
                gain=float(gain),
                weight=_WORKLOAD_WEIGHT if any(set(scope) <= names for names in wanted) else 1.0,
            )
            for scope, gain in zip(scopes, gains, strict=True)
        ]


def _expected_pairs(domain: Domain) -> int:
    """Return about how many pairs are measured."""
    return min(math.comb(len(domain), 2), round(_PAIRS_PER_COLUMN * len(domain)))


def _stages(rho: float, columns: int) -> tuple[float, float, float]:
    """Return the prices of columns, scores and tables.

    The share of the columns falls slowly with the budget: 0.5 up to epsilon 0.3, 0.33 at 1, 0.15 at
    10 (at delta 1e-6). They carry the total, the bins, the prior and the spikes. Measured on six
    tables: at epsilon 1 anything from 0.2 to 0.5 is within 4 % of the best, 0.35, and at epsilon 10
    anything from 0.1 to 0.3 within 2 %.
    """
    share = min(0.5, max(0.15, 0.33 * (0.0244 / rho) ** 0.2))
    return stage_prices(rho, columns, one_way=share, choice=_SCORE_SHARE)
