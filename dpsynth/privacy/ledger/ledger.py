"""The budget ledger: append-only, hash-chained, on disk before anything is opened or drawn.

States of a release: reserve, open, charge..., commit; or reserve, void. No commit means spent. A
budget belongs to a lineage, the people, over every release, file and recipient; its total, unit
and relation are written once and can never change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from dpsynth.errors import BudgetError, InputError
from dpsynth.privacy.accountant import tight_epsilon, total_loss
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import Event
from dpsynth.privacy.ledger.book import Book, Draft
from dpsynth.privacy.ledger.chain import Entry, Head, Kind
from dpsynth.privacy.ledger.replay import (
    LineageStatus,
    LineageTerms,
    ReleaseRecord,
    ReleaseState,
    Replay,
)
from dpsynth.privacy.numbers import float_down, float_up
from dpsynth.privacy.unit import PrivacyUnit
from dpsynth.results import decimal_string

_SLACK = 1e-9


@dataclass(frozen=True, kw_only=True)
class LedgerCheck:
    """What :meth:`Ledger.verify` found in order.

    Attributes:
        entries: Number of entries, each checked.
        head: The last one.
        anchors: Number of anchors that the chain holds.
        lineages: Names of the lineages.
    """

    entries: int
    head: Head
    anchors: int
    lineages: tuple[str, ...]


class Ledger:
    """A ledger file. Use :meth:`open`; it is a context manager."""

    def __init__(self, book: Book) -> None:
        self._book = book

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open a ledger, or create it with its folder; every entry is checked.

        Raises:
            LedgerDamagedError: The file is not a ledger, or an entry is edited, missing or moved.
            InputError: The file cannot be created, read or written.
        """
        return cls(Book(path))

    def __enter__(self) -> Ledger:
        """Return the ledger."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the ledger."""
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._book.close()

    def register(self, terms: LineageTerms) -> None:
        """Write the terms of a lineage, once. Equal terms may be registered again.

        The total in rho that was recorded first stays in force.

        Raises:
            InputError: The lineage exists with other terms, or total_rho exceeds the total.
        """
        if tight_epsilon(terms.total_rho, terms.total.delta) > terms.total.epsilon * (1 + _SLACK):
            raise InputError("The total in rho exceeds the total epsilon.", where=terms.lineage)

        def decide(replay: Replay) -> Draft | None:
            _check_terms(replay, terms)
            if terms.lineage in replay.terms:
                return None
            return terms.lineage, Kind.REGISTER, terms.to_json()

        self._book.write(decide)

    def check_terms(self, terms: LineageTerms) -> None:
        """Say whether :meth:`register` would accept these terms; writes nothing.

        Raises:
            InputError: The lineage exists with other terms, or is spelt almost like another one.
        """
        _check_terms(self._book.read(), terms)

    def lineages(self) -> tuple[str, ...]:
        """Return the names of all lineages, oldest first."""
        return tuple(self._book.read().terms)

    def status(self, lineage: str) -> LineageStatus:
        """Return what a lineage may spend and has spent.

        Raises:
            InputError: There is no such lineage.
        """
        return _status(self._book.read(), lineage)

    def head(self) -> Head:
        """Return the last entry; (0, zeros) for an empty ledger."""
        return self._book.read().head

    def entries(self, lineage: str | None = None) -> tuple[Entry, ...]:
        """Return all entries, or those of one lineage, oldest first."""
        found = self._book.read().entries
        return tuple(e for e in found if lineage is None or e.lineage == lineage)

    def verify(self, anchors: Sequence[Head] = ()) -> LedgerCheck:
        """Re-read and check everything; each anchor must be an entry of this chain.

        Raises:
            LedgerDamagedError: Something was edited, removed, moved, rolled back or forked.
        """
        replay = self._book.verify(anchors)
        return LedgerCheck(
            entries=len(replay.entries),
            head=replay.head,
            anchors=len(anchors),
            lineages=tuple(replay.terms),
        )

    def reserve(
        self,
        lineage: str,
        release: str,
        *,
        budget: Budget,
        rho: float,
        unit: PrivacyUnit,
        plan: Sequence[Mapping[str, Any]],
    ) -> Reservation:
        """Set part of a lineage's budget aside for one release, durably.

        Args:
            lineage: Registered lineage.
            release: Name of the release.
            budget: What the release may spend, as a person declared it.
            rho: The same in zCDP rho.
            unit: Privacy unit; relation and column must be the lineage's.
            plan: What is to be asked, for the record.

        Raises:
            BudgetError: The lineage cannot pay. Nothing was written.
            InputError: The lineage is unknown, the unit differs, or rho exceeds the budget.
        """
        if not rho > 0 or tight_epsilon(rho, budget.delta) > budget.epsilon * (1 + _SLACK):
            raise InputError("The price in rho exceeds the epsilon of the release.", where=release)

        found: list[LineageStatus] = []

        def decide(replay: Replay) -> Draft:
            status = _status(replay, lineage)
            found.append(status)
            terms = status.terms
            if (unit.relation, unit.column) != (terms.relation, terms.unit_column):
                raise InputError(
                    "The privacy unit differs from the one that the lineage is registered with "
                    f"({terms.unit}).",
                    where=f"lineage {lineage}",
                    fix="Use the registered unit: a budget cannot be added up over two units.",
                )
            if Fraction(rho) > status.remaining_rho:
                raise _overdrawn(status, budget)
            payload = {
                "release": release,
                "epsilon": decimal_string(budget.epsilon),
                "delta": decimal_string(budget.delta),
                "rho": decimal_string(rho),
                "max_rows": unit.max_rows,
                "plan": [dict(stage) for stage in plan],
            }
            return lineage, Kind.RESERVE, payload

        entry = self._book.write(decide)
        return Reservation(self._book, lineage, release, entry.seq, found[-1])


