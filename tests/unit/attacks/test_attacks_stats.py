"""Statistics of the attacks against hand calculations, brute force and scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from dpsynth.attacks import stats
from scipy import stats as scipy_stats


def test_fisher_equals_counting_all_splits() -> None:
    hit = [1, 1, 1, 0, 0, 0, 0]
    splits = list(itertools.combinations(range(7), 4))
    as_extreme = sum(sum(hit[i] for i in split) >= 3 for split in splits)
    assert stats.fisher_p(3, 4, 0, 3) == pytest.approx(as_extreme / len(splits))


def test_fisher_equals_scipy() -> None:
    expected = scipy_stats.fisher_exact([[30, 70], [12, 88]], alternative="greater").pvalue
    assert stats.fisher_p(30, 100, 12, 100) == pytest.approx(expected)


def test_auc_equals_brute_force_with_ties() -> None:
    members, others = np.array([1.0, 2.0, 2.0, 5.0]), np.array([0.0, 2.0, 3.0])
    pairs = [(m > o) + 0.5 * (m == o) for m in members for o in others]
    assert stats.auc(members, others).value == pytest.approx(np.mean(pairs))


def test_auc_p_value_is_the_tie_corrected_rank_test() -> None:
    rng = np.random.default_rng(5)
    members, others = rng.integers(0, 4, 80) + 0.0, rng.integers(0, 4, 90) + 0.0
    expected = scipy_stats.mannwhitneyu(
        members, others, alternative="greater", use_continuity=False, method="asymptotic"
    ).pvalue
    assert stats.auc(members, others).p_value == pytest.approx(expected, rel=1e-9)


def test_auc_where_every_score_ties_says_nothing() -> None:
    found = stats.auc(np.zeros(5), np.zeros(6))
    assert (found.value, found.p_value, found.null_sd) == (0.5, 1.0, 0.0)


def test_delong_matches_the_spread_over_repeated_samples() -> None:
    rng = np.random.default_rng(6)
    values, halves = [], []
    for _ in range(300):
        found = stats.auc(rng.normal(0.5, 1, 200), rng.normal(0, 1, 200))
        values.append(found.value)
        halves.append((found.interval.high - found.interval.low) / 2)
    # The sd of 300 values is known to +-4 %; 20 % is five of its standard errors.
    assert np.mean(halves) / 1.96 == pytest.approx(np.std(values), rel=0.2)


def test_low_false_positive_rates_need_enough_non_members() -> None:
    rng = np.random.default_rng(7)
    scores = rng.normal(size=5000)
    assert stats.tpr_at_fpr(scores, scores[:499], 0.01) is None
    assert stats.tpr_at_fpr(scores, scores[:500], 0.01) is not None
    assert stats.tpr_at_fpr(scores, scores[:4999], 0.001) is None
    rate = stats.tpr_at_fpr(scores, scores, 0.001)
    assert rate is not None
    assert rate.tpr == rate.fpr == 0.001


def test_ties_at_the_threshold_never_exceed_the_false_positive_rate() -> None:
    others = np.repeat([0.0, 1.0], [900, 100])
    rate = stats.tpr_at_fpr(np.ones(50), others, 0.05)
    assert rate is not None
    assert rate.fpr <= 0.05
    assert rate.tpr == 0.0


def test_holm() -> None:
    assert stats.holm([]) == []
    assert stats.holm([0.5]) == [0.5]
    assert stats.holm([0.2, 0.01, 0.9]) == pytest.approx([0.4, 0.03, 0.9])
    assert stats.holm([0.6, 0.7]) == [1.0, 1.0]
