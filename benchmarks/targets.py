"""``python -m benchmarks targets``: which attack convicts which generator, and how surely.

Other programs as targets, each in an environment of its own, with our own engine beside them, as it
is and with a planted fault. Five questions:

- *unique category*: does a value that one person alone has turn up in the output because of that
  person? 15 fits with the person and as many without, on 1,000 rows of five columns of Adult.
  Columns of peers are named as categorical and their preprocessor gets no budget, its default;
- *quick suite*: the attacks of every release on Adult, one fit of 39,074 rows, 9,768 held out;
- *over-fitted GAN*: the same attacks on a GAN without any privacy, trained long on 500 rows;
- *inspection*: what a GAN's own accountant says at its end, and how many discriminators exist where
  teachers and a student are claimed;
- *mechanism audit*: all answers of our engine on made-up neighbours, also with every scale of the
  noise halved behind the accountant's back.

A conviction is p < 0.001 (0.01, twice in a row, for the audit; an inspection has no chance in it).
No conviction is no evidence of privacy. Noise has no seed; figures differ a little from run to run.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from dpsynth.attacks.api import ALPHA, AttackData, Generate
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.probe import UniqueCategory
from dpsynth.attacks.stats import fisher_p
from numpy.typing import NDArray

from benchmarks import coded, peers
from benchmarks.own import own_generator
from benchmarks.threads import one_thread
from dpsynth import attacks
from dpsynth.auditing import Plan, Verdict, audit
from dpsynth.privacy import curator as curator_module
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.mechanisms import gaussian_rho
from dpsynth.privacy.noise import gaussian
from dpsynth.results import AttackVerdict
from dpsynth.schema.domain import Domain

PARTS = ("suite", "overfitted", "audit", "category")
OWN = "dpsynth cliquetree"
_DELTA = 1e-9
_COLUMNS = ("education-num", "marital-status", "race", "sex", "income>50K")
_ROWS = 1000
_RUNS = 15  # in each world: 14 can refute a claim of epsilon 0.3, 25 one of 1
_FEW, _EPOCHS = 500, 3000  # rows and epochs of the GAN that is to over-fit
_AUDIT = Budget(epsilon=1.0, delta=1e-2)

_GAN = """
def fit_and_sample(train, settings):
    import importlib, json
    from snsynth import Synthesizer
    module = importlib.import_module("snsynth.pytorch.nn." + settings["method"])
    made, begin = [], module.Discriminator.__init__
    def counted(self, *given, **named):
        made.append(self)
        begin(self, *given, **named)
    module.Discriminator.__init__ = counted
    names = list(train.columns)
    gan = Synthesizer.create(settings["method"], epsilon=settings["epsilon"],
                             delta=settings["delta"])
    gan.fit(train, categorical_columns=names, preprocessor_eps=0.0)
    module.Discriminator.__init__ = begin
    facts = {"discriminators": len(made), "teachers": getattr(gan, "num_teachers", None),
             "epsilon": [float(e) for e in getattr(gan, "epsilon_list", [])][-1:]}
    with open(settings["facts"], "a") as log:
        log.write(json.dumps(facts) + chr(10))
    return gan.sample(len(train))[names].astype(int)
"""

_OVERFITTED = """
def fit_and_sample(train, settings):
    from snsynth import Synthesizer
    names = list(train.columns)
    gan = Synthesizer.create("dpctgan", epsilon=1.0, disabled_dp=True, verbose=False,
                             epochs=settings["epochs"], batch_size=100, discriminator_lr=1e-3)
    gan.fit(train, categorical_columns=names, preprocessor_eps=0.0)
    return gan.sample(settings["rows"])[names].astype(int)
"""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table.

    Attributes:
        target: What was attacked.
        claimed: Its epsilon; infinity where nothing is claimed.
        attack: What attacked it.
        found: What was seen, in words.
        p_value: Of "no leak"; None where nothing was tested.
        p_claim: Of the claimed epsilon and delta; None where it was not tested.
        verdict: "convicted", "not convicted", "inconclusive" or "not run".
        cpu: CPU-seconds of this process and its children, fits included; None where none was run.
    """

    target: str
    claimed: float
    attack: str
    found: str
    p_value: float | None = None
    p_claim: float | None = None
    verdict: str
    cpu: float | None = None


