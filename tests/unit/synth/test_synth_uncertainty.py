"""Intervals from noisy counts: by hand, against general least squares, and where they are refused.

How often they cover is in ``tests/statistical/test_uncertainty.py``.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from method_runs import DOMAIN, rows, run
from scipy.special import ndtri

from dpsynth.errors import InputError
from dpsynth.privacy.measurement import Measurement
from dpsynth.schema.domain import Attribute, Domain
from dpsynth.synth.answers import NoisyCounts, groups, indicator
from dpsynth.synth.estimate import block_partition, combine
from dpsynth.synth.fixed import NoisyMarginal, fit_marginals
from dpsynth.synth.intervals import Reader
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.registry import load_model, make
from dpsynth.synth.uncertainty import CountTable, estimate, estimate_mean, half_widths

Z = float(ndtri(0.975))
SMALL = Domain.from_sizes({"a": 2, "b": 2}, ordered=["a"])


def by_hand(pair: bool = True) -> MarginalModel:
    """a: 60, 40; b: 70, 30; and, if asked for, a x b: 50 8 / 22 20. Sigma 3, 4 and 2."""
    tables = [
        NoisyMarginal(attributes=("a",), values=np.array([60, 40]), sigma=3.0),
        NoisyMarginal(attributes=("b",), values=np.array([70, 30]), sigma=4.0),
        NoisyMarginal(attributes=("a", "b"), values=np.array([[50, 8], [22, 20]]), sigma=2.0),
    ]
    return fit_marginals(SMALL, tables if pair else tables[:2])


def variance(sigma: float) -> float:
    """Of a count, with the allowance for whole numbers: half a row at the quantile."""
    return (sigma + 0.5 / Z) ** 2


def test_a_worked_example() -> None:
    """Caller's tables count as one entry: a = 0 is 60 and 50 + 8, by inverse variances."""
    own, pair = variance(3.0), 2.0 * variance(2.0)
    table = estimate(by_hand(), ("a",))
    cell = table.cells[0]
    count = (60.0 / own + 58.0 / pair) / (1.0 / own + 1.0 / pair)
    half = Z / math.sqrt(1.0 / own + 1.0 / pair)
    assert table.sources == (("a",), ("a", "b"))
    assert cell.count == pytest.approx(count)
    assert (cell.rows.low, cell.rows.high) == pytest.approx((count - half, count + half))
    both = estimate(by_hand(), ("a", "b")).cells[1]
    assert both.codes == ((0,), (1,))
    half = Z * math.sqrt(variance(2.0))
    assert (both.rows.low, both.rows.high) == pytest.approx((8 - half, 8 + half))
    assert 1.96 * 2.0 + 0.5 == pytest.approx(half, abs=1e-3)


def test_a_share_is_where_the_difference_leaves_its_noise() -> None:
    """Fieller: at both ends, (x - t n)^2 is z^2 times its variance, from the covariances alone."""
    model = by_hand(pair=False)
    v, w = variance(3.0), variance(4.0)
    # n is the best mean of the sums of a and of b; x is a = 0 itself.
    own = (1.0 / (2 * v)) / (1.0 / (2 * v) + 1.0 / (2 * w))
    n = own * 100 + (1 - own) * 100
    cell = estimate(model, ("a",)).cells[0]
    assert cell.share == pytest.approx(0.6)
    assert cell.of_table is not None and cell.of_population is not None
    for t in (cell.of_table.low, cell.of_table.high):
        noise = v * ((1 - t * own) ** 2 + (t * own) ** 2) + 2 * w * (t * (1 - own)) ** 2
        assert (60 - t * n) ** 2 == pytest.approx(Z**2 * noise)
    for p in (cell.of_population.low, cell.of_population.high):
        noise = v * ((1 - p * own) ** 2 + (p * own) ** 2) + 2 * w * (p * (1 - own)) ** 2
        assert (60 - p * n) ** 2 == pytest.approx(Z**2 * (noise + n * p * (1 - p)))
    mean = estimate_mean(model, "a")
    assert mean.value == pytest.approx(0.4)


def test_columns_that_were_not_counted_together_are_bounded() -> None:
    """Frechet: at most the smaller column, at least the sum less all rows; two chances to miss."""
    model = by_hand(pair=False)
    table = estimate(model, ("a", "b"))
    assert not table.measured and not table.sources
    cell = table.cells[0]
    assert cell.count == pytest.approx(float(model.marginal(("a", "b"))[0, 0]))
    assert cell.of_population is None
    far = float(ndtri(1 - 0.05 / 4))
    assert cell.rows.high == pytest.approx(60 + far * math.sqrt(variance(3.0)))
    own = 1.0 / variance(3.0) / (1.0 / variance(3.0) + 1.0 / variance(4.0))
    noise = variance(3.0) * ((1 - own) ** 2 + own**2) + variance(4.0) * (own**2 + (1 - own) ** 2)
    assert cell.rows.low == pytest.approx(60 + 70 - 100 - Z * math.sqrt(noise))
    assert estimate_mean(model, "a", where={"b": [1]}).of_table is None


