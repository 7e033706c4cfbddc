"""One release, step by step: reserve, open, fit, sample, attack, judge, sign, commit, publish.

Order is the safety argument. The ledger is written before data is opened; the bundle appears in
one step after the ledger knows its digests; whatever stops in between leaves the budget spent and
no bundle.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from dpsynth.attacks import CONTROLS, Claim
from dpsynth.evidence import ReleaseEvidence
from dpsynth.fidelity.constraints import reading_of, violation_rates
from dpsynth.pipeline.collect import collect
from dpsynth.pipeline.declared import check_declared
from dpsynth.pipeline.discovering import discover_domains
from dpsynth.pipeline.examine import Progress, Tables, attack_tables, measure_tables
from dpsynth.pipeline.folder import assembling, publish
from dpsynth.pipeline.package import write_internal, write_public, write_synthetic
from dpsynth.pipeline.plan import Plan
from dpsynth.pipeline.promise import guarantee_of, promised_epsilon
from dpsynth.pipeline.published import PublishedError, measure_error
from dpsynth.pipeline.replica import generator_of
from dpsynth.pipeline.required import ALL_RAN
from dpsynth.pipeline.state import Examined, Fitted, OpenData, Run
from dpsynth.pipeline.steps import (
    draw,
    fit_model,
    fit_unprotected,
    open_table,
    reserved,
    unlike_lineages,
)
from dpsynth.policy import Verdict
from dpsynth.privacy.events import Charged, Unbounded
from dpsynth.privacy.ledger import Head, Ledger, Reservation
from dpsynth.results import AttackProfile, AttackVerdict, Result
from dpsynth.signing.keys import Signer

_DELTA_SHARES = (0.1, 0.01, 1e-3, 1e-4)  # of delta: further points of the curve that is claimed


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a release came to.

    Attributes:
        bundle: The folder that was written.
        passed: Whether the policy let the data out; if not, the bundle has no public part.
        verdict: The policy's gates, internal.
        evidence: All evidence, internal.
        head: Head of the ledger after the commit.
    """

    bundle: Path
    passed: bool
    verdict: Verdict
    evidence: ReleaseEvidence
    head: Head


def run(plan: Plan, *, ledger: Ledger, signer: Signer, target: Path, progress: Progress) -> Outcome:
    """Run one prepared release into the folder `target`.

    Args:
        plan: What :func:`dpsynth.pipeline.prepare.prepare` checked.
        ledger: The ledger of the lineage.
        signer: Who signs.
        target: Bundle folder; must not exist.
        progress: Called with a short text before each step.

    Raises:
        InputError: A declared value cannot become evidence; nothing was spent.
        BudgetError: The lineage cannot pay; nothing was spent.
        SpentError: Something stopped the run after the reservation; the budget is spent.
    """
    check_declared(plan)
    plan.signatures.ask_authority()
    progress("Reserving the budget in the ledger")
    with reserved(plan, ledger) as reservation:
        return _run_reserved(
            plan, reservation, ledger=ledger, signer=signer, target=target, progress=progress
        )


def _run_reserved(
    plan: Plan,
    reservation: Reservation,
    *,
    ledger: Ledger,
    signer: Signer,
    target: Path,
    progress: Progress,
) -> Outcome:
    """Do everything that follows the reservation; whatever it raises, the budget is spent."""
    with assembling(target) as folder:
        data = open_table(
            plan,
            reservation,
            progress,
            holdout=plan.settings.holdout,
            people=ledger.people(),
            unlike=unlike_lineages(plan, ledger),
        )
        plan, data, discovered, charged = discover_domains(plan, data, reservation, progress)
        unbounded: Unbounded = ()
        if plan.protected:
            model, paid = fit_model(plan, data.train, reservation, progress)
            charged += paid
        else:
            model, unbounded = fit_unprotected(plan, data.train, reservation, progress)
        fitted = draw(plan, model, progress)
        published, paid = _publish_error(plan, data, fitted, reservation, progress)
        charged += paid
        examined = _examine(plan, data, fitted, progress)
        progress("Judging by the policy")
        verdict = plan.policy.evaluate(
            _metrics(fitted, examined), waived=[waiver.gate for waiver in plan.waivers]
        )
        # From here on nothing follows the rows: the time of issue and the time of signing, a moment
        # later, say nothing about how long the private part took.
        created = datetime.now(UTC).replace(microsecond=0)
        files = write_synthetic(folder, plan, fitted) if verdict.passed else []
        evidence = collect(
            Run(
                plan=plan,
                standing=ledger.standing(plan.settings.lineage),
                reservation=reservation.seq,
                issuer=signer.name,
                created=created,
                charged=charged,
                unbounded=unbounded,
                discovered=discovered,
                fitted=fitted,
                published=published,
                data=data,
                examined=examined,
                verdict=verdict,
                files=files,
            )
        )
        digests: dict[str, str] = {}
        if verdict.passed:
            progress("Writing and signing the certificate")
            digests["public"] = write_public(folder, evidence, plan, signer)
        progress("Writing and signing the internal report")
        digests["internal"] = write_internal(
            folder, evidence, plan, fitted, signer, digests.get("public")
        )
        progress("Committing to the ledger")
        head = reservation.commit(digests)
        progress("Publishing the bundle")
        publish(folder, target)
    return Outcome(
        bundle=target, passed=verdict.passed, verdict=verdict, evidence=evidence, head=head
    )


