"""What noise will do to a table that nobody has opened: expected distances under an assumption.

Noise variances are those of the method's own plan, bins are chosen by the method's own rules; only
the counts that they are applied to are supposed: a number of rows that a person states, spread over
the declared values in proportion to rank**-1.5 (a few common values, a long tail), blank and
out-of-domain cells empty. The exponent is the one that fits four public tables best; formulas and
validation are in ``docs/planning.md``. What may never be true here: a number that depends on a row.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dpsynth.privacy.measurement import Codes
from dpsynth.schema.domain import Attribute, Domain
from dpsynth.synth.api import Assumption, ExpectedNoise
from dpsynth.synth.estimate import Estimate, block_variance
from dpsynth.synth.numeric import MAX_BINS, coarsen, max_bins_for, sum_bins
from dpsynth.synth.oneway import STAGE, one_way_tables, shares

Floats = NDArray[np.float64]

_EXPONENT = 1.5
_MEAN_ABSOLUTE = math.sqrt(2.0 / math.pi)
_HALVINGS = 60


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
    """Return the expected total variation distance of noisy counts, negative ones corrected.

    Noisy counts m + s Z are projected onto the counts that are not negative and have the right
    sum, x = max(m + s Z - shift s^2, 0), see ``numeric.project_simplex``. The shift that it takes
    on average solves sum E[x] = sum m; then E|x - m| = 2 E max(s Z - shift s^2, 0) - E[x] + m of
    each cell, in closed form.

    Args:
        counts: Counts without noise, not negative, of positive sum, shape (k,).
        variance: Positive noise variance of each, shape (k,).

    >>> even = np.full(10, 1e6)
    >>> naive = 10 * math.sqrt(2 / math.pi) / (2 * 1e7)
    >>> bool(abs(projected_distance(even, np.ones(10)) / naive - 1) < 0.01)
    True
    """
    sigma, total = np.sqrt(variance), float(counts.sum())
    weight = variance / variance.max()
    low, high = 0.0, total + 10.0 * float(sigma.max())
    for _ in range(_HALVINGS):
        shift = 0.5 * (low + high)
        if _positive_part(counts - shift * weight, sigma).sum() > total:
            low = shift
        else:
            high = shift
    taken = high * weight
    above = _positive_part(-taken, sigma)
    error = 2.0 * above - _positive_part(counts - taken, sigma) + counts
    return min(1.0, max(0.0, float(error.sum())) / (2.0 * total))


def shrunk_distance(counts: Floats, variance: float, shrinkage: float) -> float:
    """Return the expected distance of a marginal that is fitted with a prior, see ``pgm/fit.py``.

    To first order a cell of prior count m follows its noise by the share m / (m + w variance), w
    the weight of the prior: cells that should be empty stay so.

    Args:
        counts: Counts without noise, of positive sum.
        variance: Noise variance of a cell.
        shrinkage: Weight of the prior.
    """
    followed = float((counts / (counts + shrinkage * variance)).sum())
    distance = followed * math.sqrt(variance) * _MEAN_ABSOLUTE / (2.0 * float(counts.sum()))
    return min(1.0, distance)


def bins_at_most(attribute: Attribute) -> int:
    """Return the largest number of bins that ``numeric.coarsen`` makes of a column."""
    line = min(attribute.n_ordered, MAX_BINS + 1)
    return line + min(attribute.size - attribute.n_ordered, MAX_BINS)


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


def pair_noise(
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
    columns: Counter[bytes] = Counter()
    for attribute, estimate in zip(
        domain, _estimates(domain, one_way_rho, assumption), strict=True
    ):
        bins = coarsen(attribute, estimate, rows, most_bins)
        columns[(sum_bins(estimate.values, bins) / rows).tobytes()] += 1
    alike = [(np.frombuffer(key), count) for key, count in columns.items()]
    tables = [
        (np.outer(a, b).ravel() * rows, times_a * times_b)
        for (a, times_a), (b, times_b) in itertools.combinations(alike, 2)
    ] + [(np.outer(a, a).ravel() * rows, n * (n - 1) // 2) for a, n in alike if n > 1]
    tables = [(counts, times) for counts, times in tables if counts.size <= most_cells]
    if not tables:
        return None
    cells = [counts.size for counts, _ in tables]
    times = np.array([t for _, t in tables], dtype=np.float64)
    weights = np.array(shares(1.0, cells))
    prices = rho / pairs * weights / np.average(weights, weights=times)
    variances = unit_rows**2 / (2.0 * prices)
    distances = [
        shrunk_distance(counts, float(variance), shrinkage)
        for (counts, _), variance in zip(tables, variances, strict=True)
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
    blocks: dict[str, Codes] = {}
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


def _estimate(counts: Floats, cell: float, blocks: Codes | None, block: float | None) -> Estimate:
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
