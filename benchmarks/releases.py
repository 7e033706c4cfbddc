"""``python -m benchmarks releases``: whole releases of real tables, each verified, as one table.

Every release runs as a user would run it: `dpsynth release` and `dpsynth verify` in processes of
their own, with the dictionary as it is, a fresh ledger and a trial key. Fidelity and utility are
the release's own internal figures: 2-way total variation at the declared bins beside the noise
floor (a real sample of the same size) and independent columns; train-on-synthetic AUC beside real.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PEAK = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)
sys.exit(code)
"""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One real table and what a person must decide about it."""

    name: str
    file: str = "data.csv"
    options: tuple[str, ...] = ()


TABLES = (
    Table(name="adult"),
    Table(
        name="diabetes130",
        file="data.parquet",
        options=("--max-rows-per-unit", "2", "--unit-name", "patient"),
    ),
    Table(name="credit_default"),
    Table(name="german_credit"),
    Table(name="heart_disease"),
    Table(name="acs2018_nd", options=("--max-rows-per-unit", "3", "--unit-name", "household")),
)


def run(*, data: Path, names: Sequence[str], epsilon: str, delta: str) -> int:
    """Print one row a table; returns 1 if any release or verification ends unexpectedly."""
    tables = [table for table in TABLES if not names or table.name in names]
    if not data.is_dir():
        print(f"{data} is not here: nothing to release. Name the folder with --data.")
        return 0
    print("| table | policy | verify | rows | wall s | CPU s | MiB | TVD2 | floor | indep. "
          "| AUC | real |")  # fmt: skip
    print("| --- " * 12 + "|")
    worst = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        environment = {
            **os.environ,
            "DPSYNTH_LEDGER": str(folder / "ledger.sqlite"),
            "DPSYNTH_KEYS": str(folder / "keys"),
            "DPSYNTH_ANCHORS": str(folder / "anchors"),
            "DPSYNTH_PASSPHRASE": "benchmark",
        }
        _dpsynth(["keys", "init"], environment)
        for table in tables:
            worst = max(worst, _one(table, data, folder, environment, epsilon, delta))
    return worst


def _one(
    table: Table, data: Path, folder: Path, environment: dict[str, str], epsilon: str, delta: str
) -> int:
    bundle = folder / table.name
    source = data / table.name
    start = time.monotonic()
    done = _dpsynth(
        [
            "release", "--json", "--data", str(source / table.file),
            "--dictionary", str(source / "dictionary.yaml"), "--epsilon", epsilon,
            "--delta", delta, "--lineage", table.name, "--name", table.name,
            "--out", str(bundle), *table.options,
        ],
        environment,
    )  # fmt: skip
    wall = time.monotonic() - start
    if done.returncode not in {0, 3}:
        print(f"| {table.name} | failed with exit code {done.returncode} |" + " |" * 10)
        return 1
    root = Path(environment["DPSYNTH_KEYS"]) / "root.pem"
    verified = _dpsynth(["verify", str(bundle), "--trust", str(root)], environment)
    peak, cpu = (float(part) for part in done.stdout.split()[-2:])
    results = {r["name"]: r for r in _evidence(bundle)["fidelity"]["results"]["value"]}
    pairs, utility = results["tvd_2way"], results["tstr_auc"]
    cells = (
        table.name,
        "released" if done.returncode == 0 else "refused",
        verified.returncode,
        _evidence(bundle)["release"]["rows"]["value"],
        f"{wall:.0f}",
        f"{cpu:.0f}",
        f"{peak:.0f}",
        *(_number(pairs[key]) for key in ("value", "baseline", "control")),
        *(_number(utility[key]) for key in ("value", "baseline")),
    )
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    return int(verified.returncode != 0)


def _dpsynth(
    arguments: Sequence[str], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the command line; the last line of its output is peak MiB and CPU-seconds."""
    command = [sys.executable, "-m", "dpsynth.cli", *arguments]
    return subprocess.run(
        [sys.executable, "-c", _PEAK, *command],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _evidence(bundle: Path) -> Any:
    envelope = json.loads((bundle / "internal" / "evidence.dsse.json").read_text())
    return json.loads(base64.b64decode(envelope["payload"]))["predicate"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
