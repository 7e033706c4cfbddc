"""Random histories against a small model that shares no code with the ledger; canonical JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import BudgetError, InputError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent, ThresholdEvent
from dpsynth.privacy.ledger import (
    Cap,
    Caps,
    Head,
    Ledger,
    LedgerKey,
    LineageTerms,
    Place,
    ReservationRequest,
    book,
)
from dpsynth.privacy.ledger.amounts import as_amount, as_text, read_amount
from dpsynth.privacy.ledger.chain import GENESIS, canonical, check_chain
from dpsynth.privacy.ledger.replay import Replay
from dpsynth.privacy.unit import PrivacyUnit, Relation

UNIT = PrivacyUnit(relation=Relation.ADD_REMOVE, name="patient", column="id", max_rows=1)
DISCOVERY = 2e-7
RECIPIENTS = ("Univ. X", "univ x", "Clinic", "")
PLACES = ("CH", "FR", "fr")
RHOS = (0.001, 0.0007, 0.013, 0.02, 0.0031)
DELTAS = (0.0, 3e-8, 1.1e-7)


class Memory:
    """A store of entries in a list; what a transaction appends counts when its block ends."""

    def __init__(self) -> None:
        self.rows: list[tuple[object, ...]] = []
        self.place = Place.of(Path("memory"))

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[None]:
        before = len(self.rows)
        try:
            yield None
        except BaseException:
            del self.rows[before:]
            raise

    def read(self, connection: None, start: int) -> list[tuple[object, ...]]:
        return self.rows[max(start - 1, 0) :]

    def append(self, connection: None, entries: list) -> None:
        self.rows += [(e.seq, e.prev, e.lineage, e.kind.value, e.text, e.created, e.digest,
                       e.signature) for e in entries]  # fmt: skip

    def check_schema(self, connection: None) -> None:
        pass

    def home(self, connection: None, ledger_id: str) -> str:
        return "memory"

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def capped() -> LineageTerms:
    return LineageTerms.of(
        "people", unit=UNIT, total=Budget(epsilon=3.0, delta=1e-6), discovery_delta=DISCOVERY,
        recipient=Budget(epsilon=1.5, delta=1e-6), jurisdiction=Budget(epsilon=2.2, delta=1e-6),
    )  # fmt: skip


@pytest.fixture(scope="module")
def today() -> Cap:
    return Cap.of(Budget(epsilon=0.9, delta=1e-6), discovery_delta=DISCOVERY)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.sampled_from(RECIPIENTS), st.sampled_from(PLACES),
                  st.sampled_from(RHOS), st.sampled_from(DELTAS), st.booleans()),
        st.tuples(st.just("open"), st.integers(0, 11)),
        st.tuples(st.just("charge"), st.integers(0, 11), st.integers(1, 4), st.booleans()),
        st.tuples(st.just("commit"), st.integers(0, 11)),
        st.tuples(st.just("void"), st.integers(0, 11)),
    ),
    min_size=8, max_size=60,
)  # fmt: skip


def spent(release: SimpleNamespace, what: str) -> Fraction:
    """Return what a release of the model takes of rho or delta."""
    if release.state == "void":
        return Fraction(0)
    return getattr(release, f"{'charged' if release.state == 'committed' else 'reserved'}_{what}")


def events_of(count: int, discover: bool) -> list:
    gaussian = GaussianEvent(stage="s", attributes=("a",), cells=2, sigma=60.0, sensitivity=1,
                             rho=0.00015)  # fmt: skip
    hidden = ThresholdEvent(stage="d", attribute="a", sigma=60.0, threshold=700, sensitivity=1,
                            rho=0.00015, delta=2.5e-8)  # fmt: skip
    return [gaussian] * (count - discover) + [hidden] * discover


def fits(past: list, asked: SimpleNamespace, terms: LineageTerms, today: Cap) -> bool:
    """Say whether every cap allows a release, in plain sums over the past."""

    def total(what: str, of: list) -> Fraction:
        return sum((spent(r, what) for r in of), getattr(asked, f"reserved_{what}"))

    same_recipient = [r for r in past if r.recipient.upper() == asked.recipient.upper()]
    same_place = [r for r in past if r.place.upper() == asked.place.upper()]
    assert terms.recipient_cap is not None and terms.jurisdiction_cap is not None
    limit = min(terms.recipient_cap.rho, today.rho if asked.strict else 99.0)
    return (
        total("rho", past) <= Fraction(terms.total_rho)
        and total("delta", past) <= Fraction(DISCOVERY)
        and total("rho", same_recipient) <= Fraction(limit)
        and total("rho", same_place) <= Fraction(terms.jurisdiction_cap.rho)
    )


@settings(max_examples=150, deadline=None)
@given(history=steps)
def test_any_history_is_what_the_model_says(
    history: list, capped: LineageTerms, today: Cap, key: LedgerKey
) -> None:
    memory, model, held = Memory(), [], []
    with patch.object(book, "open_store", lambda place, write: memory):
        ledger = Ledger.open(Path("memory"), key=key)
    ledger.register(capped)
    for step in history:
        before = ledger.head()
        if step[0] == "reserve":
            _, recipient, place, rho, delta, strict = step
            asked = SimpleNamespace(
                recipient=recipient.replace(".", ""), place=place, strict=strict, state="reserved",
                reserved_rho=Fraction(rho), reserved_delta=Fraction(delta),
                charged_rho=Fraction(0), charged_delta=Fraction(0),
            )  # fmt: skip
            allowed = fits(model, asked, capped, today)
            try:
                request = ReservationRequest(
                    release="r", budget=Budget(epsilon=2.0, delta=1e-6), rho=rho, unit=UNIT,
                    plan=[], discovery_delta=delta, recipient=recipient, jurisdiction=place,
                    caps=Caps(recipient=today) if strict else Caps(),
                )  # fmt: skip
                refusal = ledger.refusal("people", request)
                assert (refusal is None) is allowed
                held.append(ledger.reserve("people", request))
                model.append(asked)
                assert allowed
            except BudgetError:
                assert not allowed and ledger.head() == before
            continue
        if not held:
            continue
        number = step[1] % len(held)
        reservation, release = held[number], model[number]
        events = events_of(step[2], step[3]) if step[0] == "charge" else []
        rho = release.charged_rho + sum(Fraction(e.rho) for e in events)
        delta = release.charged_delta + sum(Fraction(e.delta) for e in events)
        needs = {"open": "reserved", "void": "reserved", "charge": "open", "commit": "open"}
        allowed = release.state == needs[step[0]] and (
            rho <= release.reserved_rho and delta <= release.reserved_delta
        )
        try:
            if step[0] == "open":
                reservation.open_data()
                release.state = "open"
            elif step[0] == "void":
                reservation.void()
                release.state = "void"
            elif step[0] == "commit":
                reservation.commit({})
                release.state = "committed"
            else:
                reservation.charge(events)
                release.charged_rho, release.charged_delta = rho, delta
            assert allowed
        except (InputError, BudgetError):
            assert not allowed and ledger.head() == before
    status = ledger.status("people")
    assert status.spent_rho == sum((spent(r, "rho") for r in model), Fraction(0))
    assert status.spent_delta == sum((spent(r, "delta") for r in model), Fraction(0))
    assert 0 <= status.remaining_rho and 0 <= status.remaining_delta
    assert [r.state.value for r in status.records] == [r.state for r in model]
    assert [r.charged_rho for r in status.records] == [r.charged_rho for r in model]
    assert [r.charged_delta for r in status.records] == [r.charged_delta for r in model]
    for found, label in ((status.recipients, "recipient"), (status.jurisdictions, "place")):
        sums: dict[str, list] = {}
        for r in model:
            sums.setdefault(getattr(r, label).upper(), []).append(r)
        assert [p.name.replace(".", "").upper() for p in found] == list(sums)
        for party, of in zip(found, sums.values(), strict=True):
            assert party.releases == sum(r.state != "void" for r in of)
            assert party.rho == sum(spent(r, "rho") for r in of)
            assert party.delta == sum(spent(r, "delta") for r in of)
            limit = capped.jurisdiction_cap if label == "place" else capped.recipient_cap
            limit = today if label == "recipient" and of[-1].strict else limit
            assert party.cap == limit
            assert party.left == max(0, 1 - party.rho / Fraction(limit.rho))
    light, full = Replay(), Replay()
    entries = check_chain(memory.rows, Head(seq=0, digest=GENESIS))
    light.extend(entries)
    full.extend(entries, full=True)
    assert light.status("people") == full.status("people") == status
    assert light.head == full.head == ledger.head()


texts = st.text(st.characters(blacklist_categories=("Cs",)))
keys = st.text(st.characters(max_codepoint=127))
values = st.recursive(
    texts | st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(value=values)
def test_the_fast_encoder_writes_rfc_8785(value: object) -> None:
    assert canonical(value).encode() == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value", [0.5, {"x": [1.0]}, 2**53, -(2**53), {"é": 1}, {1: 2}, "\ud800", {"a"}, b"x", object()]
)
def test_what_could_be_written_in_two_ways_is_refused(value: object) -> None:
    with pytest.raises(InputError):
        canonical(value)


def test_keys_beyond_ascii_would_be_sorted_otherwise() -> None:
    """Why they are refused: RFC 8785 sorts by UTF-16, Python by code points."""
    import json

    value = {"\U00010000": 1, "\ue000": 2}
    plain = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert plain.encode() != rfc8785.dumps(value)


@given(parts=st.lists(st.floats(0, 1e6), max_size=6))
def test_amounts_are_exact_and_read_back(parts: list[float]) -> None:
    total = sum((Fraction(part) for part in parts), Fraction(0))
    text = as_text(as_amount(total))
    assert Fraction(read_amount(text)) == Fraction(text) == total
    assert as_text(read_amount(text)) == text


@pytest.mark.parametrize("text", ["", "-1", "1e3", "01", ".5", "5.", "1_0", "nan", "٣", " 1", 1])
def test_other_spellings_of_amounts_are_refused(text: object) -> None:
    with pytest.raises(InputError):
        read_amount(text)
    with pytest.raises(InputError):
        as_amount(Fraction(1, 3))
