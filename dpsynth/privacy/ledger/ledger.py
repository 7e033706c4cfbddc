"""The budget ledger: append-only, hash-chained, signed, on disk before anything is opened or drawn.

States of a release: reserve, open, charge..., commit; or reserve, void. No commit means spent. A
budget belongs to a lineage, the people, over every release, file and recipient; its total, unit
and relation are written once and can never change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from dpsynth.errors import BudgetError, InputError
from dpsynth.privacy.ledger.anchors import Anchors
from dpsynth.privacy.ledger.audit import check_claim
from dpsynth.privacy.ledger.book import Book, Draft
from dpsynth.privacy.ledger.chain import Entry, Head, Kind
from dpsynth.privacy.ledger.keys import LedgerKey
from dpsynth.privacy.ledger.place import Place
from dpsynth.privacy.ledger.records import (
    LedgerCheck,
    LineageStatus,
    ReleaseRecord,
    Standing,
)
from dpsynth.privacy.ledger.replay import Replay
from dpsynth.privacy.ledger.request import ReservationRequest
from dpsynth.privacy.ledger.reservation import Reservation
from dpsynth.privacy.ledger.terms import LineageTerms, alike
from dpsynth.privacy.ledger.transfer import lines_of
from dpsynth.privacy.unit import PrivacyUnit

if TYPE_CHECKING:
    from dpsynth.privacy.ledger.people import People


class Ledger:
    """A ledger. Use :meth:`open`; it is a context manager."""

    def __init__(self, book: Book) -> None:
        self._book = book

    @classmethod
    def open(
        cls,
        place: Place | Path | str,
        *,
        key: LedgerKey | None = None,
        anchors: Anchors | None = None,
    ) -> Ledger:
        """Open a ledger: its chain and the signature of its last entry are checked.

        Args:
            place: Path, ``sqlite:///PATH`` or ``postgresql://...``.
            key: The ledger's key. With it the ledger can be written, and is made where none is;
                without it the ledger is read-only and nothing is created.
            anchors: What this machine remembers of ledgers; the ledger is compared with it.

        Raises:
            LedgerDamagedError: This is no ledger, an entry is edited, missing or moved, a foreign
                key signed it, or it is not the one that was met before, or older.
            InputError: There is no ledger, it cannot be used, or it is a copy and `key` is given.
        """
        return cls(Book(Place.of(place), key, anchors))

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
        """Release the ledger."""
        self._book.close()

    @property
    def place(self) -> Place:
        """Where the ledger is."""
        return self._book.place

    @property
    def ledger_id(self) -> str:
        """128 random bits that name the ledger, in hexadecimal digits."""
        return self._book.read().ledger_id

    @property
    def public_key(self) -> str:
        """The public key in force, in hexadecimal digits."""
        return self._book.read().public_key

    @property
    def moved(self) -> bool:
        """Whether the ledger was closed here, to go on elsewhere."""
        return self._book.read().moved

    def at_home(self) -> bool:
        """Say whether this is the ledger itself rather than a copy of it."""
        return self._book.at_home()

    def register(self, terms: LineageTerms) -> None:
        """Write the terms of a lineage, once. Equal terms may be registered again.

        What was worked out first (rho, order, delta for discovery) and the caps for recipients and
        jurisdictions that were recorded first stay in force; stricter caps come with each
        reservation.

        Raises:
            InputError: The lineage exists with other terms, or a rho exceeds its epsilon.
        """
        terms.check()

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
        """Return the last entry."""
        return self._book.read().head

    def entries(self, lineage: str | None = None) -> tuple[Entry, ...]:
        """Return all entries, or those of one lineage, oldest first."""
        found = self._book.read().entries
        return tuple(e for e in found if lineage is None or e.lineage == lineage)

    def standing(self, lineage: str) -> Standing:
        """Return a lineage, the last entry and the lineage's entries, all as of one moment.

        Raises:
            InputError: There is no such lineage.
        """
        replay = self._book.read()
        return Standing(
            ledger_id=replay.ledger_id,
            public_key=replay.public_key,
            head=replay.head,
            status=_status(replay, lineage),
            entries=tuple(e for e in replay.entries if e.lineage == lineage),
        )

    def verify(self, anchors: Sequence[Head] = ()) -> LedgerCheck:
        """Re-read and check everything: chain, every signature, every price, table and triggers.

        Args:
            anchors: Heads that documents name; each must be an entry of this chain.

        Raises:
            LedgerDamagedError: Something was edited, removed, moved, rolled back or forked.
        """
        replay = self._book.verify(anchors)
        return LedgerCheck(
            ledger_id=replay.ledger_id,
            public_key=replay.public_key,
            entries=len(replay.entries),
            head=replay.head,
            anchors=len(anchors),
            lineages=tuple(replay.terms),
        )

    def people(self) -> People | None:
        """Return the fingerprints of units that this ledger keeps on this machine.

        None where the ledger is open for reading only, or nothing is remembered of ledgers. A new
        key starts anew: fingerprints made with the old one cannot be compared.
        """
        from dpsynth.privacy.ledger.people import People

        key, anchors = self._book.key, self._book.anchors
        if key is None or anchors is None:
            return None
        name = f"{self.ledger_id}-{key.public[:16]}"
        return People(folder=anchors.folder / "people" / name, key=key.derive(b"units"))

    def export_lines(self) -> Iterator[str]:
        """Yield the ledger as JSON lines without line ends; see :mod:`.transfer`."""
        return lines_of(self._book.read())

    def move(self) -> Head:
        """Close the ledger here for ever, to be continued where its lines are imported."""
        return self._book.write(lambda replay: ("", Kind.MOVE, {}), remember=True)

    def rotate(self, key: LedgerKey) -> Head:
        """Put a new key in force; the old one signs that it does.

        Raises:
            InputError: The ledger had this key before.
        """

        def decide(replay: Replay) -> Draft:
            if key.public in replay.keys:
                raise InputError("The ledger has or had this key.", where="ledger")
            return "", Kind.ROTATE, {"public_key": key.public}

        head = self._book.write(decide, remember=True)
        self._book.key = key
        return head

    def void(self, lineage: str, seq: int) -> Head:
        """Give a reservation back that a killed run left behind before it opened the data.

        Args:
            lineage: The people whose budget it is.
            seq: Number of the reserve entry.

        Raises:
            InputError: There is no such reservation, or the data was opened.
        """
        status = self.status(lineage)
        record = next((r for r in status.records if r.seq == seq), None)
        if record is None:
            raise InputError(
                f"Entry {seq} is no reservation of this lineage.", where=f"lineage {lineage}"
            )
        return Reservation(self._book, lineage, record.release, seq, status).void()

    def reserve(self, lineage: str, request: ReservationRequest) -> Reservation:
        """Set part of a registered lineage's budget aside for one release, durably.

        Raises:
            BudgetError: The lineage cannot pay, a cap is reached, or protected and unprotected
                releases would meet in it. Nothing was written.
            InputError: The lineage is unknown, the unit differs, or a rho exceeds its budget.
        """
        asked = ReleaseRecord.asked(request)
        found: list[LineageStatus] = []

        def decide(replay: Replay) -> Draft:
            found.append(_admitted(replay, lineage, asked, request.unit))
            return lineage, Kind.RESERVE, asked.to_json(request.plan)

        entry = self._book.write(decide)
        return Reservation(self._book, lineage, request.release, entry.seq, found[-1])

    def refusal(self, lineage: str, request: ReservationRequest) -> str | None:
        """Say why :meth:`reserve` would refuse; None if it would not. Nothing is written.

        Raises:
            InputError: The lineage is unknown, the unit differs, or a rho exceeds its budget.
        """
        try:
            _admitted(self._book.read(), lineage, ReleaseRecord.asked(request), request.unit)
        except BudgetError as error:
            return str(error)
        return None


def _admitted(
    replay: Replay, lineage: str, asked: ReleaseRecord, unit: PrivacyUnit
) -> LineageStatus:
    """Return the lineage as it stands if it can pay a reservation.

    Raises:
        BudgetError: It cannot, or a cap is reached.
        InputError: The lineage is unknown, the unit differs, or a rho exceeds its budget.
    """
    status = _status(replay, lineage)
    terms = status.terms
    if (unit.relation, unit.column) != (terms.relation, terms.unit_column):
        raise InputError(
            "The privacy unit differs from the one that the lineage is registered with "
            f"({terms.unit}).",
            where=f"lineage {lineage}",
            fix="Use the registered unit: a budget cannot be added up over two units.",
        )
    check_claim(asked, terms)
    replay.admit_new(lineage, asked)
    return status


def _check_terms(replay: Replay, terms: LineageTerms) -> None:
    """Refuse terms that contradict the recorded ones, and names that could be mistaken."""
    recorded = replay.terms.get(terms.lineage)
    if recorded is None:
        twin = next((n for n in replay.terms if alike(n) == alike(terms.lineage)), None)
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


def _status(replay: Replay, lineage: str) -> LineageStatus:
    """Return the status of a lineage, or say which ones exist."""
    if lineage not in replay.terms:
        raise InputError(
            "There is no such lineage in this ledger.",
            where=f"lineage {lineage}",
            fix=f"Registered: {', '.join(replay.terms) or 'none'}.",
        )
    return replay.status(lineage)
