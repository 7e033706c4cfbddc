"""What counts as a finding: the bound on chance, and the rule that uses it."""

from __future__ import annotations

import math

import pytest

from dpsynth.preflight.separate import false_alarm, pursue, runs_needed, separated


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("runs", [2, 5, 20])
def test_the_bound_covers_the_worst_private_place(epsilon: float, runs: int) -> None:
    """Randomised response is the private place that is separated most often."""
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    separated_by_chance = p ** (2 * runs) + (1 - p) ** (2 * runs)
    assert separated_by_chance <= false_alarm(epsilon, 0.0, runs)
    assert separated_by_chance >= false_alarm(epsilon, 0.0, runs) / 4, "and is not far off"


def test_runs_needed_is_the_smallest_number() -> None:
    runs = runs_needed(1.0, 1e-6, 1e-9)
    assert false_alarm(1.0, 1e-6, runs) <= 1e-9 < false_alarm(1.0, 1e-6, runs - 1)
    assert runs == 35


def test_a_place_that_varies_on_one_table_is_noise() -> None:
    left = [{"n": "7", "noise": "1"}, {"n": "7", "noise": "2"}]
    right = [{"n": "8", "noise": "3"}, {"n": "8", "noise": "3"}]
    assert separated(left, right) == ["n"]


def test_a_place_that_is_absent_has_a_value_of_its_own() -> None:
    assert separated([{}, {}], [{"file": "x"}, {"file": "x"}]) == ["file"]


def test_runs_go_on_until_noise_shows() -> None:
    left, right = [{"bit": "0"}], [{"bit": "1"}]

    def again() -> None:
        shorter = left if len(left) <= len(right) else right
        shorter.append({"bit": str(len(shorter) % 2)})

    assert pursue(left, right, again, 9) == []
    assert len(left) + len(right) < 6
