"""What the attacks on the three criteria of anonymisation share: residual risk and its words.

Article 29 Working Party, Opinion 05/2014 on anonymisation techniques (WP 216): singling out,
linkability, inference. Each attack here makes guesses from the synthetic table alone and counts
them on members, on non-members (control) and for a guess that needs no synthetic table (baseline).
These are the three groups of Giomi et al., "A unified framework for quantifying privacy risk in
synthetic data" (PoPETs 2023).

Never true here: that a rate on members alone is a risk. What a table teaches about everybody is
what it is published for; only what members lose beyond non-members is a leak.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.attacks.api import ALPHA, LEVEL, Attack, inconclusive, verdict_of
from dpsynth.attacks.copies import smallest_excess
from dpsynth.attacks.stats import fisher_p, residual_risk

from dpsynth.exact import clopper_pearson
from dpsynth.results import AttackResult

Details = dict[str, float | int | str | None]


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Hits among equally many guesses on members, on non-members and of the baseline on members."""

    members: int
    non_members: int
    baseline: float
    trials: int


@dataclass(frozen=True, kw_only=True)
class LabelTest:
    """Fisher's exact test of "members are hit more often" on the rows that can tell.

    Attributes:
        hits: Members that are hit.
        members: Members that count.
        control_hits: Non-members that are hit.
        non_members: Non-members that count.
        most: Members that the attack could hit at most: it may have fewer guesses than rows.
        tests: Number of such tests of which this is the most striking (Holm's first step).
    """

    hits: int
    members: int
    control_hits: int
    non_members: int
    most: int
    tests: int = 1

    @property
    def p_value(self) -> float:
        """One-sided p-value, multiplied by the number of tests."""
        p_value = fisher_p(self.hits, self.members, self.control_hits, self.non_members)
        return min(1.0, self.tests * p_value)

    @property
    def fewest(self) -> int | None:
        """Members to hit beyond chance before the test rejects, None if it never could."""
        alpha = ALPHA / self.tests
        found = smallest_excess(self.members, self.control_hits, self.non_members, alpha)
        return None if found is None or found > self.most else found


def conclude(
    attack: Attack,
    hits: Hits,
    test: LabelTest,
    *,
    unit: str,
    size: int,
    baseline_title: str,
    control_title: str,
    happens: str,
    details: Details,
    note: str,
) -> AttackResult:
    """Return the result of one attack: rates, residual risk, exact test, limit.

    Args:
        attack: The attack.
        hits: What is reported as rates.
        test: What is tested.
        unit: What the rate on members counts.
        size: Members, and non-members, that were attacked.
        baseline_title: What the baseline is.
        control_title: What the control is.
        happens: What a row is that is hit, for the detection limit.
        details: Further numbers of the attack.
        note: What the reader must know.
    """
    if test.fewest is None:
        return inconclusive(
            attack, f"Even if every guess hit a member, no test could reject at {ALPHA}."
        )
    residual = residual_risk(hits.members, hits.trials, hits.non_members, hits.trials, LEVEL)
    details = {
        "hits_members": hits.members,
        "hits_non_members": hits.non_members,
        "guesses": hits.trials,
        "residual_risk": None if residual is None else residual.value,
        "residual_risk_low": None if residual is None else residual.interval.low,
        "residual_risk_high": None if residual is None else residual.interval.high,
        "tested_members": test.members,
        "tested_non_members": test.non_members,
        "tested_hits_members": test.hits,
        "tested_hits_non_members": test.control_hits,
        **details,
    }
    if hits.members <= hits.baseline:
        note += " Here the baseline hits members as often as the attack does."
    return AttackResult(
        name=attack.name,
        title=attack.title,
        value=hits.members / hits.trials,
        unit=unit,
        interval=clopper_pearson(hits.members, hits.trials, LEVEL),
        n=2 * hits.trials,
        baseline=hits.baseline / hits.trials,
        baseline_title=baseline_title,
        control=hits.non_members / hits.trials,
        control_title=control_title,
        members=size,
        non_members=size,
        p_value=test.p_value,
        alpha=ALPHA,
        detection_limit=f"About {test.fewest:,} members more than chance explains must be "
        f"{happens} before this test reports a leak.",
        verdict=verdict_of(test.p_value),
        details=details,
        note=note,
    )
