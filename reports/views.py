"""What the templates show, arranged from evidence: sentences, tables and charts.

Formatting and chart geometry only; no metric is computed here. Long lists are capped, and the cap
is always stated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR
from typing import Any

from dpsynth.reports import charts, numbers
from dpsynth.reports.text import plain, printable, say, word
from markupsafe import Markup

from dpsynth.evidence import PublicEvidence, ReleaseEvidence

Evidence = PublicEvidence | ReleaseEvidence
Pairs = list[tuple[str, str | Markup]]

UNIT_LIMIT = 28  #: characters of the unit inside a sentence
TERM_LINES = (2, 1, 2, 4, 2, 5, 2, 2, 2, 1)  #: most lines of each term on the certificate
_NAMES_SHOWN = 6
_USES_SHOWN = 5


def certificate(e: PublicEvidence) -> dict[str, Any]:
    """Return what the certificate's template needs beside the evidence."""
    return {
        **shared(e),
        "identity": identity(e),
        "terms": terms(e),
        "square": charts.square_code(certificate_name(e)),
        "files": list(e["files.synthetic"])[:1],
        "more_files": max(0, len(e["files.synthetic"]) - 1),
        "warnings": _warnings(e),
        "columns_text": columns_text(e["data.columns"]),
        "term_lines": TERM_LINES,
        "poor_uses": list(e["fitness.poor_uses"])[:_USES_SHOWN],
        "more_uses": max(0, len(e["fitness.poor_uses"]) - _USES_SHOWN),
    }


def shared(e: Evidence) -> dict[str, Any]:
    """Return what both documents show: the guarantee in numbers, charts, budget, noise."""
    beliefs = [
        (numbers.out_of(b["before"]), numbers.out_of(c["with"]), numbers.out_of(b["after"]))
        for b, c in zip(e["guarantee.beliefs"], e["guarantee.criteria"], strict=True)
    ]
    before, _, after = min(beliefs, key=lambda b: abs(b[0] - 50))
    guesses = numbers.out_of(e["guarantee.right_guesses"])
    hits = numbers.out_of(e["guarantee.hits_at_1_percent"], 1000)
    rare = numbers.out_of(e["guarantee.hits_at_01_percent"], 1000)
    rows = e["guarantee.max_rows_per_unit"]
    curve = charts.trade_off(e["guarantee.curve"], guesses=guesses, hits=hits, rare_hits=rare)
    return {
        "unit": printable(str(e["guarantee.unit"]), UNIT_LIMIT),
        "relation": e["guarantee.relation"],
        "epsilon": numbers.up(e["guarantee.epsilon"], 6),
        "delta": numbers.up(e["guarantee.delta"], 4),
        "odds": numbers.one_in(float(e["guarantee.delta"])),
        "group_text": _groups(e["guarantee.groups"]),
        "rows_text": say("guarantee.one_row") if rows == 1 else say("guarantee.many_rows", n=rows),
        "beliefs": beliefs,
        "half": (before, after),
        "guesses": guesses,
        "hits": [(10, 10, hits), (1, 1, rare)],
        "tail": numbers.one_in(e["guarantee.tail_probability"]),
        "icons": charts.icon_array(before, after),
        "curve": curve,
        "budget_chart": _budget(e),
        "stages": _stages(e),
        "stages_text": ", ".join(
            plain("budget.stage_item", stage=s["stage"], rho=s["rho"], share=s["share"])
            for s in _stages(e)
        )
        or say("common.none"),
        "errors": _errors(e["fitness.expected_error"]),
        "measured_error": _measured_error(e["fitness.measured_error"]),
    }


def identity(e: Evidence) -> Pairs:
    """Return who released what, for whom and why, as (item, value)."""
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
                method=_method(e),
            ),
        ),
        (say("identity.issued"), numbers.day(e["release.created"])),
        (say("identity.review"), numbers.day(e["release.review_by"])),
        (say("identity.purpose"), e["release.purpose"] or say("common.not_stated")),
    ]


def _steps(sampled: Mapping[str, Any]) -> dict[str, Any]:
    """Return the words of training on Poisson samples."""
    return {
        "order": numbers.up(sampled["order"], 4),
        "steps": numbers.grouped(sampled["steps"]),
        "rate": numbers.up(sampled["sampling_rate"], 4),
        "noise": numbers.down(sampled["noise_multiplier"], 4),
    }


