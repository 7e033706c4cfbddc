"""What both databases share: the table of entries and what a store must do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, insert, select

from dpsynth.privacy.ledger.chain import Entry, Row
from dpsynth.privacy.ledger.place import Place

BUSY_SECONDS = 60  #: how long a writer waits for the others
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


def entries_table(schema: str | None) -> Table:
    """Return the table of entries."""
    texts = [Column(name, Text, nullable=False) for name in COLUMNS[1:]]
    return Table("entries", MetaData(schema=schema), Column("seq", Integer, primary_key=True),
                 *texts)  # fmt: skip


def read_rows(table: Table, connection: Connection, start: int) -> Sequence[Row]:
    """Return the entries numbered `start` and above, in order, unchecked."""
    query = select(table).where(table.c.seq >= start).order_by(table.c.seq)
    return connection.execute(query).all()


def append_rows(table: Table, connection: Connection, entries: Sequence[Entry]) -> None:
    """Write entries."""
    connection.execute(
        insert(table),
        [
            dict(
                zip(
                    COLUMNS,
                    (e.seq, e.prev, e.lineage, e.kind.value, e.text, e.created, e.digest,
                     e.signature),
                    strict=True,
                )
            )
            for e in entries
        ],
    )  # fmt: skip
