"""A ledger with releases in every state, and the command line in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dpsynth.cli import main
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.ledger import Anchors, Ledger, LedgerKey, LineageTerms
from dpsynth.privacy.unit import PrivacyUnit, Relation

UNIT = PrivacyUnit(relation=Relation.ADD_REMOVE, name="patient", column="id", max_rows=2)
#: release, recipient, jurisdiction, rho charged (0: never charged), last step
RELEASES = (
    ("first", "Hospital Basel", "CH", 0.015, "commit"),
    ("second", "Institut Curie", "EU", 0.01, "commit"),
    ("third", "HOSPITAL  BASEL", "CH", 0.005, "commit"),
    ("lost", "", "CH", 0.0, "open"),
    ("waiting", "Acme", "US", 0.0, "reserve"),
    ("returned", "Acme", "US", 0.0, "void"),
)
RHO = 0.02


@dataclass
class Answer:
    """What one call came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Books:
    """A folder with a ledger, its key and the memory of this machine."""

    folder: Path
    call: Callable[..., Answer]

    @property
    def path(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def key(self) -> LedgerKey:
        return LedgerKey.load(self.folder / "ledger.pem")

    @property
    def anchors(self) -> Anchors:
        return Anchors(self.folder / "anchors")

    def open(self) -> Ledger:
        return Ledger.open(self.path, key=self.key, anchors=self.anchors)


def spend(
    ledger: Ledger,
    release: str,
    recipient: str = "",
    jurisdiction: str = "",
    rho: float = 0.01,
    last: str = "commit",
) -> None:
    """Write one release up to its last step."""
    held = ledger.reserve(
        "clinic", release, budget=Budget(epsilon=1, delta=1e-6), rho=RHO, unit=UNIT, plan=[],
        recipient=recipient, jurisdiction=jurisdiction,
    )  # fmt: skip
    if last == "void":
        held.void()
    if last in {"void", "reserve"}:
        return
    held.open_data()
    if rho:
        sigma = 2 * (0.5 / rho) ** 0.5 * (1 + 1e-9)
        held.charge([GaussianEvent(stage="one", attributes=("a",), cells=4, sigma=sigma,
                                   sensitivity=2, rho=rho)])  # fmt: skip
    if last == "commit":
        held.commit({"public": "0" * 64})


@pytest.fixture(scope="session")
def terms() -> LineageTerms:
    return LineageTerms.of(
        "clinic",
        unit=UNIT,
        total=Budget(epsilon=6, delta=1e-6),
        discovery_delta=2e-7,
        recipient=Budget(epsilon=3, delta=1e-6),
    )


@pytest.fixture
def books(
    tmp_path: Path,
    terms: LineageTerms,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Books:
    folder = tmp_path / "books"
    folder.mkdir()
    LedgerKey.create(folder / "ledger.pem")
    monkeypatch.setenv("DPSYNTH_LEDGER", str(folder / "ledger.sqlite"))
    monkeypatch.setenv("DPSYNTH_KEYS", str(folder))
    monkeypatch.setenv("DPSYNTH_ANCHORS", str(folder / "anchors"))
    for name in ("DPSYNTH_LEDGER_KEY", "DPSYNTH_LEDGER_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["dpsynth", *arguments])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    made = Books(folder, call)
    with made.open() as ledger:
        ledger.register(terms)
        for release in RELEASES:
            spend(ledger, *release)
    return made
