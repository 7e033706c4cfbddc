"""Attacks that run the generator, as part of a release: what they say, cost and can break."""

from __future__ import annotations

import base64
import json

import pytest
from dpsynth.attacks import generators, shadow
from steward import DEFAULT_POLICY, Desk

from dpsynth.pipeline.replica import Replica
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.ledger import Ledger

SHADOWS = {f"shadow_{how}_{whom}" for how in ("lira", "forest") for whom in ("worst", "random")}


def internal(desk: Desk) -> dict:
    """Return the internal evidence of the release `clinic`."""
    envelope = json.loads((desk.folder / "clinic" / "internal" / "evidence.dsse.json").read_text())
    return json.loads(base64.b64decode(envelope["payload"]))["predicate"]


def found(desk: Desk) -> dict:
    results = internal(desk)["attacks"]["results"]["value"]
    return {result["name"]: result for result in results}


def test_a_release_plants_canaries_and_pays_for_its_own_fit_alone(desk: Desk) -> None:
    answer = desk.release("--fidelity-share", "0.1")
    assert answer.code == 0, answer.text
    results = found(desk)
    canaries = results["one_run_canaries"]
    assert canaries["status"] == "ok"
    assert canaries["members"] + canaries["non_members"] == 1000
    assert canaries["details"]["claimed_epsilon"] == 1.0
    assert canaries["details"]["attempted_tests"] == 13
    assert not SHADOWS & set(results)
    with Ledger.open(desk.ledger) as book:
        charges = [e for entry in book.entries("clinic") for e in entry.payload.get("events", ())]
    priced = rho_for(Budget(epsilon=1.0, delta=1e-6))
    assert 0.9 * priced < sum(float(e["rho"]) for e in charges) <= priced


def test_full_plays_the_shadow_game_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generators, "SHADOWS", 10)
    monkeypatch.setattr(generators, "SHADOW_ROWS", 300)
    monkeypatch.setattr(generators, "TARGETS", 3)
    monkeypatch.setattr(shadow, "TREES", 5)
    answer = desk.release("--attacks", "full")
    assert answer.code == 0, answer.text
    assert "Shadow 20 of 20" in answer.err
    results = found(desk)
    assert SHADOWS <= set(results)
    for name in SHADOWS:
        assert results[name]["verdict"] in {"no leak detected by this test", "inconclusive"}
    assert results["one_run_canaries"]["details"]["canaries"] == 5000


def test_a_replica_that_fails_stops_no_release_but_the_policy_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(replica: Replica, rows: object, seed: int) -> None:
        raise RuntimeError("the cell is zebra")

    monkeypatch.setattr(Replica, "__call__", fails)
    answer = desk.release("--policy", str(DEFAULT_POLICY))
    assert answer.code == 3, answer.text
    assert "zebra" not in answer.text
    assert "zebra" not in json.dumps(internal(desk))
    canaries = found(desk)["one_run_canaries"]
    assert canaries["status"] == "not_run" and canaries["verdict"] == "not run"
    assert canaries["reason"] == "The attack stopped with RuntimeError."
    assert not (desk.folder / "clinic" / "public").exists()
