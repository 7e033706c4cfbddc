"""The books of one Curator: its budget, what was charged and drawn, and that they close.

A charge is written to what pays before it is answered, and counts here from then on. A part of a
budget has books of its own whose charges are charges of the whole. Never true here: a row, a count,
or a charge that depends on one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from dpsynth.errors import BudgetError
from dpsynth.privacy.events import ChargesEvents, Event
from dpsynth.privacy.losses import Loss, total_loss
from dpsynth.privacy.numbers import float_down
from dpsynth.privacy.requests import check_budget
from dpsynth.privacy.settling import Drawn, check_settled


class Account:
    """A budget, and what is taken from it.

    Args:
        reservation: What pays.
        rho: Budget in zCDP rho, or at the Renyi order of a lineage.
        delta: Budget for mechanisms with a delta of their own.

    Attributes:
        rho: See above.
        drawn: What was drawn, counted where it is drawn.
        prefix: Stands before the stages in the ledger.

    Raises:
        InputError: rho or delta is out of range.
    """

    def __init__(self, reservation: ChargesEvents, *, rho: float, delta: float = 0.0) -> None:
        check_budget(rho, delta)
        self.rho = rho
        self.drawn = Drawn()
        self.prefix = ""
        self._delta = delta
        self._reservation = reservation
        self._spent = Loss()
        self._events: list[tuple[int, Event]] = []

    @classmethod
    def of(cls, reservation: ChargesEvents, *, rho: float, delta: float) -> Account:
        """Return new books that a reservation pays, or books that are open already."""
        if isinstance(reservation, Account):
            return reservation
        return cls(reservation, rho=rho, delta=delta)

    @property
    def remaining(self) -> float:
        """What is left of rho, rounded down."""
        return float_down(Fraction(self.rho) - self._spent.rho)

    @property
    def events(self) -> tuple[tuple[int, Event], ...]:
        """What was charged so far: (number of the ledger entry, event). Public."""
        return tuple(self._events)

    def part(self, rho: float, label: str) -> Account:
        """Return books for a part of this budget."""
        part = Account(_Whole(self), rho=rho)
        part.prefix = f"{self.prefix}{label}: "
        part.drawn = Drawn(self.drawn)
        return part

    def charge(self, events: Sequence[Event]) -> int:
        """Charge events here and to what pays; returns the number of the entry.

        Raises:
            BudgetError: The budget cannot pay. Nothing was charged.
        """
        spent = self._spent + total_loss(events)
        if spent.rho > Fraction(self.rho) or spent.delta > Fraction(self._delta):
            raise BudgetError(
                "The queries cost more than is left of the budget.",
                where=events[0].stage,
                fix="Nothing was charged. Ask fewer questions or at a lower price.",
            )
        self._spent = spent
        seq = self._reservation.charge(events)
        self._events += [(seq, event) for event in events]
        return seq

    def settle(self) -> None:
        """Raise SelfTestError if more was drawn than charged, or charged than the budget holds."""
        check_settled((e for _, e in self._events), self.drawn, rho=self.rho, delta=self._delta)


@dataclass(frozen=True)
class _Whole:
    """Pays for a part of an account."""

    account: Account

    def charge(self, events: Sequence[Event]) -> int:
        """Charge events to the whole and return the number of the entry."""
        return self.account.charge(events)
