"""The ledger as a budget: register, reserve, open, charge, commit, void."""

from __future__ import annotations

import math
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.errors import BudgetError, InputError, SelfTestError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.ledger import (
    GENESIS,
    Head,
    Kind,
    Ledger,
    LedgerKey,
    LineageTerms,
    ReleaseState,
)
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.numbers import float_down

RHO = 0.0243
TOTAL_RHO = 0.08
Reserve = Callable[..., object]


def event(rho: float = 0.01) -> GaussianEvent:
    return GaussianEvent(
        stage="one-way",
        attributes=("a",),
        cells=3,
        sigma=2 * math.sqrt(0.5 / rho) * (1 + 1e-9),
        sensitivity=2,
        rho=rho,
    )


def test_an_empty_ledger(path: Path, key: LedgerKey) -> None:
    with Ledger.open(path, key=key) as ledger:
        (first,) = ledger.entries()
        assert (first.seq, first.prev, first.kind) == (1, GENESIS, Kind.CREATE)
        assert ledger.head() == first.head and ledger.lineages() == ()
        assert first.payload["ledger"] == ledger.ledger_id and len(ledger.ledger_id) == 32
        assert first.payload["public_key"] == ledger.public_key == key.public
        assert ledger.verify().entries == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_whole_release(ledger: Ledger, reserve: Reserve) -> None:
    reservation = reserve("first")
    assert ledger.status("people").spent_rho == Fraction(RHO), "reserved is spent"
    reservation.open_data()
    assert reservation.charge([event(0.01), event(0.005)]) == 5
    assert reservation.charge([event(0.005)]) == 6
    head = reservation.commit({"public": "00", "internal": "11"})
    assert head == ledger.head() == Head(seq=7, digest=ledger.entries()[-1].digest)
    status = ledger.status("people")
    spent = Fraction(0.01) + 2 * Fraction(0.005)
    assert status.spent_rho == spent, "what ran"
    assert status.remaining_rho == Fraction(TOTAL_RHO) - spent
    assert status.releases == 1 and status.open_reservations == ()
    record = status.records[0]
    assert (record.state, record.release) == (ReleaseState.COMMITTED, "first")
    assert record.digests == {"public": "00", "internal": "11"}
    assert [e.kind for e in ledger.entries("people")] == [
        Kind.REGISTER, Kind.RESERVE, Kind.OPEN, Kind.CHARGE, Kind.CHARGE, Kind.COMMIT,
    ]  # fmt: skip
    summary = ledger.entries("people")[3].summary()
    assert set(summary) == {"seq", "kind", "created", "release", "rho", "digest"}
    assert summary["release"] == "first" and summary["rho"].startswith("0.015")


def test_everything_survives_reopening(ledger: Ledger, reserve: Reserve, path: Path) -> None:
    reserve("one").open_data()
    with Ledger.open(path) as again:
        assert again.status("people") == ledger.status("people")
        assert again.verify([ledger.head()]).anchors == 1
        assert again.entries() == ledger.entries()


def test_no_commit_is_spent(ledger: Ledger, reserve: Reserve) -> None:
    reserve("lost").open_data()
    reserve("also lost")
    status = ledger.status("people")
    assert status.spent_rho == 2 * Fraction(RHO)
    assert [r.release for r in status.open_reservations] == ["lost", "also lost"]


def test_void_gives_back_only_what_was_never_opened(ledger: Ledger, reserve: Reserve) -> None:
    reserve("void").void()
    assert ledger.status("people").spent_rho == 0
    opened = reserve("opened")
    opened.open_data()
    with pytest.raises(InputError, match="open"):
        opened.void()
    assert ledger.status("people").spent_rho == Fraction(RHO)