def terms(e: Evidence) -> Pairs:
    """Return the terms of the guarantee as (item, value) rows."""
    unit, column = printable(str(e["guarantee.unit"]), UNIT_LIMIT), e["guarantee.unit_column"]
    sampled = e["accounting.sampled"]
    loss = {
        "epsilon": numbers.up(e["guarantee.epsilon"], 6),
        "delta": numbers.up(e["guarantee.delta"], 4),
        "odds": numbers.one_in(float(e["guarantee.delta"])),
        "rho": numbers.up(e["budget.charged_rho"]),
        "charged": numbers.up(e["guarantee.epsilon_charged"]),
    }
    cross = [
        f"{c['accountant']} ε = {numbers.up(c['epsilon'], 4)}" for c in e["accounting.cross_check"]
    ]
    return [
        (
            say("terms.unit"),
            say(
                "terms.unit_value",
                unit=unit,
                column=printable(str(column), 40),
                n=e["guarantee.max_rows_per_unit"],
            )
            if column
            else say("terms.unit_row", unit=unit),
        ),
        (say("terms.neighbours"), say(f"terms.{e['guarantee.relation']}", unit=unit)),
        (
            say("terms.privacy"),
            say("terms.privacy_value", **loss)
            if sampled is None
            else say("terms.privacy_sampled", **loss, **_steps(sampled)),
        ),
        (
            say("terms.accounting"),
            Markup("{} {}").format(
                printable(e["accounting.method"], 300),
                say("terms.cross", list=", ".join(cross), basis=e["guarantee.basis"]),
            ),
        ),
        (say("terms.trust"), say("terms.trust_value")),
        (say("terms.unprotected"), " ".join(e["data.unprotected"]) or say("common.none")),
        (
            say("terms.domain"),
            _domains(e),
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
        (say("terms.policy"), policy_text(e)),
    ]


def certificate_name(e: PublicEvidence) -> str:
    """Return what names this certificate for a machine: its number, the digest of its evidence.

    Capitals, digits and few signs only, which a square code holds most densely.
    """
    digest = hashlib.sha256(e.to_bytes()).hexdigest().upper()
    number = printable(e["release.id"], 40)
    return f"DPSYNTH {number} EVIDENCE.PUBLIC.JSON SHA-256 {digest}"


def policy_text(e: Evidence) -> Markup:
    """Return name and digest of the policy, and which gates somebody waived beforehand."""
    named = {
        "name": printable(e["policy.name"], 40),
        "digest": f"{e['policy.sha256'][:16]}…",
    }
    gates = [printable(waiver["gate"], 30) for waiver in e["policy.waivers"]]
    if not gates:
        return say("terms.policy_value", **named)
    return say("terms.policy_waived", **named, count=len(gates), gates=", ".join(gates))


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


def _errors(measured: Sequence[Mapping[str, Any]]) -> list[tuple[Markup, int, str]]:
    """Group measured marginals by their number of columns: (title, how many, range of errors).

    A set of columns that was measured at two resolutions counts once, with its smaller error.
    """
    groups: dict[int, dict[tuple[str, ...], float]] = {}
    for item in measured:
        names, error = tuple(item["attributes"]), float(item["typical_error"])
        group = groups.setdefault(len(names), {})
        group[names] = min(error, group.get(names, error))
    rows = []
    for ways, group in sorted(groups.items()):
        errors = list(group.values())
        title = say(f"fitness.way{ways}") if ways <= 3 else say("fitness.ways", n=ways)
        low, high = numbers.ceiling(min(errors)), numbers.ceiling(max(errors))
        shown = low if low == high else say("fitness.range", low=low, high=high)
        rows.append((title, len(errors), shown))
    return rows


def _method(e: Evidence) -> str | Markup:
    """Return the method, and which one was chosen where it chose."""
    name, fitted = e["synthesizer.name"], e["synthesizer.fitted"]
    return name if name == fitted else say("identity.chosen", name=name, fitted=fitted)


def _groups(groups: Sequence[Mapping[str, Any]]) -> Markup:
    """Return what the guarantee is for two and for five units together."""
    stated = {group["size"]: group["epsilon"] for group in groups}
    if None in stated.values():
        return say("guarantee.group_none")
    return say("guarantee.group", two=numbers.up(stated[2], 3), five=numbers.up(stated[5], 3))


def _measured_error(measured: Mapping[str, Any]) -> Markup:
    """Return the published distance from the real rows in a sentence, in hundredths."""
    if measured["status"] != "ok":
        return say("fitness.measured_none", reason=measured["reason"])
    items = [
        say(
            f"fitness.measured_way{mean['ways']}",
            value=numbers.hundredths(mean["value"]),
            low=numbers.hundredths(max(0.0, mean["value"] - mean["half_width"]), ROUND_FLOOR),
            high=numbers.hundredths(min(1.0, mean["value"] + mean["half_width"]), ROUND_CEILING),
        )
        for mean in measured["means"]
    ]
    return say(
        "fitness.measured",
        share=f"{100 * measured['share']:g} %",
        level=f"{100 * measured['level']:g}",
        list=Markup(", ").join(items),
    )


def _domains(e: Evidence) -> Markup:
    """Return where the domains come from, and which were found in the rows."""
    codebook = e["data.codebook"] or plain("common.not_stated")
    found = [item["column"] for item in e["data.discovered"]]
    if not found:
        return say("terms.domain_value", codebook=codebook)
    return say("terms.domain_discovered", codebook=codebook, list=names(found))


def names(found: Sequence[str], limit: int = 40) -> str:
    """Return the first names of a list, and how many more there are."""
    shown = ", ".join(printable(name, limit) for name in found[:_NAMES_SHOWN])
    hidden = len(found) - _NAMES_SHOWN
    return f"{shown} {plain('common.more', n=hidden)}" if hidden > 0 else shown


def _warnings(e: Evidence) -> str | Markup:
    found = e["data.warnings"]
    if not found:
        return say("fitness.no_warnings")
    if len(found) == 1:
        return say(
            "fitness.warn_one", column=printable(found[0]["column"], 60), text=found[0]["text"]
        )
    return say("fitness.warn_many", n=len(found), list=names([w["column"] for w in found]))


def columns_text(columns: Sequence[Mapping[str, Any]]) -> Markup:
    """Return how the columns of the dictionary were treated, in a sentence."""
    groups: dict[str, list[str]] = {}
    for column in columns:
        groups.setdefault(column["treatment"], []).append(column["name"])
    if set(groups) == {"modelled"}:
        return say("fitness.modelled_all", n=len(columns))
    said = []
    for treatment, members in sorted(groups.items(), key=lambda item: item[0] != "modelled"):
        text = f"{len(members)} {word('treatment', treatment)}"
        said.append(text if treatment == "modelled" else f"{text}: {names(members)}")
    return say("fitness.treatments", list="; ".join(said))
