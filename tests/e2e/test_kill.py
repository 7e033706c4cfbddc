"""kill -9 at twenty points of a release: the ledger opens, the budget is spent, no half bundle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dpsynth.privacy.ledger import Ledger

POINTS = 20
CHILD = """
import os, signal, sys
from pathlib import Path
from dpsynth.privacy.ledger import Anchors, Ledger, LedgerKey
from dpsynth.pipeline import ReleaseSettings, load_release_signer, prepare, run

folder, point = Path(sys.argv[1]), int(sys.argv[2])
settings = ReleaseSettings(
    name="clinic", lineage="clinic", source=folder / "data.csv",
    dictionary=folder / "dictionary.yaml", epsilon=1.0, delta=1e-6,
    key=folder / "keys" / "signer.p12", passphrase_file=folder / "passphrase",
)
seen = 0

def step(text):
    global seen
    if seen == point:
        os.kill(os.getpid(), signal.SIGKILL)
    seen += 1

plan = prepare(settings)
key = LedgerKey.create(folder / "keys" / "ledger.pem")
with Ledger.open(folder / "ledger.sqlite", key=key, anchors=Anchors(folder / "anchors")) as book:
    chosen = plan.settings
    signer = load_release_signer(chosen.key, chosen.passphrase_file, None)
    run(plan, ledger=book, signer=signer,
        target=folder / "clinic", progress=step)
print(seen)
"""


@pytest.fixture(scope="module")
def steps(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Number of steps of a whole release."""
    folder = tmp_path_factory.mktemp("whole") / "desk"
    shutil.copytree(furnished, folder)
    done = _run(folder, -1)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def _run(folder: Path, point: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(point)],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("point", range(POINTS))
def test_kill(point: int, steps: int, furnished: Path, tmp_path: Path) -> None:
    assert steps >= POINTS, "a release reports at least as many steps as there are points"
    folder = tmp_path / "desk"
    shutil.copytree(furnished, folder)
    at = point * (steps - 1) // (POINTS - 1)
    done = _run(folder, at)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with Ledger.open(folder / "ledger.sqlite") as book:
        book.verify()
        opened = [entry for entry in book.entries() if entry.kind in {"reserve", "open"}]
        spent = book.status("clinic").spent_rho if "clinic" in book.lineages() else 0
    assert bool(opened) == (spent > 0)
    assert spent > 0 or at == 0, "only a kill before the reservation costs nothing"
    assert not (folder / "clinic").exists()
    assert not [
        p for p in folder.iterdir() if (p / "public").exists() and not p.name.startswith(".")
    ]
