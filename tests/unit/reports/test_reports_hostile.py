"""Text of dictionaries and release files is untrusted: it stays text and breaks no layout."""

from __future__ import annotations

import io
from typing import Any

import pikepdf
import pytest
import sample_evidence as sample
from dpsynth.reports.document import certificate_html, report_html
from dpsynth.reports.text import glyphs, printable
from sample_evidence import make

HOSTILE = {
    "html": "<img src=file:///etc/passwd><script>alert(1)</script></style></table>" * 40,
    "jinja": "{{ 7 * 191 }}{% for x in y %}{{ cycler.__init__.__globals__ }}" * 40,
    "svg": '"/></title></svg><svg onload="x"><image href="http://example.org/x.png"/>' * 40,
    "long word": "W" * 10000,
    "long text": "Wide words make many lines " * 400,
    "right to left": "\u202e\u05d0\u05d1\u05d2 \u0645\u0631\u062d\u0628\u0627 " * 400,
    "emoji": "\U0001f600\u25a0\u2717\U0001f1e8\U0001f1e6 " * 400,
    "marks": "Z\u0300\u0301\u0302\u0303\u0304\u0306\u0307" * 400,
    "latex": r"\input{/etc/passwd} $\write18{id}$ \href{http://example.org}{x} \(y\) %\\[z" * 40,
    "path": "../../etc/passwd /etc/shadow C:\\Windows\\x \\\\host\\share file:///etc/passwd ~/.ssh"
    * 40,
    "formula": '=HYPERLINK("http://example.org","x")' + "@SUM(1+1)*cmd|' /C calc'!A0" * 40,
    "formula plus": "+cmd|' /C calc'!A0" * 40,
    "formula minus": "-2+3+cmd|' /C calc'!A0" * 40,
    "terminal": "\x1b]8;;http://example.org\x1b\\click\x1b]8;;\x1b\\\x1b[2J\u202e\u2066" * 40,
    "control": "a\x00b\x07c\nd\te\x1bf\u2028g\ufeffh" * 400,
}
FREE = (
    "release.name", "release.title", "release.issuer", "release.purpose", "guarantee.unit",
    "guarantee.assurance_meaning", "budget.lineage", "accounting.method", "data.codebook",
    "synthesizer.name", "policy.name", "environment.entropy",
)  # fmt: skip


def hostile_values(text: str) -> dict[str, Any]:
    """Return the diabetes sample with a hostile text in every place that a person fills in."""
    values = sample.diabetes_values()
    values |= dict.fromkeys(FREE, text)
    values["release.recipient"] = {"name": text, "jurisdiction": text}
    values["guarantee.unit_column"] = text
    values["data.columns"] = [
        c | {"name": text, "meaning": text, "domain": text, "domain_source": text, "reason": text}
        | ({"treatment": "left_out"} if i % 2 else {})
        for i, c in enumerate(values["data.columns"])
    ]  # fmt: skip
    values["data.unprotected"] = [text] * 6
    values["data.warnings"] = [{"column": text, "text": text}] * 50
    values["fitness.poor_uses"] = [text] * 12
    values["fitness.expected_error"] = [
        {"attributes": [text] * k, "cells": 9, "sigma": 1e9, "typical_error": 1e9 + k}
        for k in (1, 2, 3, 4, 5)
    ]
    values["fitness.constraints"] = [{"constraint": text, "rate": 0.5}]
    values["audit.status"] = {"status": "inconclusive", "text": text}
    values["policy.waivers"] = [sample.waiver(text, text, text)] * 5
    values["budget.stages"] = [{"stage": text, "description": text, "rho": "0.001"}] * 12
    values["accounting.cross_check"] = [{"accountant": text, "epsilon": "0.123456789"}] * 6
    values["files.synthetic"] = [{"name": text, "sha256": sample.digest("x"), "bytes": 10**12}] * 9
    values["guarantee.epsilon"] = "0.123456789012"
    values["guarantee.epsilon_charged"] = "0.123456789011"
    values["guarantee.delta"] = "0.00000000012345678"
    values["budget.total_epsilon"] = "12345.123456789"
    return values


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_text_keeps_the_certificate_at_two_pages(kind: str) -> None:
    rendered = make(sample.build(hostile_values(HOSTILE[kind])), "certificate")
    [field] = rendered.fields
    x1, y1, x2, y2 = field.box
    assert rendered.pages == 2
    assert field.page == 1
    assert 0 < x1 < x2 < 596 and 30 < y1 < y2 < 842
    with pikepdf.open(io.BytesIO(rendered.pdf)) as pdf:
        fonts = {str(f.BaseFont) for p in pdf.pages for f in p.Resources.Font.values()}
    assert fonts and all("IBM-Plex" in name for name in fonts)


def test_a_hostile_text_stays_text() -> None:
    evidence = sample.build(hostile_values(HOSTILE["html"]))
    for html in (certificate_html(evidence.public()), report_html(evidence)):
        assert "<script" not in html
        assert "<img" not in html
        assert html.count("</style>") == 1
        assert "&lt;img src=file:///etc/passwd&gt;" in html
    evidence = sample.build(hostile_values(HOSTILE["jinja"]))
    assert "1337" not in certificate_html(evidence.public())
    evidence = sample.build(hostile_values(HOSTILE["svg"]))
    assert "<image" not in report_html(evidence)


def test_what_the_font_lacks_is_named() -> None:
    assert printable("a\u202eb") == "a[U+202E]b"
    assert printable("x \n\t y") == "x y"
    assert printable("\U0001f600") == "[U+1F600]"
    assert printable("Zürich — Łódź ≤ Ωμέγα Москва") == "Zürich — Łódź ≤ Ωμέγα Москва"
    assert printable("e\u0301") == "é"
    assert ord("\u0301") not in glyphs()


@pytest.mark.parametrize("limit", [1, 2, 10, 80])
@pytest.mark.parametrize("text", [*HOSTILE.values(), "", "short", "x" * 80, "x" * 81])
def test_shortening_is_visible_and_bounded(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    whole = printable(text, 10**6)
    assert shown == whole if len(whole) <= limit else shown.endswith("…")
