"""What the internal report shows beside what it shares with the certificate.

Verdicts, calls and results are arranged here, never judged: the policy judged them. Results that
check the attacks themselves are kept apart from results about the release, and distances from
attacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dpsynth.reports import charts, numbers
from dpsynth.reports.text import plain, printable, say, word, words
from dpsynth.reports.views import UNIT_LIMIT, identity, names, shared, terms
from markupsafe import Markup

from dpsynth.evidence import ReleaseEvidence

DETAILS_SHOWN = 10  #: further numbers of one result that are printed
CALLS_SHOWN = 24  #: calls of one stage that are printed
ENTRIES_SHOWN = 30  #: ledger entries that are printed
GROUPS_SHOWN = 24  #: groups of people whose errors are printed
_DIAGNOSTICS = ("distance_to_closest_record", "nearest_neighbour_ratio")
_CONTROL = "control_"  # prefix of results that check the attacks, not the release

Results = Sequence[Mapping[str, Any]]


def report(e: ReleaseEvidence) -> dict[str, Any]:
    """Return what the internal report's template needs beside the evidence."""
    fidelity = [_result(r) for r in e["fidelity.results"]]
    return {
        **shared(e),
        "identity": identity(e),
        "terms": terms(e),
        "refused": not e["policy.verdict"]["passed"],
        "summary": _summary(e),
        "calls": _calls(e["accounting.calls"]),
        **attack_sections(e["attacks.results"]),
        "fidelity": fidelity,
        "fidelity_charts": result_charts(
            e["fidelity.results"], ("synthetic", "noise_floor", "independent")
        ),
        "groups": _groups(e["fidelity.groups"]),
        "raw_counts": _raw_counts(e["data.raw_counts"]),
        "entries": list(e["ledger.entries"])[-ENTRIES_SHOWN:],
        "versions": sorted(e["environment.versions"].items()),
        "options": sorted(e["synthesizer.options"].items()),
    }


def _groups(groups: Results) -> Results:
    """Return the groups with the largest error beyond sampling, then those without a number."""

    def beyond(group: Mapping[str, Any]) -> float:
        if group["error"] is None:
            return -1.0
        return float(group["error"]) - float(group["floor"] or 0.0)

    return sorted(groups, key=beyond, reverse=True)[:GROUPS_SHOWN]


def attack_sections(results: Results) -> dict[str, Any]:
    """Return attacks, distance diagnostics and controls of a suite, each with its charts."""
    attacks, diagnostics, controls = _sorted_attacks(results)
    keys = ("measured", "baseline", "control")
    return {
        "attacks": [_result(r) for r in attacks],
        "attack_charts": result_charts(attacks, keys),
        "controls": [_result(r) for r in controls],
        "diagnostics": [_result(r) for r in diagnostics],
        "diagnostic_charts": result_charts(diagnostics, keys),
    }


def _summary(e: ReleaseEvidence) -> list[tuple[Markup, str, str | Markup]]:
    """Return the verdict matrix: (topic, status, text)."""
    results = [r for r in e["attacks.results"] if not r["name"].startswith(_CONTROL)]
    verdicts = [r["verdict"] for r in results]
    leaks, quiet, within = (
        verdicts.count(v)
        for v in ("leak found", "no leak detected by this test", "seen, within the claim")
    )
    checks = e["synthesizer.self_test"]
    passed = sum(bool(c["passed"]) for c in checks)
    hazards = e["hazards.items"]
    loose = [h["hazard"] for h in hazards if h["status"] != "handled"]
    unit = printable(str(e["guarantee.unit"]), UNIT_LIMIT)
    audit = e["audit.status"]
    return [
        (
            say("report.row_guarantee"),
            "accounted",
            say(
                "report.row_guarantee_text",
                epsilon=numbers.up(e["guarantee.epsilon"], 6),
                delta=numbers.up(e["guarantee.delta"], 4),
                unit=unit,
                left=numbers.share(e["budget.remaining_rho"], e["budget.total_rho"]),
            ),
        ),
        (say("report.row_audit"), audit["status"], audit["text"]),
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
        (
            say("report.row_open"),
            "open" if loose else "handled",
            say(
                "report.row_open_text",
                n=len(loose),
                all=len(hazards),
                list=", ".join(loose).lower(),
            )
            if loose
            else say("report.row_open_none", all=len(hazards)),
        ),
    ]


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
    if "scores" in call:
        return say("report.distances", n=call["scores"])
    return say("report.choice", n=call["candidates"]) if "candidates" in call else "–"


def _sensitivity(call: Mapping[str, Any]) -> str | int:
    """Return the sensitivity of a call; that of a vector of scores is a root."""
    square = call.get("squared_sensitivity")
    return call.get("sensitivity", 1) if square is None else f"√{square}"


def _sorted_attacks(
    results: Results,
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Split results into attacks, distance diagnostics and controls of the suite."""
    controls = [r for r in results if r["name"].startswith(_CONTROL)]
    diagnostics = [r for r in results if r["name"] in _DIAGNOSTICS]
    rest = [r for r in results if r not in controls and r not in diagnostics]
    return rest, diagnostics, controls


def _raw_counts(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    known = list(words("counts"))
    order = sorted(counts, key=lambda name: (known.index(name) if name in known else 99, name))
    return [(word("counts", name), counts[name]) for name in order]


def _result(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return one result with its interval and its further numbers in words."""
    interval = result["interval"]
    shown: Markup | str = ""
    if interval is not None:
        shown = say(
            "report.level",
            level=f"{100 * interval['level']:g}",
            low=numbers.number(interval["low"]),
            high=numbers.number(interval["high"]),
        )
    details = [
        Markup("{}: {}").format(printable(str(k).replace("_", " "), 60), _detail(v))
        for k, v in sorted(result["details"].items(), key=lambda item: ("[" in item[0], item[0]))
    ]
    hidden = len(details) - DETAILS_SHOWN
    if hidden > 0:
        details = [*details[:DETAILS_SHOWN], say("common.more", n=hidden)]
    return {**result, "interval_text": shown, "details_text": Markup("; ").join(details)}


def _detail(value: float | int | str | None) -> str | Markup:
    return printable(value, 120) if isinstance(value, str) else numbers.number(value)


def result_charts(results: Results, key: Sequence[str]) -> list[Markup]:
    """Return one dot chart for each unit among results that have a value."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        if result["status"] == "ok":
            groups.setdefault(result["unit"], []).append(result)
    drawn = []
    for unit, group in groups.items():
        rows = [
            charts.Row(
                title=result["title"],
                value=result["value"],
                interval=_bounds(result["interval"]),
                baseline=result["baseline"],
                control=result["control"],
            )
            for result in group
        ]
        words = [plain(f"chart.{key[0]}")] + [
            _common(group, which, plain(f"chart.{name}"))
            for which, name in (("baseline", key[1]), ("control", key[2]))
        ]
        drawn.append(charts.dot_chart(rows, unit=unit or "value", key=words))
    return drawn


def _bounds(interval: Mapping[str, float] | None) -> tuple[float, float] | None:
    return None if interval is None else (interval["low"], interval["high"])


def _common(group: Sequence[Mapping[str, Any]], which: str, otherwise: str) -> str:
    """Return the one title that all results of a group give to a reference, or a general word."""
    titles = {r[f"{which}_title"] for r in group if r[which] is not None}
    only = titles.pop() if len(titles) == 1 else ""
    return printable(only, 48) if only else otherwise
