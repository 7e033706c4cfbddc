"""An audit file counts for its own version and method, and as far as it was sharp."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from dpsynth.errors import InputError, PolicyRefusal
from dpsynth.pipeline import wording
from dpsynth.pipeline.audited import NO_AUDIT, AuditFact, read_audit
from dpsynth.results import Status


def audit(**changes: Any) -> dict[str, Any]:
    found = {
        "method": "mst",
        "view": "transcript",
        "candidates": [],
        "verdict": "consistent with the claim",
        "training": None,
        "detection_limit": {"sigma_factor": 1.3, "epsilon_factor": 1.5, "probability": 0.8},
        "finding": {"mu_estimate": 0.44, "mu_lower_bound": 0.4, "mu_claimed": 0.459},
    }
    return {
        "version": version("dpsynth"),
        "epsilon": "1",
        "delta": "0.01",
        "runs": 2000,
        "max_rows_per_unit": 1,
        "audits": [found | changes],
    }


def written(folder: Path, tree: object) -> Path:
    path = folder / "audit.json"
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree), encoding="utf-8")
    return path


def read(path: Path, *, candidates: Sequence[str] = (), max_rows: int | None = 1) -> AuditFact:
    return read_audit(path, "mst", candidates=candidates, max_rows=max_rows)


def test_a_sharp_audit_makes_class_a(tmp_path: Path) -> None:
    fact = read(written(tmp_path, audit()))
    assert fact.status is Status.OK and fact.sharp
    assert "2,000 fits" in fact.text and "1.5 times would be seen" in fact.text
    assert "0.440 (at least 0.400 at 99 %) of 0.459" in fact.text
    assert wording.assurance("A", audited=True)[0] == "A"
    hazards = wording.hazards(fact.status, sampled=False)
    hazard = {h["hazard"]: h for h in hazards}["Implementation audit"]
    assert hazard["status"] == "partly"


def test_an_audit_of_a_trainer_says_what_was_trained(tmp_path: Path) -> None:
    steps = {"sampling_rate": "0.02", "noise_multiplier": "0.9", "steps": 200}
    fact = read(written(tmp_path, audit(training=steps)))
    assert fact.status is Status.OK
    assert fact.text.startswith("200 steps of its trainer, 2,000 made-up units")
    assert len(fact.text) < 240, "two lines of a certificate"


def test_training_on_samples_has_gradients_in_floating_point() -> None:
    """Noise is on integers everywhere; what is left open is said."""
    first, *_ = wording.hazards(Status.NOT_RUN, sampled=True)
    assert first["hazard"] == "Floating-point noise" and first["status"] == "partly"
    assert "assurance class" in first["text"]
    letter, meant = wording.assurance("B", audited=False, sampled=True)
    assert letter == "B" and "argued, not proved" in meant and "third-party" not in meant
    assert "sums of gradients" in wording.entropy(sampled=True) != wording.entropy(sampled=False)
    assert "Renyi" in wording.accounting(sampled=True) != wording.accounting(sampled=False)


@pytest.mark.parametrize(
    ("limit", "words"),
    [(None, "by any factor would not be seen"), ({"epsilon_factor": 2.5}, "2.5 times")],
)
def test_a_blunt_audit_is_told_and_does_not(limit: object, words: str, tmp_path: Path) -> None:
    fact = read(written(tmp_path, audit(detection_limit=limit)))
    assert fact.status is Status.OK and not fact.sharp and words in fact.text


def test_an_audit_where_everything_is_allowed_is_told(tmp_path: Path) -> None:
    finding = {"mu_estimate": 7.4, "mu_lower_bound": 6.1, "mu_claimed": None}
    tree = audit(finding=finding, detection_limit=None)
    fact = read(written(tmp_path, tree))
    assert "7.400 (at least 6.100 at 99 %) of any, so large is epsilon, claimed" in fact.text
    assert not fact.sharp and "would not be seen" in fact.text


@pytest.mark.parametrize(
    ("changes", "release", "words"),
    [
        ({}, {"max_rows": 50}, "50 rows are kept here"),
        ({"view": "table"}, {}, "synthetic tables alone"),
        ({"candidates": ["cliquetree", "independent"]}, {"candidates": ["mwem", "aim"]}, "other"),
    ],
)
def test_an_audit_of_something_else_is_told_and_does_not_count(
    changes: dict[str, Any], release: dict[str, Any], words: str, tmp_path: Path
) -> None:
    fact = read(written(tmp_path, audit(**changes)), **release)
    assert fact.status is Status.OK and not fact.sharp
    assert "It does not count" in fact.text and words in fact.text


def test_an_audit_counts_for_what_it_was_of(tmp_path: Path) -> None:
    tree = audit(candidates=["mwem", "aim"])
    tree["max_rows_per_unit"] = 3
    fact = read(written(tmp_path, tree), candidates=["mwem", "aim"], max_rows=3)
    assert fact.sharp and "one unit of 3 rows apart" in fact.text
    assert read(written(tmp_path, tree), candidates=["mwem", "aim"], max_rows=None).sharp


def test_no_audit_and_an_inconclusive_one_leave_the_class_open(tmp_path: Path) -> None:
    unclear = read(written(tmp_path, audit(verdict="inconclusive")))
    assert unclear.status is Status.INCONCLUSIVE and not unclear.sharp
    assert NO_AUDIT.status is Status.NOT_RUN and not NO_AUDIT.sharp
    assert wording.assurance("A", audited=False)[0] == "A, audit open"
    assert wording.assurance("B", audited=True)[0] == "B"
    assert "third-party core" in wording.assurance("B", audited=True)[1]


def test_a_rejected_claim_stops_the_release(tmp_path: Path) -> None:
    with pytest.raises(PolicyRefusal, match="rejected"):
        read(written(tmp_path, audit(verdict="rejected")))


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ("{", "no answer of"),
        ([], "no answer of"),
        ({"version": "0.0.1"}, "audit of dpsynth 0.0.1"),
        (audit(method="aim"), "does not audit the method mst"),
        (audit(verdict="fine"), "no answer of"),
        (audit(finding={}), "no answer of"),
    ],
)
def test_what_is_no_audit_of_the_method_is_refused(
    tree: object, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        read(written(tmp_path, tree))
