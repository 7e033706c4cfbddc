"""The first stage of every marginal method: the noisy counts of each attribute by itself.

From these the total, the bins and the fine distributions follow at no further cost. A column of
many ordered cells is counted twice in this stage, by cell and in blocks, see ``estimate.py``.
How the price is shared out: engine notes of this project, section 4.4, after the optimum of
independent Gaussian measurements (a table of k cells gets a share in proportion to k^(2/3), which
minimises the summed L1 error). Both levels of a column are priced by the number of its blocks, so
that one wide column does not take from the others what its cells are too many to make use of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.arrays import Floats, Integers
from dpsynth.errors import InputError
from dpsynth.privacy.calibrate import MIN_RHO
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.measurement import MarginalQuery, Measurement
from dpsynth.privacy.requests import MAX_CELLS_PER_MARGINAL, MAX_CELLS_PER_RUN
from dpsynth.schema.domain import Attribute, Domain
from dpsynth.synth.api import PlannedMarginal, PlannedStage
from dpsynth.synth.estimate import Estimate, block_partition, combine, estimate_total
from dpsynth.synth.numeric import MAX_BINS, absorbed, coarsen, distribution, max_bins_for, sum_bins
from dpsynth.synth.zeros import separated

# Share of the columns in MST, AIM and MWEM: one-way counts carry the total, the bins, the prior and
# the spikes. Measured with MST on ten tables of 700 to 39,000 rows at epsilon 1: a half has up to
# 20 % less 2-way error than a quarter where rows are few, and within 2 % of it where they are many;
# 0.7 loses relations with the label. AIM's paper gives columns a sixteenth; with a fifth, tables of
# 800 rows have up to 40 % more 2-way error, and those of 20,000 or more are within 3 %.
ONE_WAY_SHARE = 0.5
# Share of the choices in the rest, or in a round, as in AIM's paper. Scores are thousands of rows
# and their noise tens: in MST 0.02 to 0.1 select equally well. The paper of MWEM halves a round:
# measured on five tables at epsilon 1, up to 7 % more 2-way error.
SELECT_SHARE = 0.1

STAGE = "one-way"
DESCRIPTION = (
    "Noisy counts of every column by itself, at fine resolution; wide columns also in blocks."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class OneWays:
    """The noisy one-way counts and what follows from them.

    Attributes:
        domain: The fine domain.
        measurements: One or two a column.
        estimates: Unbiased counts of each column, its levels combined, in domain order.
        total: Estimated number of rows, at least 1.
        fine: Expected counts of each column on the simplex of that total.
        partitions: Bin of every fine code, by attribute name.
    """

    domain: Domain
    measurements: tuple[Measurement, ...]
    estimates: tuple[Estimate, ...]
    total: float
    fine: tuple[Floats, ...]
    partitions: Mapping[str, Integers]

    @property
    def coarse_domain(self) -> Domain:
        """The domain of the bins."""
        return coarse_domain(self.partitions)

    def bins_of(self, attributes: Sequence[str]) -> dict[str, Integers]:
        """Return the bins of some columns, as a request for their table names them."""
        return {name: self.partitions[name] for name in attributes}

    @property
    def noise_share(self) -> float:
        """See :func:`noise_share`."""
        return noise_share(self.domain, self.estimates, self.partitions, self.total)

    @property
    def coarse(self) -> tuple[Floats, ...]:
        """Expected counts of the bins of each column."""
        return tuple(
            sum_bins(fine, self.partitions[name])
            for name, fine in zip(self.domain.names, self.fine, strict=True)
        )


def coarse_domain(partitions: Mapping[str, Integers]) -> Domain:
    """Return the domain of the bins, in the order of the mapping."""
    return Domain.from_sizes({name: int(p.max()) + 1 for name, p in partitions.items()})


def shares(rho: float, cells: Sequence[int]) -> list[float]:
    """Split a price over tables in proportion to cells^(2/3)."""
    weights = np.asarray(cells, dtype=np.float64) ** (2.0 / 3.0)
    return [float(w) for w in rho * (weights / weights.sum())]


def stage_prices(
    rho: float, columns: int, *, one_way: float, choice: float
) -> tuple[float, float, float]:
    """Split a price over the columns, the choice among larger tables, and those tables.

    Args:
        rho: The whole price.
        columns: Number of columns; a single one gets everything.
        one_way: Share of the columns.
        choice: Share of the rest that the choice gets.
    """
    if columns == 1:
        return rho, 0.0, 0.0
    first = one_way * rho
    chosen = choice * (rho - first)
    return first, chosen, rho - first - chosen


def selecting_prices(rho: float, columns: int) -> tuple[float, float, float]:
    """Return the prices of columns, choices and tables in MST, AIM and MWEM."""
    return stage_prices(rho, columns, one_way=ONE_WAY_SHARE, choice=SELECT_SHARE)


def check_domain(domain: Domain, rho: float, label: str | None) -> None:
    """Refuse, before any data is opened, what a fit could not do.

    Raises:
        InputError: No column, a column or a run of too many cells, an unknown label, or a price
            too small to be split.
    """
    if not len(domain):
        raise InputError("There is no column to model.", where="domain")
    for attribute in domain:
        if attribute.size > MAX_CELLS_PER_MARGINAL:
            raise InputError(
                f"has {attribute.size} codes, more than {MAX_CELLS_PER_MARGINAL}.",
                where=attribute.name,
                fix="Declare fewer categories or wider bins.",
            )
    if one_way_cells(domain) > MAX_CELLS_PER_RUN:
        raise InputError(
            f"The columns have more than {MAX_CELLS_PER_RUN} codes together.",
            where="domain",
            fix="Declare fewer categories or wider bins.",
        )
    if label is not None and label not in domain.names:
        raise InputError("is not a column of the domain.", where=f"label {label}")
    # Shares go by cells^(2/3) <= 2155 over at most two tables a column, so none, also of half the
    # price, is below rho / (8620 columns).
    if not (math.isfinite(rho) and rho / (1e4 * len(domain)) >= MIN_RHO):
        raise InputError("is too small to share out.", where="rho", fix="Choose a larger epsilon.")


def one_way_stage(domain: Domain, rho: float) -> PlannedStage:
    """Return the stage as a plan states it: one entry a table, in the order of asking."""
    tables = one_way_tables(domain, rho)
    return PlannedStage(
        stage=STAGE,
        description=DESCRIPTION,
        queries=len(tables),
        rho=rho,
        marginals=tuple(
            PlannedMarginal(attributes=(a.name,), columns=1, count=1, cells=_cells(a, p), rho=price)
            for a, p, price in tables
        ),
    )


def one_way_cells(domain: Domain) -> int:
    """Return the number of cells of all queries of the stage."""
    return sum(_cells(a, p) for a, p in _tables(domain))


def one_way_tables(domain: Domain, rho: float) -> list[tuple[Attribute, Integers | None, float]]:
    """Return (column, blocks or None for its own cells, price) of every table of the stage."""
    tables = _tables(domain)
    blocks_of = {a.name: _cells(a, p) for a, p in tables if p is not None}
    prices = shares(rho, [blocks_of.get(a.name, a.size) for a, _ in tables])
    return [(a, p, price) for (a, p), price in zip(tables, prices, strict=True)]


def _cells(attribute: Attribute, partition: Integers | None) -> int:
    """Return the number of cells of a column at a level."""
    return attribute.size if partition is None else int(partition.max()) + 1


def _tables(domain: Domain) -> list[tuple[Attribute, Integers | None]]:
    """Return what is counted: each column cell by cell and, if it is wide, in blocks."""
    tables: list[tuple[Attribute, Integers | None]] = []
    for attribute in domain:
        tables.append((attribute, None))
        blocks = block_partition(attribute)
        if blocks is not None:
            tables.append((attribute, blocks))
    return tables


def measure_one_ways(
    curator: Curator,
    rho: float,
    *,
    pair_rho: float | None = None,
    max_bins: int = MAX_BINS,
    stage: str = STAGE,
    before: OneWays | None = None,
) -> OneWays:
    """Spend `rho` on the counts of every column and derive total, distributions and bins.

    Args:
        curator: Who answers.
        rho: Price of the stage.
        pair_rho: Price of one pair of columns, from which the number of bins follows; None where
            no pair will be measured.
        max_bins: Largest number of bins.
        stage: Label for the ledger.
        before: Counts of the same columns that were paid before; both are combined.
    """
    domain = curator.domain
    measured = curator.measure(
        [
            MarginalQuery(
                attributes=(attribute.name,),
                rho=price,
                partitions={} if partition is None else {attribute.name: partition},
            )
            for attribute, partition, price in one_way_tables(domain, rho)
        ],
        stage=stage,
    )
    known = (*before.measurements, *measured) if before else tuple(measured)
    estimates = estimates_of(domain, known)
    total = estimate_total(estimates)
    bins = max_bins
    if pair_rho is not None:
        # Sigma falls as 1 / sqrt(rho), at any number of rows per unit.
        sigma = measured[0].sigma * math.sqrt(measured[0].rho / pair_rho)
        bins = max_bins_for(total, sigma, max_bins)
    fine = tuple(distribution(a, e, total) for a, e in zip(domain, estimates, strict=True))
    partitions = {}
    for attribute, estimate, counts in zip(domain, estimates, fine, strict=True):
        merged = coarsen(attribute, estimate, total, bins)
        cut = separated(domain, attribute.name, merged)
        partitions[attribute.name] = absorbed(attribute, cut, counts)
    return OneWays(
        domain=domain,
        measurements=known,
        estimates=estimates,
        total=total,
        fine=fine,
        partitions=partitions,
    )


def estimates_of(domain: Domain, measurements: Sequence[Measurement]) -> tuple[Estimate, ...]:
    """Return the estimate of every column from all that was measured of it by itself."""
    return tuple(
        combine(
            [m for m in measurements if m.attributes == (name,) and not m.partitions],
            [m for m in measurements if m.attributes == (name,) and m.partitions],
        )
        for name in domain.names
    )


def noise_share(
    domain: Domain, estimates: Sequence[Estimate], partitions: Mapping[str, Integers], total: float
) -> float:
    """Return how far noise alone moves a column from the rows, as a share of the rows.

    The mean over columns of half the summed mean absolute noise of its bins: the total variation
    distance of noisy counts that nobody corrects.
    """
    sums = [
        np.sqrt(estimate.bin_variance(partitions[name])).sum()
        for name, estimate in zip(domain.names, estimates, strict=True)
    ]
    return float(np.mean(sums)) * math.sqrt(2.0 / math.pi) / (2.0 * total)
