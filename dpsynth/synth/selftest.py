"""Does the sample follow the model? Asked on every release, before a row is written.

Every one-way table, and every pair of columns whether or not it was measured, is compared with the
fitted model by the likelihood-ratio statistic G = 2 * sum(observed * log(observed / expected)).
For independent draws P[G >= 2m] <= exp(-m) * (e * m / (k - 1))^(k - 1) for m > k - 1 with k cells
(Agrawal 2020, Finite-sample concentration of the multinomial in relative entropy), whatever the
expected counts. Our sampler is stratified and varies less than independent draws, so that over all
tables of a release a false alarm is rarer than FALSE_ALARM. Where the sampler proves a bound on
one-way counts for itself, they must also keep it: no correct sample breaks it. A column that
structural zeros keep in order with another is compared by its bins. Checks of pairs matter: the
sampler of mbi 1.1.0 correlates unmeasured pairs perfectly, and no one-way table shows it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw

from dpsynth.arrays import Floats, Integers
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Check
from dpsynth.synth.numeric import sum_bins
from dpsynth.synth.zeros import loose_columns

#: Bound on the probability that a correct sample fails, all checks of a release together.
FALSE_ALARM = 1e-9
# Cells of smaller expectation are pooled: they cannot show a difference one by one.
_SMALL = 5.0
# Pairs are counted on this many rows at most; rows are in no order, so any will do.
_PAIR_ROWS = 200_000


@dataclass(frozen=True, kw_only=True, eq=False)
class BinTables:
    """What a model says of the bins of a sample.

    Attributes:
        marginal: Returns the probabilities of the bins of one or two attributes.
        bounds: For each attribute, how far the count of each bin may be off in any sample, in rows;
            None where the sampler proves none.
    """

    marginal: Callable[[Sequence[str]], Floats]
    bounds: Sequence[Floats] | None


class Sampled(Protocol):
    """What the test needs of a model."""

    @property
    def domain(self) -> Domain:
        """The fine domain."""
        ...

    @property
    def partitions(self) -> Mapping[str, Integers]:
        """Bin of every fine code, for every attribute."""
        ...

    @property
    def fine(self) -> Sequence[Floats]:
        """Weight of every fine code, for every attribute."""
        ...

    def marginal(self, attributes: Sequence[str]) -> Floats:
        """Expected fine counts."""
        ...

    def bin_tables(self) -> BinTables:
        """Distribution of the bins."""
        ...


def check_sample(model: Sampled, codes: NDArray[np.int32], *, seed: int) -> list[Check]:
    """Compare sampled rows with the model that they were drawn from.

    Args:
        model: The model.
        codes: Rows, shape (rows, attributes), in fine codes.
        seed: Seed of the choice of rows for the pairs.

    Returns:
        Codes inside the domain, one-way tables, and pairs: three checks, fewer for one column.
    """
    names = model.domain.names
    sizes = np.array([a.size for a in model.domain])
    inside = codes.shape[1] == len(names) and bool(((codes >= 0) & (codes < sizes)).all())
    checks = [
        Check(name="codes inside the domain", value=float(not inside), limit=0.0, passed=inside)
    ]
    if not inside or not len(codes):
        return checks
    pairs = list(itertools.combinations(range(len(names)), 2))
    alarm = FALSE_ALARM / (len(names) + len(pairs))
    ratios = {}
    tables = model.bin_tables()
    loose = loose_columns(model.domain, model.partitions, model.fine)
    for number, name in enumerate(names):
        observed = np.bincount(codes[:, number], minlength=sizes[number]).astype(np.float64)
        expected = model.marginal((name,))
        expected *= len(codes) / expected.sum()
        bins, by_bin = model.partitions[name], name in loose
        slack = _slack(tables.bounds, number, bins, expected, by_bin=by_bin)
        if by_bin:
            observed, expected = (sum_bins(counts, bins) for counts in (observed, expected))
        ratios[name] = max(
            math.inf if observed[expected == 0].any() else 0.0,  # one row is one too many
            _ratio(observed, expected, alarm),
            float((np.abs(observed - expected) / slack).max()),
        )
    checks.append(_worst("one-way tables", ratios))
    if not pairs:
        return checks
    chosen = codes
    if len(codes) > _PAIR_ROWS:
        rng = np.random.default_rng(seed)
        chosen = codes[rng.choice(len(codes), _PAIR_ROWS, replace=False)]
    binned = [model.partitions[name][chosen[:, i]] for i, name in enumerate(names)]
    ratios = {}
    for i, j in pairs:
        expected = tables.marginal((names[i], names[j]))
        counts = np.bincount(binned[i] * expected.shape[1] + binned[j], minlength=expected.size)
        ratios[f"{names[i]} x {names[j]}"] = _ratio(counts, expected, alarm)
    checks.append(_worst("pairs of columns, measured or not", ratios))
    return checks


def _slack(
    bounds: Sequence[Floats] | None, number: int, bins: Integers, expected: Floats, *, by_bin: bool
) -> Floats:
    """Return how far each count of a column may be off in any sample, in rows.

    Of a column in order with another only the bins are compared: inside them it follows the other.
    """
    if bounds is None:
        return np.full(1, math.inf)
    if by_bin:
        return 1.0 + bounds[number]
    mass = np.bincount(bins, weights=expected)[bins]
    share = np.divide(expected, mass, out=np.ones_like(mass), where=mass > 0)
    slack: Floats = 1.0 + bounds[number][bins] * share  # of the bin, then of the code inside it
    return slack


def _worst(title: str, ratios: Mapping[str, float]) -> Check:
    """Return the check of the table that fits worst."""
    name = max(ratios, key=ratios.__getitem__)
    value = ratios[name]
    return Check(name=f"{title} (worst: {name})", value=value, limit=1.0, passed=value <= 1.0)


def _ratio(observed: NDArray[Any], expected: Floats, alarm: float) -> float:
    """Return G over its limit at probability `alarm`, small cells pooled."""
    rows = int(observed.sum())
    wanted = expected.ravel() * (rows / expected.sum())
    small = wanted < _SMALL
    # Pool small cells, in their order, into groups that expect about _SMALL rows each.
    pool = (np.cumsum(np.where(small, wanted, 0.0)) // _SMALL).astype(np.int64)[small]
    seen = np.concatenate([observed[~small], np.bincount(pool, weights=observed[small])])
    mean = np.concatenate([wanted[~small], np.bincount(pool, weights=wanted[small])])
    if bool((seen[mean <= 0] > 0).any()):
        return math.inf
    seen, mean = seen[mean > 0], mean[mean > 0]
    if seen.size < 2:
        return 0.0
    drawn = seen > 0
    statistic = 2.0 * float(np.sum(seen[drawn] * np.log(seen[drawn] / mean[drawn])))
    return statistic / _limit(seen.size, alarm)


def _limit(cells: int, alarm: float) -> float:
    """Return the g at which Agrawal's bound on P[G >= g] is `alarm`.

    With x = g / (2 (k - 1)): x - 1 - log x = -log(alarm) / (k - 1), x > 1.
    """
    free = cells - 1
    root = -lambertw(-math.exp(-1.0 + math.log(alarm) / free), -1).real
    return 2.0 * free * float(root)
