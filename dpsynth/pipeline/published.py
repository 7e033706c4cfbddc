"""The error that may be published: distances of synthetic from real rows, measured with noise.

Fidelity on real rows is not differentially private. Here it is paid for: the L1 distance between
the counts of the synthetic table and those of the training rows, for each column and for pairs of
columns at the declared bins, comes from the Curator with noise, from a share of the budget that is
set aside before the data is opened. Half of the distance over the number of rows is the total
variation distance; that number is the model's noisy estimate, and its error widens the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import Charged
from dpsynth.privacy.ledger import Reservation
from dpsynth.privacy.measurement import Scores
from dpsynth.schema.codec import Codec
from dpsynth.sources.table import CodedTable
from dpsynth.synth.distances import MAX_PAIRS, Sets, distance_questions, pairs_of

STAGE = "published error"
DESCRIPTION = (
    "Noisy distance between synthetic and real tables, for each column and for pairs of columns."
)
LEVEL = 0.95
_QUANTILE = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class MeanError:
    """Mean total variation distance over tables of so many columns, with its noise.

    Attributes:
        ways: Columns of each table.
        tables: Number of tables.
        value: Mean distance, in [0, 1].
        half_width: Half of the interval at LEVEL: the noise of the distances, and on top what the
            noisy number of rows can do.
        ledger_seq: Number of the ledger entry that paid.
    """

    ways: int
    tables: int
    value: float
    half_width: float
    ledger_seq: int


@dataclass(frozen=True, kw_only=True)
class PublishedError:
    """What was measured for publication.

    Attributes:
        means: Over single columns and, where there are two, over pairs.
        columns: (column, distance) of each column.
        column_half_width: Half of the interval at LEVEL of each of those.
    """

    means: tuple[MeanError, ...]
    columns: tuple[tuple[str, float], ...]
    column_half_width: float


def planned_queries(columns: int) -> int:
    """Return how many distances are measured for a table of so many columns."""
    return columns + min(MAX_PAIRS, math.comb(columns, 2))


def measure_error(
    codec: Codec,
    train: CodedTable,
    synthetic: NDArray[np.int32],
    *,
    total: float,
    total_sigma: float,
    reservation: Reservation,
    max_rows_per_unit: int,
    rho: float,
) -> tuple[PublishedError, Charged]:
    """Measure the error at a price.

    Args:
        codec: Codec of both tables; distances are at its declared bins.
        train: Training rows.
        synthetic: Synthetic rows, (n, d) codes of the same domain.
        total: The model's estimate of the number of training rows.
        total_sigma: Standard deviation of its noise.
        reservation: What pays.
        max_rows_per_unit: Rows of one unit at most.
        rho: Price in zCDP rho.
    """
    singles: Sets = [(name,) for name in codec.domain.names]
    groups = [group for group in (singles, pairs_of(codec.coarse_domain)) if group]
    with Curator(
        train,
        reservation=reservation,
        max_rows_per_unit=max_rows_per_unit,
        rho=rho,
    ) as curator:
        share = curator.remaining / len(groups)
        answers = [
            curator.score(
                distance_questions(codec.domain, codec.coarse, synthetic, total, group),
                rho=share,
                stage=STAGE,
            )
            for group in groups
        ]
        charged = curator.events
    columns = answers[0].values / (2.0 * total)
    return (
        PublishedError(
            means=tuple(
                _mean(group, answer, total, total_sigma)
                for group, answer in zip(groups, answers, strict=True)
            ),
            columns=tuple(
                (name, _clipped(value))
                for (name,), value in zip(singles, columns.tolist(), strict=True)
            ),
            column_half_width=_QUANTILE * answers[0].sigma / (2.0 * total),
        ),
        charged,
    )


def _mean(group: Sets, answer: Scores, total: float, total_sigma: float) -> MeanError:
    """Return the mean distance.

    If the number of rows is off by t, the L1 distance of counts moves by at most t, and dividing by
    the wrong number moves it by a share of t / total of itself: together (1/2 + value) t / total.
    """
    tables = len(group)
    value = _clipped(float(answer.values.mean()) / (2.0 * total))
    noise = answer.sigma / math.sqrt(tables) / (2.0 * total)
    return MeanError(
        ways=len(group[0]),
        tables=tables,
        value=value,
        half_width=_QUANTILE * (noise + (0.5 + value) * total_sigma / total),
        ledger_seq=answer.ledger_seq,
    )


def _clipped(value: float) -> float:
    return min(1.0, max(0.0, value))
