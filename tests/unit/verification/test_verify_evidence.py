"""Evidence of a stranger: its version, its shapes, and sections that are not ours."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest
from bundle_builder import evidence

from dpsynth.evidence import evidence_schema
from dpsynth.verification.evidence import evidence_problem, facts

FILES = [{"name": "synthetic.csv", "sha256": "ab" * 32, "bytes": 8}]
FACTS = evidence("REL-1", "Example Hospital", FILES)
TREES = {True: FACTS.public().predicate(), False: FACTS.predicate()}


def problem(tree: dict[str, Any], public: bool) -> str:
    """Return what is wrong, and that the published schema says the same."""
    found = evidence_problem(tree, public=public)
    schema = jsonschema.Draft202012Validator(evidence_schema(public=public))
    assert bool(found) != schema.is_valid(tree)
    return found


@pytest.mark.parametrize("public", [True, False])
def test_whole_evidence_has_no_problem(public: bool) -> None:
    assert problem(TREES[public], public) == ""


def test_an_older_version_is_named() -> None:
    found = problem(TREES[True] | {"schemaVersion": "1"}, True)
    assert "schema version 1" in found and "reads version 3 only" in found
    for version in ("99", None, [], 2):
        found = problem(TREES[True] | {"schemaVersion": version}, True)
        assert found == "Has a schema version that this dpsynth does not know."


@pytest.mark.parametrize(
    ("section", "key", "value", "named"),
    [
        ("guarantee", "epsilon", 1.0, "guarantee.epsilon.value is not of type string"),
        ("guarantee", "epsilon", "one", "guarantee.epsilon.value is not a decimal"),
        ("guarantee", "curve", [[0.0, 1.5]], "guarantee.curve.value[0][1] is out of range"),
        ("ledger", "head_digest", "AB" * 32, "ledger.head_digest.value is not a SHA-256"),
        ("budget", "stages", [{"stage": "x"}], "budget.stages.value[0] lacks description"),
        ("release", "recipient", {"name": "", "jurisdiction": "", "x": 1}, "is not declared"),
        ("hazards", "items", "none", "hazards.items.value is not of type array"),
    ],
)
@pytest.mark.parametrize("public", [True, False])
def test_a_wrong_value_is_found_and_named(
    section: str, key: str, value: object, named: str, public: bool
) -> None:
    tree = copy.deepcopy(TREES[public])
    tree[section][key]["value"] = value
    assert named in problem(tree, public)


def test_sections_of_others_are_bound_by_the_same_classes() -> None:
    ours = {"x-hospital": {"ward": {"value": [1], "provenance": "declared"}}}
    assert problem(TREES[True] | ours, True) == problem(TREES[False] | ours, False) == ""
    raw = {"x-hospital": {"count": {"value": 32561, "provenance": "raw"}}}
    assert "provenance is not one of" in problem(TREES[True] | raw, True)
    assert problem(TREES[False] | raw, False) == ""
    for wrong in ({"x-hospital": {"ward": 1}}, {"hospital": {}}, {"x-": {}}, {"X-a": {}}):
        assert problem(TREES[True] | wrong, True)


HOSTILE = "\x1b]8;;http://example.org\x1b\\x\u202e\u2066\r\n[bold]VALID: "


@pytest.mark.parametrize("public", [True, False])
def test_words_of_a_stranger_cannot_steer_a_terminal(public: bool) -> None:
    tree = copy.deepcopy(TREES[public])
    for name in ("title", "purpose", "name"):
        tree["release"][name]["value"] = HOSTILE
    tree["release"]["recipient"]["value"] = {"name": HOSTILE, "jurisdiction": HOSTILE}
    tree["guarantee"]["unit"]["value"] = tree["budget"]["lineage"]["value"] = HOSTILE
    assert problem(tree, public) == ""
    told = facts(tree)
    assert {"title", "recipient", "unit", "lineage"} <= set(told)
    assert all(text.isprintable() for text in told.values())


def test_keys_of_a_stranger_are_not_repeated() -> None:
    for spoil in (
        lambda tree: tree.update({HOSTILE: {}}),
        lambda tree: tree.update({"x-a": {HOSTILE: 1}}),
        lambda tree: tree["guarantee"]["epsilon"].update({HOSTILE: 1}),
        lambda tree: tree["guarantee"]["epsilon"].update(value=HOSTILE),
        lambda tree: tree["guarantee"]["epsilon"].update(provenance=HOSTILE),
        lambda tree: tree.update(schemaVersion=HOSTILE),
    ):
        tree = copy.deepcopy(TREES[True])
        spoil(tree)
        found = problem(tree, True)
        assert found.isprintable() and "example.org" not in found


def test_internal_evidence_is_no_public_evidence() -> None:
    assert problem(TREES[False], True)
    assert problem(TREES[True], False)
