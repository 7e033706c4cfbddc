"""Every kind of damage is found and named."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dpsynth.errors import InputError, LedgerDamagedError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.ledger import GENESIS, Anchors, Entry, Head, Kind, Ledger, LedgerKey, adopt
from dpsynth.privacy.ledger.chain import SIGNED, canonical, seal

Tamper = Callable[..., None]


@pytest.fixture
def full(ledger: Ledger, reserve) -> Ledger:
    """Seven entries: create, register, reserve, open, commit, reserve, open."""
    for name in ("one", "two"):
        reservation = reserve(name)
        reservation.open_data()
        if name == "one":
            reservation.commit({})
    return ledger


def fails(path: Path, words: str, anchors: tuple[Head, ...] = ()) -> None:
    with pytest.raises(LedgerDamagedError, match=words) as caught:
        with Ledger.open(path) as ledger:
            ledger.verify(anchors)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    "column", ["prev", "lineage", "kind", "payload", "created", "digest", "signature"]
)
@pytest.mark.parametrize("seq", [2, 4, 7])
def test_an_edited_entry_is_named(
    full: Ledger, path: Path, tamper: Tamper, column: str, seq: int
) -> None:
    tamper(f"UPDATE entries SET {column} = replace({column}, substr({column}, 3, 1), '#') "
           f"WHERE seq = {seq}")  # fmt: skip
    named = "was edited" if column != "signature" else "is not signed by the ledger's key"
    fails(path, f"Entry {seq} {named}")


def test_a_cheaper_price_is_found(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("UPDATE entries SET payload = replace(payload, '0.0243', '0.0001') WHERE seq = 3")
    fails(path, "Entry 3 was edited")


def test_white_space_is_an_edit(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("UPDATE entries SET payload = payload || ' ' WHERE seq = 5")
    fails(path, "Entry 5 was edited")


@pytest.mark.parametrize("value", ["NULL", "5", "x'ff00'", "CAST(x'ff00' AS TEXT)"])
def test_content_that_is_no_text(full: Ledger, path: Path, tamper: Tamper, value: str) -> None:
    if value == "NULL":
        with pytest.raises(sqlite3.IntegrityError):
            tamper(f"UPDATE entries SET payload = {value} WHERE seq = 5")
        return
    tamper(f"UPDATE entries SET payload = {value} WHERE seq = 5")
    fails(path, "Entry 5 was edited|malformed")


def test_a_deleted_entry_is_named(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("DELETE FROM entries WHERE seq = 5")
    fails(path, "Entry 5 is missing")


def test_a_deleted_first_entry_is_named(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("DELETE FROM entries WHERE seq = 1")
    fails(path, "Entry 1 is missing")


def test_a_closed_gap_is_named(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("DELETE FROM entries WHERE seq = 5", "UPDATE entries SET seq = 5 WHERE seq = 6")
    fails(path, "entry 6 stands in place 5")


def test_reordered_entries_are_named(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper(
        "UPDATE entries SET seq = 100 WHERE seq = 4",
        "UPDATE entries SET seq = 4 WHERE seq = 6",
        "UPDATE entries SET seq = 6 WHERE seq = 100",
    )
    fails(path, "reordered: entry 6 stands in place 4")


def test_truncation_is_found_by_a_document(full: Ledger, path: Path, tamper: Tamper) -> None:
    anchor = full.head()
    tamper("DELETE FROM entries WHERE seq >= 6")
    with Ledger.open(path) as shorter:
        assert shorter.verify().entries == 5, "a shorter chain is whole in itself"
    fails(path, "ends at entry 5, but a document names entry 7", (anchor,))


def test_a_rollback_is_found_while_in_use(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("DELETE FROM entries WHERE seq = 7")
    with pytest.raises(LedgerDamagedError, match="rolled back or replaced"):
        full.status("people")


def test_a_fork_is_found_by_a_document(
    full: Ledger, path: Path, tmp_path: Path, reserve, key: LedgerKey
) -> None:
    copy = tmp_path / "copy.sqlite"
    shutil.copy(path, copy)
    reserve("original", rho=0.001)
    anchor = full.head()
    with pytest.raises(InputError, match="copy"):
        Ledger.open(copy, key=key)
    adopt(copy, key, reason="forced, to make a fork")
    fails(copy, "Entry 8 is not the one that a document names", (anchor,))


@pytest.mark.parametrize(
    "anchor", [Head(seq=0, digest=GENESIS), Head(seq=-1, digest=GENESIS)], ids=["zero", "negative"]
)
def test_an_anchor_that_names_no_entry(full: Ledger, anchor: Head, path: Path) -> None:
    fails(path, "is not the one", (anchor,))


def test_every_head_is_an_anchor(full: Ledger) -> None:
    anchors = [entry.head for entry in full.entries()]
    check = full.verify(anchors)
    assert (check.anchors, check.entries, check.head) == (7, 7, anchors[-1])
    assert check.lineages == ("people",)


def values(entry: Entry) -> str:
    """Return an entry as SQL."""
    return repr((entry.seq, entry.prev, entry.lineage, entry.kind.value, entry.text,
                 entry.created, entry.digest, entry.signature))  # fmt: skip


def rebuilt(ledger: Ledger, start: int, changed: dict, key: LedgerKey) -> list[Entry]:
    """Return the chain from entry `start` on, with another payload there, signed by a key."""
    old = ledger.entries()
    head, found = old[start - 2].head, []
    for entry in old[start - 1 :]:
        payload = dict(entry.payload) | (changed if entry.seq == start else {})
        found.append(
            seal(head, key, lineage=entry.lineage, kind=entry.kind, payload=payload,
                 created=entry.created)
        )  # fmt: skip
        head = found[-1].head
    return found


def test_a_forged_entry_with_a_right_digest_is_found(
    full: Ledger, path: Path, tamper: Tamper, key: LedgerKey
) -> None:
    """Someone who can compute digests replaces entry 5; entry 6 still names the old one."""
    new = rebuilt(full, 5, {"digests": {"x": "y"}}, key)[0]
    tamper(
        f"UPDATE entries SET payload = '{new.text}', digest = '{new.digest}', "
        f"signature = '{new.signature}' WHERE seq = 5"
    )
    fails(path, "Entry 6 does not follow entry 5")


@pytest.mark.parametrize("start", [3, 7])
def test_a_chain_rebuilt_with_a_foreign_key_is_named(
    full: Ledger, path: Path, tamper: Tamper, tmp_path: Path, start: int
) -> None:
    """Someone who can write the file but lacks the key rebuilds every entry from one on."""
    foreign = LedgerKey.create(tmp_path / "foreign.pem")
    chain = rebuilt(full, start, {"release": "cheap"} if start == 3 else {}, foreign)
    if start == 3:
        chain = [e for e in chain if e.seq == 3]  # what follows would contradict the new name
    tamper(
        f"DELETE FROM entries WHERE seq >= {start}",
        *(f"INSERT INTO entries VALUES {values(e)}" for e in chain),
    )
    with pytest.raises(LedgerDamagedError, match="written with a foreign key"):
        Ledger.open(path)


def test_an_honest_end_does_not_hide_a_foreign_middle(
    full: Ledger, path: Path, tamper: Tamper, tmp_path: Path
) -> None:
    """Reading checks the last signature, which covers all before it; verification checks each."""
    foreign = LedgerKey.create(tmp_path / "foreign.pem")
    digest = full.entries()[3].digest
    signature = foreign.sign(SIGNED + bytes.fromhex(digest)).hex()
    tamper(f"UPDATE entries SET signature = '{signature}' WHERE seq = 4")
    with Ledger.open(path) as opened:
        assert opened.head() == full.head(), "nothing in the entries is changed"
        with pytest.raises(LedgerDamagedError, match="Entry 4 is not signed by the ledger's key"):
            opened.verify()


def test_a_whole_ledger_with_another_key_is_foreign(
    full: Ledger, path: Path, tmp_path: Path, key: LedgerKey, terms
) -> None:
    other = LedgerKey.create(tmp_path / "other.pem")
    path.unlink()
    with Ledger.open(path, key=other) as new:
        new.register(terms)
    with pytest.raises(LedgerDamagedError, match="signed by a foreign key, not by yours"):
        Ledger.open(path, key=key)


def test_a_replaced_ledger_is_named(
    full: Ledger, path: Path, key: LedgerKey, anchors: Anchors
) -> None:
    with Ledger.open(path, anchors=anchors):
        pass
    path.unlink()
    with pytest.raises(LedgerDamagedError, match="replaced or removed"):
        Ledger.open(path, key=key, anchors=anchors)
    assert not path.exists(), "no fresh budget was made"
    with Ledger.open(path, key=key):
        pass
    for use in (key, None):
        with pytest.raises(LedgerDamagedError, match="Another ledger .* stood at this place"):
            Ledger.open(path, key=use, anchors=anchors)


def test_a_ledger_rolled_back_behind_its_anchor_is_named(
    full: Ledger, path: Path, anchors: Anchors, tamper: Tamper
) -> None:
    with Ledger.open(path, anchors=anchors):
        pass
    tamper("DELETE FROM entries WHERE seq >= 6")
    with pytest.raises(LedgerDamagedError, match="ends at entry 5, but entry 7 was met"):
        Ledger.open(path, anchors=anchors)


def test_a_restored_file_is_rolled_back(
    ledger: Ledger, path: Path, tmp_path: Path, anchors: Anchors, key: LedgerKey, reserve
) -> None:
    """A backup written over the file keeps its inode: only the anchors tell."""
    backup = tmp_path / "backup"
    shutil.copy(path, backup)
    with Ledger.open(path, key=key, anchors=anchors) as book:
        reserve("r", book=book).open_data()
    path.write_bytes(backup.read_bytes())
    with pytest.raises(LedgerDamagedError, match="ends at entry 2, but entry 4 was met"):
        Ledger.open(path, key=key, anchors=anchors)


def test_a_fork_is_found_by_an_anchor(
    full: Ledger, path: Path, anchors: Anchors, tamper: Tamper, key: LedgerKey
) -> None:
    """Somebody who holds the key rewrites the past."""
    with Ledger.open(path, anchors=anchors):
        pass
    chain = rebuilt(full, 5, {"digests": {"x": "y"}}, key)
    tamper(
        "DELETE FROM entries WHERE seq >= 5",
        *(f"INSERT INTO entries VALUES {values(e)}" for e in chain),
    )
    with Ledger.open(path) as forked:
        assert forked.verify().entries == 7
    with pytest.raises(LedgerDamagedError, match="Entry 7 .* rewritten or forked"):
        Ledger.open(path, anchors=anchors)


def charged(rho: str) -> dict:
    """A charge of reservation 6, which holds 0.0243."""
    event = {"mechanism": "discrete gaussian", "stage": "s", "attributes": ["a"], "cells": 1,
             "scale": "256", "sensitivity": 2, "rho": rho}  # fmt: skip
    return {"reservation": 6, "release": "two", "rho": rho, "delta": "0", "events": [event]}


def insert(tamper: Tamper, ledger: Ledger, kind: Kind, payload: dict, key: LedgerKey) -> None:
    """Write an entry as a faulty program with the right key would."""
    lineage = "" if kind in {Kind.CREATE, Kind.ROTATE, Kind.MOVE, Kind.ADOPT} else "people"
    entry = seal(ledger.head(), key, lineage=lineage, kind=kind, payload=payload, created="x")
    tamper(f"INSERT INTO entries VALUES {values(entry)}")


def test_a_well_chained_truth_is_accepted(
    full: Ledger, path: Path, tamper: Tamper, key: LedgerKey
) -> None:
    insert(tamper, full, Kind.CHARGE, charged("0.015625"), key)
    assert full.verify().entries == 8


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.CHARGE, charged("0.0625")),
        (Kind.CHARGE, charged("0.0000152587890625")),
        (Kind.CHARGE, charged("0.015625") | {"rho": "0.0078125"}),
        (Kind.CHARGE, charged("0.015625") | {"delta": "0.5"}),
        (Kind.CHARGE, charged("0.015625") | {"rho": "1e-3"}),
        (Kind.CHARGE, charged("0.015625") | {"release": "other"}),
        (Kind.CHARGE, charged("0.015625") | {"reservation": 3}),
        (Kind.CHARGE, charged("0.015625") | {"zeta": "more"}),
        (Kind.COMMIT, {"reservation": 6, "release": "two", "digests": {}, "rho": "0.1",
                       "delta": "0"}),
        (Kind.COMMIT, {"reservation": 6, "release": "two", "digests": [], "rho": "0",
                       "delta": "0"}),
        (Kind.COMMIT, {"reservation": 6, "release": "other", "digests": {}, "rho": "0",
                       "delta": "0"}),
        (Kind.COMMIT, {"reservation": 3, "release": "one", "digests": {}, "rho": "0",
                       "delta": "0"}),
        (Kind.VOID, {"reservation": 6, "release": "two"}),
        (Kind.VOID, {"reservation": 99, "release": "two"}),
        (Kind.CHARGE, {"reservation": 6, "release": "two", "rho": "0", "delta": "0",
                       "events": [{}]}),
        (Kind.RESERVE, {"release": "x", "epsilon": "1", "delta": "0.1", "rho": "5"}),
        (Kind.REGISTER, {}),
        (Kind.CREATE, {"ledger": "0" * 32, "public_key": "0" * 64, "format": "2", "home": ""}),
        (Kind.ROTATE, {"public_key": "00"}),
        (Kind.ADOPT, {"home": "x", "reason": ""}),
        (Kind.ADOPT, {"home": "x", "reason": " "}),
    ],
)  # fmt: skip
def test_a_well_chained_lie_is_found(
    full: Ledger, path: Path, tamper: Tamper, kind: Kind, payload: dict, key: LedgerKey
) -> None:
    insert(tamper, full, kind, payload, key)
    fails(path, "Entry 8 contradicts")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"rho": "0.04"}, "Entry 8 contradicts"),  # 0.04 is more than epsilon 1 allows
        ({"epsilon": "2", "rho": "0.07"}, "Entry 8 reserves more than the caps"),
        ({"rho": "-0.01"}, "Entry 8 contradicts"),
        ({"rho": "1" + "0" * 400}, "reserves more than the caps"),
        ({"currency": "gold"}, "Entry 8 contradicts"),
        ({"caps": {"recipient": {"epsilon": "1", "delta": "0.000001", "rho": "0.02"},
                   "jurisdiction": None}, "recipient": ""}, "reserves more than the caps"),
        ({"discovery_delta": "0.0000001", "rho": "0.02"}, "reserves more than the caps"),
    ],
)  # fmt: skip
def test_a_reservation_that_no_filter_admits_is_found(
    full: Ledger, path: Path, tamper: Tamper, changes: dict, words: str | None, key: LedgerKey
) -> None:
    payload = dict(full.entries()[5].payload) | {"release": "three"} | changes
    insert(tamper, full, Kind.RESERVE, payload, key)
    if words is None:
        assert full.verify().entries == 8
    else:
        fails(path, words)


def test_the_triggers_refuse_accidents(full: Ledger, path: Path) -> None:
    connection = sqlite3.connect(path)
    for statement in ("UPDATE entries SET created = 'x'", "DELETE FROM entries"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.execute("DROP TRIGGER entries_no_delete")
    connection.commit()
    connection.close()
    fails(path, "triggers")


def test_files_that_are_no_ledger(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("not a database, " * 100)
    fails(path, "not a ledger")
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()
    fails(path, "not a ledger")


def test_a_ledger_of_format_1_is_refused_in_a_sentence(path: Path, key: LedgerKey) -> None:
    path.parent.mkdir(parents=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, prev TEXT)")
    connection.execute(f"PRAGMA application_id = {0x44505359}")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    for use in (key, None):
        with pytest.raises(
            InputError, match="has format 1; this version of dpsynth reads format 2"
        ):
            Ledger.open(path, key=use)


def test_a_chain_of_another_format_is_refused_in_a_sentence(
    path: Path, tamper: Tamper, key: LedgerKey
) -> None:
    with Ledger.open(path, key=key) as book:
        payload = dict(book.entries()[0].payload) | {"format": "3"}
    first = seal(Head(seq=0, digest=GENESIS), key, lineage="", kind=Kind.CREATE, payload=payload,
                 created="x")  # fmt: skip
    tamper("DELETE FROM entries", f"INSERT INTO entries VALUES {values(first)}")
    fails(path, "has format 3")


def test_a_torn_file_is_found(full: Ledger, path: Path) -> None:
    content = path.read_bytes()
    full.close()
    path.write_bytes(content[: len(content) // 2])
    fails(path, "malformed")


def test_messages_hold_no_path(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("DELETE FROM entries WHERE seq = 2")
    with pytest.raises(LedgerDamagedError) as caught:
        Ledger.open(path)
    assert str(path) not in str(caught.value)


def test_a_payload_in_another_form_is_found(
    full: Ledger, path: Path, tamper: Tamper, key: LedgerKey
) -> None:
    """Even the holder of the key must write canonical JSON, or two readers could differ."""
    import hashlib

    text = '{"reservation":6, "release":"two","digests":{},"rho":"0","delta":"0"}'
    head = full.head()
    body = (
        f'{{"created":"x","kind":"commit","lineage":"people","payload":{text},'
        f'"prev":"{head.digest}","seq":8}}'
    ).encode()
    digest = hashlib.sha256(body).digest()
    row = (8, head.digest, "people", "commit", text, "x", digest.hex(),
           key.sign(SIGNED + digest).hex())  # fmt: skip
    tamper(f"INSERT INTO entries VALUES {row!r}")
    fails(path, "Entry 8 is not canonical JSON")
    assert canonical({"b": 1, "a": "x"}) == '{"a":"x","b":1}'


def test_other_terms_of_the_same_people_do_not_slip_in(full: Ledger, terms) -> None:
    with pytest.raises(InputError, match="for ever"):
        full.register(replace(terms, total=Budget(epsilon=1.9, delta=1e-6), total_rho=0.05))
    full.register(replace(terms, discovery_delta=1e-7, total_rho=0.05))
    recorded = full.status("people").terms
    assert (recorded.discovery_delta, recorded.total_rho) == (0.0, 0.08), "the first ones stay"
