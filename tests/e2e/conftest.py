"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from steward import Desk, furnish


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A furnished folder, made once."""
    folder = tmp_path_factory.mktemp("desk")
    furnish(folder)
    return folder


@pytest.fixture
def desk(
    furnished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    """A fresh desk with its own ledger."""
    folder = tmp_path / "desk"
    shutil.copytree(furnished, folder)
    monkeypatch.setenv("DPSYNTH_KEYS", str(folder / "keys"))
    monkeypatch.setenv("DPSYNTH_LEDGER", str(folder / "ledger.sqlite"))
    monkeypatch.setenv("DPSYNTH_ANCHORS", str(folder / "anchors"))
    monkeypatch.delenv("DPSYNTH_LEDGER_KEY", raising=False)
    monkeypatch.delenv("DPSYNTH_LEDGER_PASSPHRASE", raising=False)
    monkeypatch.delenv("DPSYNTH_PASSPHRASE", raising=False)
    monkeypatch.chdir(folder)
    return Desk(folder, monkeypatch, capsys)
