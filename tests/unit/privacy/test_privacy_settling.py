"""The books at the end of a run: what was drawn, what was charged, what the budget holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dpsynth.errors import SelfTestError
from dpsynth.privacy.books import Account
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import Event, GaussianEvent
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.measurement import MarginalQuery
from dpsynth.privacy.mechanisms import gaussian_rho
from dpsynth.privacy.settling import Drawn, check_settled
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable

DOMAIN = Domain.from_sizes({"a": 2, "b": 3})
CODES = np.array([[0, 1, 1], [2, 0, 1]], np.int32)


class StopsLate(Account):
    """Tests the budget before a step and never after it; its reservation pays anything."""

    def charge(self, events: Sequence[Event]) -> int:
        assert self.remaining > 0
        self._events += [(0, event) for event in events]
        return 0


class ChargesOnce(Account):
    """Draws in a loop and charges for the first time round."""

    def charge(self, events: Sequence[Event]) -> int:
        return super().charge(events) if not self._events else 0


def run(made: type[Account], steps: int, price: float, rho: float = 0.5) -> None:
    """Measure one column so many times, each at a share of the budget."""
    table = CodedTable.build(DOMAIN, CODES)
    account = made(MemoryReservation(rho), rho=rho)
    with Curator(table, reservation=account, max_rows_per_unit=1, rho=rho) as curator:
        for step in range(steps):
            query = MarginalQuery(attributes=("a",), rho=price * rho)
            curator.measure([query], stage=f"step {step}")


@pytest.mark.parametrize("steps", range(2, 12))
def test_an_accountant_that_stops_late_is_always_stopped(steps: int) -> None:
    with pytest.raises(SelfTestError, match="charged more than its budget"):
        run(StopsLate, steps, 1.0 / (steps - 0.5))


@pytest.mark.parametrize("steps", range(2, 12))
def test_a_loop_that_is_charged_once_is_always_stopped(steps: int) -> None:
    with pytest.raises(SelfTestError, match="drawn more than it charged"):
        run(ChargesOnce, steps, 1.0 / (steps + 1))


@pytest.mark.parametrize("steps", range(1, 12))
def test_an_honest_run_settles(steps: int) -> None:
    run(Account, steps, 1.0 / (steps + 1))


def test_what_a_part_draws_and_charges_counts_for_the_whole() -> None:
    table = CodedTable.build(DOMAIN, CODES)
    query = MarginalQuery(attributes=("a",), rho=0.1)
    with Curator(
        table, reservation=MemoryReservation(0.5), max_rows_per_unit=1, rho=0.5
    ) as curator:
        curator.part(0.2, "first").part(0.15, "inner").measure([query], stage="x")
        curator.measure([query], stage="y")
        assert curator._account.drawn.times == len(curator.events) == 2
        curator._account.drawn.add(0.0, curator.events[0][1])  # a drawing that nobody charged
        with pytest.raises(SelfTestError, match="drawn more than it charged"):
            curator.settle()
        curator._account.drawn.times -= 1


def test_a_run_that_failed_keeps_its_own_error() -> None:
    table = CodedTable.build(DOMAIN, CODES)
    account = StopsLate(MemoryReservation(0.5), rho=0.5)
    with (
        pytest.raises(KeyError, match="own"),
        Curator(table, reservation=account, max_rows_per_unit=1, rho=0.5) as late,
    ):
        late.measure([MarginalQuery(attributes=("a",), rho=0.6)], stage="x")
        raise KeyError("own")


def test_a_drawing_dearer_than_its_charge_is_refused_at_once() -> None:
    event = GaussianEvent(
        stage="x", attributes=("a",), cells=2, sigma=2.0, sensitivity=1, rho=gaussian_rho(2.0, 1)
    )
    drawn = Drawn()
    drawn.add(event.rho, event)
    check_settled([event], drawn, rho=event.rho, delta=0.0)
    with pytest.raises(SelfTestError, match="costs more than was charged"):
        drawn.add(event.rho * 1.01, event)
