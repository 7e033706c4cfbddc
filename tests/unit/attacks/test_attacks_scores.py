"""From scores to a result: the test, the bound, the claim and what is inconclusive."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from dpsynth.attacks.api import ALPHA, AttackData
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.scores import membership_result, p_of_claim
from dpsynth.attacks.stats import fisher_p, fisher_smallest

from dpsynth.errors import InputError
from dpsynth.results import AttackResult, AttackVerdict, Status


@dataclass(frozen=True)
class Any:
    name: str = "any"
    title: str = "Any attack"
    all_rows: bool = True

    def run(self, data: AttackData, seed: int) -> AttackResult:
        raise NotImplementedError


def result(members: np.ndarray, others: np.ndarray, **more: object) -> AttackResult:
    return membership_result(Any(), members, others, seed=1, **more)


def test_a_leak_of_few_rows_is_seen_in_the_highest_scores_where_the_rank_sum_is_blind() -> None:
    rng = np.random.default_rng(1)
    members, others = rng.normal(size=5000), rng.normal(size=5000)
    members[:60] = 9.0
    found = result(members, others)
    assert found.details["p_rank"] > ALPHA
    assert found.p_value == 2 * found.details["p_highest_scores"] < 1e-9
    assert (found.members, found.non_members, found.n) == (5000, 5000, 10_000)
    assert found.verdict is AttackVerdict.LEAK_FOUND
    assert found.details["tpr_at_01_percent_fpr"] >= 0.012


def test_the_highest_scores_are_counted_with_their_ties() -> None:
    found = result(np.repeat([0.0, 1.0], [70, 30]), np.repeat([0.0, 1.0], [90, 10]))
    assert found.details["members_among_highest"] == 30
    assert found.details["non_members_among_highest"] == 10
    assert found.details["p_highest_scores"] == fisher_p(30, 100, 10, 100)


@pytest.mark.parametrize("values", [2, 5, 10**6])
def test_p_values_hold_their_level_under_random_labels(values: int) -> None:
    """More than 14 of 100 below 0.05 has probability 2e-4 at the nominal rate; ties only help."""
    rng = np.random.default_rng(2)
    below = 0
    for _ in range(100):
        scores = rng.integers(0, values, 400) * 1.0
        scores[:40] = scores.max()  # duplicates that score high
        scores = rng.permutation(scores)
        below += result(scores[:200], scores[200:]).p_value < 0.05
    assert below <= 14


def test_the_planted_fault_is_rejected() -> None:
    rng = np.random.default_rng(3)
    found = result(rng.normal(0.5, 1, 300), rng.normal(0, 1, 300))
    assert found.p_value < 1e-6
    assert found.interval.low > 0.5


@pytest.mark.parametrize(
    ("members", "others", "words"),
    [
        (np.zeros(50), np.zeros(50), "same score"),
        (np.arange(3.0), np.arange(50.0), "Too few"),
        (np.arange(50.0), np.zeros(0), "Too few"),
    ],
)
def test_what_cannot_reject_is_inconclusive(members, others, words: str) -> None:
    found = result(members, others)
    assert found.status is Status.INCONCLUSIVE
    assert words in found.reason
    assert (found.value, found.p_value) == (None, None)


def test_the_limit_names_what_would_have_been_seen() -> None:
    rng = np.random.default_rng(4)
    words = result(rng.normal(size=1000), rng.normal(size=1000)).detection_limit
    fewest = fisher_smallest(20, 1000, 1000, ALPHA / 2)
    assert fewest is not None
    assert fisher_p(fewest, 1000, 20 - fewest, 1000) < ALPHA / 2
    assert fisher_p(fewest - 1, 1000, 21 - fewest, 1000) >= ALPHA / 2
    assert f"{fewest} members among the 20 highest scores" in words
    assert words.startswith("This test could have seen an AUC of 0.5")
    few = result(np.arange(4.0), np.arange(4.0)).detection_limit
    assert few.startswith("Too few rows to reject")


def test_fisher_smallest_where_nothing_is_enough() -> None:
    assert fisher_smallest(3, 50, 50, 1e-3) is None


def test_a_claim_allows_what_the_inequalities_allow() -> None:
    claim = Claim(epsilon=1.0, delta=0.01)
    assert claim.highest_tpr(0.0) == pytest.approx(0.01)
    assert claim.highest_tpr(0.1) == pytest.approx(0.1 * math.e + 0.01)
    assert claim.highest_tpr(0.9) == pytest.approx(1 - (1 - 0.01 - 0.9) / math.e)
    assert claim.highest_tpr(1.0) == 1.0
    curve = Claim(epsilon=1.0, delta=0.01, ceiling=lambda fpr: fpr)
    assert curve.highest_tpr(0.1) == 0.1


@pytest.mark.parametrize("numbers", [(0.0, 0.0), (math.inf, 0.0), (math.nan, 0.0), (1.0, 1.0)])
def test_a_claim_of_nothing_is_refused(numbers: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="finite epsilon above 0"):
        Claim(epsilon=numbers[0], delta=numbers[1])


def test_rates_above_the_claim_convict_and_rates_within_it_do_not() -> None:
    rng = np.random.default_rng(5)
    members, others = rng.normal(3, 1, 2000), rng.normal(0, 1, 2000)
    over = result(members, others, claim=Claim(epsilon=0.5, delta=1e-6), audit=True)
    assert over.verdict is AttackVerdict.LEAK_FOUND
    assert over.details["exceeds_claim"] == 1
    assert over.p_value == over.details["p_of_claim"] < ALPHA
    assert over.details["epsilon_lower_bound"] > 0.5
    within = result(members, others, claim=Claim(epsilon=9.0, delta=1e-6), audit=True)
    assert within.verdict is AttackVerdict.NO_LEAK_DETECTED
    assert within.p_value == 1.0
    outsider = result(members, others, claim=Claim(epsilon=9.0, delta=1e-6))
    assert outsider.verdict is AttackVerdict.WITHIN_CLAIM
    assert outsider.details["exceeds_claim"] == 0


def test_p_of_claim_holds_its_level_for_randomised_response() -> None:
    """Truth: epsilon 1. At the nominal rate, more than 10 of 60 below 0.05 has probability 1e-4."""
    rng = np.random.default_rng(6)
    keep = math.e / (1 + math.e)
    claim = Claim(epsilon=1.0, delta=0.0)
    p_values = [
        p_of_claim(
            claim, (int(rng.binomial(500, keep)), 500, int(rng.binomial(500, 1 - keep)), 500)
        )
        for _ in range(60)
    ]
    assert sum(p < 0.05 for p in p_values) <= 10
    false = Claim(epsilon=0.5, delta=0.0)
    assert p_of_claim(false, (round(500 * keep), 500, round(500 * (1 - keep)), 500)) < 1e-3
