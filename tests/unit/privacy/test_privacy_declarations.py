"""Privacy units, budgets and exact numbers: what a person may declare."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from dpsynth.errors import InputError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.numbers import float_down, float_up, parse_decimal
from dpsynth.privacy.unit import PrivacyUnit, Relation
from dpsynth.results import decimal_string


def unit(**changes: object) -> PrivacyUnit:
    fields = {"relation": Relation.ADD_REMOVE, "name": "patient", "column": "id", "max_rows": 2}
    return PrivacyUnit(**(fields | changes))  # type: ignore[arg-type]


def test_unit_as_declared() -> None:
    assert unit().max_rows == 2
    assert unit(column=None, max_rows=1).column is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"relation": Relation.REPLACE_ONE}, "not supported yet"),
        ({"name": "  "}, "no name"),
        ({"column": ""}, "no name"),
        ({"max_rows": 0}, "must lie in"),
        ({"max_rows": 1001}, "must lie in"),
        ({"max_rows": 2.0}, "whole number"),
        ({"max_rows": True}, "whole number"),
        ({"column": None}, "needs the column"),
    ],
)
def test_unit_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        unit(**changes)


@pytest.mark.parametrize(
    ("epsilon", "delta"), [(1, "1e-6"), ("1.0", 1e-6), ("1", "0.000001"), (1.0, "1E-06")]
)
def test_budget_from_numbers_and_text(epsilon: object, delta: object) -> None:
    assert Budget.checked(epsilon, delta) == Budget(epsilon=1.0, delta=1e-6)


EPSILONS = {
    0: "is 0:", "-0.0": "is 0:", -1: "negative", "nan": "NaN", ".inf": "infinite",
    "-inf": "infinite",
    math.nan: "NaN", math.inf: "infinite", 100.5: "above 100", 1e-5: "below 0.0001",
    10**400: "infinite", "one": "not a decimal", "": "not a decimal", "1;2": "not a decimal",
    None: "no default", True: "not a number",
}  # fmt: skip
DELTAS = {
    0: "is 0:", -1e-9: "negative", "nan": "NaN", math.inf: "infinite", 1: "whole table",
    "1": "whole table", 2: "whole table", 0.5: "no policy", 1e-31: "below 1e-30",
    1.1e-6: "more than the 1e-06", None: "no default",
}  # fmt: skip


@pytest.mark.parametrize(("value", "words"), EPSILONS.items(), ids=str)
def test_epsilon_refused(value: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Budget.checked(value, 1e-6)
    assert str(caught.value).startswith("epsilon: ")


@pytest.mark.parametrize(("value", "words"), DELTAS.items(), ids=str)
def test_delta_refused(value: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Budget.checked(1.0, value)
    assert str(caught.value).startswith("delta: ")


def test_a_policy_may_allow_a_larger_delta() -> None:
    assert Budget.checked(1, 1e-4, max_delta=1e-3).delta == 1e-4


def test_neither_has_a_default() -> None:
    with pytest.raises(TypeError):
        Budget(epsilon=1.0)  # type: ignore[call-arg]


def test_rounding_is_outward() -> None:
    third = Fraction(1, 3)
    assert Fraction(float_down(third)) < third < Fraction(float_up(third))
    assert math.nextafter(float_down(third), 1) == float_up(third)
    assert float_up(Fraction(0.1)) == float_down(Fraction(0.1)) == 0.1


@pytest.mark.parametrize("number", [0.1, 1e-6, 1 / 3, 123456.789, 5e-324, 0.02435597035947978])
def test_decimal_strings_read_back(number: float) -> None:
    text = decimal_string(number)
    assert parse_decimal(text, where="x") == number
    assert "e" not in text.lower()


@pytest.mark.parametrize("text", ["nan", "1_000", "0x1p3", "1,5", " ", "--1", 3])
def test_text_that_is_no_decimal(text: str) -> None:
    with pytest.raises(InputError):
        parse_decimal(text, where="x")
