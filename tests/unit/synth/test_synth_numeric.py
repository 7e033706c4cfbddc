"""Totals, projections and bins from noisy one-way counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.privacy.measurement import Measurement
from dpsynth.schema.domain import Attribute
from dpsynth.synth.numeric import MAX_BINS, coarsen, estimate_total, project_simplex

FINITE = st.floats(-1e6, 1e6)


def line(size: int, tail: int = 0) -> Attribute:
    return Attribute(
        name="x", size=size + tail, n_ordered=size, positions=tuple(map(float, range(size)))
    )


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


def test_the_total_weighs_sums_by_their_noise() -> None:
    def measured(values: list[int], sigma: float) -> Measurement:
        return Measurement(
            attributes=("x",), values=np.array(values), sigma=sigma, rho=1.0, ledger_seq=1
        )

    # Variances 2 * 1 and 4 * 2: weights 0.8 and 0.2.
    both = [measured([60, 40], 1.0), measured([50, 50, 50, 50], np.sqrt(2.0))]
    assert estimate_total(both) == pytest.approx(0.8 * 100 + 0.2 * 200)
    assert estimate_total([measured([-5, -9], 3.0)]) == 1.0


def test_spikes_stay_and_the_rest_is_merged_into_bins_above_their_noise() -> None:
    rng = np.random.default_rng(0)
    counts = np.full(1000, 3.0)
    counts[[0, 500]] = 90_000, 4_000
    sigma = 20.0
    noisy = np.rint(counts + rng.normal(0, sigma, 1000)).astype(np.int64)
    total = float(noisy.sum())
    bins = coarsen(line(1000), noisy, sigma, total)
    assert bins.max() + 1 <= MAX_BINS
    assert set(bins) == set(range(bins.max() + 1))
    assert (bins == bins[0]).sum() == 1 and (bins == bins[500]).sum() == 1
    rest = np.delete(bins, [0, 500])
    assert (np.diff(rest[rest < bins[500]]) >= 0).all()
    for b in set(rest):
        cells = bins == b
        assert noisy[cells].sum() >= 3 * sigma * np.sqrt(cells.sum())


def test_rare_categories_and_light_special_codes_share_one_bin() -> None:
    nominal = Attribute(name="x", size=6)
    noisy = np.array([500, 10, -3, 400, 29, 31])
    assert coarsen(nominal, noisy, 10.0, 1000.0).tolist() == [0, 3, 3, 1, 3, 2]
    # One rare code alone is no reason for folding.
    assert coarsen(nominal, np.array([50, 60, 70, 80, 90, 1]), 10.0, 351.0).tolist() == [
        0, 1, 2, 3, 4, 5,
    ]  # fmt: skip
    tail = coarsen(line(2, tail=3), np.array([500, 500, 300, 1, 2]), 10.0, 1303.0)
    assert tail.tolist() == [0, 1, 2, 3, 3]


@given(
    st.integers(1, 200),
    st.integers(0, 5),
    st.floats(0.5, 1e4),
    st.integers(0, 2**32 - 1),
    st.floats(-1.0, 5.0),
)
def test_bins_are_a_partition_whatever_the_noise(
    cells: int, tail: int, sigma: float, seed: int, power: float
) -> None:
    rng = np.random.default_rng(seed)
    noisy = np.rint(rng.pareto(1.0, cells + tail) * 10**power + rng.normal(0, sigma, cells + tail))
    attribute = line(cells, tail)
    bins = coarsen(attribute, noisy.astype(np.int64), sigma, max(1.0, float(noisy.sum())))
    assert bins.shape == (attribute.size,) and bins.dtype == np.int64
    assert set(bins) == set(range(bins.max() + 1))
    assert bins[:cells].max() <= MAX_BINS
    assert not set(bins[:cells]) & set(bins[cells:])
