"""What became of each reservation, and what a lineage has spent and has left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any, assert_never

from dpsynth.errors import InputError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.ledger.chain import Entry, Head
from dpsynth.privacy.ledger.parties import ZERO, Parties, Party, together
from dpsynth.privacy.ledger.request import ReservationRequest
from dpsynth.privacy.ledger.terms import (
    Caps,
    Currency,
    LineageTerms,
    alike,
    budget_from,
    budget_json,
    reached,
)
from dpsynth.privacy.numbers import float_up, parse_decimal
from dpsynth.privacy.sampled import SampledSteps
from dpsynth.results import decimal_string

_PRICES = {"epsilon", "delta", "rho", "discovery_delta", "caps"}


class ReleaseState(StrEnum):
    """How far a reservation has come."""

    RESERVED = "reserved"
    OPEN = "open"
    COMMITTED = "committed"
    VOID = "void"


@dataclass(frozen=True, kw_only=True)
class ReleaseRecord:
    """One reservation of a lineage and what became of it.

    Attributes:
        seq: Number of its reserve entry, which names it.
        release: Name of the release.
        budget: Privacy loss that was reserved; None where there is no guarantee.
        reserved_rho: The same in rho, at what `discovery_delta` leaves of its delta.
        discovery_delta: What its events may spend of delta.
        max_rows: Rows of one unit at most: no event may claim a smaller sensitivity.
        recipient: Who gets it; may be empty.
        jurisdiction: Where the recipient is; may be empty.
        currency: In what its events add up.
        sampled: Its steps on Poisson samples, calibrated before it was reserved; None where it has
            none.
        policy: Name and SHA-256 of the policy that judges it; may be empty.
        caps: Caps of that policy, which bound it beside those of the lineage.
        created: UTC time of the reservation.
        closed: UTC time of its commit or void; empty before.
        charged_rho: Exact sum of what it charged.
        charged_delta: Exact sum of what it charged of delta.
        state: How far it has come.
        digests: Digests of its artefacts, once committed.
    """

    seq: int
    release: str
    budget: Budget | None
    reserved_rho: float
    discovery_delta: float
    max_rows: int
    recipient: str
    jurisdiction: str
    currency: Currency
    policy: Mapping[str, str]
    caps: Caps
    created: str
    closed: str = ""
    charged_rho: Fraction = ZERO
    charged_delta: Fraction = ZERO
    state: ReleaseState = ReleaseState.RESERVED
    digests: Mapping[str, str] = field(default_factory=dict)
    sampled: SampledSteps | None = None

    @property
    def protected(self) -> bool:
        """Whether it is a differentially private release."""
        return self.currency is not Currency.NONE

    @property
    def priced(self) -> Budget:
        """Privacy loss that was reserved.

        Raises:
            InputError: There is no guarantee.
        """
        if self.budget is None:
            raise InputError("has no guarantee, so no epsilon.", where=f"release {self.release}")
        return self.budget

    @property
    def spent_rho(self) -> Fraction:
        """What it takes from the lineage: no commit means all that was reserved."""
        return self._spent(self.charged_rho, self.reserved_rho)

    @property
    def spent_delta(self) -> Fraction:
        """What it takes from the lineage's delta for discovery."""
        return self._spent(self.charged_delta, self.discovery_delta)

    def _spent(self, charged: Fraction, reserved: float) -> Fraction:
        match self.state:
            case ReleaseState.COMMITTED:
                return charged
            case ReleaseState.VOID:
                return ZERO
            case ReleaseState.RESERVED | ReleaseState.OPEN:
                return Fraction(reserved)
        assert_never(self.state)

    def to_json(self, plan: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the payload of its reserve entry; without a guarantee it has no number of one."""
        prices = (
            {
                **budget_json(self.budget),
                "rho": decimal_string(self.reserved_rho),
                "discovery_delta": decimal_string(self.discovery_delta),
                "caps": self.caps.to_json(),
            }
            if self.budget is not None
            else {}
        )
        return {
            "release": self.release,
            **prices,
            "max_rows": self.max_rows,
            "recipient": self.recipient,
            "jurisdiction": self.jurisdiction,
            "currency": self.currency.value,
            "policy": dict(self.policy),
            "plan": [dict(stage) for stage in plan],
            **({"sampled": self.sampled.to_json()} if self.sampled else {}),
        }

    @classmethod
    def asked(cls, request: ReservationRequest) -> ReleaseRecord:
        """Return a reservation as it is asked for, before it has a place in the ledger."""
        return cls(
            seq=0,
            release=request.release,
            budget=request.budget,
            reserved_rho=request.rho,
            discovery_delta=request.discovery_delta,
            max_rows=request.unit.max_rows,
            recipient=request.recipient,
            jurisdiction=request.jurisdiction,
            currency=request.currency,
            policy=dict(request.policy),
            caps=request.caps,
            created="",
            sampled=request.sampled,
        )

    @classmethod
    def from_json(cls, seq: int, created: str, tree: Mapping[str, Any]) -> ReleaseRecord:
        """Return the reservation that an entry makes."""
        texts = (tree["release"], tree["recipient"], tree["jurisdiction"])
        if not all(isinstance(text, str) for text in texts) or not isinstance(
            tree["max_rows"], int
        ):
            raise InputError("is malformed.", where=f"entry {seq}")
        currency = Currency(tree["currency"])
        priced = currency is not Currency.NONE
        if not priced and _PRICES & set(tree):
            raise InputError("has a price and no guarantee.", where=f"entry {seq}")
        return cls(
            seq=seq,
            release=tree["release"],
            budget=budget_from(tree) if priced else None,
            reserved_rho=parse_decimal(tree["rho"], where="ledger") if priced else 0.0,
            discovery_delta=parse_decimal(tree["discovery_delta"], where="ledger")
            if priced
            else 0.0,
            max_rows=tree["max_rows"],
            recipient=tree["recipient"],
            jurisdiction=tree["jurisdiction"],
            currency=currency,
            policy=dict(tree["policy"]),
            caps=Caps.from_json(tree["caps"]) if priced else Caps(),
            created=created,
            sampled=SampledSteps.from_json(tree["sampled"]) if "sampled" in tree else None,
        )


@dataclass(frozen=True, kw_only=True)
class LineageStatus:
    """What a lineage may spend, has spent, and on what.

    Attributes:
        terms: What is fixed for ever.
        spent_rho: Exact sum over all releases.
        spent_delta: The same of what events spend of delta.
        records: Every reservation, oldest first.
        parties: What the filter counts for each recipient and jurisdiction; read them by
            :attr:`recipients` and :attr:`jurisdictions`.
    """

    terms: LineageTerms
    spent_rho: Fraction
    spent_delta: Fraction
    records: tuple[ReleaseRecord, ...]
    parties: Parties

    @property
    def remaining_rho(self) -> Fraction:
        """What is left, exactly."""
        return Fraction(self.terms.total_rho) - self.spent_rho

    @property
    def remaining_delta(self) -> Fraction:
        """What is left of the delta for discovery, exactly."""
        return Fraction(self.terms.discovery_delta) - self.spent_delta

    @property
    def unprotected(self) -> bool:
        """Whether releases without a guarantee stand in it: then it has no epsilon."""
        return any(not r.protected and r.state is not ReleaseState.VOID for r in self.records)

    @property
    def releases(self) -> int:
        """Number of reservations so far, whatever became of them."""
        return len(self.records)

    @property
    def open_reservations(self) -> tuple[ReleaseRecord, ...]:
        """Reservations that are neither committed nor void: running, or lost and spent."""
        pending = {ReleaseState.RESERVED, ReleaseState.OPEN}
        return tuple(record for record in self.records if record.state in pending)

    @property
    def renyi(self) -> bool:
        """Whether something counts that was priced at the lineage's one Renyi order."""
        return any(
            record.currency is Currency.RENYI and record.state is not ReleaseState.VOID
            for record in self.records
        )

    @property
    def epsilon_spent(self) -> float | None:
        """Epsilon of what is spent, at the lineage's delta: information, no filter acts on it.

        At the best order while all is zCDP, or is one release; else at the lineage's order; None
        where a release has no guarantee, for then nothing bounds what was learned of these people.
        """
        if self.unprotected:
            return None
        if not self.spent_rho:
            return 0.0
        spending = [record for record in self.records if record.spent_rho]
        alone = spending[0].sampled if len(spending) == 1 else None
        if alone is not None:
            rho, delta = float_up(self.spent_rho), self.terms.conversion_delta
            return alone.epsilon_alone(rho, self.terms.order, delta)
        order = self.terms.order if self.renyi else None
        return reached(float_up(self.spent_rho), self.terms.conversion_delta, order)

    @property
    def recipients(self) -> tuple[Party, ...]:
        """What each recipient was reserved or got, oldest first; open and refused releases count.

        Raises:
            InputError: Something without a guarantee was released: nothing bounds what they know.
        """
        return self._bounded.recipients

    @property
    def jurisdictions(self) -> tuple[Party, ...]:
        """The same for each jurisdiction."""
        return self._bounded.jurisdictions

    def joint(self, recipients: Iterable[str]) -> Party:
        """Return what several recipients know at most if they pool what they got.

        Only the lineage's total holds whatever was asked because of whatever answer. This sum
        assumes that nothing given to these recipients was chosen by looking at what others got.

        Raises:
            InputError: Something without a guarantee was released: nothing bounds what they know.
        """
        asked = {alike(name) for name in recipients}
        return together([one for one in self.recipients if alike(one.name) in asked], self.terms)

    @property
    def _bounded(self) -> Parties:
        """The parties; InputError where a zero would say that a release gave nothing away."""
        if self.unprotected:
            raise InputError(
                "has releases without a guarantee, so no epsilon.",
                where=f"lineage {self.terms.lineage}",
            )
        return self.parties


@dataclass(frozen=True, kw_only=True)
class LedgerCheck:
    """What :meth:`Ledger.verify` found in order.

    Attributes:
        ledger_id: Name of the ledger.
        public_key: The key in force.
        entries: Number of entries, each checked.
        head: The last one.
        anchors: Number of heads given that the chain holds.
        lineages: Names of the lineages.
    """

    ledger_id: str
    public_key: str
    entries: int
    head: Head
    anchors: int
    lineages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a ledger says of a lineage at one moment, for a document.

    Attributes:
        ledger_id: Name of the ledger.
        public_key: The key in force.
        head: The last entry.
        status: The lineage.
        entries: Its entries, oldest first.
    """

    ledger_id: str
    public_key: str
    head: Head
    status: LineageStatus
    entries: tuple[Entry, ...]
