"""Whether a reservation may be made: the privacy filter, asked before any data is opened.

The lineage's filter is fully adaptive. Sums of rho hold at every Renyi order while all events are
zCDP, and at the one order of the lineage for everything else; as the total was converted at that
very order, one sum decides for both.

A cap for a recipient or a jurisdiction is smaller and would be converted best at another order, at
which an event that is no zCDP has no price. So each bucket adds up in one way, fixed by its first
reservation: as zCDP at the cap's own best order, or at the order of the lineage, at which zCDP can
be counted too. A bucket that began as zCDP refuses the other: choosing the way after having seen
answers would cost delta twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from dpsynth.errors import BudgetError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.ledger.amounts import ZERO, minus, plus
from dpsynth.privacy.ledger.parties import Parties, Party
from dpsynth.privacy.ledger.records import ReleaseRecord
from dpsynth.privacy.ledger.terms import (
    SLACK,
    Cap,
    Currency,
    LineageTerms,
    alike,
    conversion_delta,
    reached,
)
from dpsynth.privacy.numbers import float_down


@dataclass
class Bucket:
    """Running sums over some releases of a lineage.

    Attributes:
        name: First spelling of whose bucket it is; empty for all that are unnamed, and the total.
        rho: Exact sum of what they take.
        delta: The same of delta.
        live: Number of reservations that were not given back.
        renyi: Number of them that are no zCDP.
        currency: How the bucket adds up; that of its first reservation, until nothing is live.
        cap: Cap by the policy of the newest reservation, or None.
    """

    name: str = ""
    rho: Decimal = ZERO
    delta: Decimal = ZERO
    live: int = 0
    renyi: int = 0
    currency: Currency = Currency.ZCDP
    cap: Cap | None = None

    def add(self, record: ReleaseRecord, cap: Cap | None = None) -> None:
        """Count a new reservation, which came with a cap for this bucket or with none."""
        if not self.live:
            self.currency = record.currency
        self.live += 1
        self.renyi += record.currency is Currency.RENYI
        self.cap = cap
        self.rho = plus(self.rho, Decimal(record.reserved_rho))
        if record.discovery_delta:
            self.delta = plus(self.delta, Decimal(record.discovery_delta))

    def settle(self, record: ReleaseRecord, rho: Decimal, delta: Decimal, *, void: bool) -> None:
        """Replace what was reserved by what was charged."""
        self.rho = plus(minus(self.rho, Decimal(record.reserved_rho)), rho)
        if record.discovery_delta:
            self.delta = plus(minus(self.delta, Decimal(record.discovery_delta)), delta)
        if void:
            self.live -= 1
            self.renyi -= record.currency is Currency.RENYI
            if not self.live:
                self.currency = Currency.ZCDP

    def party(self, terms: LineageTerms, cap: Cap | None) -> Party:
        """Return the bucket for people; `cap` is the lineage's for such a bucket.

        Where no cap stood, what is no zCDP may have come after zCDP: only the order of the lineage
        bounds both.
        """
        caps = [one for one in (cap, self.cap) if one is not None]
        return Party(
            name=self.name,
            releases=self.live,
            rho=Fraction(self.rho),
            delta=Fraction(self.delta),
            currency=Currency.RENYI if self.renyi else self.currency,
            terms=terms,
            cap=min(caps, key=lambda one: one.rho, default=None),
        )


class Spending:
    """The buckets of one lineage: all releases, and those of each recipient and jurisdiction."""

    def __init__(self) -> None:
        self.total = Bucket()
        self._recipients: dict[str, Bucket] = {}
        self._jurisdictions: dict[str, Bucket] = {}

    def recipient(self, name: str) -> Bucket:
        """Return the bucket of a recipient; all unnamed ones share one."""
        return self._recipients.get(alike(name)) or Bucket()

    def jurisdiction(self, name: str) -> Bucket:
        """Return the bucket of a jurisdiction; all unnamed ones share one."""
        return self._jurisdictions.get(alike(name)) or Bucket()

    def add(self, record: ReleaseRecord) -> tuple[Bucket, ...]:
        """Count a new reservation; return every bucket that it counts in."""
        recipient = _bucket(self._recipients, record.recipient)
        jurisdiction = _bucket(self._jurisdictions, record.jurisdiction)
        self.total.add(record)
        recipient.add(record, record.caps.recipient)
        jurisdiction.add(record, record.caps.jurisdiction)
        return self.total, recipient, jurisdiction

    def parties(self, terms: LineageTerms) -> Parties:
        """Return what each recipient and jurisdiction has, as it is counted here."""
        recipients, jurisdictions = self._recipients.values(), self._jurisdictions.values()
        return Parties(
            recipients=tuple(one.party(terms, terms.recipient_cap) for one in recipients),
            jurisdictions=tuple(one.party(terms, terms.jurisdiction_cap) for one in jurisdictions),
        )


def _bucket(buckets: dict[str, Bucket], name: str) -> Bucket:
    """Return the bucket of a name, made if there is none."""
    short = alike(name)
    return buckets.setdefault(short, Bucket(name=name if short else ""))


def admit(terms: LineageTerms, spending: Spending, record: ReleaseRecord) -> None:
    """Raise BudgetError, which says what is left, unless every cap allows the reservation."""
    _check_kind(terms, spending.total, record)
    if not record.protected:
        return
    asked = record.priced
    left = minus(Decimal(terms.total_rho), spending.total.rho)
    if Decimal(record.reserved_rho) > left:
        raise _overdrawn("The budget", terms.total, _allows(left, asked, record), record, terms)
    if record.discovery_delta:
        free = minus(Decimal(terms.discovery_delta), spending.total.delta)
        if Decimal(record.discovery_delta) > free:
            raise BudgetError(
                f"Of the delta for discovery {float_down(Fraction(max(free, ZERO))):g} is left; "
                f"{record.discovery_delta:g} was asked for.",
                where=f"lineage {terms.lineage}",
                fix="Discover less, or declare in the dictionary what was to be discovered.",
            )
    for title, cap, bucket in _caps(terms, spending, record):
        _check_cap(title, cap, bucket, terms, record)


def admit_new(terms: LineageTerms, spending: Spending, record: ReleaseRecord) -> None:
    """Raise BudgetError unless every cap allows a reservation that is about to be written.

    Beyond :func:`admit`: where no cap stood, what is no zCDP may have come after zCDP. A cap that
    comes later counts both at the order of the lineage, the only one at which both have a price.
    A reservation that an earlier version wrote is not judged by this when it is read again.
    """
    admit(terms, spending, record)
    if record.protected:
        for title, cap, bucket in _caps(terms, spending, record):
            if bucket.renyi and bucket.currency is Currency.ZCDP:
                after = plus(bucket.rho, Decimal(record.reserved_rho))
                _check_at_order(title, cap, after, terms, record)


def _caps(
    terms: LineageTerms, spending: Spending, record: ReleaseRecord
) -> Iterator[tuple[str, Cap, Bucket]]:
    """Yield every cap that a reservation must keep, by what it is called, and what it bounds."""
    for label, name, bucket, caps in (
        (
            "recipient",
            record.recipient,
            spending.recipient(record.recipient),
            (terms.recipient_cap, record.caps.recipient),
        ),
        (
            "jurisdiction",
            record.jurisdiction,
            spending.jurisdiction(record.jurisdiction),
            (terms.jurisdiction_cap, record.caps.jurisdiction),
        ),
    ):
        whose = f"{label} {name}" if alike(name) else f"all {label}s without a name"
        for cap in caps:
            if cap is not None:
                yield f"The cap for {whose}", cap, bucket


def _check_kind(terms: LineageTerms, total: Bucket, record: ReleaseRecord) -> None:
    """Raise BudgetError where protected and unprotected releases would meet in one lineage."""
    if not total.live or (total.currency is Currency.NONE) is (record.currency is Currency.NONE):
        return
    if record.protected:
        raise BudgetError(
            "Releases without a differential-privacy guarantee were made about these people, so "
            "no total can be promised to them any more.",
            where=f"lineage {terms.lineage}",
            fix="A lineage of other people can be protected. These people stay unprotected here.",
        )
    raise BudgetError(
        "These people were promised a total: a release without a differential-privacy guarantee "
        "would make every certificate of this lineage false.",
        where=f"lineage {terms.lineage}",
        fix="Use a method with a guarantee. Without one, only other people, who have no protected "
        "release, can be used, under a lineage of their own.",
    )


def _check_cap(
    title: str, cap: Cap, bucket: Bucket, terms: LineageTerms, record: ReleaseRecord
) -> None:
    """Raise BudgetError unless one cap allows the reservation."""
    currency = bucket.currency if bucket.live else record.currency
    if currency is Currency.ZCDP and record.currency is Currency.RENYI:
        raise BudgetError(
            f"{title} adds up earlier releases as zCDP, in which this method has no price.",
            where=f"lineage {terms.lineage}",
            fix="Choose a method that is zCDP, such as mst, or another recipient.",
        )
    after = plus(bucket.rho, Decimal(record.reserved_rho))
    if currency is Currency.ZCDP:
        if after > Decimal(cap.rho):
            left = minus(Decimal(cap.rho), bucket.rho)
            rest = _allows(left, record.priced, record)
            raise _overdrawn(title, cap.budget, rest, record, terms)
        return
    _check_at_order(title, cap, after, terms, record)


def _check_at_order(
    title: str, cap: Cap, after: Decimal, terms: LineageTerms, record: ReleaseRecord
) -> None:
    """Raise BudgetError unless a cap allows a sum at the order of the lineage."""
    if terms.epsilon_at_order(Fraction(after), cap) > cap.budget.epsilon * (1 + SLACK):
        rest = f"no release of that size at the lineage's order {terms.order:.4g}"
        raise _overdrawn(title, cap.budget, rest, record, terms)


def _allows(left: Decimal, asked: Budget, record: ReleaseRecord) -> str:
    """Say what rho is left for, at the delta that was asked for."""
    if left <= 0:
        return "no further release"
    delta = conversion_delta(asked, record.discovery_delta)
    shown = int(reached(float_down(Fraction(left)), delta) * 10_000) / 10_000
    return f"a release at epsilon {shown:g} at most" if shown > 0 else "no further release"


def _overdrawn(
    title: str, cap: Budget, rest: str, record: ReleaseRecord, terms: LineageTerms
) -> BudgetError:
    """Return the error that says which cap, what is left and what was asked."""
    return BudgetError(
        f"{title} is epsilon {cap.epsilon:g} (delta {cap.delta:g}) for all releases together. "
        f"What is left allows {rest} (delta {record.priced.delta:g}); epsilon "
        f"{record.priced.epsilon:g} was "
        "asked for.",
        where=f"lineage {terms.lineage}",
        fix="Ask for less, or give an earlier release to the new recipient.",
    )
