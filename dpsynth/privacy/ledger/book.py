"""Reading and appending entries: the one place where the file and the replayed state meet.

Each write is one transaction: take the lock, read what others appended, decide on the state as it
is now, append, sync. Two processes that race for the last of a budget are put in line by the lock,
and the second decides on what the first left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from dpsynth.privacy.ledger.chain import Head, Kind, check_chain, damaged, seal
from dpsynth.privacy.ledger.replay import Replay
from dpsynth.privacy.ledger.store import Store

Draft = tuple[str, Kind, dict[str, Any]]


class Book:
    """The entries of one ledger file and the state that they make."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path)
        self._replay = Replay()
        self.read()

    def read(self) -> Replay:
        """Return the state after every entry that is on disk now."""
        with self._store.transaction(write=False) as connection:
            return self._synced(connection)

    def write(self, decide: Callable[[Replay], Draft | None]) -> Head:
        """Append the entry that `decide` drafts from the current state, durably.

        Args:
            decide: Called inside the write lock; returns (lineage, kind, payload), None to write
                nothing, or raises to refuse.

        Returns:
            The new entry, on disk when this returns; the last one if nothing was to be written.
        """
        with self._store.transaction(write=True) as connection:
            replay = self._synced(connection)
            draft = decide(replay)
            if draft is None:
                return replay.head
            lineage, kind, payload = draft
            created = datetime.now(UTC).isoformat(timespec="milliseconds")
            entry = seal(replay.head, lineage=lineage, kind=kind, payload=payload, created=created)
            self._replay = Replay()  # read afresh, unless the commit succeeds
            replay.extend([entry])
            self._store.append(connection, entry)
        self._replay = replay
        return entry.head

    def verify(self, anchors: Sequence[Head]) -> Replay:
        """Re-read every entry from disk and check chain, contents, anchors and schema.

        Raises:
            LedgerDamagedError: Something was edited, removed, moved, rolled back or forked.
        """
        self._replay = Replay()
        with self._store.transaction(write=False) as connection:
            replay = self._synced(connection)
            _check_anchors(replay, anchors)
            self._store.check_schema(connection)
        return replay

    def close(self) -> None:
        """Release the file."""
        self._store.close()

    def _synced(self, connection: Connection) -> Replay:
        """Bring the state up to date with the file."""
        replay = self._replay
        known = replay.head
        stored = self._store.read(connection, known.seq)
        if known.seq:
            if not stored or stored[0].seq != known.seq or stored[0].digest != known.digest:
                raise damaged("The ledger was rolled back or replaced while it was in use.")
            stored = stored[1:]
        replay.extend(check_chain(stored, known))
        return replay


def _check_anchors(replay: Replay, anchors: Sequence[Head]) -> None:
    """Refuse a ledger that does not hold an entry which a document names."""
    for anchor in anchors:
        if anchor.seq > replay.head.seq:
            raise damaged(
                f"The ledger ends at entry {replay.head.seq}, but a document names entry "
                f"{anchor.seq}: it was truncated or rolled back."
            )
        found = replay.entries[anchor.seq - 1].head if anchor.seq > 0 else None
        if found != anchor:
            raise damaged(
                f"Entry {anchor.seq} is not the one that a document names: the ledger was "
                "rewritten or forked."
            )
