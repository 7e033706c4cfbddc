"""What was drawn against what was charged, and both against the budget, at the end of a run.

Every step of a run is checked when it happens. This check looks once more when everything is over,
from the events alone and with its own count of what was drawn, because that is where accountants
fail: some test the budget before a step and never after the last one, others charge once and draw
in a loop.

Never true here: an answer to a query. A run that does not settle has spent its budget and stops.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from dpsynth.errors import SelfTestError
from dpsynth.privacy.events import Event
from dpsynth.privacy.losses import total_loss


class Drawn:
    """What noise was drawn, counted where it is drawn and not where it is charged.

    Args:
        whole: Counts what is counted here, too.

    Attributes:
        times: Number of drawings.
        rho: What they cost together, in zCDP rho.
    """

    def __init__(self, whole: Drawn | None = None) -> None:
        self.times = 0
        self.rho = Fraction(0)
        self._whole = whole

    def add(self, cost: float, event: Event) -> None:
        """Count one drawing.

        Args:
            cost: What the noise that was drawn costs, in zCDP rho.
            event: What was charged for it.

        Raises:
            SelfTestError: It costs more than was charged for it.
        """
        self._count(Fraction(cost))
        if cost > event.rho:
            raise _defect("The noise that was drawn costs more than was charged.", event.stage)

    def _count(self, cost: Fraction) -> None:
        self.times += 1
        self.rho += cost
        if self._whole is not None:
            self._whole._count(cost)


def check_settled(events: Iterable[Event], drawn: Drawn, *, rho: float, delta: float) -> None:
    """Stop a run whose books do not close.

    Args:
        events: All that was charged.
        drawn: All that was drawn.
        rho: The budget in zCDP rho.
        delta: The budget of events with a delta of their own.

    Raises:
        SelfTestError: More was charged than the budget holds, or more was drawn than was charged.
    """
    charged = list(events)
    total = total_loss(charged)
    if total.rho > Fraction(rho) or total.delta > Fraction(delta):
        raise _defect("At its end the run had charged more than its budget.", "end of the run")
    if drawn.times > len(charged) or drawn.rho > total.rho:
        raise _defect("At its end the run had drawn more than it charged.", "end of the run")


def _defect(what: str, where: str) -> SelfTestError:
    return SelfTestError(
        what, where=where, fix="The release stops. Please report this as a defect."
    )
