"""Total variation distance of 1-, 2- and 3-way marginals between training and synthetic rows.

The measure of the marginal-based literature and of NIST's k-marginal score (score = 1000 * (1 -
mean 2-way distance)); Tao et al., "Benchmarking differentially private synthetic data" (2021).
Each mean stands between a noise floor (real rows drawn again) and independent columns.

Never true here: a mean without its worst case by name.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from dpsynth.fidelity.api import FidelityData, Reference, column_sets, inconclusive, named
from dpsynth.fidelity.counting import histograms, total_variation
from dpsynth.results import FidelityResult, Interval

MAX_PAIRS = 2_000  #: all pairs up to 63 columns; more are drawn
TRIPLES = 60  #: triples drawn for the 3-way distance
_LEVEL = 0.95
_LIMIT = {1: 100_000, 2: MAX_PAIRS, 3: TRIPLES}


def marginal_distance(
    data: FidelityData, tables: Reference, width: int, seed: int
) -> FidelityResult:
    """Return the mean total variation distance over marginals of `width` columns.

    Args:
        data: The tables and their coarse domain.
        tables: The same tables beside floor and independent columns.
        width: 1, 2 or 3 columns.
        seed: Draws the marginals where there are more than the limit.
    """
    name, title = f"tvd_{width}way", f"Mean {width}-way total variation distance"
    d = len(data.domain)
    if d < width:
        return inconclusive(name, title, f"The table has fewer than {width} columns.")
    sets = column_sets(d, width, _LIMIT[width], seed)
    sizes = [attribute.size for attribute in data.domain]
    rows = np.empty((len(sets), 3))
    for i, columns in enumerate(sets):
        train, *others = histograms(
            [tables.train, tables.synthetic, tables.floor, tables.independent],
            columns,
            [sizes[j] for j in columns],
        )
        rows[i] = [total_variation(train, other) for other in others]
    worst = int(rows[:, 0].argmax())
    details: dict[str, float | int | str | None] = {
        "worst": float(rows[worst, 0]),
        "worst_columns": named(data.domain, sets[worst]),
        "worst_floor": float(rows[worst, 1]),
        "marginals": len(sets),
        "seed": str(seed),
        "synthetic_rows": len(data.synthetic),
    }
    if width == 1:
        for columns, distance in zip(sets, rows[:, 0], strict=True):
            details[f"tvd[{named(data.domain, columns)}]"] = float(distance)
    complete = len(sets) == math.comb(d, width)
    return FidelityResult(
        name=name,
        title=title,
        value=float(rows[:, 0].mean()),
        unit="total variation distance",
        interval=None if complete else _mean_interval(rows[:, 0]),
        n=len(sets),
        baseline=float(rows[:, 1].mean()),
        baseline_title="noise floor: as many real training rows, drawn again",
        control=float(rows[:, 2].mean()),
        control_title="independent columns with the exact one-way distributions",
        details=details,
        note=f"All {len(sets)} marginals."
        if complete
        else f"{len(sets)} marginals drawn with seed {seed}; the interval is for the mean of all.",
    )


def _mean_interval(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Interval:
    half = float(stats.t.isf((1 - _LEVEL) / 2, len(values) - 1) * stats.sem(values))
    mean = float(values.mean())
    return Interval(low=max(0.0, mean - half), high=min(1.0, mean + half), level=_LEVEL)
