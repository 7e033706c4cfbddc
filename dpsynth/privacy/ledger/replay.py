"""The state of a ledger: a fold over its entries, which alone decides what is spent.

Spent is what committed releases charged, and the whole reservation of every release that is
neither committed nor void: a crash, a kill or an exception after the reservation costs all of it.
The same fold runs when an entry is written and when a ledger is read, so no entry can be written
that a reader would refuse, and a ledger whose entries contradict each other is damaged. A full
replay also checks each signature and re-derives each price; the state that it reaches is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import assert_never

from dpsynth.errors import BudgetError, DpsynthError, InputError, LedgerDamagedError
from dpsynth.privacy.ledger import audit
from dpsynth.privacy.ledger.amounts import ZERO, as_text, plus, read_amount
from dpsynth.privacy.ledger.chain import (
    FORMAT,
    GENESIS,
    Entry,
    Head,
    Kind,
    check_form,
    check_signature,
    damaged,
)
from dpsynth.privacy.ledger.filter import Bucket, Spending, admit, admit_new
from dpsynth.privacy.ledger.keys import is_public_key
from dpsynth.privacy.ledger.records import LineageStatus, ReleaseRecord, ReleaseState
from dpsynth.privacy.ledger.terms import LineageTerms

#: What reading an entry that makes no sense can raise.
_IMPOSSIBLE = (
    KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, DpsynthError,
)  # fmt: skip


@dataclass
class _Release:
    """A reservation while entries are applied; sums are decimals, which are exact and fast.

    `last` is its commit or void.
    """

    record: ReleaseRecord
    buckets: tuple[Bucket, ...]
    state: ReleaseState = ReleaseState.RESERVED
    rho: Decimal = ZERO
    delta: Decimal = ZERO
    last: Entry | None = None
    stale: bool = False

    def current(self) -> ReleaseRecord:
        """Return the record as it is now."""
        if self.stale:
            self.record = replace(
                self.record,
                state=self.state,
                charged_rho=Fraction(self.rho),
                charged_delta=Fraction(self.delta),
                closed=self.last.created if self.last else "",
                digests=dict(self.last.payload.get("digests", {})) if self.last else {},
            )
            self.stale = False
        return self.record


class Replay:
    """Entries applied so far, and the state that they make.

    Attributes:
        entries: The entries.
        terms: Terms of each lineage.
        ledger_id: 128 random bits that name the ledger, in hexadecimal digits; empty before any
            entry.
        keys: Every public key so far; the last one is in force.
        home: Digest of the place where the ledger may be written.
        moved: Whether it was closed at its home, to go on elsewhere.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.terms: dict[str, LineageTerms] = {}
        self.ledger_id = ""
        self.keys: tuple[str, ...] = ()
        self.home = ""
        self.moved = False
        self._releases: dict[str, dict[int, _Release]] = {}
        self._spending: dict[str, Spending] = {}

    @property
    def head(self) -> Head:
        """The last entry, or (0, zeros)."""
        return self.entries[-1].head if self.entries else Head(seq=0, digest=GENESIS)

    @property
    def public_key(self) -> str:
        """The key that signs the next entry."""
        return self.keys[-1]

    def status(self, lineage: str) -> LineageStatus:
        """Return the status of a lineage; KeyError if there is none of that name."""
        terms, spending = self.terms[lineage], self._spending[lineage]
        total = spending.total
        return LineageStatus(
            terms=terms,
            spent_rho=Fraction(total.rho),
            spent_delta=Fraction(total.delta),
            records=tuple(release.current() for release in self._releases[lineage].values()),
            parties=spending.parties(terms),
        )

    def record(self, lineage: str, seq: int) -> ReleaseRecord:
        """Return the reservation numbered `seq`; KeyError if there is none."""
        return self._releases[lineage][seq].current()

    def admit(self, lineage: str, record: ReleaseRecord) -> None:
        """Raise BudgetError unless a lineage can pay a reservation."""
        admit(self.terms[lineage], self._spending[lineage], record)

    def admit_new(self, lineage: str, record: ReleaseRecord) -> None:
        """Raise BudgetError unless a lineage can pay a reservation that is about to be written."""
        admit_new(self.terms[lineage], self._spending[lineage], record)

    def extend(self, entries: Sequence[Entry], *, full: bool = False) -> None:
        """Apply entries in order.

        Args:
            entries: Entries that follow each other and the last one applied.
            full: Check every signature and re-derive every price; otherwise the signature of the
                last entry, which covers all before it, and the recorded prices.

        Raises:
            LedgerDamagedError: An entry contradicts those before it, or a signature is not that of
                the ledger's key.
        """
        for entry in entries:
            try:
                if not self.entries:
                    self._create(entry)
                key = self.public_key
                if full or entry is entries[-1]:
                    check_signature(entry, key)
                if full:
                    check_form(entry)
                self._apply(entry, full=full)
            except LedgerDamagedError:
                raise
            except _IMPOSSIBLE:
                raise damaged(f"Entry {entry.seq} contradicts the entries before it.") from None
            self.entries.append(entry)

    def _create(self, entry: Entry) -> None:
        """Take id, key and home from the first entry."""
        payload = entry.payload
        _require(entry.kind is Kind.CREATE and entry.lineage == "")
        if payload["format"] != FORMAT:
            raise damaged(
                f"The ledger has format {str(payload['format'])[:20]}; this version of dpsynth "
                f"reads format {FORMAT}.",
                fix="Use the version of dpsynth that wrote it.",
            )
        _require(is_public_key(payload["public_key"]))
        _require(len(bytes.fromhex(payload["ledger"])) == 16 and isinstance(payload["home"], str))
        self.ledger_id, self.home = payload["ledger"], payload["home"]
        self.keys = (payload["public_key"],)

    def _apply(self, entry: Entry, *, full: bool) -> None:
        """Apply one entry; any exception means that it is not possible here."""
        _require(not self.moved or entry.kind is Kind.ADOPT)
        match entry.kind:
            case Kind.CREATE:
                _require(not self.entries)
            case Kind.ROTATE | Kind.MOVE | Kind.ADOPT:
                self._apply_to_ledger(entry)
            case Kind.REGISTER:
                _require(entry.lineage not in self.terms and entry.lineage != "")
                terms = LineageTerms.from_json(entry.lineage, entry.payload)
                if full:
                    terms.check()
                self.terms[entry.lineage] = terms
                self._releases[entry.lineage] = {}
                self._spending[entry.lineage] = Spending()
            case Kind.RESERVE:
                self._reserve(entry, full=full)
            case Kind.CHARGE:
                self._charge(entry, full=full)
            case Kind.RUN:
                self._run(entry, full=full)
            case Kind.OPEN | Kind.COMMIT | Kind.VOID:
                self._advance(entry)
            case _:
                assert_never(entry.kind)

    def _apply_to_ledger(self, entry: Entry) -> None:
        """Apply an entry about the ledger itself."""
        _require(entry.lineage == "")
        payload = entry.payload
        if entry.kind is Kind.ROTATE:
            _require(is_public_key(payload["public_key"]))
            _require(payload["public_key"] not in self.keys)
            self.keys += (payload["public_key"],)
        elif entry.kind is Kind.MOVE:
            self.moved = True
        else:
            home, reason = payload["home"], payload["reason"]
            _require(isinstance(home, str) and isinstance(reason, str))
            # Where it was closed it stays closed; where it was not, somebody says why.
            _require(home != self.home if self.moved else reason.strip() != "")
            self.home, self.moved = home, False

    def _reserve(self, entry: Entry, *, full: bool) -> None:
        """Apply a reservation: the filter admits it, as it did when it was written."""
        lineage = entry.lineage
        record = ReleaseRecord.from_json(entry.seq, entry.created, entry.payload)
        _require(record.reserved_rho > 0 if record.protected else record.reserved_rho == 0)
        _require(record.discovery_delta >= 0)
        if full:
            audit.check_claim(record, self.terms[lineage])
        try:
            self.admit(lineage, record)
        except BudgetError:
            raise damaged(
                f"Entry {entry.seq} reserves more than the caps of its lineage allow."
                if record.protected
                else f"Entry {entry.seq} runs without a guarantee in a lineage that promises one."
            ) from None
        buckets = self._spending[lineage].add(record)
        self._releases[lineage][entry.seq] = _Release(record, buckets)

    def _charge(self, entry: Entry, *, full: bool) -> None:
        """Apply a charge; only a full replay parses its events."""
        reservation, rho, delta = entry.charged()
        release = self._releases[entry.lineage][reservation]
        _require(release.state is ReleaseState.OPEN)
        if full:
            _require(entry.payload["release"] == release.record.release)
            before = Fraction(release.rho)
            audit.check_charge(entry, before, release.record, self.terms[entry.lineage])
        charged = plus(release.rho, read_amount(rho))
        failing = release.delta if delta == "0" else plus(release.delta, read_amount(delta))
        _require(charged <= Decimal(release.record.reserved_rho))
        _require(failing <= Decimal(release.record.discovery_delta))
        release.rho, release.delta, release.stale = charged, failing, True

    def _run(self, entry: Entry, *, full: bool) -> None:
        """Apply the start of programs without a guarantee."""
        release = self._releases[entry.lineage][entry.payload["reservation"]]
        _require(release.state is ReleaseState.OPEN and not release.record.protected)
        _require(entry.payload["release"] == release.record.release)
        if full:
            audit.check_run(entry, release.record)

    def _advance(self, entry: Entry) -> None:
        """Apply an open, commit or void."""
        payload = entry.payload
        release = self._releases[entry.lineage][payload["reservation"]]
        record = release.record
        _require(payload["release"] == record.release)
        if entry.kind is Kind.OPEN:
            _require(release.state is ReleaseState.RESERVED)
            release.state, release.stale = ReleaseState.OPEN, True
            return
        void = entry.kind is Kind.VOID
        if void:
            _require(release.state is ReleaseState.RESERVED)
        else:
            _require(release.state is ReleaseState.OPEN)
            if record.protected:
                charged = (as_text(release.rho), as_text(release.delta))
                _require((payload["rho"], payload["delta"]) == charged)
            else:
                _require("rho" not in payload and "delta" not in payload)
            _require(isinstance(payload["digests"], dict))
        for bucket in release.buckets:
            bucket.settle(record, release.rho, release.delta, void=void)
        release.last = entry
        release.state = ReleaseState.VOID if void else ReleaseState.COMMITTED
        release.stale = True


def check_affordable(
    charged: Fraction, reserved: float, where: str, *, what: str = "budget"
) -> None:
    """Raise BudgetError if a sum of charges exceeds what was reserved."""
    if charged > Fraction(reserved):
        raise BudgetError(
            "The charge exceeds what was reserved for this release"
            + (f" of the {what}." if what != "budget" else "."),
            where=where,
            fix="Nothing was drawn. Ask fewer questions or reserve a larger epsilon.",
        )


def _require(condition: bool) -> None:
    """Raise InputError unless the condition holds."""
    if not condition:
        raise InputError("contradicts what stands before it.", where="ledger")
