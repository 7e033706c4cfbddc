"""MWEM+PGM: its rounds, what they pay, and how it obeys its options."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from method_runs import DOMAIN, measured, rows, run, spent

from dpsynth.errors import InputError
from dpsynth.privacy.curator import Curator
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Assumption
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.mwem import MwemSynthesizer
from dpsynth.synth.rounds import MAX_ROUNDS
from dpsynth.synth.structure import SIZES


def fitted(
    codes: np.ndarray, rho: float, domain: Domain = DOMAIN, unit_rows: int = 1, **options: Any
) -> tuple[MarginalModel, Curator]:
    return run(MwemSynthesizer(**options), codes, rho, domain, unit_rows)


@pytest.mark.parametrize("rounds", [None, 1, 3])
def test_the_rounds_share_the_whole_budget_equally(rounds: int | None) -> None:
    model, curator = fitted(rows(20_000, joint=False), 0.02, rounds=rounds)
    assert 0.02 * (1 - 1e-6) <= spent(curator) <= 0.02
    tables = [e for _, e in curator.events if e.stage == "tables"]
    selected = [e for _, e in curator.events if e.stage == "select"]
    assert len(tables) == len(selected) == (rounds or 2 * len(DOMAIN))
    assert np.ptp([event.rho for event in tables]) <= 1e-9 * tables[0].rho
    assert np.ptp([event.rho for event in selected]) <= 1e-9 * selected[0].rho
    assert {frozenset("ab"), frozenset("bc"), frozenset("ay")} & set(measured(model))


def test_the_worst_pairs_are_measured_first_and_reproduced() -> None:
    model, _ = fitted(rows(20_000, joint=False), 0.5, rounds=3)
    assert set(measured(model)) == {frozenset("ab"), frozenset("bc"), frozenset("ay")}
    a, _, c, *_ = rows(20_000, joint=False)
    exact = np.bincount(4 * a + c, minlength=16).reshape(4, 4)
    distance = np.abs(model.marginal(("a", "c")) - exact).sum() / (2 * exact.sum())
    assert distance < 0.015, "a and c were never counted together: the chain says it"


def test_only_tables_of_the_workload_are_measured() -> None:
    model, curator = fitted(rows(20_000, joint=False), 0.02, workload=[["c", "d"], ["y", "b", "d"]])
    assert set(measured(model)) <= {frozenset("cd"), frozenset("bdy")}
    assert frozenset("bdy") in measured(model)
    assert 0.02 * (1 - 1e-6) <= spent(curator) <= 0.02


def test_a_set_that_is_too_large_stands_for_its_pairs() -> None:
    domain = Domain.from_sizes(dict.fromkeys("abcd", 25))
    codes = np.random.default_rng(0).integers(0, 25, (4, 20_000)).astype(np.int32)
    codes[1:] = codes[0]
    model, _ = fitted(codes, 0.5, domain, size="fast", workload=[["a", "b", "c"], ["c", "d"]])
    allowed = {frozenset("ab"), frozenset("ac"), frozenset("bc"), frozenset("cd")}
    assert 25**3 > SIZES["fast"]
    assert len(set(measured(model))) >= 3 and set(measured(model)) <= allowed


def test_pairs_with_the_label_count_double() -> None:
    weights = MwemSynthesizer(label="y")._tables(DOMAIN)
    assert len(weights) == math.comb(5, 2)
    assert all(weight == (2.0 if "y" in pair else 1.0) for pair, weight in weights.items())
    assert set(MwemSynthesizer()._tables(DOMAIN).values()) == {1.0}


def test_the_tree_keeps_to_its_size() -> None:
    rng = np.random.default_rng(3)
    domain = Domain.from_sizes({f"c{i}": 16 for i in range(8)})
    hidden = rng.integers(0, 16, 30_000)
    noise = rng.integers(0, 16, (8, 30_000))
    codes = np.where(rng.random((8, 30_000)) < 0.6, hidden, noise).astype(np.int32)
    model, _ = fitted(codes, 0.5, domain, size="fast")
    assert 16**2 < max(belief.size for belief in model.graph.beliefs) <= SIZES["fast"]


def test_a_run_out_of_cells_ends_early_and_spends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    one_way_cells = sum(a.size for a in DOMAIN)
    monkeypatch.setattr("dpsynth.privacy.curator.MAX_CELLS_PER_RUN", one_way_cells + 40)
    model, curator = fitted(rows(20_000, joint=False), 0.5)
    assert 1 <= len(measured(model)) <= 4
    assert spent(curator) >= 0.5 * (1 - 1e-6)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_almost_no_rows_give_a_sane_model(count: int) -> None:
    model, curator = fitted(rows(100, joint=False)[:, :count], 0.02, unit_rows=2, label="y")
    sample = model.sample(50, seed=1)
    assert sample.shape == (50, 5)
    assert model.total >= 1
    assert all(check.passed for check in model.self_test(sample, seed=2))
    assert 0.02 * (1 - 1e-6) <= spent(curator) <= 0.02


def test_one_column_and_a_column_of_one_value() -> None:
    model, curator = fitted(rows(500, joint=False)[:1], 0.02, Domain.from_sizes({"a": 4}))
    assert len(curator.events) == 1
    assert model.sample(10, seed=0).shape == (10, 1)
    constant = Domain.from_sizes({"a": 4, "k": 1})
    model, _ = fitted(np.array([rows(500)[0], np.zeros(500, dtype=np.int32)]), 0.02, constant)
    assert set(model.sample(10, seed=0)[:, 1]) == {0}


def test_a_plan_names_what_runs_and_bounds_it() -> None:
    synthesizer = MwemSynthesizer(rounds=4)
    plan = {stage.stage: stage for stage in synthesizer.plan(DOMAIN, 0.1)}
    _, curator = fitted(rows(5000, joint=False), 0.1, rounds=4)
    assert {event.stage for _, event in curator.events} == set(plan)
    for name in ("select", "tables"):
        price = sum(event.rho for _, event in curator.events if event.stage == name)
        assert price == pytest.approx(plan[name].rho, rel=1e-6)
        assert plan[name].queries == 4
    assumption = Assumption(rows=5000, max_rows=1, bins={})
    forecast = synthesizer.forecast(DOMAIN, 0.1, assumption)
    assert [(e.stage, e.marginals) for e in forecast] == [("one-way", 5), ("tables", 4)]


def test_what_cannot_work_is_refused_before_data_is_opened() -> None:
    with pytest.raises(InputError, match="not a modelled column"):
        MwemSynthesizer(workload=(("a", "z"),)).plan(DOMAIN, 0.1)
    with pytest.raises(InputError, match="too small for that many rounds"):
        MwemSynthesizer(rounds=MAX_ROUNDS).plan(DOMAIN.project("ab"), 2.5e-8)


@pytest.mark.parametrize(
    "options",
    [{"size": "huge"}, {"size": None}, {"rounds": 0}, {"rounds": True}, {"rounds": 2.0},
     {"rounds": MAX_ROUNDS + 1}, {"workload": "ab"}, {"workload": [["a"]]},
     {"workload": [["a", 3]]}, {"workload": [["a", "a"]]}, {"workload": [3]}],
    ids=str,
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="mwem"):
        MwemSynthesizer(**options)
