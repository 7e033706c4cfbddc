"""Two levels of counts: blocks, generalised least squares and the noise that is stated for it."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.privacy.measurement import Measurement
from dpsynth.schema.domain import Attribute, Domain
from dpsynth.synth.estimate import (
    BLOCKS,
    TWO_LEVEL_CELLS,
    Estimate,
    block_partition,
    combine,
    estimate_total,
)


def line(size: int, tail: int = 0) -> Attribute:
    return Attribute(
        name="x", size=size + tail, n_ordered=size, positions=tuple(map(float, range(size)))
    )


def measured(values: np.ndarray, sigma: float, partition: np.ndarray | None = None) -> Measurement:
    return Measurement(
        attributes=("x",),
        values=np.asarray(values),
        sigma=sigma,
        rho=1.0,
        ledger_seq=1,
        partitions={} if partition is None else {"x": partition},
    )


@pytest.mark.parametrize("cells", [TWO_LEVEL_CELLS + 1, 100, 1000])
def test_blocks_are_equal_runs_and_every_other_code_stays_exact(cells: int) -> None:
    blocks = block_partition(line(cells, tail=3))
    assert blocks is not None and blocks.shape == (cells + 3,)
    inside = np.bincount(blocks[:cells])
    assert inside.size == BLOCKS and np.ptp(inside) <= 1
    assert (np.diff(blocks) >= 0).all()
    assert blocks[cells:].tolist() == [BLOCKS, BLOCKS + 1, BLOCKS + 2]


def test_short_and_nominal_columns_have_no_blocks() -> None:
    assert block_partition(line(TWO_LEVEL_CELLS, tail=9)) is None
    assert block_partition(Domain.from_sizes({"x": 5000})["x"]) is None


# Blocks of 3, 2, 1 and 4 cells; the block of one is a tail code.
PARTITION = np.array([0, 0, 0, 1, 1, 2, 3, 3, 3, 3])
CELLS, BLOCK_SIGMA = 7.0, 4.0


def least_squares() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return design, weights and covariance of the brute-force estimate."""
    design = np.vstack([np.eye(10), (PARTITION == np.arange(4)[:, None]).astype(float)])
    weights = np.concatenate([np.full(10, CELLS**-2), np.full(4, BLOCK_SIGMA**-2)])
    return design, weights, np.linalg.inv(design.T @ (design * weights[:, None]))


def test_the_closed_form_is_generalised_least_squares() -> None:
    design, weights, covariance = least_squares()
    rng = np.random.default_rng(0)
    for _ in range(5):
        values = rng.integers(-50, 500, 14)
        estimate = combine(
            [measured(values[:10], CELLS)], [measured(values[10:], BLOCK_SIGMA, PARTITION)]
        )
        expected = covariance @ (design.T @ (weights * values))
        np.testing.assert_allclose(estimate.values, expected, rtol=1e-10)
        np.testing.assert_allclose(estimate.sigmas() ** 2, np.diag(covariance), rtol=1e-10)


@pytest.mark.parametrize(
    "bins",
    [
        [0] * 10,
        [0, 0, 0, 1, 1, 2, 3, 3, 3, 3],
        [0, 1, 1, 1, 1, 2, 2, 0, 3, 3],
        list(range(10)),
    ],
)
def test_the_stated_variance_of_a_bin_is_that_of_least_squares(bins: list[int]) -> None:
    covariance = least_squares()[2]
    partition = np.array(bins)
    sums = (partition == np.arange(partition.max() + 1)[:, None]).astype(float)
    estimate = combine(
        [measured(np.zeros(10, dtype=np.int64), CELLS)],
        [measured(np.zeros(4, dtype=np.int64), BLOCK_SIGMA, PARTITION)],
    )
    np.testing.assert_allclose(
        estimate.bin_variance(partition), np.diag(sums @ covariance @ sums.T), rtol=1e-10
    )
    assert estimate.total_variance == pytest.approx(covariance.sum())


def test_the_estimate_is_unbiased_and_a_block_less_noisy_than_its_cells() -> None:
    """4000 runs: a mean off by five standard errors is rarer than 1e-5 over all cells."""
    rng, runs = np.random.default_rng(1), 4000
    true = np.array([100, 0, 3, 40, 900, 2, 0, 0, 7, 1])
    sums = np.bincount(PARTITION, weights=true)
    got = np.empty((runs, 10))
    for run in range(runs):
        estimate = combine(
            [measured(np.rint(true + rng.normal(0, CELLS, 10)).astype(np.int64), CELLS)],
            [
                measured(
                    np.rint(sums + rng.normal(0, BLOCK_SIGMA, 4)).astype(np.int64),
                    BLOCK_SIGMA,
                    PARTITION,
                )
            ],
        )
        got[run] = estimate.values
    sigmas = estimate.sigmas()
    assert (np.abs(got.mean(0) - true) < 5 * sigmas / np.sqrt(runs) + 0.02).all()
    np.testing.assert_allclose(got.std(0), sigmas, rtol=0.07)
    assert (estimate.bin_variance(PARTITION) < BLOCK_SIGMA**2).all()
    assert (estimate.bin_variance(PARTITION) < CELLS**2 * np.bincount(PARTITION)).all()


def test_one_level_is_what_was_measured() -> None:
    estimate = combine([measured(np.array([5, -3, 8]), 2.0)], [])
    assert estimate.values.tolist() == [5.0, -3.0, 8.0]
    assert estimate.sigmas().tolist() == [2.0, 2.0, 2.0]
    assert estimate.bin_variance(np.array([0, 1, 0])).tolist() == [8.0, 4.0]
    assert estimate.total == 10.0 and estimate.total_variance == 12.0


def test_the_total_weighs_sums_by_their_noise() -> None:
    def column(values: list[int], sigma: float) -> Estimate:
        return combine([measured(np.array(values), sigma)], [])

    # Variances 2 * 1 and 4 * 2: weights 0.8 and 0.2.
    both = [column([60, 40], 1.0), column([50, 50, 50, 50], np.sqrt(2.0))]
    assert estimate_total(both) == pytest.approx(0.8 * 100 + 0.2 * 200)
    assert estimate_total([column([-5, -9], 3.0)]) == 1.0


def test_counts_that_were_paid_twice_are_averaged_by_their_precision() -> None:
    first, second = measured(np.array([10, 0]), 1.0), measured(np.array([16, 30]), np.sqrt(2.0))
    estimate = combine([first, second], [])
    np.testing.assert_allclose(estimate.values, [12.0, 10.0])
    np.testing.assert_allclose(estimate.sigmas() ** 2, [2 / 3, 2 / 3])
    fine = [measured(np.arange(10), CELLS), measured(np.arange(10) + 4, CELLS)]
    coarse = [measured(np.arange(4), BLOCK_SIGMA, PARTITION)]
    once = [measured(np.arange(10) + 2, CELLS / np.sqrt(2.0))]
    both, single = combine(fine, coarse), combine(once, coarse)
    np.testing.assert_allclose(both.values, single.values)
    np.testing.assert_allclose(both.sigmas(), single.sigmas())
