"""Selection is the exponential mechanism, which the price epsilon**2 / 8 needs, at five scales.

OpenDP 0.14.2 runs Gumbel noise (exponential mechanism, bounded range) for zCDP and exponential
noise (permute-and-flip, not bounded range) for pure DP: the first must fit the closed form, the
second must not. 20,000 picks a scale. The scores are chosen for power: one candidate wins half of
the time against many, and four poor ones, the tail, win about 50 times in all. Each p-value is
compared with ALPHA = 1e-8; 11 of them, so a run of this file fails by chance with probability below
2e-7. A scale that is 10 % off is missed with probability below 1e-38 (noncentral chi-square).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from noise_checks import (
    ALPHA,
    MISSED,
    SIGMAS,
    Law,
    chi_square,
    chi_square_rate,
    missed,
    share_missed,
    share_p,
)

from dpsynth.privacy import mechanisms
from dpsynth.privacy.mechanisms import noisy_max_rho, opendp
from dpsynth.privacy.noise import noisy_max

PICKS = 20_000
POOR = 4
LOGITS = np.array([-3.0] * POOR + [0.0] * 24 + [1.0] * 4 + [3.6])


def scores(scale: float) -> np.ndarray:
    return np.rint(LOGITS * scale).astype(np.int64)


def closed_form(values: np.ndarray, scale: float) -> np.ndarray:
    weight = np.exp((values - values.max()) / scale)
    return weight / weight.sum()


def law(scale: float, factor: float = 1.0) -> Law:
    """Return the law of the index at the scores of one scale, if the noise has another."""
    return Law(0, closed_form(scores(scale), scale * factor))


def tail(picks: np.ndarray, scale: float) -> float:
    """Return the exact p-value of how often a poor candidate was picked."""
    return share_p(int((picks < POOR).sum()), picks.size, float(law(scale).pmf[:POOR].sum()))


@cache
def picks(scale: float) -> np.ndarray:
    """Pick once a scale and a process: a sample that failed a test fails it for good."""
    machine, values = mechanisms.noisy_max(scale), (scores(scale) + 1000).tolist()
    return np.array([machine(values) for _ in range(PICKS)])


@pytest.mark.parametrize("scale", SIGMAS)
def test_selection_is_the_exponential_mechanism(scale: float) -> None:
    """False-alarm rate: below 2e-8."""
    assert chi_square(picks(scale), law(scale)) > ALPHA


@pytest.mark.parametrize("scale", SIGMAS)
def test_poor_candidates_win_as_often_as_they_must(scale: float) -> None:
    """False-alarm rate: at most 1e-8, exact binomial."""
    assert tail(picks(scale), scale) > ALPHA


@pytest.mark.parametrize("scale", SIGMAS)
def test_a_scale_that_is_ten_percent_off_is_rejected(scale: float) -> None:
    """The picks themselves must not pass for another scale. False-alarm rate: below 1e-12."""
    for factor in (1.1, 0.9):
        assert missed(law(scale), law(scale, factor), PICKS) < MISSED
        assert missed(law(scale, 1 / factor), law(scale), PICKS) < MISSED
        assert chi_square(picks(scale), law(scale, 1 / factor)) < ALPHA
        assert chi_square(law(scale, factor).sample(PICKS), law(scale)) < ALPHA
    assert chi_square(picks(scale), law(scale, 2.0)) < ALPHA, "a factor of two in epsilon"


def test_what_the_curator_calls_runs_this_mechanism() -> None:
    """How often the best candidate wins. False-alarm rate: at most 1e-8, exact binomial."""
    tries, best, scale = 9000, LOGITS.size - 1, 3.3
    won = sum(noisy_max(scores(scale), scale, 1)[0] == best for _ in range(tries))
    share = float(law(scale).pmf[best])
    assert share_p(won, tries, share) > ALPHA
    for factor in (1.1, 0.9):
        assert share_missed(share, float(law(scale, factor).pmf[best]), tries) < MISSED


@pytest.mark.parametrize("scale", SIGMAS)
def test_permute_and_flip_and_a_cut_tail_are_rejected(scale: float) -> None:
    """Seeded noise: no chance is left. Permute-and-flip is the largest score plus Exp(1) noise."""
    rng = np.random.default_rng(1)
    ranks = scores(scale) / scale
    flipped = np.argmax(ranks + rng.exponential(size=(PICKS, ranks.size)), axis=1)
    assert chi_square(flipped, law(scale)) < ALPHA
    below = np.exp(-np.exp(-4.0)) * rng.random((PICKS, ranks.size))
    cut = np.argmax(ranks - np.log(-np.log(below)), axis=1)
    assert tail(cut, scale) < ALPHA, "Gumbel noise without its highest 2 %"
    honest = np.argmax(ranks + rng.gumbel(size=(PICKS, ranks.size)), axis=1)
    assert min(chi_square(honest, law(scale)), tail(honest, scale)) > ALPHA


def test_what_opendp_runs_for_pure_dp_is_rejected() -> None:
    """False-alarm rate: below 1e-12, a pick that passes for the exponential mechanism."""
    dp = opendp()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64")
    twin = dp.m.make_noisy_max(*space, dp.max_divergence(), scale=3.3)
    values = scores(3.3).tolist()
    assert chi_square(np.array([twin(values) for _ in range(PICKS)]), law(3.3)) < ALPHA


@pytest.mark.parametrize("scale", SIGMAS)
def test_the_stated_false_alarm_rate_is_the_real_one(scale: float) -> None:
    assert 0.8 < chi_square_rate(law(scale), PICKS) < 2.0


@pytest.mark.parametrize("scale", SIGMAS)
def test_the_closed_form_is_bounded_range_on_neighbours(scale: float) -> None:
    # epsilon-bounded range gives epsilon**2 / 8 zCDP (Cesar & Rogers 2021).
    rng = np.random.default_rng(3)
    values = scores(scale)
    for sensitivity in (1, 2, 5):
        epsilon = 2 * sensitivity / scale
        assert noisy_max_rho(scale, sensitivity) >= epsilon**2 / 8 * (1 - 1e-15)
        assert noisy_max_rho(scale, sensitivity) <= epsilon**2 / 8 * (1 + 1e-12)
        worst = 0.0
        for _ in range(200):
            move = rng.choice([-sensitivity, sensitivity], values.size)
            ratio = np.log(closed_form(values + move, scale) / closed_form(values, scale))
            worst = max(worst, float(np.ptp(ratio)))
        assert epsilon * 0.999 < worst < epsilon * (1 + 1e-9)


def test_the_best_of_distant_scores_wins() -> None:
    """False-alarm rate: below 1e-1000."""
    index, rho = noisy_max(np.array([-(2**61), 0, 2**61], dtype=np.int64), 1.0, 1)
    assert index == 2 and rho >= 0.5
