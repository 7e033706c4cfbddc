"""The Curator of a lineage that has no guarantee: it answers no query and hands rows over.

A program without a differential-privacy guarantee has no price. What it does is written to the
ledger before it gets a row, in a lineage that holds no protected release.

Never true here: a budget, or an answer to a query that has a price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from dpsynth.errors import InputError
from dpsynth.privacy.books import Account
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import Event, Unbounded
from dpsynth.privacy.foreign import ThirdPartyEvent, UnboundedEvent
from dpsynth.privacy.handover import Core, run_core

if TYPE_CHECKING:
    from dpsynth.sources.table import MarginalSource

T = TypeVar("T")

_NOMINAL = 1.0  # a Curator needs a budget to be made; nothing can ever be charged to this one


class RecordsEvents(Protocol):
    """What writes down that a program without a guarantee runs: a ledger's Reservation."""

    def record_unbounded(self, events: Sequence[UnboundedEvent]) -> int:
        """Write events durably and return the number of the entry."""
        ...


class _NoBudget(Account):
    """Books in which nothing can be charged."""

    def __init__(self) -> None:
        super().__init__(self, rho=_NOMINAL)
        self.rho = 0.0

    def charge(self, events: Sequence[Event]) -> int:
        """Refuse whatever has a price."""
        raise InputError(
            "A release without a guarantee has no budget to ask queries from.",
            where=events[0].stage,
        )


class UnprotectedCurator(Curator):
    """Hands the rows of a table to programs without any guarantee; a context manager.

    Args:
        table: Coded rows, at most `max_rows_per_unit` of each unit.
        reservation: Where each program is written down before it gets a row.
        max_rows_per_unit: Rows of one unit at most.

    Raises:
        InputError: max_rows_per_unit is out of range, or the table is not bounded to it.
    """

    def __init__(
        self, table: MarginalSource, *, reservation: RecordsEvents, max_rows_per_unit: int
    ) -> None:
        super().__init__(
            table, reservation=_NoBudget(), max_rows_per_unit=max_rows_per_unit, rho=_NOMINAL
        )
        self._records = reservation
        self._unbounded: list[tuple[int, UnboundedEvent]] = []

    @property
    def unbounded(self) -> Unbounded:
        """What ran without a guarantee: (number of the ledger entry, event). Public."""
        return tuple(self._unbounded)

    def hand_over(self, core: Core[T], event: ThirdPartyEvent | UnboundedEvent) -> T:
        """Write down that a program runs, run it on the rows and return what it returns.

        Raises:
            InputError: The event claims a guarantee, or the Curator is closed.
            ThirdPartyError: The program failed.
        """
        table = self._open_table()
        if isinstance(event, ThirdPartyEvent):
            raise InputError(
                "A program that claims a price cannot run where nothing is guaranteed.",
                where=event.stage,
            )
        event = replace(event, stage=self._account.prefix + event.stage)
        seq = self._records.record_unbounded([event])
        self._unbounded.append((seq, event))
        return run_core(core, table, self._rows)
