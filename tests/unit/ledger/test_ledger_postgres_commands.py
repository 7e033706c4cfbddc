"""The commands on a ledger in PostgreSQL, also with the rights of a reader alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dpsynth.cli import main
from dpsynth.privacy.ledger import Ledger, LedgerKey, LineageTerms

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(
    tmp_path: Path,
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Call:
    monkeypatch.setenv("DPSYNTH_LEDGER_KEY", str(key_file))
    monkeypatch.setenv("DPSYNTH_ANCHORS", str(tmp_path / "anchors"))

    def run(place: str, *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["dpsynth", "ledger", *arguments, "--ledger", place])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, "".join(capsys.readouterr())

    return run


def test_from_a_file_into_a_database(
    call: Call, database: str, ledger: Ledger, path: Path, tmp_path: Path
) -> None:
    file = str(tmp_path / "lines.jsonl")
    assert call(database, "status")[0] == 2
    assert call(str(path), "export", file, "--move", "--yes")[0] == 0
    assert call(database, "import", file)[0] == 0
    code, out = call(database, "status", "--json")
    assert code == 0 and json.loads(out)["ledger"]["copy"] is False
    assert json.loads(out)["lineages"][0]["lineage"] == "people"
    assert call(database, "verify")[0] == 0


def test_a_reader_without_rights_can_read(
    call: Call, database: str, key: LedgerKey, terms: LineageTerms
) -> None:
    import psycopg

    with Ledger.open(database, key=key) as ledger:
        ledger.register(terms)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS auditor")
        connection.execute("CREATE ROLE auditor LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA dpsynth TO auditor")
        connection.execute("GRANT SELECT ON dpsynth.entries TO auditor")
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    try:
        reader = database.replace("steward@", "auditor@")
        code, out = call(reader, "status", "people", "--json")
        assert code == 0 and json.loads(out)["ledger"]["copy"] is None
        code, out = call(reader, "verify")
        assert code == 0 and "cannot be told" in out
        assert call(reader, "export", "/nowhere/x", "--move", "--yes")[0] == 2
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
            connection.execute("DROP OWNED BY auditor")
            connection.execute("DROP ROLE auditor")
