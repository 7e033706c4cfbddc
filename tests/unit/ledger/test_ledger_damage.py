"""Every kind of damage is found and named."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dpsynth.errors import LedgerDamagedError
from dpsynth.privacy.ledger import GENESIS, Head, Kind, Ledger
from dpsynth.privacy.ledger.chain import canonical, seal

Tamper = Callable[..., None]


@pytest.fixture
def full(ledger: Ledger, reserve) -> Ledger:
    """Six entries: register, reserve, open, commit, reserve, open."""
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


@pytest.mark.parametrize("column", ["prev", "lineage", "kind", "payload", "created", "digest"])
@pytest.mark.parametrize("seq", [1, 3, 6])
def test_an_edited_entry_is_named(
    full: Ledger, path: Path, tamper: Tamper, column: str, seq: int
) -> None:
    tamper(f"UPDATE entries SET {column} = replace({column}, substr({column}, 3, 1), '#') "
           f"WHERE seq = {seq}")  # fmt: skip
    fails(path, f"Entry {seq} was edited")


def test_a_cheaper_price_is_found(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("UPDATE entries SET payload = replace(payload, '0.0243', '0.0001') WHERE seq = 2")
    fails(path, "Entry 2 was edited")


def test_white_space_is_an_edit(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("UPDATE entries SET payload = payload || ' ' WHERE seq = 4")
    fails(path, "Entry 4 was edited")


@pytest.mark.parametrize("value", ["NULL", "5", "x'ff00'", "CAST(x'ff00' AS TEXT)"])
def test_content_that_is_no_text(full: Ledger, path: Path, tamper: Tamper, value: str) -> None:
    if value == "NULL":
        with pytest.raises(sqlite3.IntegrityError):
            tamper(f"UPDATE entries SET payload = {value} WHERE seq = 4")
        return
    tamper(f"UPDATE entries SET payload = {value} WHERE seq = 4")
    fails(path, "Entry 4 was edited|malformed")


def test_a_deleted_entry_is_named(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("DELETE FROM entries WHERE seq = 4")
    fails(path, "Entry 4 is missing")


def test_a_deleted_first_entry_is_named(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("DELETE FROM entries WHERE seq = 1")
    fails(path, "Entry 1 is missing")


def test_a_closed_gap_is_named(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("DELETE FROM entries WHERE seq = 4", "UPDATE entries SET seq = 4 WHERE seq = 5")
    fails(path, "entry 5 stands in place 4")


def test_reordered_entries_are_named(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper(
        "UPDATE entries SET seq = 100 WHERE seq = 3",
        "UPDATE entries SET seq = 3 WHERE seq = 5",
        "UPDATE entries SET seq = 5 WHERE seq = 100",
    )
    fails(path, "reordered: entry 5 stands in place 3")


def test_truncation_is_found_by_an_anchor(full: Ledger, path: Path, tamper: Tamper) -> None:
    anchor = full.head()
    tamper("DELETE FROM entries WHERE seq >= 5")
    with Ledger.open(path) as shorter:
        assert shorter.verify().entries == 4, "a shorter chain is whole in itself"
    fails(path, "ends at entry 4, but a document names entry 6", (anchor,))


def test_a_rollback_is_found_while_in_use(full: Ledger, path: Path, tamper: Tamper) -> None:
    tamper("DELETE FROM entries WHERE seq = 6")
    with pytest.raises(LedgerDamagedError, match="rolled back or replaced"):
        full.status("people")


def test_a_restored_copy_that_went_on_is_found(
    full: Ledger, path: Path, tmp_path: Path, reserve
) -> None:
    copy = tmp_path / "copy.sqlite"
    shutil.copy(path, copy)
    reserve("original", rho=0.001)
    anchor = full.head()
    with Ledger.open(copy) as fork:
        record = fork.status("people").open_reservations[0]
        assert record.release == "two"
        fork.register(replace(fork.status("people").terms, lineage="fork"))
    fails(copy, "Entry 7 is not the one that a document names", (anchor,))


@pytest.mark.parametrize(
    "anchor", [Head(seq=0, digest=GENESIS), Head(seq=-1, digest=GENESIS)], ids=["zero", "negative"]
)
def test_an_anchor_that_names_no_entry(full: Ledger, anchor: Head, path: Path) -> None:
    fails(path, "is not the one", (anchor,))


def test_every_head_is_an_anchor(full: Ledger) -> None:
    anchors = [entry.head for entry in full.entries()]
    check = full.verify(anchors)
    assert (check.anchors, check.entries, check.head) == (6, 6, anchors[-1])
    assert check.lineages == ("people",)


def test_a_forged_entry_with_a_right_digest_is_found(
    full: Ledger, path: Path, tamper: Tamper
) -> None:
    """Someone who can compute digests replaces entry 4; entry 5 still names the old one."""
    old = full.entries()[3]
    new = seal(full.entries()[2].head, lineage="people", kind=old.kind,
               payload=dict(old.payload) | {"digests": {"x": "y"}},
               created=old.created)  # fmt: skip
    tamper(
        f"UPDATE entries SET payload = '{canonical(new.payload)}', digest = '{new.digest}' "
        "WHERE seq = 4"
    )
    fails(path, "Entry 5 does not follow entry 4")


def charged(rho: str) -> dict:
    """A charge of reservation 5, which holds 0.0243."""
    event = {"mechanism": "discrete gaussian", "stage": "s", "attributes": ["a"], "cells": 1,
             "scale": "200", "sensitivity": 2, "rho": rho}  # fmt: skip
    return {"reservation": 5, "release": "two", "rho": rho, "events": [event]}


def insert(tamper: Tamper, ledger: Ledger, kind: Kind, payload: dict) -> None:
    entry = seal(ledger.head(), lineage="people", kind=kind, payload=payload, created="x")
    values = (entry.seq, entry.prev, entry.lineage, entry.kind.value, canonical(entry.payload),
              entry.created, entry.digest)  # fmt: skip
    tamper(f"INSERT INTO entries VALUES {values!r}")


def test_a_well_chained_truth_is_accepted(full: Ledger, path: Path, tamper: Tamper) -> None:
    insert(tamper, full, Kind.CHARGE, charged("0.02"))
    assert full.verify().entries == 7


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.CHARGE, charged("0.0244")),
        (Kind.CHARGE, charged("0.00001")),
        (Kind.CHARGE, charged("0.02") | {"rho": "0.01"}),
        (Kind.COMMIT, {"reservation": 5, "release": "two", "digests": {}, "rho": "0.1"}),
        (Kind.COMMIT, {"reservation": 5, "release": "other", "digests": {}, "rho": "0"}),
        (Kind.COMMIT, {"reservation": 2, "release": "one", "digests": {}, "rho": "0"}),
        (Kind.VOID, {"reservation": 5, "release": "two"}),
        (Kind.VOID, {"reservation": 99, "release": "two"}),
        (Kind.CHARGE, {"reservation": 5, "release": "two", "rho": "0", "events": [{}]}),
        (Kind.RESERVE, {"release": "x", "epsilon": "1", "delta": "0.1", "rho": "5"}),
        (Kind.REGISTER, {}),
    ],
)
def test_a_well_chained_lie_is_found(
    full: Ledger, path: Path, tamper: Tamper, kind: Kind, payload: dict
) -> None:
    insert(tamper, full, kind, payload)
    fails(path, "Entry 7 contradicts")


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
