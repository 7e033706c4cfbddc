"""The procedure of an audit, on scores that are drawn in place of fits; all seeds are fixed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dpsynth.auditing import MethodAudit, Plan, Setup, Verdict, View, suite
from dpsynth.auditing.bound import ERROR, choose_threshold, count_hits
from dpsynth.auditing.claim import TradeOff, claimed_mu
from dpsynth.auditing.judge import SAMPLES, judge
from dpsynth.auditing.runs import Scores
from dpsynth.auditing.suite import audit, audit_method
from dpsynth.errors import InputError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.cross_check import rho_for
from dpsynth.synth.registry import METHODS, make

BUDGET = Budget(epsilon=1.0, delta=1e-2)
RHO = rho_for(BUDGET)
MU = claimed_mu(RHO, 0.0)
Drawer = Callable[..., Scores]


def tight(seed: int, fault: float = 1.0, leak: float = 0.0) -> Drawer:
    """Return a `draw` of what Gaussian answers at the price that is spent would score.

    Args:
        seed: Seed of the scores.
        fault: By what the scale of the noise is overstated.
        leak: What is told on top, whatever is spent.
    """
    rng = np.random.default_rng(seed)

    def draw(what: Setup, runs: int, **_: object) -> Scores:
        units = what.worlds.tables[1].n_units - what.worlds.tables[0].n_units
        mu = fault * units * math.sqrt(2.0 * what.rho) + leak
        without, with_unit = rng.normal(0.0, 1.0, (2, runs)) + np.array([[0.0], [mu]])
        return Scores(without=without, with_unit=with_unit, selections=0.0)

    return draw


def audited(
    monkeypatch: pytest.MonkeyPatch, draw: Drawer, runs: int = 2000, *, self_check: bool = False
) -> MethodAudit:
    monkeypatch.setattr(suite, "draw", draw)
    plan = Plan(budget=BUDGET, runs=runs, columns=1, seed=1, self_check=self_check)
    return audit_method(plan, "independent", make("independent", {}))


def test_a_sound_method_is_consistent_and_its_control_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for seed in range(8):
        result = audited(monkeypatch, tight(seed))
        assert result.verdict is Verdict.CONSISTENT
        (control,) = result.controls
        assert control.name == "noise" and control.passed
        assert "1/2" in control.title, "2,000 runs see noise at half its scale"
        assert result.limit is not None and 1.2 < result.limit.sigma < 1.7
        assert result.limit.epsilon > result.limit.sigma
        assert 0.0 < result.epsilon_bound < BUDGET.epsilon
        rate = result.finding.hits.hits / result.finding.hits.runs
        assert rate < result.certified_hit_rate


def test_half_the_noise_is_rejected_and_needs_no_control(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(8):
        result = audited(monkeypatch, tight(seed, fault=2.0), runs=1000)
        assert result.verdict is Verdict.REJECTED and not result.controls
        assert result.finding.samples == SAMPLES
        assert result.finding.hits.mu_bound() > MU


def test_few_runs_plant_a_fault_that_they_can_see(monkeypatch: pytest.MonkeyPatch) -> None:
    result = audited(monkeypatch, tight(1), runs=300)
    assert "1/4" in result.controls[0].title and result.controls[0].passed


def test_a_control_that_is_not_caught_makes_the_audit_inconclusive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = audited(monkeypatch, tight(2, fault=1e-3), runs=500)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "control" in result.reason and result.limit is None


def test_a_claim_that_no_runs_can_test_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """At epsilon 100 both worlds are apart for certain, whatever else is planted."""
    monkeypatch.setattr(suite, "draw", tight(8))
    plan = Plan(budget=Budget(epsilon=100.0, delta=1e-2), runs=500, columns=1, seed=1)
    result = audit_method(plan, "independent", make("independent", {}))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.finding.hits.hits == result.finding.hits.runs
    json.dumps(result.to_json(), allow_nan=False)


def test_a_difference_between_equal_tables_makes_the_audit_inconclusive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then the audit itself is at fault: here world 1 scores higher without a unit."""
    honest = tight(3)

    def broken(what: Setup, runs: int, **_: object) -> Scores:
        if what.worlds.tables[0].n_units < what.worlds.tables[1].n_units:
            return honest(what, runs)
        return tight(4, leak=2.0)(what, runs)

    result = audited(monkeypatch, broken, self_check=True)
    assert result.verdict is Verdict.INCONCLUSIVE and "alike" in result.reason