def test_a_release_beyond_the_total_is_refused(ledger: Ledger, reserve: Reserve) -> None:
    for name in ("one", "two", "three"):
        reserve(name)
    before = ledger.head()
    with pytest.raises(BudgetError) as caught:
        reserve("four")
    assert caught.value.exit_code == 4
    assert ledger.head() == before
    text = str(caught.value)
    assert "epsilon 2 (delta 1e-06)" in text and "epsilon 1 was asked for" in text
    shown = float(text.split("release at epsilon ")[1].split(" ")[0])
    assert 0.4 < shown < 0.6


def test_the_last_of_a_budget_can_be_spent_exactly(ledger: Ledger, reserve: Reserve) -> None:
    for name in ("one", "two", "three"):
        reserve(name)
    left = ledger.status("people").remaining_rho
    with pytest.raises(BudgetError):
        reserve("one unit in the last place too much", rho=math.nextafter(float_down(left), 1))
    reserve("rest", rho=float_down(left))
    assert 0 <= ledger.status("people").remaining_rho < 1e-17
    with pytest.raises(BudgetError, match="no further release"):
        reserve("too much", rho=1e-12)


def test_charges_stop_at_the_reservation(reserve: Reserve, ledger: Ledger) -> None:
    reservation = reserve("r")
    with pytest.raises(InputError, match="needs it open"):
        reservation.charge([event()])
    reservation.open_data()
    reservation.charge([event(0.02)])
    before = ledger.head()
    with pytest.raises(BudgetError, match="exceeds what was reserved"):
        reservation.charge([event(0.003), event(0.003)])
    with pytest.raises(InputError):
        reservation.charge([])
    with pytest.raises(SelfTestError):
        reservation.charge([replace(event(0.001), sigma=1.0)])
    assert ledger.head() == before
    reservation.charge([event(0.0042)])


@pytest.mark.parametrize("end", ["commit", "void"])
def test_the_end_is_the_end(reserve: Reserve, end: str) -> None:
    reservation = reserve("r")
    if end == "commit":
        with pytest.raises(InputError):
            reservation.commit({})
        reservation.open_data()
        reservation.commit({})
    else:
        reservation.void()
    for step in (
        reservation.open_data,
        reservation.void,
        lambda: reservation.commit({}),
        lambda: reservation.charge([event()]),
    ):
        with pytest.raises(InputError):
            step()


def test_terms_are_for_ever(ledger: Ledger, terms: LineageTerms) -> None:
    before = ledger.head()
    ledger.register(terms)
    ledger.register(replace(terms, total_rho=TOTAL_RHO / 2))  # a later conversion changes nothing
    assert ledger.head() == before and ledger.status("people").terms == terms
    for change in (
        {"total": Budget(epsilon=3.0, delta=1e-6)},
        {"total": Budget(epsilon=2.0, delta=1e-7), "total_rho": 0.05},
        {"unit": "household"},
        {"unit_column": "family"},
        {"unit_column": None},
    ):
        with pytest.raises(InputError, match="for ever"):
            ledger.register(replace(terms, **change))
    assert ledger.head() == before


def test_claims_of_rho_are_checked(ledger: Ledger, terms: LineageTerms, reserve: Reserve) -> None:
    with pytest.raises(InputError, match="exceeds the total"):
        ledger.register(replace(terms, lineage="other", total_rho=0.1))
    with pytest.raises(InputError, match="exceeds the epsilon"):
        reserve("r", rho=0.03)
    for rho in (0.0, -1.0):
        with pytest.raises(InputError):
            reserve("r", rho=rho)
    with pytest.raises(InputError):
        reserve("r", rho=math.nan)


def test_the_unit_must_be_the_lineages(reserve: Reserve) -> None:
    with pytest.raises(InputError, match="privacy unit differs"):
        reserve("r", column="family")
    with pytest.raises(InputError, match="privacy unit differs"):
        reserve("r", column=None)


def test_names_that_cannot_be_written_are_refused(
    ledger: Ledger, terms: LineageTerms, reserve: Reserve
) -> None:
    before = ledger.head()
    with pytest.raises(InputError, match="texts and whole numbers"):
        ledger.register(replace(terms, lineage="half a \ud800 character"))
    with pytest.raises(InputError, match="texts and whole numbers"):
        reserve("half a \ud800 character")
    assert ledger.head() == before and ledger.verify().entries == 2


