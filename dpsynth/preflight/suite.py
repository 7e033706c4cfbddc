"""The preflight: every pair of neighbours through the real pipeline, several times."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

import pyarrow as pa

from dpsynth.errors import InputError
from dpsynth.pipeline import Outcome, ReleaseSettings, prepare
from dpsynth.preflight.observe import ERROR, Bench, Observation, source_format
from dpsynth.preflight.report import Finding, Report, ScenarioResult, Verdict
from dpsynth.preflight.scenarios import Scenario, scenarios
from dpsynth.preflight.separate import (
    ALPHA,
    MOST_EPSILON,
    false_alarm,
    pursue,
    runs_needed,
    values,
)
from dpsynth.preflight.tables import Maker, Table
from dpsynth.privacy.budget import Budget
from dpsynth.schema.dictionary import load_dictionary
from dpsynth.signing.keys import init_trial_authority, load_signer
from dpsynth.sources.frames import FrameSource

_RUNS = 3  # fewer leave so much to chance that reruns cost more than they save
_WHOLE_RUNS = 2
_ENDED_WELL = frozenset({"published", "synthetic file written"})


class _World:
    """One table and its runs so far."""

    def __init__(self, bench: Bench, table: Table) -> None:
        self._bench, self._table = bench, table
        self.runs: dict[bool, list[Observation]] = {False: [], True: []}

    def run(self, *, whole: bool) -> None:
        """Run once more."""
        self.runs[whole].append(self._bench.observe(self._table, whole=whole))

    def at_least(self, count: int, *, whole: bool) -> None:
        """Run until there are `count` runs."""
        while len(self.runs[whole]) < count:
            self.run(whole=whole)


def preflight(
    settings: ReleaseSettings,
    *,
    rows: int = 100,
    attacks: bool = False,
    seed: int | None = None,
    only: Collection[str] | None = None,
    alpha: float = ALPHA,
    progress: Callable[[str], None],
    tell: Callable[[Outcome], None],
) -> Report:
    """Run a release on pairs of made-up neighbouring tables and say what follows the unit.

    The source of the release is not opened, its ledger and keys are not used.

    Args:
        settings: The release; source, key and ledger are replaced by temporary ones.
        rows: Rows of the table that most pairs share.
        attacks: Also attack the output in whole runs (slow); what attacks find is not compared.
        seed: Seed of the made-up tables; a random one by default.
        only: Names of pairs; all by default.
        alpha: Largest chance that noise alone makes a finding of one place.
        progress: Called before each pair.
        tell: Shows an outcome as the command line does.

    Raises:
        InputError: The release cannot be prepared, or a name in `only` is unknown.
    """
    chosen = secrets.randbits(63) if seed is None else seed
    budget = Budget.checked(settings.epsilon, settings.delta)
    epsilon = min(budget.epsilon, MOST_EPSILON)
    needed = runs_needed(epsilon, budget.delta, alpha)
    with tempfile.TemporaryDirectory(prefix="dpsynth-preflight-") as name:
        bench = _bench(settings.override(epsilon=epsilon), Path(name), chosen, attacks, tell)
        every = scenarios(bench.maker, rows)
        unknown = sorted(set(only or ()) - {pair.name for pair in every})
        if unknown:
            raise InputError(
                f"There is no pair of tables called {unknown[0]}.",
                where="--pair",
                fix=f"Choose from: {', '.join(pair.name for pair in every)}.",
            )
        pairs = [pair for pair in every if only is None or pair.name in only]
        worlds: dict[Table, _World] = {}
        results = []
        for number, pair in enumerate(pairs, 1):
            progress(f"Pair {number} of {len(pairs)}: {pair.title}")
            left, right = (
                worlds.setdefault(table, _World(bench, table))
                for table in (pair.without, pair.with_unit)
            )
            results.append(_judge(pair, left, right, needed))
    return Report(
        results=tuple(results),
        epsilon=epsilon,
        runs_to_fail=needed,
        false_alarm=false_alarm(epsilon, budget.delta, needed),
        seed=chosen,
        rows=rows,
    )


def _bench(
    settings: ReleaseSettings,
    folder: Path,
    seed: int,
    attacks: bool,
    tell: Callable[[Outcome], None],
) -> Bench:
    """Check the release against an empty table and lay out what its runs need."""
    if settings.dictionary is None:
        raise InputError("is not given.", where="data.dictionary (--dictionary)")
    dictionary = load_dictionary(settings.dictionary)
    empty = pa.table({name: pa.array([], type=pa.string()) for name in dictionary.names})
    plan = prepare(settings, source=FrameSource(empty))
    if not plan.protected:
        raise InputError(
            "has no guarantee, so there is nothing that neighbouring tables could refute.",
            where=f"method {settings.synthesizer}",
        )
    passphrase = secrets.token_hex(16).encode()
    keys = init_trial_authority(
        folder / "keys", organisation="dpsynth preflight", passphrase=passphrase, days=2
    )
    bench = Bench(
        folder=folder,
        settings=settings,
        signer=load_signer(keys.signer, passphrase),
        maker=Maker(plan=plan, seed=seed),
        format=source_format(settings, dictionary.file),
        attacks=attacks,
        tell=tell,
    )
    bench.observe((), whole=False)  # what only a first run shows (caches, imports) is of no table
    return bench


def _judge(pair: Scenario, left: _World, right: _World, needed: int) -> ScenarioResult:
    """Compare the runs of two worlds."""
    findings: dict[str, Finding] = {}
    places: set[str] = set()
    varying: set[str] = set()
    ends: set[str | None] = set()
    for whole in (False, True) if pair.documents else (False,):
        a, b = left.runs[whole], right.runs[whole]
        for world in (left, right):
            world.at_least(_WHOLE_RUNS if whole else _RUNS, whole=whole)

        def again(whole: bool = whole, a: list[Observation] = a, b: list[Observation] = b) -> None:
            (left if len(a) <= len(b) else right).run(whole=whole)

        for where in pursue(a, b, again, needed):
            runs = min(len(a), len(b))
            findings.setdefault(where, Finding(where=where, runs=runs))
        seen = {place for run in (*a, *b) for place in run}
        places |= seen
        varying |= {p for p in seen if len(values(a, p)) > 1 or len(values(b, p)) > 1}
        ends |= values((*a, *b), ERROR)
    verdict, reason = _verdict(len(findings), ends)
    return ScenarioResult(
        name=pair.name,
        title=pair.title,
        verdict=verdict,
        reason=reason,
        findings=tuple(findings.values()),
        places=len(places),
        varying=len(varying),
        runs=min(len(left.runs[False]), len(right.runs[False])),
    )


def _verdict(findings: int, ends: set[str | None]) -> tuple[Verdict, str]:
    """Return the verdict and its reason."""
    if findings:
        return Verdict.FAIL, f"{findings} places follow the unit"
    early = sorted(str(end) for end in ends - _ENDED_WELL)
    if early:
        return (
            Verdict.INCONCLUSIVE,
            f"runs ended early ({'; '.join(early)}), so that later steps were not compared",
        )
    return Verdict.PASS, "nothing follows the unit"
