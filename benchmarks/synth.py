"""``python -m benchmarks synth``: quality and cost of the synthesizers on Adult.

Each method runs in a process of its own, pinned to one thread, so that its first fit is cold (numba
loads or compiles its kernels), the others warm, and the peak memory is its own. Noise is real: it
has no seed, so two runs of this command differ by a few units of the last digit shown.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks import adult
from dpsynth.privacy.accountant import rho_for
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.synth import registry

# Quoted, not measured here: design notes of this project, one run of each program on a machine of
# two virtual cores in 2026; Adult, epsilon 1, delta 1e-9, same split and scores.
QUOTED = (
    ("mbi MST", ".0103", ".0583", ".1255", ".826", "83", "3588"),
    ("dpmm MST", ".0106", ".0632", ".1345", ".815", "120", "203"),
    ("smartnoise MST", ".0107", ".1386", ".2831", ".808", "72", "3167"),
    ("exact independent columns, no DP", ".0000", ".0772", ".1681", ".420", "0", "123"),
)
_HEADER = ("method", "runs", "TVD1", "TVD2", "TVD3", "AUC", "cold", "warm", "wall", "MiB")
_ROW = "{:<36}{:>5}{:>8}{:>8}{:>8}{:>7}{:>8}{:>8}{:>8}{:>7}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Figures of one method.

    Attributes:
        scores: One of each run.
        cpu: CPU-seconds of each fit, all threads; the first also bears all imports.
        wall: Wall seconds of each fit.
        rss: Peak resident memory of the process after the last fit and sample, MiB.
    """

    scores: tuple[adult.Scores, ...]
    cpu: tuple[float, ...]
    wall: tuple[float, ...]
    rss: float


def run(*, data: Path, methods: Sequence[str], seeds: int, epsilon: float, delta: float) -> int:
    """Print the table; returns the exit code (0 also where the data are absent)."""
    benchmark = adult.load(data)
    if benchmark is None:
        print(f"skipped: {data.name}/adult_discretised or bench/score.py beside it is not there.")
        return 0
    print(f"Adult (adult_discretised), epsilon {epsilon:g}, delta {delta:g}, {seeds} runs a method")
    print("TVD: mean total variation distance to the training rows, all 1-way and 2-way, 60 3-way.")
    print(
        "cold: CPU-seconds of a new process until its first fit ends, imports included, one thread,"
    )
    print(
        "      less reading the data; warm: CPU-seconds of a later fit; wall: mean of all fits.\n"
    )
    print(_ROW.format(*_HEADER))
    rho = rho_for(Budget(epsilon=epsilon, delta=delta))
    for name in methods:
        print(_ROW.format(*_cells(name, _apart(data, name, seeds, rho))), flush=True)
    print(
        f"\nAUC of the same classifier trained on real rows: {benchmark.auc(benchmark.train):.3f}"
    )
    print("\nquoted, not measured here (published peers, epsilon 1, delta 1e-9, CPU cold):")
    for title, tvd1, tvd2, tvd3, auc, cpu, rss in QUOTED:
        print(_ROW.format(title, "-", tvd1, tvd2, tvd3, auc, cpu, "-", "-", rss))
    return 0


def _cells(name: str, outcome: Outcome) -> list[str]:
    def mean(metric: str) -> float:
        return float(np.mean([getattr(s, metric) for s in outcome.scores]))

    warm = f"{np.mean(outcome.cpu[1:]):.2f}" if len(outcome.cpu) > 1 else "-"
    return [
        name,
        str(len(outcome.scores)),
        *(f"{mean(metric):.4f}" for metric in ("tvd1", "tvd2", "tvd3")),
        f"{mean('auc'):.3f}",
        f"{outcome.cpu[0]:.2f}",
        warm,
        f"{np.mean(outcome.wall):.2f}",
        f"{outcome.rss:.0f}",
    ]


def _apart(data: Path, name: str, seeds: int, rho: float) -> Outcome:
    """Run one method in a fresh process."""
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = "1"
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, data, name, seeds, rho))
    process.start()
    sender.close()
    try:
        outcome: Outcome = receiver.recv()
    except EOFError:
        raise SystemExit(f"{name}: the run failed") from None
    finally:
        process.join()
    return outcome


def _child(sender: Connection, data: Path, name: str, seeds: int, rho: float) -> None:
    """Fit, sample and score. The first fit also bears all imports of the process."""
    started = time.process_time()
    benchmark = adult.load(data)
    if benchmark is None:
        return
    table = benchmark.table()
    reading = time.process_time() - started
    cpu, wall, samples = [], [], []
    for seed in range(seeds):
        started, ticked = time.process_time() if cpu else reading, time.perf_counter()
        with Curator(
            table, reservation=MemoryReservation(rho), max_rows_per_unit=1, rho=rho
        ) as curator:
            model = registry.make(name, {"label": adult.LABEL}).fit(curator)
        cpu.append(time.process_time() - started)
        wall.append(time.perf_counter() - ticked)
        samples.append(model.sample(max(1, round(model.total)), seed=seed))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    scores = tuple(benchmark.scores(codes) for codes in samples)
    sender.send(Outcome(scores=scores, cpu=tuple(cpu), wall=tuple(wall), rss=rss))
    sender.close()
