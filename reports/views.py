"""What the templates show, arranged from evidence: sentences, tables and charts.

Formatting and chart geometry only; no metric is computed here. Long lists are capped, and the cap is
always stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from dpsynth.evidence import PublicEvidence, ReleaseEvidence
from dpsynth.reports import charts, numbers
from dpsynth.reports.text import plain, printable, say, word, words

Evidence = PublicEvidence | ReleaseEvidence
Pairs = list[tuple[str, str | Markup]]

DETAILS_SHOWN = 10  #: further numbers of one result that the report prints
CALLS_SHOWN = 24  #: calls of one stage that the report prints
ENTRIES_SHOWN = 40  #: ledger entries that the report prints
TERM_LINES = (2, 1, 2, 3, 2, 4, 2, 2, 2, 1)  #: most lines of each term on the certificate
_NAMES_SHOWN = 6
_USES_SHOWN = 6
_DIAGNOSTICS = ("distance_to_closest_record", "nearest_neighbour_ratio")
_CONTROL = "control_"  # prefix of results that check the attacks, not the release


def certificate(e: PublicEvidence) -> dict[str, Any]:
    """Return what the certificate's template needs beside the evidence."""
    return {
        **_shared(e),
        "identity": _identity(e),
        "terms": terms(e),
        "files": list(e["files.synthetic"])[:1],
        "more_files": max(0, len(e["files.synthetic"]) - 1),
        "warnings": _warnings(e),
        "columns_text": _columns_text(e["data.columns"]),
        "term_lines": TERM_LINES,
        "poor_uses": list(e["fitness.poor_uses"])[:_USES_SHOWN],
        "more_uses": max(0, len(e["fitness.poor_uses"]) - _USES_SHOWN),
    }


def report(e: ReleaseEvidence) -> dict[str, Any]:
    """Return what the internal report's template needs beside the evidence."""
    attacks, diagnostics, controls = _sorted_attacks(e["attacks.results"])
    keys = ("measured", "baseline", "control")
    fidelity = [_result(r) for r in e["fidelity.results"]]
    return {
        **_shared(e),
        "identity": _identity(e),
        "terms": terms(e),
        "refused": not e["policy.verdict"]["passed"],
        "summary": _summary(e),
        "calls": _calls(e["accounting.calls"]),
        "attacks": [_result(r) for r in attacks],
        "attack_charts": result_charts(attacks, keys),
        "controls": [_result(r) for r in controls],
        "diagnostics": [_result(r) for r in diagnostics],
        "diagnostic_charts": result_charts(diagnostics, keys),
        "fidelity": fidelity,
        "fidelity_charts": result_charts(
            e["fidelity.results"], ("synthetic", "noise_floor", "independent")
        ),
        "raw_counts": _raw_counts(e["data.raw_counts"]),
        "entries": list(e["ledger.entries"])[-ENTRIES_SHOWN:],
        "versions": sorted(e["environment.versions"].items()),
        "options": sorted(e["synthesizer.options"].items()),
    }


def _shared(e: Evidence) -> dict[str, Any]:
    beliefs = [(numbers.out_of(b["before"]), numbers.out_of(b["after"])) for b in e["guarantee.beliefs"]]
    half = min(beliefs, key=lambda b: abs(b[0] - 50))
    guesses = numbers.out_of(e["guarantee.right_guesses"])
    hits = numbers.out_of(e["guarantee.hits_at_1_percent"], 1000)
    rare = numbers.out_of(e["guarantee.hits_at_01_percent"], 1000)
    rows = e["guarantee.max_rows_per_unit"]
    curve = charts.trade_off(e["guarantee.curve"], guesses=guesses, hits=hits, rare_hits=rare)
    return {
        "unit": printable(str(e["guarantee.unit"]), 28),
        "relation": e["guarantee.relation"],
        "epsilon": numbers.up(e["guarantee.epsilon"], 6),
        "delta": numbers.up(e["guarantee.delta"], 4),
        "odds": numbers.one_in(float(e["guarantee.delta"])),
        "rows_text": say("guarantee.one_row") if rows == 1 else say("guarantee.many_rows", n=rows),
        "beliefs": beliefs,
        "half": half,
        "guesses": guesses,
        "hits": [(10, 10, hits), (1, 1, rare)],
        "tail": numbers.one_in(e["guarantee.tail_probability"]),
        "icons": charts.icon_array(*half),
        "curve": curve,
        "budget_chart": _budget(e),
        "stages": _stages(e),
        "stages_text": ", ".join(
            plain("budget.stage_item", stage=s["stage"], rho=s["rho"], share=s["share"])
            for s in _stages(e)
        )
        or say("common.none"),
        "errors": _errors(e["fitness.expected_error"]),
    }


