"""Numbers are rounded to the honest side; charts put marks where the numbers say."""

from __future__ import annotations

import math
import re

import pytest
import sample_evidence as sample
from dpsynth.reports import charts, numbers, views
from dpsynth.reports.text import plain
from hypothesis import example, given
from hypothesis import strategies as st

UNIT = st.floats(1e-12, 1.0)


@given(UNIT)
def test_a_limit_in_a_hundred_is_never_below_the_number(p: float) -> None:
    assert numbers.out_of(p) >= 100 * p - 1e-6
    assert numbers.out_of(p) <= math.ceil(100 * p) <= 100


@given(UNIT)
def test_one_in_n_is_never_below_the_probability(p: float) -> None:
    n = int(numbers.one_in(p).removeprefix("1 in ").replace(",", ""))
    assert 1 / n >= p * (1 - 1e-9)
    assert n >= 10 or n == int(1 / p * (1 + 1e-9))
    assert n < 10 or 1 / n <= p * 1.11


@given(st.decimals(min_value="1e-9", max_value="1e6", allow_nan=False))
def test_up_is_above_and_down_is_below(value: object) -> None:
    exact = float(str(value))
    assert float(numbers.up(str(value))) >= exact * (1 - 1e-15)
    assert float(numbers.down(str(value))) <= exact * (1 + 1e-15)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"), (0.0578, "0.0578"), (0.5, "0.500"), (-0.0021, "−0.00210"), (32561, "32,561"),
        (1234.5, "1,234"), (None, "–"), ("not estimable", "not estimable"),
        (float("nan"), "not a number"),
        (3e-145, "3.0 × 10<sup>−145</sup>"), (-2.5e-5, "−2.5 × 10<sup>−5</sup>"),
    ],
)  # fmt: skip
def test_measured_numbers(value: float | str | None, shown: str) -> None:
    assert numbers.number(value) == shown


def test_a_p_value_is_never_printed_as_zero() -> None:
    assert numbers.p_value(0.0) == "&lt; 10<sup>−300</sup>"
    assert numbers.p_value(3e-145) == numbers.number(3e-145)
    assert (numbers.p_value(1.0), numbers.p_value(None)) == ("1.00", "–")


def test_fixed_forms() -> None:
    assert numbers.one_in(1e-6) == "1 in 1,000,000"
    assert numbers.one_in(2.13e-5) == "1 in 46,000"
    assert numbers.up("1.0") == "1"
    assert numbers.up("0.000001") == "0.000001"
    assert numbers.up("0.9999912345") == "1"
    assert numbers.down("0.9999912345") == "0.99999"
    assert numbers.share("0.05", "0.2") == "25.0 %"
    assert numbers.share("0.05", "0") == "–"
    assert numbers.blocks("0123456789abcdef") == "01234567 89abcdef"
    assert numbers.day("2026-03-02T09:41:00Z") == "2026-03-02 09:41 UTC"
    assert numbers.setting(0.001) == "0.001"


@pytest.mark.parametrize(("before", "after"), [(50, 74), (50, 50), (0, 100), (10, 24)])
def test_the_icon_array_counts_to_a_hundred(before: int, after: int) -> None:
    drawn = str(charts.icon_array(before, after))
    filled = drawn.count(f'fill="{charts.BLUE}"')
    squares = drawn.count(f'fill="{charts.RUST}"')
    assert (filled, squares) == (before, after - before)
    assert drawn.count('fill="#ffffff"') == 100 - after


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
@example([5e-324])
@example([0.0, 2.2e-311])
@example([1.0, 1.0 + 1e-15])
def test_an_axis_holds_its_values(values: list[float]) -> None:
    low, high, ticks = charts.axis(values)
    slack = 1e-9 * (abs(low) + abs(high) + 1)
    assert low <= min(values) + slack and high >= max(values) - slack
    assert 2 <= len(ticks) <= 12
    assert ticks[0] == low and ticks[-1] == high


def test_the_bar_is_divided_by_shares() -> None:
    drawn = str(charts.budget_bar([0.25, 0.5, 0.25], ["a", "b", "c"], "t"))
    widths = [float(w) for w in re.findall(r'<rect x="[\d.]+" y="0.50" width="([\d.]+)"', drawn)]
    assert widths[0] == pytest.approx(0.25 * 639, abs=0.1)
    assert widths[1] == pytest.approx(0.5 * 639, abs=0.1)


TEXTS = re.compile(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)<')


def test_a_chart_escapes_and_says_everything() -> None:
    row = charts.Row(title="<b>&", value=0.5, interval=(0.4, 0.6), baseline=0.1, control=0.9)
    drawn = str(charts.dot_chart([row], unit="A<C", key=("measured", "floor", "control")))
    assert "<b>" not in drawn
    said = re.search(r"<title>(.*?)</title>", drawn)
    assert said is not None
    for part in ("0.500", "0.400", "0.600", "floor 0.100", "control 0.900", "A&lt;C"):
        assert part in said[1]


def test_long_names_in_the_key_are_whole_and_take_another_line() -> None:
    row = charts.Row(title="x", value=0.5, interval=None, baseline=0.1, control=0.9)
    names = ("measured", "a name of " + "w" * 50, "another name of " + "w" * 50)
    short = str(charts.dot_chart([row], unit="u", key=("measured", "floor", "control")))
    drawn = str(charts.dot_chart([row], unit="u", key=names))
    placed = [(float(x), float(y)) for x, y, text in TEXTS.findall(drawn) if text in names]
    assert [y for _, y in placed] == [10, 10, 23] and len(placed) == 3
    heights = [float(re.search(r'height="(\d+)"', each)[1]) for each in (short, drawn)]
    assert heights[1] - heights[0] == 13
    assert [y for _, y, text in TEXTS.findall(short) if text in ("floor", "control")] == [
        "10.00"
    ] * 2


def test_hatching_stays_in_its_box() -> None:
    drawn = charts.hatch(10, 20, 50, 8)
    points = [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", drawn)]
    assert points
    assert all(10 <= x <= 60 and 20 <= y <= 28 for x, y in points)


def test_the_noise_of_training_is_never_overstated() -> None:
    """More noise and a smaller sample protect better: one is rounded down, the other up."""
    values = sample.trained_values()
    steps = values["accounting.sampled"] | {
        "noise_multiplier": "3.3699999",
        "sampling_rate": "0.0200001",
    }
    public = sample.build(values | {"accounting.sampled": steps}).public()
    told = dict(views.terms(public))[plain("terms.privacy")]
    assert "0.02001" in str(told) and "3.369 " in str(told) and "3.37" not in str(told)
