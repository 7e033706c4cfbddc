"""Other programs on the coded benchmark tables, each in a virtual environment of its own.

The environments are built in the user's cache folder, outside the project, on first use (minutes;
some hundred megabytes). A peer reads and writes plain CSV files of codes and is timed inside its
process: CPU-seconds of imports, fit and sample. Where one cannot be installed or does not finish,
the row says so. Some take hours: `Kept` holds what they gave between runs of a benchmark.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import platformdirs
from dpsynth.attacks.api import Generate
from numpy.typing import NDArray

from benchmarks.coded import Benchmark

LIMIT = 1800  #: CPU-seconds that a peer may take, unless a benchmark is told otherwise
_WALL = 8  # a peer that waits for something is given up after so many times its limit

_MEASURE = """
import json, resource, sys, time
import pandas as pd
folder = sys.argv[1]
settings = json.load(open(folder + "/settings.json"))
train = pd.read_csv(folder + "/train.csv")
began, ticked = time.process_time(), time.perf_counter()
synthetic = fit_and_sample(train, settings)
cost = dict(cpu=time.process_time() - began, wall=time.perf_counter() - ticked,
            rss=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
synthetic.to_csv(folder + "/synthetic.csv", index=False)
json.dump(cost, open(folder + "/cost.json", "w"))
"""

_SERVE = """
import json, sys
import pandas as pd
folder = sys.argv[1]
settings = json.load(open(folder + "/settings.json"))
answers, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    synthetic = fit_and_sample(pd.read_csv(folder + "/train.csv"), settings)
    synthetic.to_csv(folder + "/synthetic.csv", index=False)
    print("done", file=answers, flush=True)
"""

_SMARTNOISE = """
def fit_and_sample(train, settings):
    from snsynth import Synthesizer
    names = list(train.columns)
    made = Synthesizer.create(settings["method"], epsilon=settings["epsilon"],
                              delta=settings["delta"])
    made.fit(train, categorical_columns=names, preprocessor_eps=0.0)
    return made.sample(len(train))[names]
"""

_DPMM = """
def fit_and_sample(train, settings):
    import importlib
    module, name = {"mst": ("dpmm.pipelines", "MSTPipeline"),
                    "aim": ("dpmm.pipelines", "AIMPipeline")}[settings["method"]]
    pipeline = getattr(importlib.import_module(module), name)(
        epsilon=settings["epsilon"], delta=settings["delta"], proc_epsilon=0.0)
    for column in train.columns:
        train[column] = train[column].astype("category")
    pipeline.fit(train)
    return pipeline.generate(len(train)).astype(int)
"""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One program and one of its methods.

    Attributes:
        name: How a row calls it.
        environment: Name of its virtual environment.
        packages: What is installed there, in this order.
        method: The program's own name of the method.
        code: Defines ``fit_and_sample(train, settings)``.
    """

    name: str
    environment: str
    packages: tuple[str, ...]
    method: str
    code: str


_TORCH = "torch==2.13.0"


def smartnoise(method: str, code: str = _SMARTNOISE) -> Peer:
    """Return a method of smartnoise-synth."""
    return Peer(
        name=f"smartnoise {method}",
        environment="smartnoise",
        packages=(_TORCH, "smartnoise-synth==1.0.8", "packaging", "matplotlib"),
        method=method,
        code=code,
    )


PEERS = {
    peer.name: peer
    for peer in (
        smartnoise("mst"),
        Peer(
            name="dpmm mst", environment="dpmm", packages=("dpmm==0.1.9",), method="mst", code=_DPMM
        ),
        smartnoise("dpctgan"),
        smartnoise("patectgan"),
    )
}
USUAL = ("smartnoise mst", "dpmm mst")  #: the others take far longer than they are worth


class PeerError(Exception):
    """A peer could not be installed, stopped, or took too long."""


class GivenUpError(PeerError):
    """A peer took longer than it may."""


class Kept:
    """Rows that peers gave in earlier runs: a JSON Lines file, the last line of a key is valid.

    Only what a peer gave, or that it was given up at a limit; a larger limit then tries again.
    Rows of our own methods are never kept: every run measures them anew.
    """

    def __init__(self, file: Path | None) -> None:
        """Read the file, if there is one; None keeps nothing."""
        self._file = file
        lines = file.read_text().splitlines() if file is not None and file.is_file() else []
        self._rows: dict[str, dict[str, Any]] = {
            line["key"]: line for line in (json.loads(text) for text in lines)
        }

    def row(
        self, peer: Peer, benchmark: Benchmark, *, epsilon: float, delta: float, limit: int
    ) -> list[str]:
        """Return the row of a peer, from an earlier run or from one now.

        Args:
            peer: What runs.
            benchmark: The table.
            epsilon: The budget that the peer is told.
            delta: The same.
            limit: CPU-seconds that it may take.
        """
        table = f"{len(benchmark.train)} rows of {benchmark.name}"
        key = ", ".join([peer.name, *peer.packages, table, f"{epsilon:g}", f"{delta:g}"])
        known = self._rows.get(key)
        if known is not None and known.get("limit", limit) >= limit:
            return [str(cell) for cell in known["row"]]
        line: dict[str, Any] = {"key": key}
        try:
            row = _row(peer, benchmark, epsilon=epsilon, delta=delta, limit=limit)
        except GivenUpError as error:
            row, line["limit"] = _empty(peer, error), limit
        except PeerError as error:
            return _empty(peer, error)
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(json.dumps({**line, "row": row}) + "\n")
        return row


def _empty(peer: Peer, error: PeerError) -> list[str]:
    return [f"{peer.name}: {error}", *[""] * 10]


def _row(
    peer: Peer, benchmark: Benchmark, *, epsilon: float, delta: float, limit: int
) -> list[str]:
    """Run a peer once and return its row: name, runs, TVD 1 to 3, AUC, k-marginal, costs."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        benchmark.train.to_csv(folder / "train.csv", index=False)
        settings = {"method": peer.method, "epsilon": epsilon, "delta": delta}
        (folder / "settings.json").write_text(json.dumps(settings))
        execute(peer, peer.code + _MEASURE, folder, limit=limit)
        cost = json.loads((folder / "cost.json").read_text())
        codes = pd.read_csv(folder / "synthetic.csv")[list(benchmark.domain.names)]
    scores = benchmark.scores(codes.to_numpy(dtype=np.int32))
    return [
        peer.name,
        "1",
        *(f"{value:.4f}" for value in (scores.tvd1, scores.tvd2, scores.tvd3)),
        f"{scores.auc:.3f}",
        f"{scores.k_marginal:.1f}",
        f"{cost['cpu']:.2f}",
        "-",
        f"{cost['wall']:.2f}",
        f"{cost['rss']:.0f}",
    ]


def execute(peer: Peer, code: str, folder: Path, *, limit: int = LIMIT) -> None:
    """Run a script in a peer's environment.

    Args:
        peer: Names the environment and its packages.
        code: The script; its one argument is the folder.
        folder: Where it reads and writes, and runs.
        limit: CPU-seconds that it may take.

    Raises:
        GivenUpError: It took longer.
        PeerError: It cannot be installed, or it failed.
    """
    python = _environment(peer)
    (folder / "peer.py").write_text(code)

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))

    try:
        done = subprocess.run(
            [str(python), "peer.py", str(folder)],
            cwd=folder, env=_variables(folder), capture_output=True, text=True, check=False,
            timeout=_WALL * limit, preexec_fn=bound,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise GivenUpError(f"not done after {_WALL * limit:,} s") from None
    if done.returncode == -signal.SIGXCPU:
        raise GivenUpError(f"not done after {limit:,} CPU-s")
    if done.returncode:
        raise PeerError(f"failed ({_last(done.stderr)})")


@contextmanager
def serve(peer: Peer, settings: dict[str, Any], folder: Path) -> Iterator[Generate]:
    """Yield a generator that fits a peer anew at each call, all in one process of its own.

    One process, because a new one would import and compile everything again. The generator takes
    codes of named columns and ignores its seed: noise of peers has none.

    Args:
        peer: What runs.
        settings: Handed to its code, with ``columns``: the names of the columns.
        folder: Where it reads and writes.

    Raises:
        PeerError: The peer cannot be installed; from the generator: it stopped or took too long.
    """
    python = _environment(peer)
    (folder / "peer.py").write_text(peer.code + _SERVE)
    (folder / "settings.json").write_text(json.dumps({"method": peer.method, **settings}))
    columns: list[str] = settings["columns"]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [str(python), "peer.py", str(folder)],
            cwd=folder, env=_variables(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=log,
        )  # fmt: skip
    if process.stdin is None or process.stdout is None:
        raise PeerError("no pipes")
    asks, answers = process.stdin, process.stdout

    def generate(rows: NDArray[np.integer[Any]], seed: int) -> NDArray[np.integer[Any]]:
        pd.DataFrame(rows, columns=columns).to_csv(folder / "train.csv", index=False)
        os.write(asks.fileno(), b"fit\n")
        if not select.select([answers], [], [], LIMIT)[0]:
            raise GivenUpError(f"not done after {LIMIT:,} s")
        if not answers.readline():
            raise PeerError(f"failed ({_last((folder / 'log.txt').read_text())})")
        made = pd.read_csv(folder / "synthetic.csv")[columns]
        return np.ascontiguousarray(made.to_numpy(dtype=np.int64))

    try:
        yield generate
    finally:
        process.kill()
        process.communicate()


def _last(text: str) -> str:
    """Return the end of a log in a few words."""
    return (text.strip().splitlines() or ["no message"])[-1][:80]


def _variables(folder: Path) -> dict[str, str]:
    """Return the environment of a peer: one thread each, and no home but the folder."""
    return {
        "PATH": "/usr/bin:/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1",
        "LOKY_MAX_CPU_COUNT": "1",
    }  # fmt: skip


def _environment(peer: Peer) -> Path:
    """Return the interpreter of a peer's environment, built on first use.

    Raises:
        PeerError: A package cannot be installed.
    """
    folder = platformdirs.user_cache_path("dpsynth") / "peers" / peer.environment
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.is_file():
        print(f"(building the environment of {peer.name})", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        for package in peer.packages:
            try:
                subprocess.run(
                    [str(python), "-m", "pip", "install", "--quiet", package],
                    capture_output=True, text=True, check=True,
                )  # fmt: skip
            except subprocess.CalledProcessError as error:
                raise PeerError(f"not installed ({_last(error.stderr)})") from None
        ready.touch()
    return python