def _identity(e: Evidence) -> Pairs:
    recipient = e["release.recipient"]
    stated = [str(recipient[k]) for k in ("name", "jurisdiction") if recipient.get(k)]
    return [
        (say("identity.release"), printable(e["release.name"], 120)),
        (say("identity.issuer"), printable(e["release.issuer"], 120)),
        (say("identity.recipient"), ", ".join(stated) or say("common.not_stated")),
        (
            say("identity.size"),
            say(
                "identity.size_value",
                rows=numbers.grouped(e["release.rows"]),
                columns=e["release.columns"],
                method=e["synthesizer.name"],
            ),
        ),
        (say("identity.issued"), numbers.day(e["release.created"])),
        (say("identity.review"), numbers.day(e["release.review_by"])),
        (say("identity.purpose"), e["release.purpose"] or say("common.not_stated")),
    ]


def terms(e: Evidence) -> Pairs:
    """Return the terms of the guarantee as (item, value) rows."""
    unit, column = printable(str(e["guarantee.unit"]), 28), e["guarantee.unit_column"]
    cross = [f"{c['accountant']} ε = {numbers.up(c['epsilon'], 4)}" for c in e["accounting.cross_check"]]
    return [
        (
            say("terms.unit"),
            say("terms.unit_value", unit=unit, column=printable(str(column), 40), n=e["guarantee.max_rows_per_unit"])
            if column
            else say("terms.unit_row", unit=unit),
        ),
        (say("terms.neighbours"), say(f"terms.{e['guarantee.relation']}", unit=unit)),
        (
            say("terms.privacy"),
            say(
                "terms.privacy_value",
                epsilon=numbers.up(e["guarantee.epsilon"], 6),
                delta=numbers.up(e["guarantee.delta"], 4),
                odds=numbers.one_in(float(e["guarantee.delta"])),
                rho=numbers.up(e["guarantee.rho"]),
                charged=numbers.up(e["guarantee.epsilon_charged"]),
            ),
        ),
        (
            say("terms.accounting"),
            Markup("{} {}").format(
                printable(e["accounting.method"], 300), say("terms.cross", list=", ".join(cross))
            ),
        ),
        (say("terms.trust"), say("terms.trust_value")),
        (say("terms.unprotected"), " ".join(e["data.unprotected"]) or say("common.none")),
        (
            say("terms.domain"),
            say("terms.domain_value", codebook=e["data.codebook"] or plain("common.not_stated")),
        ),
        (say("terms.noise"), e["environment.entropy"]),
        (
            say("terms.assurance"),
            say(
                "terms.assurance_value",
                letter=e["guarantee.assurance_class"],
                meaning=e["guarantee.assurance_meaning"],
            ),
        ),
        (
            say("terms.policy"),
            say(
                "terms.policy_value",
                name=printable(e["policy.name"], 40),
                digest=f"{e['policy.sha256'][:16]}…",
            ),
        ),
    ]


def _budget(e: Evidence) -> Markup:
    total = e["budget.total_rho"]
    keys = ("budget.spent_before_rho", "budget.charged_rho", "budget.remaining_rho")
    rounding = (numbers.up, numbers.up, numbers.down)
    captions = [
        plain(f"budget.{name}", rho=around(e[key], 4), share=numbers.share(e[key], total))
        for name, key, around in zip(("earlier", "this", "left"), keys, rounding, strict=True)
    ]
    whole = float(total) or 1.0
    title = plain("chart.budget", earlier=captions[0], this=captions[1], left=captions[2])
    return charts.budget_bar([float(e[key]) / whole for key in keys], captions, title)


