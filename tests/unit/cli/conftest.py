"""Fixtures: the books of a steward, and the command line in this process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ledger_books import RELEASES, UNIT, Answer, Books, spend

from dpsynth.cli import main
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.ledger import LedgerKey, LineageTerms


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
