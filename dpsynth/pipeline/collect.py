"""Fill the evidence of one run: each fact once, with the disclosure class that is true of it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from dpsynth.evidence import EvidenceBuilder, ReleaseEvidence
from dpsynth.pipeline import published, wording
from dpsynth.pipeline.declared import columns, declare
from dpsynth.pipeline.examine import group_rows
from dpsynth.pipeline.promise import (
    charged_epsilons,
    group_epsilon,
    guarantee_of,
    lineage_epsilon,
)
from dpsynth.pipeline.state import Run
from dpsynth.privacy.accountant import Loss, total_loss
from dpsynth.privacy.meaning import beliefs
from dpsynth.privacy.numbers import float_down, float_up
from dpsynth.results import (
    FALSE_POSITIVE_RATES,
    Disclosure,
    Status,
    decimal_string,
    plain,
    rounded_up,
)
from dpsynth.synth import registry
from dpsynth.synth.api import HalfWidth
from dpsynth.synth.uncertainty import LEVEL

DECLARED, DP, POST, RAW = Disclosure.DECLARED, Disclosure.DP, Disclosure.POST, Disclosure.RAW

_WARNING_SIGMAS = 6.0
GROUPS = (2, 5)  #: sizes of groups whose privacy loss is stated
MOST_TABLES = 40  #: measured tables whose noise the evidence lists


def collect(run: Run) -> ReleaseEvidence:
    """Return the whole evidence of a run."""
    builder = EvidenceBuilder()
    declare(builder, run.plan, issuer=run.issuer, created=run.created)
    for section in (_release, _guarantee, _budget, _accounting, _data, _method, _tests, _ledger):
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
    assurance = registry.assurance_class(plan.settings.synthesizer)
    b.add("guarantee.epsilon", decimal_string(eps), DECLARED)
    b.add("guarantee.delta", decimal_string(delta), DECLARED)
    b.add("guarantee.rho", decimal_string(rho), POST)
    events = [event for _, event in run.charged]
    charged, _ = charged_epsilons(plan, events)
    b.add("guarantee.epsilon_charged", decimal_string(charged), POST)
    letter, meant = wording.assurance(assurance, audited=plan.audit.sharp)
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
        decimal_string(lineage_epsilon(plan, status, after)),
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
    b.add(
        "data.discovered",
        [
            {
                "column": found.column,
                "found": found.found,
                "sigma": found.sigma,
                "threshold": found.threshold,
                "rho": decimal_string(found.rho),
                "delta": decimal_string(found.delta),
                "seq": found.ledger_seq,
            }
            for found in run.discovered
        ],
        DP if run.discovered else DECLARED,
    )
    b.add("data.warnings", noisy_warnings(run), POST)
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


def noisy_warnings(run: Run) -> list[dict[str, str]]:
    """Name the columns whose noisy out-of-domain count stands clearly above its noise.

    A function of noisy counts only, so one person changes the chance of a warning by no more than
    the guarantee allows. The threshold of six standard deviations and one row in a hundred keeps
    chance warnings below one in a million runs.
    """
    found = []
    for name, count, sigma in run.fitted.model.out_of_domain_counts():
        if count > max(_WARNING_SIGMAS * sigma, 0.01 * run.fitted.model.total):
            found.append(
                {
                    "column": name,
                    "text": "holds values that its dictionary does not declare; they share one "
                    "out-of-domain bucket. Extend the dictionary from the codebook if they mean "
                    "something; numbers need a decimal point and no thousands separator.",
                }
            )
    return found


def _method(b: EvidenceBuilder, run: Run) -> None:
    plan, fitted = run.plan, run.fitted
    b.add("synthesizer.fitted", fitted.model.method, POST)
    b.add("synthesizer.self_test", [plain(asdict(check)) for check in fitted.checks], POST)
    b.add("fitness.measured_error", _measured_error(run), DP if run.published else DECLARED)
    b.add("fitness.expected_error", [plain(dict(e)) for e in fitted.model.errors()], POST)
    b.add("fitness.intervals", _intervals(run), POST)
    b.add(
        "fitness.poor_uses",
        wording.poor_uses(plan.unit, plan.codec.treatments, fitted.model.noise_share),
        POST,
    )
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


def _measured_error(run: Run) -> dict[str, Any]:
    """Return the error that was measured for publication, or that none was."""
    if run.published is None:
        return {
            "status": Status.NOT_RUN.value,
            "reason": "No share of the budget was set aside for it.",
        }
    return {
        "status": Status.OK.value,
        "reason": "",
        "level": published.LEVEL,
        "share": run.plan.settings.fidelity_share,
        "means": [
            {
                "ways": mean.ways,
                "tables": mean.tables,
                "value": round(mean.value, 6),
                "half_width": rounded_up(mean.half_width),
                "seq": mean.ledger_seq,
            }
            for mean in run.published.means
        ],
        "columns": [[name, round(value, 6)] for name, value in run.published.columns],
        "column_half_width": rounded_up(run.published.column_half_width),
    }


def _intervals(run: Run) -> dict[str, Any]:
    """Return half of the interval of one count of each column and of the first tables."""
    found = run.fitted.model.half_widths(run.plan.codec.coarse)
    tables = [width for width in found if len(width.attributes) > 1]
    return {
        "level": LEVEL,
        "columns": [_width(width) for width in found if len(width.attributes) == 1],
        "tables": [_width(width) for width in tables[:MOST_TABLES]],
        "more_tables": len(tables[MOST_TABLES:]),
    }


def _width(width: HalfWidth) -> dict[str, Any]:
    """Return half of an interval, rounded up."""
    return {
        "attributes": list(width.attributes),
        "cells": width.cells,
        "rows": math.ceil(10.0 * width.rows) / 10.0,
        "share": rounded_up(width.share),
    }


def _charged(run: Run) -> Loss:
    """Return what was charged, re-derived from the events."""
    return total_loss(event for _, event in run.charged)
