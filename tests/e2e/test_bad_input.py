"""Bad input: a clear message, a stable exit code, nothing spent, no traceback, no private value."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from steward import DICTIONARY, HEADER, PASSPHRASE, Desk, furnish, rows_of, write_csv

from dpsynth.privacy.ledger import Ledger
from dpsynth.signing.trial import make_trial_keys


def nothing_spent(desk: Desk) -> bool:
    """Say whether the ledger knows of no spending."""
    if not desk.ledger.exists():
        return True
    with Ledger.open(desk.ledger) as book:
        return all(book.status(name).spent_rho == 0 for name in book.lineages())


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--epsilon", "0"), 2, "epsilon"),
        (("--epsilon", "-1"), 2, "epsilon"),
        (("--epsilon", "nan"), 2, "epsilon"),
        (("--epsilon", "inf"), 2, "epsilon"),
        (("--epsilon", "one"), 2, "epsilon"),
        (("--delta", "1"), 2, "delta"),
        (("--delta", "0"), 2, "delta"),
        (("--delta", "1e-3"), 2, "delta"),
        (("--policy", "nonsense"), 2, "policy"),
        (("--synthesizer", "nonsense"), 2, "nonsense"),
        (("--attacks", "slow"), 2, "attacks"),
        (("--attacks", "off"), 3, "attack"),
        (("--epsilon", "50"), 3, "epsilon"),
        (("--holdout", "0.9"), 2, "holdout"),
        (("--format", "xlsx"), 2, "format"),
        (("--data", "missing.csv"), 2, "missing.csv"),
        (("--dictionary", "missing.yaml"), 2, "missing.yaml"),
        (("--key", "missing.p12"), 2, "missing.p12"),
        (("--lineage", "../../etc"), 2, "lineage"),
        (("--max-rows-per-unit", "3"), 2, "unit"),
    ],
)
def test_options(desk: Desk, options: tuple[str, str], code: int, words: str) -> None:
    answer = desk.release(*options)
    assert answer.code == code, answer.text
    assert words in answer.err
    assert "Traceback" not in answer.text
    assert nothing_spent(desk)
    assert not (desk.folder / "clinic").exists()


def _damage(folder: Path, fault: str) -> None:
    data, dictionary = folder / "data.csv", folder / "dictionary.yaml"
    rows = rows_of(200)
    match fault:
        case "missing column":
            write_csv(data, [row[:4] for row in rows], HEADER[:4])
        case "wrong delimiter":
            data.write_text(data.read_text().replace(",", ";"))
        case "empty file":
            data.write_bytes(b"")
        case "duplicate column":
            write_csv(data, [(*row, "x") for row in rows], (*HEADER, "age"))
        case "draft dictionary":
            dictionary.write_text(DICTIONARY.replace("version: 1", "version: 1\nstatus: draft"))
        case "unknown kind":
            dictionary.write_text(DICTIONARY.replace("kind: float", "kind: fluid"))
        case "not yaml":
            dictionary.write_text("columns: [")
        case "wrong passphrase":
            (folder / "passphrase").write_text("another one")
        case "not a key":
            (folder / "keys" / "signer.p12").write_bytes(b"nonsense")
        case "taken folder":
            (folder / "clinic").mkdir()
        case "binary data":
            data.write_bytes(bytes(range(256)) * 50)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("missing column", "outcome"),
        ("wrong delimiter", "delimiter"),
        ("empty file", "empty"),
        ("duplicate column", "same name"),
        ("draft dictionary", "draft"),
        ("unknown kind", "fluid"),
        ("not yaml", "YAML"),
        ("wrong passphrase", "passphrase"),
        ("not a key", "PKCS#12"),
        ("taken folder", "exists"),
        ("binary data", "data.csv"),
    ],
)
def test_files(desk: Desk, fault: str, words: str) -> None:
    _damage(desk.folder, fault)
    answer = desk.release()
    assert answer.code == 2, answer.text
    assert words in answer.err, answer.err
    assert "Traceback" not in answer.text
    assert nothing_spent(desk)


def test_an_unwritable_folder(desk: Desk) -> None:
    target = Path("/proc/dpsynth/bundle") if os.geteuid() == 0 else Path("/root/bundle")
    answer = desk.release("--out", str(target))
    assert answer.code == 2
    assert "cannot be written" in answer.err
    assert nothing_spent(desk)


def test_an_expired_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    furnish(tmp_path, 200)
    then = datetime(2020, 1, 1, tzinfo=UTC)
    made = make_trial_keys("Test clinic", then, then + timedelta(days=30))
    (tmp_path / "keys" / "signer.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"old",
            made.signer_key,
            made.signer,
            [made.root],
            BestAvailableEncryption(PASSPHRASE.encode()),
        )
    )
    answer = Desk(tmp_path, monkeypatch, capsys).release()
    assert answer.code == 2
    assert "expired" in answer.err
    assert not (tmp_path / "clinic").exists()


def test_a_damaged_ledger_is_not_used(desk: Desk) -> None:
    desk.ledger.write_bytes(b"this is not a ledger" * 100)
    answer = desk.release()
    assert answer.code == 5, answer.text
    assert not (desk.folder / "clinic").exists()


def test_a_table_without_rows_is_a_legal_private_table(desk: Desk) -> None:
    """Whether the table has rows is private: the run is charged and ends without a traceback."""
    write_csv(desk.folder / "data.csv", [])
    answer = desk.release()
    assert answer.code in {0, 3}, answer.text
    assert not nothing_spent(desk)
