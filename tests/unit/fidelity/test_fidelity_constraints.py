"""Violation rates of declared constraints, each by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.fidelity.constraints import Reading, describe, violation_rates
from dpsynth.schema.constraints import (
    FunctionalDependency,
    Implies,
    LessThan,
    MissingIffBelow,
    SameMissing,
    Unique,
)


def rate(constraint, table, reading=None):
    (found,) = violation_rates([constraint], table, reading)
    assert found["type"] == constraint.type
    assert found["constraint"] == describe(constraint)
    return found["rate"], found["rows"]


def test_functional_dependency_counts_rows_against_the_majority() -> None:
    table = {"edu": ["x", "x", "x", "y", "y"], "num": ["1", "1", "2", "3", None]}
    constraint = FunctionalDependency(determinant=("edu",), dependent=("num",))
    assert rate(constraint, table) == (2 / 5, 5)
    both = FunctionalDependency(determinant=("edu", "num"), dependent=("num", "edu"))
    assert rate(both, table) == (0.0, 5)


def test_missing_iff_below() -> None:
    table = {
        "pay": [None, "5", "N", "7", "", "9"],
        "age": ["3", "3", "40", "40", "n/a", "15"],
    }
    constraint = MissingIffBelow(column="pay", numeric="age", threshold=15)
    assert rate(constraint, table, Reading(missing={"pay": ["N"]})) == (2 / 5, 5)
    assert rate(constraint, table) == (1 / 5, 5)


def test_a_missing_code_that_looks_like_a_number_is_none() -> None:
    table = {"pay": [None, "5"], "age": ["-9", "40"]}
    constraint = MissingIffBelow(column="pay", numeric="age", threshold=15)
    assert rate(constraint, table, Reading(missing={"age": {"-9"}})) == (0.0, 1)


def test_unique_counts_repeats() -> None:
    table = {"id": ["1", "2", "2", "2"], "part": ["a", "a", "a", "b"]}
    assert rate(Unique(names=("id",)), table) == (2 / 4, 4)
    assert rate(Unique(names=("id", "part")), table) == (1 / 4, 4)


def test_less_than_skips_what_is_no_number() -> None:
    table = {"left": ["1", "3", "3", "?", None], "right": ["2", "3", "1", "5", "6"]}
    assert rate(LessThan(left="left", right="right"), table) == (2 / 3, 3)


def test_implies() -> None:
    table = {"type": ["2", "3", "1", "2"], "own": ["0", "1", "1", None]}
    constraint = Implies(condition={"type": ("2", "3")}, consequence={"own": ("0",)})
    assert rate(constraint, table) == (2 / 3, 3)


def test_same_missing() -> None:
    table = {"a": ["?", "x", None], "b": ["?", "?", ""], "c": ["?", "z", "?"]}
    constraint = SameMissing(names=("a", "b", "c"))
    missing = {name: {"?"} for name in table}
    assert rate(constraint, table, Reading(missing=missing)) == (1 / 3, 3)


def test_arrays_are_accepted() -> None:
    table = {"left": np.array(["1", "9"]), "right": np.array(["2", "3"])}
    assert rate(LessThan(left="left", right="right"), table) == (1 / 2, 2)


@pytest.mark.parametrize(
    "constraint",
    [
        FunctionalDependency(determinant=("a",), dependent=("b",)),
        MissingIffBelow(column="a", numeric="b", threshold=1.5),
        Unique(names=("a",)),
        LessThan(left="a", right="b"),
        Implies(condition={"a": ("1",)}, consequence={"b": ("2",)}),
        SameMissing(names=("a", "b")),
    ],
)
def test_no_rows_and_no_column_give_no_rate(constraint) -> None:
    assert rate(constraint, {"a": [], "b": []}) == (None, 0)
    assert rate(constraint, {"other": ["1"]}) == (None, 0)
    assert "1" not in describe(constraint).replace("1.5", "")
