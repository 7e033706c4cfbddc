"""Shapes of the evidence: checked as the standard does, and a fault is refused when written."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dpsynth.errors import DisclosureError
from dpsynth.evidence import FIELDS, EvidenceBuilder, Field, evidence_schema, fields_table
from dpsynth.evidence.shapes import (
    ANY,
    NUMBER,
    SCALAR,
    SHA256,
    TEXT,
    fault,
    list_of,
    map_of,
    one_of,
    optional,
    record,
    row_of,
)
from dpsynth.results import Disclosure

DOCS = Path(__file__).parents[3] / "docs" / "evidence.md"
#: A shape with every word of the vocabulary, and a value of it.
WHOLE = {
    **record(
        {
            "count": {"type": "integer", "minimum": 0},
            "share": {"type": "number", "minimum": 0, "maximum": 1},
            "digest": SHA256,
            "kind": one_of("a", "b"),
            "version": {"const": "2"},
            "pairs": list_of(row_of(NUMBER, TEXT)),
            "maybe": optional({"type": "string", "minLength": 1}),
            "free": map_of(SCALAR),
            "flag": {"type": "boolean"},
        },
        {"more": ANY},
    ),
    "patternProperties": {"^x-[a-z]": map_of(NUMBER)},
}
VALUE = {
    "count": 3, "share": 0.5, "digest": "ab" * 32, "kind": "b", "version": "2",
    "pairs": [[1, "x"], [0.25, ""]], "maybe": None, "free": {"k": 1, "l": None}, "flag": True,
    "more": [1], "x-ours": {"n": 1},
}  # fmt: skip
OTHERS: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 1.0, 1.5, "", "a", "2", "ab" * 32, [], [1], [1, "x"], {}, {"n": "x"},
)  # fmt: skip


def is_valid(shape: Any, value: Any) -> bool:
    """Ask a full implementation of the standard."""
    return bool(jsonschema.Draft202012Validator(shape).is_valid(value))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every part of a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def changed(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """Return the value with one part replaced."""
    if not path:
        return other
    whole = copy.deepcopy(value)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = other
    return whole


def test_the_check_is_that_of_the_standard() -> None:
    """Every part is replaced by every other value, left out, or joined by another key."""
    tries = [changed(VALUE, path, other) for path in places(VALUE) for other in OTHERS]
    tries += [{k: v for k, v in VALUE.items() if k != key} for key in VALUE]
    tries += [VALUE | {key: {"n": 1}} for key in ("unknown", "x-", "X-y", "ax-y", "x-more")]
    verdicts = [is_valid(WHOLE, value) for value in tries]
    assert [not fault(WHOLE, value) for value in tries] == verdicts
    assert 10 < sum(verdicts) < len(tries) - 100, "both verdicts occur"
    assert fault(WHOLE, VALUE) == ""


def test_numbers_must_be_finite() -> None:
    for value in (float("nan"), float("inf"), -float("inf")):
        assert fault(NUMBER, value) == "it is not finite"
    assert fault(NUMBER, 10**400) == ""


def test_no_message_holds_a_value_or_a_key_of_somebody_else() -> None:
    secret = "Zanzibar-Quux"
    for shape, value in (
        (SHA256, secret),
        (one_of("a"), secret),
        (record({"a": TEXT}), {"a": "", secret: 1}),
        (map_of(NUMBER), {secret: "x"}),
        (list_of(NUMBER), [secret]),
    ):
        found = fault(shape, value)
        assert found and secret not in found


@pytest.mark.parametrize("name", FIELDS)
def test_a_wrong_value_is_refused_when_it_is_written(name: str) -> None:
    builder = EvidenceBuilder()
    disclosure = next(d for d in Disclosure if d in FIELDS[name].allowed)
    with pytest.raises(DisclosureError, match="not built as declared"):
        builder.add(name, [[[]]], disclosure)


def test_a_public_field_cannot_be_raw() -> None:
    with pytest.raises(ValueError, match="may not be raw"):
        Field("a mistake", TEXT, frozenset({Disclosure.RAW, Disclosure.POST}))


@pytest.mark.parametrize("public", [True, False])
def test_the_schemas_are_schemas(public: bool) -> None:
    jsonschema.Draft202012Validator.check_schema(evidence_schema(public=public))


def test_no_place_of_the_public_schema_takes_a_raw_value() -> None:
    """Every object of it is closed, and every provenance leaves raw out."""
    schema = evidence_schema(public=True)
    provenances = [
        part["enum"]
        for path in places(schema)
        if path and path[-1] == "provenance" and isinstance(part := at(schema, path), dict)
    ]
    assert len(provenances) == 1 + sum(field.public for field in FIELDS.values())
    assert all("raw" not in words for words in provenances)
    for section in schema["properties"].values():
        assert "const" in section or section["additionalProperties"] is False
    names = {
        f"{s}.{k}" for s, leaf in schema["properties"].items() for k in leaf.get("required", ())
    }
    assert names == {name for name, field in FIELDS.items() if field.public}


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def test_fields_are_judged_as_the_standard_does() -> None:
    """Fixed seed."""
    rng = random.Random(5)
    for name, field in FIELDS.items():
        for value in OTHERS:
            assert (fault(field.shape, value) == "") == is_valid(field.shape, value), name
        for _ in range(3):
            nested = [{rng.choice("abc"): rng.choice(OTHERS)} for _ in range(2)]
            assert (fault(field.shape, nested) == "") == is_valid(field.shape, nested), name


def test_the_documentation_has_the_table_of_fields() -> None:
    assert fields_table() in DOCS.read_text(encoding="utf-8")
