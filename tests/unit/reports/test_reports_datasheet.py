"""The data sheet: what it says of the noise, from public evidence alone, with hostile names."""

from __future__ import annotations

import sample_evidence as sample
from dpsynth.reports.datasheet import datasheet_markdown


def test_half_widths_are_listed_and_the_rest_is_counted() -> None:
    values = sample.adult_values()
    shown = datasheet_markdown(sample.build(values).public())
    assert "Half of the 95 % interval" in shown
    assert "| age | 9 | ± 60.1 | ± 0.23 % |" in shown
    for name in sample.ADULT:
        assert f"\n| {name} |" in shown
    assert shown.count("| ± 81.3 |") == len(sample.ADULT) - 1
    assert "| and 3 more tables, in the model | | | |" in shown
    values["fitness.intervals"]["more_tables"] = 0
    assert "more tables" not in datasheet_markdown(sample.build(values).public())


def test_a_name_is_shown_literally() -> None:
    values = sample.adult_values()
    width = {"attributes": ["a|b", "<i>"], "cells": 4, "rows": 1.0, "share": 0.1}
    values["fitness.intervals"]["tables"] = [width]
    shown = datasheet_markdown(sample.build(values).public())
    assert "| a\\|b x \\<i\\> | 4 |" in shown


def test_constraints_are_told_with_what_breaks_them() -> None:
    values = sample.adult_values()
    values["fitness.constraints"] = [
        {"constraint": "a|b is less than c", "rate": 0.0},
        {"constraint": "d determines e", "rate": 0.0123},
        {"constraint": "f is unique", "rate": None},
    ]
    shown = datasheet_markdown(sample.build(values).public())
    assert "- a\\|b is less than c: no row breaks it." in shown
    assert "- d determines e: 1.23 % of the rows that it applies to break it." in shown
    assert "- f is unique: applies to no row." in shown
    values["fitness.constraints"] = []
    assert "declares no facts" in datasheet_markdown(sample.build(values).public())
