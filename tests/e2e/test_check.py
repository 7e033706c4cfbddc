"""``dpsynth check``: forecasts for a steward, with no row read and nothing spent."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from steward import HEADER, Answer, Desk, rows_of, write_csv

from dpsynth.pipeline import ReleaseSettings, prepare
from dpsynth.pipeline.forecast import answers, lineage_forecast, two_digits
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.ledger import Ledger
from dpsynth.sources.files import FileSource


def check(desk: Desk, *more: str) -> Answer:
    return desk.run(
        "check", "--data", "data.csv", "--dictionary", "dictionary.yaml", "--epsilon", "1",
        "--delta", "1e-6", "--lineage", "clinic", "--name", "x", *more,
    )  # fmt: skip


def asked(desk: Desk, *more: str) -> dict[str, Any]:
    answer = check(desk, "--json", *more)
    tree: dict[str, Any] = json.loads(answer.out)
    return tree


def test_epsilon_delta_and_rho_are_decimal_strings_everywhere(desk: Desk) -> None:
    """A contract of docs/architecture.md; each stage is told once."""
    told = asked(desk, "--assume-rows", "5000", "--target-error", "0.05")
    found: list[tuple[str, Any]] = []

    def walk(tree: Any) -> None:
        if isinstance(tree, dict):
            found.extend(tree.items())
        for each in tree.values() if isinstance(tree, dict) else tree:
            if isinstance(each, dict | list):
                walk(each)

    walk(told)
    losses = [
        (name, value)
        for name, value in found
        if {"rho", "epsilon", "delta"} & set(name.split("_")) and name != "distance_at_max_epsilon"
    ]
    assert {"rho", "remaining_rho", "total_epsilon", "delta"} <= {name for name, _ in losses}
    for name, value in losses:
        assert value is None or isinstance(value, str), name
        assert value is None or "e" not in value.lower(), name
    assert "stages" not in told
    assert float(told["rho"]) == pytest.approx(sum(float(s["rho"]) for s in told["plan"]))


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_the_rows_do_not_matter_and_are_not_read(
    desk: Desk, form: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--assume-rows", "5000", "--target-error", "0.05", *form)
    full = check(desk, *options)
    assert full.code == 0, full.text
    write_csv(desk.folder / "data.csv", [])
    assert check(desk, *options) == full
    write_csv(desk.folder / "data.csv", rows_of(50_000, seed=9))

    def read(*_: object) -> None:
        raise AssertionError("a row was read")

    monkeypatch.setattr(FileSource, "read", read)
    assert check(desk, *options) == full
    assert not desk.ledger.exists(), "nothing was written"


def test_what_is_planned_is_what_a_release_charges(desk: Desk) -> None:
    planned = {s["stage"]: s for s in asked(desk)["plan"]}
    assert desk.release().code == 0
    with Ledger.open(desk.ledger) as book:
        events = [
            event for entry in book.entries("clinic") for event in entry.payload.get("events", ())
        ]
    drawn = [e for e in events if e["stage"] == "one-way"]
    marginals = planned["one-way"]["marginals"]
    assert [(m["attributes"], m["cells"]) for m in marginals] == [
        (list(e["attributes"]), e["cells"]) for e in drawn
    ]
    for m, e in zip(marginals, drawn, strict=True):
        assert m["sigma"] == pytest.approx(float(e["scale"]), rel=1e-9)
        assert m["typical_error"] == pytest.approx(0.7979 * m["sigma"], rel=1e-3)
    (pair,) = planned["tables"]["marginals"]
    assert pair["cells_at_most"] and pair["attributes"] == [] and pair["count"] == 6


def test_a_forecast_needs_a_number_of_rows_that_somebody_states(desk: Desk) -> None:
    plain = check(desk)
    assert plain.code == 0 and "--assume-rows" in plain.out
    assert asked(desk)["forecast"] is None
    without = check(desk, "--target-error", "0.05")
    assert without.code == 2 and "--assume-rows" in without.err
    for bad in (("--assume-rows", "0"), ("--assume-rows", "10000000000")):
        assert check(desk, *bad).code == 2
    for bad in ("0", "1", "nan", "-1"):
        assert check(desk, "--assume-rows", "100", "--target-error", bad).code == 2


def test_an_epsilon_for_a_target_reaches_it_and_the_next_smaller_does_not(desk: Desk) -> None:
    columns, pairs = asked(desk, "--assume-rows", "20000", "--target-error", "0.02")["target"]
    for answer, place in ((columns, 0), (pairs, 1)):
        epsilon = float(answer["epsilon"])
        smaller = max(e for e in two_digits(0.001, 3.0) if e < epsilon)
        reached, missed = (
            asked(desk, "--assume-rows", "20000", "--epsilon", str(value))["forecast"]["noise"]
            for value in (epsilon, smaller)
        )
        assert reached[place]["distance"] <= 0.02 < missed[place]["distance"]
        assert answer["lineage_can_pay"] is True
        [enough] = [
            entry["distance"]
            for entry in asked(desk, "--assume-rows", str(answer["rows"]))["forecast"]["noise"]
            if entry["columns"] == answer["columns"]
        ]
        assert enough <= 0.02


def test_a_target_out_of_reach_is_refused_in_words(desk: Desk) -> None:
    few = check(desk, "--assume-rows", "60", "--target-error", "0.001")
    assert few.code == 0
    assert "no epsilon up to 3, the policy's largest, is enough" in few.out
    assert "too small for pairs" in check(desk, "--assume-rows", "40").err
    assert "too small for pairs" not in check(desk, "--assume-rows", "400000").err
    [first, _] = asked(desk, "--assume-rows", "60", "--target-error", "0.001")["target"]
    assert first["epsilon"] is None and first["lineage_can_pay"] is None
    assert first["distance_at_max_epsilon"] > 0.001


def test_what_one_more_release_costs(desk: Desk) -> None:
    new = asked(desk)["budget"]
    assert float(new["spent_epsilon"]) == 0.0
    assert float(new["epsilon_after"]) == pytest.approx(1.0, abs=1e-6)
    assert 1.4 < float(new["epsilon_after_next"]) < 1.5
    assert new["epsilon_if_recipients_pool"] == new["epsilon_after"]
    assert desk.release("--total-epsilon", "1.5", "--total-delta", "1e-6").code == 0
    cap = ("--total-epsilon", "1.5", "--total-delta", "1e-6")
    second = asked(desk, *cap)
    assert second["affordable"] and second["budget"]["releases_that_fit"] == 1
    assert second["budget"]["next_fits"] is False
    assert "would not fit" in check(desk, *cap).out
    assert desk.release(*cap, name="again").code == 0
    third = check(desk, *cap)
    assert third.code == 4 and "does NOT fit" in third.out
    assert asked(desk, *cap)["budget"]["releases_that_fit"] == 0


def test_admission_is_decided_in_exact_fractions(desk: Desk) -> None:
    settings = ReleaseSettings(
        name="x", lineage="clinic", source=desk.folder / "data.csv",
        dictionary=desk.folder / "dictionary.yaml", epsilon=1, delta=1e-6,
        total_epsilon=1, total_delta=1e-6,
    )  # fmt: skip
    plan = prepare(settings)
    standing = lineage_forecast(plan, None)
    assert standing.releases_that_fit == 1 and standing.fits and not standing.next_fits
    assert Fraction(plan.price.rho) == standing.remaining_rho
    [first, *_] = answers(plan, 4000, 0.3, standing)
    assert first.epsilon is not None
    assert first.fits == (
        Fraction(rho_for(Budget(epsilon=first.epsilon, delta=1e-6))) <= standing.remaining_rho
    )


def test_the_independent_method_has_a_plan_and_says_what_it_leaves_out(desk: Desk) -> None:
    answer = check(desk, "--synthesizer", "independent", "--assume-rows", "4000")
    assert answer.code == 0 and "all relations between columns" in answer.out
    tree = asked(desk, "--synthesizer", "independent", "--assume-rows", "4000")
    assert [entry["columns"] for entry in tree["forecast"]["noise"]] == [1]
    assert {m["attributes"][0] for m in tree["plan"][0]["marginals"]} == set(HEADER[1:])


def test_a_method_that_trains_says_that_its_gradients_are_not_forecast(desk: Desk) -> None:
    small = check(desk, "--synthesizer", "gan", "--assume-rows", "1000")
    assert small.code == 0 and "noisy gradients" in small.out
    assert "all relations between columns" not in small.out
    assert "too small for training" in small.err
    large = check(desk, "--synthesizer", "gan", "--assume-rows", "100000")
    assert "too small for training" not in large.err


def test_columns_whose_declared_texts_a_spreadsheet_would_run_are_named(desk: Desk) -> None:
    dictionary = desk.folder / "dictionary.yaml"
    said = "spreadsheet programs may run as a formula"
    assert asked(desk)["formulas"] == [] and said not in check(desk).err
    whole = dictionary.read_text(encoding="utf-8")
    dictionary.write_text(whole.replace("'?': unknown", "'=HYPERLINK(1)': unknown"))
    assert asked(desk)["formulas"] == ["ward"]
    answer = check(desk)
    assert answer.code == 0 and f"Column ward declares a text that {said}" in answer.err
    assert asked(desk, "--format", "parquet")["formulas"] == []
    dictionary.write_text(whole.replace("[north,", "['-1', north,"))
    assert asked(desk)["formulas"] == []
