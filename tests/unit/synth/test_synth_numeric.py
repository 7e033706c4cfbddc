"""Projections, distributions and bins from noisy one-way counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.privacy.measurement import Measurement
from dpsynth.schema.domain import Attribute
from dpsynth.synth.estimate import Estimate, block_partition, combine
from dpsynth.synth.numeric import (
    MAX_BINS,
    absorbed,
    coarsen,
    distribution,
    heavy_sigmas,
    max_bins_for,
    project_simplex,
)

FINITE = st.floats(-1e6, 1e6)


def line(size: int, tail: int = 0) -> Attribute:
    return Attribute(
        name="x", size=size + tail, n_ordered=size, positions=tuple(map(float, range(size)))
    )


def one_level(noisy: np.ndarray, sigma: float) -> Estimate:
    return combine(
        [
            Measurement(
                attributes=("x",),
                values=np.asarray(noisy).astype(np.int64),
                sigma=sigma,
                rho=1.0,
                ledger_seq=1,
            )
        ],
        [],
    )


def two_levels(
    attribute: Attribute, counts: np.ndarray, sigma: float, rng: np.random.Generator
) -> Estimate:
    """Both levels of a wide column with noise of one scale; one level of any other."""
    blocks = block_partition(attribute)
    fine = np.rint(counts + rng.normal(0, sigma, counts.size)).astype(np.int64)
    if blocks is None:
        return one_level(fine, sigma)
    sums = np.bincount(blocks, weights=counts)
    coarse = np.rint(sums + rng.normal(0, sigma, sums.size)).astype(np.int64)

    def measured(values: np.ndarray, partitions: dict[str, np.ndarray]) -> Measurement:
        return Measurement(
            attributes=("x",),
            values=values,
            sigma=sigma,
            rho=1.0,
            ledger_seq=1,
            partitions=partitions,
        )

    return combine([measured(fine, {})], [measured(coarse, {"x": blocks})])


@given(st.lists(FINITE, min_size=1, max_size=30), st.floats(1.0, 1e6))
def test_projection_is_on_the_simplex_and_closest(values: list[float], total: float) -> None:
    y = np.array(values)
    x = project_simplex(y, total)
    assert (x >= 0).all() and x.sum() == pytest.approx(total, rel=1e-9, abs=1e-6)
    # Optimality: y - x is the same on the support and not larger off it.
    residual = y - x
    shift = residual[x > 0].mean()
    assert np.allclose(residual[x > 0], shift, atol=1e-5)
    assert (residual[x == 0] <= shift + 1e-5).all()


@given(
    st.lists(st.tuples(FINITE, st.floats(0.1, 1e3)), min_size=1, max_size=30),
    st.floats(1.0, 1e6),
)
def test_weighted_projection_shifts_by_the_variance(
    cells: list[tuple[float, float]], total: float
) -> None:
    y, variance = np.array(cells).T
    x = project_simplex(y, total, variance)
    assert (x >= 0).all() and x.sum() == pytest.approx(total, rel=1e-6, abs=1e-6)
    shift = (y - x) / variance
    common = np.median(shift[x > 0])
    assert np.allclose(shift[x > 0], common, rtol=1e-6, atol=1e-4)
    assert (shift[x == 0] <= common + 1e-4 + 1e-6 * abs(common)).all()


def test_spikes_stay_and_the_rest_is_merged_into_bins_above_their_noise() -> None:
    rng = np.random.default_rng(0)
    counts = np.full(1000, 3.0)
    counts[[0, 500]] = 90_000, 4_000
    estimate = two_levels(line(1000), counts, 20.0, rng)
    bins = coarsen(line(1000), estimate, estimate.total, MAX_BINS)
    assert bins.max() + 1 <= MAX_BINS
    assert set(bins) == set(range(bins.max() + 1))
    assert (bins == bins[0]).sum() == 1 and (bins == bins[500]).sum() == 1
    rest = np.delete(bins, [0, 500])
    assert (np.diff(rest[rest < bins[500]]) >= 0).all()
    sums = np.bincount(bins, weights=estimate.values)
    assert (sums >= 3 * np.sqrt(estimate.bin_variance(bins)) - 1e-6).all()


def test_blocks_keep_a_small_wide_column_in_several_bins() -> None:
    """700 rows over 1000 cells under noise of 30: cells alone would give one bin or two."""
    rng = np.random.default_rng(2)
    made = []
    for _ in range(20):
        counts = np.bincount(rng.integers(0, 600, 700), minlength=1000).astype(float)
        estimate = two_levels(line(1000), counts, 30.0, rng)
        made.append(coarsen(line(1000), estimate, 700.0, MAX_BINS).max() + 1)
    assert np.mean(made) >= 3


def test_no_more_bins_than_a_pair_can_carry() -> None:
    assert max_bins_for(39_000.0, 25.0) == MAX_BINS
    assert max_bins_for(800.0, 25.0) == 5
    assert max_bins_for(1.0, 1e6) == 2
    counts = np.full(60, 1000.0)
    estimate = one_level(counts, 1.0)
    for most in (2, 5, 20):
        assert coarsen(line(60), estimate, 60_000.0, most).max() + 1 == most
    nominal = coarsen(Attribute(name="x", size=60), estimate, 60_000.0, 5)
    assert nominal.max() + 1 == 5 and np.bincount(nominal).tolist() == [1, 1, 1, 1, 56]


def test_more_cells_need_more_deviations_to_be_visible() -> None:
    assert heavy_sigmas(1) == heavy_sigmas(32) == pytest.approx(3.0)
    assert heavy_sigmas(1000) == pytest.approx(3.92, abs=0.02)


def test_a_spike_and_a_tail_code_keep_their_counts_and_noise_is_levelled() -> None:
    rng, attribute = np.random.default_rng(3), line(1000, tail=2)
    counts = np.zeros(1002)
    counts[:320] = 5.0
    counts[[100, 1000]] = 900.0, 700.0
    estimate = two_levels(attribute, counts, 40.0, rng)
    expected = distribution(attribute, estimate, counts.sum())
    assert expected.sum() == pytest.approx(counts.sum()) and (expected >= 0).all()
    assert abs(expected[100] - 900) < 200 and abs(expected[1000] - 700) < 200
    # Noise alone would leave single cells of a hundred rows; here the rest is nearly level.
    rest = np.delete(expected, [100, 1000])
    assert rest.max() < 60
    flat = np.abs(rest - np.delete(counts, [100, 1000])).sum()
    raw = np.delete(project_simplex(estimate.values, counts.sum()) - counts, [100, 1000])
    assert flat < np.abs(raw).sum() / 1.5


def test_precise_counts_are_kept_as_they_are() -> None:
    rng, attribute = np.random.default_rng(4), line(200, tail=3)
    counts = rng.integers(0, 2000, 203).astype(float)
    estimate = two_levels(attribute, counts, 0.5, rng)
    np.testing.assert_allclose(distribution(attribute, estimate, counts.sum()), counts, atol=4)


def test_rare_categories_share_evenly_but_not_with_blank_and_out_of_domain() -> None:
    rng = np.random.default_rng(5)
    attribute = Attribute(name="x", size=302, blank=300, out_of_domain=301)
    counts = np.concatenate([np.full(300, 10.0), [0.0, 0.0]])
    shares = [
        distribution(attribute, one_level(np.rint(counts + rng.normal(0, 50, 302)), 50.0), 3000.0)
        for _ in range(50)
    ]
    assert np.mean([s[:300].max() for s in shares]) < 150
    assert np.mean([s[300:].mean() for s in shares]) < 25  # noise alone adds 20


@pytest.mark.parametrize("size", [1, 2, 40, 300])
@pytest.mark.parametrize("level", [-500.0, 0.0])
def test_empty_and_negative_counts_give_a_distribution(size: int, level: float) -> None:
    rng, attribute = np.random.default_rng(6), line(size, tail=1)
    for sigma in (0.5, 300.0):
        estimate = two_levels(attribute, np.full(size + 1, level), sigma, rng)
        expected = distribution(attribute, estimate, 1.0)
        assert (expected >= 0).all() and expected.sum() == pytest.approx(1.0)
        bins = coarsen(attribute, estimate, 1.0, 2)
        assert set(bins) == set(range(bins.max() + 1))


def test_rare_categories_and_light_special_codes_share_one_bin() -> None:
    def bins(attribute: Attribute, noisy: list[int]) -> list[int]:
        estimate = one_level(np.array(noisy), 10.0)
        return coarsen(attribute, estimate, estimate.total, MAX_BINS).tolist()

    nominal = Attribute(name="x", size=6)
    assert bins(nominal, [500, 10, -3, 400, 29, 31]) == [0, 3, 3, 1, 3, 2]
    # One rare code alone is no reason for folding.
    assert bins(nominal, [50, 60, 70, 80, 90, 1]) == [0, 1, 2, 3, 4, 5]
    assert bins(line(2, tail=3), [500, 500, 300, 1, 2]) == [0, 1, 2, 3, 3]


@given(
    st.integers(1, 200),
    st.integers(0, 5),
    st.floats(0.5, 1e4),
    st.integers(0, 2**32 - 1),
    st.floats(-1.0, 5.0),
    st.integers(2, MAX_BINS),
)
def test_bins_are_a_partition_whatever_the_noise(
    cells: int, tail: int, sigma: float, seed: int, power: float, most: int
) -> None:
    rng = np.random.default_rng(seed)
    attribute = line(cells, tail)
    counts = np.rint(rng.pareto(1.0, cells + tail) * 10**power)
    estimate = two_levels(attribute, counts, sigma, rng)
    total = max(1.0, estimate.total)
    bins = coarsen(attribute, estimate, total, most)
    assert bins.shape == (attribute.size,) and bins.dtype == np.int64
    assert set(bins) == set(range(bins.max() + 1))
    assert not set(bins[:cells]) & set(bins[cells:])
    expected = distribution(attribute, estimate, total)
    assert (expected >= 0).all() and expected.sum() == pytest.approx(total)


def test_undeclared_codes_without_rows_share_the_heaviest_bin() -> None:
    attribute = Attribute(name="a", size=5, blank=3, out_of_domain=4)
    bins = np.array([0, 1, 0, 2, 3])
    counts = np.array([10.0, 50.0, 0.0, 7.0, 0.0])
    assert absorbed(attribute, bins, counts).tolist() == [0, 1, 0, 2, 1]
    counts[3] = 0.0
    assert absorbed(attribute, bins, counts).tolist() == [0, 1, 0, 1, 1]


def test_undeclared_cells_count_where_they_stand_out_of_the_noise() -> None:
    attribute = Attribute(name="a", size=5, blank=3, out_of_domain=4)
    estimate = one_level(np.array([500, 300, 0, 90, 50]), 20.0)
    expected = distribution(attribute, estimate, 900.0)
    assert expected[3] > 60 and expected[4] == 0 and expected.sum() == pytest.approx(900.0)
    nothing_else = Attribute(name="a", size=2, blank=0, out_of_domain=1)
    assert distribution(nothing_else, one_level(np.array([5, 3]), 20.0), 8.0).sum() == 8.0
