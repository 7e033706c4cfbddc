"""The audit of methods: fits on two made-up tables, or the trainer of a method on canaries."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from multiprocessing import get_context

from dpsynth.auditing.claim import TradeOff, claimed_mu
from dpsynth.auditing.judge import Judged, Planted, S, weigh
from dpsynth.auditing.report import MethodAudit, Report
from dpsynth.auditing.runs import Scores, Setup, View, draw
from dpsynth.auditing.worlds import make_worlds
from dpsynth.errors import InputError
from dpsynth.exact import gdp_epsilon
from dpsynth.privacy.budget import MAX_EPSILON, Budget
from dpsynth.privacy.conversion import renyi_order
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.curve import zcdp_profile
from dpsynth.privacy.numbers import float_up
from dpsynth.privacy.sampled import SampledSteps, release_steps
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Synthesizer, Trains
from dpsynth.synth.registry import ADAPTERS, METHODS, candidates_of, find, make

MIN_RUNS = 100
CANARIES = "canaries"  #: what stands for the pair of tables where a trainer is audited

#: Methods that are audited unless others are named: those that do not train on samples.
AUDITED = tuple(name for name, method in METHODS.items() if not method.trains)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be audited.

    Attributes:
        budget: The claim.
        methods: Registered names; by default all that do not train on samples.
        pair: Name of the pair of tables; by default ``crossed``, or ``lone`` for the view of the
            table alone, in which a unit shows most where nobody else is. None for methods that
            train: their trainer is audited on canaries.
        view: What the attacker sees.
        runs: Runs in each world, at least 100; of a trainer, directions in each.
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
    """Return a method that an audit can weigh.

    Raises:
        InputError: It has no guarantee, or hands rows to a program that answers in its own way.
    """
    method = find(name)
    if name in ADAPTERS or not method.protected:
        raise InputError(
            "gets rows and asks the Curator for no answer that could be weighed.",
            where=f"method {name}",
            fix=f"Methods that can be audited: {', '.join(METHODS)}.",
        )
    made = make(name, {})
    return made if isinstance(made, Trains) else make(name, method.quick)


def audit(plan: Plan, *, progress: Callable[[str], None] = lambda text: None) -> Report:
    """Audit methods on made-up neighbouring tables; nothing is read or spent.

    Args:
        plan: What is to be audited.
        progress: Called with a line of text now and then.

    Raises:
        InputError: A method, a pair or a number cannot be used.
    """
    methods = {name: _audited(name) for name in plan.methods}
    for name, synthesizer in methods.items():
        _check(plan, name, synthesizer)
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
    _check(plan, name, synthesizer)
    tell = _Teller(name, progress)
    if isinstance(synthesizer, Trains):
        found = _audit_trainer(plan, name, synthesizer, pool, tell)
    else:
        found = _audit_fits(plan, name, synthesizer, pool, tell)
    names = candidates_of(synthesizer)
    return replace(found, candidates=names, seconds=time.monotonic() - start)


def _check(plan: Plan, name: str, synthesizer: Synthesizer) -> None:
    """Refuse what cannot work, before anything runs.

    Raises:
        InputError: The method trains, and a pair of tables or the view of the table was asked for;
            there is no such pair; or the method refuses tables or budget.
        MissingExtraError: What it needs is not installed.
    """
    if isinstance(synthesizer, Trains) and (plan.pair or plan.view is not View.TRANSCRIPT):
        raise InputError(
            "trains: its trainer is audited on canaries, by its noisy gradients.",
            where=f"method {name}",
            fix="Leave out --pair and --black-box, or audit another method.",
        )
    synthesizer.plan(_domain(plan), rho_for(plan.budget))


def _domain(plan: Plan) -> Domain:
    """Return the domain of the made-up tables."""
    pair = plan.pair or "lone"
    return make_worlds(pair, columns=plan.columns, seed=plan.seed).tables[0].domain


def _audit_fits(
    plan: Plan, name: str, synthesizer: Synthesizer, pool: Executor | None, tell: _Teller
) -> MethodAudit:
    """Audit the fits of a method on two tables."""
    rho = rho_for(plan.budget)
    pair = plan.pair or ("crossed" if plan.view is View.TRANSCRIPT else "lone")
    worlds = make_worlds(pair, columns=plan.columns, seed=plan.seed, max_rows=plan.max_rows)
    setup = Setup(synthesizer=synthesizer, worlds=worlds, rho=rho, view=plan.view)

    def run(what: Setup, runs: int, title: str) -> Scores:
        return draw(what, runs, pool=pool, tell=tell(title, 2 * runs, "fits"))

    def planted(units: int) -> Setup:
        return replace(
            setup,
            worlds=make_worlds(
                pair, columns=plan.columns, seed=plan.seed, max_rows=plan.max_rows, units=units
            ),
        )

    def further() -> Iterator[Planted[Setup]]:
        yield _alike(planted(0))
        yield Planted(
            name="sensitivity",
            title="sensitivity understated 2x: the unit has twice the rows that are claimed",
            subject=planted(2),
        )
        for factor, budget in _times(plan.budget):
            yield _understated(factor, replace(setup, rho=rho_for(budget)))

    first = run(setup, plan.runs, "runs")
    found = weigh(
        setup, first, TradeOff.gaussian(claimed_mu(rho, first.selections)), run,
        delta=plan.budget.delta, further=further() if plan.self_check else (),
    )  # fmt: skip
    hits = found.finding.hits
    return _method_audit(
        name, found, pair=pair, view=plan.view, rho=rho, selections=first.selections,
        epsilon_bound=gdp_epsilon(hits.mu_bound(), plan.budget.delta, side="below"),
        certified=TradeOff(hit_rates=zcdp_profile(rho).hit_rates),
    )  # fmt: skip


def _audit_trainer(
    plan: Plan, name: str, synthesizer: Trains, pool: Executor | None, tell: _Teller
) -> MethodAudit:
    """Audit the trainer of a method, with its rate and steps and the noise of the budget."""
    domain = _domain(plan)
    from dpsynth.auditing.trainer import Canaries, train

    canaries = Canaries.of(
        _steps(synthesizer, domain, plan.budget),
        renyi_order(rho_for(plan.budget), plan.budget.delta),
        max_rows=plan.max_rows,
    )

    def run(what: Canaries, runs: int, title: str) -> Scores:
        return train(what, runs, pool=pool, tell=tell(title, 2 * runs, "directions"))

    def further() -> Iterator[Planted[Canaries]]:
        yield _alike(replace(canaries, units=0))
        yield Planted(
            name="sensitivity",
            title="sensitivity understated 2x: two units share a direction",
            subject=replace(canaries, units=2),
        )
        for factor, budget in _times(plan.budget):
            steps = _steps(synthesizer, domain, budget)
            yield _understated(factor, replace(canaries, steps=steps))

    claim = canaries.claim()
    found = weigh(
        canaries, run(canaries, plan.runs, "runs"), claim, run,
        delta=plan.budget.delta, further=further() if plan.self_check else (),
    )  # fmt: skip
    return _method_audit(
        name, found, pair=CANARIES, view=plan.view, rho=canaries.steps.rho(canaries.order),
        selections=0.0, epsilon_bound=found.finding.hits.epsilon_bound(plan.budget.delta),
        certified=claim, training=canaries.steps,
    )  # fmt: skip


def _steps(synthesizer: Trains, domain: Domain, budget: Budget) -> SampledSteps:
    """Return the steps of a release at a budget."""
    rho = rho_for(budget)
    asked = synthesizer.training(domain, rho)
    return release_steps(
        asked.sampling_rate,
        asked.steps,
        rho=asked.rho,
        order=renyi_order(rho, budget.delta),
        zcdp_rho=float_up(Fraction(rho) - Fraction(asked.rho)),
        epsilon=budget.epsilon,
        delta=budget.delta,
    )


def _method_audit(
    name: str,
    found: Judged,
    *,
    pair: str,
    view: View,
    rho: float,
    selections: float,
    epsilon_bound: float,
    certified: TradeOff,
    training: SampledSteps | None = None,
) -> MethodAudit:
    hits = found.finding.hits
    return MethodAudit(
        method=name,
        pair=pair,
        view=view,
        rho=rho,
        selections=selections,
        finding=found.finding,
        epsilon_bound=epsilon_bound,
        certified_hit_rate=certified.hit_rate(hits.false_alarms / hits.runs),
        limit=found.limit,
        controls=found.controls,
        verdict=found.verdict,
        reason=found.reason,
        seconds=0.0,
        training=training,
    )


def _alike(subject: S) -> Planted[S]:
    return Planted(
        name="alike",
        title="no fault, and no unit: both worlds are alike",
        subject=subject,
        expected=False,
        needed=True,
    )


def _understated(factor: int, subject: S) -> Planted[S]:
    return Planted(
        name=f"epsilon {factor}x", title=f"epsilon understated {factor}x", subject=subject
    )


def _times(budget: Budget) -> Iterator[tuple[int, Budget]]:
    """Yield budgets of twice and four times the epsilon, as far as there are such budgets."""
    for factor in (2, 4):
        if factor * budget.epsilon <= MAX_EPSILON:
            yield factor, Budget(epsilon=factor * budget.epsilon, delta=budget.delta)


class _Teller:
    """Makes callbacks that tell every tenth of the way."""

    def __init__(self, name: str, progress: Callable[[str], None]) -> None:
        self._name = name
        self._progress = progress

    def __call__(self, title: str, total: int, things: str) -> Callable[[int], None]:
        """Return a callback that gets how many of `total` are done."""
        shown = -1

        def tell(done: int) -> None:
            nonlocal shown
            if 10 * done // total > shown:
                shown = 10 * done // total
                self._progress(f"{self._name}: {title}: {done:,} of {total:,} {things}")

        return tell


@contextmanager
def _pool(jobs: int) -> Iterator[Executor | None]:
    """Yield what runs batches in other processes; None for one process."""
    if jobs == 1:
        yield None
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield pool
