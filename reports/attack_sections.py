"""What both reports show of a suite of attacks: who attacks, what was found, curves, controls.

Results that check the attacks themselves are kept apart from results about the release, and
comparisons of tables from attacks. Results are arranged here, never judged: what an attack found
was decided by the attack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dpsynth.reports import numbers
from dpsynth.reports.result_view import Results, result_charts, shown_result
from dpsynth.reports.roc import Ceiling, Panel, roc_chart
from dpsynth.reports.text import printable, say
from markupsafe import Markup

CONTROL = "control_"  #: prefix of results that check the attacks, not the release
_DIAGNOSTICS = ("exact_copies", "distance_to_closest_record", "nearest_neighbour_ratio")
_SHADOW = "shadow_"  # prefix of the attacks of one game
# What the attacker of each attack knows: a word of the catalogue.
_KNOWLEDGE = {
    "exact_copies": "table",
    "distance_to_closest_record": "table",
    "nearest_neighbour_ratio": "table",
    "closest_distance_membership": "table",
    "density_ratio_membership": "reference",
    "targeted_query_membership": "reference",
    "singling_out_univariate": "output",
    "singling_out_multivariate": "output",
    "linkability": "parts",
    "rare_row_reconstruction": "half",
    "inference": "all_but_one",
    "attribute_inference": "all_but_one",
    _SHADOW: "generator",
    "one_run_canaries": "planted",
    "unique_category_probe": "planted",
    "two_size_probe": "planted",
}
Row = Mapping[str, Any]


def attack_sections(results: Results, *, ceiling: Ceiling, claim: Markup | None) -> dict[str, Any]:
    """Return attacks, their curves, comparisons of tables and controls of a suite.

    Args:
        results: Results of the suite, as plain mappings.
        ceiling: Largest true-positive rate of the claim at each rate of a curve; empty: no claim.
        claim: What the ceiling belongs to, in words; None: no claim.
    """
    controls = [r for r in results if r["name"].startswith(CONTROL)]
    diagnostics = [r for r in results if r["name"] in _DIAGNOSTICS]
    attacks = [r for r in results if r not in controls and r not in diagnostics]
    keys = ("measured", "baseline", "control")
    return {
        "attacks": [_finding(r) for r in attacks],
        "attack_charts": result_charts(attacks, keys),
        "knowledge": _knowledge([*attacks, *diagnostics]),
        "memberships": [_membership(r) for r in attacks if "advantage" in r["details"]],
        **_roc(attacks, ceiling, claim),
        "controls": [shown_result(r) for r in controls],
        "diagnostics": [shown_result(r) for r in diagnostics],
        "diagnostic_charts": result_charts(diagnostics, keys),
    }


def _finding(result: Row) -> dict[str, Any]:
    """Return one attack; of its further numbers only those that a reader needs, in words."""
    details = result["details"]
    said = []
    if details.get("residual_risk") is not None:
        said.append(
            say(
                "report.residual",
                value=numbers.number(details["residual_risk"]),
                low=numbers.number(details["residual_risk_low"]),
                high=numbers.number(details["residual_risk_high"]),
            )
        )
    if "worst_secret" in details:
        said.append(
            say(
                "report.secrets",
                n=details["secrets"],
                secret=printable(details["worst_secret"], 60),
                members=numbers.number(details["average_members"]),
                others=numbers.number(details["average_non_members"]),
            )
        )
    return {**shown_result(result), "details_text": Markup(" ").join(said)}


def _knowledge(results: Results) -> list[tuple[str, Markup]]:
    """Return (attacks, what their attacker knows), attacks that know the same together."""
    found: dict[str, list[str]] = {}
    for result in results:
        name = _SHADOW if result["name"].startswith(_SHADOW) else result["name"]
        found.setdefault(_KNOWLEDGE.get(name, "unstated"), []).append(result["title"])
    return [
        ("; ".join(printable(t, 120) for t in titles), say(f"knowledge.{known}"))
        for known, titles in found.items()
    ]


def _membership(result: Row) -> dict[str, Any]:
    """Return the numbers of one attack that scored rows, formatted."""
    details = result["details"]
    more = []
    if "mean_auc_of_targets" in details:
        more.append(
            say(
                "report.targets",
                n=details["targets"],
                mean=numbers.number(details["mean_auc_of_targets"]),
                highest=numbers.number(details["highest_auc_of_targets"]),
                epsilon=numbers.number(details["epsilon_lower_bound_worst_target"]),
            )
        )
    if "one_run_epsilon" in details:
        more.append(
            say(
                "report.one_run",
                correct=details["one_run_correct"],
                n=details["one_run_guesses"],
                epsilon=numbers.number(details["one_run_epsilon"]),
                most=numbers.number(details["one_run_epsilon_if_all_guesses_were_right"]),
            )
        )
    return {
        "title": result["title"],
        "auc": numbers.number(result["value"]),
        "auc_range": _range(result["interval"]["low"], result["interval"]["high"]),
        "advantage": numbers.number(details["advantage"]),
        "rates": [_rate(details, key) for key in ("1_percent", "01_percent")],
        "epsilon": numbers.number(details["epsilon_lower_bound"]),
        "claimed": numbers.number(details.get("claimed_epsilon")),
        "p_claim": numbers.number(details.get("p_of_claim_holm", details.get("p_of_claim"))),
        "more": Markup(" ").join(more),
    }


def _rate(details: Mapping[str, Any], key: str) -> tuple[str | Markup, Markup | str]:
    """Return a true-positive rate and its interval, or that it could not be estimated."""
    rate = details[f"tpr_at_{key}_fpr"]
    if isinstance(rate, str):
        return rate, ""
    ends = (details[f"tpr_at_{key}_fpr_{end}"] for end in ("low", "high"))
    return numbers.number(rate), _range(*ends)


def _range(low: float, high: float) -> Markup:
    return say("report.range", low=numbers.number(low), high=numbers.number(high))


def _roc(attacks: Results, ceiling: Ceiling, claim: Markup | None) -> dict[str, Any]:
    """Return the curves of the attacks in one chart, its words and what has none."""
    curves = [(r["title"], r["roc"]) for r in attacks if r["roc"] is not None]
    drawn = [(title, roc) for title, roc in curves if roc["points"]]
    missing = [
        say("roc.none", title=title, reason=roc["reason"])
        for title, roc in curves
        if not roc["points"]
    ]
    if not drawn:
        return {"roc_chart": None, "roc_text": None, "roc_missing": missing}
    level = drawn[0][1]["level"]
    panels = [
        Panel(
            title=title,
            points=roc["points"],
            members=roc["members"],
            non_members=roc["non_members"],
        )
        for title, roc in drawn
    ]
    under = (
        say("roc.text_no_ceiling")
        if claim is None
        else say("roc.text_ceiling", claim=claim, odds=numbers.grouped(2.0 / (1.0 - level)))
    )
    return {
        "roc_chart": roc_chart(panels, ceiling, level=level),
        "roc_text": Markup(" ").join([say("roc.text", level=f"{100 * level:g}"), under]),
        "roc_missing": missing,
    }
