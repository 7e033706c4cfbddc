"""Fixed: a model of noisy marginals that somebody else has measured, for example in SQL.

For statistics offices that count where the data are, add noise there and bring only noisy tables.
Nothing is asked of a Curator and nothing is charged: what the model may be called is what the
caller's own accounting says of the tables. Fitting is post-processing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InputError
from dpsynth.privacy.measurement import Measurement
from dpsynth.schema.domain import Domain
from dpsynth.synth.estimate import estimate_total
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.numeric import distribution
from dpsynth.synth.oneway import OneWays, estimates_of
from dpsynth.synth.pgm.junction_tree import fits, neighbours
from dpsynth.synth.zeros import held

NAME = "fixed"
MAX_CLIQUE = 10_000_000  #: cells of the largest table that the fit may need


@dataclass(frozen=True, kw_only=True)
class NoisyMarginal:
    """A table that the caller measured.

    Attributes:
        attributes: Names of its columns, in axis order.
        values: Noisy counts, whole numbers, shaped by the domain.
        sigma: Standard deviation of the noise of a cell, in rows, positive.
    """

    attributes: tuple[str, ...]
    values: NDArray[np.integer]
    sigma: float


def fit_marginals(domain: Domain, marginals: Sequence[NoisyMarginal]) -> MarginalModel:
    """Return the model of noisy marginals.

    Args:
        domain: The coded columns.
        marginals: Every column by itself, once or more, and any larger tables.

    Raises:
        InputError: A table does not fit the domain, a column is not counted by itself, or the model
            would be too large.
    """
    measured = [_checked(domain, marginal) for marginal in marginals]
    single = [m for m in measured if len(m.attributes) == 1]
    missing = [n for n in domain.names if not any(m.attributes == (n,) for m in single)]
    if missing or not len(domain):
        raise InputError(
            "Every column must also be counted by itself.",
            where=", ".join(missing) or "domain",
            fix="Add its noisy counts, or the sum of a larger table with the noise that it has.",
        )
    tables = [m for m in measured if len(m.attributes) > 1]
    scopes = [[domain.index(name) for name in m.attributes] for m in tables]
    sizes = [attribute.size for attribute in domain]
    if not fits(neighbours(len(sizes), scopes), sizes, MAX_CLIQUE, 2.0 * MAX_CLIQUE):
        raise InputError(
            f"The tables together need a model of more than {MAX_CLIQUE} cells.",
            where="marginals",
            fix="Leave tables out, or merge values before they are counted.",
        )
    estimates = estimates_of(domain, single)
    total = estimate_total(estimates)
    one_ways = OneWays(
        domain=domain,
        measurements=tuple(single),
        estimates=estimates,
        total=total,
        fine=tuple(distribution(a, e, total) for a, e in zip(domain, estimates, strict=True)),
        partitions={a.name: np.arange(a.size, dtype=np.int64) for a in domain},
    )
    rho = math.fsum(m.rho for m in measured)
    zeros = held(
        domain,
        one_ways.coarse_domain,
        [m.attributes for m in tables],
        most=MAX_CLIQUE,
        together=2 * MAX_CLIQUE,
    )
    return MarginalModel.from_measurements(NAME, one_ways, tables, rho, zeros=zeros)


def _checked(domain: Domain, marginal: NoisyMarginal) -> Measurement:
    """Return a table as a measurement, with the rho of its noise for one row a unit."""
    names = marginal.attributes
    where = ", ".join(map(str, names))
    if not names or len(set(names)) != len(names) or not set(names) <= set(domain.names):
        raise InputError("needs distinct columns of the domain.", where=f"marginal {where}")
    values = np.asarray(marginal.values)
    if values.shape != domain.shape(names) or values.dtype.kind not in "iu":
        raise InputError(
            f"needs whole numbers of shape {domain.shape(names)}.", where=f"marginal {where}"
        )
    if not (math.isfinite(marginal.sigma) and marginal.sigma > 0):
        raise InputError("needs a positive sigma.", where=f"marginal {where}")
    return Measurement(
        attributes=names,
        values=values.astype(np.int64),
        sigma=float(marginal.sigma),
        rho=1.0 / (2.0 * marginal.sigma**2),
        ledger_seq=0,
    )
