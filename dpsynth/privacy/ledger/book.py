"""Reading and appending entries: the one place where the database and the replayed state meet.

Each write is one transaction: take the lock, read what others appended, decide on the state as it
is now, append, sync. Two processes that race for the last of a budget are put in line by the lock,
and the second decides on what the first left.
"""

from __future__ import annotations

import gc
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from dpsynth.errors import InputError
from dpsynth.privacy.ledger.anchors import Anchors, replaced
from dpsynth.privacy.ledger.chain import FORMAT, Entry, Head, Kind, check_chain, damaged, seal
from dpsynth.privacy.ledger.keys import LedgerKey
from dpsynth.privacy.ledger.place import Place
from dpsynth.privacy.ledger.replay import Replay
from dpsynth.privacy.ledger.tables import Connection, Store

Draft = tuple[str, Kind, dict[str, Any]]


class Book:
    """The entries of one ledger and the state that they make.

    Args:
        place: Where the ledger is.
        key: The ledger's key; without it nothing is written.
        anchors: What this machine remembers of ledgers, or None.

    Raises:
        LedgerDamagedError: An entry is edited, missing or moved, or the ledger is not the one that
            was met before.
        InputError: There is no ledger and none may be made, or this is a copy and `key` is given.
    """

    def __init__(self, place: Place, key: LedgerKey | None, anchors: Anchors | None) -> None:
        self.place = place
        self.key = key
        self.anchors = anchors
        self._replay = Replay()
        stood = anchors.at(place.text) if anchors is not None else None
        if anchors is not None and stood is not None and not ledger_exists(place):
            raise replaced(stood, anchors.folder)
        self._store = open_store(place, write=key is not None)
        try:
            self._open(stood)
        except BaseException:
            self._store.close()
            raise

    def read(self) -> Replay:
        """Return the state after every entry that is on disk now."""
        with self._store.transaction(write=False) as connection:
            return self._synced(connection)

    def write(self, decide: Callable[[Replay], Draft | None], *, remember: bool = False) -> Head:
        """Append the entry that `decide` drafts from the current state, durably.

        Args:
            decide: Called inside the write lock; returns (lineage, kind, payload), None to write
                nothing, or raises to refuse.
            remember: Also keep the new head among the anchors.

        Returns:
            The new entry, on disk when this returns; the last one if nothing was to be written.

        Raises:
            InputError: The ledger is open for reading only, is a copy, or was closed by a move.
        """
        with self._store.transaction(write=self.key is not None) as connection:
            replay = self._synced(connection)
            key = self._require_writable(connection, replay)
            draft = decide(replay)
            if draft is None:
                return replay.head
            lineage, kind, payload = draft
            entry = seal(
                replay.head, key, lineage=lineage, kind=kind, payload=payload, created=now()
            )
            self._replay = Replay()  # read afresh, unless the commit succeeds
            replay.extend([entry])
            self._store.append(connection, [entry])
        self._replay = replay
        if remember:
            self._remember()
        return entry.head

    def verify(self, heads: Sequence[Head]) -> Replay:
        """Re-read every entry and check chain, signatures, prices, anchors and schema.

        Raises:
            LedgerDamagedError: Something was edited, removed, moved, rolled back or forked.
        """
        self._replay = Replay()
        with self._store.transaction(write=False) as connection:
            replay = self._synced(connection, full=True)
            _check_heads(replay, heads)
            self._store.check_schema(connection)
        self._check_anchors(replay)
        return replay

    def at_home(self) -> bool:
        """Say whether this is the ledger itself rather than a copy of it."""
        with self._store.transaction(write=False) as connection:
            replay = self._synced(connection)
            return self._store.home(connection, replay.ledger_id) == replay.home

    def close(self) -> None:
        """Release the database."""
        if self._replay.ledger_id:
            self._remember()
        self._store.close()

    def _open(self, stood: str | None) -> None:
        """Read the ledger, or write its first entry, and compare it with the anchors."""
        with self._store.transaction(write=False) as connection:
            replay = self._synced(connection)
            if replay.ledger_id and self.key is not None:
                self._require_writable(connection, replay, moved=True)
        if not replay.ledger_id:
            if self.key is None:
                raise InputError("There is no ledger.", where=self.place.text)
            self._create(self.key, stood)
        self._check_anchors(self._replay)
        self._remember()

    def _create(self, key: LedgerKey, stood: str | None) -> None:
        """Write the first entry, unless another process just did."""
        with self._store.transaction(write=True) as connection:
            replay = self._synced(connection)
            if replay.ledger_id:
                self._require_writable(connection, replay)
                return
            if self.anchors is not None and stood is not None:
                raise replaced(stood, self.anchors.folder)
            ledger_id = secrets.token_hex(16)
            payload = {
                "ledger": ledger_id,
                "public_key": key.public,
                "format": FORMAT,
                "home": self._store.home(connection, ledger_id),
            }
            entry = seal(
                replay.head, key, lineage="", kind=Kind.CREATE, payload=payload, created=now()
            )
            self._replay = Replay()
            replay.extend([entry])
            self._store.append(connection, [entry])
        self._replay = replay

    def _synced(self, connection: Connection, *, full: bool = False) -> Replay:
        """Bring the state up to date with the database."""
        replay = self._replay
        known = replay.head
        stored = self._store.read(connection, known.seq)
        if known.seq:
            if not stored or stored[0][0] != known.seq or stored[0][6] != known.digest:
                raise damaged("The ledger was rolled back or replaced while it was in use.")
            stored = stored[1:]
        if stored:
            # A failure half-way must not leave a state that a later read would build on.
            self._replay = Replay()
            with collector_paused():
                replay.extend(check_chain(stored, known), full=full)
            self._replay = replay
        return replay

    def _require_writable(
        self, connection: Connection, replay: Replay, *, moved: bool = False
    ) -> LedgerKey:
        """Return the key if this is the ledger itself and it may be written here.

        With `moved`, a ledger that was closed here is let pass: it may still be read.
        """
        if self.key is None:
            raise InputError(
                "The ledger is open for reading only.", where="ledger", fix="Open it with its key."
            )
        require_key(replay, self.key)
        if replay.moved and not moved:
            raise InputError(
                "The ledger was moved: it is closed here for ever.",
                where="ledger",
                fix="Use it where it went on after `dpsynth ledger import`.",
            )
        if self._store.home(connection, replay.ledger_id) != replay.home:
            raise InputError(
                "This is a copy of a ledger: it can be read, but the original stays the ledger, or "
                "its people would have two budgets.",
                where=self.place.text,
                fix="To move it: `dpsynth ledger export --move` there, `dpsynth ledger import` "
                "here. If the original is lost, import the newest copy with a reason.",
            )
        return self.key

    def _check_anchors(self, replay: Replay) -> None:
        if self.anchors is not None:
            self.anchors.check(replay.ledger_id, replay.keys, replay.entries, self.place.text)

    def _remember(self) -> None:
        if self.anchors is not None:
            replay = self._replay
            self.anchors.remember(replay.ledger_id, replay.keys, replay.head, self.place.text)


