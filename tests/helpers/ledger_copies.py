"""Copies of a ledger that say something else: edited past the triggers, or committed anew."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from dpsynth.privacy.ledger import Head, Kind, Ledger
from dpsynth.privacy.ledger.chain import seal
from dpsynth.privacy.ledger.keys import LedgerKey
from dpsynth.privacy.ledger.place import Place
from dpsynth.privacy.ledger.sqlite import SqliteStore


def edited_copy(ledger: Path, target: Path, change: str) -> Path:
    """Return a copy, changed past its triggers, which are put back; {last} is the last entry."""
    path = Path(shutil.copy(ledger, target))
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = found.fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        ((last,),) = connection.execute("SELECT max(seq) FROM entries").fetchall()
        connection.execute(change.format(last=last))
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()
    return path


def committed_anew(ledger: Path, target: Path, key: LedgerKey, digests: Mapping[str, str]) -> Path:
    """Return a copy whose last entry, a commit, holds the digests of other manifests.

    The ledger as its holder's own key would have written it, had the release been signed so.
    """
    with Ledger.open(ledger) as book:
        commit = book.entries()[-1]
    assert commit.kind is Kind.COMMIT
    path = edited_copy(ledger, target, "DELETE FROM entries WHERE seq = {last}")
    anew = seal(
        Head(seq=commit.seq - 1, digest=commit.prev), key, lineage=commit.lineage,
        kind=Kind.COMMIT, payload={**commit.payload, "digests": dict(digests)},
        created=commit.created,
    )  # fmt: skip
    store = SqliteStore(Place.of(path), write=True)
    with store.transaction(write=True) as connection:
        store.append(connection, [anew])
    store.close()
    return path
