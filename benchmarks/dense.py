"""``python -m benchmarks dense``: methods on dense and wide tables, where a junction tree is full.

Three generated questionnaires, each answer driven by the same three hidden traits (a factor model),
so that every pair of columns depends and no tree holds them all: 12, 30 and 100 columns. Beside
them real tables by their dictionaries, as they come: nothing is chosen for an outcome. Distances
are taken in the declared bins. Each method runs in a process of its own, on one thread; noise is
real and has no seed.
"""

from __future__ import annotations

import itertools
import multiprocessing
import resource
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.forecast import Case, real
from benchmarks.threads import one_thread
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth import registry

QUESTIONNAIRES = {"traits-12": 12, "traits-30": 30, "traits-100": 100}
REAL = {"credit_default": 1, "diabetes130": 2, "acs_national2019": 1}
TABLES = (*QUESTIONNAIRES, *REAL)
_ROWS, _TRAITS, _SETS = 30_000, 3, 300
_HEADER = ("method", "pairs", "triples", "TVD1", "TVD2", "TVD3", "CPU s", "MiB")
_ROW = "{:<14}{:>7}{:>9}{:>9}{:>9}{:>9}{:>9}{:>7}"


def questionnaire(columns: int) -> Case:
    """Return 30,000 rows of answers of 4 to 10 levels; always the same rows."""
    rng = np.random.default_rng(3)
    sizes = [int(size) for size in rng.integers(4, 11, columns)]
    traits = rng.standard_normal((_ROWS, _TRAITS))
    codes = []
    for size in sizes:
        answer = traits @ rng.standard_normal(_TRAITS) + rng.standard_normal(_ROWS)
        edges = np.quantile(answer, np.sort(rng.random(size - 1)))
        codes.append(np.searchsorted(edges, answer))
    domain = Domain.from_sizes({f"q{i}": size for i, size in enumerate(sizes)})
    table = CodedTable.build(domain, np.array(codes, dtype=np.int32))
    return Case(table=table, max_rows=1, bins={}, label="q0")


def run(
    *, data: Path, tables: Sequence[str], methods: Sequence[str], epsilon: float, delta: float
) -> int:
    """Print a table for each table; returns the exit code."""
    for name in tables:
        if _case(data, name) is None:
            print(f"\nskipped: the data of {name} are not there.")
            continue
        print(f"\n{name}, epsilon {epsilon:g}, delta {delta:g}\n")
        print(_ROW.format(*_HEADER))
        for method in methods:
            print(_ROW.format(method, *_apart(data, name, method, epsilon, delta)), flush=True)
    return 0


def _case(data: Path, name: str) -> Case | None:
    if name in QUESTIONNAIRES:
        return questionnaire(QUESTIONNAIRES[name])
    return real(data, name, REAL[name])


def _apart(data: Path, name: str, method: str, epsilon: float, delta: float) -> list[str]:
    """Run one method in a fresh process."""
    one_thread()
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, data, name, method, epsilon, delta))
    process.start()
    sender.close()
    try:
        found: list[str] = receiver.recv()
    except EOFError:
        raise SystemExit(f"{method}: the run failed") from None
    finally:
        process.join()
    return found


def _child(
    sender: Connection, data: Path, name: str, method: str, epsilon: float, delta: float
) -> None:
    case = _case(data, name)
    if case is None:
        return
    rho = rho_for(Budget(epsilon=epsilon, delta=delta))
    started = time.process_time()
    with Curator(
        case.table, reservation=MemoryReservation(rho), max_rows_per_unit=case.max_rows, rho=rho
    ) as curator:
        model = registry.make(method, {"label": case.label}).fit(curator)
    drawn = model.sample(max(1, round(model.total)), seed=0).T
    cpu = time.process_time() - started
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    measured = [len(entry["attributes"]) for entry in model.errors()]  # type: ignore[arg-type]
    sender.send(
        [
            str(measured.count(2)),
            str(measured.count(3)),
            *(f"{_distance(case, drawn, ways):.4f}" for ways in (1, 2, 3)),
            f"{cpu:.1f}",
            f"{rss:.0f}",
        ]
    )
    sender.close()


def _distance(case: Case, drawn: NDArray[np.int32], ways: int) -> float:
    """Return the mean total variation distance over sets of columns: all, or 300 drawn ones."""
    names = case.table.domain.names
    every = list(itertools.combinations(range(len(names)), ways))
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(every))[:_SETS]
    bins = [case.bins.get(n, np.arange(case.table.domain[n].size)) for n in names]
    sizes = [int(own.max()) + 1 for own in bins]
    distances = []
    for number in chosen:
        columns = every[number]
        shares = []
        for codes in (case.table.codes, drawn):
            cell = np.zeros(codes.shape[1], dtype=np.int64)
            for column in columns:
                cell = cell * sizes[column] + bins[column][codes[column]]
            size = int(np.prod([sizes[column] for column in columns]))
            shares.append(np.bincount(cell, minlength=size) / cell.size)
        distances.append(0.5 * float(np.abs(shares[0] - shares[1]).sum()))
    return float(np.mean(distances))
