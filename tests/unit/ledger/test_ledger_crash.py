"""kill -9 and races: whatever happens after a reservation is spent, and never twice the total."""

from __future__ import annotations

import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.privacy.ledger import Kind, Ledger, ReleaseState

RHO = 0.0243

COMMON = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from children import watch_statements
from dpsynth.errors import BudgetError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.ledger import Ledger, LedgerKey, ReservationRequest
from dpsynth.privacy.unit import PrivacyUnit, Relation

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def asked(name, epsilon, rho):
    unit = PrivacyUnit(relation=Relation.ADD_REMOVE, name="patient", column="id", max_rows=2)
    budget = Budget(epsilon=epsilon, delta=1e-6)
    return ReservationRequest(release=name, budget=budget, rho=rho, unit=unit, plan=[])

def reserve(ledger, name):
    return ledger.reserve("people", asked(name, 1.0, 0.0243))
"""

# Steps 1 to 4 write reserve, open, charge and commit. A process dies after a step has returned,
# or inside the transaction of the step: before its INSERT, or between INSERT and COMMIT.
KILL = (
    COMMON
    + """
step, moment = int(sys.argv[3]), sys.argv[4]
ledger = Ledger.open(Path(sys.argv[1]), key=LedgerKey.load(Path(sys.argv[2])))
armed = [0]

def watch(statement):
    if armed[0] == step and statement.startswith(moment):
        die()

watch_statements(watch)

def begin(number):
    if armed[0] == step:
        die()
    armed[0] = number

begin(1)
reservation = reserve(ledger, "killed")
begin(2)
reservation.open_data()
begin(3)
reservation.charge([GaussianEvent(stage="s", attributes=("a",), cells=1, sigma=20.0,
                                  sensitivity=2, rho=0.0051)])
begin(4)
reservation.commit({})
begin(5)
"""
)

LOOP = (
    COMMON
    + """
ledger = Ledger.open(Path(sys.argv[1]), key=LedgerKey.load(Path(sys.argv[2])))
for k in range(10**6):
    reservation = ledger.reserve("people", asked(f"r{k}", 0.01, 1e-7))
    print(reservation.open_data().digest, flush=True)
    print(reservation.commit({}).digest, flush=True)
"""
)


@pytest.mark.parametrize("moment", ["AFTER", "INSERT", "COMMIT"])
@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_kill_9(ledger: Ledger, path: Path, key_file: Path, step: int, moment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILL, str(path), str(key_file), str(step), moment], check=False
    )
    assert done.returncode == -signal.SIGKILL
    kinds = [Kind.RESERVE, Kind.OPEN, Kind.CHARGE, Kind.COMMIT]
    written = step if moment == "AFTER" else step - 1
    with Ledger.open(path) as again:
        assert again.verify([ledger.head()]).entries == 2 + written
        assert [e.kind for e in again.entries()[2:]] == kinds[:written]
        status = again.status("people")
        if written == 0:
            assert status.spent_rho == 0, "nothing was reserved, so nothing could be opened"
        elif written == 4:
            assert status.spent_rho == Fraction(0.0051)
            assert status.records[0].state is ReleaseState.COMMITTED
        else:
            assert status.spent_rho == Fraction(RHO), "no commit is spent"
            assert len(status.open_reservations) == 1


def test_kill_9_at_any_moment_of_many_writes(ledger: Ledger, path: Path, key_file: Path) -> None:
    for lines in (1, 4, 9, 15):
        child = subprocess.Popen(
            [sys.executable, "-c", LOOP, str(path), str(key_file)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        for _ in range(lines):
            child.stdout.readline()
        child.kill()
        told = child.stdout.read().decode().split()
        child.stdout.close()
        child.wait(timeout=60)
        with Ledger.open(path) as again:
            assert again.verify([ledger.head()]).entries > 2 * lines
            written = {entry.digest for entry in again.entries()}
        assert {line for line in told if len(line) == 64} <= written, "what was told is on disk"
