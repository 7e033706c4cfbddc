"""Intervals cover exact counts, shares and means as often as they say, and no fault hides.

200 fits a method, each with fresh noise. Questions of one kind have independent noise, so misses of
k questions are Binomial(200 k, p) with p at most 0.05: above LIMITS[k] with probability below 1e-9.
Planted faults miss more often: noise that is taken for half as large 30 times in 100, for a third
45 times, a count that is taken for three 24 times. LIMITS[4] rejects the first and the last, and
LIMITS[1] the second, with probability above 1 - 1e-9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.results import Interval
from dpsynth.schema.domain import Attribute, Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth.fixed import NoisyMarginal, fit_marginals
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.registry import make
from dpsynth.synth.uncertainty import Where, estimate, estimate_mean

RUNS = 200
LIMITS = {k: int(binom.isf(1e-9, RUNS * k, 0.05)) for k in (1, 4)}
RHO = 0.03
DOMAIN = Domain(
    (
        Attribute(
            name="x", size=42, n_ordered=40, positions=tuple(map(float, range(40))), blank=40,
            out_of_domain=41,
        ),
        Attribute(name="a", size=4),
        Attribute(name="b", size=3),
        Attribute(name="y", size=2, n_ordered=2, positions=(0.0, 1.0)),
    )
)  # fmt: skip
METHODS = ("independent", "mst", "cliquetree", "thin", "fixed")
#: Questions whose counts come from different columns: their noise is independent.
COLUMNS: tuple[Where, ...] = (
    {"x": range(5, 15)}, {"a": (1,)}, {"b": (0, 2)}, {"y": (1,)},
)  # fmt: skip
#: Different cells of one pair, likewise.
PAIRS: tuple[Where, ...] = tuple(
    {"a": (i,), "y": (j,)} for i, j in [(0, 0), (1, 0), (1, 1), (3, 1)]
)


def table(count: int, seed: int = 0) -> np.ndarray:
    """Return rows in which y follows a closely, x follows y, and b is alone."""
    rng = np.random.default_rng(seed)
    a = rng.choice(4, count, p=[0.55, 0.28, 0.12, 0.05])
    y = np.where(rng.random(count) < 0.9, a % 2, 1 - a % 2)
    x = np.where(rng.random(count) < 0.05, 40, np.clip(np.rint(rng.gamma(2.0 + 4 * y, 3.0)), 0, 39))
    return np.array([x, a, rng.integers(0, 3, count), y], dtype=np.int32)


def fit(method: str, codes: np.ndarray, unit_rows: int = 1, rho: float = RHO) -> MarginalModel:
    with Curator(
        CodedTable.build(DOMAIN, codes),
        reservation=MemoryReservation(rho), max_rows_per_unit=unit_rows, rho=rho,
    ) as curator:  # fmt: skip
        return make(method, {}).fit(curator)  # type: ignore[return-value]


def fixed_tables(codes: np.ndarray) -> MarginalModel:
    """Columns, one of them twice, and two pairs, with noise drawn here."""
    rng = np.random.default_rng()
    tables = []
    for names, sigma in [("x", 6.0), ("a", 9.0), ("a", 5.0), ("b", 7.0), ("y", 6.0), ("ay", 5.0),
                         ("by", 8.0)]:  # fmt: skip
        shape = DOMAIN.shape(tuple(names))
        counts = np.zeros(shape, dtype=np.int64)
        np.add.at(counts, tuple(codes[DOMAIN.index(n)] for n in names), 1)
        noise = np.rint(rng.normal(0.0, sigma, shape)).astype(np.int64)
        tables.append(NoisyMarginal(attributes=tuple(names), values=counts + noise, sigma=sigma))
    return fit_marginals(DOMAIN, tables)


@cache
def models(method: str) -> tuple[np.ndarray, tuple[MarginalModel, ...]]:
    """Return a table and its fits; `thin` has so few rows that columns are counted twice."""
    codes = table(600 if method == "thin" else 3000)
    if method == "fixed":
        return codes, tuple(fixed_tables(codes) for _ in range(RUNS))
    name = "cliquetree" if method == "thin" else method
    return codes, tuple(fit(name, codes) for _ in range(RUNS))


def meeting(codes: np.ndarray, where: Where) -> np.ndarray:
    """Return which rows meet a condition."""
    met = np.ones(codes.shape[1], dtype=bool)
    for name, own in where.items():
        met &= np.isin(codes[DOMAIN.index(name)], list(own))
    return met


def misses(found: Iterable[tuple[Interval | None, float]]) -> int:
    """Return how many intervals do not hold the truth; there must be one for each."""
    return sum(
        1 for interval, truth in found
        if interval is None or not interval.low <= truth <= interval.high
    )  # fmt: skip


def counts(
    method: str, questions: tuple[Where, ...], spoil: Callable[[MarginalModel], MarginalModel]
) -> int:
    """Return the misses of counts, over the fits that measured them; most must have."""
    codes, fits = models(method)
    tables = [
        (estimate(spoil(model), where=where), float(meeting(codes, where).sum()))
        for model in fits for where in questions
    ]  # fmt: skip
    measured = [(t.cells[0].rows, truth) for t, truth in tables if t.measured]
    assert len(measured) > 0.9 * len(tables)
    return misses(measured)


def as_it_is(model: MarginalModel) -> MarginalModel:
    return model


def half_the_noise(model: MarginalModel) -> MarginalModel:
    """A planted fault: the noise is taken for half as large."""
    return _with_less_noise(model, 2.0)


def a_third_of_the_noise(model: MarginalModel) -> MarginalModel:
    """A planted fault that 200 trials see for certain."""
    return _with_less_noise(model, 3.0)


def _with_less_noise(model: MarginalModel, factor: float) -> MarginalModel:
    return replace(
        model, measurements=tuple(replace(m, sigma=m.sigma / factor) for m in model.measurements)
    )


def one_count_as_three(model: MarginalModel) -> MarginalModel:
    """A planted fault: every count is taken for three independent ones."""
    return replace(model, measurements=3 * model.measurements)


@pytest.mark.parametrize("method", METHODS)
def test_counts_of_columns(method: str) -> None:
    if method == "thin":
        assert all(
            sum(m.attributes == ("a",) for m in f.measurements) == 2 for f in models(method)[1]
        )
    assert counts(method, COLUMNS, as_it_is) <= LIMITS[4]
    assert counts(method, COLUMNS, half_the_noise) > LIMITS[4]
    if method in ("thin", "fixed"):  # where columns are counted more than once
        assert counts(method, COLUMNS, one_count_as_three) > LIMITS[4]


@pytest.mark.parametrize("method", ["mst", "cliquetree", "fixed"])
def test_counts_of_cells_of_a_pair(method: str) -> None:
    assert counts(method, PAIRS, as_it_is) <= LIMITS[4]
    assert counts(method, PAIRS, half_the_noise) > LIMITS[4]


@pytest.mark.parametrize("method", ["independent", "mst", "cliquetree", "fixed"])
@pytest.mark.parametrize("name", ["a", "y"])
def test_shares(method: str, name: str) -> None:
    """The share of a value; that of `a` among the rows with y = 1, where they were counted."""
    codes, fits = models(method)
    where: Where = {"y": (1,)} if name == "a" and method != "independent" else {}
    truth = float((codes[DOMAIN.index(name)][meeting(codes, where)] == 1).mean())

    def missed(spoil: Callable[[MarginalModel], MarginalModel]) -> int:
        tables = [estimate(spoil(model), (name,), where=where) for model in fits]
        measured = [table for table in tables if table.measured]
        assert len(measured) > 0.9 * RUNS
        cells = [next(c for c in t.cells if c.codes[0] == (1,)) for t in measured]
        return misses((cell.of_table, truth) for cell in cells)

    assert missed(as_it_is) <= LIMITS[1]
    assert missed(a_third_of_the_noise) > LIMITS[1]


@pytest.mark.parametrize("method", METHODS)
def test_means(method: str) -> None:
    codes, fits = models(method)
    truth = float(codes[0][codes[0] < 40].mean())

    def missed(spoil: Callable[[MarginalModel], MarginalModel]) -> int:
        return misses((estimate_mean(spoil(model), "x").of_table, truth) for model in fits)

    assert missed(as_it_is) <= LIMITS[1]
    assert missed(a_third_of_the_noise) > LIMITS[1]


@pytest.mark.parametrize("method", ["independent", "cliquetree"])
def test_bounds_hold_where_nothing_was_counted_together(method: str) -> None:
    """They miss at most as often as they say, and the model's own value is no truth: b x x."""
    codes, fits = models(method)
    where: Where = {"b": (1,), "x": range(5, 15)}
    truth = float(meeting(codes, where).sum())
    tables = [t for t in (estimate(m, where=where) for m in fits) if not t.measured]
    assert len(tables) > RUNS / 4
    assert misses((t.cells[0].rows, truth) for t in tables) <= LIMITS[1]


