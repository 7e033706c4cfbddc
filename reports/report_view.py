"""What the internal report shows beside what it shares with the certificate.

Verdicts, calls and results are arranged here, never judged: the policy judged them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dpsynth.reports import numbers
from dpsynth.reports.attack_sections import CONTROL, attack_sections
from dpsynth.reports.crosswalk import SOURCES
from dpsynth.reports.result_view import result_charts, shown_result
from dpsynth.reports.text import printable, say, word, words
from dpsynth.reports.unprotected_view import unprotected_shared
from dpsynth.reports.views import UNIT_LIMIT, identity, names, shared, terms
from markupsafe import Markup

from dpsynth.evidence import ReleaseEvidence
from dpsynth.results import AttackVerdict

CALLS_SHOWN = 24  #: calls of one stage that are printed
ENTRIES_SHOWN = 30  #: ledger entries that are printed
GROUPS_SHOWN = 24  #: groups of people whose errors are printed
_GLOSSARY = ("lineage", "holdout", "auc", "dcr", "nndr")


def report(e: ReleaseEvidence) -> dict[str, Any]:
    """Return what the internal report's template needs beside the evidence."""
    fidelity = [shown_result(r) for r in e["fidelity.results"]]
    return {
        **(_guarantee(e) if e.protected else _none(e)),
        "protected": e.protected,
        "identity": identity(e),
        "refused": not e["policy.verdict"]["passed"],
        "summary": _summary(e),
        **attack_sections(
            e["attacks.results"],
            ceiling=dict(e["guarantee.curve_low"]) if e.protected else {},
            claim=say("roc.claim_release") if e.protected else None,
        ),
        "fidelity": fidelity,
        "fidelity_charts": result_charts(
            e["fidelity.results"], ("synthetic", "noise_floor", "independent")
        ),
        "groups": _groups(e["fidelity.groups"]),
        "raw_counts": _raw_counts(e["data.raw_counts"]),
        "entries": list(e["ledger.entries"])[-ENTRIES_SHOWN:],
        "versions": sorted(e["environment.versions"].items()),
        "crosswalk": SOURCES,
        "options": sorted(e["synthesizer.options"].items()),
    }


def _guarantee(e: ReleaseEvidence) -> dict[str, Any]:
    """Return what the report says of a guarantee and of what was charged for it."""
    return {
        **shared(e),
        "terms": terms(e),
        "calls": _calls(e["accounting.calls"]),
        "lineage": e["budget.lineage"],
        "release_number": e["budget.release_number"],
        "glossary": ("epsilon", "delta", "rho", "unit", "neighbours", *_GLOSSARY),
    }


def _none(e: ReleaseEvidence) -> dict[str, Any]:
    """Return what the report says where there is no guarantee."""
    return {
        **unprotected_shared(e),
        "lineage": e["unprotected.lineage"],
        "release_number": e["unprotected.release_number"],
        "glossary": ("unit", *_GLOSSARY),
    }


