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
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from dpsynth.errors import InputError
from dpsynth.privacy.ledger.chain import Entry, Row, damaged
from dpsynth.privacy.ledger.place import Place
from dpsynth.privacy.ledger.tables import BUSY_SECONDS, COLUMNS, columns_of

APPLICATION_ID = 0x44505359  # "DPSY"
USER_VERSION = 2

_NAMES = ", ".join(COLUMNS)
_TABLE = (
    f"CREATE TABLE entries ({COLUMNS[0]} INTEGER NOT NULL PRIMARY KEY, "
    f"{', '.join(f'{name} TEXT NOT NULL' for name in COLUMNS[1:])})"
)
_READ = f"SELECT {_NAMES} FROM entries WHERE seq >= ? ORDER BY seq"  # noqa: S608 (fixed names)
_APPEND = f"INSERT INTO entries ({_NAMES}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
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
        mode = "rw" if write else "ro"
        self._address = f"file:{quote(str(self._path.resolve()))}?mode={mode}"
        with self.transaction(write=write) as connection:
            _check_file(connection, create=write)

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        """Run one transaction: committed and synced if the block ends, rolled back if it raises.

        Raises:
            LedgerDamagedError: SQLite finds the file malformed.
            InputError: The file cannot be used, or another process keeps it locked.
        """
        try:
            with closing(
                sqlite3.connect(self._address, uri=True, isolation_level=None)
            ) as connection:
                for pragma in self._pragmas:
                    connection.execute(f"PRAGMA {pragma}")
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield connection
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if any(word in str(error) for word in ("malformed", "decode")):
                raise damaged("The content of the file is malformed.") from None
            raise InputError(
                f"The ledger cannot be used now ({error}).",
                where="ledger",
                fix="Check that its folder can be written and that no other program holds it.",
            ) from None
        except sqlite3.DatabaseError:
            raise damaged("The file is not a ledger, or its content is malformed.") from None

    def read(self, connection: sqlite3.Connection, start: int) -> Sequence[Row]:
        """Return the entries numbered `start` and above, in order, unchecked."""
        return connection.execute(_READ, (start,)).fetchall()

    def append(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
        """Write entries."""
        for entry in entries:
            connection.execute(_APPEND, columns_of(entry))

    def check_schema(self, connection: sqlite3.Connection) -> None:
        """Raise LedgerDamagedError unless table and triggers are what this module creates."""
        found = dict(connection.execute("SELECT name, sql FROM sqlite_master").fetchall())
        if found != {"entries": _TABLE, **_TRIGGERS}:
            raise damaged("The table or the triggers that keep it append-only were changed.")

    def home(self, connection: sqlite3.Connection, ledger_id: str) -> str:
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
        """Release the file: nothing is held between transactions."""


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


def _check_file(connection: sqlite3.Connection, *, create: bool) -> None:
    """Create the table in an empty file; accept a ledger; refuse anything else."""

    def pragma(name: str) -> int:
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])

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
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise damaged("The file is a database, but not a ledger.")
    if not create:
        raise InputError("The file is empty: there is no ledger in it.", where="ledger")
    for statement in (_TABLE, *_TRIGGERS.values()):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {USER_VERSION}")