def run(*, data: Path, parts: Sequence[str], out: Path | None) -> int:
    """Print the table; returns 1 if our own engine is convicted, or its faulty twin is not.

    Args:
        data: Folder of tables.
        parts: Which of `PARTS`.
        out: File for the figures as JSON, or None.
    """
    one_thread()
    benchmark = coded.load(data, "adult")
    if benchmark is None:
        print("skipped: the table adult, or bench/score.py beside it, is not there.")
        return 0
    made: dict[str, Callable[[], Iterator[Line]]] = {
        "category": lambda: _category(benchmark),
        "suite": lambda: _suite(benchmark),
        "overfitted": lambda: _overfitted(benchmark),
        "audit": _audit,
    }
    print("| target | claimed epsilon | attack | found | p | p of the claim | verdict | CPU s |")
    print("| --- " * 8 + "|")
    lines = []
    for part in PARTS:
        if part in parts:
            for line in made[part]():
                print(_cells(line), flush=True)
                lines.append(line)
    if out is not None:
        out.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n", "utf-8")
    faulty = [line for line in lines if "halved" in line.target]
    own = [line for line in lines if line.target.startswith("dpsynth") and line not in faulty]
    wrong = [line for line in own if line.verdict != "not convicted"]
    return int(bool(wrong) or any(line.verdict != "convicted" for line in faulty))


def small_table(benchmark: coded.Benchmark) -> tuple[Domain, NDArray[np.int64]]:
    """Return five columns of Adult and all its training rows."""
    at = [benchmark.domain.names.index(name) for name in _COLUMNS]
    domain = Domain(tuple(benchmark.domain.attributes[j] for j in at))
    return domain, benchmark.train.to_numpy(dtype=np.int64)[:, at]


def _category(benchmark: coded.Benchmark) -> Iterator[Line]:
    """The probe on every generator; a GAN is also asked what its last fit held."""
    domain, rows = small_table(benchmark)
    given = AttackData(
        domain=domain, train=rows[:_ROWS], holdout=rows[_ROWS : 2 * _ROWS], synthetic=rows[:_ROWS]
    )
    for epsilon in (0.3, 1.0):
        started = _cpu()
        budget = Budget(epsilon=epsilon, delta=_DELTA)
        own = own_generator(domain, "cliquetree", budget)
        line = _probed(OWN, epsilon, own, given)
        yield replace(line, cpu=_cpu() - started)
    for method, epsilon in (("dpctgan", 1.0), ("patectgan", 1.0), ("mst", 0.3)):
        peer = peers.smartnoise(method) if method == "mst" else peers.smartnoise(method, _GAN)
        with tempfile.TemporaryDirectory() as scratch:
            facts = Path(scratch) / "facts.jsonl"
            settings = {
                "epsilon": epsilon, "delta": _DELTA, "columns": list(_COLUMNS), "facts": str(facts)
            }  # fmt: skip
            started = _cpu()
            try:
                with peers.serve(peer, settings, Path(scratch)) as generate:
                    line = _probed(peer.name, epsilon, generate, given)
            except peers.PeerError as error:
                yield Line(
                    target=peer.name, claimed=epsilon, attack="unique category",
                    found=str(error), verdict="not run",
                )  # fmt: skip
                continue
            yield replace(line, cpu=_cpu() - started)
            if facts.is_file():
                found = [json.loads(line) for line in facts.read_text().splitlines()]
                yield _inspected(peer, epsilon, found)


def _probed(target: str, epsilon: float, generate: Generate, given: AttackData) -> Line:
    probe = UniqueCategory(
        generate=generate, runs=_RUNS, claim=Claim(epsilon=epsilon, delta=_DELTA)
    )
    result = probe.run(given, seed=1)
    hits = [int(str(result.details[key])) for key in ("hits_with", "hits_without")]
    p_value = fisher_p(hits[0], _RUNS, hits[1], _RUNS)
    return Line(
        target=target, claimed=epsilon, attack="unique category",
        found=f"in {hits[0]} of {_RUNS} outputs with the person, {hits[1]} of {_RUNS} without",
        p_value=p_value, p_claim=result.p_value, verdict=_word(p_value < ALPHA),
    )  # fmt: skip


def _inspected(peer: peers.Peer, epsilon: float, facts: list[dict[str, Any]]) -> Line:
    """What the objects of a GAN say: its own accountant, or how many networks there were."""
    if peer.method == "dpctgan":
        spent = sorted(fact["epsilon"][0] for fact in facts)
        return Line(
            target=peer.name, claimed=epsilon, attack="inspection: its accountant at the end",
            found=f"epsilon {spent[0]:.2f} to {spent[-1]:.2f} spent in {len(spent)} fits",
            verdict=_word(spent[0] > epsilon),
        )  # fmt: skip
    least = min(fact["teachers"] + 1 - fact["discriminators"] for fact in facts)
    return Line(
        target=peer.name, claimed=epsilon, attack="inspection: its networks",
        found=f"discriminators made for {facts[0]['teachers']} teachers and a student: "
        f"{facts[0]['discriminators']}, in each of {len(facts)} fits",
        verdict=_word(least > 0),
    )  # fmt: skip


