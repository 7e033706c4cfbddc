"""``python -m benchmarks controls``: what the attacks see, and whom they accuse wrongly.

Leaky twins must be convicted by the attack that is meant for them; harmless tables must not be
accused by any attack of the suite. Each run draws its own members, non-members and synthetic rows
from one real table. Rates come with Clopper-Pearson intervals: 100 of 100 means a power of at least
96.4 % at 95 % confidence. Powers are required on Adult, for which the design states them, and
reported on the other tables, whose fewer columns repeat whole rows by nature; false alarms are
judged on all tables.

A detector convicts at the suite's level divided by the number of its attacks, which is never easier
than Holm's correction; harmless tables go through the suite as it is, Holm and all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from dpsynth.attacks import suite
from dpsynth.attacks.api import ALPHA, Attack, AttackData

from benchmarks import coded
from benchmarks.twins import CONTROLS, Control, World
from dpsynth import attacks
from dpsynth.arrays import Codes
from dpsynth.exact import clopper_pearson
from dpsynth.results import AttackResult, AttackVerdict
from dpsynth.schema.domain import Domain

POWER_REQUIRED = frozenset({"adult"})
TABLES = (*coded.TABLES, "randhie")
FITS = 20  # seeds of controls that run a generator
MEMBERS, NON_MEMBERS = 5000, 10_000  # half of the non-members may become a reference population
_SPLIT = 1  # stream of a seed that splits the table: attacks and twins have others
_LOW = 0.55  # AUC that a lower confidence limit must exceed, where attacks.md asks for it


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came out.

    Attributes:
        id: Of the control.
        title: Of the control.
        detectors: Of the control.
        seeds: Runs.
        convicted: Runs that ended in a conviction.
        low, high: Clopper-Pearson interval of the share of convictions at 95 %.
        required: "at least" or "at most" which share, or "reported".
        met: Whether it is met; False where the detector is not in the suite; None where nothing is
            required.
        value: Mean value of the first detector (AUC, share), over runs that gave one.
        tpr: Mean true-positive rate of the first detector at 0.1 % false positives, likewise.
        small: For each attack of the suite: runs of a harmless table with a raw p-value below 5 %.
        alone: For each attack of the suite: runs of a twin, of `FITS`, that it convicts by itself.
    """

    id: str
    title: str
    detectors: tuple[str, ...]
    seeds: int
    convicted: int
    low: float
    high: float
    required: str
    met: bool | None
    value: float | None
    tpr: float | None
    small: dict[str, int]
    alone: dict[str, int]


def run(
    *,
    data: Path,
    tables: Sequence[str],
    ids: Sequence[str],
    seeds: int,
    alone: bool,
    out: Path | None,
    family: Sequence[Attack] = suite.output_attacks(),
) -> int:
    """Print one table of controls for each real table; returns 1 if a required rate is missed.

    Args:
        data: Folder of tables.
        tables: Names of tables.
        ids: Controls to run; all where empty.
        seeds: Runs of each control; at most `FITS` of those that run a generator or inspect.
        alone: Whether each attack of the suite is also asked by itself about each twin.
        out: File for the figures as JSON, or None.
        family: The attacks of the suite.
    """
    figures: dict[str, list[dict[str, Any]]] = {}
    missed = False
    for name in tables:
        loaded = load(data, name)
        if loaded is None:
            print(f"skipped: the table {name} is not here.")
            continue
        domain, rows = loaded
        print(f"\n{name}: {len(rows):,} rows, {len(domain)} columns\n")
        print("| control | detector | convicted | 95 % | required | met | value "
              "| TPR at 0.1 % | CPU s |")  # fmt: skip
        print("| --- " * 9 + "|")
        figures[name] = []
        for control in CONTROLS:
            if ids and control.id not in ids:
                continue
            started = time.process_time()
            asked = control if name in POWER_REQUIRED else replace(control, required=None)
            outcome = judge(
                asked if alone else replace(asked, every=False),
                domain,
                rows,
                seeds,
                family,
            )
            missed |= outcome.met is False
            figures[name].append(asdict(outcome))
            print(_line(outcome, time.process_time() - started), flush=True)
        for found in figures[name]:
            if found["small"]:
                print(f"{found['id']}: runs with p < 0.05: {found['small']}")
            if found["alone"]:
                print(f"{found['id']}: of {min(seeds, FITS)}, convicted by: {found['alone']}")
    if out is not None:
        out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return int(missed)


