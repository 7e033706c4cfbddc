"""What both databases share: the table of entries and what a store must do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from dpsynth.privacy.ledger.chain import Entry, Row
from dpsynth.privacy.ledger.place import Place

BUSY_SECONDS = 60  #: how long a writer waits for the others
Connection = Any  #: an open transaction, of the store's own driver
COLUMNS = ("seq", "prev", "lineage", "kind", "payload", "created", "digest", "signature")


class Store(Protocol):
    """Entries in a database, one transaction at a time."""

    place: Place

    def transaction(self, *, write: bool) -> AbstractContextManager[Connection]:
        """Run one transaction: durable if the block ends, undone if it raises."""
        ...

    def read(self, connection: Connection, start: int) -> Sequence[Row]:
        """Return the entries numbered `start` and above, in order, unchecked."""
        ...

    def append(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Write entries."""
        ...

    def check_schema(self, connection: Connection) -> None:
        """Raise LedgerDamagedError unless table and triggers are what the store creates."""
        ...

    def home(self, connection: Connection, ledger_id: str) -> str:
        """Return a digest that only this place has for a ledger."""
        ...

    def close(self) -> None:
        """Release the database."""
        ...


def columns_of(entry: Entry) -> tuple[object, ...]:
    """Return the values of an entry in the order of COLUMNS."""
    return (
        entry.seq,
        entry.prev,
        entry.lineage,
        entry.kind.value,
        entry.text,
        entry.created,
        entry.digest,
        entry.signature,
    )
