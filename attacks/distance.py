"""Distance to the closest record (DCR) and nearest-neighbour distance ratio (NNDR).

DCR share: for every synthetic row, is the nearest real row a training row or a held-out row, both
groups equally large? Ties are split among all tied rows; breaking them by order is a false leak
(measured: 0.515 instead of 0.509 on fresh rows). One real row can be nearest to many synthetic
rows, so the plain binomial error is too small; with w_j the number of synthetic rows at real row
j, random labels give the standard deviation sqrt(sum w_j^2) / (2 N).

NNDR: the ratio of the nearest to the second nearest synthetic distance of a real row. A copied row
is much nearer to its copy than to anything else, so its ratio is small.

Both are the usual vendor diagnostics (for a critique: Ganev and De Cristofaro, arXiv 2312.05114;
Yao et al., "The DCR delusion", 2025). Never true of them: that they measure privacy. They detect
copies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from dpsynth.attacks.api import ALPHA, LEVEL, AttackData, inconclusive, verdict_of
from dpsynth.attacks.neighbours import nearest_two, nearest_weights
from dpsynth.attacks.stats import normal_quantile, normal_tail
from numpy.typing import NDArray

from dpsynth.results import AttackResult, Interval

NOTE = "A diagnostic that detects copies; not evidence of privacy, whatever its value."
_Z = normal_quantile((1.0 - LEVEL) / 2.0)
_NO_SPREAD = 1e-12
_POWER = 0.8  # power at which detection limits are stated


@dataclass(frozen=True, kw_only=True)
class DistanceShare:
    """Share of synthetic rows whose nearest real row is a training row (equal sizes)."""

    name: str = "distance_to_closest_record"
    title: str = "Distance to closest record: share nearest to training rows"
    all_rows: bool = False

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Compare; members and non-members are cut to equal numbers.

        Args:
            data: The tables.
            seed: Draws the rows that are kept.
        """
        data = data.balanced(seed)
        size = len(data.train)
        weights = nearest_weights(
            data.domain, data.synthetic, np.concatenate([data.train, data.holdout])
        )
        count = len(data.synthetic)
        share = float(weights[:size].sum()) / count
        sd = hub_sd(weights)
        if normal_tail(0.5 / sd) >= ALPHA:
            return inconclusive(
                self,
                "Too few real rows are nearest to synthetic ones: even if all of them were "
                f"training rows, no test could reject at {ALPHA}.",
            )
        p_value = normal_tail((share - 0.5) / sd)
        held = weights[size:]
        half = float(held[: size // 2].sum())
        limit = 0.5 + (normal_quantile(ALPHA) + normal_quantile(1.0 - _POWER)) * sd
        return AttackResult(
            name=self.name,
            title=self.title,
            value=share,
            unit="share of synthetic rows, ties split",
            interval=_interval(share, sd),
            n=count,
            baseline=0.5,
            baseline_title="expected of rows that were not trained on",
            control=half / float(held.sum()) if held.any() else None,
            control_title="one half of the held-out rows against the other",
            members=size,
            non_members=size,
            p_value=p_value,
            alpha=ALPHA,
            detection_limit=f"A share of {limit:.3f} would be found with {_POWER:.0%} probability.",
            verdict=verdict_of(p_value),
            details={
                "z_hub_adjusted": (share - 0.5) / sd,
                "sd_hub_adjusted": sd,
                "sd_binomial": 0.5 / math.sqrt(count),
                "largest_hub": float(weights.max()),
                "synthetic_rows": count,
                "distance": "Gower, exact",
                "test": "random-label z, hub-adjusted, one-sided",
            },
            note=NOTE,
        )


@dataclass(frozen=True, kw_only=True)
class DistanceRatio:
    """Mean ratio of nearest to second nearest synthetic distance: non-members minus members."""

    name: str = "nearest_neighbour_ratio"
    title: str = "Nearest-neighbour distance ratio: held-out rows minus training rows"
    all_rows: bool = False

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Compare; members and non-members are cut to equal numbers.

        Args:
            data: The tables.
            seed: Draws the rows that are kept.
        """
        if len(data.synthetic) < 2:
            return inconclusive(self, "A ratio of two distances needs two synthetic rows.")
        data = data.balanced(seed)
        size = len(data.train)
        members = ratios(data, data.train)
        others = ratios(data, data.holdout)
        both = np.concatenate([members, others])
        null_sd = float(both.std(ddof=1)) * math.sqrt(2.0 / size)
        if null_sd <= _NO_SPREAD:
            return inconclusive(self, "Every real row has the same ratio: nothing differs.")
        value = float(others.mean() - members.mean())
        p_value = normal_tail(value / null_sd)
        sd = math.sqrt((float(members.var(ddof=1)) + float(others.var(ddof=1))) / size)
        limit = (normal_quantile(ALPHA) + normal_quantile(1.0 - _POWER)) * null_sd
        half = size // 2
        return AttackResult(
            name=self.name,
            title=self.title,
            value=value,
            unit="difference of mean ratios",
            interval=_interval(value, sd),
            n=2 * size,
            baseline=0.0,
            baseline_title="expected of rows that were not trained on",
            control=float(others[:half].mean() - others[half:].mean()),
            control_title="one half of the held-out rows against the other",
            members=size,
            non_members=size,
            p_value=p_value,
            alpha=ALPHA,
            detection_limit=f"A difference of {limit:.4f} would be found with {_POWER:.0%} "
            "probability.",
            verdict=verdict_of(p_value),
            details={
                "mean_members": float(members.mean()),
                "mean_non_members": float(others.mean()),
                "median_members": float(np.median(members)),
                "median_non_members": float(np.median(others)),
                "synthetic_rows": len(data.synthetic),
                "distance": "Gower, exact",
                "test": "random-label z of the difference of means, one-sided",
            },
            note=NOTE,
        )


def hub_sd(weights: NDArray[np.float64]) -> float:
    """Return the random-label standard deviation of a DCR share: sqrt(sum w_j^2) / (2 N).

    Args:
        weights: Synthetic rows nearest to each real row, ties split, shape (m,), summing to N.
    """
    return 0.5 * math.sqrt(float((weights**2).sum())) / float(weights.sum())


def ratios(data: AttackData, rows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return nearest over second nearest synthetic distance; 1 where both are equal, also zero.

    Args:
        data: The tables; its synthetic rows are the references.
        rows: Codes of the real rows, shape (n, d).
    """
    found = nearest_two(data.domain, rows, data.synthetic)
    out = np.ones(len(rows))
    np.divide(found.first, found.second, out=out, where=found.second > 0)
    return out


def _interval(value: float, sd: float) -> Interval:
    return Interval(low=value - _Z * sd, high=value + _Z * sd, level=LEVEL)
