"""A release whose method trains on samples: reserved, charged, told and verified end to end."""

from __future__ import annotations

import base64
import json
from fractions import Fraction
from typing import Any

import pytest
import toy_training
from steward import Answer, Desk

from dpsynth.privacy.conversion import renyi_order
from dpsynth.privacy.ledger import Currency, Ledger, ReleaseRecord, ReleaseState, terms
from dpsynth.privacy.meaning import SAMPLED_PLD
from dpsynth.privacy.training import NoisyGradients
from dpsynth.results import AttackVerdict
from dpsynth.synth import registry


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the smallest training method be chosen by name."""
    monkeypatch.setattr(registry, "METHODS", {**registry.METHODS, "toy": toy_training.METHOD})


def predicate(desk: Desk, part: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what an evidence file of the release states."""
    told = json.loads((desk.folder / "clinic" / part / "evidence.dsse.json").read_text())
    found: dict[str, dict[str, dict[str, Any]]] = json.loads(base64.b64decode(told["payload"]))[
        "predicate"
    ]
    return found


def test_a_release_that_trains_is_told_as_it_is(desk: Desk) -> None:
    answer = desk.release("--synthesizer", "toy")
    assert answer.code == 0, answer.text
    assert desk.verify(desk.folder / "clinic").code == 0
    with Ledger.open(desk.ledger) as book:
        status = book.status("clinic")
        (record,) = status.records
        assert record.currency is Currency.RENYI and record.sampled is not None
        steps, order = record.sampled, status.terms.order
        # Charged is what was reserved, but for the share of columns that rounding leaves.
        assert Fraction(record.reserved_rho) * Fraction(99, 100) < record.spent_rho
        assert record.spent_rho <= Fraction(record.reserved_rho)
        rest = record.reserved_rho - steps.rho(order)
        assert 0.97 < steps.epsilon(rest, 1e-6) <= 1.0
    told = {name: fact["value"] for name, fact in predicate(desk, "public")["guarantee"].items()}
    assert told["assurance_class"] == "B" and told["basis"] == SAMPLED_PLD
    assert 0.9 < float(told["epsilon_charged"]) <= 1.0
    assert all(group["epsilon"] is None for group in told["groups"])
    # Alone in its lineage, it is not worse than it is by itself, but for the lineage's delta.
    after = float(predicate(desk, "public")["budget"]["lineage_epsilon_after"]["value"])
    assert float(told["epsilon_charged"]) <= after < 1.02
    with Ledger.open(desk.ledger) as book:
        spent = book.status("clinic").epsilon_spent
    assert spent == pytest.approx(after, rel=1e-9)
    accounting = predicate(desk, "public")["accounting"]
    assert accounting["sampled"]["value"]["steps"] == 60
    assert [r["accountant"] for r in accounting["cross_check"]["value"]][0] == "dpsynth RDP"
    canaries = [
        result for result in predicate(desk, "internal")["attacks"]["results"]["value"]
        if result["name"] == "one_run_canaries"
    ]  # fmt: skip
    assert canaries[0]["verdict"] == AttackVerdict.NO_LEAK_DETECTED, canaries
    against = desk.run(
        "verify", str(desk.folder / "clinic"), "--trust", str(desk.folder / "keys" / "root.pem"),
        "--ledger", str(desk.ledger),
    )  # fmt: skip
    assert against.code == 0, against.text
    checked = desk.run("ledger", "verify")
    assert checked.code == 0, checked.text


def released(desk: Desk, name: str, stop: int) -> Answer:
    """Make a release of which so many of sixty steps are taken."""
    text = f"version: 1\nsynthesizer: {{name: toy, stop: {stop}}}\n"
    (desk.folder / f"{name}.yaml").write_text(text)
    return desk.run(
        "release", str(desk.folder / f"{name}.yaml"), "--data", str(desk.folder / "data.csv"),
        "--dictionary", str(desk.folder / "dictionary.yaml"), "--epsilon", "1", "--delta",
        "1e-6", "--lineage", "clinic", "--policy", str(desk.folder / "default.yaml"), "--name",
        name, "--out", str(desk.folder / name), "--ledger", str(desk.ledger), "--key",
        str(desk.folder / "keys" / "signer.p12"), "--passphrase-file",
        str(desk.folder / "passphrase"),
    )  # fmt: skip


def last(desk: Desk) -> ReleaseRecord:
    """Return the last reservation of the ledger."""
    with Ledger.open(desk.ledger) as book:
        return book.status("clinic").records[-1]


def test_training_that_stops_early_has_spent_all_of_it(desk: Desk) -> None:
    """Charged before the first step: two steps of sixty cost as much as sixty."""
    spent = []
    for name, stop in (("whole", 60), ("short", 2)):
        answer = released(desk, name, stop)
        assert answer.code in {0, 3}, answer.text
        spent.append(last(desk).spent_rho)
    assert spent[0] == spent[1] > 0


def test_training_that_is_interrupted_is_spent_and_pays_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("a device fell off the bus")

    honest = NoisyGradients.step
    monkeypatch.setattr(NoisyGradients, "step", fail)
    assert released(desk, "first", 60).code not in {0, 3}
    assert not (desk.folder / "first").exists()
    first = last(desk)
    assert first.spent_rho == Fraction(first.reserved_rho)
    assert first.state is ReleaseState.OPEN
    monkeypatch.setattr(NoisyGradients, "step", honest)
    answer = released(desk, "second", 60)
    assert answer.code in {0, 3}, answer.text
    assert last(desk).reserved_rho == first.reserved_rho
    assert 0.97 * first.spent_rho < last(desk).spent_rho


def test_a_lineage_of_another_order_is_refused_before_anything_is_spent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older version, or another machine's logarithm, may have worked it out otherwise."""
    with monkeypatch.context() as other:
        other.setattr(terms, "renyi_order", lambda rho, delta: 1e-12 + renyi_order(rho, delta))
        assert released(desk, "first", 60).code in {0, 3}
    answer = released(desk, "second", 60)
    assert answer.code == 2 and "Nothing was spent" in answer.text
    assert last(desk).release == "first"


def test_a_method_that_does_not_train_as_it_planned_stops_the_release(desk: Desk) -> None:
    answer = released(desk, "idle", -1)
    assert answer.code not in {0, 3} and "not the one that was reserved" in answer.text
    assert not (desk.folder / "idle").exists()
    assert last(desk).spent_rho == Fraction(last(desk).reserved_rho)
