"""Where the ledger, its key and its anchors are, unless the environment says otherwise."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from dpsynth import places
from dpsynth.errors import InputError
from dpsynth.privacy.ledger import LedgerKey


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("LEDGER", "LEDGER_KEY", "LEDGER_PASSPHRASE", "ANCHORS"):
        monkeypatch.delenv(f"DPSYNTH_{name}", raising=False)
    monkeypatch.setenv("DPSYNTH_KEYS", str(tmp_path / "keys"))


def test_the_key_is_made_on_first_use_beside_the_other_keys(tmp_path: Path) -> None:
    made = places.ledger_key()
    assert LedgerKey.load(tmp_path / "keys" / "ledger.pem").public == made.public
    assert places.ledger_key().public == made.public


def test_a_key_that_is_named_is_never_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "stick" / "ledger.pem"
    monkeypatch.setenv("DPSYNTH_LEDGER_KEY", str(file))
    with pytest.raises(InputError, match="cannot be read"):
        places.ledger_key()
    made = LedgerKey.create(file, "a passphrase")
    with pytest.raises(InputError, match="passphrase"):
        places.ledger_key()
    monkeypatch.setenv("DPSYNTH_LEDGER_PASSPHRASE", "a passphrase")
    assert places.ledger_key().public == made.public
    assert not (tmp_path / "keys").exists()


def test_anchors_live_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert places.anchors().folder == platformdirs.user_state_path("dpsynth") / "anchors"
    monkeypatch.setenv("DPSYNTH_ANCHORS", str(tmp_path))
    assert places.anchors().folder == tmp_path


def test_the_option_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert places.ledger_path().path == platformdirs.user_data_path("dpsynth") / "ledger.sqlite"
    monkeypatch.setenv("DPSYNTH_LEDGER", "postgresql://host/db")
    assert places.ledger_path().text == "postgresql://host/db"
    assert places.ledger_path(str(tmp_path / "x")).path == tmp_path / "x"
    with pytest.raises(InputError, match="no ledger"):
        places.existing_ledger(str(tmp_path / "x"))
