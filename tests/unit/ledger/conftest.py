"""A registered lineage in a fresh ledger, direct access to the file for damage, a real server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dpsynth.privacy.budget import Budget
from dpsynth.privacy.ledger import (
    Anchors,
    Ledger,
    LedgerKey,
    LineageTerms,
    Reservation,
    ReservationRequest,
)
from dpsynth.privacy.unit import PrivacyUnit, Relation

TOTAL_RHO = 0.08  # below the 0.0881 that epsilon 2, delta 1e-6 allows
RHO = 0.0243  # below the 0.02436 of epsilon 1
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books" / "ledger.sqlite"


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "ledger.pem"
    LedgerKey.create(file)
    return file


@pytest.fixture(scope="session")
def key(key_file: Path) -> LedgerKey:
    return LedgerKey.load(key_file)


@pytest.fixture
def anchors(tmp_path: Path) -> Anchors:
    return Anchors(tmp_path / "anchors")


@pytest.fixture(scope="session")
def unit() -> PrivacyUnit:
    return PrivacyUnit(relation=Relation.ADD_REMOVE, name="patient", column="id", max_rows=2)


@pytest.fixture(scope="session")
def terms() -> LineageTerms:
    return LineageTerms(
        lineage="people",
        relation=Relation.ADD_REMOVE,
        unit="patient",
        unit_column="id",
        total=Budget(epsilon=2.0, delta=1e-6),
        discovery_delta=0.0,
        total_rho=TOTAL_RHO,
        order=12.5,
    )


@pytest.fixture
def ledger(path: Path, terms: LineageTerms, key: LedgerKey) -> Iterator[Ledger]:
    """Two entries: create, register."""
    with Ledger.open(path, key=key) as opened:
        opened.register(terms)
        yield opened


@pytest.fixture
def reserve(ledger: Ledger) -> Callable[..., Reservation]:
    def call(
        release: str = "r",
        *,
        rho: float = RHO,
        column: str | None = "id",
        lineage: str = "people",
        book: Ledger | None = None,
        epsilon: float = 1.0,
        **more: object,
    ) -> Reservation:
        asked = ReservationRequest(
            release=release,
            budget=Budget(epsilon=epsilon, delta=1e-6),
            rho=rho,
            unit=PrivacyUnit(
                relation=Relation.ADD_REMOVE,
                name="patient",
                column=column,
                max_rows=1 if column is None else 2,
            ),
            plan=[{"stage": "one-way", "rho": "0.01"}],
            **more,  # type: ignore[arg-type]
        )
        return (book or ledger).reserve(lineage, asked)

    return call


@pytest.fixture
def tamper(path: Path, tamper_file: Callable[..., None]) -> Callable[..., None]:
    """Run SQL on the file of the test, or on another, as an attacker would."""

    def call(*statements: str, file: Path = path) -> None:
        tamper_file(file, *statements)

    return call


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server of these tests alone: a socket in a temporary folder, no network."""
    if not BINARIES:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    binaries = BINARIES[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="dpsynth-pg-", dir="/tmp"))  # a socket's path is short
    prefix: list[str] = []
    if os.geteuid() == 0:  # initdb refuses root
        shutil.chown(folder, "postgres", "postgres")
        prefix = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"
    options = f"-c listen_addresses= -c unix_socket_directories={folder}"
    start = [binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    try:
        subprocess.run(
            [*prefix, binaries / "initdb", "-D", data, "-U", "steward", "-A", "trust", "-E",
             "UTF8", "--no-sync"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        subprocess.run(
            [*prefix, *start, "-o", options, "start"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
        )
        yield f"postgresql://steward@/postgres?host={folder}"
    finally:
        subprocess.run(
            [*prefix, *start, "-m", "immediate", "stop"],
            check=False, capture_output=True, cwd=folder,
        )  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """The URL of a database without a ledger."""
    psycopg = pytest.importorskip("psycopg", reason="needs the extra postgres")

    def run(statement: str) -> None:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(statement)

    run("DROP SCHEMA IF EXISTS dpsynth CASCADE")
    yield server
    run("DROP SCHEMA IF EXISTS dpsynth CASCADE")
