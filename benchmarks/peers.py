"""Other programs on the coded benchmark tables, each in a virtual environment of its own.

The environments are built in the user's cache folder, outside the project, on first use (minutes;
some hundred megabytes). A peer reads and writes plain CSV files of codes and is timed inside its
process: CPU-seconds of imports, fit and sample. Where one cannot be installed or does not finish,
the row says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs

from benchmarks.coded import Benchmark

_LIMIT = 1800  #: seconds that a peer may take

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
PEERS = (
    Peer(
        name="smartnoise mst",
        environment="smartnoise",
        packages=(_TORCH, "smartnoise-synth==1.0.8", "packaging", "matplotlib"),
        method="mst",
        code=_SMARTNOISE,
    ),
    Peer(name="dpmm mst", environment="dpmm", packages=("dpmm",), method="mst", code=_DPMM),
)


def run(peer: Peer, benchmark: Benchmark, *, epsilon: float, delta: float) -> list[str]:
    """Run a peer once and return its row: name, runs, TVD 1 to 3, AUC, k-marginal, costs."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        benchmark.train.to_csv(folder / "train.csv", index=False)
        settings = {"method": peer.method, "epsilon": epsilon, "delta": delta}
        (folder / "settings.json").write_text(json.dumps(settings))
        reason = execute(peer, peer.code + _MEASURE, folder)
        if reason is not None:
            return [f"{peer.name}: {reason}", *[""] * 10]
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


def execute(peer: Peer, code: str, folder: Path) -> str | None:
    """Run a script in a peer's environment; return why it failed, or None.

    Args:
        peer: Names the environment and its packages.
        code: The script; its one argument is the folder.
        folder: Where it reads and writes, and runs.
    """
    try:
        python = _environment(peer)
    except subprocess.CalledProcessError as error:
        return f"not installed ({error.stderr.strip().splitlines()[-1][:80]})"
    (folder / "peer.py").write_text(code)
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1",
    }  # fmt: skip
    try:
        done = subprocess.run(
            [str(python), "peer.py", str(folder)],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
            timeout=_LIMIT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not done after {_LIMIT} s"
    return f"failed ({done.stderr.strip().splitlines()[-1][:80]})" if done.returncode else None


def _environment(peer: Peer) -> Path:
    """Return the interpreter of a peer's environment, built on first use."""
    folder = platformdirs.user_cache_path("dpsynth") / "peers" / peer.environment
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.is_file():
        print(f"(building the environment of {peer.name})", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        for package in peer.packages:
            subprocess.run(
                [str(python), "-m", "pip", "install", "--quiet", package],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
        ready.touch()
    return python