def _groups(groups: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the groups with the largest error beyond sampling, then those without a number."""

    def beyond(group: Mapping[str, Any]) -> float:
        if group["error"] is None:
            return -1.0
        return float(group["error"]) - float(group["floor"] or 0.0)

    return sorted(groups, key=beyond, reverse=True)[:GROUPS_SHOWN]


def _summary(e: ReleaseEvidence) -> list[tuple[Markup, str, str | Markup]]:
    """Return the verdict matrix: (topic, status, text)."""
    results = [r for r in e["attacks.results"] if not r["name"].startswith(CONTROL)]
    verdicts = [r["verdict"] for r in results]
    leaks, quiet, within = (
        verdicts.count(v)
        for v in (
            AttackVerdict.LEAK_FOUND.value,
            AttackVerdict.NO_LEAK_DETECTED.value,
            AttackVerdict.WITHIN_CLAIM.value,
        )
    )
    checks = e["synthesizer.self_test"]
    passed = sum(bool(c["passed"]) for c in checks)
    return [
        *_promised(e),
        (
            say("report.row_attacks"),
            "leak" if leaks else "quiet" if quiet + within else "not_run",
            say(
                "report.row_attacks_text",
                leaks=leaks,
                quiet=quiet,
                within=within,
                other=len(results) - leaks - quiet - within,
            )
            if results
            else say("report.row_attacks_off"),
        ),
        (
            say("report.row_fitness"),
            "passed" if checks and passed == len(checks) else "failed" if checks else "not_run",
            say("report.row_fitness_text", passed=passed, all=len(checks)),
        ),
        *(_loose_ends(e) if e.protected else ()),
    ]


def _promised(e: ReleaseEvidence) -> list[tuple[Markup, str, str | Markup]]:
    """Return the rows about the guarantee and the audit of it, or that there is none."""
    if not e.protected:
        unit = printable(str(e["unprotected.unit"]), UNIT_LIMIT)
        text = say("unprotected.row_text", n=len(e["unprotected.reasons"]), unit=unit)
        return [(say("report.row_guarantee"), "open", text)]
    audit = e["audit.status"]
    return [
        (
            say("report.row_guarantee"),
            "accounted",
            say(
                "report.row_guarantee_text",
                epsilon=numbers.up(e["guarantee.epsilon"], 6),
                delta=numbers.up(e["guarantee.delta"], 4),
                unit=printable(str(e["guarantee.unit"]), UNIT_LIMIT),
                left=numbers.share(e["budget.remaining_rho"], e["budget.total_rho"]),
            ),
        ),
        (say("report.row_audit"), audit["status"], audit["text"]),
    ]


def _loose_ends(e: ReleaseEvidence) -> list[tuple[Markup, str, str | Markup]]:
    """Return the row about hazards that are not fully handled."""
    hazards = e["hazards.items"]
    loose = [h["hazard"] for h in hazards if h["status"] != "handled"]
    text = (
        say("report.row_open_text", n=len(loose), all=len(hazards), list=", ".join(loose).lower())
        if loose
        else say("report.row_open_none", all=len(hazards))
    )
    return [(say("report.row_open"), "open" if loose else "handled", text)]


def _calls(calls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    stages: dict[str, list[Mapping[str, Any]]] = {}
    for call in calls:
        stages.setdefault(call["stage"], []).append(call)
    return [
        {
            "title": say(
                "report.calls_capped" if len(group) > CALLS_SHOWN else "report.calls_shown",
                stage=stage,
                n=len(group),
                shown=CALLS_SHOWN,
            ),
            "calls": [
                {
                    "cells": 0,
                    "scale": call.get("noise_multiplier", ""),
                    **call,
                    "columns": _asked(call),
                    "sensitivity": _sensitivity(call),
                }
                for call in group[:CALLS_SHOWN]
            ],
        }
        for stage, group in stages.items()
    ]


def _asked(call: Mapping[str, Any]) -> str | Markup:
    if call.get("attributes"):
        asked = names(call["attributes"], 30)
        return say("report.texts", column=asked) if "threshold" in call else asked
    if "steps" in call:
        rate = numbers.up(call["sampling_rate"], 4)
        return say("report.training", n=numbers.grouped(call["steps"]), rate=rate)
    if "program" in call:
        return f"{printable(call['program'], 40)} {printable(call['version'], 20)}"
    if "scores" in call:
        return say("report.distances", n=call["scores"])
    return say("report.choice", n=call["candidates"]) if "candidates" in call else "–"


def _sensitivity(call: Mapping[str, Any]) -> str | int:
    """Return the sensitivity of a call; that of a vector of scores is a root."""
    square = call.get("squared_sensitivity")
    return call.get("sensitivity", 1) if square is None else f"√{square}"


def _raw_counts(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    known = list(words("counts"))
    order = sorted(counts, key=lambda name: (known.index(name) if name in known else 99, name))
    return [(word("counts", name), counts[name]) for name in order]