def _suite(benchmark: coded.Benchmark) -> Iterator[Line]:
    """The quick suite on one fit of Adult each."""
    train, holdout = (part.to_numpy(dtype=np.int64) for part in (benchmark.train, benchmark.test))
    budget = Budget(epsilon=1.0, delta=_DELTA)
    started = _cpu()
    own = own_generator(benchmark.domain, "cliquetree", budget)(train, 1)
    yield _attacked(OWN, benchmark, train, holdout, own, started)
    peer = peers.smartnoise("mst")
    with tempfile.TemporaryDirectory() as scratch:
        started = _cpu()
        settings = {"epsilon": 1.0, "delta": _DELTA, "columns": list(benchmark.domain.names)}
        try:
            with peers.serve(peer, settings, Path(scratch)) as generate:
                made = generate(train, 0)
        except peers.PeerError as error:
            yield Line(
                target=peer.name, claimed=1.0, attack="quick suite", found=str(error),
                verdict="not run",
            )  # fmt: skip
            return
        yield _attacked(peer.name, benchmark, train, holdout, made, started)


def _overfitted(benchmark: coded.Benchmark) -> Iterator[Line]:
    """The quick suite on a GAN that had few rows and much time."""
    train, holdout = (part.to_numpy(dtype=np.int64) for part in (benchmark.train, benchmark.test))
    peer = peers.smartnoise("dpctgan", _OVERFITTED)
    target = f"{peer.name}, no noise, {_FEW} rows, {_EPOCHS:,} epochs"
    settings = {"columns": list(benchmark.domain.names), "epochs": _EPOCHS, "rows": 4 * _FEW}
    started = _cpu()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with peers.serve(peer, settings, Path(scratch)) as generate:
                made = generate(train[:_FEW], 0)
        except peers.PeerError as error:
            yield Line(
                target=target, claimed=math.inf, attack="quick suite", found=str(error),
                verdict="not run",
            )  # fmt: skip
            return
    line = _attacked(target, benchmark, train[:_FEW], holdout[: 4 * _FEW], made, started)
    yield replace(line, claimed=math.inf)


def _attacked(
    target: str,
    benchmark: coded.Benchmark,
    train: NDArray[np.int64],
    holdout: NDArray[np.int64],
    synthetic: NDArray[np.integer[Any]],
    started: float,
) -> Line:
    given = AttackData(domain=benchmark.domain, train=train, holdout=holdout, synthetic=synthetic)
    results = attacks.run(given, seed=1)
    findings = [r for r in results if r.name not in attacks.CONTROLS]
    leaks = [r.name for r in findings if r.verdict is AttackVerdict.LEAK_FOUND]
    no_answer = (AttackVerdict.INCONCLUSIVE, AttackVerdict.NOT_RUN)
    silent = [r.name for r in results if r.verdict in no_answer]
    # The columns of this table are too coarse for values that occur once.
    blind = set(silent) - {"singling_out_univariate"}
    adjusted = [float(str(r.details["p_holm"])) for r in findings if "p_holm" in r.details]
    words = ", ".join(leaks) or f"none of {len(findings)} attacks found a leak"
    return Line(
        target=target, claimed=1.0, attack="quick suite",
        found=words + (f"; inconclusive or not run: {', '.join(silent)}" if silent else ""),
        p_value=min(adjusted, default=None),
        verdict="convicted" if leaks else "inconclusive" if blind else "not convicted",
        cpu=_cpu() - started,
    )  # fmt: skip


def _audit() -> Iterator[Line]:
    """The mechanism audit of our Curator's noise as it is, and with every scale halved."""

    def halved(
        counts: NDArray[np.int64], sigma: float, sensitivity: float
    ) -> tuple[NDArray[np.int64], float]:
        return gaussian(counts, sigma / 2.0, sensitivity)[0], gaussian_rho(sigma, sensitivity)

    for target, noise in (("independent", gaussian), ("independent, sigma halved", halved)):
        started = _cpu()
        with mock.patch.object(curator_module, "gaussian", noise):
            plan = Plan(budget=_AUDIT, methods=("independent",), columns=1, runs=2000, seed=1)
            audited = audit(plan).audits[0]
        found = audited.finding
        yield Line(
            target=f"dpsynth {target}", claimed=_AUDIT.epsilon, attack="mechanism audit",
            found=f"mu at least {found.hits.mu_bound():.2f} at 99 %, claimed "
            f"{found.claimed:.2f}; {plan.runs:,} runs a world",
            p_claim=found.hits.p_value(found.claimed),
            verdict={
                Verdict.REJECTED: "convicted",
                Verdict.CONSISTENT: "not convicted",
                Verdict.INCONCLUSIVE: "inconclusive",
            }[audited.verdict],
            cpu=_cpu() - started,
        )  # fmt: skip


def _word(convicted: bool) -> str:
    return "convicted" if convicted else "not convicted"


def _cpu() -> float:
    """CPU-seconds of this process and of children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _cells(line: Line) -> str:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.1g}"

    cells = (
        line.target, f"{line.claimed:g}", line.attack, line.found, number(line.p_value),
        number(line.p_claim), line.verdict, "-" if line.cpu is None else f"{line.cpu:.0f}",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"
