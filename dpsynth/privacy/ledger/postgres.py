"""The ledger in PostgreSQL: one schema, writers one at a time across hosts, every commit durable.

Each write is one transaction under an advisory lock of the database, at READ COMMITTED: once a
writer holds the lock, it reads what the one before it committed. ``synchronous_commit`` is switched
on for each transaction, whatever the server's default, and a server that runs without ``fsync`` is
refused. Triggers refuse to change, delete or truncate entries; they guard against accidents, the
signed hash chain is the proof.

A standby that was promoted is the same cluster to PostgreSQL. Two promoted halves of one cluster
are two ledgers that do not know of each other: anchors and documents show the fork.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from dpsynth.errors import InputError, LedgerDamagedError, MissingExtraError
from dpsynth.privacy.ledger.chain import Entry, Row, damaged
from dpsynth.privacy.ledger.place import Place
from dpsynth.privacy.ledger.tables import BUSY_SECONDS, COLUMNS, columns_of

SCHEMA = "dpsynth"
LOCK = 0x445053594C454447  # "DPSYLEDG"

_ENTRIES = Table(
    "entries",
    MetaData(schema=SCHEMA),
    Column(COLUMNS[0], Integer, primary_key=True),
    *(Column(name, Text, nullable=False) for name in COLUMNS[1:]),
)
_BODY = "BEGIN RAISE EXCEPTION 'the ledger is append-only'; END"
_TRIGGERS = {
    "entries_no_change": f"BEFORE DELETE OR UPDATE ON {SCHEMA}.entries FOR EACH ROW",
    "entries_no_truncate": f"BEFORE TRUNCATE ON {SCHEMA}.entries FOR EACH STATEMENT",
}
_EXISTS = text("SELECT to_regclass('dpsynth.entries') IS NOT NULL")


class PostgresStore:
    """The entries in a database.

    Args:
        place: Which database.
        write: Create schema and table if need be; otherwise nothing is created.

    Raises:
        LedgerDamagedError: The table is not that of a ledger.
        InputError: The server cannot be reached or used, or does not keep what it commits.
        MissingExtraError: psycopg is not installed.
    """

    def __init__(self, place: Place, *, write: bool) -> None:
        self.place = place
        self._engine = _engine(place)
        with self.transaction(write=write) as connection:
            if not connection.execute(_EXISTS).scalar_one():
                if not write:
                    raise InputError("There is no ledger in this database.", where=place.text)
                _create(connection)

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Connection]:
        """Run one transaction: committed and synced if the block ends, rolled back if it raises.

        Raises:
            LedgerDamagedError: The table lacks a column or holds what a ledger cannot.
            InputError: The server cannot be reached or used, or does not keep what it commits.
        """
        try:
            with self._engine.connect() as connection, connection.begin():
                if write:
                    connection.execute(text("SET LOCAL synchronous_commit = on"))
                    connection.execute(text(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'"))
                    _require_durable(connection)
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
                else:
                    connection.execute(text("SET TRANSACTION READ ONLY"))
                yield connection
        except SQLAlchemyError as error:
            raise _explained(error, self.place) from None

    def read(self, connection: Connection, start: int) -> Sequence[Row]:
        """Return the entries numbered `start` and above, in order, unchecked."""
        query = select(_ENTRIES).where(_ENTRIES.c.seq >= start).order_by(_ENTRIES.c.seq)
        return connection.execute(query).all()

    def append(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Write entries."""
        connection.execute(
            insert(_ENTRIES), [dict(zip(COLUMNS, columns_of(e), strict=True)) for e in entries]
        )

    def check_schema(self, connection: Connection) -> None:
        """Raise LedgerDamagedError unless table and triggers are what this module creates."""
        columns = connection.execute(
            text(
                "SELECT attname FROM pg_attribute WHERE attrelid = 'dpsynth.entries'::regclass "
                "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
            )
        ).scalars()
        triggers = connection.execute(
            text(
                "SELECT tgname, tgenabled, pg_get_triggerdef(t.oid), prosrc FROM pg_trigger t "
                "JOIN pg_proc p ON p.oid = tgfoid "
                "WHERE tgrelid = 'dpsynth.entries'::regclass AND NOT tgisinternal"
            )
        ).all()
        found = {str(name): (enabled, made, body) for name, enabled, made, body in triggers}
        expected = {
            name: (
                "A",
                f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {SCHEMA}.append_only()",
                _BODY,
            )
            for name, when in _TRIGGERS.items()
        }
        if tuple(columns) != COLUMNS or found != expected:
            raise damaged("The table or the triggers that keep it append-only were changed.")

    def home(self, connection: Connection, ledger_id: str) -> str:
        """Return the digest of cluster, database and table: a restored copy has another one."""
        allowed = connection.execute(
            text("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")
        ).scalar_one()
        if not allowed:
            raise InputError(
                "The user of the database may not ask which cluster this is.",
                where=self.place.text,
                fix="As a superuser: GRANT EXECUTE ON FUNCTION pg_control_system() TO the user.",
            )
        parts = connection.execute(
            text(
                "SELECT s.system_identifier, d.oid, 'dpsynth.entries'::regclass::oid "
                "FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()"
            )
        ).one()
        body = "\n".join(["postgresql", ledger_id, *(str(part) for part in parts)])
        return hashlib.sha256(body.encode()).hexdigest()

    def close(self) -> None:
        """Release the connection."""
        self._engine.dispose()


