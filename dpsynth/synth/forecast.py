"""What noise will do to a table that nobody has opened: expected distances under an assumption.

Noise variances are those of the method's own plan, bins are chosen by the method's own rules; only
the counts that they are applied to are supposed: a number of rows that a person states, spread
over the declared values in proportion to rank**-1.5 (a few common values, a long tail), blank and
out-of-domain cells empty. The exponent is the quarter step that fits the pairs of four public
tables best; formulas and validation are in ``docs/planning.md``. What may never be true here: a
number that depends on a row.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.special import erf, ndtr

from dpsynth.arrays import Floats, Integers
from dpsynth.schema.domain import Attribute, Domain
from dpsynth.synth.api import Assumption, ExpectedNoise
from dpsynth.synth.estimate import Estimate, block_variance
from dpsynth.synth.numeric import MAX_BINS, coarsen, max_bins_for, sum_bins
from dpsynth.synth.oneway import STAGE, one_way_tables, shares

_EXPONENT = 1.5
# By how much a cell of a measured pair is supposed to differ from independent columns, as a share:
# the largest of those that fit the same four tables equally well.
_DEPENDENCE = 0.75
_MEAN_ABSOLUTE = math.sqrt(2.0 / math.pi)
_HALVINGS = 60


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pair:
    """Pairs of like columns: shares of their bins, noise of a bin, and how many there are."""

    left: Floats
    right: Floats
    sums: tuple[float, float]
    times: int

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.left.size * self.right.size


def assumed_counts(attribute: Attribute, rows: float) -> Floats:
    """Return the counts that are supposed of a column, in code order, of sum `rows`."""
    empty = {attribute.blank, attribute.out_of_domain}
    counts = np.array([0.0 if code in empty else 1.0 for code in range(attribute.size)])
    if not counts.any():
        counts[:] = 1.0
    counts[counts > 0] = np.arange(1, np.count_nonzero(counts) + 1) ** -_EXPONENT
    scaled: Floats = counts * (rows / counts.sum())
    return scaled


def projected_distance(counts: Floats, variance: Floats) -> float:
    """Return the expected total variation distance of noisy counts that are projected.

    Noisy counts m + s Z are projected onto the counts that are not negative and have the right
    sum, x = max(m + s Z - shift s^2, 0), see ``numeric.project_simplex``. The shift that it takes
    on average solves sum E[x] = sum m; then E|x - m| = 2 E max(s Z - shift s^2, 0) - E[x] + m of
    each cell, in closed form. The known sum takes one degree of freedom from the noise: a cell
    that holds rows keeps the share 1 - s^2 / (sum of s^2 over such cells) of its variance.

    Args:
        counts: Counts without noise, not negative, of positive sum, shape (k,).
        variance: Positive noise variance of each, shape (k,).

    >>> even = np.full(1000, 1e6)
    >>> naive = 1000 * math.sqrt(2 / math.pi) / (2 * 1e9)
    >>> bool(abs(projected_distance(even, np.ones(1000)) / naive - 1) < 0.01)
    True
    """
    weight = variance / variance.max()
    free = np.where(counts > 0, 1.0 - variance / variance[counts > 0].sum(), 1.0)
    sigma = np.sqrt(variance * np.maximum(free, 1e-12))
    taken = _shift(counts, sigma, weight) * weight
    error = 2.0 * _positive_part(-taken, sigma) - _positive_part(counts - taken, sigma) + counts
    return min(1.0, max(0.0, float(error.sum())) / (2.0 * float(counts.sum())))


def _shift(counts: Floats, sigma: Floats, weight: Floats) -> float:
    """Return by halving the shift at which the expected projected counts have the right sum."""
    total = float(counts.sum())
    low, high = 0.0, total + 10.0 * float(sigma.max())
    for _ in range(_HALVINGS):
        shift = 0.5 * (low + high)
        if _positive_part(counts - shift * weight, sigma).sum() > total:
            low = shift
        else:
            high = shift
    return high


def shrunk_distance(counts: Floats, variance: float, shrinkage: float, free: float = 1.0) -> float:
    """Return the expected distance of a pair that is fitted with a prior, see ``pgm/fit.py``.

    To first order a cell of prior count m follows what was counted by the share
    f = m / (m + w variance), w the weight of the prior, and the prior, independent columns, by the
    rest. A cell is supposed to differ from its prior by a share of it. The error is then that of a
    normal number of mean (1 - f) share m and standard deviation f sigma, in absolute value (folded
    normal distribution).

    Args:
        counts: Counts of independent columns, of positive sum.
        variance: Noise variance of a cell.
        shrinkage: Weight of the prior.
        free: Share of the variance that is left where sums are known better, see
            :func:`free_share`.
    """
    followed = counts / (counts + shrinkage * variance)
    lost = _DEPENDENCE * (1.0 - followed) * counts
    noise = np.maximum(followed * math.sqrt(variance * free), 1e-12)
    ratio = lost / noise
    error = noise * _MEAN_ABSOLUTE * np.exp(-0.5 * ratio**2) + lost * erf(ratio / math.sqrt(2.0))
    return min(1.0, float(error.sum()) / (2.0 * float(counts.sum())))


def free_share(shape: tuple[int, int], sums: tuple[float, float], variance: float) -> float:
    """Return the share of a pair's noise that its columns' own counts do not take away.

    Of the a b degrees of freedom of a table, one is the total, which is known well; a - 1 and
    b - 1 are the sums of rows and columns, which were also counted by themselves and are averaged
    with that; the others are the pair's alone.

    Args:
        shape: (a, b), numbers of bins of the two columns.
        sums: Noise variance of a bin of each column, counted by itself.
        variance: Noise variance of a cell of the pair.

    >>> free_share((2, 2), (1e9, 1e9), 1.0)  # columns badly known: all but the total
    0.75
    """
    (a, b), (first, second) = shape, sums
    rows = (a - 1) * (first / b) / (variance + first / b)
    columns = (b - 1) * (second / a) / (variance + second / a)
    return round((rows + columns + (a - 1) * (b - 1)) / (a * b), 6)


def bins_at_most(attribute: Attribute, most: int = MAX_BINS) -> int:
    """Return the largest number of bins that ``numeric.coarsen`` makes of a column."""
    line = min(attribute.n_ordered, most + 1)
    return line + min(attribute.size - attribute.n_ordered, most)


def one_way_noise(domain: Domain, rho: float, assumption: Assumption) -> ExpectedNoise:
    """Return the expected noise of the columns by themselves, at the assumed bins.

    Args:
        domain: The fine domain.
        rho: Price of the one-way stage.
        assumption: What is supposed.
    """
    distances, ceilings, cells, variances = [], [], 0, 0.0
    for estimate, attribute in zip(_estimates(domain, rho, assumption), domain, strict=True):
        bins = assumption.bins.get(attribute.name)
        if bins is None:
            bins = np.arange(attribute.size, dtype=np.int64)
        variance = estimate.bin_variance(bins)
        distances.append(projected_distance(sum_bins(estimate.values, bins), variance))
        naive = float(np.sqrt(variance).sum()) * _MEAN_ABSOLUTE / (2.0 * assumption.rows)
        ceilings.append(min(1.0, naive))
        cells += variance.size
        variances += float(variance.sum())
    return ExpectedNoise(
        stage=STAGE,
        columns=1,
        marginals=len(domain),
        cells=cells / len(domain),
        sigma=math.sqrt(variances / cells),
        distance=float(np.mean(distances)),
        ceiling=float(np.mean(ceilings)),
    )


def expected_noise(
    domain: Domain,
    assumption: Assumption,
    *,
    stage: str,
    one_way_rho: float,
    rho: float,
    pairs: int,
    most_cells: int,
    shrinkage: float,
) -> tuple[ExpectedNoise, ...]:
    """Return the expected noise of a method that counts columns, then pairs: one entry of each.

    Arguments as in :func:`_pair_noise`; without pairs where there is one column, or where every
    pair would have too many cells.
    """
    one_way = one_way_noise(domain, one_way_rho, assumption)
    if len(domain) == 1:
        return (one_way,)
    found = _pair_noise(
        stage,
        domain,
        assumption,
        one_way_rho=one_way_rho,
        rho=rho,
        pairs=pairs,
        most_cells=most_cells,
        shrinkage=shrinkage,
    )
    return (one_way,) if found is None else (one_way, found)


def _pair_noise(
    stage: str,
    domain: Domain,
    assumption: Assumption,
    *,
    one_way_rho: float,
    rho: float,
    pairs: int,
    most_cells: int,
    shrinkage: float,
) -> ExpectedNoise | None:
    """Return the expected noise of the pairs that would be measured, in the bins they are counted.

    Which pairs is not known, so the mean is over all that could be; a pair gets the share of the
    price that its cells would get among average ones.

    Args:
        stage: Machine name of the stage.
        domain: The fine domain.
        assumption: What is supposed.
        one_way_rho: Price of the one-way counts from which the bins follow.
        rho: Price of all pairs together.
        pairs: How many are measured.
        most_cells: Cells that a pair may have.
        shrinkage: Weight of the prior of the fit.

    Returns:
        None if every pair would have too many cells.
    """
    rows, unit_rows = assumption.rows, assumption.max_rows
    most_bins = max_bins_for(rows, unit_rows / math.sqrt(2.0 * rho / pairs))
    columns: Counter[tuple[bytes, float]] = Counter()
    for attribute, estimate in zip(
        domain, _estimates(domain, one_way_rho, assumption), strict=True
    ):
        bins = coarsen(attribute, estimate, rows, most_bins)
        shape = sum_bins(estimate.values, bins) / rows
        columns[shape.tobytes(), float(estimate.bin_variance(bins).mean())] += 1
    alike = [(np.frombuffer(key), sums, count) for (key, sums), count in columns.items()]
    tables = [
        _Pair(left=a, right=b, sums=(v, w), times=m * n)
        for (a, v, m), (b, w, n) in itertools.combinations(alike, 2)
    ] + [_Pair(left=a, right=a, sums=(v, v), times=n * (n - 1) // 2) for a, v, n in alike if n > 1]
    tables = [table for table in tables if table.cells <= most_cells]
    if not tables:
        return None
    cells = [table.cells for table in tables]
    times = np.array([table.times for table in tables], dtype=np.float64)
    weights = np.array(shares(1.0, cells))
    prices = rho / pairs * weights / np.average(weights, weights=times)
    variances = unit_rows**2 / (2.0 * prices)
    distances = [
        shrunk_distance(
            np.outer(table.left, table.right).ravel() * rows,
            float(variance),
            shrinkage,
            free_share((table.left.size, table.right.size), table.sums, float(variance)),
        )
        for table, variance in zip(tables, variances, strict=True)
    ]
    naive = np.array(cells) * np.sqrt(variances) * _MEAN_ABSOLUTE / (2.0 * rows)
    return ExpectedNoise(
        stage=stage,
        columns=2,
        marginals=pairs,
        cells=float(np.average(cells, weights=times)),
        sigma=math.sqrt(float(np.average(variances, weights=times * cells))),
        distance=float(np.average(distances, weights=times)),
        ceiling=float(np.average(np.minimum(naive, 1.0), weights=times)),
    )


def _estimates(domain: Domain, rho: float, assumption: Assumption) -> list[Estimate]:
    """Return the supposed counts of each column with the noise that the plan gives them."""
    variance: dict[tuple[str, bool], float] = {}
    blocks: dict[str, Integers] = {}
    for attribute, partition, price in one_way_tables(domain, rho):
        variance[attribute.name, partition is None] = assumption.max_rows**2 / (2.0 * price)
        if partition is not None:
            blocks[attribute.name] = partition
    return [
        _estimate(
            assumed_counts(attribute, assumption.rows),
            variance[attribute.name, True],
            blocks.get(attribute.name),
            variance.get((attribute.name, False)),
        )
        for attribute in domain
    ]


def _estimate(
    counts: Floats, cell: float, blocks: Integers | None, block: float | None
) -> Estimate:
    """Return counts with the variances that ``estimate.combine`` would give them."""
    if blocks is None or block is None:
        return Estimate(
            values=counts,
            blocks=np.arange(counts.size, dtype=np.int64),
            cell_variance=cell,
            block_variance=np.full(counts.size, cell),
        )
    return Estimate(
        values=counts,
        blocks=blocks,
        cell_variance=cell,
        block_variance=block_variance(cell, block, np.bincount(blocks)),
    )


def _positive_part(mean: Floats, sigma: Floats) -> Floats:
    """Return the expectation of max(mean + sigma Z, 0), Z standard normal."""
    ratio = mean / sigma
    density = np.exp(-0.5 * ratio**2) / math.sqrt(2.0 * math.pi)
    expected: Floats = mean * ndtr(ratio) + sigma * density
    return expected
