"""``python -m benchmarks intervals``: how often intervals hold the truth, and naive ones do not.

Adult or ACS stands for a population. Each run draws a table from it with replacement, fits it and
asks for the share of every code, for the mean of every ordered column and for the share of every
cell of the pairs that were measured, all above one row in a hundred. Beside the intervals of
dpsynth stands the naive one: that of an analysis which takes the synthetic rows for a sample.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import coded
from dpsynth.arrays import Rows
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.results import Interval
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth import registry
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.uncertainty import LEVEL, estimate, estimate_mean

_DELTA = 1e-6
_SMALLEST = 0.01  #: share of the population that a value has at least
_QUANTILE = 1.959964


@dataclass
class Tally:
    """Hits and widths of the intervals of one kind of question."""

    asked: int = 0
    table: int = 0
    population: int = 0
    naive: int = 0
    widths: list[tuple[float, float]] = field(default_factory=list)

    def add(self, of_table: bool, of_population: Interval, naive: Interval, truth: float) -> None:
        """Count one question."""
        self.asked += 1
        self.table += of_table
        self.population += of_population.low <= truth <= of_population.high
        self.naive += naive.low <= truth <= naive.high
        self.widths.append((of_population.high - of_population.low, naive.high - naive.low))


def run(
    *, data: Path, tables: Sequence[str], methods: Sequence[str], epsilons: Sequence[float],
    rows: int, runs: int,
) -> int:  # fmt: skip
    """Print one line for each kind of question; returns the exit code."""
    print("table method epsilon | questions asked | of table, of population, naive | wider by")
    for name, epsilon, method in itertools.product(tables, epsilons, methods):
        benchmark = coded.load(data, name)
        if benchmark is None:
            print(f"{name}: not here")
            continue
        population = benchmark.train.to_numpy(dtype=np.int32)
        tallies: dict[str, Tally] = defaultdict(Tally)
        for seed in range(runs):
            drawn = population[np.random.default_rng(seed).integers(0, len(population), rows)]
            _one_run(benchmark.domain, population, drawn, method, epsilon, tallies)
        for kind, tally in tallies.items():
            wider = float(np.median([own / naive for own, naive in tally.widths if naive > 0]))
            print(
                f"{name} {method} {epsilon:g} | {kind} {tally.asked} | "
                f"{tally.table / tally.asked:.3f} {tally.population / tally.asked:.3f} "
                f"{tally.naive / tally.asked:.3f} | {wider:.2f}",
                flush=True,
            )
    return 0


def _one_run(
    domain: Domain, population: Rows, drawn: Rows, method: str, epsilon: float,
    tallies: dict[str, Tally],
) -> None:  # fmt: skip
    """Fit one table and count all questions."""
    rho = rho_for(Budget(epsilon=epsilon, delta=_DELTA))
    table = CodedTable.build(domain, np.ascontiguousarray(drawn.T))
    with Curator(
        table, reservation=MemoryReservation(rho), max_rows_per_unit=1, rho=rho
    ) as curator:
        model = registry.make(method, {}).fit(curator)
    assert isinstance(model, MarginalModel)
    synthetic = model.sample(max(1, round(model.total)), seed=0)
    tables = {m.attributes for m in model.measurements if len(m.attributes) == 2}
    for names in [(n,) for n in domain.names] + sorted(tables):
        places = [domain.index(name) for name in names]
        kind = "codes" if len(names) == 1 else "cells of pairs"
        for cell in estimate(model, names).cells:
            sides = (population, drawn, synthetic)
            shares = [_share(side, places, cell.codes) for side in sides]
            if shares[0] < _SMALLEST or cell.of_table is None or cell.of_population is None:
                continue
            inside = cell.of_table.low <= shares[1] <= cell.of_table.high
            naive = _wilson(shares[2], len(synthetic))
            tallies[kind].add(inside, cell.of_population, naive, shares[0])
    for attribute, values in _lines(domain, (population, drawn, synthetic)):
        mean = estimate_mean(model, attribute)
        if mean.of_table is None or mean.of_population is None:
            continue
        truth, own, made = (float(side.mean()) for side in values)
        half = _QUANTILE * float(values[2].std()) / math.sqrt(len(values[2]))
        naive = Interval(low=made - half, high=made + half, level=LEVEL)
        inside = mean.of_table.low <= own <= mean.of_table.high
        tallies["means"].add(inside, mean.of_population, naive, truth)


def _share(side: Rows, places: Sequence[int], codes: Sequence[Sequence[int]]) -> float:
    """Return the share of rows that lie in a cell."""
    inside = np.ones(len(side), dtype=bool)
    for place, own in zip(places, codes, strict=True):
        inside &= np.isin(side[:, place], own)
    return float(inside.mean())


def _wilson(share: float, rows: int) -> Interval:
    """Return the interval of a share in a sample (Wilson 1927)."""
    weight = _QUANTILE**2 / rows
    middle = (share + weight / 2.0) / (1.0 + weight)
    half = math.sqrt(share * (1.0 - share) * weight + weight**2 / 4.0) / (1.0 + weight)
    return Interval(low=middle - half, high=middle + half, level=LEVEL)


def _lines(
    domain: Domain, sides: Sequence[Rows]
) -> Iterator[tuple[str, list[NDArray[np.float64]]]]:
    """Yield each ordered column with its values on the line in every table."""
    for place, attribute in enumerate(domain):
        if attribute.n_ordered:
            line = np.array(attribute.positions)
            yield (
                attribute.name,
                [line[s[:, place][s[:, place] < attribute.n_ordered]] for s in sides],
            )
