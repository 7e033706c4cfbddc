"""Closest-distance membership inference: a row that lies near a synthetic row is called a member.

The black-box attack of Chen et al., "GAN-Leaks" (CCS 2020): score = minus the distance to the
nearest synthetic row. Reported the way Carlini et al. (S&P 2022) ask for: not only the AUC, which
is weak against copying of few rows, but also the true-positive rate at low false-positive rates,
with Clopper-Pearson intervals or "not estimable".

Never true here: that the empirical epsilon bounds the real one from above. It is a lower bound,
from one weak adversary and one output; its rates treat rows as independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from dpsynth.attacks.api import ALPHA, LEVEL, AttackData, verdict_of
from dpsynth.attacks.neighbours import nearest_two
from dpsynth.attacks.stats import auc, epsilon_lower_bound, normal_quantile, tpr_at_fpr
from numpy.typing import NDArray

from dpsynth.results import AttackResult

AUDIT_DELTA = 1e-6  #: delta of the empirical epsilon bound
_POWER = 0.8
_CANDIDATE_FPR = (0.0, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
Scores = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ClosestDistance:
    """Members against non-members by closeness to the synthetic table."""

    name: str = "closest_distance_membership"
    title: str = "Membership inference by closest synthetic row"

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Attack; members and non-members are cut to equal numbers.

        Args:
            data: The tables.
            seed: Draws the rows that are kept and the halves of the epsilon bound.
        """
        size = min(len(data.train), len(data.holdout))
        data = data.equal_sizes(seed, rows=size, synthetic_rows=len(data.synthetic))
        members = -nearest_two(data.domain, data.train, data.synthetic).first
        others = -nearest_two(data.domain, data.holdout, data.synthetic).first
        measured = auc(members, others, LEVEL)
        half = size // 2
        control = auc(others[:half], others[half:], LEVEL)
        limit = 0.5 + (normal_quantile(ALPHA) + normal_quantile(1 - _POWER)) * measured.null_sd
        details: dict[str, float | int | str | None] = {
            "advantage": 2.0 * measured.value - 1.0,
            "epsilon_lower_bound": empirical_epsilon(members, others, seed),
            "epsilon_confidence": LEVEL,
            "epsilon_delta": AUDIT_DELTA,
            "synthetic_rows": len(data.synthetic),
            "control_p_value": control.p_value,
            "test": "rank test against random labels, one-sided, ties corrected",
        }
        details |= rates(members, others)
        return AttackResult(
            name=self.name,
            title=self.title,
            value=measured.value,
            unit="AUC",
            interval=measured.interval,
            n=2 * size,
            baseline=0.5,
            baseline_title="guessing",
            control=control.value,
            control_title="one half of the held-out rows against the other",
            members=size,
            non_members=size,
            p_value=measured.p_value,
            alpha=ALPHA,
            detection_limit=f"An AUC of {limit:.3f} would be found with {_POWER:.0%} probability; "
            "copies of few rows hardly move an AUC.",
            verdict=verdict_of(measured.p_value),
            details=details,
            note="The bound on epsilon is empirical and from below: one adversary, one output, "
            "rows treated as independent.",
        )


def rates(members: Scores, others: Scores) -> dict[str, float | int | str | None]:
    """Return the true-positive rates at 1 % and 0.1 % false positives, or "not estimable".

    Args:
        members: Scores of members, shape (m,).
        others: Scores of non-members, shape (n,).
    """
    out: dict[str, float | int | str | None] = {}
    for key, fpr in (("1_percent", 0.01), ("01_percent", 0.001)):
        rate = tpr_at_fpr(members, others, fpr, LEVEL)
        if rate is None:
            out[f"tpr_at_{key}_fpr"] = "not estimable"
            continue
        out[f"tpr_at_{key}_fpr"] = rate.tpr
        out[f"tpr_at_{key}_fpr_low"] = rate.interval.low
        out[f"tpr_at_{key}_fpr_high"] = rate.interval.high
        out[f"reached_fpr_{key}"] = rate.fpr
    return out


def empirical_epsilon(members: Scores, others: Scores, seed: int) -> float:
    """Return a lower bound on epsilon: the threshold is chosen on one half, judged on the other.

    Args:
        members: Scores of members, shape (m,), m >= 4.
        others: Scores of non-members, shape (n,), n >= 4.
        seed: Draws the halves.
    """
    rng = np.random.default_rng(seed)
    m, n = rng.permutation(len(members)), rng.permutation(len(others))
    choose = (members[m[::2]], others[n[::2]])
    judge = (members[m[1::2]], others[n[1::2]])
    ordered = np.sort(choose[1])[::-1]
    thresholds = [
        float(ordered[min(len(ordered) - 1, int(f * len(ordered)))]) for f in _CANDIDATE_FPR
    ]
    best = max(thresholds, key=lambda threshold: _bound(*choose, threshold))
    return _bound(*judge, best)


def _bound(members: NDArray[np.floating[Any]], others: Scores, threshold: float) -> float:
    return epsilon_lower_bound(
        int((members > threshold).sum()),
        len(members),
        int((others > threshold).sum()),
        len(others),
        delta=AUDIT_DELTA,
        confidence=LEVEL,
    )
