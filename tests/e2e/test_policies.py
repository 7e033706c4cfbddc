"""A steward's policy from the file to the evidence: waived, refused, and told what it asks."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from steward import PASSPHRASE, Desk

from dpsynth.places import read_ledger
from dpsynth.policy import load_policy
from dpsynth.signing.chain import fingerprint
from dpsynth.signing.keys import init_trial_authority, load_signer

UNTIL = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
FRANCE = ("--jurisdiction", "France")
REASON = "The recipient tests its loader and reads no figure."


@pytest.fixture
def ours(desk: Desk) -> Path:
    """A policy with a gate that no release keeps, and an officer who may waive it."""
    made = init_trial_authority(
        desk.folder / "officer", organisation="Officer", passphrase=PASSPHRASE.encode(), days=30
    )
    officer = load_signer(made.signer, PASSPHRASE.encode())
    tree = {
        "version": 2, "name": "ours", "title": "Ours", "description": "For a test.",
        "extends": ["default.yaml"],
        "requirements": {
            "retention_months": {"limit": 24, "reason": "Two years.", "source": "our statutes"},
        },
        "transfers": [
            {"decision": "deny", "to": ["Mars"], "reason": "Too far.", "source": "our statutes"},
        ],
        "waivers": {
            "allowed_gates": ["equal"], "signers": [fingerprint(officer.certificate)],
            "max_days": 30, "reason": "For tests of a recipient.", "source": "our statutes",
        },
        "gates": [
            {"id": "equal", "title": "Synthetic rows equal real ones", "side": "point",
             "metric": "fidelity.tvd_1way.value", "at_most": 0.0, "reason": "Planted.",
             "source": "our statutes"},
        ],
    }  # fmt: skip
    path = desk.folder / "ours.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def waive(desk: Desk, *more: str, out: str = "waiver.json") -> Any:
    asked = {
        "--gate": "equal", "--reason": REASON, "--expires": UNTIL, "--release": "clinic",
        "--lineage": "clinic", "--policy": "ours.yaml", "--out": out,
        "--key": "officer/signer.p12", "--passphrase-file": "passphrase",
    }  # fmt: skip
    asked |= dict(zip(more[::2], more[1::2], strict=True))
    return desk.run("policy", "waive", *(part for pair in asked.items() for part in pair))


def evidence(desk: Desk, folder: str, name: str = "clinic") -> dict[str, Any]:
    envelope = json.loads((desk.folder / name / folder / "evidence.dsse.json").read_bytes())
    tree: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
    return tree


def test_a_waived_release(desk: Desk, ours: Path) -> None:
    assert waive(desk).code == 0
    answer = desk.release(
        "--policy", str(ours), "--waiver", "waiver.json", "--origin", "Germany", *FRANCE
    )
    assert answer.code == 0, answer.text
    digest = hashlib.sha256((desk.folder / "waiver.json").read_bytes()).hexdigest()
    public, internal = evidence(desk, "public"), evidence(desk, "internal")
    (waiver,) = public["policy"]["waivers"]["value"]
    assert (waiver["gate"], waiver["reason"], waiver["expires"]) == ("equal", REASON, UNTIL)
    assert waiver["sha256"] == digest and waiver["signer"].startswith("Officer")
    assert public["policy"]["waivers"]["provenance"] == "declared"
    # That the gate was missed is raw: inside, and nowhere else.
    gates = {gate["gate"]: gate["status"] for gate in internal["policy"]["gates"]["value"]}
    assert gates["equal"] == "waived" and "gates" not in public["policy"]
    assert '"waived"' not in json.dumps(public)
    assert public["release"]["origin"]["value"] == "Germany"
    policy = load_policy(ours)
    assert public["policy"]["sha256"]["value"] == policy.digest
    files = {file["name"]: file["sha256"] for file in public["policy"]["terms"]["value"]["files"]}
    assert files["ours"] == hashlib.sha256(ours.read_bytes()).hexdigest()
    year = datetime.now(UTC).year + 2
    assert public["policy"]["terms"]["value"]["retain_until"].startswith(str(year))
    with read_ledger() as book:
        record = book.status("clinic").records[0]
    assert record.policy == {"name": "ours", "sha256": policy.digest, "waiver:equal": digest}
    assert desk.verify(desk.folder / "clinic").code == 0


def test_without_the_waiver_it_is_refused(desk: Desk, ours: Path) -> None:
    answer = desk.release("--policy", str(ours), *FRANCE)
    assert answer.code == 3 and "Synthetic rows equal real ones" in answer.out
    assert not (desk.folder / "clinic" / "public").exists()


def test_a_waiver_that_does_not_hold_stops_the_release_before_it_costs(
    desk: Desk, ours: Path
) -> None:
    assert waive(desk).code == 0
    honest = (desk.folder / "waiver.json").read_bytes()
    (desk.folder / "changed.json").write_bytes(honest.replace(b"a", b"b", 1))
    for more, code, words in (
        (("--waiver", "changed.json"), 2, "changed.json"),
        (("--waiver", "waiver.json", "--name", "other"), 2, "another release"),
        (("--waiver", "waiver.json", "--lineage", "others"), 2, "another lineage"),
        (("--waiver", "waiver.json", "--policy", "default"), 3, "allows no waiver"),
        (("--waiver", "nowhere.json"), 2, "cannot be read"),
        (("--jurisdiction", "Mars"), 3, "(Too far)"),
        (("--jurisdiction", ""), 3, "(Too far; the jurisdiction is not stated)"),
    ):
        answer = desk.release("--policy", str(ours), *FRANCE, *more)
        assert answer.code == code and words in answer.err, answer.text
    assert not desk.ledger.exists(), "nothing was reserved, so there is no ledger yet"


def test_a_waiver_is_signed_by_whom_the_policy_names(desk: Desk, ours: Path) -> None:
    foreign = waive(desk, "--key", "keys/signer.p12")
    assert foreign.code == 3 and "does not let" in foreign.err
    assert waive(desk, "--gate", "tvd_1way").code == 3
    assert waive(desk, "--expires", "tomorrow").code == 2
    assert waive(desk, "--expires", "2020-01-01").code == 2
    assert not (desk.folder / "waiver.json").exists()
    assert waive(desk).code == 0
    again = waive(desk)
    assert again.code == 2 and "exists already" in again.err


def test_a_policy_is_listed_shown_checked_and_explained(desk: Desk, ours: Path) -> None:
    listed = json.loads(desk.run("policy", "list", "--json").out)["policies"]
    assert len(listed) == 8 and all(p["title"] and p["description"] for p in listed)
    shown = json.loads(desk.run("policy", "show", "ours.yaml", "--json").out)
    assert shown["digest"] == load_policy(ours).digest
    assert desk.run("policy", "check", "ours.yaml").code == 0
    assert desk.run("policy", "check", "hipaa-expert-determination").code == 0
    (desk.folder / "old.yaml").write_text("version: 1\nname: old\n")
    old = desk.run("policy", "check", "old.yaml")
    assert old.code == 2 and "docs/policies.md" in old.err
    for name in ("ours.yaml", *(p["name"] for p in listed)):
        answer = desk.run("policy", "explain", name)
        assert answer.code == 0 and "Not legal advice" in answer.out
        for gate in load_policy(ours if name == "ours.yaml" else name).gates:
            assert gate.title in answer.out


def test_explain_says_what_a_release_would_meet(desk: Desk, ours: Path) -> None:
    release = {
        "version": 1, "name": "clinic", "lineage": "clinic", "policy": "ours.yaml",
        "data": {"source": "data.csv", "dictionary": "dictionary.yaml"},
        "privacy": {"epsilon": 1, "delta": 1.0e-6},
        "recipient": {"name": "X", "jurisdiction": "Mars"},
    }  # fmt: skip
    path = desk.folder / "release.yaml"
    path.write_text(yaml.safe_dump(release))
    ask = ("policy", "explain", "ours.yaml", "--release", "release.yaml")
    answer = desk.run(*ask)
    assert answer.code == 3
    assert "Data may not go from anywhere to Mars. [NOT MET]" in answer.out
    assert "One release spends epsilon 3 at most. [met]" in answer.out
    unmet = json.loads(desk.run(*ask, "--json").out)["unmet"]
    assert [u["rule"] for u in unmet] == ["transfers"]
    release["recipient"] = {"name": "X", "jurisdiction": "France"}
    path.write_text(yaml.safe_dump(release))
    (desk.folder / "data.csv").unlink()  # no data is needed to say it
    assert desk.run(*ask).code == 0
    assert not desk.ledger.exists()
