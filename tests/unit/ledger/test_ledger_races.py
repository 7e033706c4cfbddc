"""A thousand kills and thirty-two racers, on SQLite and on PostgreSQL.

Kills are at random moments (a signal after a random time) and at random points of the program (at a
random statement, before or after it). DPSYNTH_KILLS sets another number than 1,000.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from children import fork, watch_statements

from dpsynth.errors import BudgetError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.ledger import (
    Kind,
    Ledger,
    LedgerKey,
    LineageTerms,
    ReleaseState,
    Reservation,
    ReservationRequest,
)
from dpsynth.privacy.losses import total_loss

KILLS = int(os.environ.get("DPSYNTH_KILLS", "1000"))
RACERS = 32
RHO = 1e-6
EVENT = GaussianEvent(
    stage="s", attributes=("a",), cells=1, sigma=4000.0, sensitivity=2, rho=2.5e-7
)
Tell = Callable[[str], None]


def reserve(ledger: Ledger, name: str, unit, rho: float = RHO) -> Reservation:
    asked = ReservationRequest(release=name, budget=Budget(epsilon=1.0, delta=1e-6), rho=rho,
                               unit=unit, plan=[], recipient=name[-1])  # fmt: skip
    return ledger.reserve("people", asked)


def spend(place: Path | str, key: LedgerKey, unit, seed: int, tell: Tell) -> None:
    """Make releases for ever; tell each step once it is on the disk. May kill itself."""
    rng = random.Random(seed)
    last, after = (rng.randint(1, 60), rng.random() < 0.5) if seed % 2 else (0, False)
    seen = 0

    def count(statement: str) -> None:
        del statement
        nonlocal seen
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)

    watch_statements(count, after=after)
    with Ledger.open(place, key=key) as ledger:
        for number in range(10**6):
            reservation = reserve(ledger, f"{seed}-{number}", unit)
            tell(f"reserve {reservation.seq} {ledger_digest(ledger)}")
            if rng.random() < 0.2:
                tell(f"void {reservation.seq} {reservation.void().digest}")
                continue
            tell(f"open {reservation.seq} {reservation.open_data().digest}")
            for _ in range(rng.randint(0, 2)):
                reservation.charge([EVENT])
                tell(f"charge {reservation.seq} {ledger_digest(ledger)}")
            tell(f"commit {reservation.seq} {reservation.commit({}).digest}")


def ledger_digest(ledger: Ledger) -> str:
    return ledger.head().digest


def check(place: Path | str, key: LedgerKey, told: set[str], full: bool) -> None:
    """Open the ledger and compare what is spent with what the entries and the children say."""
    with Ledger.open(place, key=key) as ledger:
        if full:
            ledger.verify()
        entries, status = ledger.entries(), ledger.status("people")
    kinds = {entry.digest: entry.kind.value for entry in entries}
    for line in told:
        step, _, digest = line.split()
        assert kinds.get(digest) == step, f"{line} was acknowledged and is lost"
    reserved: dict[int, Fraction] = {}
    charged: dict[int, Fraction] = {}
    ended: dict[int, Kind] = {}
    for entry in entries[2:]:
        seq = int(entry.payload.get("reservation", entry.seq))
        if entry.kind is Kind.RESERVE:
            reserved[seq], charged[seq] = Fraction(RHO), Fraction(0)
        elif entry.kind is Kind.CHARGE:
            charged[seq] += Fraction(EVENT.rho)
        elif entry.kind in {Kind.COMMIT, Kind.VOID}:
            ended[seq] = entry.kind
    expected = Fraction(0)
    for seq, amount in reserved.items():
        if seq not in ended:
            expected += amount
        elif ended[seq] is Kind.COMMIT:
            expected += charged[seq]
        else:
            assert charged[seq] == 0
    assert status.spent_rho == expected, "neither less nor more than was charged or reserved"


def kill_often(
    place_of: Callable[[int], Path | str], times: int, key: LedgerKey, terms: LineageTerms, unit
) -> None:
    """Kill children that spend from one ledger after another, fifty from each."""
    rng = random.Random(20)
    told: set[str] = set()
    alone = 0
    for k in range(times):
        place = place_of(k // 50)
        if k % 50 == 0:
            told = set()
            with Ledger.open(place, key=key) as ledger:
                ledger.register(terms)
        child = fork(lambda tell, place=place, k=k: spend(place, key, unit, k, tell))
        if k % 2 == 0:  # killed from outside: at first while it opens, later while it writes
            if rng.random() < 0.9:
                child.heard(10)
            time.sleep(rng.random() * 0.03)
            child.kill()
        code, lines = child.wait()
        assert code == -signal.SIGKILL
        told.update(lines)
        alone += not lines
        check(place, key, told, full=k % 10 == 9)
    assert alone < times / 2, "most children came far enough to be worth a kill"


@pytest.mark.slow
def test_a_thousand_kills(tmp_path: Path, key: LedgerKey, terms: LineageTerms, unit) -> None:
    kill_often(lambda n: tmp_path / f"{n}.sqlite", KILLS, key, terms, unit)


@pytest.mark.slow
def test_kills_on_postgresql(database: str, key: LedgerKey, terms: LineageTerms, unit) -> None:
    kill_often(lambda n: database, 50, key, terms, unit)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_thirty_two_processes_race_for_the_last_of_a_budget(
    where: str, request: pytest.FixtureRequest, path: Path, key: LedgerKey, terms, unit
) -> None:
    """0.08 holds seven times 0.011; each racer that gets in spends only part of what it got."""
    place = path if where == "sqlite" else request.getfixturevalue("database")
    with Ledger.open(place, key=key) as ledger:
        ledger.register(terms)
    gate, opener = os.pipe()

    def race(tell: Tell, name: str) -> int:
        os.close(opener)
        with Ledger.open(place, key=key) as ledger:
            tell("ready")
            os.read(gate, 1)  # ends when the parent closes the gate
            try:
                reservation = reserve(ledger, name, unit, rho=0.011)
            except BudgetError:
                return 4
            reservation.open_data()
            for _ in range(3):
                tell(f"charge {reservation.charge([EVENT])}")
        return 0

    racers = [fork(lambda tell, k=k: race(tell, f"racer {k}")) for k in range(RACERS)]
    for racer in racers:
        assert racer.heard(60), "every racer stands at the start"
    os.close(opener)
    ends = [racer.wait() for racer in racers]
    os.close(gate)
    codes = sorted(code for code, _ in ends)
    assert codes == [0] * 7 + [4] * (RACERS - 7)
    with Ledger.open(place, key=key) as ledger:
        assert ledger.verify().entries == 2 + 7 * 5
        status = ledger.status("people")
        charges = {e.seq for e in ledger.entries() if e.kind is Kind.CHARGE}
        told = [int(line.split()[1]) for _, lines in ends for line in lines if "charge" in line]
        assert sorted(told) == sorted(charges), "never a charge lost"
        assert len(told) == 21
        for record in status.records:
            assert record.state is ReleaseState.OPEN
            assert record.charged_rho == total_loss([EVENT] * 3).rho
        assert status.spent_rho == 7 * Fraction(0.011) <= Fraction(terms.total_rho)
