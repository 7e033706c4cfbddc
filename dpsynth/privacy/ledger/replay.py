"""The state of a ledger: a fold over its entries, which alone decides what is spent.

Spent is what committed releases charged, and the whole reservation of every release that is
neither committed nor void: a crash, a kill or an exception after the reservation costs all of it.
The same fold runs when an entry is written and when a ledger is read, so no entry can be written
that a reader would refuse, and a ledger whose entries contradict each other is damaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any, assert_never

from dpsynth.errors import DpsynthError
from dpsynth.privacy.accountant import total_loss
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import from_json
from dpsynth.privacy.ledger.chain import GENESIS, Entry, Head, Kind, damaged
from dpsynth.privacy.numbers import float_up, parse_decimal
from dpsynth.privacy.unit import Relation
from dpsynth.results import decimal_string


@dataclass(frozen=True, kw_only=True)
class LineageTerms:
    """What is fixed for the people of a lineage, for ever.

    Attributes:
        lineage: Name of the people whose budget it is.
        relation: Neighbouring relation.
        unit: What one unit is, in words.
        unit_column: Column that names the unit, or None.
        total: Cap as (epsilon, delta) over all releases together.
        total_rho: The same cap in zCDP rho, in which releases are added up.
    """

    lineage: str
    relation: Relation
    unit: str
    unit_column: str | None
    total: Budget
    total_rho: float

    def to_json(self) -> dict[str, Any]:
        """Return the payload of a register entry."""
        return {
            "relation": self.relation.value,
            "unit": self.unit,
            "unit_column": self.unit_column,
            "total_epsilon": decimal_string(self.total.epsilon),
            "total_delta": decimal_string(self.total.delta),
            "total_rho": decimal_string(self.total_rho),
        }

    @classmethod
    def from_json(cls, lineage: str, tree: Mapping[str, Any]) -> LineageTerms:
        """Return the terms that a register entry holds."""
        return cls(
            lineage=lineage,
            relation=Relation(tree["relation"]),
            unit=tree["unit"],
            unit_column=tree["unit_column"],
            total=Budget(
                epsilon=parse_decimal(tree["total_epsilon"], where="ledger"),
                delta=parse_decimal(tree["total_delta"], where="ledger"),
            ),
            total_rho=parse_decimal(tree["total_rho"], where="ledger"),
        )


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
        epsilon: Privacy loss that was reserved, at `delta`.
        delta: See epsilon.
        reserved_rho: The same in zCDP rho.
        max_rows: Rows of one unit at most: no event may claim a smaller sensitivity.
        charged_rho: Exact sum of its events.
        state: How far it has come.
        digests: Digests of its artefacts, once committed.
    """

    seq: int
    release: str
    epsilon: float
    delta: float
    reserved_rho: float
    max_rows: int
    charged_rho: Fraction = Fraction(0)
    state: ReleaseState = ReleaseState.RESERVED
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def spent_rho(self) -> Fraction:
        """What it takes from the lineage: no commit means all that was reserved."""
        match self.state:
            case ReleaseState.COMMITTED:
                return self.charged_rho
            case ReleaseState.VOID:
                return Fraction(0)
            case ReleaseState.RESERVED | ReleaseState.OPEN:
                return Fraction(self.reserved_rho)
        assert_never(self.state)


@dataclass(frozen=True, kw_only=True)
class LineageStatus:
    """What a lineage may spend, has spent, and on what.

    Attributes:
        terms: What is fixed for ever.
        spent_rho: Exact sum over all releases.
        records: Every reservation, oldest first.
    """

    terms: LineageTerms
    spent_rho: Fraction
    records: tuple[ReleaseRecord, ...]

    @property
    def remaining_rho(self) -> Fraction:
        """What is left, exactly."""
        return Fraction(self.terms.total_rho) - self.spent_rho

    @property
    def releases(self) -> int:
        """Number of reservations so far, whatever became of them."""
        return len(self.records)

    @property
    def open_reservations(self) -> tuple[ReleaseRecord, ...]:
        """Reservations that are neither committed nor void: running, or lost and spent."""
        pending = {ReleaseState.RESERVED, ReleaseState.OPEN}
        return tuple(record for record in self.records if record.state in pending)


