"""Charts as hand-written SVG strings.

Each chart carries its whole content as words in ``<title>``, which becomes the alternative text of
the figure. Shape, pattern and position say everything that colour says, so that a grey print and a
colour-blind reader lose nothing. Text is real text in the bundled font. Data only place marks here;
nothing is computed about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import segno
from dpsynth.reports.numbers import number
from dpsynth.reports.text import plain, printable
from markupsafe import Markup, escape

FONT = "IBM Plex Sans dpsynth"
INK, MUTED, RULE, BLUE, RUST = "#14212b", "#566573", "#c9d2da", "#0b4a7d", "#b4501e"
TINT = "#e9f0f6"
KEY_LIMIT = 120  #: characters of one name in the key of a chart
_FLAT, _LEAST = 1e-9, 1e-30  # spans that are none, relative and absolute

Point = tuple[float, float]


def svg(width: float, height: float, title: str, parts: Iterable[str]) -> Markup:
    """Wrap drawn parts as one figure of `width` x `height` user units with its alternative text."""
    return Markup(  # noqa: S704 (every text in it went through `label` or `escape`)
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" font-family="{FONT}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def label(
    x: float,
    y: float,
    text: str,
    *,
    size: float = 9,
    fill: str = INK,
    anchor: str = "start",
    bold: bool = False,
    limit: int = 80,
) -> str:
    """Return one line of text with its baseline at (x, y)."""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size:g}" fill="{fill}"'
        f' text-anchor="{anchor}"{weight}>{escape(printable(text, limit))}</text>'
    )


def line(a: Point, b: Point, *, stroke: str = RULE, width: float = 0.8, dash: str = "") -> str:
    """Return a straight line."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{a[0]:.2f}" y1="{a[1]:.2f}" x2="{b[0]:.2f}" y2="{b[1]:.2f}"'
        f' stroke="{stroke}" stroke-width="{width:g}"{dashes}/>'
    )


def rect(x: float, y: float, w: float, h: float, *, fill: str, stroke: str = "none") -> str:
    """Return a rectangle."""
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{w:.2f}" height="{h:.2f}" fill="{fill}"'
        f' stroke="{stroke}" stroke-width="0.9"/>'
    )


def path(
    points: Sequence[Point], *, stroke: str, width: float, fill: str = "none", dash: str = ""
) -> str:
    """Return a polyline through points."""
    steps = " ".join(f"{'M' if i == 0 else 'L'}{x:.2f} {y:.2f}" for i, (x, y) in enumerate(points))
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="{steps}" fill="{fill}" stroke="{stroke}" stroke-width="{width:g}"{dashes}/>'


def mark(shape: str, x: float, y: float, r: float) -> str:
    """Return a mark at (x, y): ``dot``, ``ring``, ``square`` (filled), ``box`` or ``diamond``."""
    if shape == "dot":
        return f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{r:g}" fill="{BLUE}"/>'
    if shape == "ring":
        return (
            f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{r - 0.5:g}" fill="#ffffff" stroke="{MUTED}"'
            ' stroke-width="1"/>'
        )
    if shape == "square":
        return rect(x - r, y - r, 2 * r, 2 * r, fill=RUST)
    if shape == "box":
        return rect(x - r + 0.4, y - r + 0.4, 2 * r - 0.8, 2 * r - 0.8, fill="#ffffff", stroke=INK)
    q = r * 1.25
    corners = [(x, y - q), (x + q, y), (x, y + q), (x - q, y), (x, y - q)]
    return path(corners, stroke=RUST, width=1.1, fill="#ffffff")


def hatch(x: float, y: float, w: float, h: float, *, step: float = 3.2, stroke: str = BLUE) -> str:
    """Return diagonal lines that fill a rectangle, clipped by arithmetic."""
    steps = []
    offset = step / 2
    while offset < w + h:
        x1, y1 = (x + offset, y) if offset <= w else (x + w, y + offset - w)
        x2, y2 = (x, y + offset) if offset <= h else (x + offset - h, y + h)
        steps.append(f"M{x1:.2f} {y1:.2f}L{x2:.2f} {y2:.2f}")
        offset += step
    return f'<path d="{"".join(steps)}" stroke="{stroke}" stroke-width="0.9" fill="none"/>'


