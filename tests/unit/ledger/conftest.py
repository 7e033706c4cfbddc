"""A registered lineage in a fresh ledger, and direct access to the file for damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dpsynth.privacy.budget import Budget
from dpsynth.privacy.ledger import Ledger, LineageTerms, Reservation
from dpsynth.privacy.unit import PrivacyUnit, Relation

TOTAL_RHO = 0.08  # below the 0.0837 that epsilon 2, delta 1e-6 allows
RHO = 0.0243  # below the 0.02436 of epsilon 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books" / "ledger.sqlite"


@pytest.fixture
def terms() -> LineageTerms:
    return LineageTerms(
        lineage="people",
        relation=Relation.ADD_REMOVE,
        unit="patient",
        unit_column="id",
        total=Budget(epsilon=2.0, delta=1e-6),
        total_rho=TOTAL_RHO,
    )


@pytest.fixture
def ledger(path: Path, terms: LineageTerms) -> Iterator[Ledger]:
    with Ledger.open(path) as opened:
        opened.register(terms)
        yield opened


@pytest.fixture
def reserve(ledger: Ledger) -> Callable[..., Reservation]:
    def call(
        release: str = "r", *, rho: float = RHO, column: str | None = "id", lineage: str = "people"
    ) -> Reservation:
        return ledger.reserve(
            lineage,
            release,
            budget=Budget(epsilon=1.0, delta=1e-6),
            rho=rho,
            unit=PrivacyUnit(
                relation=Relation.ADD_REMOVE,
                name="patient",
                column=column,
                max_rows=1 if column is None else 2,
            ),
            plan=[{"stage": "one-way", "rho": "0.01"}],
        )

    return call


@pytest.fixture
def tamper(path: Path) -> Callable[..., None]:
    """Run SQL on the file as an attacker would: without the triggers, which are put back."""

    def call(*statements: str) -> None:
        connection = sqlite3.connect(path)
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
