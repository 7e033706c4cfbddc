"""Domains of undeclared columns, asked of the Curator and paid for like everything else.

Categories: texts whose noisy count reaches a threshold (Curator.discover). Bounds and bins of
numbers: noisy counts on a public grid; the outermost cells that stand out of their noise give the
bounds, and cells are joined into bins of about equal noisy weight, which are quantiles at the
resolution of the grid. Everything here is a function of public and noisy values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from dpsynth.arrays import Floats
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.measurement import MarginalQuery, Measurement
from dpsynth.schema.declared import (
    Column,
    ColumnDomain,
    Kind,
    NumericDomain,
    OpenDomain,
    OpenRange,
)
from dpsynth.schema.undeclared import code_numbers, grid_edges, with_categories
from dpsynth.synth.api import PlannedStage

# Cells of the grid that noise alone takes for occupied, expected a column: one in 10,000, because a
# single one far out would stretch the bounds.
_FALSE_CELLS = 1e-4

STAGE = "discovery"
DESCRIPTION = (
    "Domains of the columns that the dictionary leaves open: categories that enough units share, "
    "and bounds of numbers."
)


@dataclass(frozen=True, kw_only=True)
class Discovered:
    """What was found about one column.

    Attributes:
        column: Its name.
        domain: The domain to use, or None where nothing stood out of the noise.
        found: Number of categories or bins that were found.
        sigma: Scale of the noise.
        threshold: Smallest noisy count that was taken for a category or an occupied cell.
        rho: What was charged.
        delta: What was charged.
        ledger_seq: Number of the ledger entry that paid.
    """

    column: str
    domain: ColumnDomain | None
    found: int
    sigma: float
    threshold: float
    rho: float
    delta: float
    ledger_seq: int


def planned_stage(columns: Sequence[Column], rho: float) -> PlannedStage:
    """Return the stage that discovers the domains of `columns` at a price."""
    return PlannedStage(stage=STAGE, description=DESCRIPTION, queries=len(columns), rho=rho)


def discover(curator: Curator, columns: Sequence[Column], *, delta: float) -> list[Discovered]:
    """Spend the whole budget of a Curator on the domains of open columns, in equal parts.

    Args:
        curator: Its table keeps the texts of open categories; its domain holds the open ranges on
            the grid, see :func:`dpsynth.schema.undeclared.grid_attribute`.
        columns: The open columns.
        delta: What the discovery of categories may spend of delta.
    """
    texts = [column for column in columns if isinstance(column.domain, OpenDomain)]
    ranges = [column for column in columns if isinstance(column.domain, OpenRange)]
    share = curator.remaining / max(1, len(columns))
    found = {}
    for column in texts:
        answer = curator.discover(column.name, rho=share, delta=delta / len(texts), stage=STAGE)
        found[column.name] = Discovered(
            column=column.name,
            domain=with_categories(column, tuple(answer.counts)),
            found=len(answer.counts),
            sigma=answer.sigma,
            threshold=float(answer.threshold),
            rho=answer.rho,
            delta=answer.delta,
            ledger_seq=answer.ledger_seq,
        )
    if ranges:
        queries = [MarginalQuery(attributes=(c.name,), rho=share) for c in ranges]
        for column, counts in zip(ranges, curator.measure(queries, stage=STAGE), strict=True):
            found[column.name] = _range(column, counts)
    return [found[column.name] for column in columns]


def _range(column: Column, measured: Measurement) -> Discovered:
    """Return bounds and bins from noisy counts on the grid."""
    edges = grid_edges(column)
    counts = measured.values[:-1].astype(np.float64)  # the last code is no number
    threshold = -float(ndtri(_FALSE_CELLS / counts.size)) * measured.sigma
    domain = _bounds_and_bins(column, edges, counts, threshold)
    return Discovered(
        column=column.name,
        domain=domain,
        found=0 if domain is None else len(domain.edges) - 1,
        sigma=measured.sigma,
        threshold=threshold,
        rho=measured.rho,
        delta=0.0,
        ledger_seq=measured.ledger_seq,
    )


def _bounds_and_bins(
    column: Column, edges: Floats, counts: Floats, threshold: float
) -> NumericDomain | None:
    """Return the domain between the outermost visible cells; None where none is visible.

    Bins are closed, from left to right, as soon as they weigh their share of the noisy total.
    """
    if not isinstance(column.domain, OpenRange):
        raise ValueError(f"{column.name}: no open range")
    codes = code_numbers(column)
    visible = np.flatnonzero(counts >= threshold)
    if not visible.size:
        return None
    first, last = int(visible[0]), int(visible[-1])
    weights = np.maximum(counts[first : last + 1], 0.0)
    share = weights.sum() / column.domain.bins
    kept, mass = [float(edges[first])], 0.0
    for weight, end in zip(weights, edges[first + 1 : last + 2], strict=True):
        mass += float(weight)
        if mass >= share:
            kept.append(float(end))
            mass = 0.0
    end = float(edges[last + 1])
    if kept[-1] != end:
        kept.append(end)
    # A cell of whole numbers ends below the next mark, unless that mark is the end of the range.
    closed = column.kind is not Kind.INTEGER or last + 2 == edges.size
    upper = end if closed else end - 1.0
    lower = kept[0]
    if not closed and np.isin(np.arange(lower, min(upper, lower + 1e4) + 1), codes).all():
        return None  # noise alone: every whole number of the range is a code
    if lower >= upper:  # one whole number: the codec needs a range
        upper, kept = lower + 1.0, [lower, lower + 1.0]
    return NumericDomain(lower=lower, upper=upper, edges=tuple(kept))