@pytest.mark.parametrize("unit_rows", [1, 5])
def test_population(unit_rows: int) -> None:
    """200 tables of 400 units each, all rows of a unit alike, little noise.

    The interval for the table alone misses the population, and so does one that takes the five rows
    of a unit for five units (38 times in 100); the interval for the population does not.
    """
    rng = np.random.default_rng(11)
    size = 200_000
    population = table(size, seed=5)
    share = float((population[3] == 1).mean())
    line = population[0][population[0] < 40]
    fits = []
    for _ in range(RUNS):
        units = population[:, rng.integers(0, size, 400)]
        fits.append(fit("independent", np.repeat(units, unit_rows, axis=1), unit_rows, rho=2.0))
    cells = [estimate(model, ("y",)).cells[1] for model in fits]
    means = [estimate_mean(model, "x") for model in fits]
    assert misses((cell.of_population, share) for cell in cells) <= LIMITS[1]
    assert misses((mean.of_population, float(line.mean())) for mean in means) <= LIMITS[1]
    assert misses((cell.of_table, share) for cell in cells) > LIMITS[1]
    assert misses((mean.of_table, float(line.mean())) for mean in means) > LIMITS[1]
    if unit_rows == 5:
        # The same counts as those of a table whose units have one row.
        alone = [
            replace(m, measurements=tuple(replace(t, rho=t.rho / 25) for t in m.measurements))
            for m in fits
        ]
        found = [estimate(model, ("y",)).cells[1].of_population for model in alone]
        assert misses((interval, share) for interval in found) > LIMITS[1]
