"""Results of attacks and of fidelity as rows and dot charts: words and places, no arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dpsynth.reports import charts, numbers
from dpsynth.reports.text import plain, printable, say
from markupsafe import Markup

DETAILS_SHOWN = 10  #: further numbers of one result that are printed

Results = Sequence[Mapping[str, Any]]


def shown_result(result: Mapping[str, Any]) -> dict[str, Any]:
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
    text = Markup("; ").join(details) + "." if details else ""
    return {**result, "interval_text": shown, "details_text": text}


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
    return printable(only, charts.KEY_LIMIT) if only else otherwise
