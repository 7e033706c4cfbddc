"""Gaussian noise on counts under keys; those below a threshold are dropped. Five scales.

OpenDP's make_gaussian_threshold is the primitive for keys that are not declared: the noise is the
discrete Gaussian, a key stays if its noisy count is at least the threshold, and delta is the chance
that a key of one person stays. Tested: the share that stays, exact binomial, where the threshold is
near the count and where it is so far above that 40 of 40,000 stay; and the law of what stays. Each
p-value is compared with ALPHA = 1e-8; 20 of them, so a run of this file fails by chance with
probability below 4e-7. A scale that is 10 % off is missed with probability below 1e-15 (noncentral
chi-square), a threshold that is one sigma off with probability below 1e-100 (exact binomial).

OpenDP 0.14.2 prices a threshold T as if a noisy count equal to T were dropped, but keeps it
(opendp/opendp issue 2922): the delta that it reports is too small. dpsynth charges its own,
accountant.threshold_delta; the last tests hold OpenDP's fault and that ours has it not.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from noise_checks import (
    ALPHA,
    MISSED,
    SIGMAS,
    Law,
    chi_square,
    chi_square_rate,
    gaussian_law,
    missed,
    share_missed,
    share_p,
    tails,
)

from dpsynth.privacy.losses import threshold_delta
from dpsynth.privacy.mechanisms import opendp

KEYS = 40_000
COUNT = 100_000


def measurement(sigma: float, threshold: int) -> Any:
    dp = opendp()
    return dp.m.make_gaussian_threshold(
        dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T="i64")),
        dp.l02inf_distance(dp.absolute_distance(T="i64")),
        scale=sigma,
        threshold=threshold,
    )


def near(sigma: float) -> int:
    """Return a threshold one sigma below the count: about 84 % of the keys stay."""
    return COUNT - max(1, round(sigma))


def far(sigma: float) -> int:
    """Return a threshold that leaves 40 keys, or more where integers are too coarse for that."""
    return gaussian_law(sigma, COUNT).deepest(KEYS)


def share(sigma: float, threshold: int) -> float:
    """Return the exact probability that a key stays."""
    law = gaussian_law(sigma, COUNT)
    return float(law.pmf[law.support >= threshold].sum())


def law(sigma: float, threshold: int) -> Law:
    """Return the exact law of a noisy count that stays."""
    whole = gaussian_law(sigma, COUNT)
    return whole.given(whole.support >= threshold)


@cache
def kept(sigma: float, threshold: int) -> np.ndarray:
    """Run once a scale, a threshold and a process: what failed a test fails it for good."""
    data = {f"key {i}": COUNT for i in range(KEYS)}
    answer = measurement(sigma, threshold)(data)
    assert answer.keys() <= data.keys()
    return np.array(list(answer.values()), dtype=np.int64)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("threshold", [near, far])
def test_the_exact_share_of_keys_stays(sigma: float, threshold: Any) -> None:
    """False-alarm rate: at most 1e-8, exact binomial."""
    seen = kept(sigma, threshold(sigma)).size
    assert share_p(seen, KEYS, share(sigma, threshold(sigma))) > ALPHA


@pytest.mark.parametrize("sigma", SIGMAS)
def test_what_stays_has_the_exact_conditional_law(sigma: float) -> None:
    """False-alarm rate: below 2e-8 for the body, at most 1e-8 for the tails."""
    sample = kept(sigma, near(sigma))
    assert chi_square(sample, law(sigma, near(sigma))) > ALPHA
    assert tails(sample, law(sigma, near(sigma))) > ALPHA


@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_scale_that_is_ten_percent_off_is_rejected(sigma: float) -> None:
    """What stayed must not pass for another scale. False-alarm rate: below 1e-12."""
    threshold = near(sigma)
    sample = kept(sigma, threshold)
    for factor in (1.1, 0.9):
        fault = law(sigma * factor, threshold)
        assert missed(law(sigma, threshold), fault, 33_000) < MISSED
        assert missed(law(sigma / factor, threshold), law(sigma, threshold), 33_000) < MISSED
        assert chi_square(sample, law(sigma / factor, threshold)) < ALPHA
        assert chi_square(fault.sample(33_000), law(sigma, threshold)) < ALPHA


@pytest.mark.parametrize("sigma", SIGMAS)
def test_planted_faults_are_rejected(sigma: float) -> None:
    """Seeded draws: no chance is left."""
    threshold, step = near(sigma), max(1, round(sigma))
    for moved in (threshold - step, threshold + step):
        other = share(sigma, moved)
        assert share_missed(share(sigma, threshold), other, KEYS) < MISSED
        assert share_p(round(other * KEYS), KEYS, share(sigma, threshold)) < ALPHA
    exact = law(sigma, threshold)
    cut = exact.given(exact.support < exact.deepest(33_000))
    assert tails(cut.sample(33_000), exact) < ALPHA, "the upper tail cut"
    honest = exact.sample(33_000)
    assert min(chi_square(honest, exact), tails(honest, exact)) > ALPHA
    assert share_p(0, KEYS, share(sigma, far(sigma))) < ALPHA, "noise that never reaches so far"


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_stated_false_alarm_rate_is_the_real_one(sigma: float) -> None:
    assert 0.8 < chi_square_rate(law(sigma, near(sigma)), 33_000) < 2.0


def test_a_key_keeps_its_own_count_and_stays_at_the_threshold() -> None:
    """False-alarm rate: exp(-5000) a key. A noisy count equal to the threshold is kept."""
    answer = measurement(0.01, 50)({str(i): i for i in range(200)})
    assert answer == {str(i): i for i in range(50, 200)}


def test_a_large_negative_count_is_dropped() -> None:
    """At sigma 20 about 420 of 1000 noisy counts lie below -3. False-alarm rate: 0."""
    answer = measurement(20.0, 3)({str(i): 1 for i in range(1000)})
    assert min(answer.values()) >= 3


@pytest.mark.parametrize(("sigma", "threshold"), [(0.7, 3), (3.3, 10), (20.0, 60), (137.0, 500)])
def test_the_delta_of_opendp_is_too_small(sigma: float, threshold: int) -> None:
    """Pinned: when this fails OpenDP was mended, and the notes on it may go."""
    law = gaussian_law(sigma, 1)
    stays = float(law.pmf[law.support >= threshold].sum())
    _, delta = measurement(sigma, threshold).map((1, 1, 1))
    assert delta < stays


def test_opendp_keeps_more_keys_of_one_person_than_its_delta_says() -> None:
    """Seen, not only computed: 0.0097 stay where delta is 0.0021. False-alarm rate: below 1e-60."""
    machine = measurement(0.7, 3)
    stayed = len(machine({str(i): 1 for i in range(KEYS)}))
    assert share_p(stayed, KEYS, machine.map((1, 1, 1))[1]) < ALPHA


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("rows", [1, 3])
def test_what_dpsynth_charges_covers_the_keys_of_one_unit(sigma: float, rows: int) -> None:
    """As many keys as rows, each with all of them: more than one unit can have."""
    law = gaussian_law(sigma, rows)
    for step in (0.5, 1, 2, 4, 6, 7):
        threshold = rows + max(1, round(sigma * step))
        stays = rows * float(law.pmf[law.support >= threshold].sum())
        assert stays <= threshold_delta(sigma, threshold, rows)