def test_covariances_are_those_of_general_least_squares() -> None:
    """Cells and blocks are rows of one linear system, solved here without any shortcut."""
    attribute = Attribute(name="x", size=43, n_ordered=40, positions=tuple(map(float, range(40))))
    blocks = block_partition(attribute)
    assert blocks is not None
    rng = np.random.default_rng(0)
    inside = np.eye(int(blocks.max()) + 1)[:, blocks]
    levels = [
        Measurement(attributes=("x",), values=rng.integers(0, 99, size), sigma=sigma, rho=1.0,
                    ledger_seq=1, partitions=parts)
        for size, sigma, parts in [
            (43, 3.0, {}), (len(inside), 2.0, {"x": blocks}), (43, 5.0, {}),
        ]
    ]  # fmt: skip
    design = np.vstack([np.eye(43), inside, np.eye(43)])
    precision = np.concatenate([np.full(m.values.size, m.sigma**-2) for m in levels])
    covariance = np.linalg.inv(design.T @ (precision[:, None] * design))
    observed = np.concatenate([m.values for m in levels])
    found = combine([levels[0], levels[2]], [levels[1]])
    np.testing.assert_allclose(found.values, covariance @ design.T @ (precision * observed))
    for _ in range(5):
        left, right = rng.normal(size=(2, 43))
        assert found.covariance(left, right) == pytest.approx(left @ covariance @ right)


@pytest.mark.parametrize("sigma", [0.3, 0.5, 0.62, 0.8, 1.0, 1.27, 1.4, 2.0, 3.7, 9.9, 40.0])
def test_noise_on_whole_numbers_stays_inside(sigma: float) -> None:
    """Exact: the discrete Gaussian leaves 1.96 sigma and half a row at most one time in twenty.

    Without the half row it would leave it up to 21 times in a hundred.
    """
    values = np.arange(-800, 801)
    mass = np.exp(-(values**2) / (2 * sigma**2))
    mass /= mass.sum()

    def outside(half: float) -> float:
        return float(mass[np.abs(values) > half].sum())

    assert outside(Z * (sigma + 0.5 / Z)) <= 0.0502
    if sigma in (0.5, 1.0):
        assert outside(Z * sigma) > 0.1


def fitted(name: str, *, rho: float = 0.5, count: int = 6000, unit_rows: int = 1) -> MarginalModel:
    return run(make(name, {}), rows(count, joint=False), rho, DOMAIN, unit_rows)[0]


def test_an_answer_comes_from_the_first_entry_that_holds_its_columns() -> None:
    model = fitted("cliquetree")
    counts = NoisyCounts.of(model.domain, model.measurements)
    tables = {m.attributes for m in model.measurements if len(m.attributes) > 1}
    assert ("a", "b") in tables
    assert estimate(model, ("a",)).sources == (("a",),), "pairs hold a, too, but came later"
    assert estimate(model, ("b", "a")).sources == (("a", "b"),)
    alone, pair = ({counts.sources[i].entry for i in counts.used(n)} for n in ["a", "ab"])
    assert len(alone) == len(pair) == 1 and max(alone) < max(pair)
    total = counts.total()
    assert total.value == pytest.approx(model.total)
    assert counts.covariance(total, total) == pytest.approx(model.total_sigma**2)


@pytest.mark.parametrize("name", ["independent", "mst", "cliquetree", "aim"])
def test_a_loaded_model_says_exactly_the_same(name: str, tmp_path: Path) -> None:
    model = fitted(name, rho=0.05)
    model.save(tmp_path)
    again = load_model(tmp_path)

    def said(of: MarginalModel) -> list[CountTable]:
        pairs = itertools.combinations(DOMAIN.names, 2)
        return [estimate(of, names) for names in [("a",), ("a", "b", "y"), *pairs]]

    assert said(again) == said(model)
    assert half_widths(again, {}) == half_widths(model, {})


def test_a_table_that_was_counted_twice_is_one_source() -> None:
    """On 500 rows the columns are counted once more: both counts make one estimate."""
    model = fitted("cliquetree", rho=0.02, count=500)
    twice = [m for m in model.measurements if m.attributes == ("a",)]
    assert len(twice) == 2
    width = next(w for w in half_widths(model, {}) if w.attributes == ("a",))
    precision = sum(1.0 / variance(m.sigma) for m in twice)
    assert width.rows == pytest.approx(Z / math.sqrt(precision))
    values = sum(m.values / variance(m.sigma) for m in twice) / precision
    found = [cell.count for cell in estimate(model, ("a",)).cells]
    np.testing.assert_allclose(found, values)


