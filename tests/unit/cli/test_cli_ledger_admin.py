"""`dpsynth ledger export`, `import`, `void` and `rotate`: what is written, asked and refused."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from ledger_books import Books, spend

from dpsynth.privacy.ledger import Ledger, LedgerKey


def test_move_and_go_on_elsewhere(books: Books, tmp_path: Path) -> None:
    file, new = tmp_path / "lines.jsonl", tmp_path / "new.sqlite"
    refused = books.call("ledger", "export", str(file), "--move")
    assert refused.code == 2 and "--yes" in refused.err and not file.exists()
    with books.open() as ledger:
        assert not ledger.moved
    moved = books.call("ledger", "export", str(file), "--move", "--yes")
    assert moved.code == 0 and "closed here" in moved.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert books.call("ledger", "export", str(tmp_path / "b"), "--move", "--yes").code == 2
    assert books.call("ledger", "export", str(tmp_path / "again")).code == 0
    assert (tmp_path / "again").read_text() == file.read_text()
    assert books.call("ledger", "void", "clinic", "16").code == 2, "closed for ever"
    done = books.call("ledger", "import", str(file), "--ledger", str(new), "--json")
    assert done.code == 0 and done.json["recovered"] is False
    with Ledger.open(new, key=books.key) as ledger:
        spend(ledger, "after the move")
        ledger.verify()


def test_confirmation_on_a_terminal(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter([False, True])
    monkeypatch.setattr("typer.confirm", lambda *_, **__: next(answers))
    file = tmp_path / "lines.jsonl"
    declined = books.call("ledger", "export", str(file), "--move")
    assert declined.code == 2 and "nothing was changed" in declined.err and not file.exists()
    assert books.call("ledger", "export", str(file), "--move").code == 0


def test_a_move_that_cannot_be_written_says_what_to_do(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError

    file = tmp_path / "lines.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        answer = books.call("ledger", "export", str(file), "--move", "--yes")
    assert answer.code == 2 and "closed here already" in answer.err
    assert not list(tmp_path.glob("*.jsonl")) and not list(tmp_path.glob(".*"))
    assert books.call("ledger", "export", str(file)).code == 0


def test_a_backup_needs_a_reason_and_says_what_it_means(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, new = tmp_path / "backup.jsonl", tmp_path / "new.sqlite"
    assert books.call("ledger", "export", str(file)).code == 0
    monkeypatch.setenv("DPSYNTH_ANCHORS", str(tmp_path / "elsewhere"))
    refused = books.call("ledger", "import", str(file), "--ledger", str(new))
    assert refused.code == 2 and "two budgets" in refused.err and not new.exists()
    done = books.call("ledger", "import", str(file), "--ledger", str(new), "--reason", "disk died")
    assert done.code == 0 and "is missing here" in done.out and "two budgets" in done.out
    last = books.call("ledger", "show", "--last", "1", "--ledger", str(new), "--json").json
    assert last["entries"][0]["payload"]["reason"] == "disk died"
    again = books.call("ledger", "import", str(file), "--ledger", str(new), "--reason", "again")
    assert again.code == 5 and "rolled back" in again.err, "the place is ahead of the file"


def test_a_backup_older_than_what_was_met_is_refused(books: Books, tmp_path: Path) -> None:
    file = tmp_path / "backup.jsonl"
    assert books.call("ledger", "export", str(file)).code == 0
    with books.open() as ledger:
        spend(ledger, "later")
    new = str(tmp_path / "new.sqlite")
    answer = books.call("ledger", "import", str(file), "--ledger", new, "--reason", "x", "--json")
    assert answer.code == 5 and answer.json["exit_code"] == 5
    assert not Path(new).exists()


def test_a_copy_goes_on_where_it_stands(books: Books, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    shutil.copy(books.path, copy)
    assert books.call("ledger", "void", "clinic", "16", "--ledger", str(copy)).code == 2
    assert books.call("ledger", "import", "--ledger", str(copy)).code == 2
    done = books.call("ledger", "import", "--reason", "restored", "--ledger", str(copy), "--json")
    assert done.code == 0 and done.json["recovered"] is True


def test_nothing_is_made_without_the_key(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lines.jsonl"
    assert books.call("ledger", "export", str(file)).code == 0
    monkeypatch.setenv("DPSYNTH_KEYS", str(tmp_path / "nokeys"))
    for command in (
        ["import", str(file), "--reason", "x", "--ledger", str(tmp_path / "new.sqlite")],
        ["void", "clinic", "16"],
        ["rotate"],
        ["export", str(tmp_path / "m"), "--move", "--yes"],
    ):
        assert books.call("ledger", *command).code == 2
    assert not (tmp_path / "nokeys").exists() and not (tmp_path / "new.sqlite").exists()
    monkeypatch.setenv("DPSYNTH_LEDGER", str(tmp_path / "typo.sqlite"))
    monkeypatch.setenv("DPSYNTH_KEYS", str(books.folder))
    assert books.call("ledger", "void", "clinic", "16").code == 2
    assert not (tmp_path / "typo.sqlite").exists()


def test_void(books: Books) -> None:
    told = books.call("ledger", "status", "clinic", "--json").json["lineage"]
    seq = {step["state"]: step["seq"] for step in told["burn_down"]}
    done = books.call("ledger", "void", "clinic", str(seq["reserved"]), "--json")
    assert done.code == 0
    assert float(done.json["lineage"]["left"]["rho"]) > float(told["left"]["rho"])
    for state in ("reserved", "open", "committed", "void"):
        assert books.call("ledger", "void", "clinic", str(seq[state])).code == 2
    assert books.call("ledger", "void", "clinic", "1").code == 2
    assert books.call("ledger", "void", "nobody", "16").code == 2


def test_rotate(books: Books) -> None:
    before = books.key.public
    done = books.call("ledger", "rotate", "--json")
    assert done.code == 0
    assert books.key.public == done.json["public_key"] != before
    old = Path(done.json["old_key"])
    assert LedgerKey.load(old).public == before
    assert stat.S_IMODE((books.folder / "ledger.pem").stat().st_mode) == 0o600
    with books.open() as ledger:
        spend(ledger, "with the new key")
    assert books.call("ledger", "verify").code == 0
    assert books.call("ledger", "rotate").code == 0, "and once more"


@pytest.mark.parametrize("function", ["link", "replace"])
def test_an_interrupted_rotation_is_finished_by_the_next(
    books: Books, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, path = getattr(os, function), books.folder / "ledger.pem"

    def killed(source: object, target: object) -> None:
        if path in (Path(str(source)), Path(str(target))):
            raise OSError
        genuine(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, function, killed)
        stopped = books.call("ledger", "rotate")
    assert stopped.code == 2 and "Run this again" in stopped.err
    entries = len(books.call("ledger", "show", "--json").json["entries"])
    assert books.call("ledger", "rotate").code == 0
    assert len(books.call("ledger", "show", "--json").json["entries"]) == entries
    with books.open() as ledger:
        spend(ledger, "with the new key")
    assert not list(books.folder.glob("*.new"))
