"""The audit: measured against claimed, once more where the claim seems refuted, and controls.

A claim is rejected where two samples of runs, made one after the other, each refute it at 99 %. So
a sound mechanism is rejected in one audit of 10,000 at most, however close it comes to its claim.
Silence says something only beside a planted fault that is found: noise at a fraction of its scale,
in as many runs as that needs.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context

import numpy as np

from dpsynth.auditing.bound import (
    LEVEL,
    choose_threshold,
    count_hits,
    detectable_mu,
    needed_runs,
    pilot_runs,
)
from dpsynth.auditing.claim import claimed_mu, gdp_epsilon
from dpsynth.auditing.report import Control, Finding, Limit, MethodAudit, Report, Verdict
from dpsynth.auditing.runs import Scores, Setup, View, draw
from dpsynth.auditing.worlds import make_worlds
from dpsynth.errors import InputError
from dpsynth.privacy.accountant import epsilon as epsilon_of
from dpsynth.privacy.accountant import rho_for
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import MAX_RHO
from dpsynth.privacy.curve import zcdp_profile
from dpsynth.synth.api import Synthesizer
from dpsynth.synth.registry import ADAPTERS, METHODS, find, make

MIN_RUNS = 100
SAMPLES = 2  #: samples that refute before a claim is rejected
POWER = 0.8  #: probability at which a detection limit is stated
_CONTROL_POWER = 0.9999
_CONTROL_RUNS = 200  # fewer save nothing
_FACTORS = (2, 4, 8, 16, 32)

#: Methods whose every answer the audit can weigh.
AUDITED = tuple(name for name, method in METHODS.items() if not method.trains)

Draw = Callable[[Setup, int, str], Scores]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be audited.

    Attributes:
        budget: The claim.
        methods: Registered names; by default all that do not train on samples.
        pair: Name of the pair of tables; by default ``crossed``, or ``lone`` for the view of the
            table alone, in which a unit shows most where nobody else is.
        view: What the attacker sees.
        runs: Runs in each world, at least 100.
        columns: Columns of the tables, 1 to 4.
        max_rows: Rows of the unit.
        seed: Seed of the tables; a random one by default. Noise has none.
        self_check: Plant further faults, and none at all, with as many runs each.
        jobs: Processes, at least 1.
    """

    budget: Budget
    methods: Sequence[str] = AUDITED
    pair: str | None = None
    view: View = View.TRANSCRIPT
    runs: int = 2000
    columns: int = 3
    max_rows: int = 1
    seed: int = field(default_factory=lambda: secrets.randbits(63))
    self_check: bool = False
    jobs: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be run.

        Raises:
            InputError: There are too few runs, no method, or one that cannot be audited.
        """
        if self.runs < MIN_RUNS:
            raise InputError(f"must be at least {MIN_RUNS}.", where="runs")
        if not self.methods:
            raise InputError("There is no method to audit.", where="methods")


def _audited(name: str) -> Synthesizer:
    """Return a method whose answers an audit can weigh.

    Raises:
        InputError: It has no guarantee, hands rows to a program that answers in its own way, or
            trains.
    """
    if find(name).trains:
        raise InputError(
            "trains on samples, which this audit does not weigh.",
            where=f"method {name}",
            fix="Its trainer is audited by the tests of the program, see docs/audit.md.",
        )
    if name in ADAPTERS or not find(name).protected:
        raise InputError(
            "gets rows and asks the Curator for no answer that could be weighed.",
            where=f"method {name}",
            fix=f"Methods that can be audited: {', '.join(AUDITED)}.",
        )
    return make(name, find(name).quick)


def audit(plan: Plan, *, progress: Callable[[str], None] = lambda text: None) -> Report:
    """Audit methods on made-up neighbouring tables; nothing is read or spent.

    Args:
        plan: What is to be audited.
        progress: Called with a line of text now and then.

    Raises:
        InputError: A method, a pair or a number cannot be used.
    """
    methods = {name: _audited(name) for name in plan.methods}
    with _pool(plan.jobs) as pool:
        audits = [
            audit_method(plan, name, synthesizer, pool=pool, progress=progress)
            for name, synthesizer in methods.items()
        ]
    return Report(
        audits=tuple(audits),
        epsilon=plan.budget.epsilon,
        delta=plan.budget.delta,
        runs=plan.runs,
        max_rows=plan.max_rows,
        columns=plan.columns,
        seed=plan.seed,
    )


def audit_method(
    plan: Plan,
    name: str,
    synthesizer: Synthesizer,
    *,
    pool: Executor | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> MethodAudit:
    """Audit one method, which need not be registered.

    Args:
        plan: What is to be audited; its methods do not matter.
        name: What the method is called.
        synthesizer: The method.
        pool: Runs fits in other processes.
        progress: Called with a line of text now and then.
    """
    start = time.monotonic()
    rho = rho_for(plan.budget)
    pair = plan.pair or ("crossed" if plan.view is View.TRANSCRIPT else "lone")
    worlds = make_worlds(pair, columns=plan.columns, seed=plan.seed, max_rows=plan.max_rows)
    synthesizer.plan(worlds.tables[0].domain, rho)  # refuses what cannot work
    setup = Setup(synthesizer=synthesizer, worlds=worlds, rho=rho, view=plan.view)

    def run(what: Setup, runs: int, title: str) -> Scores:
        return draw(what, runs, pool=pool, tell=_teller(progress, f"{name}: {title}", 2 * runs))

    first = run(setup, plan.runs, "runs")
    claimed = claimed_mu(rho, first.selections)
    finding = judge(setup, first, claimed, run)
    controls: list[Control] = []
    if not finding.refuted:
        controls.append(_noise_control(setup, finding, plan.runs, run))
    if plan.self_check:
        controls += _self_check(plan, setup, claimed, run)
    limit = _limit(plan.budget, rho, finding)
    verdict, reason = _verdict(finding, limit, controls)
    false_alarms = np.array([finding.hits.false_alarms / finding.hits.runs])
    return MethodAudit(
        method=name,
        pair=pair,
        view=plan.view,
        rho=rho,
        selections=first.selections,
        finding=finding,
        epsilon_bound=gdp_epsilon(finding.hits.mu_bound(), plan.budget.delta),
        certified_hit_rate=float(zcdp_profile(rho).hit_rates(false_alarms)[0]),
        limit=limit,
        controls=tuple(controls),
        verdict=verdict,
        reason=reason,
        seconds=time.monotonic() - start,
    )


def judge(setup: Setup, first: Scores, claimed: float, run: Draw) -> Finding:
    """Judge scores, and make as many again where they refute the claim.

    Args:
        setup: What was run.
        first: Its scores; a part of them fixes the threshold.
        claimed: The mu that was claimed.
        run: Makes runs: what, how many in each world, and a title.
    """
    pilot = pilot_runs(len(first.without))
    threshold = choose_threshold(first.without[:pilot], first.with_unit[:pilot])
    hits = count_hits(first.without[pilot:], first.with_unit[pilot:], threshold)
    samples, refuted = 1, hits.p_value(claimed) <= LEVEL
    while refuted and samples < SAMPLES:
        more = run(setup, len(first.without), "runs once more, to confirm")
        hits = count_hits(more.without, more.with_unit, threshold)
        samples, refuted = samples + 1, hits.p_value(claimed) <= LEVEL
    return Finding(
        hits=hits, threshold=threshold, samples=samples, claimed=claimed, refuted=refuted
    )


def _noise_control(setup: Setup, finding: Finding, most: int, run: Draw) -> Control:
    """Plant the fault that so many runs can see: a fit that spends more than is claimed.

    At ``factor**2`` times its rho every scale of a fit is divided by the factor.
    """
    apart = _apart(finding)
    needs = {
        factor: needed_runs(finding.claimed, factor * apart, _CONTROL_POWER, SAMPLES)
        for factor in _FACTORS
        if factor**2 * setup.rho <= MAX_RHO
    }
    seen = [factor for factor, runs in needs.items() if runs + pilot_runs(most) <= most]
    factor = seen[0] if seen else max(needs)
    runs = min(most, max(_CONTROL_RUNS, needs[factor] + pilot_runs(most)))
    return _control(
        replace(setup, rho=factor**2 * setup.rho),
        finding.claimed,
        run,
        runs=runs,
        name="noise",
        title=f"every noise scale at 1/{factor} of what is claimed",
        needed=True,
    )


def _self_check(plan: Plan, setup: Setup, claimed: float, run: Draw) -> Iterator[Control]:
    """Plant further faults, and none at all."""
    worlds = {
        units: make_worlds(
            setup.worlds.pair,
            columns=plan.columns,
            seed=plan.seed,
            max_rows=plan.max_rows,
            units=units,
        )
        for units in (0, 2)
    }
    yield _control(
        replace(setup, worlds=worlds[0]),
        claimed,
        run,
        runs=plan.runs,
        name="alike",
        title="no fault, and no unit: both tables are alike",
        expected=False,
        needed=True,
    )
    yield _control(
        replace(setup, worlds=worlds[2]),
        claimed,
        run,
        runs=plan.runs,
        name="sensitivity",
        title="sensitivity understated 2x: the unit has twice the rows that are claimed",
    )
    for factor in (2, 4):
        more = Budget(epsilon=factor * plan.budget.epsilon, delta=plan.budget.delta)
        yield _control(
            replace(setup, rho=rho_for(more)),
            claimed,
            run,
            runs=plan.runs,
            name=f"epsilon {factor}x",
            title=f"epsilon understated {factor}x",
        )


def _control(
    setup: Setup,
    claimed: float,
    run: Draw,
    *,
    runs: int,
    name: str,
    title: str,
    expected: bool = True,
    needed: bool = False,
) -> Control:
    """Audit a planted case against the claim of the honest one."""
    finding = judge(setup, run(setup, runs, f"control {name}"), claimed, run)
    return Control(name=name, title=title, expected=expected, needed=needed, finding=finding)


def _apart(finding: Finding) -> float:
    """Return how far apart an honest fit puts the worlds: as measured, or as claimed if less."""
    return min(finding.hits.mu, finding.claimed)


def _limit(budget: Budget, rho: float, finding: Finding) -> Limit | None:
    """Return by how much noise or epsilon must be misstated to be seen.

    What the worlds are apart by grows as the noise shrinks, so the factor is the mu that would be
    seen over the mu that was measured.
    """
    hits = finding.hits
    if hits.mu_bound() == 0.0:
        return None
    seen = detectable_mu(finding.claimed, hits.runs, POWER, SAMPLES)
    factor = max(1.0, seen / _apart(finding))
    if not np.isfinite(factor):
        return None
    less = epsilon_of(rho * factor**2, budget.delta) / epsilon_of(rho, budget.delta)
    return Limit(sigma=factor, epsilon=less)


def _verdict(
    finding: Finding, limit: Limit | None, controls: Sequence[Control]
) -> tuple[Verdict, str]:
    """Return the verdict and its reason."""
    measured = (
        f"mu is at least {finding.hits.mu_bound():.3f}, claimed to be at most {finding.claimed:.3f}"
    )
    if finding.refuted:
        return Verdict.REJECTED, f"{measured}: the answers tell more than was charged for"
    failed = [control.title for control in controls if control.needed and not control.passed]
    if failed:
        return (
            Verdict.INCONCLUSIVE,
            f"a control failed ({'; '.join(failed)}), so that silence says nothing: make more runs",
        )
    if limit is None:
        return Verdict.INCONCLUSIVE, "the worlds could not be told apart at all: make more runs"
    again = ", but not in the runs that were made to confirm it" if finding.samples > 1 else ""
    return (
        Verdict.CONSISTENT,
        f"{measured}{again}; these runs could have seen noise at 1/{limit.sigma:.2f} of its "
        f"scale, that is epsilon understated {limit.epsilon:.2f}x",
    )


def _teller(progress: Callable[[str], None], title: str, total: int) -> Callable[[int], None]:
    """Return a callback that tells every tenth of the way."""
    shown = -1

    def tell(done: int) -> None:
        nonlocal shown
        if 10 * done // total > shown:
            shown = 10 * done // total
            progress(f"{title}: {done:,} of {total:,} fits")

    return tell


@contextmanager
def _pool(jobs: int) -> Iterator[Executor | None]:
    """Yield what runs batches in other processes; None for one process."""
    if jobs == 1:
        yield None
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield pool
