"""Fill the evidence of one run: each fact once, with the disclosure class that is true of it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from fractions import Fraction

from dpsynth.evidence import EvidenceBuilder, ReleaseEvidence
from dpsynth.pipeline import wording
from dpsynth.pipeline.collect_noise import noise_facts
from dpsynth.pipeline.collect_unprotected import unprotected_facts
from dpsynth.pipeline.declared import columns, declare
from dpsynth.pipeline.examine import group_rows
from dpsynth.pipeline.promise import (
    charged_epsilons,
    group_epsilon,
    guarantee_of,
    lineage_epsilon,
)
from dpsynth.pipeline.state import Run
from dpsynth.privacy.losses import Loss, total_loss
from dpsynth.privacy.meaning import beliefs
from dpsynth.privacy.numbers import float_down, float_up
from dpsynth.results import (
    FALSE_POSITIVE_RATES,
    Disclosure,
    decimal_string,
    plain,
    rounded_up,
)
from dpsynth.synth import registry

DECLARED, DP, POST, RAW = Disclosure.DECLARED, Disclosure.DP, Disclosure.POST, Disclosure.RAW

GROUPS = (2, 5)  #: sizes of groups whose privacy loss is stated


def collect(run: Run) -> ReleaseEvidence:
    """Return the whole evidence of a run."""
    builder = EvidenceBuilder(protected=run.plan.protected)
    declare(builder, run.plan, issuer=run.issuer, created=run.created)
    promised = (
        (_guarantee, _budget, _accounting, noise_facts)
        if run.plan.protected
        else (unprotected_facts,)
    )
    for section in (_release, *promised, _data, _method, _tests, _ledger):
        section(builder, run)
    return builder.build()


def _release(b: EvidenceBuilder, run: Run) -> None:
    created = run.created.isoformat().replace("+00:00", "Z")
    identity = hashlib.sha256(
        f"{run.standing.head.digest}|{run.plan.settings.name}|{created}".encode()
    ).hexdigest()
    b.add("release.id", f"DPS-{run.created.year}-{identity[:10].upper()}", POST)
    b.add("release.status", "released" if run.verdict.passed else "refused", RAW)
    b.add("release.rows", int(run.fitted.codes.shape[0]), POST)
    b.add("release.columns", len(run.fitted.text.column_names), POST)
    b.add("files.synthetic", [dict(file) for file in run.files], POST)


def _guarantee(b: EvidenceBuilder, run: Run) -> None:
    plan = run.plan
    eps, delta, rho = plan.budget.epsilon, plan.budget.delta, plan.price.rho
    assurance = registry.find(plan.settings.synthesizer).assurance
    b.add("guarantee.epsilon", decimal_string(eps), DECLARED)
    b.add("guarantee.delta", decimal_string(delta), DECLARED)
    b.add("guarantee.rho", decimal_string(rho), POST)
    events = [event for _, event in run.charged]
    charged, _ = charged_epsilons(plan, events)
    b.add("guarantee.epsilon_charged", decimal_string(charged), POST)
    letter, meant = wording.assurance(
        assurance, audited=plan.audit.sharp, sampled=plan.sampled is not None
    )
    b.add("guarantee.assurance_class", letter, DECLARED)
    b.add("guarantee.assurance_meaning", meant, DECLARED)
    # What an attacker can do is stated for the whole price of the release, not for what ran.
    promise = guarantee_of(plan, events)
    b.add("guarantee.basis", promise.basis, POST)
    groups = [(size, group_epsilon(plan, events, size)) for size in GROUPS]
    b.add(
        "guarantee.groups",
        [{"size": n, "epsilon": None if e is None else decimal_string(e)} for n, e in groups],
        POST,
    )
    b.add("guarantee.tail_probability", promise.tail_probability(eps), POST)
    curve = promise.trade_off_curve(101)
    b.add("guarantee.curve", [[round(float(x), 6), rounded_up(float(y))] for x, y in curve], POST)
    low = [[rate, rounded_up(promise.hit_rate(rate))] for rate in FALSE_POSITIVE_RATES]
    b.add("guarantee.curve_low", low, POST)
    b.add("guarantee.right_guesses", promise.right_guesses(), POST)
    b.add("guarantee.hits_at_1_percent", promise.hit_rate(0.01), POST)
    b.add("guarantee.hits_at_01_percent", promise.hit_rate(0.001), POST)
    priors = (0.01, 0.1, 0.5)
    after = beliefs(eps, priors)
    b.add(
        "guarantee.beliefs",
        [{"before": p, "after": float(q)} for p, q in zip(priors, after, strict=True)],
        POST,
    )
    b.add(
        "guarantee.criteria",
        [{"without": p, "with": promise.success(p)} for p in priors],
        POST,
    )


def _budget(b: EvidenceBuilder, run: Run) -> None:
    plan, status = run.plan, run.standing.status
    terms, charged = status.terms, _charged(run)
    (own,) = (record for record in status.records if record.seq == run.reservation)
    # All others, whatever they are by now; this release counts with what it charged.
    spent = status.spent_rho - own.spent_rho
    after = spent + charged.rho
    total = Fraction(terms.total_rho)
    b.add("budget.total_epsilon", decimal_string(terms.total.epsilon), DECLARED)
    b.add("budget.total_delta", decimal_string(terms.total.delta), DECLARED)
    b.add("budget.total_rho", decimal_string(terms.total_rho), DECLARED)
    b.add("budget.spent_before_rho", decimal_string(float_up(spent)), POST)
    b.add("budget.charged_rho", decimal_string(float_up(charged.rho)), POST)
    b.add("budget.charged_delta", decimal_string(float_up(charged.delta)), POST)
    b.add("budget.remaining_rho", decimal_string(float_down(total - after)), POST)
    b.add(
        "budget.lineage_epsilon_after",
        decimal_string(lineage_epsilon(plan, status, after, alone=not spent)),
        POST,
    )
    b.add("budget.release_number", status.records.index(own) + 1, POST)
    described = {stage.stage: stage.description for stage in plan.stages}
    spent_by: dict[str, Fraction] = {}
    for _, event in run.charged:
        spent_by[event.stage] = spent_by.get(event.stage, Fraction(0)) + Fraction(event.rho)
    b.add(
        "budget.stages",
        [
            {
                "stage": stage,
                "description": described.get(stage, ""),
                "rho": decimal_string(float_up(rho)),
            }
            for stage, rho in spent_by.items()
        ],
        POST,
    )


def _accounting(b: EvidenceBuilder, run: Run) -> None:
    _, readings = charged_epsilons(run.plan, [event for _, event in run.charged])
    b.add(
        "accounting.cross_check",
        [{"accountant": name, "epsilon": decimal_string(value)} for name, value in readings],
        POST,
    )
    b.add(
        "accounting.calls",
        [{"seq": seq, **event.to_json()} for seq, event in run.charged],
        POST,
    )


def _data(b: EvidenceBuilder, run: Run) -> None:
    b.add("data.columns", columns(run.plan), POST if run.discovered else DECLARED)
    b.add("data.raw_counts", dict(run.data.counts), RAW)
    seen = run.data.people
    b.add(
        "data.same_people",
        {
            "status": seen.status.value,
            "reason": seen.reason,
            "lineages": list(seen.lineages),
            "text": wording.same_people(seen.lineages) if seen.lineages else "",
        },
        RAW,
    )


def _method(b: EvidenceBuilder, run: Run) -> None:
    plan, fitted = run.plan, run.fitted
    b.add("synthesizer.fitted", fitted.model.method, POST)
    b.add("synthesizer.self_test", [plain(asdict(check)) for check in fitted.checks], POST)
    uses = (
        wording.poor_uses(plan.unit, plan.codec.treatments, fitted.model.noise_share)
        if plan.protected
        else wording.unprotected_uses(plan.unit, plan.codec.treatments)
    )
    b.add("fitness.poor_uses", uses, POST)
    b.add("fitness.constraints", [dict(c) for c in run.examined.constraints], POST)


def _tests(b: EvidenceBuilder, run: Run) -> None:
    b.add("attacks.results", [plain(asdict(r)) for r in run.examined.attacks], RAW)
    b.add("fidelity.results", [plain(asdict(r)) for r in run.examined.fidelity], RAW)
    b.add("fidelity.groups", group_rows(run.plan.codec, run.examined.groups), RAW)
    b.add("policy.gates", [plain(asdict(gate)) for gate in run.verdict.outcomes], RAW)
    b.add(
        "policy.verdict",
        {
            "passed": run.verdict.passed,
            "reasons": [f"{g.title}: {g.reason}" for g in run.verdict.outcomes if not g.passed],
        },
        RAW,
    )


def _ledger(b: EvidenceBuilder, run: Run) -> None:
    standing = run.standing
    b.add("ledger.id", standing.ledger_id, POST)
    b.add("ledger.public_key", standing.public_key, POST)
    b.add("ledger.head_seq", standing.head.seq, POST)
    b.add("ledger.head_digest", standing.head.digest, POST)
    b.add("ledger.entries", [entry.summary() for entry in standing.entries], RAW)


def _charged(run: Run) -> Loss:
    """Return what was charged, re-derived from the events."""
    return total_loss(event for _, event in run.charged)
