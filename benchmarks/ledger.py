"""``python -m benchmarks ledger``: what a ledger of 10,000 entries costs to read, check and write.

The ledger holds about 2,000 releases to four recipients: reserve, open, two or three charges of 20
events, commit. It is made through the public interface in memory-backed files where there are any,
then imported to the disk, where everything is measured. Times are medians of runs; CPU seconds are
those of this process, or of the child where a fresh process is measured. Writing waits for the
disk: a bare transaction of the same durability is measured beside it, and a pair of writes costs
two of them.
"""

from __future__ import annotations

import gc
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.ledger import (
    Anchors,
    Ledger,
    LedgerKey,
    LineageTerms,
    Reservation,
    ReservationRequest,
    import_lines,
)
from dpsynth.privacy.unit import PrivacyUnit, Relation

EVENTS = 20
RUNS = 5
WRITES = 200
RHO = 1e-5
UNIT = PrivacyUnit(relation=Relation.ADD_REMOVE, name="patient", column="id", max_rows=2)
_MEMORY = Path("/dev/shm")

_STATUS = """
import sys
from pathlib import Path
from dpsynth.privacy.ledger import Ledger
with Ledger.open(Path(sys.argv[1])) as ledger:
    for name in ledger.lineages():
        status = ledger.status(name)
        status.spent_rho, status.remaining_rho, status.open_reservations
"""
_RESERVE = """
import sys
from pathlib import Path
from benchmarks.ledger import reserve
from dpsynth.privacy.ledger import Ledger, LedgerKey
with Ledger.open(Path(sys.argv[1]), key=LedgerKey.load(Path(sys.argv[2]))) as ledger:
    reservation = reserve(ledger, 0)
    reservation.open_data()
    reservation.commit({})
"""


def run(*, entries: int) -> int:
    """Print one row a task; returns 0."""
    fast = str(_MEMORY) if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory() as disk, tempfile.TemporaryDirectory(dir=fast) as memory:
        key_file, path = Path(disk) / "ledger.pem", Path(disk) / "ledger.sqlite"
        key = LedgerKey.create(key_file)
        with Ledger.open(Path(memory) / "ledger.sqlite", key=key) as made:
            _fill(made, entries)
            lines = list(made.export_lines())
        import_lines(lines, path, key, reason="benchmark")
        del made
        gc.collect()
        gc.freeze()  # what made the ledger is no part of what reading it costs
        print(f"{len(lines) - 1} entries, {path.stat().st_size / 2**20:.1f} MiB\n")
        print("| task | wall s (median) | CPU s | runs |")
        print("| --- | --- | --- | --- |")
        _row("status: open, chain, every lineage", lambda: _status(path))
        _row("verify: every signature and price", lambda: _verify(path))
        _row("import of the whole export", lambda: _import(lines, key), runs=1)
        for label, anchors in (("", None), (", anchors kept", Anchors(Path(disk) / "anchors"))):
            _write(path, key, anchors, label)
        _print("a bare SQLite transaction, for comparison", *_bare(Path(disk) / "bare.sqlite"))
        _fresh("status in a fresh process", [_STATUS, str(path)])
        _fresh("reserve + open + commit in a fresh process", [_RESERVE, str(path), str(key_file)])
        _fresh("the imports alone in a fresh process", ["import dpsynth.privacy.ledger"])
    return 0


def reserve(ledger: Ledger, number: int) -> Reservation:
    """Reserve one release."""
    asked = ReservationRequest(
        release=f"release-{number}",
        budget=Budget(epsilon=0.1, delta=1e-6),
        rho=RHO,
        unit=UNIT,
        plan=[{"stage": "one-way", "rho": "0.000005"}, {"stage": "pairs", "rho": "0.000005"}],
        recipient=f"Hospital {number % 4}",
        jurisdiction=("CH", "EU")[number % 2],
        policy={"name": "default", "sha256": "0" * 64},
    )
    return ledger.reserve("people", asked)


def _fill(ledger: Ledger, entries: int) -> None:
    """Write whole releases until the ledger has that many entries."""
    ledger.register(LineageTerms.of("people", unit=UNIT, total=Budget(epsilon=10.0, delta=1e-6)))
    number = 0
    while ledger.head().seq < entries:
        reservation = reserve(ledger, number)
        reservation.open_data()
        charges = 2 + number % 2
        for stage in range(charges):
            # Each charge has a price of its own, as the stages of a release do.
            rho = RHO / charges / EVENTS * (1 - (stage + 1) * 1e-6 - number * 1e-9)
            reservation.charge([_event(rho, column, stage) for column in range(EVENTS)])
        reservation.commit({"public": "0" * 64, "internal": "1" * 64})
        number += 1


def _event(rho: float, column: int, stage: int) -> GaussianEvent:
    sigma = UNIT.max_rows * (0.5 / rho) ** 0.5 * (1 + 1e-9)
    return GaussianEvent(
        stage=f"stage {stage}",
        attributes=(f"column_{column}", f"column_{column + 1}"),
        cells=100,
        sigma=sigma,
        sensitivity=UNIT.max_rows,
        rho=rho,
    )


def _status(path: Path) -> None:
    with Ledger.open(path) as ledger:
        for name in ledger.lineages():
            status = ledger.status(name)
            assert status.remaining_rho > 0 and not status.open_reservations


def _verify(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.verify()


def _import(lines: list[str], key: LedgerKey) -> None:
    with tempfile.TemporaryDirectory() as folder:
        import_lines(lines, Path(folder) / "ledger.sqlite", key, reason="benchmark")


def _write(path: Path, key: LedgerKey, anchors: Anchors | None, label: str) -> None:
    """Measure reserve + commit, and the open between them apart."""
    pairs, opens = [], []
    with Ledger.open(path, key=key, anchors=anchors) as ledger:
        before = _cpu()
        for number in range(WRITES):
            start = time.perf_counter()
            reservation = reserve(ledger, number)
            reserved = time.perf_counter()
            reservation.open_data()
            opened = time.perf_counter()
            reservation.commit({"public": "0" * 64})
            pairs.append(reserved - start + time.perf_counter() - opened)
            opens.append(opened - reserved)
        used = (_cpu() - before) / WRITES
    _print(f"reserve + commit{label}", pairs, used)
    _print(f"open the data, between them{label}", opens, used)


def _bare(path: Path) -> tuple[list[float], float]:
    """Measure what the disk alone costs: one row of the same size, as durably."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA synchronous = EXTRA", "CREATE TABLE t (x)"):
        connection.execute(statement)
    times, before = [], _cpu()
    for _ in range(WRITES):
        start = time.perf_counter()
        connection.execute("INSERT INTO t VALUES (?)", ("x" * 1000,))
        times.append(time.perf_counter() - start)
    connection.close()
    return times, (_cpu() - before) / WRITES


def _row(label: str, task: Callable[[], None], runs: int = RUNS) -> None:
    times, before = [], _cpu()
    for _ in range(runs):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    _print(label, times, (_cpu() - before) / runs)


def _fresh(label: str, arguments: list[str]) -> None:
    times, before = [], _cpu(resource.RUSAGE_CHILDREN)
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", *arguments], check=True)
        times.append(time.perf_counter() - start)
    _print(label, times, (_cpu(resource.RUSAGE_CHILDREN) - before) / RUNS)


def _cpu(who: int = resource.RUSAGE_SELF) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _print(label: str, times: list[float], cpu: float) -> None:
    print(f"| {label} | {statistics.median(times):.4f} | {cpu:.4f} | {len(times)} |", flush=True)
