"""AIM: what it finds, what it pays, how its rounds become dearer, and how it obeys its options."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from method_runs import DOMAIN, measured, rows, run, spent

from dpsynth.errors import InputError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import GaussianEvent, SelectionEvent
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth.aim import AimSynthesizer, learnt_little, workload_weights
from dpsynth.synth.api import Assumption
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.oneway import measure_one_ways
from dpsynth.synth.rounds import MAX_ROUNDS, Growth, penalty, whole_weights
from dpsynth.synth.structure import SIZES


def hub(columns: int, count: int = 30_000) -> tuple[Domain, np.ndarray]:
    """Return columns of 16 codes that all depend on one that nobody sees."""
    rng = np.random.default_rng(3)
    hidden = rng.integers(0, 16, count)
    noise = rng.integers(0, 16, (columns, count))
    codes = np.where(rng.random((columns, count)) < 0.6, hidden, noise).astype(np.int32)
    return Domain.from_sizes({f"c{i}": 16 for i in range(columns)}), codes


def fitted(
    codes: np.ndarray, rho: float, domain: Domain = DOMAIN, unit_rows: int = 1, **options: Any
) -> tuple[MarginalModel, Curator]:
    return run(AimSynthesizer(**options), codes, rho, domain, unit_rows)


@pytest.mark.parametrize("rounds", [None, 1, 7])
def test_strong_pairs_are_measured_and_the_whole_budget_is_spent(rounds: int | None) -> None:
    model, curator = fitted(rows(20_000), 0.02, rounds=rounds)
    assert {frozenset("ab"), frozenset("bc")} & set(measured(model))
    assert 0.02 * (1 - 1e-6) <= spent(curator) <= 0.02
    tables = [e for _, e in curator.events if e.stage == "tables"]
    selected = [e for _, e in curator.events if e.stage == "select"]
    assert all(isinstance(event, GaussianEvent) for event in tables)
    assert all(isinstance(event, SelectionEvent) for event in selected)
    assert len(selected) == len(tables)
    if rounds is None:
        assert {frozenset("ab"), frozenset("bc")} <= set(measured(model))
        assert 2 <= len(tables) < 8 * len(DOMAIN), "of 16 a column that the first price allows"
    else:
        assert len(tables) == rounds
        assert np.ptp([event.rho for event in tables]) <= 1e-9 * tables[0].rho


def test_what_was_measured_is_reproduced() -> None:
    model, _ = fitted(rows(20_000), 0.5)
    a, b, *_ = rows(20_000)
    exact = np.bincount(4 * a + b, minlength=16).reshape(4, 4)
    assert np.abs(model.marginal(("a", "b")) - exact).sum() / (2 * exact.sum()) < 0.01


def test_rounds_become_dearer_by_halves_of_the_noise() -> None:
    _, curator = fitted(rows(20_000), 0.02)
    sigmas = [e.sigma for _, e in curator.events if e.stage == "tables"]
    ratios = [before / after for before, after in itertools.pairwise(sigmas[:-1])]
    assert all(math.isclose(r, 1.0, rel_tol=1e-6) or math.isclose(r, 2.0, rel_tol=1e-6)
               for r in ratios)  # fmt: skip
    assert max(sigmas) > 1.9 * min(sigmas), "eighty planned rounds, ten pairs: some teach little"
    assert sigmas[-1] <= sigmas[-2] * (1 + 1e-9), "the last round takes all that remains"


def test_little_was_learnt_where_noise_alone_would_move_as_much() -> None:
    before = np.full((5, 4), 100.0)
    expected = penalty(3.0, 20)
    assert expected == pytest.approx(math.sqrt(2 / math.pi) * 3.0 * 20)
    assert learnt_little(before, before, 3.0)
    assert learnt_little(before, before + 0.99 * expected / 20, 3.0)
    assert not learnt_little(before, before + 1.01 * expected / 20, 3.0)
    assert not learnt_little(before, before - 1.01 * expected / 20, 3.0)


def test_a_table_counts_by_the_columns_that_it_shares_with_the_workload() -> None:
    weights = workload_weights(DOMAIN, (("b", "a", "c"), ("a", "d")), 2, None)
    assert weights == {("a", "b"): 3, ("a", "c"): 3, ("b", "c"): 2, ("a", "d"): 3}
    deeper = workload_weights(DOMAIN, (("b", "a", "c"), ("a", "d")), 3, "d")
    assert deeper == {
        ("a", "b"): 4, ("a", "c"): 4, ("b", "c"): 2, ("a", "d"): 5, ("a", "b", "c"): 5,
    }  # fmt: skip
    everything = workload_weights(DOMAIN, (), 3, None)
    assert len(everything) == math.comb(5, 2) + math.comb(5, 3)
    assert {len(s): w for s, w in everything.items()} == {2: 12, 3: 18}
    assert whole_weights(everything) == {s: 67 if len(s) == 2 else 100 for s in everything}
    assert whole_weights({("a", "b"): 1e-9, ("a", "c"): 7.0}) == {("a", "b"): 1, ("a", "c"): 100}


def test_only_tables_of_the_workload_are_measured() -> None:
    model, curator = fitted(rows(20_000), 0.02, workload=[["c", "d", "y"]])
    found = set(measured(model))
    assert found and found <= {frozenset("cd"), frozenset("cy"), frozenset("dy")}
    assert spent(curator) >= 0.02 * (1 - 1e-6)


def test_triples_are_measured_where_no_pair_shows_the_relation() -> None:
    model, _ = fitted(rows(20_000), 2.0, degree=3)
    assert any(frozenset("aby") <= s for s in measured(model))
    assert max(map(len, measured(model))) == 3
    exact = np.zeros((4, 4, 2))
    a, b, _, _, y = rows(20_000)
    np.add.at(exact, (a, b, y), 1)
    assert np.abs(model.marginal(("a", "b", "y")) - exact).sum() / (2 * exact.sum()) < 0.02
    pairs, _ = fitted(rows(20_000), 2.0)
    assert max(map(len, measured(pairs))) == 2


def test_the_tree_keeps_to_its_size() -> None:
    domain, codes = hub(7)
    largest = {}
    for size in ("fast", "default"):
        model, _ = fitted(codes, 0.5, domain, size=size, rounds=20)
        largest[size] = max(belief.size for belief in model.graph.beliefs)
        assert largest[size] <= SIZES[size]
    assert largest["default"] > SIZES["fast"]


def test_the_tree_may_grow_as_the_budget_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpsynth.synth.rounds.TOGETHER", 1)
    monkeypatch.setitem(SIZES, "fast", 400)
    domain, codes = hub(4)
    table, pair = CodedTable.build(domain, codes), ("c0", "c1")
    with Curator(
        table, reservation=MemoryReservation(1.0), max_rows_per_unit=1, rho=1.0
    ) as curator:
        one_ways = measure_one_ways(curator, 0.5)
        growth = Growth(method="aim", curator=curator, one_ways=one_ways, size="fast")
        assert pair not in growth.allowed([pair]), "304 cells, of which half of 400 are open"
        measure_one_ways(curator, 0.4)
        [(_, model)] = growth.allowed([pair]).items()
    assert model.shape == (16, 16)
    assert model.sum() == pytest.approx(one_ways.total)


def test_a_table_too_dear_to_compare_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    domain, codes = hub(4)
    table = CodedTable.build(domain, codes)
    with Curator(
        table, reservation=MemoryReservation(1.0), max_rows_per_unit=1, rho=1.0
    ) as curator:
        growth = Growth(
            method="aim", curator=curator, one_ways=measure_one_ways(curator, 0.5), size="fast"
        )
        growth.measure(("c0", "c1"), 0.1)
        growth.measure(("c1", "c2"), 0.1)
        monkeypatch.setattr("dpsynth.synth.pgm.model.MAX_TABLE_CELLS", 255)
        assert list(growth.allowed([("c0", "c1"), ("c0", "c2")])) == [("c0", "c1")]


def test_a_single_table_needs_no_selection() -> None:
    model, curator = fitted(rows(500)[:2], 0.02, Domain.from_sizes({"a": 4, "b": 4}))
    assert set(measured(model)) == {frozenset("ab")}
    assert {event.stage for _, event in curator.events} == {"one-way", "tables"}
    assert spent(curator) >= 0.02 * (1 - 1e-6)


@pytest.mark.parametrize("options", [{}, {"degree": 3}, {"rounds": 3}], ids=str)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_almost_no_rows_give_a_sane_model(count: int, options: dict[str, Any]) -> None:
    model, curator = fitted(rows(100)[:, :count], 0.02, unit_rows=2, label="y", **options)
    sample = model.sample(50, seed=1)
    assert sample.shape == (50, 5)
    assert model.total >= 1
    assert all(check.passed for check in model.self_test(sample, seed=2))
    assert 0.02 * (1 - 1e-6) <= spent(curator) <= 0.02


def test_one_column_and_a_column_of_one_value() -> None:
    single = Domain.from_sizes({"a": 4})
    model, curator = fitted(rows(500)[:1], 0.02, single, degree=3)
    assert len(curator.events) == 1
    assert model.sample(10, seed=0).shape == (10, 1)
    constant = Domain.from_sizes({"a": 4, "k": 1})
    model, _ = fitted(np.array([rows(500)[0], np.zeros(500, dtype=np.int32)]), 0.02, constant)
    assert set(model.sample(10, seed=0)[:, 1]) == {0}


def test_a_plan_names_what_runs_and_bounds_it() -> None:
    synthesizer = AimSynthesizer(label="y", degree=3)
    plan = {stage.stage: stage for stage in synthesizer.plan(DOMAIN, 0.1)}
    model, curator = fitted(rows(5000), 0.1, label="y", degree=3)
    assert list(plan) == ["one-way", "select", "tables"]
    for name, stage in plan.items():
        events = [event for _, event in curator.events if event.stage == name]
        assert 0 < len(events) <= stage.queries
    [bound] = plan["tables"].marginals
    assert bound.columns == 3 and bound.cells == 4 * 4 * 4
    assert all(m.values.size <= bound.cells for m in model.measurements)
    assumption = Assumption(rows=5000, max_rows=1, bins={})
    assert [e.stage for e in synthesizer.forecast(DOMAIN, 0.1, assumption)] == ["one-way", "tables"]


def test_what_cannot_work_is_refused_before_data_is_opened() -> None:
    asked = AimSynthesizer(workload=(("a", "z"),))
    with pytest.raises(InputError, match="not a modelled column"):
        asked.plan(DOMAIN, 0.1)
    with pytest.raises(InputError, match="too small for that many rounds"):
        AimSynthesizer(rounds=MAX_ROUNDS).plan(DOMAIN.project("ab"), 2.5e-8)
    assert AimSynthesizer(rounds=5).plan(DOMAIN.project("ab"), 2.5e-8)[-1].queries == 5


@pytest.mark.parametrize(
    "options",
    [{"size": "huge"}, {"size": 3}, {"rounds": 0}, {"rounds": True}, {"rounds": 2.0},
     {"rounds": MAX_ROUNDS + 1}, {"degree": 1}, {"degree": 4}, {"degree": 2.0}, {"degree": "2"},
     {"workload": "ab"}, {"workload": 7}, {"workload": [["a"]]}, {"workload": [["a", 3]]},
     {"workload": [["a", "a"]]}, {"workload": [["a", "b", "a"]]}, {"workload": [3]}],
    ids=str,
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="aim"):
        AimSynthesizer(**options)
