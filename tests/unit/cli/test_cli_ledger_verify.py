"""`dpsynth ledger verify` and `anchor`: each fault has its name and exit code 5."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ledger_books import Books, spend

from dpsynth.privacy.ledger import Ledger, LedgerKey
from dpsynth.privacy.ledger.chain import SIGNED


def _anchor(books: Books, name: str = "anchor.json") -> Path:
    file = books.folder / name
    assert books.call("ledger", "anchor", "--out", str(file)).code == 0
    return file


def _fault(books: Books, *arguments: str) -> tuple[str, str]:
    answer = books.call("ledger", "verify", *arguments, "--json")
    assert answer.code == 5 and answer.json["holds"] is False
    [finding] = answer.json["findings"]
    return finding["fault"], finding["text"]


def test_a_ledger_that_holds(books: Books) -> None:
    file = _anchor(books)
    answer = books.call("ledger", "verify", "--anchor", str(file), "--json")
    assert answer.code == 0 and answer.json["holds"] is True and not answer.json["findings"]
    head = answer.json["head"]
    [told] = answer.json["anchors"]
    assert (told["seq"], told["digest"]) == (head["seq"], head["digest"])
    assert told["held"] is True and told["signed"] is True and told["time_stamp"] is None
    text = f"{head['seq']}:{head['digest']}"
    assert books.call("ledger", "verify", "--anchor", text).code == 0


@pytest.mark.parametrize("place", ["", "public", "public/evidence.dsse.json"])
def test_a_bundle_is_an_anchor(books: Books, tmp_path: Path, place: str) -> None:
    made = json.loads(_anchor(books).read_text())
    evidence = {
        "predicate": {
            "ledger": {
                "id": {"value": made["ledger"]}, "public_key": {"value": made["public_key"]},
                "head_seq": {"value": made["seq"]}, "head_digest": {"value": made["digest"]},
            }
        }
    }  # fmt: skip
    public = tmp_path / "bundle" / "public"
    public.mkdir(parents=True)
    payload = base64.b64encode(json.dumps(evidence).encode()).decode()
    (public / "evidence.dsse.json").write_text(json.dumps({"payload": payload}))
    answer = books.call("ledger", "verify", "--anchor", str(tmp_path / "bundle" / place), "--json")
    assert answer.code == 0 and answer.json["anchors"][0]["held"] is True
    assert answer.json["anchors"][0]["signed"] is False


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE entries SET lineage = 'x' WHERE seq = 4", "edited"),
        ("DELETE FROM entries WHERE seq = 5", "missing"),
        ("UPDATE entries SET seq = seq + 1000 WHERE seq IN (4, 5)", "missing"),
        ("UPDATE entries SET signature = replace(signature, substr(signature, 1, 4), '0000') "
         "WHERE seq = (SELECT max(seq) FROM entries)", "signed"),
        ("DELETE FROM entries WHERE seq > 6", "rolled back"),
    ],
)  # fmt: skip
def test_damage_is_named(
    books: Books, tamper_file: Callable[..., None], statement: str, words: str
) -> None:
    tamper_file(books.path, statement)
    fault, text = _fault(books)
    assert fault == "damaged" and words in text
    shown = books.call("ledger", "verify")
    assert shown.code == 5 and "DAMAGED" in shown.out
    assert books.call("ledger", "status").code == 5


def test_reordered_entries_are_named(books: Books, tamper_file: Callable[..., None]) -> None:
    tamper_file(
        books.path,
        "UPDATE entries SET seq = -4 WHERE seq = 4",
        "UPDATE entries SET seq = 4 WHERE seq = 5",
        "UPDATE entries SET seq = 5 WHERE seq = -4",
    )
    assert "reordered" in _fault(books)[1]


def test_a_rollback_is_refused_from_then_on(
    books: Books, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "old.sqlite"
    shutil.copy(books.path, old)
    with books.open() as ledger:
        spend(ledger, "later", "Acme", "US")
    anchor = _anchor(books)
    text = json.loads(anchor.read_text())
    # Another machine, which never met the ledger: the old state holds together.
    monkeypatch.setenv("DPSYNTH_ANCHORS", str(tmp_path / "elsewhere"))
    assert books.call("ledger", "verify", "--ledger", str(old)).code == 0
    bare = f"{text['seq']}:{text['digest']}"
    assert _fault(books, "--ledger", str(old), "--anchor", bare)[0] == "rolled back"
    assert books.call("ledger", "status", "--ledger", str(old)).code == 0, "nobody signed the text"
    assert _fault(books, "--ledger", str(old), "--anchor", str(anchor))[0] == "rolled back"
    assert books.call("ledger", "status", "--ledger", str(old)).code == 5
    assert books.call("ledger", "verify", "--anchor", str(anchor)).code == 0


def test_a_fork_is_named(books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with books.open() as ledger:
        lines = list(ledger.export_lines())
    file = tmp_path / "lines.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines))
    with books.open() as ledger:
        spend(ledger, "mine")
    anchor = _anchor(books)
    monkeypatch.setenv("DPSYNTH_ANCHORS", str(tmp_path / "elsewhere"))
    other = str(tmp_path / "other.sqlite")
    done = books.call("ledger", "import", str(file), "--reason", "test", "--ledger", other)
    assert done.code == 0
    monkeypatch.setenv("DPSYNTH_LEDGER", other)
    with Ledger.open(Path(other), key=books.key) as fork:
        for number in range(3):
            spend(fork, f"other {number}")
    assert _fault(books, "--anchor", str(anchor))[0] == "forked"


def test_foreign_key_and_other_ledger_are_named(books: Books, tmp_path: Path) -> None:
    genuine = json.loads(_anchor(books).read_text())
    key = LedgerKey.create(tmp_path / "foreign.pem")
    forged = genuine | {
        "public_key": key.public,
        "signature": key.sign(SIGNED + bytes.fromhex(genuine["digest"])).hex(),
    }
    file = tmp_path / "forged.json"
    file.write_text(json.dumps(forged))
    assert _fault(books, "--anchor", str(file))[0] == "foreign key"
    file.write_text(json.dumps(genuine | {"ledger": "0" * 32}))
    assert _fault(books, "--anchor", str(file))[0] == "replaced"


def test_an_edited_anchor_says_nothing_against_the_ledger(books: Books, tmp_path: Path) -> None:
    genuine = json.loads(_anchor(books).read_text())
    file = tmp_path / "edited.json"
    file.write_text(json.dumps(genuine | {"seq": genuine["seq"] + 1000}))
    fault, text = _fault(books, "--anchor", str(file))
    assert fault == "anchor edited" and "nothing against the ledger" in text
    assert books.call("ledger", "status").code == 0, "a false number must not lock the ledger"


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "0" * 64}, {"signature": "0" * 128}, {"public_key": "0" * 64}, {"seq": 0},
        {"seq": "7"}, {"seq": True}, {"extra": 1}, {"time_stamp": "%%%"}, {"time_stamp": 1},
        {"dpsynth_ledger_anchor": "2"}, {"signature": "x"}, {"digest": None},
    ],
)  # fmt: skip
def test_what_is_no_anchor_is_a_usage_error(
    books: Books, tmp_path: Path, change: dict[str, object]
) -> None:
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(json.loads(_anchor(books).read_text()) | change))
    assert books.call("ledger", "verify", "--anchor", str(file), "--json").code == 2


@pytest.mark.parametrize("text", ["", "[]", "7", "null", '{"payload": "e30="}', '{"a":' * 9999])
def test_junk_is_no_anchor(books: Books, tmp_path: Path, text: str) -> None:
    file = tmp_path / "junk.json"
    file.write_text(text)
    assert books.call("ledger", "verify", "--anchor", str(file)).code == 2
    assert books.call("ledger", "verify", "--anchor", "0:" + "0" * 64).code == 2
    assert books.call("ledger", "verify", "--anchor", "nowhere").code == 2


def test_an_auditor_verifies_an_export_alone(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, anchor = tmp_path / "lines.jsonl", _anchor(books)
    assert books.call("ledger", "export", str(file)).code == 0
    monkeypatch.setenv("DPSYNTH_LEDGER", str(tmp_path / "none.sqlite"))
    monkeypatch.setenv("DPSYNTH_KEYS", str(tmp_path / "none"))
    monkeypatch.setenv("DPSYNTH_ANCHORS", str(tmp_path / "auditor"))
    answer = books.call(
        "ledger", "verify", "--export", str(file), "--anchor", str(anchor), "--json"
    )
    assert answer.code == 0 and answer.json["copy"] is True
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *lines[2:]]))
    assert books.call("ledger", "verify", "--export", str(file)).code == 5
    file.write_text("junk")
    assert books.call("ledger", "verify", "--export", str(file)).code == 2
    assert books.call("ledger", "verify", "--export", str(tmp_path / "no")).code == 2
    assert not (tmp_path / "none").exists() and not (tmp_path / "none.sqlite").exists()


def test_usage(books: Books, tmp_path: Path) -> None:
    anchor = _anchor(books)
    assert books.call("ledger", "anchor", "--out", str(anchor)).code == 2, "nothing is overwritten"
    assert books.call("ledger", "verify", "--export", "x", "--ledger", "y").code == 2
    root = tmp_path / "root.pem"
    answer = books.call(
        "ledger", "verify", "--anchor", str(anchor), "--tsa-trust", str(root), "--json"
    )
    assert answer.code == 2 and "time stamp" in answer.json["error"]["message"]
    assert books.call("ledger", "verify", "--ledger", str(tmp_path / "no.sqlite")).code == 2
    assert books.call("ledger", "anchor", "--tsa", "ftp://x").code == 2
    printed = books.call("ledger", "anchor")
    assert printed.json["time_stamp"] is None and printed.json["seq"] >= 1
