"""Fill the evidence of one run: each fact once, with the disclosure class that is true of it."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import asdict
from datetime import datetime
from fractions import Fraction
from importlib.metadata import version
from typing import Any

from dpsynth.errors import InputError
from dpsynth.evidence import EvidenceBuilder, ReleaseEvidence
from dpsynth.pipeline import wording
from dpsynth.pipeline.collect_noise import noise_facts
from dpsynth.pipeline.collect_unprotected import unprotected_facts
from dpsynth.pipeline.examine import group_rows
from dpsynth.pipeline.state import Run
from dpsynth.privacy.accountant import Loss, cross_check, epsilon, total_loss
from dpsynth.privacy.losses import group_loss
from dpsynth.privacy.meaning import Guarantee, beliefs
from dpsynth.privacy.numbers import float_down, float_up
from dpsynth.reports import claims
from dpsynth.reports.from_evidence import renderer
from dpsynth.results import (
    FALSE_POSITIVE_RATES,
    Disclosure,
    decimal_string,
    plain,
    rounded_up,
)
from dpsynth.synth import registry

DECLARED, DP, POST, RAW = Disclosure.DECLARED, Disclosure.DP, Disclosure.POST, Disclosure.RAW

_PACKAGES = ("dpsynth", "opendp", "dp-accounting", "numpy", "scipy", "numba", "pyarrow",
             "scikit-learn", "pyHanko", "cryptography")  # fmt: skip
_WARNING_SIGMAS = 6.0
GROUPS = (2, 5)  #: sizes of groups whose privacy loss is stated
MOST_TABLES = 40  #: measured tables whose noise the evidence lists


def collect(run: Run) -> ReleaseEvidence:
    """Return the whole evidence of a run."""
    builder = EvidenceBuilder(protected=run.plan.protected)
    promised = (
        (_guarantee, _budget, _accounting, noise_facts)
        if run.plan.protected
        else (unprotected_facts,)
    )
    for section in (_release, *promised, _data, _method, _tests, _context):
        section(builder, run)
    return builder.build()


def review_by(created: datetime, months: int) -> str:
    """Return the ISO date `months` after a time, on the same day or the 28th."""
    month = created.month - 1 + months
    return f"{created.year + month // 12:04d}-{month % 12 + 1:02d}-{min(created.day, 28):02d}"


def _release(b: EvidenceBuilder, run: Run) -> None:
    plan, settings = run.plan, run.plan.settings
    created = run.created.isoformat().replace("+00:00", "Z")
    identity = hashlib.sha256(
        f"{run.standing.head.digest}|{settings.name}|{created}".encode()
    ).hexdigest()
    b.add("release.id", f"DPS-{run.created.year}-{identity[:10].upper()}", POST)
    b.add("release.name", settings.name, DECLARED)
    b.add("release.title", plan.dictionary.title, DECLARED)
    b.add("release.status", "released" if run.verdict.passed else "refused", RAW)
    b.add("release.issuer", run.issuer, DECLARED)
    b.add("release.created", created, DECLARED)
    b.add("release.review_by", review_by(run.created, plan.policy.review_months), DECLARED)
    b.add("release.purpose", settings.purpose, DECLARED)
    b.add(
        "release.recipient",
        {"name": settings.recipient, "jurisdiction": settings.jurisdiction},
        DECLARED,
    )
    b.add("release.origin", settings.origin, DECLARED)
    b.add("release.rows", int(run.fitted.codes.shape[0]), POST)
    b.add("release.columns", len(run.fitted.text.column_names), POST)
    b.add("release.dpsynth_version", version("dpsynth"), DECLARED)
    b.add("files.synthetic", [dict(file) for file in run.files], POST)


def _guarantee(b: EvidenceBuilder, run: Run) -> None:
    plan = run.plan
    eps, delta, rho = plan.budget.epsilon, plan.budget.delta, plan.price.rho
    assurance = registry.find(plan.settings.synthesizer).assurance
    b.add("guarantee.relation", plan.unit.relation.value, DECLARED)
    b.add("guarantee.unit", plan.unit.name, DECLARED)
    b.add("guarantee.unit_column", plan.unit.column, DECLARED)
    b.add("guarantee.max_rows_per_unit", plan.unit.max_rows, DECLARED)
    b.add("guarantee.epsilon", decimal_string(eps), DECLARED)
    b.add("guarantee.delta", decimal_string(delta), DECLARED)
    b.add("guarantee.rho", decimal_string(rho), POST)
    b.add("guarantee.epsilon_charged", decimal_string(epsilon(_charged(run), delta)), POST)
    letter, meant = wording.assurance(assurance, audited=plan.audit.sharp)
    b.add("guarantee.assurance_class", letter, DECLARED)
    b.add("guarantee.assurance_meaning", meant, DECLARED)
    # What an attacker can do is stated for the whole price of the release, not for what ran.
    promise = Guarantee.of(
        [event for _, event in run.charged],
        rho=rho,
        delta_own=plan.price.discovery_delta,
        # What is discovered decides how the rest of the budget is shared out.
        fixed_plan=registry.find(plan.settings.synthesizer).fixed_plan and not plan.open_columns,
    )
    b.add("guarantee.basis", promise.basis, POST)
    b.add("guarantee.groups", [_group(run, size) for size in GROUPS], POST)
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
    b.add("budget.lineage", plan.settings.lineage, DECLARED)
    b.add("budget.total_epsilon", decimal_string(terms.total.epsilon), DECLARED)
    b.add("budget.total_delta", decimal_string(terms.total.delta), DECLARED)
    b.add("budget.total_rho", decimal_string(terms.total_rho), DECLARED)
    b.add("budget.spent_before_rho", decimal_string(float_up(spent)), POST)
    b.add("budget.charged_rho", decimal_string(float_up(charged.rho)), POST)
    b.add("budget.charged_delta", decimal_string(float_up(charged.delta)), POST)
    b.add("budget.remaining_rho", decimal_string(float_down(total - after)), POST)
    b.add(
        "budget.lineage_epsilon_after",
        decimal_string(epsilon(float_up(after), terms.conversion_delta)),
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
    delta = run.plan.budget.delta
    b.add("accounting.method", wording.ACCOUNTING, DECLARED)
    b.add(
        "accounting.cross_check",
        [
            {"accountant": name, "epsilon": decimal_string(value)}
            for name, value in cross_check(_charged(run), delta)
        ],
        POST,
    )
    b.add(
        "accounting.calls",
        [{"seq": seq, **event.to_json()} for seq, event in run.charged],
        POST,
    )


def _data(b: EvidenceBuilder, run: Run) -> None:
    plan = run.plan
    treatment = {t.column: t for t in plan.codec.treatments}
    b.add("data.codebook", plan.dictionary.codebook, DECLARED)
    b.add(
        "data.columns",
        [
            {
                "name": column.name,
                "kind": column.kind.value,
                "role": column.role.value,
                "meaning": column.meaning,
                "domain": wording.domain_words(column),
                "domain_source": column.domain_source,
                "missing": list(column.missing),
                "special": list(column.special),
                "format": wording.date_format(column),
                "treatment": treatment[column.name].treatment,
                "reason": treatment[column.name].reason,
            }
            for column in plan.dictionary.columns
        ],
        POST if run.discovered else DECLARED,
    )
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
    b.add("synthesizer.name", plan.settings.synthesizer, DECLARED)
    b.add("synthesizer.fitted", fitted.model.method, POST)
    b.add("synthesizer.options", dict(plan.synthesizer.options()), DECLARED)
    b.add("synthesizer.self_test", [plain(asdict(check)) for check in fitted.checks], POST)
    uses = (
        wording.poor_uses(plan.unit, plan.codec.treatments, fitted.model.noise_share)
        if plan.protected
        else wording.unprotected_uses(plan.unit, plan.codec.treatments)
    )
    b.add("fitness.poor_uses", uses, POST)
    b.add("fitness.constraints", [dict(c) for c in run.examined.constraints], POST)


def _tests(b: EvidenceBuilder, run: Run) -> None:
    b.add("attacks.profile", run.plan.settings.attacks, DECLARED)
    b.add("attacks.results", [plain(asdict(r)) for r in run.examined.attacks], RAW)
    b.add("fidelity.results", [plain(asdict(r)) for r in run.examined.fidelity], RAW)
    b.add("fidelity.groups", group_rows(run.plan.codec, run.examined.groups), RAW)
    b.add("policy.name", run.plan.policy.name, DECLARED)
    b.add("policy.sha256", run.plan.policy.digest, DECLARED)
    b.add("policy.terms", _policy_terms(run), DECLARED)
    b.add("policy.waivers", [waiver.to_json() for waiver in run.plan.waivers], DECLARED)
    b.add("policy.gates", [plain(asdict(gate)) for gate in run.verdict.outcomes], RAW)
    b.add(
        "policy.verdict",
        {
            "passed": run.verdict.passed,
            "reasons": [f"{g.title}: {g.reason}" for g in run.verdict.outcomes if not g.passed],
        },
        RAW,
    )


def _policy_terms(run: Run) -> dict[str, Any]:
    """Return what the policy asks beside its gates, and the files that it was composed from."""
    policy = run.plan.policy
    months = policy.retention_months
    return {
        "files": [{"name": file.name, "sha256": file.sha256} for file in policy.files],
        **{key: list(policy.required(key)) for key in ("sections", "attacks", "audits", "signers")},
        "retain_until": None if months is None else review_by(run.created, months),
    }


def _context(b: EvidenceBuilder, run: Run) -> None:
    standing = run.standing
    b.add("ledger.id", standing.ledger_id, POST)
    b.add("ledger.public_key", standing.public_key, POST)
    b.add("ledger.head_seq", standing.head.seq, POST)
    b.add("ledger.head_digest", standing.head.digest, POST)
    b.add("ledger.entries", [entry.summary() for entry in standing.entries], RAW)
    others = registry.find(run.plan.settings.synthesizer).distributions
    versions = {name: version(name) for name in (*_PACKAGES, *others)} | renderer()
    b.add("environment.versions", {"python": platform.python_version(), **versions}, DECLARED)
    b.add("environment.code", claims.digests(), DECLARED)


def _charged(run: Run) -> Loss:
    """Return what was charged, re-derived from the events."""
    return total_loss(event for _, event in run.charged)


def _group(run: Run, size: int) -> dict[str, Any]:
    """Return the epsilon of a group of units for the whole price, or that none is stated."""
    price, delta = run.plan.price, run.plan.budget.delta
    try:
        own = group_loss([event for _, event in run.charged], size).delta
        bound = epsilon(Loss(rho=Fraction(price.rho) * size**2, delta=own), delta)
    except InputError:
        return {"size": size, "epsilon": None}
    return {"size": size, "epsilon": decimal_string(bound)}
