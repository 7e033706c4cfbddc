"""The first stage of every marginal method: the noisy counts of each attribute by itself.

From these the total, the bins and the fine distributions follow at no further cost. How the price
is shared out: engine notes of this project, section 4.4, after the optimum of independent Gaussian
measurements (a table of k cells gets a share in proportion to k^(2/3), which minimises the summed
L1 error).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InputError
from dpsynth.privacy.calibrate import MIN_RHO
from dpsynth.privacy.curator import MAX_CELLS_PER_MARGINAL, MAX_CELLS_PER_RUN, Curator
from dpsynth.privacy.measurement import Codes, MarginalQuery, Measurement
from dpsynth.schema.domain import Domain
from dpsynth.synth.numeric import coarsen, estimate_total, project_simplex, sum_bins

Floats = NDArray[np.float64]

STAGE = "one-way"
DESCRIPTION = "Noisy counts of every column by itself, at fine resolution."


@dataclass(frozen=True, kw_only=True, eq=False)
class OneWays:
    """The noisy one-way counts and what follows from them.

    Attributes:
        domain: The fine domain.
        measurements: One a column, in domain order.
        total: Estimated number of rows, at least 1.
        fine: Expected counts of each column on the simplex of that total.
        partitions: Bin of every fine code, by attribute name.
    """

    domain: Domain
    measurements: tuple[Measurement, ...]
    total: float
    fine: tuple[Floats, ...]
    partitions: Mapping[str, Codes]

    @property
    def coarse_domain(self) -> Domain:
        """The domain of the bins."""
        return coarse_domain(self.partitions)

    @property
    def coarse(self) -> tuple[Floats, ...]:
        """Expected counts of the bins of each column."""
        return tuple(
            sum_bins(fine, self.partitions[name])
            for name, fine in zip(self.domain.names, self.fine, strict=True)
        )


def coarse_domain(partitions: Mapping[str, Codes]) -> Domain:
    """Return the domain of the bins, in the order of the mapping."""
    return Domain.from_sizes({name: int(p.max()) + 1 for name, p in partitions.items()})


def shares(rho: float, cells: Sequence[int]) -> list[float]:
    """Split a price over tables in proportion to cells^(2/3)."""
    weights = np.asarray(cells, dtype=np.float64) ** (2.0 / 3.0)
    return [float(w) for w in rho * (weights / weights.sum())]


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
    if sum(a.size for a in domain) > MAX_CELLS_PER_RUN:
        raise InputError(
            f"The columns have more than {MAX_CELLS_PER_RUN} codes together.",
            where="domain",
            fix="Declare fewer categories or wider bins.",
        )
    if label is not None and label not in domain.names:
        raise InputError("is not a column of the domain.", where=f"label {label}")
    # Shares go by cells^(2/3) <= 2155, so none is below a quarter of rho / (2155 columns).
    if not (math.isfinite(rho) and rho / (1e4 * len(domain)) >= MIN_RHO):
        raise InputError("is too small to share out.", where="rho", fix="Choose a larger epsilon.")


def measure_one_ways(curator: Curator, rho: float) -> OneWays:
    """Spend `rho` on the counts of every column and derive totals, distributions and bins."""
    domain = curator.domain
    prices = shares(rho, [a.size for a in domain])
    measured = curator.measure(
        [
            MarginalQuery(attributes=(name,), rho=price)
            for name, price in zip(domain.names, prices, strict=True)
        ],
        stage=STAGE,
    )
    total = estimate_total(measured)
    return OneWays(
        domain=domain,
        measurements=tuple(measured),
        total=total,
        fine=tuple(project_simplex(m.values.astype(np.float64), total) for m in measured),
        partitions={
            a.name: coarsen(a, m.values, m.sigma, total)
            for a, m in zip(domain, measured, strict=True)
        },
    )


def coarse_variance(measurement: Measurement, partition: Codes) -> Floats:
    """Return the noise variance of each bin of a one-way measurement."""
    counts = np.bincount(partition).astype(np.float64)
    variance: Floats = measurement.sigma**2 * counts
    return variance