def test_rows_of_one_unit_widen_the_interval_of_the_population_alone() -> None:
    one, three = fitted("independent"), fitted("independent", unit_rows=3)
    assert [Reader.of(m.domain, m.measurements, 0.95).unit_rows for m in (one, three)] == [1, 3]
    assert estimate(three, ("a",)).unit_rows == 3
    clustered, alone = (
        cell.of_population.high - cell.of_population.low
        for cell in (estimate(three, ("a",)).cells[0], estimate(one, ("a",)).cells[0])
        if cell.of_population is not None
    )
    assert clustered > 1.6 * alone


def test_a_condition_on_a_part_of_a_measured_cell_is_bounded() -> None:
    """x is counted in bins with y. One value of a bin has between none and all of its rows."""
    positions = tuple(map(float, range(60)))
    domain = Domain(
        (
            Attribute(name="x", size=60, n_ordered=60, positions=positions),
            Attribute(name="y", size=2, n_ordered=2, positions=(0.0, 1.0)),
        )
    )
    rng = np.random.default_rng(0)
    x = rng.integers(0, 60, 4000)
    codes = np.array([x, (x > 30) ^ (rng.random(4000) < 0.05)], dtype=np.int32)
    model, _ = run(make("mst", {}), codes, 0.05, domain)
    table = estimate(model, ("x",), where={"y": [1]})
    assert table.measured and not table.cut and len(table.cells) < 60
    cell = next(c for c in table.cells if len(c.codes[0]) > 1)
    parts = estimate(model, (), where={"x": cell.codes[0][:1], "y": [1]})
    part = parts.cells[0]
    assert parts.cut
    assert (part.rows.low, part.rows.high) == pytest.approx((0.0, cell.rows.high))
    mean = estimate_mean(model, "x", where={"y": [1]})
    assert mean.of_table is not None and mean.of_population is not None
    assert mean.of_table.low < codes[0][codes[1] == 1].mean() < mean.of_table.high
    assert mean.of_population.low <= mean.of_table.low
    with pytest.raises(InputError, match="together with others"):
        estimate_mean(model, "y", where={"x": cell.codes[0][:1]})


def test_one_column_and_one_code() -> None:
    domain = Domain.from_sizes({"only": 1})
    model, _ = run(make("cliquetree", {}), np.zeros((1, 300), dtype=np.int32), 0.1, domain)
    (cell,) = estimate(model, ("only",)).cells
    assert abs(cell.count - 300) < 6 * model.total_sigma
    assert cell.share == 1.0 and cell.of_table is not None and cell.of_table.high == 1.0
    (all_rows,) = estimate(model).cells
    assert all_rows.share is None and all_rows.rows == cell.rows


def test_what_has_no_interval_is_refused() -> None:
    model = fitted("independent")
    with pytest.raises(InputError, match="under a condition"):
        estimate(model.given({"a": 1}), ("b",))
    with pytest.raises(InputError, match="no column"):
        estimate(model, ("x",))
    with pytest.raises(InputError, match="once"):
        estimate(model, ("a",), where={"a": [1]})
    for codes in ([], [4], [-1]):
        with pytest.raises(InputError, match="one code or more"):
            estimate(model, ("b",), where={"a": codes})
    for level in (0.4, 1.0, math.nan):
        with pytest.raises(InputError, match="level"):
            estimate(model, ("a",), level=level)
    with pytest.raises(InputError, match="no order"):
        estimate_mean(model, "a")
    wide = fit_marginals(
        Domain.from_sizes({"p": 200, "q": 200}),
        [NoisyMarginal(attributes=(n,), values=np.full(200, 9), sigma=1.0) for n in "pq"],
    )
    with pytest.raises(InputError, match="more than 10000 cells"):
        estimate(wide, ("p", "q"))


def test_bins_are_those_that_were_given() -> None:
    model = fitted("independent")
    table = estimate(model, ("a",), bins={"a": np.array([0, 1, 0, 1])})
    assert [cell.codes for cell in table.cells] == [((0, 2),), ((1, 3),)]
    fine = estimate(model, ("a",)).cells
    assert table.cells[0].count == pytest.approx(fine[0].count + fine[2].count)
    assert groups(np.array([1, 0, 1])) == [(1,), (0, 2)]
    np.testing.assert_array_equal(indicator(3, (0, 2)), [1, 0, 1])
