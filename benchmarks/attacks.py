"""``python -m benchmarks attacks``: three criteria, attribute inference, reconstruction on Adult.

Two worlds on the UCI Adult table, coded by its dictionary: fresh real rows as synthetic table, in
which nothing leaks, and the same with 5 % of them replaced by training rows. First the attacks as
the suite runs them, then, with `--peers`, beside Anonymeter at its settings: 500 attacks, one
neighbour, three columns in a predicate, ordered cells as half lines. Costs are CPU-seconds of one
thread, without imports and after a small run of the same attack, on both sides; the peer runs in an
environment of its own and is called as its documentation says. Its inference attack gets the label.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from dpsynth.attacks.api import Attack, AttackData
from dpsynth.attacks.attribute import AttributeInference
from dpsynth.attacks.controls import plant_copies
from dpsynth.attacks.inference import Inference
from dpsynth.attacks.linkability import Linkability
from dpsynth.attacks.reconstruction import Reconstruction
from dpsynth.attacks.singling_out import Around, SinglingOutMultivariate, SinglingOutUnivariate
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.threads import one_thread
from dpsynth.pipeline.examine import read_coded
from dpsynth.results import AttackResult
from dpsynth.schema.codec import Codec
from dpsynth.schema.dictionary import load_dictionary
from dpsynth.schema.domain import Domain

_REAL, _SYNTHETIC, _WARM = 10_000, 20_000, 200
_FIRST = ("age", "education", "race", "sex", "native-country", "marital-status", "relationship")
_SECRET = "income"
_LEAK = 0.05
_ROW = "{:<12}{:<28}{:>9}{:>9}{:>10}{:>20}{:>10}{:>9}"

_ANONYMETER = """
import json, sys, time
import numpy as np
import pandas as pd
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator

folder = sys.argv[1]
settings = json.load(open(folder + "/settings.json"))
texts = {name: str for name in settings["nominal"]}
tables = {name: pd.read_csv(folder + f"/{name}.csv", dtype=texts, keep_default_na=False)
          for name in ("ori", "control", "syn")}

def univariate(n):
    made = SinglingOutEvaluator(n_attacks=n, seed=settings["seed"], **tables)
    return made.evaluate(mode="univariate")

def multivariate(n):
    made = SinglingOutEvaluator(n_attacks=n, n_cols=3, seed=settings["seed"], **tables)
    return made.evaluate(mode="multivariate")

def linkability(n):
    parties = (settings["first"], settings["second"])
    made = LinkabilityEvaluator(aux_cols=parties, n_attacks=n, n_neighbors=1, **tables)
    return made.evaluate(n_jobs=1)

def inference(n):
    secret = settings["secret"]
    known = [name for name in tables["ori"].columns if name != secret]
    made = InferenceEvaluator(aux_cols=known, secret=secret, regression=False, n_attacks=n,
                              **tables)
    return made.evaluate(n_jobs=1)

out = {}
for name, attack in (("singling_out_univariate", univariate), ("linkability", linkability),
                     ("singling_out_multivariate", multivariate), ("inference", inference)):
    np.random.seed(settings["seed"])
    attack(20)
    began = time.process_time()
    done = attack(settings["attacks"])
    cpu = time.process_time() - began
    found, risk = done.results(confidence_level=0.95), done.risk(confidence_level=0.95)
    out[name] = dict(cpu=cpu, members=found.attack_rate.value, control=found.control_rate.value,
                     residual=risk.value, low=risk.ci[0], high=risk.ci[1])