def test_unknown_lineages_are_refused(ledger: Ledger, reserve: Reserve) -> None:
    with pytest.raises(InputError, match="Registered: people"):
        ledger.status("nobody")
    with pytest.raises(InputError, match="no such lineage"):
        reserve("r", lineage="nobody")


def test_lineages_do_not_share(ledger: Ledger, terms: LineageTerms, reserve: Reserve) -> None:
    ledger.register(replace(terms, lineage="others"))
    reserve("r")
    assert ledger.lineages() == ("people", "others")
    assert ledger.status("others").spent_rho == 0
    assert [e.kind for e in ledger.entries("others")] == [Kind.REGISTER]


def test_two_handles_see_each_other(ledger: Ledger, reserve: Reserve, path: Path) -> None:
    with Ledger.open(path) as other:
        reservation = reserve("r")
        assert other.status("people").spent_rho == Fraction(RHO)
        reservation.open_data()
        assert other.head() == ledger.head()


def test_a_clock_that_goes_back_breaks_nothing(
    ledger: Ledger, reserve: Reserve, monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    from dpsynth.privacy.ledger import book

    class Past(book.datetime):
        @classmethod
        def now(cls, tz=None):
            return book.datetime(1980, 1, 1, tzinfo=tz)

    reserve("now")
    monkeypatch.setattr(book, "datetime", Past)
    reserve("then").open_data()
    assert ledger.entries()[-1].created.startswith("1980")
    with Ledger.open(path) as again:
        assert again.verify().entries == 5


def test_places_that_cannot_hold_a_ledger(tmp_path: Path, key: LedgerKey) -> None:
    (tmp_path / "file").write_text("x")
    for bad in (tmp_path / "file" / "ledger.sqlite", tmp_path):
        for use in (key, None):
            with pytest.raises(InputError):
                Ledger.open(bad, key=use)


def test_memory_reservation_has_the_same_cap() -> None:
    reservation = MemoryReservation(0.02)
    assert reservation.charge([event(0.01)]) == 1
    with pytest.raises(BudgetError):
        reservation.charge([event(0.01), event(0.001)])
    with pytest.raises(SelfTestError):
        reservation.charge([replace(event(0.001), sigma=1.0)])
    assert reservation.charge([event(0.01)]) == 2


def test_a_release_costs_milliseconds(reserve: Reserve, record_property) -> None:
    start = time.perf_counter()
    for k in range(10):
        reservation = reserve(f"r{k}", rho=0.001)
        reservation.open_data()
        reservation.charge([event(0.001)])
        reservation.commit({"public": "0" * 64})
    seconds = (time.perf_counter() - start) / 10
    record_property("seconds_per_release", seconds)
    assert seconds < 2.0


def test_a_reservation_knows_what_it_found_under_the_lock(reserve: Reserve, path: Path) -> None:
    """Two runs that start together must not both believe that they are the first."""
    first, second = reserve("one"), reserve("two")
    assert (first.before.releases, second.before.releases) == (0, 1)
    assert first.before.spent_rho == 0
    assert second.before.spent_rho > 0


@pytest.mark.parametrize("name", ["People", "people.", "PEO-PLE"])
def test_a_name_spelt_almost_alike_is_no_fresh_budget(
    ledger: Ledger, terms: LineageTerms, name: str
) -> None:
    with pytest.raises(InputError, match="almost like the lineage people"):
        ledger.register(replace(terms, lineage=name))


def test_no_event_may_claim_fewer_rows_per_unit_than_reserved(reserve: Reserve) -> None:
    reservation = reserve()
    reservation.open_data()
    with pytest.raises(InputError, match="2 rows per unit"):
        reservation.charge([replace(event(), sensitivity=1)])