class Reservation:
    """The right to spend what one reserve entry set aside. Made by :meth:`Ledger.reserve`.

    Attributes:
        lineage: The people whose budget it is.
        release: Name of the release.
        seq: Number of the reserve entry.
        before: The lineage as the reservation found it, under the same lock.
    """

    def __init__(
        self, book: Book, lineage: str, release: str, seq: int, before: LineageStatus
    ) -> None:
        self._book = book
        self.lineage = lineage
        self.release = release
        self.seq = seq
        self.before = before

    @property
    def record(self) -> ReleaseRecord:
        """What became of the reservation so far."""
        return self._book.read().record(self.lineage, self.seq)

    def open_data(self) -> Head:
        """Write that the data is about to be opened. From here on, no commit means spent."""
        return self._write(Kind.OPEN, lambda record: self._in(record, ReleaseState.RESERVED, {}))

    def charge(self, events: Sequence[Event]) -> int:
        """Write what is about to be drawn, durably, before it is drawn.

        Returns:
            Number of the entry that pays.

        Raises:
            BudgetError: The reservation cannot pay. Nothing was written.
            InputError: The data is not open, or there is no event.
        """
        if not events:
            raise InputError("There is nothing to charge.", where=self.release)
        cost = total_loss(events).rho

        def payload(record: ReleaseRecord) -> dict[str, Any]:
            self._in(record, ReleaseState.OPEN, {})
            if any(not event.covers(record.max_rows) for event in events):
                raise InputError(
                    f"An event claims less than the {record.max_rows} rows per unit that the "
                    "release was reserved for.",
                    where=self.release,
                )
            check_affordable(record.charged_rho + cost, record.reserved_rho, self.release)
            return {
                "events": [event.to_json() for event in events],
                "rho": decimal_string(float_up(cost)),
            }

        return self._write(Kind.CHARGE, payload).seq

    def commit(self, digests: Mapping[str, str]) -> Head:
        """Write that the release is complete; only what was charged stays spent.

        Args:
            digests: Name of each artefact -> its SHA-256.
        """
        return self._write(
            Kind.COMMIT,
            lambda record: self._in(
                record,
                ReleaseState.OPEN,
                {"digests": dict(digests), "rho": decimal_string(float_up(record.charged_rho))},
            ),
        )

    def void(self) -> Head:
        """Give the reservation back.

        Raises:
            InputError: The data was opened, so the budget is spent.
        """
        return self._write(Kind.VOID, lambda record: self._in(record, ReleaseState.RESERVED, {}))

    def _in(
        self, record: ReleaseRecord, state: ReleaseState, payload: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the payload if the reservation is in the state that the step needs."""
        if record.state is not state:
            raise InputError(
                f"The reservation is {record.state.value}; this step needs it {state.value}.",
                where=self.release,
            )
        return payload

    def _write(self, kind: Kind, payload: Callable[[ReleaseRecord], dict[str, Any]]) -> Head:
        """Append an entry of this reservation."""

        def decide(replay: Replay) -> Draft:
            body = payload(replay.record(self.lineage, self.seq))
            return self.lineage, kind, {"reservation": self.seq, "release": self.release, **body}

        return self._book.write(decide)


def check_affordable(charged: Fraction, reserved: float, where: str) -> None:
    """Raise BudgetError if a sum of charges exceeds what was reserved."""
    if charged > Fraction(reserved):
        raise BudgetError(
            "The charge exceeds what was reserved for this release.",
            where=where,
            fix="Nothing was drawn. Ask fewer questions or reserve a larger epsilon.",
        )


def _check_terms(replay: Replay, terms: LineageTerms) -> None:
    """Refuse terms that contradict the recorded ones, and names that could be mistaken."""
    recorded = replay.terms.get(terms.lineage)
    if recorded is None:
        twin = next((n for n in replay.terms if _alike(n) == _alike(terms.lineage)), None)
        if twin is not None:
            raise InputError(
                f"is spelt almost like the lineage {twin}.",
                where=f"lineage {terms.lineage}",
                fix=f"Write {twin} if these are the same people; else choose a name that nobody "
                "can mistake for it.",
            )
        return
    for label, old, new in (
        ("total epsilon", recorded.total.epsilon, terms.total.epsilon),
        ("total delta", recorded.total.delta, terms.total.delta),
        ("unit", recorded.unit, terms.unit),
        ("unit column", recorded.unit_column, terms.unit_column),
        ("relation", recorded.relation, terms.relation),
    ):
        if old != new:
            raise InputError(
                f"The {label} of this lineage is {old} for ever; {new} was asked for.",
                where=f"lineage {terms.lineage}",
                fix="Ask for what is registered. Another lineage is right only for other people.",
            )


def _alike(name: str) -> str:
    """Return what two spellings of one name share: its letters and digits, case aside."""
    return "".join(c for c in name.casefold() if c.isalnum())


def _status(replay: Replay, lineage: str) -> LineageStatus:
    """Return the status of a lineage, or say which ones exist."""
    if lineage not in replay.terms:
        raise InputError(
            "There is no such lineage in this ledger.",
            where=f"lineage {lineage}",
            fix=f"Registered: {', '.join(replay.terms) or 'none'}.",
        )
    return replay.status(lineage)


def _overdrawn(status: LineageStatus, asked: Budget) -> BudgetError:
    """Return the error that says what is left and what was asked."""
    total = status.terms.total
    left = max(status.remaining_rho, Fraction(0))
    epsilon = tight_epsilon(float_down(left), asked.delta) if left else 0.0
    shown = int(epsilon * 10_000) / 10_000
    rest = f"a release at epsilon {shown:g} at most" if shown > 0 else "no further release"
    return BudgetError(
        f"The budget is epsilon {total.epsilon:g} (delta {total.delta:g}) for all releases "
        f"together. What is left allows {rest} (delta {asked.delta:g}); epsilon "
        f"{asked.epsilon:g} was asked for.",
        where=f"lineage {status.terms.lineage}",
        fix="Ask for less, or give an earlier release to the new recipient.",
    )
