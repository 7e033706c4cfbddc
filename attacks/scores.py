"""From membership scores to one result: the same numbers for every membership attack.

An attack gives every attacked row a score, higher for "was trained on". Here the scores become AUC
with DeLong's interval, the true-positive rates at low false-positive rates that Carlini et al.
(S&P 2022) ask for, an empirical lower bound on epsilon (Jagielski et al., NeurIPS 2020) and a
p-value.

The test: under "no leak" the labels member / non-member are random given the scores. Two statistics
are looked at, the rank sum and the number of members among the highest scores (a rank sum hardly
moves when a few rows leak completely); the smaller p-value is doubled. The height that counts as
high depends on all scores together, never on labels, so ties and duplicates do no harm.

Never true here: that the empirical epsilon bounds the real one from above. It is a lower bound,
from one adversary; its rates treat rows as independent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from dpsynth.attacks.api import ALPHA, LEVEL, Attack, inconclusive, verdict_of
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.roc import roc_curve
from dpsynth.attacks.stats import (
    auc,
    fisher_p,
    fisher_smallest,
    normal_quantile,
    tpr_at_fpr,
)
from numpy.typing import NDArray

from dpsynth.exact import bisect, clopper_pearson, epsilon_lower_bound
from dpsynth.results import AttackResult, AttackVerdict

AUDIT_DELTA = 1e-6  #: delta of the empirical epsilon bound where no claim names one
TAIL = 0.01  #: share of all scores that the second statistic looks at, ties included
NOTE = (
    "The bound on epsilon is empirical and from below: one adversary, one output, rows treated as "
    "independent. Silence of this attack is not evidence of privacy."
)
RANDOM_LABELS = (
    "twice the smaller of a rank test and Fisher's exact test on the highest scores, against "
    "random labels, one-sided"
)
_POWER = 0.8
_CANDIDATE_FPR = (0.0, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
_SMALLEST_P, _LARGEST_P = 1e-15, 0.999  # of a claim
_NO_SPREAD = 1e-12
_FEWEST = 4  # of each label: halves of two
Scores = NDArray[np.float64]
Details = dict[str, float | int | str | None]


def membership_result(
    attack: Attack,
    members: Scores,
    others: Scores,
    *,
    seed: int,
    control_title: str = "one half of the non-members against the other",
    claim: Claim | None = None,
    audit: bool = False,
    claim_p: float | None = None,
    details: Mapping[str, float | int | str | None] | None = None,
    note: str = NOTE,
) -> AttackResult:
    """Return the result of an attack that scored members and non-members.

    Args:
        attack: The attack, for its name and title.
        members: Scores of members, shape (m,).
        others: Scores of non-members in random order, shape (n,): one half against the other is the
            control.
        seed: Draws the halves of the epsilon bound.
        control_title: What that control is.
        claim: The claim to hold the rates against, where one is known.
        audit: The adversary is one whom the claim allows some success (it knows the other rows, or
            planted its own): where there is a claim, only the claim is tested.
        claim_p: P-value of the claim, where the attack has a better test than its rates.
        details: Further facts of this attack.
        note: For the reader of the report.

    Returns:
        Without a claim, LEAK FOUND where the p-value is below `ALPHA`. Where there is one, LEAK
        FOUND where its own p-value is: that members stand out no more than was claimed is no fault,
        and is called WITHIN CLAIM. INCONCLUSIVE where no outcome could have been a leak.
    """
    if min(len(members), len(others)) < _FEWEST:
        return inconclusive(attack, "Too few members or non-members were scored.")
    measured = auc(members, others, LEVEL)
    if measured.null_sd <= _NO_SPREAD:
        return inconclusive(attack, "Every row has the same score: nothing could be told apart.")
    half = len(others) // 2
    held = auc(others[:half], others[half:], LEVEL)
    high = _high_scores(members, others)
    p_tail = fisher_p(high[0], len(members), high[1], len(others))
    p_value = min(1.0, 2.0 * min(measured.p_value, p_tail))
    delta = AUDIT_DELTA if claim is None else claim.delta
    judged = _held_out_counts(members, others, delta, seed)
    if claim is not None and claim_p is None:
        claim_p = p_of_claim(claim, judged)
    over = claim_p is not None and claim_p < ALPHA
    test = RANDOM_LABELS
    if audit and claim_p is not None:
        p_value, test = claim_p, "against the claimed epsilon and delta, one-sided"
    facts: Details = {
        "advantage": 2.0 * measured.value - 1.0,
        "p_rank": measured.p_value,
        "p_highest_scores": p_tail,
        "members_among_highest": high[0],
        "non_members_among_highest": high[1],
        "epsilon_lower_bound": epsilon_lower_bound(*judged, delta=delta, confidence=LEVEL),
        "epsilon_confidence": LEVEL,
        "epsilon_delta": delta,
        "control_p_value": held.p_value,
        "test": test,
    }
    facts |= rates(members, others)
    if claim is not None:
        facts |= {
            "claimed_epsilon": claim.epsilon,
            "claimed_delta": claim.delta,
            "p_of_claim": claim_p,
            "exceeds_claim": int(over),
        }
    facts |= details or {}
    return AttackResult(
        name=attack.name,
        title=attack.title,
        value=measured.value,
        unit="AUC",
        interval=measured.interval,
        n=len(members) + len(others),
        baseline=0.5,
        baseline_title="guessing",
        control=held.value,
        control_title=control_title,
        members=len(members),
        non_members=len(others),
        p_value=p_value,
        alpha=ALPHA,
        detection_limit=_limit(
            measured.null_sd,
            sum(high),
            len(members),
            len(others),
            epsilon_lower_bound(judged[1], judged[1], 0, judged[3], delta=delta, confidence=LEVEL),
        ),
        verdict=judged_verdict(p_value, claim_p),
        details=facts,
        note=note + (" The rates lie above what the claim allows." if over else ""),
        roc=roc_curve(members, others),
    )


def judged_verdict(p_value: float, p_of_claim: float | None) -> AttackVerdict:
    """Return the verdict of p-values of "members are like others" and of "the claim holds"."""
    if p_of_claim is None:
        return verdict_of(p_value)
    if p_of_claim < ALPHA:
        return AttackVerdict.LEAK_FOUND
    seen = p_value < ALPHA
    return AttackVerdict.WITHIN_CLAIM if seen else AttackVerdict.NO_LEAK_DETECTED


def rates(members: Scores, others: Scores) -> Details:
    """Return the true-positive rates at 1 % and 0.1 % false positives, or "not estimable".

    Args:
        members: Scores of members, shape (m,).
        others: Scores of non-members, shape (n,).
    """
    out: Details = {}
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


def p_of_counts(claim: Claim | None, counts: tuple[int, int, int, int]) -> float:
    """Return the p-value of a claim, or of "no difference" (Fisher) where nothing is claimed.

    Args:
        claim: The claim, if one is known.
        counts: As :func:`p_of_claim` takes them.
    """
    return fisher_p(*counts) if claim is None else p_of_claim(claim, counts)


def p_of_claim(claim: Claim, counts: tuple[int, int, int, int]) -> float:
    """Return a p-value of a claim: 1 minus the highest confidence at which rates lie above it.

    Args:
        claim: The claim.
        counts: What a rule that was fixed beforehand gave: members called members, members,
            non-members called members, non-members.
    """
    hits, members, false_hits, non_members = counts

    def refuted(error: float) -> bool:
        low = clopper_pearson(hits, members, 1.0 - error).low
        high = clopper_pearson(false_hits, non_members, 1.0 - error).high
        return low > claim.highest_tpr(high)

    if not refuted(_LARGEST_P):
        return 1.0
    _, log_p = bisect(math.log(_SMALLEST_P), 0.0, lambda log: refuted(math.exp(log)), 1e-3)
    return math.exp(log_p)


def _high_scores(members: Scores, others: Scores) -> tuple[int, int]:
    """Return how many members and non-members lie among the highest scores, ties included."""
    both = np.concatenate([members, others])
    count = max(1, math.floor(TAIL * len(both)))
    threshold = np.partition(both, len(both) - count)[len(both) - count]
    return int((members >= threshold).sum()), int((others >= threshold).sum())


def _held_out_counts(
    members: Scores, others: Scores, delta: float, seed: int
) -> tuple[int, int, int, int]:
    """Choose a threshold on one half; return what it counts on the other."""
    rng = np.random.default_rng(seed)
    m, n = rng.permutation(len(members)), rng.permutation(len(others))
    choose = (members[m[::2]], others[n[::2]])
    judge = (members[m[1::2]], others[n[1::2]])
    ordered = np.sort(choose[1])[::-1]
    thresholds = [
        float(ordered[min(len(ordered) - 1, int(f * len(ordered)))]) for f in _CANDIDATE_FPR
    ]
    best = max(
        thresholds,
        key=lambda t: epsilon_lower_bound(*_counts(*choose, t), delta=delta, confidence=LEVEL),
    )
    return _counts(*judge, best)


def _counts(
    members: NDArray[np.floating[Any]], others: Scores, threshold: float
) -> tuple[int, int, int, int]:
    hits, false_hits = int((members > threshold).sum()), int((others > threshold).sum())
    return hits, len(members), false_hits, len(others)


def _limit(null_sd: float, high: int, members: int, non_members: int, best: float) -> str:
    """Say in words what this run could have seen; `best` is the bound of perfect guesses."""
    seen = 0.5 + (normal_quantile(ALPHA / 2.0) + normal_quantile(1.0 - _POWER)) * null_sd
    fewest = fisher_smallest(high, members, non_members, ALPHA / 2.0)
    could = []
    if seen < 1.0:
        could.append(f"an AUC of {seen:.3f} (with {_POWER:.0%} probability)")
    if fewest is not None:
        could.append(f"{fewest:,} members among the {high:,} highest scores")
    words = "This test could have seen " + " or ".join(could) if could else "Too few rows to reject"
    return f"{words}; had it told every row apart, its bound on epsilon would be {best:.1f}."
