"""What a well-formed dictionary becomes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from dpsynth.errors import InputError
from dpsynth.schema.constraints import FunctionalDependency, Implies, MissingIffBelow, Unique
from dpsynth.schema.dictionary import (
    CategoryDomain,
    DateDomain,
    Kind,
    NumericDomain,
    OpenDomain,
    PatternDomain,
    Role,
    TextDomain,
    load_dictionary,
)

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
SINGLE = {
    "adult": (15, "income", "row"),
    "acs2018_nd": (24, "HICOV", "column"),
    "acs_national2019": (24, "PINCP_DECILE", "row"),
    "credit_default": (25, "default.payment.next.month", "row"),
    "diabetes130": (50, "readmitted", "column"),
    "german_credit": (21, "credit_risk", "row"),
    "heart_disease": (15, "num", "row"),
}
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")

WHOLE = """
version: 1
status: declared
title: A table
codebook: The book
file: data.csv
delimiter: ";"
encoding: latin-1
label: outcome
privacy_unit: {kind: column, column: person, max_rows_per_unit_declared: 3, note: several visits}
notes: two lines
constraints:
- {type: functional_dependency, determinant: [grade], dependent: [outcome]}
- {type: missing_iff_below, column: grade, numeric: age, threshold: 15}
- {type: unique, columns: [person, day]}
- {type: implies, if: {grade: ['low', '?']}, then: {outcome: ['no']}}
columns:
- name: person
  kind: id
  role: direct_identifier
  meaning: number
  domain: {pattern: '\\d{6}'}
- name: age
  kind: integer
  role: quasi_identifier
  meaning: years
  domain: {lower: 0, upper: 99, bins: {edges: &e [0, 18, 65, 100]}}
  domain_source: policy
  missing: {'-9': unknown, '-9.0': unknown}
  special: {'999': not asked}
- name: weight
  kind: float
  role: other
  meaning: kg
  domain: {lower: 0, upper: 200, bins: {uniform: 4}}
- name: again
  kind: integer
  role: other
  domain: {lower: 0, upper: 99, bins: {edges: *e}}
- name: day
  kind: date
  role: other
  meaning: visit
  domain: {format: '%d.%m.%Y', lower: '2001-02-03', upper: 2010-12-31}
- name: grade
  kind: ordinal
  role: sensitive
  meaning: grade
  domain: {categories: ['low', 'high'], labels: {'low': L}}
  missing: {'?': unknown}
- name: code
  kind: categorical
  role: sensitive
  meaning: code
  domain: {pattern: '\\d{3}', public_groups: {a: 1-99, rest: everything else}}
- name: payer
  kind: categorical
  role: other
  meaning: payer
  domain: {open: true, known_values: ['A']}
- {name: remark, kind: text, role: other, meaning: free}
- name: outcome
  kind: categorical
  role: label
  meaning: outcome
  domain: {categories: ['1', '0', 'no'], numeric_equivalence: true}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "dictionary.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_kind_is_read(tmp_path: Path) -> None:
    dictionary = load_dictionary(write(tmp_path, WHOLE))
    assert (dictionary.title, dictionary.label, dictionary.delimiter) == ("A table", "outcome", ";")
    assert dictionary.encoding == "latin-1"
    assert not dictionary.is_draft
    unit = dictionary.privacy_unit
    assert (unit.kind, unit.column, unit.max_rows_declared) == ("column", "person", 3)
    assert dictionary["age"].domain == NumericDomain(lower=0, upper=99, edges=(0, 18, 65, 100))
    assert dictionary["age"].missing == {"-9": "unknown", "-9.0": "unknown"}
    assert dictionary["age"].special == {"999": "not asked"}
    assert dictionary["weight"].domain == NumericDomain(
        lower=0, upper=200, edges=(0, 50, 100, 150, 200)
    )
    assert dictionary["again"].domain == dictionary["age"].domain
    assert dictionary["day"].domain == DateDomain(
        format="%d.%m.%Y", lower=date(2001, 2, 3), upper=date(2010, 12, 31)
    )
    assert dictionary["grade"].domain == CategoryDomain(
        categories=("low", "high"), labels={"low": "L"}
    )
    assert dictionary["code"].domain == PatternDomain(
        pattern=r"\d{3}", public_groups={"a": "1-99", "rest": "everything else"}
    )
    assert dictionary["payer"].domain == OpenDomain(known_values=("A",))
    assert dictionary["remark"].domain == TextDomain()
    assert dictionary["person"].role is Role.DIRECT_IDENTIFIER
    assert dictionary["outcome"].kind is Kind.CATEGORICAL
    assert dictionary.constraints == (
        FunctionalDependency(determinant=("grade",), dependent=("outcome",)),
        MissingIffBelow(column="grade", numeric="age", threshold=15),
        Unique(names=("person", "day")),
        Implies(condition={"grade": ("low", "?")}, consequence={"outcome": ("no",)}),
    )
    with pytest.raises(KeyError):
        dictionary["nobody"]


def test_status_and_version_are_optional(tmp_path: Path) -> None:
    text = WHOLE.replace("version: 1\n", "").replace("status: declared\n", "")
    assert not load_dictionary(write(tmp_path, text)).is_draft
    assert load_dictionary(
        write(tmp_path, WHOLE.replace("status: declared", "status: draft"))
    ).is_draft


def test_digest_depends_on_facts_not_on_layout(tmp_path: Path) -> None:
    plain = load_dictionary(write(tmp_path, WHOLE)).digest()
    commented = load_dictionary(write(tmp_path, "# a comment\n" + WHOLE)).digest()
    changed = load_dictionary(write(tmp_path, WHOLE.replace("upper: 200", "upper: 201"))).digest()
    assert plain == commented
    assert plain != changed
    assert len(plain) == 64


@needs_data
@pytest.mark.parametrize("name", SINGLE)
def test_shipped_dictionaries_are_accepted_unchanged(name: str) -> None:
    columns, label, unit = SINGLE[name]
    dictionary = load_dictionary(SHARED / name / "dictionary.yaml")
    assert (len(dictionary.columns), dictionary.label) == (columns, label)
    assert dictionary.privacy_unit.kind == unit
    assert not dictionary.is_draft


@needs_data
@pytest.mark.parametrize("name", ["berka", "synthea_sim"])
def test_several_tables_are_refused_plainly(name: str) -> None:
    with pytest.raises(InputError, match="multi-table dictionaries are not supported yet"):
        load_dictionary(SHARED / name / "dictionary.yaml")