class Replay:
    """Entries applied so far, and the state that they make."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.terms: dict[str, LineageTerms] = {}
        self._records: dict[str, dict[int, ReleaseRecord]] = {}

    @property
    def head(self) -> Head:
        """The last entry, or (0, zeros)."""
        return self.entries[-1].head if self.entries else Head(seq=0, digest=GENESIS)

    def status(self, lineage: str) -> LineageStatus:
        """Return the status of a lineage; KeyError if there is none of that name."""
        records = tuple(self._records[lineage].values())
        return LineageStatus(
            terms=self.terms[lineage],
            spent_rho=sum((record.spent_rho for record in records), Fraction(0)),
            records=records,
        )

    def record(self, lineage: str, seq: int) -> ReleaseRecord:
        """Return the reservation numbered `seq`; KeyError if there is none."""
        return self._records[lineage][seq]

    def extend(self, entries: Sequence[Entry]) -> None:
        """Apply entries in order.

        Raises:
            LedgerDamagedError: An entry contradicts those before it.
        """
        for entry in entries:
            try:
                self._apply(entry)
            except (KeyError, TypeError, ValueError, DpsynthError):
                raise damaged(f"Entry {entry.seq} contradicts the entries before it.") from None
            self.entries.append(entry)

    def _apply(self, entry: Entry) -> None:
        """Apply one entry; any exception means that it is not possible here."""
        payload, lineage = entry.payload, entry.lineage
        if entry.kind is Kind.REGISTER:
            _require(lineage not in self.terms)
            self.terms[lineage] = LineageTerms.from_json(lineage, payload)
            self._records[lineage] = {}
            return
        records = self._records[lineage]
        if entry.kind is Kind.RESERVE:
            record = ReleaseRecord(
                seq=entry.seq,
                release=payload["release"],
                epsilon=parse_decimal(payload["epsilon"], where="ledger"),
                delta=parse_decimal(payload["delta"], where="ledger"),
                reserved_rho=parse_decimal(payload["rho"], where="ledger"),
                max_rows=payload["max_rows"],
            )
            _require(record.reserved_rho > 0)
            _require(Fraction(record.reserved_rho) <= self.status(lineage).remaining_rho)
            records[entry.seq] = record
            return
        record = records[payload["reservation"]]
        _require(payload["release"] == record.release)
        records[record.seq] = _advance(record, entry)


def _advance(record: ReleaseRecord, entry: Entry) -> ReleaseRecord:
    """Return a reservation after one of its entries."""
    payload = entry.payload
    match entry.kind:
        case Kind.OPEN:
            _require(record.state is ReleaseState.RESERVED)
            return replace(record, state=ReleaseState.OPEN)
        case Kind.VOID:
            _require(record.state is ReleaseState.RESERVED)
            return replace(record, state=ReleaseState.VOID)
        case Kind.CHARGE:
            _require(record.state is ReleaseState.OPEN)
            events = [from_json(event) for event in payload["events"]]
            _require(all(event.covers(record.max_rows) for event in events))
            cost = total_loss(events).rho
            _require(payload["rho"] == decimal_string(float_up(cost)))
            charged = record.charged_rho + cost
            _require(charged <= Fraction(record.reserved_rho))
            return replace(record, charged_rho=charged)
        case Kind.COMMIT:
            _require(record.state is ReleaseState.OPEN)
            _require(payload["rho"] == decimal_string(float_up(record.charged_rho)))
            return replace(record, state=ReleaseState.COMMITTED, digests=dict(payload["digests"]))
        case Kind.REGISTER | Kind.RESERVE:
            raise ValueError("starts a record")
    assert_never(entry.kind)


def _require(condition: bool) -> None:
    """Raise ValueError unless the condition holds."""
    if not condition:
        raise ValueError
