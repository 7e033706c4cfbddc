"""With the answers of the mechanisms fixed, one person more or less changes no public byte.

The whole pipeline runs on neighbouring tables. What the mechanisms answered in the first run they
answer in every run; clock and random numbers stand still. What still differed in `public/` would
have come from the rows by another way than a mechanism. `dpsynth check` compares runs with real
noise (`dpsynth/preflight`): places, types and counts of what is seen; here it is every byte.

Signatures by elliptic curves differ from call to call: compared is what is signed.
"""

from __future__ import annotations

import importlib
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from envelopes import statement_of
from steward import Desk, rows_of, write_csv
from tampered_pdf import unsigned_part

from dpsynth.evidence import ReleaseEvidence
from dpsynth.evidence.facts import Fact
from dpsynth.privacy import curator as curator_room
from dpsynth.privacy.ledger import book as book_room
from dpsynth.privacy.ledger.sqlite import SqliteStore
from dpsynth.results import Disclosure

run_room = importlib.import_module(
    "dpsynth.pipeline.run"
)  # the package has a function of that name
SIGNED = {"certificate.pdf", "evidence.dsse.json"}
ROWS = rows_of(4000)
STRANGE = ("nobody", "97", "Zanzibar", "-7731", "1")


class _Stopped(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


class Answers:
    """Noisy counts of the first run, which every further run gets in the same order."""

    def __init__(self) -> None:
        self._real, self._held, self._next = curator_room.gaussian, [], 0  # type: ignore[var-annotated]

    def rewind(self) -> None:
        """Begin a run."""
        self._next = 0

    def __call__(self, counts: Any, sigma: float, sensitivity: float) -> tuple[Any, float]:
        if self._next == len(self._held):
            self._held.append(self._real(counts, sigma, sensitivity))
        noisy, rho = self._held[self._next]
        assert noisy.shape == counts.shape
        self._next += 1
        return noisy.copy(), rho


@pytest.fixture
def fixed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> tuple[Desk, Answers]:
    """A desk whose clock and random numbers, and mechanisms once they answered, never change."""
    answers = Answers()
    monkeypatch.setattr(curator_room, "gaussian", answers)
    monkeypatch.setattr(run_room, "datetime", _Stopped)
    # What stays inside may follow the rows; it is not compared, and takes most of the time.
    monkeypatch.setattr(run_room, "write_internal", lambda *_: "00" * 32)
    monkeypatch.setattr(book_room, "now", lambda: "2026-11-27T12:00:00.000+00:00")
    name = SimpleNamespace(token_hex=lambda size: "00" * size)  # of the ledger
    monkeypatch.setattr(book_room, "secrets", name)
    monkeypatch.setattr(SqliteStore, "home", lambda *_: "00" * 32)  # else the number of its file
    monkeypatch.setattr(secrets, "randbits", lambda bits: 7)
    monkeypatch.setattr(secrets, "token_bytes", bytes)
    return desk, answers


def published(fixed: tuple[Desk, Answers], rows: list[tuple[str, ...]]) -> dict[str, object]:
    """Release a table with a ledger of its own; return what is in each public file."""
    desk, answers = fixed
    answers.rewind()
    write_csv(desk.folder / "data.csv", rows)
    for path in (desk.ledger, desk.folder / "clinic", desk.folder / "anchors"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    answer = desk.release("--synthesizer", "independent", "--purpose", f"{len(ROWS)} people")
    assert answer.code == 0, answer.text
    public = desk.folder / "clinic" / "public"
    return {path.relative_to(public).as_posix(): _content(path) for path in public.rglob("*")}


def _content(path: Path) -> object:
    """Return what a file says, without its signatures."""
    if path.suffix == ".pdf":
        return unsigned_part(path.read_bytes())
    if not path.name.endswith(".dsse.json"):
        return path.read_bytes()
    found = statement_of(path)
    listed = {name: found.subjects[name] for name in set(found.subjects) - SIGNED}
    return sorted(found.subjects), listed, found.predicate


def differing(one: dict[str, object], other: dict[str, object]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


@pytest.mark.slow
def test_one_person_changes_no_public_byte(
    fixed: tuple[Desk, Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    without = published(fixed, ROWS)
    assert len(without) >= 8
    assert b"%PDF" in without["certificate.pdf"]  # type: ignore[operator]
    assert differing(without, published(fixed, [*ROWS, STRANGE])) == []

    # The control: the exact number of rows reaches the documents past the mechanisms. With ROWS it
    # would print what was declared, byte for byte.
    write, opened = run_room.write_public, run_room.open_table
    counted: list[int] = []

    def reading(*arguments: Any, **options: Any) -> Any:
        data = opened(*arguments, **options)
        counted.append(data.counts["rows"])
        return data

    def leaking(folder: Path, evidence: ReleaseEvidence, *rest: Any) -> str:
        facts = {name: evidence.fact(name) for name in evidence}
        leak = Fact(value=f"{counted[-1]} people", disclosure=Disclosure.DECLARED)
        return write(folder, ReleaseEvidence(facts | {"release.purpose": leak}), *rest)

    monkeypatch.setattr(run_room, "open_table", reading)
    monkeypatch.setattr(run_room, "write_public", leaking)
    leaks = differing(without, published(fixed, [*ROWS, STRANGE]))
    assert counted == [len(ROWS) + 1]
    assert {"certificate.pdf", "evidence.dsse.json", "registry.yaml"} <= set(leaks)
