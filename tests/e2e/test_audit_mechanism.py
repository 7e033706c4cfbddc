"""``dpsynth audit mechanism`` on the command line: exit codes, JSON, and what a person reads."""

from __future__ import annotations

import json

import numpy as np
import pytest
from steward import Answer, Desk

from dpsynth.privacy import curator as curator_module


def mechanism(desk: Desk, *more: str) -> Answer:
    """Audit the quickest method with a claim that few runs can test."""
    return desk.run(
        "audit", "mechanism", "--method", "independent", "--columns", "1", "--epsilon", "3",
        "--runs", "200", "--seed", "5", *more,
    )  # fmt: skip


def test_a_person_reads_what_was_tested_and_what_could_have_been_seen(desk: Desk) -> None:
    before = sorted(desk.folder.rglob("*"))
    answer = mechanism(desk)
    assert answer.code == 0, answer.text
    assert "independent: CONSISTENT WITH THE CLAIM" in answer.out
    assert "could have seen noise at 1/" in answer.out
    assert "refuted in" in answer.out and "as it must be" in answer.out
    assert "can only refute" in answer.out
    assert "of 400 fits" in answer.err
    assert sorted(desk.folder.rglob("*")) == before, "nothing is read or written"


def test_machines_read_a_rejection(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        curator_module, "gaussian", lambda counts, sigma, s: (counts.astype(np.int64), 0.0)
    )
    answer = mechanism(desk, "--json")
    assert answer.code == 1, answer.text
    assert answer.err == "", "progress is for people"
    found = json.loads(answer.out)
    assert found["verdict"] == "rejected" and found["disclosure"] == "independent"
    (audit,) = found["audits"]
    assert audit["method"] == "independent" and audit["finding"]["refuted"]
    assert audit["finding"]["samples"] == 2
    assert audit["finding"]["mu_lower_bound"] > audit["finding"]["mu_claimed"]
    assert audit["epsilon_lower_bound"] > 3.0


def test_silence_without_a_control_is_indeterminate(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = curator_module.gaussian
    monkeypatch.setattr(
        curator_module, "gaussian", lambda counts, sigma, s: (honest(counts, 1e4, s)[0], 0.0)
    )
    answer = mechanism(desk, "--runs", "100")
    assert answer.code == 6, answer.text
    assert "INCONCLUSIVE" in answer.out and "NOT as it must be" in answer.out


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--epsilon", "0"), ("--delta", "0.5"), ("--method", "nonsense"), ("--pair", "nonsense"),
        ("--runs", "5"), ("--columns", "9"),
    ],
)  # fmt: skip
def test_what_cannot_be_tested_is_refused(desk: Desk, option: str, value: str) -> None:
    answer = mechanism(desk, option, value)
    assert answer.code == 2, answer.text
    assert answer.err


def test_a_person_reads_how_a_trainer_was_audited(desk: Desk) -> None:
    """False-alarm rate: 2e-4, of a rejection or a control that is missed."""
    answer = desk.run("audit", "mechanism", "--method", "gan", "--runs", "2000")
    assert answer.code == 0, answer.text
    assert "gan: CONSISTENT WITH THE CLAIM" in answer.out
    assert "audited was its trainer, 200 steps at sampling rate 0.02 with noise" in answer.out
    assert "of 4,000 directions" in answer.err
    refused = desk.run("audit", "mechanism", "--method", "gan", "--black-box")
    assert refused.code == 2 and "Leave out --pair and --black-box" in refused.err
