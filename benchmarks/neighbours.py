"""``python -m benchmarks neighbours``: exact nearest neighbours of all rows of Adult, side by side.

Queries are synthetic rows of our engine at epsilon 1, references are its training rows, of the
discretised Adult of the marginal-synthesis papers: 39,000 rows of 14 columns each. Peers get the
same rows as CSV files, numbers as numbers, other codes as text. Costs are CPU-seconds and wall of
one thread, without imports and reading, after a small run of the same call, on both sides; for
mostlyai-qa the encoding of both tables stands apart from the search. SDMetrics compares all pairs
in frames, so it runs on fewer rows, with ours beside it on the same. Distances of dpsynth and
SDMetrics are Gower's, ranges those of the domain and of the references; mostlyai-qa has angles
between embeddings of its own.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dpsynth.attacks.closest_rows import closest_rows
from dpsynth.attacks.neighbours import nearest_two

from benchmarks import coded, peers
from benchmarks.attacks import frame
from benchmarks.own import own_generator
from benchmarks.threads import one_thread
from dpsynth.arrays import Codes
from dpsynth.privacy.budget import Budget
from dpsynth.schema.domain import Domain

_WARM = 200

_READ = """
import json, sys, time
import numpy as np
import pandas as pd
folder = sys.argv[1]
settings = json.load(open(folder + "/settings.json"))
texts = {name: str for name in settings["nominal"]}
syn, trn = (pd.read_csv(folder + f"/{name}.csv", dtype=texts, keep_default_na=False)
            for name in ("syn", "trn"))
def timed(call, *given):
    began, ticked = time.process_time(), time.perf_counter()
    made = call(*given)
    return made, dict(cpu=time.process_time() - began, wall=time.perf_counter() - ticked)
"""

_MOSTLY = """
from mostlyai.qa._distances import calculate_dcrs_nndrs
from mostlyai.qa._embeddings import encode_data
small = encode_data(syn.head(settings["warm"]), trn.head(settings["warm"]))
calculate_dcrs_nndrs(small[1], small[0])
encoded, encoding = timed(encode_data, syn, trn)
found, search = timed(lambda: calculate_dcrs_nndrs(encoded[1], encoded[0]))
lines = [dict(what="encode_data", **encoding),
         dict(what="calculate_dcrs_nndrs", mean=float(found[0].mean()), **search)]
json.dump(lines, open(folder + "/out.json", "w"))
"""

_SDMETRICS = """
import warnings
from sdmetrics.single_table.privacy.dcr_utils import calculate_dcr
warnings.simplefilter("ignore")
kinds = {name: {"sdtype": "categorical" if name in texts else "numerical"} for name in trn}
metadata = {"columns": kinds}
calculate_dcr(syn.head(settings["warm"]), trn.head(settings["warm"]), metadata)
found, search = timed(calculate_dcr, syn, trn, metadata)
lines = [dict(what="calculate_dcr", mean=float(found.mean()), **search)]
json.dump(lines, open(folder + "/out.json", "w"))
"""

_MOSTLY_QA = peers.Peer(
    name="mostlyai-qa",
    environment="mostlyai",
    packages=("torch==2.13.0", "mostlyai-qa==1.10.11"),
    method="",
    code=_READ + _MOSTLY,
)
_SD = peers.Peer(
    name="sdmetrics",
    environment="sdmetrics",
    packages=("sdmetrics==0.32.0",),
    method="",
    code=_READ + _SDMETRICS,
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One call.

    Attributes:
        program: Whose.
        what: Its name, or why it was not run.
        rows: Queries, and as many references.
        cpu: CPU-seconds, None where it was not run.
        wall: Wall seconds.
        mean: Mean distance to the nearest reference, where the call gives one.
        ratio: CPU-seconds over those of our `nearest_two` on the same rows.
    """

    program: str
    what: str
    rows: int
    cpu: float | None = None
    wall: float | None = None
    mean: float | None = None
    ratio: float | None = None


def run(*, data: Path, with_peers: bool, slow_rows: int, out: Path | None) -> int:
    """Print the table; returns the exit code (0 also where the data are absent).

    Args:
        data: Folder of tables.
        with_peers: Whether other programs run, too.
        slow_rows: Rows for SDMetrics.
        out: File for the figures as JSON, or None.
    """
    one_thread()
    benchmark = coded.load(data, "adult")
    if benchmark is None:
        print("skipped: the table adult, or bench/score.py beside it, is not there.")
        return 0
    references = benchmark.train.to_numpy(dtype=np.int64)
    budget = Budget(epsilon=1.0, delta=1e-9)
    queries = own_generator(benchmark.domain, "cliquetree", budget)(references, 1)
    rows = min(len(queries), len(references))
    print("| program | call | rows of each | CPU s | wall s | mean distance | CPU, dpsynth = 1 |")
    print("| --- " * 7 + "|")
    lines = []
    for count, peer in ((rows, _MOSTLY_QA), (min(rows, slow_rows), _SD)):
        lines += _side_by_side(
            benchmark.domain, queries[:count], references[:count], peer if with_peers else None
        )
    if out is not None:
        out.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n", "utf-8")
    return 0


def _side_by_side(
    domain: Domain, queries: Codes, references: Codes, peer: peers.Peer | None
) -> list[Line]:
    """Print and return our lines and those of a peer on the same rows."""
    found, ours = _timed(nearest_two, domain, queries, references)
    _, rows = _timed(closest_rows, domain, queries, references)
    lines = [
        Line(program="dpsynth", what="nearest_two", rows=len(queries), ratio=1.0,
             mean=float(found.first.mean()), **ours),
        Line(program="dpsynth", what="closest_rows", rows=len(queries),
             ratio=rows["cpu"] / ours["cpu"], **rows),
    ]  # fmt: skip
    for line in lines:
        print(_cells(line), flush=True)
    for line in _peer(domain, queries, references, peer, ours["cpu"]) if peer else []:
        print(_cells(line), flush=True)
        lines.append(line)
    return lines


def _peer(
    domain: Domain, queries: Codes, references: Codes, peer: peers.Peer, cpu: float
) -> list[Line]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        frame(domain, queries).to_csv(folder / "syn.csv", index=False)
        frame(domain, references).to_csv(folder / "trn.csv", index=False)
        nominal = [a.name for a in domain if not a.n_ordered]
        (folder / "settings.json").write_text(json.dumps({"nominal": nominal, "warm": _WARM}))
        try:
            peers.execute(peer, peer.code, folder)
        except peers.PeerError as error:
            return [Line(program=peer.name, what=f"not run: {error}", rows=len(queries))]
        made = json.loads((folder / "out.json").read_text())
    return [
        Line(program=peer.name, rows=len(queries), ratio=line["cpu"] / cpu, **line) for line in made
    ]


def _timed(
    call: Callable[..., Any], domain: Domain, queries: Codes, references: Codes
) -> tuple[Any, dict[str, float]]:
    """Call after a small run of the same call; return what it gave and what it cost."""
    call(domain, queries[:_WARM], references[:_WARM])
    began, ticked = time.process_time(), time.perf_counter()
    made = call(domain, queries, references)
    return made, {"cpu": time.process_time() - began, "wall": time.perf_counter() - ticked}


def _cells(line: Line) -> str:
    def number(value: float | None, digits: int) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    cells = (
        line.program, line.what, f"{line.rows:,}", number(line.cpu, 2), number(line.wall, 2),
        number(line.mean, 4), number(line.ratio, 1),
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"
