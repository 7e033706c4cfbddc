"""The filter: recipients, jurisdictions, delta for discovery, and what is no zCDP."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.errors import BudgetError, InputError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.conversion import epsilon_at, renyi_order, tight_epsilon
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.events import GaussianEvent, PoissonGaussianEvent, ThresholdEvent
from dpsynth.privacy.ledger import (
    Cap,
    Caps,
    Currency,
    Kind,
    Ledger,
    LedgerKey,
    LineageTerms,
    Party,
    Reservation,
)
from dpsynth.privacy.ledger import filter as filter_module
from dpsynth.privacy.ledger.audit import price
from dpsynth.privacy.losses import poisson_rho, threshold_delta, total_loss

TOTAL = Budget(epsilon=3.0, delta=1e-6)
RECIPIENT = Budget(epsilon=1.2, delta=1e-6)
JURISDICTION = Budget(epsilon=1.3, delta=1e-6)


@pytest.fixture(scope="module")
def capped(unit) -> LineageTerms:
    return LineageTerms.of("people", unit=unit, total=TOTAL, discovery_delta=2e-7,
                           recipient=RECIPIENT, jurisdiction=JURISDICTION)  # fmt: skip


@pytest.fixture
def book(path: Path, key: LedgerKey, capped: LineageTerms):
    with Ledger.open(path.with_name("capped.sqlite"), key=key) as opened:
        opened.register(capped)
        yield opened


def threshold(rho: float = 0.001) -> ThresholdEvent:
    sigma = 2 * math.sqrt(0.5 / rho) * (1 + 1e-9)
    limit = 2 + math.ceil(7 * sigma)
    return ThresholdEvent(stage="d", attribute="a", sigma=sigma, threshold=limit, sensitivity=2,
                          rho=rho, delta=threshold_delta(sigma, limit, 2))  # fmt: skip


def shown(parties: Iterable[Party]) -> dict[str, tuple[int, Fraction, Fraction]]:
    """Return what parties took, by name."""
    return {party.name: (party.releases, party.rho, party.delta) for party in parties}


def poisson(order: float, steps: int = 100) -> PoissonGaussianEvent:
    return PoissonGaussianEvent(stage="sgd", sampling_rate=0.01, noise_multiplier=2.0, steps=steps,
                                order=order, rho=poisson_rho(0.01, 2.0, steps, order))  # fmt: skip


def test_terms_work_out_every_number(capped: LineageTerms) -> None:
    left = capped.conversion_delta
    assert Fraction(left) <= Fraction(1e-6) - Fraction(2e-7) and left == pytest.approx(8e-7)
    assert capped.total_rho == rho_for(Budget(epsilon=3.0, delta=left))
    assert capped.order == renyi_order(capped.total_rho, left)
    assert epsilon_at(capped.order, capped.total_rho, left) <= 3.0 * (1 + 1e-9)
    assert capped.recipient_cap == Cap.of(RECIPIENT, discovery_delta=2e-7)
    assert capped.recipient_cap.rho == rho_for(Budget(epsilon=1.2, delta=left))
    assert LineageTerms.from_json("people", capped.to_json()) == capped
    capped.check()


@pytest.mark.parametrize("delta", [1e-6, 2e-6, -1e-9, math.nan, math.inf])
def test_discovery_leaves_something(unit, delta: float) -> None:
    with pytest.raises(InputError, match="leaves nothing"):
        LineageTerms.of("people", unit=unit, total=TOTAL, discovery_delta=delta)


def test_understated_caps_are_refused(book: Ledger, capped: LineageTerms, reserve) -> None:
    cap = capped.recipient_cap
    assert cap is not None
    for change in (
        {"recipient_cap": replace(cap, rho=cap.rho * 1.01)},
        {"jurisdiction_cap": replace(cap, rho=0.0)},
        {"total_rho": capped.total_rho * 1.01},
        {"order": capped.order * 3},
        {"order": 1.0},
    ):
        with pytest.raises(InputError):
            book.register(replace(capped, lineage="others", **change))
    with pytest.raises(InputError, match="recipient cap exceeds"):
        reserve("r", book=book, caps=Caps(recipient=replace(cap, rho=cap.rho * 2)))


def test_later_caps_do_not_touch_the_registered_ones(book: Ledger, capped: LineageTerms) -> None:
    book.register(replace(capped, recipient_cap=None))
    assert book.status("people").terms == capped
    assert [e.kind for e in book.entries()] == [Kind.CREATE, Kind.REGISTER]


def test_a_recipient_has_a_cap_whatever_the_spelling(book: Ledger, reserve) -> None:
    reserve("one", book=book, recipient="Univ. X", jurisdiction="CH")
    for name in ("univ x", "UNIV-X", "Univ. X", "ＵＮＩＶ Ｘ"):
        with pytest.raises(BudgetError, match="The cap for recipient .* is epsilon 1.2") as caught:
            reserve("two", book=book, recipient=name, jurisdiction="FR")
        assert "a release at epsilon" in str(caught.value) and caught.value.fix
    reserve("three", book=book, recipient="Univ. Y", jurisdiction="FR")
    status = book.status("people")
    assert shown(status.recipients) == {
        "Univ. X": (1, Fraction(0.0243), 0),
        "Univ. Y": (1, Fraction(0.0243), 0),
    }
    assert shown([status.joint(["UNIV X", "univ y"])]) == {"": (2, 2 * Fraction(0.0243), 0)}
    assert shown([status.joint([])]) == {"": (0, 0, 0)}


def test_unnamed_recipients_share_one_bucket(book: Ledger, reserve) -> None:
    reserve("one", book=book)
    for name in ("", " ", "?!"):
        with pytest.raises(BudgetError, match="all recipients without a name"):
            reserve("two", book=book, recipient=name)
    assert set(shown(book.status("people").recipients)) == {""}


def test_a_jurisdiction_has_a_cap(book: Ledger, reserve) -> None:
    reserve("one", book=book, recipient="a", jurisdiction="CH")
    with pytest.raises(BudgetError, match="The cap for jurisdiction ch is epsilon 1.3"):
        reserve("two", book=book, recipient="b", jurisdiction="ch")
    reserve("three", book=book, recipient="b", jurisdiction="FR")
    found = shown(book.status("people").jurisdictions)
    assert found == {name: (1, Fraction(0.0243), 0) for name in ("CH", "FR")}


def test_the_stricter_cap_of_today_holds_and_is_recorded(book: Ledger, reserve) -> None:
    today = Caps(recipient=Cap.of(Budget(epsilon=0.5, delta=1e-6), discovery_delta=2e-7))
    before = book.head()
    with pytest.raises(BudgetError, match="The cap for recipient a is epsilon 0.5"):
        reserve("one", book=book, recipient="a", caps=today)
    assert book.head() == before
    reserve("one", book=book, recipient="a", caps=today, rho=0.003)
    record = book.status("people").records[0]
    assert record.caps == today
    assert book.entries()[-1].payload["caps"]["recipient"]["epsilon"] == "0.5"
    reserve("two", book=book, recipient="a", caps=Caps())
    with pytest.raises(BudgetError, match="epsilon 1.2"):
        reserve("three", book=book, recipient="a", caps=Caps())


def test_what_is_given_back_frees_the_caps(book: Ledger, reserve) -> None:
    reserve("one", book=book, recipient="a").void()
    reserve("two", book=book, recipient="a").open_data()
    with pytest.raises(BudgetError):
        reserve("three", book=book, recipient="a")


def test_policy_and_times_are_on_record(book: Ledger, reserve) -> None:
    policy = {"name": "strict", "sha256": "ab" * 32}
    reservation = reserve("one", book=book, recipient="a", jurisdiction="CH", policy=policy)
    record = reservation.record
    assert (record.policy, record.recipient, record.jurisdiction) == (policy, "a", "CH")
    assert record.created and not record.closed
    reservation.open_data()
    reservation.commit({})
    assert reservation.record.closed >= record.created
    assert book.entries()[2].payload["policy"] == policy, "known before the data is opened"


def test_delta_for_discovery_is_reserved_and_charged(book: Ledger, reserve) -> None:
    event = threshold()
    assert 0 < event.delta < 1e-8
    poor = reserve("poor", book=book, recipient="a", jurisdiction="a", rho=0.02)
    poor.open_data()
    with pytest.raises(BudgetError, match="delta for discovery"):
        poor.charge([event])
    rich = reserve(
        "rich", book=book, recipient="b", jurisdiction="b", rho=0.02, discovery_delta=1e-7
    )
    assert book.status("people").spent_delta == Fraction(1e-7)
    with pytest.raises(BudgetError, match="delta for discovery 1e-07 is left"):
        reserve(
            "more", book=book, recipient="c", jurisdiction="c", rho=0.01, discovery_delta=1.5e-7
        )
    rich.open_data()
    rich.charge([event, event])
    rich.commit({})
    status = book.status("people")
    assert status.spent_delta == 2 * Fraction(event.delta)
    assert status.remaining_delta == Fraction(2e-7) - 2 * Fraction(event.delta)
    taken = (1, 2 * Fraction(0.001), 2 * Fraction(event.delta))
    assert shown(status.recipients)["b"] == taken
    assert book.verify().entries == 8


def test_the_delta_of_a_release_pays_for_its_discovery(book: Ledger, reserve) -> None:
    rho = rho_for(Budget(epsilon=1.0, delta=1e-6))
    with pytest.raises(InputError, match="exceeds the epsilon"):
        reserve("r", book=book, recipient="a", rho=rho, discovery_delta=1e-7)
    with pytest.raises(InputError, match="leaves nothing"):
        reserve("r", book=book, recipient="a", rho=0.001, discovery_delta=1e-6)


@pytest.fixture
def plain(path: Path, key: LedgerKey, unit):
    """A lineage without caps for recipients."""
    terms = LineageTerms.of("people", unit=unit, total=TOTAL)
    with Ledger.open(path.with_name("plain.sqlite"), key=key) as opened:
        opened.register(terms)
        yield opened


def test_what_is_no_zcdp_needs_the_lineages_order(plain: Ledger, reserve) -> None:
    order = plain.status("people").terms.order
    event = poisson(order)
    in_zcdp = reserve("zcdp", book=plain, rho=0.001)
    in_zcdp.open_data()
    with pytest.raises(InputError, match="cannot be paid by a reservation in zCDP"):
        in_zcdp.charge([event])
    with pytest.raises(InputError, match="exceeds the epsilon"):
        reserve("small", book=plain, rho=event.rho, epsilon=0.1, currency=Currency.RENYI)
    reservation = reserve("renyi", book=plain, rho=2 * event.rho, epsilon=2.9,
                          currency=Currency.RENYI)  # fmt: skip
    reservation.open_data()
    with pytest.raises(InputError, match="for ever"):
        reservation.charge([poisson(order + 1e-9)])
    reservation.charge([event])
    reservation.commit({})
    status = plain.status("people")
    assert status.records[1].currency is Currency.RENYI
    assert status.spent_rho == Fraction(0.001) + Fraction(event.rho)
    spent = float(status.spent_rho)
    assert status.epsilon_spent == pytest.approx(epsilon_at(order, spent, 1e-6), rel=1e-9)
    assert plain.verify().entries == 8


def test_the_odometer_is_tight_while_all_is_zcdp(plain: Ledger, reserve) -> None:
    assert plain.status("people").epsilon_spent == 0.0
    reserve("r", book=plain, rho=0.01)
    assert plain.status("people").epsilon_spent == tight_epsilon(0.01, 1e-6)


def test_one_total_bounds_both_currencies(plain: Ledger, reserve) -> None:
    terms = plain.status("people").terms
    reserve("a", book=plain, rho=0.9 * terms.total_rho, epsilon=2.9)
    with pytest.raises(BudgetError, match="The budget is epsilon 3"):
        reserve("b", book=plain, rho=0.2 * terms.total_rho, epsilon=2.9, currency=Currency.RENYI)
    reserve("c", book=plain, rho=0.09 * terms.total_rho, epsilon=2.9, currency=Currency.RENYI)


def test_a_capped_bucket_adds_up_in_one_way(book: Ledger, reserve, capped: LineageTerms) -> None:
    wide = {"epsilon": 2.9, "currency": Currency.RENYI}
    with pytest.raises(BudgetError, match="recipient a is epsilon 1.2.*at the lineage's order"):
        reserve("r", book=book, recipient="a", rho=0.001, **wide)
    reserve("z", book=book, recipient="z", rho=0.001)
    with pytest.raises(BudgetError, match="adds up earlier releases as zCDP"):
        reserve("r", book=book, recipient="z", rho=0.0001, **wide)


def test_a_bucket_that_began_at_the_order_stays_there(path: Path, key: LedgerKey, unit, reserve):
    """zCDP counts at the order of the lineage too, so the cap holds there for both."""
    cap = Budget(epsilon=2.8, delta=1e-6)
    terms = LineageTerms.of("people", unit=unit, total=TOTAL, recipient=cap)
    with Ledger.open(path.with_name("order.sqlite"), key=key) as opened:
        opened.register(terms)
        reserve("a", book=opened, recipient="a", rho=0.001, epsilon=2.7, currency=Currency.RENYI)
        left = 0.0
        while True:
            try:
                reserve("b", book=opened, recipient="a", rho=0.01)
            except BudgetError:
                break
            left += 0.01
        (party,) = opened.status("people").recipients
        spent = float(party.rho)
        assert party.currency is Currency.RENYI
        assert party.epsilon == party.terms.epsilon_at_order(party.rho, party.cap)
        assert party.left == max(0, 1 - Fraction(party.epsilon) / Fraction(2.8))
        assert epsilon_at(terms.order, spent, 1e-6) <= 2.8 * (1 + 1e-9)
        assert epsilon_at(terms.order, spent + 0.01, 1e-6) > 2.8
        assert spent + 0.01 < terms.total_rho, "the cap stopped it, not the total"


def test_a_cap_is_shown_in_the_way_in_which_it_is_enforced(
    path: Path, key: LedgerKey, unit, reserve
) -> None:
    """The first reservation fixes the way, until nothing is left that was not given back."""
    cap = Budget(epsilon=2.8, delta=1e-6)
    terms = LineageTerms.of("people", unit=unit, total=TOTAL, recipient=cap)
    with Ledger.open(path.with_name("way.sqlite"), key=key) as opened:
        opened.register(terms)

        def party() -> Party:
            (found,) = opened.status("people").recipients
            return found

        def wide(release: str) -> Reservation:
            return reserve(release, book=opened, rho=0.001, epsilon=2.7, currency=Currency.RENYI)

        wide("a").void()
        assert (party().releases, party().epsilon, party().left) == (0, 0.0, 1)
        first = wide("b")
        second = reserve("c", book=opened, rho=0.001)
        first.void()
        assert (party().releases, party().currency) == (1, Currency.RENYI)
        assert party().epsilon == epsilon_at(terms.order, 0.001, 1e-6)
        wide("d").void()  # admitted: the way is still that of b
        second.void()
        reserve("e", book=opened, rho=0.001)
        assert (party().releases, party().currency) == (1, Currency.ZCDP)
        assert party().epsilon == tight_epsilon(0.001, 1e-6)
        assert party().left == 1 - Fraction(0.001) / Fraction(party().cap.rho)
        with pytest.raises(BudgetError, match="adds up earlier releases as zCDP"):
            wide("f")


def test_where_zcdp_and_the_other_met_only_the_order_says_what_is_known(
    plain: Ledger, reserve
) -> None:
    """Without a cap no way was fixed. The epsilon of a mixture is never that of zCDP alone."""
    order = plain.status("people").terms.order
    reserve("a", book=plain, rho=0.001, recipient="a")
    reserve("b", book=plain, rho=0.001, epsilon=2.9, recipient="a", currency=Currency.RENYI)
    reserve("c", book=plain, rho=0.001, recipient="c")
    mixed, pure = plain.status("people").recipients
    both = plain.status("people").joint(["a", "c"])
    assert mixed.epsilon == epsilon_at(order, 0.002, 1e-6) > tight_epsilon(0.002, 1e-6)
    assert pure.epsilon == tight_epsilon(0.001, 1e-6)
    assert both.currency is Currency.RENYI and both.rho == 3 * Fraction(0.001)
    assert both.epsilon >= mixed.epsilon and both.left is None


def test_asking_for_a_refused_recipient_leaves_no_line(book: Ledger, reserve) -> None:
    with pytest.raises(BudgetError):
        reserve("r", book=book, recipient="UNIV X", epsilon=2.9, rho=0.1)
    reserve("r", book=book, recipient="Univ. X", rho=0.001)
    assert [party.name for party in book.status("people").recipients] == ["Univ. X"]


def test_the_shown_cap_is_the_stricter_of_the_lineages_and_the_newest(
    book: Ledger, reserve, capped: LineageTerms
) -> None:
    strict = Cap.of(Budget(epsilon=0.5, delta=1e-6), discovery_delta=2e-7)
    loose = Cap.of(Budget(epsilon=2.0, delta=1e-6), discovery_delta=2e-7)
    for newest, expected in (
        (strict, strict),
        (loose, capped.recipient_cap),
        (None, capped.recipient_cap),
    ):
        reserve("r", book=book, recipient="a", rho=0.001, caps=Caps(recipient=newest))
        (party,) = book.status("people").recipients
        assert party.cap == expected
        assert party.left == 1 - party.rho / Fraction(party.cap.rho)


def test_events_that_are_priced_together_cost_what_each_costs(book: Ledger, reserve) -> None:
    """The ledger prices equal Gaussian events once; the accountant prices each."""
    record = reserve("r", book=book, recipient="a").record
    events = [
        GaussianEvent(stage=f"s{k % 2}", attributes=(f"c{k}",), cells=k + 1,
                      sigma=20.0 + k % 3, sensitivity=2 + k % 2, rho=0.02)
        for k in range(24)
    ]  # fmt: skip
    assert price(events, record, book.status("people").terms) == total_loss(events)
    assert total_loss(events).rho == 24 * Fraction(0.02)


def test_a_cap_that_comes_after_both_kinds_counts_them_at_the_lineages_order(
    path: Path, key: LedgerKey, unit, reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a cap, training may follow what is zCDP; their sum is no zCDP rho."""
    place = path.with_name("mixed.sqlite")

    def caps(epsilon: float) -> Caps:
        return Caps(recipient=Cap.of(Budget(epsilon=epsilon, delta=1e-6)))

    with Ledger.open(place, key=key) as book:
        book.register(LineageTerms.of("people", unit=unit, total=TOTAL))
        reserve("a", book=book, recipient="X", rho=1e-6)
        reserve("b", book=book, recipient="X", rho=0.03, epsilon=2.9, currency=Currency.RENYI)
        (party,) = book.status("people").recipients
        assert 1.2 < party.epsilon < 2.0 and Fraction(0.03) < Fraction(caps(1.2).recipient.rho)
        with pytest.raises(BudgetError, match="no release of that size at the lineage's order"):
            reserve("c", book=book, recipient="x.", rho=1e-4, epsilon=0.1, caps=caps(1.2))
        reserve("d", book=book, recipient="Y", rho=1e-4, epsilon=0.1, caps=caps(1.2))
        reserve("e", book=book, recipient="X", rho=1e-4, epsilon=0.1, caps=caps(2.0))
        # An earlier version wrote it: it is read as it stands.
        monkeypatch.setattr(filter_module, "_check_at_order", lambda *_: None)
        reserve("f", book=book, recipient="X", rho=1e-4, epsilon=0.1, caps=caps(1.2))
        monkeypatch.undo()
    with Ledger.open(place, key=key) as book:
        book.verify()
        assert len(book.status("people").records) == 5
