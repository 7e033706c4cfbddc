"""Best estimates of the counts of one column from one or two noisy levels.

A column of many ordered cells is counted twice: every cell, and contiguous blocks of cells. The two
are combined by generalised least squares, in closed form for two levels (Hay, Rastogi, Miklau and
Suciu 2010, Boosting the accuracy of differentially private histograms through consistency): a
range of cells then carries the noise of the blocks it covers, not of each of its cells. All of it
is post-processing of noisy values and the public domain. What may never be true: a block whose
shape depends on a row, or a stated variance smaller than that of the estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.arrays import Floats, Integers
from dpsynth.privacy.measurement import Measurement
from dpsynth.schema.domain import Attribute

# Columns of at most this many ordered cells are counted at one level: ranges hardly longer than
# their cells are not worth half the price.
TWO_LEVEL_CELLS = 32
# Blocks of a column: about the branching that Qardaji, Yang and Li (2013, Understanding
# hierarchical methods) find best. 32 gave the same on large tables and more error on small ones.
BLOCKS = 16


def block_partition(attribute: Attribute) -> Integers | None:
    """Return the block of each code of an attribute that is counted at two levels, else None.

    The ordered codes fall into BLOCKS runs of equal length, give or take one. Every other code
    (special, missing, blank, out-of-domain) is a block of its own, so it stays exact.
    """
    cells = attribute.n_ordered
    if cells <= TWO_LEVEL_CELLS:
        return None
    line = np.arange(cells, dtype=np.int64) * BLOCKS // cells
    return np.concatenate([line, np.arange(BLOCKS, BLOCKS + attribute.size - cells)])


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """Unbiased counts of the codes of one attribute, and their noise.

    Attributes:
        values: Estimated counts, shape (size,); may be negative.
        blocks: Block of each code; where one level was measured, each code is a block.
        cell_variance: Noise variance of a cell as it was measured.
        block_variance: Noise variance of the estimated sum of each block; sums of two blocks are
            independent.
    """

    values: Floats
    blocks: Integers
    cell_variance: float
    block_variance: Floats

    @property
    def total(self) -> float:
        """Estimated number of rows."""
        return float(self.values.sum())

    @property
    def total_variance(self) -> float:
        """Noise variance of :attr:`total`."""
        return float(self.block_variance.sum())

    @property
    def block_cells(self) -> Integers:
        """Number of codes in each block."""
        return np.bincount(self.blocks)

    def sigmas(self) -> Floats:
        """Return the standard deviation of each cell."""
        sigmas: Floats = np.sqrt(self.part_variance(self.blocks, np.ones_like(self.blocks)))
        return sigmas

    def part_variance(self, block: Integers, cells: Integers) -> Floats:
        """Return the variance of the sum of `cells` codes of each `block`.

        With k codes in the block, the sum of m of them is that of their measured counts plus m/k of
        the correction to the block, so its variance is v m (1 - m/k) + (m/k)^2 V.
        """
        share = cells / self.block_cells[block]
        variance: Floats = (
            self.cell_variance * cells * (1.0 - share) + share**2 * self.block_variance[block]
        )
        return variance

    def covariance(self, left: Floats, right: Floats) -> float:
        """Return the noise covariance of two weighted sums of the cells.

        Inside a block of k codes the cells are what was measured of them less its mean, plus an
        even share of the block's sum, and these two parts are independent: the covariance of two
        codes i and j is  v (1{i = j} - 1/k) + V / k^2.

        Args:
            left: Weight of each code in the one sum, shape (size,).
            right: The same in the other.
        """
        cells = self.block_cells
        inside = np.bincount(self.blocks, weights=left), np.bincount(self.blocks, weights=right)
        both = inside[0] * inside[1] / cells
        own = self.cell_variance * (float(left @ right) - float(both.sum()))
        return own + float((self.block_variance * both / cells).sum())

    def bin_variance(self, partition: Integers) -> Floats:
        """Return the variance of the sum of each bin of a partition of the codes."""
        pair = partition * self.block_variance.size + self.blocks
        pairs, cells = np.unique(pair, return_counts=True)
        bins, blocks = np.divmod(pairs, self.block_variance.size)
        variance = np.bincount(bins, weights=self.part_variance(blocks, cells))
        return variance.astype(np.float64)


def combine(cells: Sequence[Measurement], blocks: Sequence[Measurement]) -> Estimate:
    """Combine the two levels, and what was counted more than once, by generalised least squares.

    The sum of a block is the inverse-variance mean of its direct count and of the sum of its cells;
    what that adds to the sum of the cells is spread over them evenly.

    Args:
        cells: Noisy counts of every code, shape (size,), at least one.
        blocks: Noisy counts of the blocks, with the partition that made them; may be none.
    """
    values, fine = mean_of(cells)
    if not blocks:
        return Estimate(
            values=values,
            blocks=np.arange(values.size, dtype=np.int64),
            cell_variance=fine,
            block_variance=np.full(values.size, fine),
        )
    direct, coarse = mean_of(blocks)
    (name,) = blocks[0].attributes
    partition = blocks[0].partitions[name]
    inside = np.bincount(partition)
    sums = np.bincount(partition, weights=values)
    variance = block_variance(fine, coarse, inside)
    best = (direct / coarse + sums / (fine * inside)) * variance
    return Estimate(
        values=values + ((best - sums) / inside)[partition],
        blocks=partition,
        cell_variance=fine,
        block_variance=variance,
    )


def mean_of(measurements: Sequence[Measurement]) -> tuple[Floats, float]:
    """Return the inverse-variance mean of noisy counts of the same cells, and its variance."""
    precision = sum(1.0 / m.sigma**2 for m in measurements)
    mean = sum(
        (m.values / m.sigma**2 for m in measurements), np.zeros(measurements[0].values.shape)
    )
    return mean / precision, 1.0 / precision


def block_variance(cell: float, block: float, inside: Integers) -> Floats:
    """Return the variance of the combined sum of each block.

    Args:
        cell: Noise variance of a cell as measured.
        block: Noise variance of a block as measured.
        inside: Number of cells in each block.
    """
    return (1.0 / (1.0 / block + 1.0 / (cell * inside))).astype(np.float64)


def estimate_total(estimates: Sequence[Estimate]) -> float:
    """Return the number of rows: the inverse-variance mean over columns, at least 1."""
    sums = np.array([e.total for e in estimates])
    weights = 1.0 / np.array([e.total_variance for e in estimates])
    return max(1.0, float(sums @ weights / weights.sum()))