def has_ledger(place: Place) -> bool:
    """Say whether a database holds a ledger.

    Raises:
        InputError: The server cannot be reached.
        MissingExtraError: psycopg is not installed.
    """
    engine = _engine(place)
    try:
        with engine.connect() as connection:
            return bool(connection.execute(_EXISTS).scalar_one())
    except SQLAlchemyError as error:
        raise _explained(error, place) from None
    finally:
        engine.dispose()


def _engine(place: Place) -> Engine:
    """Return an engine that opens a connection for each transaction."""
    try:
        return create_engine(
            place.database,
            poolclass=NullPool,
            isolation_level="READ COMMITTED",
            connect_args={"connect_timeout": 10},
        )
    except ModuleNotFoundError:
        raise MissingExtraError(
            "A ledger in PostgreSQL needs psycopg.",
            fix="Install it with: pip install 'dpsynth[postgres]'",
        ) from None


def _require_durable(connection: Connection) -> None:
    """Refuse a server that can lose or garble what it committed."""
    for setting, wanted, why in (
        ("fsync", "on", "it loses what it committed when the power fails"),
        ("server_encoding", "UTF8", "it cannot hold every text"),
    ):
        found = connection.execute(text(f"SHOW {setting}")).scalar_one()
        if found != wanted:
            raise InputError(
                f"The database runs with {setting} = {found}: {why}.",
                where="ledger",
                fix=f"Use a server with {setting} = {wanted}.",
            )


def _create(connection: Connection) -> None:
    """Create schema, table and triggers."""
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    _ENTRIES.metadata.create_all(connection)
    connection.execute(
        text(
            f"CREATE FUNCTION {SCHEMA}.append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$${_BODY}$$"
        )
    )
    for name, when in _TRIGGERS.items():
        connection.execute(
            text(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {SCHEMA}.append_only()")
        )
        # Also where a session calls itself a replica, which would skip ordinary triggers.
        connection.execute(text(f"ALTER TABLE {SCHEMA}.entries ENABLE ALWAYS TRIGGER {name}"))


def _explained(error: SQLAlchemyError, place: Place) -> LedgerDamagedError | InputError:
    """Return our error for one of the database; its own text could show a password."""
    state = message = ""
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        diagnosis = getattr(error.orig, "diag", None)
        message = str(getattr(diagnosis, "message_primary", None) or "")
    if state in {"42703", "42P01", "42809"}:  # undefined column or table, wrong object type
        return damaged("The table is not that of a ledger.")
    reason = f"{message} [{state}]" if message else type(error).__name__
    return InputError(
        f"The ledger cannot be used now ({reason}).",
        where=place.text,
        fix="Check that the server runs and that the user may connect, read and write there.",
    )