def _publish_error(
    plan: Plan,
    data: OpenData,
    fitted: Fitted,
    reservation: Reservation,
    progress: Progress,
) -> tuple[PublishedError | None, Charged]:
    """Measure the error for publication; None where no share of the budget is set aside for it."""
    if not plan.protected or not plan.price.fidelity:
        return None, ()
    progress("Measuring the error for publication under the budget")
    return measure_error(
        plan.codec,
        data.train,
        fitted.codes,
        total=fitted.model.total,
        total_sigma=fitted.model.total_sigma,
        reservation=reservation,
        max_rows_per_unit=plan.unit.max_rows,
        rho=plan.price.fidelity,
    )


def _examine(plan: Plan, data: OpenData, fitted: Fitted, progress: Progress) -> Examined:
    """Attack and measure the decoded table as a recipient would read it back."""
    progress("Reading the synthetic table back")
    columns = {name: fitted.text.column(name) for name in plan.codec.domain.names}
    tables = Tables(
        train=data.train.rows(),
        holdout=data.holdout.rows(),
        train_units=data.train.units if plan.unit.column else None,
        holdout_units=data.holdout.units if plan.unit.column else None,
        synthetic=np.ascontiguousarray(plan.codec.encode(columns).T, dtype=np.int32),
    )
    seed = secrets.randbits(63)
    profile = plan.settings.attacks
    attacked = (
        attack_tables(
            plan.codec,
            plan.dictionary,
            tables,
            claim=_claim(plan) if plan.protected else None,
            generator=generator_of(plan),
            profile=profile,
            seed=seed,
            progress=progress,
        )
        if profile != AttackProfile.OFF
        else []
    )
    measured = measure_tables(plan.codec, plan.dictionary, tables, seed=seed, progress=progress)
    progress("Checking the constraints of the dictionary")
    text = {name: fitted.text.column(name).to_pylist() for name in fitted.text.column_names}
    return Examined(
        attacks=tuple(attacked),
        fidelity=measured.results,
        groups=measured.groups,
        constraints=tuple(
            violation_rates(plan.dictionary.constraints, text, reading_of(plan.dictionary))
        ),
    )


def _claim(plan: Plan) -> Claim:
    """Return what the release claims about one unit, with the curve that its price implies."""
    deltas = [plan.price.discovery_delta + share * plan.budget.delta for share in _DELTA_SHARES]
    return Claim(
        epsilon=plan.budget.epsilon,
        delta=plan.budget.delta,
        points=tuple((promised_epsilon(plan, delta), delta) for delta in deltas),
        ceiling=guarantee_of(plan, ()).hit_rate,
    )


def _metrics(fitted: Fitted, examined: Examined) -> Mapping[str, Result | bool]:
    """Name the results as policies name them."""
    metrics: dict[str, Result | bool] = {
        "selftest.passed": all(check.passed for check in fitted.checks)
    }
    metrics |= {f"attacks.{result.name}": result for result in examined.attacks}
    attempted = [result for result in examined.attacks if result.name not in CONTROLS]
    if attempted:
        bad = {AttackVerdict.LEAK_FOUND, AttackVerdict.NOT_RUN}
        metrics[ALL_RAN] = not bad & {r.verdict for r in attempted}
    metrics |= {f"fidelity.{result.name}": result for result in examined.fidelity}
    return metrics
