"""What tests of several rooms share."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tamper_file() -> Callable[..., None]:
    """Run SQL on a ledger as an attacker would: without the triggers, which are put back."""

    def call(file: Path, *statements: str) -> None:
        connection = sqlite3.connect(file)
        triggers = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()
        connection.close()

    return call
