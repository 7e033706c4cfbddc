"""Plans and forecasts: what they promise is what runs, and they fall as budget or rows grow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.schema.domain import Attribute, Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth import registry
from dpsynth.synth.api import Assumption
from dpsynth.synth.forecast import (
    assumed_counts,
    bins_at_most,
    projected_distance,
    shrunk_distance,
)
from dpsynth.synth.numeric import project_simplex

METHODS = tuple(registry.METHODS)
WIDE = Attribute(
    name="w",
    size=302,
    n_ordered=300,
    positions=tuple(map(float, range(300))),
    blank=300,
    out_of_domain=301,
)
DOMAIN = Domain((WIDE, *Domain.from_sizes({"a": 4, "b": 3, "c": 9, "d": 2})))


def assume(rows: int, max_rows: int = 1) -> Assumption:
    return Assumption(rows=rows, max_rows=max_rows, bins={})


@pytest.mark.parametrize("method", METHODS)
def test_the_planned_noise_of_columns_is_the_noise_that_is_drawn(method: str) -> None:
    rng = np.random.default_rng(0)
    codes = np.array([rng.integers(0, a.size, 600) for a in DOMAIN], dtype=np.int32)
    table = CodedTable.build(DOMAIN, codes)
    with Curator(
        table, reservation=MemoryReservation(0.5), max_rows_per_unit=2, rho=0.5
    ) as curator:
        registry.make(method, registry.find(method).quick).fit(curator)
    plan = registry.make(method, {}).plan(DOMAIN, 0.5)
    drawn = [event for _, event in curator.events if event.stage == plan[0].stage]
    assert [(m.attributes, m.cells) for m in plan[0].marginals] == [
        (e.attributes, e.cells) for e in drawn
    ]
    for planned, event in zip(plan[0].marginals, drawn, strict=True):
        assert planned.sigma(2) == pytest.approx(event.sigma, rel=1e-9)
        assert planned.rho == pytest.approx(event.rho, rel=1e-9)
    for stage in plan:
        if stage.marginals:
            assert sum(m.count for m in stage.marginals) == stage.queries
            assert sum(m.count * m.rho for m in stage.marginals) == pytest.approx(stage.rho)
    if method == "mst":
        bound = plan[-1].marginals[0]
        pairs = [event for _, event in curator.events if event.stage == "pairs"]
        assert bound.at_most and all(event.cells <= bound.cells for event in pairs)
        assert np.mean([1 / e.sigma**2 for e in pairs]) == pytest.approx(
            1 / bound.sigma(2) ** 2, rel=1e-6
        ), "the planned price of a pair is the mean of theirs"


def test_no_coarsening_makes_more_bins_than_are_planned_for() -> None:
    from dpsynth.synth.estimate import Estimate
    from dpsynth.synth.numeric import MAX_BINS, coarsen

    rng = np.random.default_rng(1)
    for counts in (
        np.full(302, 1e6),
        rng.exponential(1e5, 302),
        np.where(np.arange(302) % 9, 0, 1e6),
    ):
        estimate = Estimate(
            values=counts,
            blocks=np.arange(302),
            cell_variance=1.0,
            block_variance=np.ones(302),
        )
        made = int(coarsen(WIDE, estimate, counts.sum(), MAX_BINS).max()) + 1
        assert made <= bins_at_most(WIDE)


def test_the_closed_form_of_projected_noise_agrees_with_drawing_it() -> None:
    rng = np.random.default_rng(2)
    for counts, sigma in (
        (np.full(10, 100.0), 10.0),
        (np.array([300.0, 100.0]), 20.0),
        (1000 * np.arange(1, 31) ** -1.5, 30.0),
        (np.array([900.0, *np.zeros(40)]), 25.0),
    ):
        total = counts.sum()
        drawn = [
            np.abs(
                project_simplex(counts + sigma * rng.standard_normal(counts.size), total) - counts
            ).sum()
            / (2 * total)
            for _ in range(2000)
        ]
        expected = projected_distance(counts, np.full(counts.size, sigma**2))
        assert expected == pytest.approx(np.mean(drawn), rel=0.1)


def test_shrunk_noise_lies_between_what_the_prior_costs_and_plain_noise() -> None:
    counts = np.full(20, 50.0)
    plain = math.sqrt(2 / math.pi) * 5.0 / (2 * 50)
    assert shrunk_distance(counts, 25.0, 1e-9) == pytest.approx(plain, rel=1e-6)
    assert shrunk_distance(counts, 25.0, 1e9) == pytest.approx(0.375, rel=1e-3)


def test_blank_and_undeclared_cells_are_supposed_empty() -> None:
    counts = assumed_counts(WIDE, 1000.0)
    assert counts.sum() == pytest.approx(1000.0) and (np.diff(counts[:300]) < 0).all()
    assert counts[300] == counts[301] == 0.0
    only = Attribute(name="o", size=1, out_of_domain=0)
    assert assumed_counts(only, 5.0).tolist() == [5.0]


@pytest.mark.parametrize("method", METHODS)
def test_the_forecast_of_columns_falls_with_budget_and_rows(method: str) -> None:
    synthesizer = registry.make(method, {})
    by_rho = [
        synthesizer.forecast(DOMAIN, rho, assume(3000))[0] for rho in np.geomspace(1e-5, 10, 60)
    ]
    by_rows = [
        synthesizer.forecast(DOMAIN, 0.02, assume(int(rows)))[0]
        for rows in np.geomspace(10, 1e7, 60)
    ]
    by_unit = [synthesizer.forecast(DOMAIN, 0.02, assume(3000, c))[0] for c in range(40, 0, -1)]
    for series in (by_rho, by_rows, by_unit):
        distances = [entry.distance for entry in series]
        assert all(b <= a + 1e-12 for a, b in zip(distances, distances[1:], strict=False))
        assert all(entry.distance <= entry.ceiling * (1 + 1e-9) for entry in series)
        assert distances[-1] < 0.2 * distances[0]


def test_the_forecast_of_pairs_falls_over_decades() -> None:
    synthesizer = registry.make("mst", {})
    for series in (
        [synthesizer.forecast(DOMAIN, 0.02, assume(10**k)) for k in (4, 5, 6, 7)],
        [synthesizer.forecast(DOMAIN, rho, assume(10**5)) for rho in (1e-3, 1e-2, 1e-1, 1)],
    ):
        distances = [entries[1].distance for entries in series]
        assert distances == sorted(distances, reverse=True)
        assert [entries[1].columns for entries in series] == [2, 2, 2, 2]


@pytest.mark.parametrize("rows", [1, 2, 10**9])
@pytest.mark.parametrize("sizes", [{"a": 1}, {"a": 1, "b": 1}, {"a": 3, "b": 40_000}])
@pytest.mark.parametrize("method", METHODS)
def test_degenerate_domains_have_a_forecast(method: str, sizes: dict[str, int], rows: int) -> None:
    domain = Domain.from_sizes(sizes, ordered=["b"] if "b" in sizes else [])
    for entry in registry.make(method, {}).forecast(domain, 1e-4, assume(rows)):
        assert 0.0 <= entry.distance <= 1.0 and 0.0 <= entry.ceiling <= 1.0
