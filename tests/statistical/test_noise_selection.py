"""Selection is the exponential mechanism, which the price epsilon**2 / 8 needs.

OpenDP 0.14.2 runs Gumbel noise (exponential mechanism, bounded range) for zCDP and exponential
noise (permute-and-flip, not bounded range) for pure DP: the first must fit the closed form, the
second must not. 20,000 draws; false-alarm rate 1e-8. The scores are chosen for power: one candidate
wins half of the time against many, so a scale that is 10 % off is missed with a rate far below the
false-alarm rate (the statistic lies 7 standard deviations beyond the threshold, by simulation).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

from dpsynth.privacy.mechanisms import noisy_max_rho, opendp
from dpsynth.privacy.noise import noisy_max

DRAWS = 20_000
ALPHA = 1e-8
SCORES = np.array([0] * 16 + [3] * 2 + [9], dtype=np.int64)
SCALE = 3.0


def closed_form(scores: np.ndarray, scale: float) -> np.ndarray:
    weight = np.exp((scores - scores.max()) / scale)
    return weight / weight.sum()


def p_value(seen: np.ndarray, scale: float) -> float:
    expected = closed_form(SCORES, scale) * seen.sum()
    return float(chi2.sf(((seen - expected) ** 2 / expected).sum(), SCORES.size - 1))


def test_selection_is_the_exponential_mechanism() -> None:
    picks = [noisy_max(SCORES, SCALE, 1)[0] for _ in range(DRAWS)]
    seen = np.bincount(picks, minlength=SCORES.size)
    assert p_value(seen, SCALE) > ALPHA
    assert p_value(seen, SCALE * 1.1) < ALPHA
    assert p_value(seen, SCALE / 1.1) < ALPHA
    assert p_value(seen, SCALE * 2) < ALPHA, "a factor of two in epsilon must be noticed"


def test_permute_and_flip_is_noticed() -> None:
    dp = opendp()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64")
    twin = dp.m.make_noisy_max(*space, dp.max_divergence(), scale=SCALE)
    scores = SCORES.tolist()
    seen = np.bincount([twin(scores) for _ in range(DRAWS)], minlength=SCORES.size)
    assert p_value(seen, SCALE) < ALPHA


def test_the_closed_form_is_bounded_range_on_neighbours() -> None:
    # epsilon-bounded range gives epsilon**2 / 8 zCDP (Cesar & Rogers 2021).
    rng = np.random.default_rng(3)
    for sensitivity in (1, 2, 5):
        epsilon = 2 * sensitivity / SCALE
        assert noisy_max_rho(SCALE, sensitivity) >= epsilon**2 / 8 * (1 - 1e-15)
        assert noisy_max_rho(SCALE, sensitivity) <= epsilon**2 / 8 * (1 + 1e-12)
        worst = 0.0
        for _ in range(500):
            move = rng.choice([-sensitivity, sensitivity], SCORES.size)
            ratio = np.log(closed_form(SCORES + move, SCALE) / closed_form(SCORES, SCALE))
            worst = max(worst, float(np.ptp(ratio)))
        assert epsilon * 0.999 < worst < epsilon * (1 + 1e-9)


def test_the_best_of_distant_scores_wins() -> None:
    index, rho = noisy_max(np.array([-(2**61), 0, 2**61], dtype=np.int64), 1.0, 1)
    assert index == 2 and rho >= 0.5
