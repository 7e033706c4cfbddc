"""``python -m benchmarks synth``: quality and cost of the synthesizers on Adult and ACS.

Each method runs in a process of its own, pinned to one thread, so that its first fit is cold (numba
loads or compiles its kernels), the others warm, and the peak memory is its own. Noise is real: it
has no seed, so two runs of this command differ by a few units of the last digit shown. With
`--peers` other programs run in the same way, see ``peers.py``.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks import coded, peers
from benchmarks.threads import one_thread
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.conversion import renyi_order
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.synth import registry

_HEADER = (
    "method", "runs", "TVD1", "TVD2", "TVD3", "AUC", "k-marg.", "cold", "warm", "wall", "MiB",
)  # fmt: skip
_ROW = "{:<21}{:>5}{:>8}{:>8}{:>8}{:>7}{:>8}{:>8}{:>8}{:>8}{:>7}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Figures of one method.

    Attributes:
        scores: One of each run.
        cpu: CPU-seconds of each fit and sample, all threads; the first also bears all imports.
        wall: Wall seconds of each.
        rss: Peak resident memory of the process after the last one, MiB.
    """

    scores: tuple[coded.Scores, ...]
    cpu: tuple[float, ...]
    wall: tuple[float, ...]
    rss: float


def run(
    *,
    data: Path,
    tables: Sequence[str],
    methods: Sequence[str],
    rows: int | None,
    seeds: int,
    epsilons: Sequence[float],
    delta: float,
    others: Sequence[str] | None,
    limit: int,
    keep: Path | None,
) -> int:
    """Print the tables; returns the exit code (0 also where the data are absent).

    Args:
        data: Folder of tables.
        tables: Which of `coded.TABLES`.
        methods: Registered names.
        rows: How many of the training rows are fitted, all by default.
        seeds: Runs of each method.
        epsilons: Which budgets.
        delta: Of every budget.
        others: Names of `peers.PEERS`; the usual ones where there is no name, none for None.
        limit: CPU-seconds that each of these may take.
        keep: File of rows that they gave in earlier runs.
    """
    kept = peers.Kept(keep)
    print("TVD: mean total variation distance to the training rows, all 1-way and 2-way, 60 3-way.")
    print("AUC: of a classifier trained on synthetic rows, on held-out real rows.")
    print(
        "cold: CPU-seconds of a new process until its first fit and sample end, imports included,"
    )
    print("      one thread, less reading the data; warm: of a later one; wall: mean of all.")
    for table in tables:
        benchmark = coded.load(data, table, rows)
        if benchmark is None:
            print(f"\nskipped: the data of {table}, or bench/score.py beside them, are not there.")
            continue
        for epsilon in epsilons:
            rho = rho_for(Budget(epsilon=epsilon, delta=delta))
            order = renyi_order(rho, delta)
            print(f"\n{table}, {len(benchmark.train)} rows, epsilon {epsilon:g}, delta {delta:g} "
                  f"(rho {rho:.6f})\n")  # fmt: skip
            print(_ROW.format(*_HEADER))
            for method in methods:
                outcome = _apart(data, table, rows, method, seeds, rho, order)
                print(_ROW.format(*_cells(method, outcome)), flush=True)
            for other in [] if others is None else others or peers.USUAL:
                row = kept.row(
                    peers.PEERS[other], benchmark, epsilon=epsilon, delta=delta, limit=limit
                )
                print(_ROW.format(*row), flush=True)
            real = benchmark.auc(benchmark.train)
            print(_ROW.format("(real rows)", "", "", "", "", f"{real:.3f}", *[""] * 5))
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
        f"{mean('k_marginal'):.1f}",
        f"{outcome.cpu[0]:.2f}",
        warm,
        f"{np.mean(outcome.wall):.2f}",
        f"{outcome.rss:.0f}",
    ]


def _apart(
    data: Path, table: str, rows: int | None, method: str, seeds: int, rho: float, order: float
) -> Outcome:
    """Run one method in a fresh process."""
    one_thread()
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_child, args=(sender, data, table, rows, method, seeds, rho, order)
    )
    process.start()
    sender.close()
    try:
        outcome: Outcome = receiver.recv()
    except EOFError:
        raise SystemExit(f"{method}: the run failed") from None
    finally:
        process.join()
    return outcome


def _child(
    sender: Connection,
    data: Path,
    name: str,
    rows: int | None,
    method: str,
    seeds: int,
    rho: float,
    order: float,
) -> None:
    """Fit, sample and score. The first fit also bears all imports of the process.

    Training on samples is priced at the order at which rho has the epsilon of the table, so that
    it has that epsilon, too.
    """
    started = time.process_time()
    benchmark = coded.load(data, name, rows)
    if benchmark is None:
        return
    table = benchmark.table()
    reading = time.process_time() - started
    cpu: list[float] = []
    wall: list[float] = []
    samples = []
    for seed in range(seeds):
        started, ticked = time.process_time() if cpu else reading, time.perf_counter()
        with Curator(
            table, reservation=MemoryReservation(rho), max_rows_per_unit=1, rho=rho, order=order
        ) as curator:
            model = registry.make(method, {"label": benchmark.label}).fit(curator)
        samples.append(model.sample(max(1, round(model.total)), seed=seed))
        cpu.append(time.process_time() - started)
        wall.append(time.perf_counter() - ticked)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    scores = tuple(benchmark.scores(codes) for codes in samples)
    sender.send(Outcome(scores=scores, cpu=tuple(cpu), wall=tuple(wall), rss=rss))
    sender.close()
