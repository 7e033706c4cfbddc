"""``dpsynth audit preflight`` on the command line: no row of the steward, no ledger, no bundle."""

from __future__ import annotations

import json

import pytest
from steward import Answer, Desk

from dpsynth.schema.codec import Codec


def preflight(desk: Desk, *more: str) -> Answer:
    """Run two pairs that end before the documents."""
    return desk.run(
        "audit", "preflight", "--data", str(desk.folder / "data.csv"),
        "--dictionary", str(desk.folder / "dictionary.yaml"), "--epsilon", "0.5", "--delta", "1e-6",
        "--lineage", "clinic", "--name", "clinic", "--rows", "60", "--seed", "5",
        "--pair", "random", "--pair", "formula", *more,
    )  # fmt: skip


def test_it_passes_and_touches_nothing(desk: Desk) -> None:
    (desk.folder / "data.csv").unlink()
    before = sorted(desk.folder.rglob("*"))
    answer = preflight(desk)
    assert answer.code == 0, answer.text
    assert "PASS" in answer.out and "Not compared" in answer.out
    assert "Pair 1 of 2" in answer.err
    assert sorted(desk.folder.rglob("*")) == before


def test_machines_read_what_failed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = Codec.encode

    def crashing(self: Codec, columns: dict[str, object]) -> object:
        assert b"=HYPERLINK(1)" not in columns["ward"].to_pylist()  # type: ignore[attr-defined]
        return encode(self, columns)

    monkeypatch.setattr(Codec, "encode", crashing)
    answer = preflight(desk, "--json")
    assert answer.code == 1, answer.text
    found = json.loads(answer.out)
    assert not found["passed"]
    assert isinstance(found["epsilon"], str) and 0 < float(found["epsilon"]) <= 1
    verdicts = {s["name"]: s["verdict"] for s in found["scenarios"]}
    assert verdicts == {"random": "pass", "formula": "fail"}
    places = [f["where"] for s in found["scenarios"] for f in s["findings"]]
    assert "how the run ended" in places
    assert "HYPERLINK" not in answer.text


def test_an_unknown_pair_is_refused(desk: Desk) -> None:
    answer = preflight(desk, "--pair", "nonsense")
    assert answer.code == 2
    assert "nonsense" in answer.err and "random" in answer.err
