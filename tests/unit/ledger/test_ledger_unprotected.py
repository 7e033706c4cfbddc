"""Releases without a guarantee: a lineage is protected or it is not, and none has an epsilon."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dpsynth.errors import BudgetError, InputError, LedgerDamagedError
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.foreign import UnboundedEvent
from dpsynth.privacy.ledger import Currency, Kind, Ledger, LedgerKey, ReservationRequest
from dpsynth.privacy.ledger.book import Book, check_entries
from dpsynth.privacy.ledger.chain import seal
from dpsynth.privacy.sampled import SampledSteps

EVENT = UnboundedEvent(stage="fit", program="Smith's GAN", version="1", reason="It copies rows.")
PRICED = GaussianEvent(
    stage="one", attributes=("a",), cells=2, sigma=10.0, sensitivity=2, rho=0.0200001
)


@pytest.fixture
def unprotected(ledger: Ledger, unit):
    def call(release: str = "n"):
        asked = ReservationRequest(
            release=release, budget=None, rho=0.0, unit=unit, plan=[{"stage": "fit"}],
            currency=Currency.NONE, recipient="Acme",
        )  # fmt: skip
        return ledger.reserve("people", asked)

    return call


def test_a_whole_release_has_no_number_of_a_guarantee(ledger: Ledger, unprotected) -> None:
    held = unprotected()
    held.open_data()
    assert held.record_unbounded([EVENT]) == 5
    held.commit({"public": "0" * 64})
    status = ledger.status("people")
    assert status.unprotected and status.epsilon_spent is None and status.spent_rho == 0
    assert [e.kind for e in ledger.entries("people")][1:] == [
        Kind.RESERVE, Kind.OPEN, Kind.RUN, Kind.COMMIT,
    ]  # fmt: skip
    for entry in ledger.entries("people")[1:]:
        assert not {"epsilon", "delta", "rho", "discovery_delta", "caps"} & set(entry.payload)
        assert entry.summary()["rho"] == ""
    (record,) = status.records
    with pytest.raises(InputError, match="no epsilon"):
        _ = record.priced
    assert ledger.verify().entries == 6


def test_no_sum_says_that_a_release_without_a_guarantee_gave_nothing_away(
    ledger: Ledger, reserve, unprotected
) -> None:
    unprotected("a").void()
    assert ledger.status("people").joint(["Acme"]).rho == 0  # given back: it gave nothing away
    unprotected("b").open_data()
    status = ledger.status("people")
    for read in (
        lambda: status.recipients,
        lambda: status.jurisdictions,
        lambda: status.joint(["Acme"]),
        lambda: status.parties.recipients[0].epsilon,
    ):
        with pytest.raises(InputError, match="no epsilon"):
            read()


def test_protected_and_unprotected_releases_never_meet(ledger: Ledger, reserve, unprotected):
    reserve("a").void()
    unprotected("b").void()
    assert not ledger.status("people").unprotected
    first = reserve("c")
    with pytest.raises(BudgetError, match="make every certificate of this lineage false"):
        unprotected("d")
    first.void()
    held = unprotected("e")
    with pytest.raises(BudgetError, match="no total can be promised"):
        reserve("f")
    held.open_data()  # lost: it stays what it is
    with pytest.raises(BudgetError, match="no total can be promised"):
        reserve("g")
    unprotected("h")
    assert ledger.verify()


def test_steps_of_one_kind_are_refused_in_the_other(ledger: Ledger, reserve, unprotected) -> None:
    held = unprotected()
    with pytest.raises(InputError, match="needs it open"):
        held.record_unbounded([EVENT])
    held.open_data()
    with pytest.raises(InputError, match="no budget that could pay"):
        held.charge([PRICED])
    with pytest.raises(InputError, match="nothing to write down"):
        held.record_unbounded([])


def test_a_protected_release_runs_no_program_without_a_guarantee(reserve) -> None:
    held = reserve("p")
    held.open_data()
    with pytest.raises(InputError, match="Smith's GAN runs without a guarantee"):
        held.record_unbounded([EVENT])


STEPS = SampledSteps(sampling_rate=0.1, noise_multiplier=1.0, steps=3)


@pytest.mark.parametrize("change", [{"rho": 0.1}, {"discovery_delta": 1e-9}, {"sampled": STEPS}])
def test_a_reservation_without_a_guarantee_has_no_price(ledger: Ledger, unit, change) -> None:
    asked = ReservationRequest(
        release="n", budget=None, rho=0.0, unit=unit, plan=[], currency=Currency.NONE
    )
    with pytest.raises(InputError, match="has no price"):
        ledger.reserve("people", replace(asked, **change))
    with pytest.raises(InputError):
        ledger.reserve("people", replace(asked, currency=Currency.ZCDP, rho=0.1))
    assert ledger.refusal("people", asked) is None


def _resealed(path: Path, key: LedgerKey, kind: Kind, change) -> None:
    """Rebuild the chain with one payload changed, as whoever holds the key could."""
    book = Book(_place(path), None, None)
    entries, head, written = book.read().entries, None, []
    book.close()
    from dpsynth.privacy.ledger.chain import GENESIS, Head

    head = Head(seq=0, digest=GENESIS)
    for entry in entries:
        payload = dict(entry.payload)
        if entry.kind is kind:
            change(payload)
        made = seal(
            head, key, lineage=entry.lineage, kind=entry.kind, payload=payload,
            created=entry.created,
        )  # fmt: skip
        written.append(made)
        head = made.head
    check_entries(written)


def _place(path: Path):
    from dpsynth.privacy.ledger import Place

    return Place.of(path)


def _priced(payload) -> None:
    payload["epsilon"] = "1"


def _charged(payload) -> None:
    payload |= {"rho": "0", "delta": "0"}


def _unknown(payload) -> None:
    payload["events"] = [{**payload["events"][0], "rho": "0.1"}]


def _none(payload) -> None:
    payload["events"] = []


def _same(payload) -> None:
    payload |= {}


@pytest.mark.parametrize(
    ("kind", "change"),
    [(Kind.RESERVE, _priced), (Kind.COMMIT, _charged), (Kind.RUN, _unknown), (Kind.RUN, _none)],
)
def test_entries_that_contradict_each_other_are_damage(
    path: Path, key: LedgerKey, ledger: Ledger, unprotected, kind: Kind, change
) -> None:
    held = unprotected()
    held.open_data()
    held.record_unbounded([EVENT])
    held.commit({})
    _resealed(path, key, kind, _same)
    with pytest.raises(LedgerDamagedError, match="contradicts"):
        _resealed(path, key, kind, change)
