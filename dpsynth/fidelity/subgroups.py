"""Whom the noise hurts: the error of the output within each group of people, beside sampling.

Mean errors hide small groups, where the same noise weighs more. For each value of each declared
group column: how far the group's synthetic rows are from its real ones over all other columns, what
sampling alone would cost, and what a model trained on synthetic rows loses on the group's held-out
rows, with an interval. There is no single score of
fairness here: a reader must see which group it is.

Never true here: a number for a group of so few rows that it says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.fidelity.api import FidelityData, Reference
from dpsynth.fidelity.counting import histograms, total_variation
from dpsynth.fidelity.downstream import LEVEL, Predictions, compare
from dpsynth.results import Interval, Status

MOST_GROUPS = 12  #: a column with more coarse codes names no groups
LEAST_ROWS = 30  #: training rows of a group for which errors are given


@dataclass(frozen=True, kw_only=True)
class GroupError:
    """One group; raw.

    Attributes:
        column: Column that names it.
        code: Its coarse code.
        train_rows: Its training rows.
        holdout_rows: Its held-out rows that have a class.
        synthetic_rows: Its synthetic rows.
        real_share, synthetic_share: Its share of either table.
        status: INCONCLUSIVE where it has too few rows for an error.
        reason: Why.
        error: Mean total variation distance of all other columns within the group.
        floor: The same for real rows drawn again, as many as there are synthetic ones.
        auc_gap: AUC within the group that training on synthetic rows costs, or None.
        auc_gap_interval: At 95 %.
    """

    column: str
    code: int
    train_rows: int
    holdout_rows: int
    synthetic_rows: int
    real_share: float
    synthetic_share: float
    status: Status = Status.OK
    reason: str = ""
    error: float | None = None
    floor: float | None = None
    auc_gap: float | None = None
    auc_gap_interval: Interval | None = None


def group_columns(data: FidelityData, candidates: Sequence[str]) -> list[str]:
    """Return the candidates that have few enough codes to name groups, without the label."""
    return [
        name
        for name in candidates
        if name in data.domain.names
        and name != data.label
        and 2 <= data.domain[name].size <= MOST_GROUPS
    ]


def group_errors(
    data: FidelityData, tables: Reference, columns: Sequence[str], made: Predictions | str
) -> list[GroupError]:
    """Return every group that has a training or a synthetic row.

    Args:
        data: The coarse tables.
        tables: The same beside the floor.
        columns: Columns that name groups.
        made: What the downstream models say about the holdout, or why they say nothing.
    """
    found = []
    for name in columns:
        column = data.domain.index(name)
        others = [j for j in range(len(data.domain)) if j != column]
        within = [_by_group(data, tables, column, other) for other in others]
        groups = None if isinstance(made, str) else data.holdout[made.rows, column]
        real = np.bincount(data.train[:, column], minlength=data.domain[name].size)
        synthetic = np.bincount(data.synthetic[:, column], minlength=len(real))
        for code in np.flatnonzero(real + synthetic).tolist():
            held = 0 if groups is None else int((groups == code).sum())
            group = GroupError(
                column=name,
                code=code,
                train_rows=int(real[code]),
                holdout_rows=held,
                synthetic_rows=int(synthetic[code]),
                real_share=float(real[code] / real.sum()),
                synthetic_share=float(synthetic[code] / synthetic.sum()),
            )
            found.append(_measured(group, within, made, groups))
    return found


def _measured(
    group: GroupError,
    within: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    made: Predictions | str,
    groups: NDArray[np.integer[Any]] | None,
) -> GroupError:
    """Fill in the errors, where there are rows enough."""
    if group.train_rows < LEAST_ROWS:
        reason = f"It has fewer than {LEAST_ROWS} training rows."
        return replace(group, status=Status.INCONCLUSIVE, reason=reason)
    if not group.synthetic_rows:
        reason = "It has no synthetic row."
        return replace(group, status=Status.INCONCLUSIVE, reason=reason)
    if within:
        errors, floors = (np.array([pair[i][group.code] for pair in within]) for i in (0, 1))
        known = None if np.isnan(floors).any() else float(floors.mean())
        group = replace(group, error=float(errors.mean()), floor=known)
    if isinstance(made, str) or groups is None:
        return group
    compared = compare(made, groups == group.code)
    if compared is None:
        return group
    low, high = compared.gap - compared.gap_half, compared.gap + compared.gap_half
    return replace(
        group, auc_gap=compared.gap, auc_gap_interval=Interval(low=low, high=high, level=LEVEL)
    )


def _by_group(
    data: FidelityData, tables: Reference, column: int, other: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distance of one column within each group, synthetic and floor; NaN for none."""
    sizes = [data.domain.attributes[j].size for j in (column, other)]
    counts = histograms([tables.train, tables.synthetic, tables.floor], (column, other), sizes)
    train, synthetic, floor = (table.reshape(sizes) for table in counts)
    return _distances(train, synthetic), _distances(train, floor)


def _distances(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.full(len(a), np.nan)
    for code in range(len(a)):
        if a[code].any() and b[code].any():
            out[code] = total_variation(a[code], b[code])
    return out