json.dump(out, open(folder + "/out.json", "w"))
"""

_PEER = peers.Peer(
    name="anonymeter",
    environment="anonymeter",
    packages=("anonymeter==1.1.0",),
    method="",
    code=_ANONYMETER,
)


def run(*, data: Path, attacks: int, seed: int, with_peers: bool) -> int:
    """Print the tables; returns the exit code (0 also where the data are absent)."""
    one_thread()
    fresh = load(data, seed)
    if fresh is None:
        print("skipped: the table adult and its dictionary are not there.")
        return 0
    print("members, control: share of guesses that hit training rows, held-out rows.")
    print("residual: (members - control) / (1 - control) with its 95 % interval, never clipped.")
    worlds = {
        "fresh real rows": fresh,
        f"{_LEAK:.0%} training rows": plant_copies(fresh, _LEAK, seed),
    }
    for title, world in worlds.items():
        print(f"\n{title}: {_REAL:,} members, as many others, {_SYNTHETIC:,} synthetic rows\n")
        _header()
        for attack in (
            SinglingOutUnivariate(), SinglingOutMultivariate(), Linkability(), Inference(),
            AttributeInference(), Reconstruction(),
        ):  # fmt: skip
            _timed("dpsynth", attack, world, world, seed)
        if with_peers:
            print(f"\n{title}, {attacks:,} attacks each\n")
            _header()
            _beside(world, attacks, seed)
    return 0


def load(data: Path, seed: int) -> AttackData | None:
    """Return Adult in random order: members, others, and other real rows as synthetic table."""
    folder = data / "adult"
    if not (folder / "dictionary.yaml").is_file():
        return None
    dictionary = load_dictionary(folder / "dictionary.yaml")
    codec = Codec.from_dictionary(dictionary)
    rows = np.concatenate(
        [read_coded(folder / name, dictionary, codec) for name in ("data.csv", "test.csv")]
    )
    rows = rows[np.random.default_rng(seed).permutation(len(rows))]
    return AttackData(
        domain=codec.domain,
        train=rows[:_REAL],
        holdout=rows[_REAL : 2 * _REAL],
        synthetic=rows[2 * _REAL : 2 * _REAL + _SYNTHETIC],
    )


def _beside(world: AttackData, attacks: int, seed: int) -> None:
    """Print our attacks at the peer's settings, then the peer."""
    targets = world.equal_sizes(seed, rows=attacks, synthetic_rows=len(world.synthetic))
    ours: tuple[tuple[Attack, AttackData], ...] = (
        (SinglingOutUnivariate(attacks=attacks), world),
        (SinglingOutMultivariate(attacks=attacks, columns=(3, 3), around=Around.TAIL), world),
        (Linkability(k=1, first=_FIRST), targets),
        (Inference(secrets=(_SECRET,)), targets),
    )
    cpu = {a.name: _timed("dpsynth", a, given, world, seed) for a, given in ours}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        nominal = [a.name for a in world.domain if not a.n_ordered]
        for name, rows in (
            ("ori", world.train), ("control", world.holdout), ("syn", world.synthetic),
        ):  # fmt: skip
            frame(world.domain, rows).to_csv(folder / f"{name}.csv", index=False)
        settings = {
            "seed": seed, "attacks": attacks, "nominal": nominal, "secret": _SECRET,
            "first": list(_FIRST),
            "second": [name for name in world.domain.names if name not in _FIRST],
        }  # fmt: skip
        (folder / "settings.json").write_text(json.dumps(settings))
        try:
            peers.execute(_PEER, _PEER.code, folder)
        except peers.PeerError as error:
            print(f"{_PEER.name}: {error}")
            return
        found = json.loads((folder / "out.json").read_text())
    for name, row in found.items():
        print(
            _ROW.format(
                _PEER.name, name, f"{row['members']:.4f}", f"{row['control']:.4f}",
                f"{row['residual']:+.4f}", f"[{row['low']:+.4f}, {row['high']:+.4f}]", "",
                f"{row['cpu']:.2f}",
            ),
            f" {row['cpu'] / cpu[name]:.0f}x" if name in cpu else "",
        )  # fmt: skip


def frame(domain: Domain, rows: NDArray[np.integer[Any]]) -> pd.DataFrame:
    """Return rows as another program reads them: numbers on a line, other codes as text.

    Args:
        domain: Domain of the columns. An ordered cell beside its line becomes minus one.
        rows: Codes, shape (n, d).
    """
    columns = {}
    for j, attribute in enumerate(domain):
        codes = rows[:, j]
        if attribute.n_ordered:
            places = np.full(attribute.size, -1.0)
            places[: attribute.n_ordered] = attribute.positions
            columns[attribute.name] = places[codes]
        else:
            columns[attribute.name] = np.char.add("c", codes.astype(str))
    return pd.DataFrame(columns)


def _timed(who: str, attack: Attack, given: AttackData, full: AttackData, seed: int) -> float:
    """Run an attack after a small run of it, print its row and return its CPU-seconds."""
    small = full.equal_sizes(seed, rows=2 * _WARM, synthetic_rows=2 * _WARM)
    attack.run(small, seed)
    began = time.process_time()
    result = attack.run(given, seed)
    cpu = time.process_time() - began
    print(_ROW.format(who, attack.name, *_cells(result), f"{cpu:.2f}"), flush=True)
    return cpu


def _cells(result: AttackResult) -> tuple[str, ...]:
    if result.value is None or result.control is None:
        return (result.status.value, "", "", "", "")
    risk, low, high = (
        float(str(result.details[key]))
        for key in ("residual_risk", "residual_risk_low", "residual_risk_high")
    )
    return (
        f"{result.value:.4f}", f"{result.control:.4f}", f"{risk:+.4f}",
        f"[{low:+.4f}, {high:+.4f}]", f"{result.p_value:.1e}",
    )  # fmt: skip


def _header() -> None:
    print(
        _ROW.format(
            "program", "attack", "members", "control", "residual", "95 % interval", "p", "CPU s"
        )
    )
