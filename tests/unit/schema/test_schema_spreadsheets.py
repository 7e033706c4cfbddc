"""Which declared texts a spreadsheet program would run."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.schema.dictionary import load_dictionary
from dpsynth.schema.spreadsheets import formula_columns, runs_as_formula

DICTIONARY = """\
version: 1
title: x
privacy_unit: {kind: row, note: each row}
columns:
- {name: plain, kind: categorical, role: other, meaning: x, domain_source: x,
   domain: {categories: [a, '-1', '+2,5']}, missing: {'-': unknown}}
- {name: listed, kind: categorical, role: other, meaning: x, domain_source: x,
   domain: {categories: [a, '+cmd']}}
- {name: missed, kind: integer, role: other, meaning: x, domain_source: x,
   domain: {lower: 0, upper: 9, bins: {uniform: 3}}, missing: {'@none': unknown}}
- {name: special, kind: integer, role: other, meaning: x, domain_source: x,
   domain: {lower: 0, upper: 9, bins: {uniform: 3}}, special: {'=NA()': refused}}
- {name: '=name', kind: categorical, role: other, meaning: x, domain_source: x,
   domain: {categories: [a, b]}}
"""


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "=HYPERLINK(1)",
        "+1-2",
        "-2+3",
        "@SUM(1)",
        "-none",
        "\t=1",
        "\r=1",
        "\uff1d1",
        "-inf",
    ],
)
def test_a_formula(text: str) -> None:
    assert runs_as_formula(text)


@pytest.mark.parametrize(
    "text",
    ["", "a=b", "-", "--", "+", "-1", "+4", "-1.5", "-.5", "-1,5", "+1e-3", " =1", "1-2", "?"],
)
def test_no_formula(text: str) -> None:
    assert not runs_as_formula(text)


def test_the_columns_that_declare_one(tmp_path: Path) -> None:
    path = tmp_path / "dictionary.yaml"
    path.write_text(DICTIONARY, encoding="utf-8")
    assert formula_columns(load_dictionary(path)) == ("listed", "missed", "special", "=name")