def open_store(place: Place, *, write: bool) -> Store:
    """Return the store of a place; the PostgreSQL one is loaded only where it is used."""
    if place.url is not None:
        from dpsynth.privacy.ledger.postgres import PostgresStore

        return PostgresStore(place, write=write)
    from dpsynth.privacy.ledger.sqlite import SqliteStore

    return SqliteStore(place, write=write)


def ledger_exists(place: Place) -> bool:
    """Say whether a ledger is at a place.

    Raises:
        InputError: The database cannot be reached.
    """
    if place.url is not None:
        from dpsynth.privacy.ledger.postgres import has_ledger

        return has_ledger(place)
    return place.file.is_file()


def require_key(replay: Replay, key: LedgerKey) -> None:
    """Refuse a key that is not the ledger's."""
    if replay.public_key == key.public:
        return
    if key.public in replay.keys:
        raise InputError(
            "The ledger's key was rotated; this is an earlier one.",
            where="ledger",
            fix="Name the new key with DPSYNTH_LEDGER_KEY.",
        )
    raise damaged(
        "The ledger is signed by a foreign key, not by yours: it was replaced or rebuilt, or this "
        "is not its key.",
        fix="If the ledger is genuine, name its key with DPSYNTH_LEDGER_KEY; else put the genuine "
        "one back.",
    )


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep Python's cycle collector from walking the entries again and again as they arrive.

    All that is made here stays; without a pause a tenth of the time goes into looking at it.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def now() -> str:
    """Return the time as entries hold it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def check_entries(entries: Sequence[Entry]) -> Replay:
    """Return the state of a whole chain after every check that needs no database."""
    replay = Replay()
    replay.extend(entries, full=True)
    return replay


def _check_heads(replay: Replay, heads: Sequence[Head]) -> None:
    """Refuse a ledger that does not hold an entry which a document names."""
    for head in heads:
        if head.seq > replay.head.seq:
            raise damaged(
                f"The ledger ends at entry {replay.head.seq}, but a document names entry "
                f"{head.seq}: it was truncated or rolled back."
            )
        found = replay.entries[head.seq - 1].head if head.seq > 0 else None
        if found != head:
            raise damaged(
                f"Entry {head.seq} is not the one that a document names: the ledger was "
                "rewritten or forked."
            )