def test_further_faults_are_planted_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    result = audited(monkeypatch, tight(5), self_check=True)
    assert {c.name: c.finding.refuted for c in result.controls} == {
        "noise": True, "alike": False, "sensitivity": True, "epsilon 2x": True, "epsilon 4x": True,
    }  # fmt: skip
    assert all(control.passed for control in result.controls)


def test_what_was_refuted_once_by_chance_is_run_again() -> None:
    lucky = Scores(without=np.zeros(300), with_unit=np.ones(300), selections=0.0)
    made: list[int] = []

    def alike(_: Setup, runs: int, __: str) -> Scores:
        made.append(runs)
        without, with_unit = np.random.default_rng(3).normal(size=(2, runs))
        return Scores(without=without, with_unit=with_unit, selections=0.0)

    worlds = suite.make_worlds("lone", columns=1, seed=1)
    setup = Setup(synthesizer=make("independent", {}), worlds=worlds, rho=RHO)
    finding = judge(setup, lucky, TradeOff.gaussian(MU), alike)
    assert made == [300] and finding.samples == 2 and not finding.refuted


def test_a_mechanism_at_its_claim_is_refuted_once_at_times_and_twice_never() -> None:
    """1,000 audits, 23 of which are .9999 of binomial(.01)."""
    rng = np.random.default_rng(11)
    once = twice = 0
    for _ in range(1000):
        without, with_unit = rng.normal(0.0, 1.0, (2, 800)) + np.array([[0.0], [MU]])
        threshold = choose_threshold(without[:50], with_unit[:50])
        if (
            count_hits(without[50:400], with_unit[50:400], threshold).p_value(TradeOff.gaussian(MU))
            <= ERROR
        ):
            once += 1
            twice += (
                count_hits(without[400:], with_unit[400:], threshold).p_value(TradeOff.gaussian(MU))
                <= ERROR
            )
    assert 0 < once <= 23
    assert twice == 0


def test_the_report_is_json_and_its_worst_verdict_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    drawers = {"independent": tight(6), "mst": tight(7, fault=3.0)}

    def draw(what: Setup, runs: int, **_: object) -> Scores:
        return drawers[what.synthesizer.name](what, runs)

    monkeypatch.setattr(suite, "draw", draw)
    lines: list[str] = []
    plan = Plan(budget=BUDGET, methods=("independent", "mst"), seed=1)
    report = audit(plan, progress=lines.append)
    assert [a.verdict for a in report.audits] == [Verdict.CONSISTENT, Verdict.REJECTED]
    found = report.to_json()
    assert found["verdict"] == "rejected" and found["disclosure"] == "independent"
    assert found["epsilon"] == "1.0" and found["delta"] == "0.01" and found["seed"] == "1"
    assert found["false_alarm"] == pytest.approx(1e-4)


def test_every_method_that_can_be_weighed_is_audited_by_default() -> None:
    """Those that train are audited by name, and not by tables."""
    left_out = {name for name, method in METHODS.items() if method.trains}
    assert left_out == {"gan", "vae", "diffusion"}
    assert set(Plan(budget=BUDGET).methods) == set(METHODS) - left_out
    for wrong in (Plan(budget=BUDGET, pair="lone"), Plan(budget=BUDGET, view=View.TABLE)):
        with pytest.raises(InputError, match="audited on canaries"):
            audit(replace(wrong, methods=("gan",)))


@pytest.mark.parametrize("wrong", [{"runs": 99}, {"methods": ()}])
def test_what_cannot_be_run_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Plan(budget=BUDGET, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["smartnoise:aim", "smartnoise:mst"])
def test_programs_that_get_rows_cannot_be_audited(name: str) -> None:
    with pytest.raises(InputError, match="no answer that could be weighed"):
        audit(Plan(budget=BUDGET, methods=(name,), runs=100, seed=1))
