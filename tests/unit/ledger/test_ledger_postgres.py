"""The ledger on a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dpsynth.errors import BudgetError, InputError, LedgerDamagedError
from dpsynth.privacy.ledger import (
    Anchors,
    Kind,
    Ledger,
    LedgerKey,
    LineageTerms,
    Place,
    adopt,
    import_lines,
    ledger_exists,
)

psycopg = pytest.importorskip("psycopg")


@pytest.fixture
def book(database: str, key: LedgerKey, terms: LineageTerms) -> Iterator[Ledger]:
    with Ledger.open(database, key=key) as opened:
        opened.register(terms)
        yield opened


@pytest.fixture
def sql(database: str) -> Callable[..., list[tuple]]:
    """Run statements as the owner of the database."""

    def call(*statements: str, url: str = database) -> list[tuple]:
        found: list[tuple] = []
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
                if cursor.description:
                    found = cursor.fetchall()
        return found

    return call


def off(*statements: str) -> list[str]:
    """Return statements with the triggers switched off around them, as an attacker would."""
    return [
        "ALTER TABLE dpsynth.entries DISABLE TRIGGER ALL",
        *statements,
        "ALTER TABLE dpsynth.entries ENABLE ALWAYS TRIGGER entries_no_change",
        "ALTER TABLE dpsynth.entries ENABLE ALWAYS TRIGGER entries_no_truncate",
    ]


def test_a_whole_release(book: Ledger, reserve, database: str) -> None:
    reservation = reserve("r", book=book)
    reservation.open_data()
    reservation.commit({"public": "00"})
    with pytest.raises(BudgetError):
        reserve("s", book=book, rho=0.09, epsilon=3.0)
    with Ledger.open(database) as reader:
        assert reader.verify([book.head()]).entries == 5
        assert reader.status("people") == book.status("people")
        with pytest.raises(InputError, match="reading only"):
            reader.move()
    assert ledger_exists(Place.of(database))


def test_reading_makes_nothing(database: str, sql) -> None:
    assert not ledger_exists(Place.of(database))
    with pytest.raises(InputError, match="no ledger"):
        Ledger.open(database)
    assert sql("SELECT 1 FROM pg_namespace WHERE nspname = 'dpsynth'") == []


def test_entries_cannot_be_changed(book: Ledger, sql) -> None:
    for statement in (
        "UPDATE dpsynth.entries SET created = 'x'",
        "DELETE FROM dpsynth.entries",
        "TRUNCATE dpsynth.entries",
    ):
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            sql(statement)
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            sql("SET session_replication_role = replica", statement)
    book.verify()


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE dpsynth.entries DISABLE TRIGGER entries_no_change",
        "ALTER TABLE dpsynth.entries ENABLE TRIGGER entries_no_change",
        "DROP TRIGGER entries_no_truncate ON dpsynth.entries",
        "CREATE OR REPLACE FUNCTION dpsynth.append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RETURN NEW; END$$",
        "ALTER TABLE dpsynth.entries ADD COLUMN more text",
        "CREATE TRIGGER more BEFORE INSERT ON dpsynth.entries FOR EACH ROW "
        "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ],
)
def test_a_changed_schema_is_found(book: Ledger, sql, statement: str) -> None:
    sql(statement)
    with pytest.raises(LedgerDamagedError, match="triggers|not a ledger|edited"):
        with Ledger.open(book.place) as reader:
            reader.verify()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE dpsynth.entries SET payload = payload || ' ' WHERE seq = 3", "Entry 3 was edited"),
        ("DELETE FROM dpsynth.entries WHERE seq = 3", "Entry 3 is missing"),
        ("DELETE FROM dpsynth.entries WHERE seq >= 4", "ends at entry 3"),
    ],
)
def test_damage_is_named(
    book: Ledger, reserve, sql, anchors: Anchors, statement: str, words: str
) -> None:
    reserve("r", book=book).open_data()
    with Ledger.open(book.place, anchors=anchors):
        pass
    sql(*off(statement))
    with pytest.raises(LedgerDamagedError, match=words):
        Ledger.open(book.place, anchors=anchors)


def test_an_emptied_database_is_no_fresh_budget(
    book: Ledger, sql, key: LedgerKey, anchors: Anchors, database: str
) -> None:
    with Ledger.open(database, anchors=anchors):
        pass
    for statements in (off("DELETE FROM dpsynth.entries"), ["DROP SCHEMA dpsynth CASCADE"]):
        sql(*statements)
        with pytest.raises(LedgerDamagedError, match="replaced or removed"):
            Ledger.open(database, key=key, anchors=anchors)


def test_another_table_is_no_ledger(database: str, sql, key: LedgerKey) -> None:
    sql("CREATE SCHEMA dpsynth", "CREATE TABLE dpsynth.entries (seq integer)")
    for use in (key, None):
        with pytest.raises(LedgerDamagedError, match="not that of a ledger"):
            Ledger.open(database, key=use)


def test_a_copied_database_is_no_second_budget(
    book: Ledger, server: str, sql, key: LedgerKey, reserve
) -> None:
    copy = server.replace("/postgres?", "/copied?")
    sql("DROP DATABASE IF EXISTS copied", "CREATE DATABASE copied TEMPLATE postgres", url=server
        .replace("/postgres?", "/template1?"))  # fmt: skip
    with pytest.raises(InputError, match="This is a copy"):
        Ledger.open(copy, key=key)
    with Ledger.open(copy) as reader:
        assert reader.verify().entries == 2 and not reader.at_home()
    adopt(copy, key, reason="the first server is lost")
    with Ledger.open(copy, key=key) as again:
        reserve("r", book=again)
        assert again.verify().entries == 4
    sql("DROP DATABASE copied")


def test_a_restored_table_is_a_copy(book: Ledger, sql, key: LedgerKey, database: str) -> None:
    """Restoring a dump into the same database makes another table."""
    sql(
        "CREATE TABLE dpsynth.kept AS SELECT * FROM dpsynth.entries",
        "DROP TABLE dpsynth.entries",
        "CREATE TABLE dpsynth.entries AS SELECT * FROM dpsynth.kept",
    )
    with pytest.raises(InputError, match="This is a copy"):
        Ledger.open(database, key=key)


def test_a_move_from_a_file_to_a_server_and_back(
    ledger: Ledger, path: Path, database: str, key: LedgerKey, reserve
) -> None:
    reserve("one", rho=0.001)
    ledger.move()
    import_lines(list(ledger.export_lines()), database, key)
    with Ledger.open(database, key=key) as there:
        reserve("two", book=there, rho=0.001)
        there.move()
        lines = list(there.export_lines())
    import_lines(lines, path, key)
    assert [e.kind for e in ledger.entries()[3:]] == [
        Kind.MOVE, Kind.ADOPT, Kind.RESERVE, Kind.MOVE, Kind.ADOPT,
    ]  # fmt: skip
    assert ledger.verify().entries == 8


def test_two_handles_see_each_other(book: Ledger, reserve, database: str, key: LedgerKey) -> None:
    with Ledger.open(database, key=key) as other:
        reserve("r", book=book).open_data()
        assert other.head() == book.head()
        reserve("s", book=other, rho=0.001)
        assert book.status("people").releases == 2


def test_commits_are_synchronous_whatever_the_default(
    server: str, book: Ledger, sql, reserve
) -> None:
    sql("ALTER DATABASE postgres SET synchronous_commit = off")
    try:
        with book._book._store.transaction(write=True) as connection:
            found = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
        assert found == "on"
        reserve("r", book=book)
    finally:
        sql("ALTER DATABASE postgres RESET synchronous_commit")


def test_a_server_without_fsync_is_refused(server: str, database: str, sql, key: LedgerKey) -> None:
    sql("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "SELECT pg_sleep(0.5)")
    try:
        with pytest.raises(InputError, match="fsync = off.*loses what it committed"):
            Ledger.open(database, key=key)
    finally:
        sql("ALTER SYSTEM RESET fsync", "SELECT pg_reload_conf()", "SELECT pg_sleep(0.5)")


def test_a_plain_user_can_keep_a_ledger(
    server: str, database: str, sql, key: LedgerKey, terms, reserve
) -> None:
    """What must be granted is named; then a user without further rights suffices."""
    sql("DROP ROLE IF EXISTS clerk", "CREATE ROLE clerk LOGIN")
    url = server.replace("steward@", "clerk@")
    try:
        with pytest.raises(InputError, match="permission denied"):
            Ledger.open(url, key=key)
        sql("GRANT CREATE ON DATABASE postgres TO clerk",
            "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public")  # fmt: skip
        with pytest.raises(InputError, match="GRANT EXECUTE ON FUNCTION pg_control_system"):
            Ledger.open(url, key=key)
        sql("GRANT EXECUTE ON FUNCTION pg_control_system() TO clerk")
        with Ledger.open(url, key=key) as opened:
            opened.register(terms)
            reserve("r", book=opened)
            assert opened.verify().entries == 3
    finally:
        sql("GRANT EXECUTE ON FUNCTION pg_control_system() TO public",
            "DROP SCHEMA IF EXISTS dpsynth CASCADE", "DROP OWNED BY clerk",
            "DROP ROLE clerk")  # fmt: skip


def test_no_password_in_any_message(tmp_path: Path, key: LedgerKey, server: str) -> None:
    folder = server.split("host=")[1]
    for url in (
        f"postgresql://steward:hunter2@/nowhere?host={folder}",
        f"postgresql://steward:hunter2@/postgres?host={tmp_path}",
        f"postgresql://steward@/postgres?host={tmp_path}&password=hunter2",
        f"postgresql://steward:hunter2@/postgres?host={folder}&sslmode=hunter2",
        f"postgresql://steward:hunter2@/postgres?host={folder}&hunter2=1",
    ):
        for use in (key, None):
            with pytest.raises(InputError) as caught:
                Ledger.open(url, key=use)
            assert "hunter2" not in str(caught.value)
            assert caught.value.__cause__ is None and caught.value.__suppress_context__
        with pytest.raises(InputError) as caught:
            ledger_exists(Place.of(url))
        assert "hunter2" not in str(caught.value)
