"""Rounds of select, measure and fit: what the adaptive methods share.

One table a round: the exponential mechanism selects, among the tables that the junction tree can
still hold, the one whose counts are farthest from the model; it is measured, and the model is
fitted to all tables so far (MWEM of Hardt, Ligett and McSherry 2012 with the inference of McKenna,
Sheldon and Miklau 2019; AIM of McKenna, Mullins, Sheldon and Miklau 2022). What may never be true
here: a choice that depends on anything but the domain, the budget and noisy values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from dpsynth.arrays import Floats
from dpsynth.errors import InputError
from dpsynth.privacy.calibrate import MIN_RHO
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.measurement import Candidate, MarginalQuery, Measurement, SelectionQuery
from dpsynth.privacy.requests import MAX_CELLS_PER_MARGINAL, MAX_CELLS_PER_RUN
from dpsynth.schema.domain import Domain
from dpsynth.schema.zeros import Zeros
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
)
from dpsynth.synth.pgm.fit import shrinkage_for
from dpsynth.synth.pgm.junction_tree import fits, neighbours
from dpsynth.synth.structure import (
    SIZES,
    TOGETHER,
    Scope,
    check_columns,
    check_size,
    checked_workload,
    held_zeros,
)

SELECT, TABLES = "select", "tables"
MAX_ROUNDS = 1000
# Weights are whole numbers up to this one: exact scores, and no weight is off by more than 1 %.
_FINEST_WEIGHT = 100


def penalty(sigma: float, cells: int) -> float:
    """Return the expected L1 norm of noise of scale `sigma` in a table: sqrt(2/pi) sigma cells."""
    return math.sqrt(2.0 / math.pi) * sigma * cells


def check_options(
    method: str, size: object, rounds: object, workload: object
) -> tuple[tuple[str, ...], ...]:
    """Check the options that the methods share and return the workload as tuples.

    Raises:
        InputError: One of them is not as described.
    """
    check_size(method, size)
    if rounds is not None and (type(rounds) is not int or not 1 <= rounds <= MAX_ROUNDS):
        raise InputError(
            f"must be a whole number from 1 to {MAX_ROUNDS}.", where=f"{method}, rounds"
        )
    return checked_workload(method, workload)


def check_run(
    domain: Domain,
    rho: float,
    *,
    label: str | None,
    workload: Iterable[Scope],
    rounds: int,
) -> None:
    """Refuse, before any data is opened, what the rounds could not do; see ``check_domain``.

    Raises:
        InputError: The domain, the label, the workload or the price of a round cannot work.
    """
    check_domain(domain, rho, label)
    check_columns(domain, workload)
    _, select, _ = selecting_prices(rho, len(domain))
    if len(domain) > 1 and select / rounds < 2.0 * MIN_RHO:
        raise InputError(
            "is too small for that many rounds.",
            where="rho",
            fix="Ask for fewer rounds or choose a larger epsilon.",
        )


def whole_weights(weights: Mapping[Scope, float]) -> dict[Scope, int]:
    """Return positive weights as whole numbers in proportion, the largest 100, the least 1.

    The noise of the exponential mechanism grows with the largest weight, so the scale is free.
    """
    largest = max(weights.values(), default=1.0)
    return {s: max(1, round(_FINEST_WEIGHT * w / largest)) for s, w in weights.items()}


def planned_rounds(
    domain: Domain, rho: float, *, rounds: int, columns: int
) -> tuple[PlannedStage, ...]:
    """Return the stages as a plan states them: the columns and, if there are several, the rounds.

    Args:
        domain: The fine domain.
        rho: The whole price.
        rounds: How many rounds at most.
        columns: Columns of the largest table.
    """
    first, select, tables = selecting_prices(rho, len(domain))
    one_way = one_way_stage(domain, first)
    if len(domain) == 1:
        return (one_way,)
    largest = math.prod(sorted(map(bins_at_most, domain))[-columns:])
    most = min(largest, MAX_CELLS_PER_MARGINAL, MAX_CELLS_PER_RUN - one_way_cells(domain))
    return (
        one_way,
        PlannedStage(
            stage=SELECT,
            description="The table that the model of the earlier rounds fits worst, once a round.",
            queries=rounds,
            rho=select,
        ),
        PlannedStage(
            stage=TABLES,
            description="Noisy counts of the selected tables, in bins, one a round.",
            queries=rounds,
            rho=tables,
            marginals=(
                PlannedMarginal(
                    attributes=(),
                    columns=columns,
                    count=rounds,
                    cells=most,
                    at_most=True,
                    rho=tables / rounds,
                ),
            ),
        ),
    )


def forecast_rounds(
    domain: Domain, rho: float, assumption: Assumption, *, rounds: int, size: str
) -> tuple[ExpectedNoise, ...]:
    """Say how far noise alone would move the columns and the tables of about so many rounds."""
    first, _, tables = selecting_prices(rho, len(domain))
    return expected_noise(
        domain,
        assumption,
        stage=TABLES,
        one_way_rho=first,
        rho=tables,
        pairs=rounds,
        most_cells=min(SIZES[size], MAX_CELLS_PER_RUN - one_way_cells(domain)),
        shrinkage=shrinkage_for(rho),
    )


@dataclass(kw_only=True, eq=False)
class Growth:
    """A model that grows by one table a round.

    Attributes:
        method: Registered name of the method.
        curator: Who answers.
        one_ways: The noisy columns by themselves, with which it begins.
        size: Name of the largest clique, see ``structure.SIZES``.
        tables: What was measured so far.
        zeros: The structural zeros that it holds.
        model: What was fitted to all of it.
    """

    method: str
    curator: Curator
    one_ways: OneWays
    size: str
    tables: list[Measurement] = field(default_factory=list)
    zeros: tuple[Zeros, ...] = field(init=False)
    model: MarginalModel = field(init=False)

    def __post_init__(self) -> None:
        """Begin with independent columns."""
        self.zeros = held_zeros(self.one_ways, size=self.size)
        self.model = MarginalModel.from_measurements(
            self.method, self.one_ways, (), self.curator.rho, zeros=self.zeros
        )

    @classmethod
    def begun(cls, method: str, curator: Curator, *, rounds: int, size: str) -> Growth:
        """Count the columns, in bins that suit tables of about so many rounds."""
        first, _, tables = selecting_prices(curator.rho, len(curator.domain))
        one_ways = measure_one_ways(
            curator,
            min(first, curator.remaining),
            pair_rho=tables / rounds if len(curator.domain) > 1 else None,
        )
        return cls(method=method, curator=curator, one_ways=one_ways, size=size)

    def allowed(self, scopes: Iterable[Scope]) -> dict[Scope, Floats]:
        """Return the tables that may be measured now, with the counts that the model expects.

        The junction tree of all tables may have as large a share of its cells as was spent of the
        budget, so that early rounds do not use it up (AIM, section 4).
        """
        coarse = self.one_ways.coarse_domain
        sizes = [attribute.size for attribute in coarse]
        number = {name: place for place, name in enumerate(coarse.names)}
        held = [z.names for z in self.zeros] + [m.attributes for m in self.tables]
        near = neighbours(len(sizes), [[number[n] for n in names] for names in held])
        spent = 1.0 - self.curator.remaining / self.curator.rho
        most = SIZES[self.size]
        most_cells = min(MAX_CELLS_PER_MARGINAL, self.curator.cells_left)
        found = {}
        for scope in scopes:
            added = near | neighbours(len(sizes), [[number[name] for name in scope]])
            if coarse.cells(scope) <= most_cells and fits(
                added, sizes, most, spent * TOGETHER * most
            ):
                # Columns far apart in a tree of large cliques may need too large a table on the
                # way: such a pair waits until another one brings them closer.
                with suppress(InputError):
                    found[scope] = self.expected(scope)
        return found

    def is_last(self, scopes: Iterable[Scope]) -> bool:
        """Say whether after a table of these the run might have no cells left for another."""
        largest = max(map(self.one_ways.coarse_domain.cells, scopes))
        return self.curator.cells_left < 2 * largest

    def expected(self, scope: Scope) -> Floats:
        """Return the counts that the model expects in a table of bins."""
        return self.model.graph.marginal(scope) * self.one_ways.total

    def select(
        self,
        models: Mapping[Scope, Floats],
        *,
        weights: Mapping[Scope, int],
        rho: float,
        sigma: float = 0.0,
    ) -> Scope:
        """Return, noisily, the table of the largest weighted distance beyond the noise of counts.

        The score is  weight * (L1 distance of the model - expected L1 norm of the noise). A single
        table needs no selection and costs nothing.

        Args:
            models: Expected counts of the tables to choose from, at least one.
            weights: Positive whole number of each.
            rho: Price.
            sigma: Noise that a cell would be measured with, if it is to count.
        """
        scopes = list(models)
        if len(scopes) == 1:
            return scopes[0]
        candidates = tuple(
            Candidate(
                attributes=scope,
                reference=np.rint(model).astype(np.int64),
                partitions=self.one_ways.bins_of(scope),
                weight=weights[scope],
                offset=-round(weights[scope] * penalty(sigma, model.size)),
            )
            for scope, model in models.items()
        )
        query = SelectionQuery(candidates=candidates, rho=rho)
        return scopes[self.curator.select(query, stage=SELECT).index]

    def measure(self, scope: Scope, rho: float) -> Measurement:
        """Measure a table, fit the model to all tables so far, and return what was measured."""
        query = MarginalQuery(
            attributes=scope,
            rho=rho,
            partitions=self.one_ways.bins_of(scope),
        )
        self.tables += self.curator.measure([query], stage=TABLES)
        self.model = MarginalModel.from_measurements(
            self.method,
            self.one_ways,
            self.tables,
            self.curator.rho,
            zeros=self.zeros,
            before=self.model,
        )
        return self.tables[-1]