def _stages(e: Evidence) -> list[dict[str, Any]]:
    charged = e["budget.charged_rho"]
    return [
        {
            "stage": stage["stage"],
            "description": stage["description"],
            "rho": numbers.up(stage["rho"], 4),
            "share": numbers.share(stage["rho"], charged),
        }
        for stage in e["budget.stages"]
    ]


def _errors(measured: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, str]]:
    """Group measured marginals by their number of columns: (title, how many, range of errors)."""
    groups: dict[int, list[float]] = {}
    for item in measured:
        groups.setdefault(len(item["attributes"]), []).append(float(item["typical_error"]))
    rows = []
    for ways, errors in sorted(groups.items()):
        title = say(f"fitness.way{ways}") if ways <= 3 else say("fitness.ways", n=ways)
        low, high = numbers.ceiling(min(errors)), numbers.ceiling(max(errors))
        shown = low if low == high else say("fitness.range", low=low, high=high)
        rows.append((title, len(errors), shown))
    return rows


def _names(names: Sequence[str], limit: int = 40) -> str:
    shown = ", ".join(printable(name, limit) for name in names[:_NAMES_SHOWN])
    hidden = len(names) - _NAMES_SHOWN
    return f"{shown} {plain('common.more', n=hidden)}" if hidden > 0 else shown


def _warnings(e: Evidence) -> str | Markup:
    found = e["data.warnings"]
    if not found:
        return say("fitness.no_warnings")
    if len(found) == 1:
        return say(
            "fitness.warn_one", column=printable(found[0]["column"], 60), text=found[0]["text"]
        )
    return say("fitness.warn_many", n=len(found), list=_names([w["column"] for w in found]))


def _columns_text(columns: Sequence[Mapping[str, Any]]) -> Markup:
    groups: dict[str, list[str]] = {}
    for column in columns:
        groups.setdefault(column["treatment"], []).append(column["name"])
    if set(groups) == {"modelled"}:
        return say("fitness.modelled_all", n=len(columns))
    said = []
    for treatment, names in sorted(groups.items(), key=lambda item: item[0] != "modelled"):
        text = f"{len(names)} {word('treatment', treatment)}"
        said.append(text if treatment == "modelled" else f"{text}: {_names(names)}")
    return say("fitness.treatments", list="; ".join(said))


def _summary(e: ReleaseEvidence) -> list[tuple[Markup, str, str | Markup]]:
    """Return the verdict matrix: (topic, status, text)."""
    results = [r for r in e["attacks.results"] if not r["name"].startswith(_CONTROL)]
    verdicts = [r["verdict"] for r in results]
    leaks, quiet = verdicts.count("leak found"), verdicts.count("no leak detected by this test")
    checks = e["synthesizer.self_test"]
    passed = sum(bool(c["passed"]) for c in checks)
    hazards = e["hazards.items"]
    loose = [h["hazard"] for h in hazards if h["status"] != "handled"]
    unit = printable(str(e["guarantee.unit"]), 28)
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
            "leak" if leaks else "quiet" if quiet else "not_run",
            say(
                "report.row_attacks_text", leaks=leaks, quiet=quiet, other=len(results) - leaks - quiet
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
            say("report.row_open_text", n=len(loose), all=len(hazards), list=", ".join(loose).lower())
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
                {**call, "columns": _asked(call)} for call in group[:CALLS_SHOWN]
            ],
        }
        for stage, group in stages.items()
    ]


def _asked(call: Mapping[str, Any]) -> str | Markup:
    if call["attributes"]:
        return _names(call["attributes"], 30)
    return say("report.choice", n=call["candidates"]) if "candidates" in call else "–"


def _sorted_attacks(
    results: Sequence[Mapping[str, Any]],
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


def result_charts(
    results: Iterable[Mapping[str, Any]], key: Sequence[str]
) -> list[Markup]:
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
