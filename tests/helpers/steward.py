"""A steward's desk for tests: a small table, its dictionary, trial keys, and the command line."""

from __future__ import annotations

import base64
import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dpsynth.cli import main
from dpsynth.signing.keys import init_trial_authority

DEFAULT_POLICY = Path(__file__).parents[2] / "policies" / "default.yaml"
COMMON_GATES = DEFAULT_POLICY.parent / "parts" / "common-gates.yaml"
PASSPHRASE = "a trial passphrase"
DICTIONARY = """\
version: 1
title: Visits to a small clinic
codebook: made for tests
file: data.csv
delimiter: ','
encoding: utf-8
label: outcome
privacy_unit: {kind: row, note: one row is one person}
constraints: []
columns:
- {name: number, kind: id, role: direct_identifier, meaning: number,
   domain: {pattern: 'P\\d{6}'}, domain_source: codebook}
- {name: age, kind: integer, role: quasi_identifier, meaning: age,
   domain: {lower: 0, upper: 99, bins: {uniform: 10}}, domain_source: policy}
- {name: ward, kind: categorical, role: other, meaning: ward,
   domain: {categories: [north, south, east, west]}, domain_source: codebook,
   missing: {'?': unknown}}
- {name: cost, kind: float, role: sensitive, meaning: cost,
   domain: {lower: 0, upper: 1000, bins: {uniform: 10}}, domain_source: policy}
- {name: outcome, kind: categorical, role: label, meaning: outcome,
   domain: {categories: ['0', '1']}, domain_source: codebook}
"""
HEADER = ("number", "age", "ward", "cost", "outcome")


def rows_of(count: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Return rows in which age, ward, cost and outcome depend on each other."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 95, count)
    ward = np.where(
        rng.random(count) < age / 120, "north", rng.choice(["south", "east", "?"], count)
    )
    cost = np.round(rng.gamma(2.0, 60.0, count) * (rng.random(count) < 0.8), 2)
    outcome = (rng.random(count) < 0.15 + 0.6 * (age > 60)).astype(int)
    return [
        (f"P{i:06d}", str(a), str(w), str(c), str(o))
        for i, (a, w, c, o) in enumerate(zip(age, ward, cost, outcome, strict=True))
    ]


def write_csv(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = HEADER) -> None:
    """Write rows as a plain CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def without_verdicts(policy: str) -> str:
    """Return a policy's text without the gates that judge attacks.

    An attack accuses an honest release in one run of a thousand, on purpose. What these tests look
    at is everything else; a suite of some 60 releases that were all judged would fail at random.
    """
    tree = yaml.safe_load(policy)
    assert tree.pop("extends") == ["common-gates"]
    common = yaml.safe_load(COMMON_GATES.read_text("utf-8"))["gates"]
    tree["gates"] += [g for g in common if not g["metric"].startswith("attacks.")]
    return yaml.safe_dump(tree, sort_keys=False)


@dataclass
class Answer:
    """What one call of the command line came to."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both streams."""
        return self.out + self.err


@dataclass
class Desk:
    """A folder with everything that a release needs."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def ledger(self) -> Path:
        """The ledger of this desk."""
        return self.folder / "ledger.sqlite"

    def run(self, *arguments: str) -> Answer:
        """Run the command line in this process."""
        self.monkeypatch.setattr(sys, "argv", ["dpsynth", *arguments])
        self.monkeypatch.setenv("COLUMNS", "200")
        self.capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = self.capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    def release(self, *more: str, name: str = "clinic") -> Answer:
        """Run a release at epsilon 1, without verdicts on attacks, unless `more` says otherwise."""
        defaults = {
            "--data": str(self.folder / "data.csv"),
            "--dictionary": str(self.folder / "dictionary.yaml"),
            "--epsilon": "1",
            "--delta": "1e-6",
            "--lineage": "clinic",
            "--policy": str(self.folder / "default.yaml"),
            "--name": name,
            "--out": str(self.folder / name),
            "--ledger": str(self.ledger),
            "--key": str(self.folder / "keys" / "signer.p12"),
            "--passphrase-file": str(self.folder / "passphrase"),
        }
        for option, value in zip(more[::2], more[1::2], strict=True):
            defaults[option] = value
        return self.run("release", *(part for pair in defaults.items() for part in pair))

    def verify(self, bundle: Path) -> Answer:
        """Verify a bundle against this desk's root."""
        return self.run("verify", str(bundle), "--trust", str(self.folder / "keys" / "root.pem"))


def public_evidence(bundle: Path) -> dict[str, Any]:
    """Return the public evidence of a bundle from its envelope."""
    envelope = json.loads((bundle / "public" / "evidence.dsse.json").read_text())
    tree: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
    return tree


def furnish(folder: Path, count: int = 4000) -> None:
    """Fill a folder with a table, a dictionary, a passphrase and trial keys."""
    write_csv(folder / "data.csv", rows_of(count))
    (folder / "dictionary.yaml").write_text(DICTIONARY, encoding="utf-8")
    (folder / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
    (folder / "default.yaml").write_text(without_verdicts(DEFAULT_POLICY.read_text("utf-8")))
    init_trial_authority(
        folder / "keys", organisation="Test clinic", passphrase=PASSPHRASE.encode(), days=30
    )
