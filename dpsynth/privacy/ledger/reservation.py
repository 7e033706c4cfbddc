"""The right to spend what one reservation set aside, and the steps that use it up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dpsynth.errors import DpsynthError, InputError
from dpsynth.privacy.events import Event
from dpsynth.privacy.foreign import UnboundedEvent
from dpsynth.privacy.ledger.amounts import as_amount, as_text
from dpsynth.privacy.ledger.audit import check_rest, check_unbounded, price
from dpsynth.privacy.ledger.book import Book, Draft
from dpsynth.privacy.ledger.chain import Head, Kind
from dpsynth.privacy.ledger.records import LineageStatus, ReleaseRecord, ReleaseState
from dpsynth.privacy.ledger.replay import Replay, check_affordable

Body = Callable[[ReleaseRecord, Replay], dict[str, Any]]


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
        return self._step(Kind.OPEN, ReleaseState.RESERVED, remember=True)

    def charge(self, events: Sequence[Event]) -> int:
        """Write what is about to be drawn, durably, before it is drawn.

        Returns:
            Number of the entry that pays.

        Raises:
            BudgetError: The reservation cannot pay. Nothing was written.
            InputError: The data is not open, there is no event, or an event has no price in this
                reservation.
        """
        if not events:
            raise InputError("There is nothing to charge.", where=self.release)

        def body(record: ReleaseRecord, replay: Replay) -> dict[str, Any]:
            terms = replay.terms[self.lineage]
            cost = price(events, record, terms)
            check_affordable(record.charged_rho + cost.rho, record.reserved_rho, self.release)
            check_affordable(
                record.charged_delta + cost.delta,
                record.discovery_delta,
                self.release,
                what="delta for discovery",
            )
            check_rest(events, record.charged_rho, cost, record, terms)
            return {
                "events": [event.to_json() for event in events],
                "rho": as_text(as_amount(cost.rho)),
                "delta": as_text(as_amount(cost.delta)),
            }

        return self._step(Kind.CHARGE, ReleaseState.OPEN, body).seq

    def record_unbounded(self, events: Sequence[UnboundedEvent]) -> int:
        """Write which programs without a guarantee are about to get rows, durably, before they do.

        Returns:
            Number of the entry.

        Raises:
            InputError: The data is not open, there is no event, or the release promises a
                guarantee.
        """

        def body(record: ReleaseRecord, replay: Replay) -> dict[str, Any]:
            del replay
            check_unbounded(events, record)
            return {"events": [event.to_json() for event in events]}

        return self._step(Kind.RUN, ReleaseState.OPEN, body).seq

    def commit(self, digests: Mapping[str, str]) -> Head:
        """Write that the release is complete; only what was charged stays spent.

        Args:
            digests: Name of each artefact -> its SHA-256.
        """

        def body(record: ReleaseRecord, replay: Replay) -> dict[str, Any]:
            del replay
            if not record.protected:
                return {"digests": dict(digests)}
            return {
                "digests": dict(digests),
                "rho": as_text(as_amount(record.charged_rho)),
                "delta": as_text(as_amount(record.charged_delta)),
            }

        return self._step(Kind.COMMIT, ReleaseState.OPEN, body, remember=True)

    def void(self) -> Head:
        """Give the reservation back.

        Raises:
            InputError: The data was opened, so the budget is spent.
        """
        return self._step(Kind.VOID, ReleaseState.RESERVED)

    def void_unopened(self) -> bool:
        """Give the reservation back if the data was never opened; say whether that was done.

        For the way out of a run that stopped: it raises nothing, and what cannot be given back
        stays spent.
        """
        try:
            self.void()
        except DpsynthError:
            return False
        return True

    def _step(
        self, kind: Kind, state: ReleaseState, body: Body | None = None, *, remember: bool = False
    ) -> Head:
        """Append an entry of this reservation, which must be in the state that it needs."""

        def decide(replay: Replay) -> Draft:
            record = replay.record(self.lineage, self.seq)
            if record.state is not state:
                raise InputError(
                    f"The reservation is {record.state.value}; this step needs it {state.value}.",
                    where=self.release,
                )
            more = body(record, replay) if body is not None else {}
            payload = {"reservation": self.seq, "release": self.release, **more}
            return self.lineage, kind, payload

        return self._book.write(decide, remember=remember)
