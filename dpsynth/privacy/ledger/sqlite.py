"""The SQLite file of the ledger: one table, writers one at a time, every commit on the disk.

Follows SQLite's documentation of rollback journals: ``journal_mode=DELETE`` with
``synchronous=EXTRA`` makes a commit durable, the directory included, before it returns, and a
killed writer leaves the state before or after its transaction and nothing between. Writers use
``BEGIN IMMEDIATE``, so what they read cannot change before they write. Triggers refuse to change
or delete an entry; they are a guard against accidents, the signed hash chain is the proof.

SQLite locks files through the file system. Network file systems (NFS, SMB) often lock badly, and
two hosts could then both spend the last of a budget: use PostgreSQL between hosts. Nothing here can
tell such a file system apart, so nothing is refused.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from dpsynth.errors import InputError
from dpsynth.privacy.ledger.chain import Entry, Row, damaged
from dpsynth.privacy.ledger.place import Place
from dpsynth.privacy.ledger.tables import BUSY_SECONDS, append_rows, entries_table, read_rows

APPLICATION_ID = 0x44505359  # "DPSY"
USER_VERSION = 2

_ENTRIES = entries_table(None)
_TRIGGERS = {
    f"entries_no_{action.lower()}": (
        f"CREATE TRIGGER entries_no_{action.lower()} BEFORE {action} ON entries "
        f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    )
    for action in ("UPDATE", "DELETE")
}
_READING = (f"busy_timeout = {BUSY_SECONDS * 1000}", "trusted_schema = OFF")
_WRITING = (*_READING, "journal_mode = DELETE", "synchronous = EXTRA", "fullfsync = ON")
_CHOOSE = "Choose another place with --ledger or DPSYNTH_LEDGER."


class SqliteStore:
    """The entries in a file.

    Args:
        place: Where the file is.
        write: Create it and its folder if need be, readable by the owner only; otherwise the file
            is opened read-only and nothing is created.

    Raises:
        LedgerDamagedError: The file is not a ledger.
        InputError: The file cannot be created, read or written.
    """

    def __init__(self, place: Place, *, write: bool) -> None:
        self.place = place
        self._path = place.file
        if write:
            _create_file(self._path)
        elif not self._path.is_file():
            raise InputError("There is no ledger.", where=str(self._path), fix=_CHOOSE)
        else:
            _recover(self._path)
        self._pragmas = _WRITING if write else _READING
        address = f"file:{quote(str(self._path.resolve()))}?mode={'rw' if write else 'ro'}"
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(address, uri=True, isolation_level=None),
            poolclass=NullPool,
        )
        event.listen(self._engine, "connect", self._configure)
        with self.transaction(write=write) as connection:
            _check_file(connection, create=write)

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Connection]:
        """Run one transaction: committed and synced if the block ends, rolled back if it raises.

        Raises:
            LedgerDamagedError: SQLite finds the file malformed.
            InputError: The file cannot be used, or another process keeps it locked.
        """
        try:
            with self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            ) as connection:
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

    def read(self, connection: Connection, start: int) -> Sequence[Row]:
        """Return the entries numbered `start` and above, in order, unchecked."""
        return read_rows(_ENTRIES, connection, start)

    def append(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Write entries."""
        append_rows(_ENTRIES, connection, entries)

    def check_schema(self, connection: Connection) -> None:
        """Raise LedgerDamagedError unless table and triggers are what this module creates."""
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master").all()
        found = {str(name): sql for name, sql in rows}
        if set(found) != {_ENTRIES.name, *_TRIGGERS} or any(
            found[name] != sql for name, sql in _TRIGGERS.items()
        ):
            raise damaged("The table or the triggers that keep it append-only were changed.")

    def home(self, connection: Connection, ledger_id: str) -> str:
        """Return the digest of the file itself: a copy has another inode or file system."""
        del connection
        try:
            inode, system = os.stat(self._path).st_ino, os.statvfs(self._path).f_fsid
        except OSError as error:
            raise InputError(
                f"The ledger's file cannot be examined ({type(error).__name__}).", where="ledger"
            ) from None
        return hashlib.sha256(f"sqlite\n{ledger_id}\n{inode}\n{system}".encode()).hexdigest()

    def close(self) -> None:
        """Release the file."""
        self._engine.dispose()

    def _configure(self, connection: object, record: object) -> None:
        """Set the pragmas on a new connection."""
        del record
        cursor = connection.cursor()  # type: ignore[attr-defined]
        for pragma in self._pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _create_file(path: Path) -> None:
    """Create the folder and an empty file, for the owner only."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise InputError(
            f"The ledger cannot be created ({type(error).__name__}).", where=str(path), fix=_CHOOSE
        ) from None
    if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
        raise InputError(
            "The ledger is not a file that can be read and written.", where=str(path), fix=_CHOOSE
        )


def _recover(path: Path) -> None:
    """Let SQLite undo what a killed writer left half-done, where the file may be written.

    A reader cannot: it may not write. Nothing that was committed changes.
    """
    journal = path.with_name(f"{path.name}-journal")
    if journal.is_file() and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        try:
            connection = sqlite3.connect(
                f"file:{quote(str(path.resolve()))}?mode=rw", uri=True, timeout=BUSY_SECONDS
            )
            try:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            finally:
                connection.close()
        except sqlite3.Error:
            return  # the reader that follows says what is wrong


def _check_file(connection: Connection, *, create: bool) -> None:
    """Create the table in an empty file; accept a ledger; refuse anything else."""

    def pragma(name: str) -> int:
        return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())

    if pragma("application_id") == APPLICATION_ID:
        version = pragma("user_version")
        if version != USER_VERSION:
            raise InputError(
                f"The ledger has format {version}; this version of dpsynth reads format "
                f"{USER_VERSION} only.",
                where="ledger",
                fix="Format 1 was never released: start a new ledger, and count what was spent."
                if version < USER_VERSION
                else "A newer dpsynth wrote it: use that one.",
            )
        return
    if connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one():
        raise damaged("The file is a database, but not a ledger.")
    if not create:
        raise InputError("The file is empty: there is no ledger in it.", where="ledger")
    _ENTRIES.metadata.create_all(connection)
    for trigger in _TRIGGERS.values():
        connection.exec_driver_sql(trigger)
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {USER_VERSION}")
