"""Which tables to measure: a greedy choice by noisy scores, price and the size of the model.

A table is worth measuring where its distance from the present model, in rows, is larger than the
noise that measuring it adds. With the whole price shared in proportion to cells^(2/3), k tables of
c_1 ... c_k cells get noise of  unit_rows * (sum of c_i^(2/3))^(3/2) / sqrt(pi rho)  rows together
(the mean absolute value of the noise, summed over all cells). So the choice is the set that gains
most distance less that noise: tables are taken in the order of distance per cells^(2/3) until the
next one adds more noise than distance. After the rule of SWIFT in google/dpsynth, restated for
noisy scores. Everything here is a function of noisy values and of the public domain.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Floats
from dpsynth.errors import InputError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.measurement import Candidate, MarginalQuery, Measurement
from dpsynth.privacy.requests import MAX_CELLS_PER_MARGINAL
from dpsynth.schema.domain import Domain
from dpsynth.schema.zeros import Zeros
from dpsynth.synth.oneway import OneWays
from dpsynth.synth.pgm.junction_tree import fits, neighbours
from dpsynth.synth.zeros import held

Scope = tuple[str, ...]

#: Cells of the largest clique, by name. All cliques together may have TOGETHER times as many.
SIZES = {"fast": 10_000, "default": 100_000, "large": 1_000_000}
TOGETHER = 20
#: What a table with the label counts: it decides what a classifier can learn.
LABEL_WEIGHT = 2

# What consistency between tables removes of the noise: 0.3 to 0.8 chose equally well on two tables.
_NOISE_LEFT = 0.6


def check_size(method: str, size: object) -> None:
    """Raise InputError unless a size is one of :data:`SIZES`."""
    if not isinstance(size, str) or size not in SIZES:
        raise InputError(f"must be one of: {', '.join(SIZES)}.", where=f"{method}, size")


def checked_workload(method: str, workload: object) -> tuple[Scope, ...]:
    """Return the sets of columns that matter most as tuples.

    Raises:
        InputError: It is no list of lists of two or more different columns.
    """
    sets = workload if isinstance(workload, list | tuple) else ("not a list",)
    for names in sets:
        if (
            not isinstance(names, list | tuple)
            or not all(isinstance(name, str) for name in names)
            or len(set(names)) < max(2, len(names))
        ):
            raise InputError(
                "must be a list of lists of two or more columns.", where=f"{method}, workload"
            )
    return tuple(tuple(names) for names in sets)


def check_columns(domain: Domain, workload: Iterable[Scope]) -> None:
    """Raise InputError unless every column of a workload is modelled."""
    for name in itertools.chain.from_iterable(workload):
        if name not in domain.names:
            raise InputError("is not a modelled column.", where=f"workload, {name}")


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A table that could be measured.

    Attributes:
        attributes: Its columns.
        cells: Number of cells.
        gain: Noisy estimate of its distance from the model in L1, in rows; may be negative.
        weight: How much a row of that distance counts.
    """

    attributes: Scope
    cells: int
    gain: float
    weight: float = 1.0

    @property
    def cost(self) -> float:
        """Share of the price that it asks for."""
        return float((self.weight * self.cells) ** (2.0 / 3.0))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How large the model may become.

    Attributes:
        clique: Cells of the largest clique; None for a model without cliques.
        together: Cells of all cliques.
        measured: Cells of all measured tables.
    """

    clique: int | None
    together: int
    measured: int

    def hold(self, near: NDArray[np.bool_], sizes: Sequence[int]) -> bool:
        """Return whether a junction tree over these neighbours is small enough."""
        return self.clique is None or fits(near, sizes, self.clique, self.together)


def held_zeros(
    one_ways: OneWays, scopes: Iterable[Scope] = (), *, size: str = "default"
) -> tuple[Zeros, ...]:
    """Return the structural zeros that a model of some tables can hold, see ``zeros.held``."""
    most = SIZES[size]
    return held(
        one_ways.domain, one_ways.coarse_domain, scopes, most=most, together=TOGETHER * most
    )


def score(
    curator: Curator,
    one_ways: OneWays,
    scopes: Sequence[Scope],
    models: Sequence[Floats],
    *,
    rho: float,
    stage: str,
) -> tuple[Floats, float]:
    """Return noisy L1 distances of tables of bins from models of them, and the noise of each.

    Args:
        curator: Who answers.
        one_ways: The bins.
        scopes: Columns of each table.
        models: Expected counts of each.
        rho: Price of all scores together.
        stage: Label for the ledger.
    """
    candidates = [
        Candidate(
            attributes=scope,
            reference=np.rint(model).astype(np.int64),
            partitions=one_ways.bins_of(scope),
        )
        for scope, model in zip(scopes, models, strict=True)
    ]
    found = curator.score(candidates, rho=rho, stage=stage)
    return found.values.astype(np.float64), found.sigma


def measure(
    curator: Curator, one_ways: OneWays, chosen: Sequence[Scored], *, rho: float, stage: str
) -> list[Measurement]:
    """Measure tables in bins, the price shared by their cost."""
    total = sum(table.cost for table in chosen)
    queries = [
        MarginalQuery(
            attributes=table.attributes,
            rho=rho * table.cost / total,
            partitions=one_ways.bins_of(table.attributes),
        )
        for table in chosen
    ]
    return curator.measure(queries, stage=stage)


def chance(model: Floats) -> float:
    """Return the distance that counts of a table have from its model by chance alone, in rows.

    Counts of truly independent columns differ from the product m by about sqrt(2 m / pi) a cell
    (mean deviation of a Poisson count; 2 m where m is below 1), which large tables add up to more
    than the dependence of small ones.
    """
    return float(np.minimum(2.0 * model, np.sqrt(2.0 * np.maximum(model, 0.0) / math.pi)).sum())


def noise(tables: Sequence[Scored], *, rho: float, unit_rows: int) -> float:
    """Return the noise, in rows, that measuring tables together at a price leaves in them."""
    return _noise(sum(table.cost for table in tables), rho, unit_rows)


def _noise(cost: float, rho: float, unit_rows: int) -> float:
    return float(_NOISE_LEFT * unit_rows * cost**1.5 / math.sqrt(math.pi * rho))


def choose(
    domain: Domain,
    tables: Sequence[Scored],
    *,
    given: Collection[Scope] = (),
    zeros: Sequence[Scope] = (),
    rho: float,
    unit_rows: int,
    limits: Limits,
) -> list[Scored]:
    """Return the tables to measure, see above.

    Args:
        domain: The domain of the bins.
        tables: What could be measured.
        given: Tables among them that are taken first, as far as the model can hold them, whatever
            their gain.
        zeros: Columns of structural zeros that the model holds besides.
        rho: Price of all tables together.
        unit_rows: Rows of one unit at most.
        limits: How large the model may become.
    """
    sizes = [attribute.size for attribute in domain]
    near = neighbours(len(sizes), [[domain.index(name) for name in scope] for scope in zeros])
    chosen: list[Scored] = []
    cost, cells = 0.0, 0
    first = [table for table in tables if table.attributes in given]
    rest = [t for t in tables if t.attributes not in given and t.gain > 0]
    rest.sort(key=lambda table: -table.weight * table.gain / table.cost)
    for table in itertools.chain(first, rest):
        more = _noise(cost + table.cost, rho, unit_rows) - _noise(cost, rho, unit_rows)
        if table.attributes not in given and table.weight * table.gain <= more:
            break
        if cells + table.cells > limits.measured:
            continue
        places = [domain.index(name) for name in table.attributes]
        added = near.copy()
        added[np.ix_(places, places)] = ~np.eye(len(places), dtype=np.bool_)
        if not limits.hold(added, sizes):
            continue
        near = added
        chosen.append(table)
        cost += table.cost
        cells += table.cells
    return chosen


def small_enough(domain: Domain, scopes: Sequence[Scope]) -> list[Scope]:
    """Return the tables that a Curator counts."""
    return [scope for scope in scopes if domain.cells(scope) <= MAX_CELLS_PER_MARGINAL]