def icon_array(before: int, after: int) -> Markup:
    """Draw 100 people: `before` dots, squares up to `after`, rings for the rest."""
    pitch, r = 12.0, 4.1
    parts = []
    for i in range(100):
        x, y = 6 + pitch * (i % 20), 6 + pitch * (i // 20)
        shape = "dot" if i < before else "square" if i < after else "ring"
        parts.append(mark(shape, x, y, r if shape != "square" else r - 0.3))
    title = plain(
        "chart.icons", before=before, rise=max(0, after - before), after=after, rest=100 - after
    )
    return svg(pitch * 20, pitch * 5, title, parts)


def trade_off(
    curve: Sequence[Sequence[float]], *, guesses: int, hits: int, rare_hits: int
) -> Markup:
    """Draw the largest hit rate at each false-alarm rate against guessing, in numbers per 100.

    `guesses` is per 100, `hits` and `rare_hits` per 1,000 (at 10 and 1 false alarms per 1,000).
    """
    left, top, side, tall = 34.0, 8.0, 218.0, 158.0
    right, bottom = left + side, top + tall

    def place(x: float, y: float) -> Point:
        return left + side * x, bottom - tall * y

    points = [place(x, y) for x, y in curve]
    parts = [path([*points, place(0, 1), points[0]], stroke="none", width=0, fill=TINT)]
    for tick in (0, 25, 50, 75, 100):
        x, y = place(tick / 100, tick / 100)
        parts += [line((left, y), (right, y)), line((x, top), (x, bottom))]
        parts.append(label(left - 5, y + 3, str(tick), size=8, fill=MUTED, anchor="end"))
        parts.append(label(x, bottom + 11, str(tick), size=8, fill=MUTED, anchor="middle"))
    parts.append(line(place(0, 0), place(1, 1), stroke=MUTED, width=1.1, dash="3.5 2.5"))
    parts.append(path(points, stroke=BLUE, width=2))
    parts.append(rect(left + 4, top + 5, 104, 14, fill=TINT))
    parts.append(label(left + 7, top + 15, plain("chart.no_attack"), size=8.5, fill=BLUE))
    key_y = bottom - 24
    parts.append(rect(left + 92, key_y - 9, 121, 29, fill="#ffffff"))
    parts.append(line((left + 97, key_y - 1), (left + 116, key_y - 1), stroke=BLUE, width=2))
    parts.append(label(left + 121, key_y + 2, plain("chart.limit"), size=8.5))
    parts.append(
        line(
            (left + 97, key_y + 12),
            (left + 116, key_y + 12),
            stroke=MUTED,
            width=1.1,
            dash="3.5 2.5",
        )
    )
    parts.append(label(left + 121, key_y + 15, plain("chart.guessing"), size=8.5))
    middle = left + side / 2
    parts.append(label(middle, bottom + 24, plain("chart.false_alarms"), size=8.5, anchor="middle"))
    turn = f'<g transform="translate(9 {top + tall / 2:.1f}) rotate(-90)">'
    parts.append(turn + label(0, 0, plain("chart.hits"), size=8.5, anchor="middle") + "</g>")
    title = plain("chart.trade_off", guesses=guesses, hits=hits, rare_hits=rare_hits)
    return svg(260, bottom + 30, title, parts)


def budget_bar(shares: Sequence[float], titles: Sequence[str], title: str) -> Markup:
    """Draw the budget of the people: earlier releases solid, this release hatched, the rest open.

    Args:
        shares: Three parts of the whole, in [0, 1], summing to at most 1.
        titles: Their three captions, printed in order below the bar.
        title: Alternative text.
    """
    width, height = 640.0, 17.0
    x = 0.5
    parts = []
    for i, part in enumerate(shares):
        w = max(0.0, min(part * (width - 1), width - 0.5 - x))
        if w > 0:
            parts.append(_budget_part(i, x, 0.5, w, height))
        x += w
    parts.append(rect(0.5, 0.5, width - 1, height, fill="none", stroke=INK))
    for i, caption in enumerate(titles):
        at = i * width / 3
        parts.append(_budget_part(i, at + 0.5, height + 11, 11, 8) if i < 2 else "")
        parts.append(rect(at + 0.5, height + 11, 11, 8, fill="none", stroke=INK))
        parts.append(label(at + 17, height + 18.6, caption, size=9.6, limit=52))
    return svg(width, height + 23, title, parts)


def square_code(content: str) -> Markup:
    """Draw a text as a QR code (ISO/IEC 18004), error correction M, one unit a module.

    The margin of four modules that readers need is left to the page.
    """
    rows = segno.make_qr(content, error="m", boost_error=False).matrix
    runs = []
    for y, row in enumerate(rows):
        x = 0
        for dark, modules in groupby(row):
            width = len(list(modules))
            runs.append(f"M{x} {y}h{width}v1h-{width}z" if dark else "")
            x += width
    drawn = f'<path d="{"".join(runs)}" fill="#000000"/>'
    return svg(len(rows), len(rows), plain("chart.square", content=content), [drawn])


def _budget_part(i: int, x: float, y: float, w: float, h: float) -> str:
    if i == 0:
        return rect(x, y, w, h, fill=BLUE)
    if i == 1:
        return rect(x, y, w, h, fill=TINT) + hatch(x, y, w, h)
    return ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a dot chart.

    Attributes:
        title: What was measured.
        value: The measured number.
        interval: (low, high) around it, or None.
        baseline: Reference drawn as an open box, or None.
        control: Control drawn as an open diamond, or None.
    """

    title: str
    value: float
    interval: tuple[float, float] | None
    baseline: float | None
    control: float | None


def dot_chart(rows: Sequence[Row], *, unit: str, key: Sequence[str]) -> Markup:
    """Draw rows of one unit on a common axis: value with interval, baseline, control.

    Args:
        rows: At least one row.
        unit: Title of the axis.
        key: Words for value, baseline and control.
    """
    left, right, row_h = 250.0, 628.0, 17.0
    low, high, ticks = axis([v for row in rows for v in _values(row)])

    def at(value: float) -> float:
        return left + (right - left) * (value - low) / (high - low)

    parts, top = _key(key, rows)
    bottom = top + 6 + row_h * len(rows)
    for tick in ticks:
        parts.append(line((at(tick), top), (at(tick), bottom)))
        text = f"{tick:.10g}".replace("-", "−")
        parts.append(label(at(tick), bottom + 11, text, size=8.5, fill=MUTED, anchor="middle"))
    for i, row in enumerate(rows):
        y = top + 13 + row_h * i
        parts.append(label(left - 12, y + 3, row.title, size=9, anchor="end", limit=54))
        if row.interval is not None:
            a, b = at(row.interval[0]), at(row.interval[1])
            parts.append(line((a, y), (b, y), stroke=BLUE, width=1.6))
            parts += [line((v, y - 3.2), (v, y + 3.2), stroke=BLUE, width=1.3) for v in (a, b)]
        if row.control is not None:
            parts.append(mark("diamond", at(row.control), y, 3.6))
        if row.baseline is not None:
            parts.append(mark("box", at(row.baseline), y, 3.8))
        parts.append(mark("dot", at(row.value), y, 3.4))
    parts.append(
        label((left + right) / 2, bottom + 24, unit, size=9, anchor="middle", limit=76, bold=True)
    )
    return svg(640, bottom + 29, _words(rows, unit, key), parts)


def _values(row: Row) -> list[float]:
    found = [row.value, *(row.interval or ())]
    return found + [v for v in (row.baseline, row.control) if v is not None]


def _key(key: Sequence[str], rows: Sequence[Row]) -> tuple[list[str], float]:
    """Return the key, on as many lines as its words need, and where the chart below it begins."""
    shown = [
        True,
        any(r.baseline is not None for r in rows),
        any(r.control is not None for r in rows),
    ]
    parts: list[str] = []
    x, y = 8.0, 7.0
    for shape, text, present in zip(("dot", "box", "diamond"), key, shown, strict=True):
        if present:
            room = 34 + 4.5 * min(len(text), KEY_LIMIT)
            if x > 8.0 and x + room > 640:
                x, y = 8.0, y + 13.0
            parts += [mark(shape, x + 4, y, 3.6)]
            parts += [label(x + 12, y + 3, text, size=9, limit=KEY_LIMIT)]
            x += room
    return parts, y + 13.0


def _words(rows: Sequence[Row], unit: str, key: Sequence[str]) -> str:
    said = []
    for row in rows:
        text = f"{printable(row.title, 80)}: {key[0]} {spoken(row.value)}"
        if row.interval is not None:
            text += f" ({spoken(row.interval[0])} to {spoken(row.interval[1])})"
        if row.baseline is not None:
            text += f", {key[1]} {spoken(row.baseline)}"
        if row.control is not None:
            text += f", {key[2]} {spoken(row.control)}"
        said.append(text)
    return f"{printable(unit, 80)}. {'; '.join(said)}."


def spoken(value: float) -> str:
    """Return a measured number for an alternative text, which has no markup."""
    shown = number(value)
    return f"{value:.2e}" if isinstance(shown, Markup) else shown


def axis(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Return (low, high, ticks) of an axis with about five round ticks around finite values."""
    low, high = min(values), max(values)
    span, size = high - low, max(abs(low), abs(high))
    if span <= _FLAT * size or size < _LEAST:  # equal for the eye; steps would underflow
        span = size if size >= _LEAST else 1.0
    rough = span / 4
    power = 1.0
    while power > rough:
        power /= 10
    while power * 10 <= rough:
        power *= 10
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = int(low // step)
    last = int(-(-high // step))
    last = max(last, first + 1)
    return first * step, last * step, [i * step for i in range(first, last + 1)]
