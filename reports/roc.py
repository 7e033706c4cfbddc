"""ROC curves of attacks on two logarithmic axes, one panel for each, under the ceiling of a claim.

Attacks matter where they accuse few people wrongly, which a linear axis hides in its corner
(Carlini et al., S&P 2022). Every panel has the same axes. The curve is solid, its band filled, the
ceiling dash-dotted and guessing dashed, so that a grey print loses nothing. A panel says in words
whether the lower edge of its band passes the ceiling.

Never true here: a mark from a curve alone. Only a whole band above the ceiling refutes a claim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from dpsynth.reports.charts import (
    BLUE,
    MUTED,
    RUST,
    Point,
    label,
    line,
    mark,
    path,
    rect,
    spoken,
    svg,
)
from dpsynth.reports.numbers import grouped
from dpsynth.reports.text import plain, printable
from markupsafe import Markup

_COLUMNS, _WIDTH, _LEFT, _SIDE, _TALL = 3, 640.0, 33.0, 172.0, 142.0
_PITCH = (_WIDTH - 8.0 - _LEFT - _SIDE) / (_COLUMNS - 1)  # room for the last number
_KEY, _HEAD, _FOOT = 20.0, 37.0, 30.0  # heights: of the key, and above and below a panel
_BAND, _CEILING, _GUESS = "#efe4db", "7 2 1.5 2", "2.5 2.5"
_TITLE_LINES, _TITLE_CHARACTERS = 2, 42
_SAID = (0.001, 0.01, 0.1)  # rates that the alternative text speaks of
Ceiling = Mapping[float, float]  #: largest true-positive rate at each false-positive rate


@dataclass(frozen=True, kw_only=True)
class Panel:
    """The curve of one attack.

    Attributes:
        title: The attack.
        points: (false-positive rate, true-positive rate, low, high), none decreasing.
        members: Members that were scored.
        non_members: Non-members that were scored.
    """

    title: str
    points: Sequence[Sequence[float]]
    members: int
    non_members: int

    def above(self, ceiling: Ceiling) -> list[Sequence[float]]:
        """Return the points at which the whole band lies above a ceiling."""
        return [point for point in self.points if ceiling and point[2] > ceiling[point[0]]]


def roc_chart(panels: Sequence[Panel], ceiling: Ceiling, *, level: float) -> Markup:
    """Draw panels, three in a row, on the same axes.

    Args:
        panels: At least one.
        ceiling: What a claim allows at the rates of the points; empty where nothing is claimed.
        level: Simultaneous confidence of the bands.
    """
    low = 10.0 ** math.floor(math.log10(min(panel.points[0][0] for panel in panels)) + 1e-9)
    parts = _key(ceiling, level)
    for i, panel in enumerate(panels):
        at = (_LEFT + _PITCH * (i % _COLUMNS), _KEY + (i // _COLUMNS) * (_HEAD + _TALL + _FOOT))
        parts += _panel(panel, ceiling, at, low)
    rows = -(-len(panels) // _COLUMNS)
    height = _KEY + rows * (_HEAD + _TALL + _FOOT)
    return svg(_WIDTH, height, _words(panels, ceiling, level), parts)


def _panel(panel: Panel, ceiling: Ceiling, at: Point, low: float) -> list[str]:
    left, top = at[0], at[1] + _HEAD
    bottom, decades = top + _TALL, -math.log10(low)

    def place(x: float, y: float) -> Point:
        return (
            left + _SIDE * (1.0 + math.log10(max(x, low)) / decades),
            bottom - _TALL * (1.0 + math.log10(max(y, low)) / decades),
        )

    lines = wrap(printable(panel.title, 80), _TITLE_CHARACTERS)[:_TITLE_LINES]
    parts = [
        label(left, top - 17 - 10.5 * (len(lines) - 1 - i), text, size=8.8, bold=True)
        for i, text in enumerate(lines)
    ]
    count = plain("roc.counts", members=grouped(panel.members), others=grouped(panel.non_members))
    parts.append(label(left, top - 6, count, size=8, fill=MUTED))
    up = _steps([(p[0], p[3]) for p in panel.points], before=True)
    down = _steps([(p[0], p[2]) for p in panel.points])
    edge = [place(*p) for p in down]
    band = [*edge, *(place(*p) for p in reversed(up))]
    parts.append(path([*band, band[0]], stroke="none", width=0, fill=_BAND))
    for k in range(round(decades) + 1):
        tick = low * 10.0**k
        x, y = place(tick, tick)
        parts += [line((left, y), (left + _SIDE, y)), line((x, top), (x, bottom))]
        text = f"{100 * tick:.10g}"
        parts.append(label(left - 4, y + 2.8, text, size=7.6, fill=MUTED, anchor="end"))
        parts.append(label(x, bottom + 10, text, size=7.6, fill=MUTED, anchor="middle"))
    parts.append(path(edge, stroke=RUST, width=0.7, dash="1 1.4"))
    parts.append(line(place(low, low), place(1, 1), stroke=MUTED, width=1.1, dash=_GUESS))
    allowed = [place(x, y) for x, y in sorted(ceiling.items()) if x >= low]
    if allowed:
        parts.append(path(allowed, stroke=BLUE, width=1.9, dash=_CEILING))
    curve = _steps([(p[0], p[1]) for p in panel.points])
    parts.append(path([place(*p) for p in curve], stroke=RUST, width=1.6))
    parts += _finding(panel.above(ceiling), place, (left + _SIDE, bottom))
    x = left + _SIDE / 2
    parts.append(label(x, bottom + 21.5, plain("roc.false_alarms"), size=8, anchor="middle"))
    turn = f'<g transform="translate({left - 25:.1f} {top + _TALL / 2:.1f}) rotate(-90)">'
    parts.append(turn + label(0, 0, plain("roc.hits"), size=8, anchor="middle") + "</g>")
    return parts


def _finding(
    above: Sequence[Sequence[float]], place: Callable[[float, float], Point], corner: Point
) -> list[str]:
    """Mark the points that pass the ceiling, and say so at the lower right corner."""
    if not above:
        return []
    x, y = corner
    squares = [mark("square", *place(p[0], p[2]), 1.7) for p in above]
    box = rect(x - 117, y - 20, 113, 15, fill="#ffffff", stroke=RUST)
    return [*squares, box, label(x - 112, y - 9.5, plain("roc.above"), size=8.2, bold=True)]


def _steps(points: Sequence[Point], *, before: bool = False) -> list[Point]:
    """Return a staircase: each value holds up to the next rate, or from the one before."""
    out = [points[0]]
    for (x, y), (then_x, then_y) in zip(points, points[1:], strict=False):
        out += [(x, then_y) if before else (then_x, y), (then_x, then_y)]
    return out


def _key(ceiling: Ceiling, level: float) -> list[str]:
    """Return the key above all panels."""
    band = plain("roc.band", level=f"{100 * level:g}")
    kinds: list[tuple[str, str, float, str]] = [
        (plain("roc.curve"), RUST, 1.6, ""),
        (band, RUST, 0.7, "1 1.4"),
        (plain("roc.guessing"), MUTED, 1.1, _GUESS),
    ]
    if ceiling:
        kinds.insert(2, (plain("roc.ceiling"), BLUE, 1.9, _CEILING))
    parts, x = [], 1.0
    for text, stroke, width, dash in kinds:
        if text == band:
            parts.append(rect(x, 2, 24, 9, fill=_BAND))
        y = 11.0 if text == band else 7.0
        parts.append(line((x, y), (x + 24, y), stroke=stroke, width=width, dash=dash))
        parts.append(label(x + 29, 10, text, size=8.8))
        x += 50 + 4.4 * len(text)
    return parts


def _words(panels: Sequence[Panel], ceiling: Ceiling, level: float) -> str:
    """Return the chart in words."""
    said = [plain("roc.title", level=f"{100 * level:g}")]
    for panel in panels:
        found = plain("roc.above_words" if panel.above(ceiling) else "roc.not_above_words")
        rates = [
            plain(
                "roc.rate_words",
                rate=f"{100 * x:g}",
                hits=spoken(100 * y),
                low=spoken(100 * below),
                high=spoken(100 * over),
                ceiling=plain("roc.ceiling_words", most=spoken(100 * ceiling[x]))
                if ceiling
                else "",
            )
            for x, y, below, over in panel.points
            if x in _SAID
        ]
        count = plain(
            "roc.counts", members=grouped(panel.members), others=grouped(panel.non_members)
        )
        text = f"{printable(panel.title, 80)}, {count}: {'; '.join(rates)}."
        said.append(f"{text} {found}" if ceiling else text)
    return " ".join(said)
