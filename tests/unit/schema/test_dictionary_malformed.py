"""Every malformed dictionary gives one clear InputError that names file and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.errors import InputError
from dpsynth.schema.dictionary import load_dictionary

GOOD = """\
title: T
label: b
privacy_unit: {kind: row}
columns:
- name: a
  kind: integer
  role: other
  meaning: m
  domain: {lower: 0, upper: 10, bins: {edges: [0, 5, 11]}}
  missing: {'?': unknown}
- name: b
  kind: categorical
  role: label
  meaning: m
  domain: {categories: ['x', 'y'], labels: {'x': ex}}
"""


def load(tmp_path: Path, text: str | bytes):
    path = tmp_path / "dictionary.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_dictionary(path)


def test_the_good_one_is_good(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).names == ("a", "b")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: integer", "kind: number", ["column 'a'", "unknown kind number", "integer float"]),
        ("role: other", "role: secret", ["column 'a'", "unknown role"]),
        ("name: b", "name: a", ["'a' twice"]),
        ("name: b", "name: ''", ["column 2", "blank"]),
        ("name: b", "name: 5", ["column 2", "not text", "quotes"]),
        ("name: b", 'name: "b\\u202e"', ["control characters"]),
        ("name: b", "name: " + "x" * 300, ["longer than 200"]),
        ("- name: a\n  kind", "- kind", ["column 1", "lacks the key 'name'"]),
        ("  kind: integer\n", "", ["column 'a'", "lacks the key 'kind'"]),
        ("  role: other\n", "", ["column 'a'", "lacks the key 'role'"]),
        ("meaning: m\n  domain: {lower", "meaning: m\n  domian: {lower", ["unknown key domian"]),
        ("  domain: {categories: ['x', 'y'], labels: {'x': ex}}\n", "", ["'b'", "'domain'"]),
        ("lower: 0", "lower: 10", ["column 'a'", "smaller than upper"]),
        ("lower: 0", "lower: .nan", ["finite"]),
        ("lower: 0", "lower: -.inf", ["finite"]),
        ("lower: 0", "lower: true", ["not a number"]),
        ("lower: 0", "lower: '0'", ["not a number"]),
        ("lower: 0", "lower: 0.5", ["whole numbers"]),
        ("upper: 10", "upper: " + "9" * 400, ["1e15"]),
        ("upper: 10", "upper: 0x" + "f" * 9000, ["1e15"]),
        ("upper: 10, ", "", ["lacks the key 'upper'"]),
        ("edges: [0, 5, 11]", "edges: [0, 5]", ["do not cover"]),
        ("edges: [0, 5, 11]", "edges: [2, 5, 11]", ["do not cover"]),
        ("edges: [0, 5, 11]", "edges: [0, 11, 5]", ["rise strictly"]),
        ("edges: [0, 5, 11]", "edges: [-9, -5, 11]", ["outside"]),
        ("edges: [0, 5, 11]", "edges: [0, 11, 12]", ["outside"]),
        ("edges: [0, 5, 11]", "edges: []", ["at least one item"]),
        ("edges: [0, 5, 11]", "uniform: 0", ["from 1 to"]),
        ("edges: [0, 5, 11]", "uniform: 2, edges: [0, 11]", ["either"]),
        (", bins: {edges: [0, 5, 11]}", "", ["lacks the key 'bins'"]),
        ("label: b", "label: c", ["label c", "no declared column"]),
        ("kind: row", "kind: column, column: c", ["column c", "not declared"]),
        ("kind: row", "kind: column", ["names no column"]),
        ("kind: row", "kind: household", ["unknown kind household"]),
        ("kind: row", "kind: row, column: a", ["kind is row"]),
        ("kind: row", "kind: relational, root_table: x", ["multi-table"]),
        ("kind: row", "kind: column, column: a, max_rows_per_unit_declared: 0", ["at least 1"]),
        ("privacy_unit: {kind: row}\n", "", ["lacks the key 'privacy_unit'"]),
        ("['x', 'y']", "['x', 'x']", ["column 'b'", "listed twice"]),
        ("['x', 'y']", "['x', ' x']", ["listed twice"]),
        ("['x', 'y']", "[x, yes]", ["yes/no value", "quotes"]),
        ("['x', 'y']", "[x, 1]", ["1 is not text", "quotes"]),
        ("['x', 'y']", "[x, 2020-01-01]", ["a date", "quotes"]),
        ("['x', 'y']", "[x, ~]", ["nothing"]),
        ("['x', 'y']", "['x', '']", ["blank"]),
        ("['x', 'y']", "[]", ["is empty"]),
        ("['x', 'y']", "x", ["must be a list"]),
        ("['x', 'y']", "['x', '__out_of_domain__']", ["reserved word"]),
        ("['x', 'y']", '["x", "y\\u0007"]', ["control characters"]),
        ("labels: {'x': ex}", "labels: {'z': ex}", ["not one of the categories"]),
        ("labels: {'x': ex}", "labels: {'x': 1}", ["not text"]),
        ("labels: {'x': ex}", "numeric_equivalence: 1", ["true or false"]),
        ("missing: {'?': unknown}", "missing: {1: unknown}", ["not text", "quotes"]),
        ("missing: {'?': unknown}", "missing: {'?': u}\n  special: {'?': s}", ["also in missing"]),
        ("missing: {'?': unknown}", "missing: [a]", ["must be a mapping"]),
        ("title: T", "titel: T", ["unknown key titel", "Known keys"]),
        ("title: T", "version: 2", ["version 2"]),
        ("title: T", "version: true", ["version True"]),
        ("title: T", "status: final", ["status final"]),
        ("title: T", "delimiter: ',,'", ["one plain character"]),
        ("title: T", "encoding: klingon", ["klingon"]),
        ("title: T", "encoding: base64", ["base64"]),
        ("title: T", "tables: []", ["multi-table"]),
        ("title: T", "title: T\ntitle: U", ["written twice", "line 2"]),
        ("title: T", "title: &a {x: y}\nnotes: {<<: *a}", ["merge keys"]),
        ("title: T", "constraints: [{type: near}]", ["unknown type near", "unique"]),
        ("title: T", "constraints: [{columns: [a]}]", ["constraint 1", "'type'"]),
        ("title: T", "constraints: [{type: unique, columns: [c]}]", ["no declared column"]),
        ("title: T", "constraints: [{type: unique, columns: []}]", ["names no column"]),
        ("title: T", "constraints: [{type: unique, colums: [a]}]", ["unknown key colums"]),
        (
            "title: T",
            "constraints: [{type: less_than, left: a, right: b}]",
            ["not a column of num"],
        ),
        (
            "title: T",
            "constraints: [{type: implies, if: {b: ['z']}, then: {b: ['x']}}]",
            ["z is not declared"],
        ),
        ("title: T", "constraints: [3]", ["must be a mapping"]),
    ],
)
def test_malformed(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    assert old in GOOD
    with pytest.raises(InputError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    text = str(caught.value)
    assert "dictionary.yaml" in text
    for word in words:
        assert word.replace("integer float", "integer, float") in text
    assert len(text) < 700


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"just text",
        b"- a\n- b\n",
        b"\xff\xfe\x00",
        b"a: [1, 2",
        b"a: \x00",
        b"? [a]\n: b",
        b"{[a]: 1}",
        b"!!python/object/apply:os.system ['true']",
        b"a: !!timestamp x",
        b"a: !!bool x",
        b"a: !!int ''",
        b"a: 2020-13-45",
        b"[" * 20_000,
        b"a: &a [*a]\n",
        b"columns: &c [*c]\ntitle: t\n",
        b"#" * 5_000_001,
        b"columns: []\ntitle: t",
        b"columns: 3\ntitle: t",
        b"columns: [[]]\ntitle: t",
    ],
    ids=lambda c: repr(c[:12]),
)
def test_hostile_files_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError):
        load(tmp_path, content)


def test_alias_bombs_are_harmless(tmp_path: Path) -> None:
    bomb = "a0: &a0 ['x']\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
    )
    with pytest.raises(InputError, match="unknown key a0"):
        load(tmp_path, bomb + GOOD)
    with pytest.raises(InputError, match="not text"):
        load(
            tmp_path,
            bomb.replace("a0: &a0", "feature_sets: &a0")
            and GOOD.replace("title: T", "feature_sets: &a ['x']\ntitle: &b [*a, *a]"),
        )


def test_absent_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.yaml", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            load_dictionary(path)


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ("{format: '%Y-%m-%d', lower: '2020-01-01', upper: '2019-01-01'}", "before upper"),
        ("{format: '%Y-%m', lower: '2019-01-01', upper: '2020-01-02'}", "whole day"),
        ("{format: '%y%m%d', lower: '1900-01-01', upper: '2020-01-02'}", "whole day"),
        ("{format: '%Y-%m-%d', lower: 'soon', upper: '2020-01-02'}", "is not a day"),
        ("{format: '%Y-%m-%d', lower: 5, upper: '2020-01-02'}", "not text"),
        ("{format: '%Q', lower: '2019-01-01', upper: '2020-01-02'}", "whole day"),
    ],
)
def test_malformed_dates(tmp_path: Path, domain: str, words: str) -> None:
    text = GOOD.replace("kind: integer", "kind: date").replace(
        "{lower: 0, upper: 10, bins: {edges: [0, 5, 11]}}", domain
    )
    with pytest.raises(InputError, match=words):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ("{pattern: '('}", "not a regular expression"),
        ("{pattern: '" + "a" * 600 + "'}", "longer than 500"),
        ("{}", "lacks the key 'pattern'"),
    ],
)
def test_malformed_patterns(tmp_path: Path, domain: str, words: str) -> None:
    text = GOOD.replace("kind: integer", "kind: id").replace(
        "{lower: 0, upper: 10, bins: {edges: [0, 5, 11]}}", domain
    )
    with pytest.raises(InputError, match=words):
        load(tmp_path, text)