def judge(
    control: Control, domain: Domain, rows: Codes, seeds: int, family: Sequence[Attack]
) -> Outcome:
    """Run one control over all its seeds."""
    if control.claim is not None:
        family = suite.output_attacks(claim=control.claim)
    if control.generator is not None or control.inspect is not None or control.fits:
        seeds = min(seeds, FITS)
    if control.inspect is not None:
        worlds = (draw(domain, rows, seed) for seed in range(seeds))
        found = sum(control.inspect(domain, world.data.train, world.seed) for world in worlds)
        return _outcome(control, seeds, found, [])
    own = {attack.name: attack for attack in family}
    judges: list[Attack] = [own[name] for name in control.detectors if name in own]
    if control.generator is not None:
        judges = [control.generator(domain)]
    absent = bool(control.detectors) and not judges
    convicted, firsts, small, alone = 0, [], dict.fromkeys(own, 0), dict.fromkeys(own, 0)
    for seed in range(0 if absent else seeds):
        world = draw(domain, rows, seed)
        given = world.data if control.attack is None else control.attack(world)
        if judges:
            level = ALPHA if control.generator else ALPHA / len(family)
            results = [judge.run(given, seed) for judge in judges]
            convicted += any(_convicts(r, level, low_auc=control.low_auc) for r in results)
            for attack in own.values() if control.every and seed < FITS else ():
                alone[attack.name] += _convicts(attack.run(given, seed), level, low_auc=False)
        else:
            results = [
                r
                for r in attacks.run(given, seed=seed, attacks=family)
                if r.name not in attacks.CONTROLS
            ]
            convicted += any(r.verdict is AttackVerdict.LEAK_FOUND for r in results)
            for result in results:
                small[result.name] += result.p_value is not None and result.p_value < 0.05
        firsts.append(results[0])
    return replace(
        _outcome(control, 0 if absent else seeds, convicted, firsts),
        small={} if judges or absent else small,
        alone=alone if control.every else {},
    )


def draw(domain: Domain, rows: Codes, seed: int) -> World:
    """Split a real table at random: members, non-members, and other rows as harmless output."""
    order = np.random.default_rng([seed, _SPLIT]).permutation(len(rows))
    held = min(NON_MEMBERS, len(rows) // 2)
    members = min(MEMBERS, len(rows) // 4)
    return World(
        data=AttackData(
            domain=domain,
            train=rows[order[:members]],
            holdout=rows[order[members : members + held]],
            synthetic=rows[order[members + held : 2 * members + held]],
        ),
        seed=seed,
    )


def load(data: Path, name: str) -> tuple[Domain, Codes] | None:
    """Return domain and all rows of ``adult``, ``acs`` or ``randhie``; None where it is absent."""
    if name == "randhie":
        return _randhie()
    benchmark = coded.load(data, name)
    if benchmark is None:
        return None
    parts = [part.to_numpy(dtype=np.int64) for part in (benchmark.train, benchmark.test)]
    return benchmark.domain, np.concatenate(parts)


def _randhie() -> tuple[Domain, Codes] | None:
    """The RAND Health Insurance Experiment as statsmodels ships it, coded by its own values."""
    try:
        from statsmodels.datasets import randhie
    except ImportError:
        return None
    frame = randhie.load_pandas().data
    codes, sizes = [], {}
    for name in frame:
        found, code = np.unique(frame[name].to_numpy().round(2), return_inverse=True)
        codes.append(code)
        sizes[str(name)] = len(found)
    domain = Domain.from_sizes(sizes, ordered=[n for n in sizes if sizes[n] > 10])
    return domain, np.stack(codes, axis=1)


def _convicts(result: AttackResult, level: float, *, low_auc: bool) -> bool:
    if result.p_value is None or result.p_value >= level:
        return False
    return not low_auc or (result.interval is not None and result.interval.low > _LOW)


def _outcome(control: Control, seeds: int, convicted: int, firsts: list[AttackResult]) -> Outcome:
    interval = clopper_pearson(convicted, max(1, seeds)) if seeds else None
    share = convicted / seeds if seeds else None
    met: bool | None = None
    if not control.detectors and share is not None:
        required, met = "at most 1 %", share <= 0.01
    elif control.required is None:
        required = "reported"
    else:
        required = f"at least {control.required:.0%}"
        met = share is not None and share >= control.required
    values = [r.value for r in firsts if control.detectors and r.value is not None]
    rates = [r.details.get("tpr_at_01_percent_fpr") for r in firsts if control.detectors]
    numbers = [rate for rate in rates if isinstance(rate, float)]
    return Outcome(
        id=control.id,
        title=control.title,
        detectors=control.detectors,
        seeds=seeds,
        convicted=convicted,
        low=interval.low if interval else 0.0,
        high=interval.high if interval else 1.0,
        required=required,
        met=met,
        value=float(np.mean(values)) if values else None,
        tpr=float(np.mean(numbers)) if numbers else None,
        small={},
        alone={},
    )


def _line(outcome: Outcome, seconds: float) -> str:
    met = {True: "yes", False: "NO", None: "-"}[outcome.met]
    cells = (
        f"{outcome.id} {outcome.title}",
        " or ".join(outcome.detectors) or "any",
        f"{outcome.convicted} of {outcome.seeds}" if outcome.seeds else "detector not in the suite",
        f"{outcome.low:.3f} to {outcome.high:.3f}" if outcome.seeds else "-",
        outcome.required,
        met,
        "-" if outcome.value is None else f"{outcome.value:.3f}",
        "-" if outcome.tpr is None else f"{outcome.tpr:.4f}",
        f"{seconds:.0f}",
    )
    return "| " + " | ".join(cells) + " |"
