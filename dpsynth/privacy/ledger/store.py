"""The SQLite file of the ledger: one table, writers one at a time, every commit on the disk.

Follows SQLite's documentation of rollback journals: ``journal_mode=DELETE`` with
``synchronous=EXTRA`` makes a commit durable, the directory included, before it returns, and a
killed writer leaves the state before or after its transaction and nothing between. Writers use
``BEGIN IMMEDIATE``, so what they read cannot change before they write. Triggers refuse to change
or delete an entry; they are a guard against accidents, the hash chain is the proof.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from dpsynth.errors import InputError
from dpsynth.privacy.ledger.chain import Entry, StoredEntry, canonical, damaged

APPLICATION_ID = 0x44505359  # "DPSY"
USER_VERSION = 1
BUSY_SECONDS = 60

_METADATA = MetaData()
_ENTRIES = Table(
    "entries",
    _METADATA,
    Column("seq", Integer, primary_key=True),
    Column("prev", Text, nullable=False),
    Column("lineage", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("digest", Text, nullable=False),
)
_TRIGGERS = {
    f"entries_no_{action.lower()}": (
        f"CREATE TRIGGER entries_no_{action.lower()} BEFORE {action} ON entries "
        f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    )
    for action in ("UPDATE", "DELETE")
}
_PRAGMAS = (
    f"busy_timeout = {BUSY_SECONDS * 1000}",
    "journal_mode = DELETE",
    "synchronous = EXTRA",
    "fullfsync = ON",
    "trusted_schema = OFF",
)


class Store:
    """The entries on disk.

    Args:
        path: SQLite file; it and its folder are created, readable by the owner only.

    Raises:
        LedgerDamagedError: The file is not a ledger.
        InputError: The file cannot be created, read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _create_file(path)
        self._engine = create_engine(
            URL.create("sqlite", database=str(path)),
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
        )
        event.listen(self._engine, "connect", _configure)
        with self.transaction(write=True) as connection:
            _create_schema(connection)

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Connection]:
        """Run one transaction: committed and synced if the block ends, rolled back if it raises.

        Raises:
            LedgerDamagedError: SQLite finds the file malformed.
            InputError: The file cannot be used, or another process keeps it locked.
        """
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield connection
                    connection.exec_driver_sql("COMMIT")
                finally:
                    if connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
                        connection.exec_driver_sql("ROLLBACK")
        except OperationalError as error:
            if any(word in str(error.orig) for word in ("malformed", "decode")):
                raise damaged("The content of the file is malformed.") from None
            raise InputError(
                f"The ledger cannot be used now ({error.orig}).",
                where="ledger",
                fix="Check that its folder can be written and that no other program holds it.",
            ) from None
        except DatabaseError:
            raise damaged("The file is not a ledger, or its content is malformed.") from None

    def read(self, connection: Connection, start: int) -> list[StoredEntry]:
        """Return the entries numbered `start` and above, in order, unchecked."""
        query = select(_ENTRIES).where(_ENTRIES.c.seq >= start).order_by(_ENTRIES.c.seq)
        return [StoredEntry(**row._mapping) for row in connection.execute(query)]

    def append(self, connection: Connection, entry: Entry) -> None:
        """Write one entry."""
        connection.execute(
            insert(_ENTRIES).values(
                seq=entry.seq,
                prev=entry.prev,
                lineage=entry.lineage,
                kind=entry.kind.value,
                payload=canonical(entry.payload),
                created=entry.created,
                digest=entry.digest,
            )
        )

    def check_schema(self, connection: Connection) -> None:
        """Raise LedgerDamagedError unless table and triggers are what this module creates."""
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master").all()
        found = {str(name): sql for name, sql in rows}
        if set(found) != {_ENTRIES.name, *_TRIGGERS} or any(
            found[name] != sql for name, sql in _TRIGGERS.items()
        ):
            raise damaged("The table or the triggers that keep it append-only were changed.")

    def close(self) -> None:
        """Release the file."""
        self._engine.dispose()


def _create_file(path: Path) -> None:
    """Create the folder and an empty file, for the owner only."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise InputError(
            f"The ledger cannot be created ({type(error).__name__}).",
            where=str(path),
            fix="Choose another place with --ledger or DPSYNTH_LEDGER.",
        ) from None
    if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
        raise InputError(
            "The ledger is not a file that can be read and written.",
            where=str(path),
            fix="Choose another place with --ledger or DPSYNTH_LEDGER.",
        )


def _configure(connection: object, record: object) -> None:
    """Set the pragmas on a new connection."""
    del record
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _create_schema(connection: Connection) -> None:
    """Create the table in an empty file; accept a ledger; refuse anything else."""

    def pragma(name: str) -> int:
        return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())

    if pragma("application_id") == APPLICATION_ID:
        if pragma("user_version") != USER_VERSION:
            raise InputError("A newer dpsynth wrote this ledger.", where="ledger")
        return
    if connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one():
        raise damaged("The file is a database, but not a ledger.")
    _METADATA.create_all(connection)
    for trigger in _TRIGGERS.values():
        connection.exec_driver_sql(trigger)
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {USER_VERSION}")
