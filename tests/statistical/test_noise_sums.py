"""The sampler of the noise on sums, against its exact law at five scales and OpenDP's draws.

100,000 draws a scale. Each p-value is compared with ALPHA = 1e-8; 24 of them, the chi-square ones
at a real rate below 2 ALPHA. What else is asked fails by chance with a probability below 1e-8
each, so a run of this file does with one below 5e-7.
At the scale that training uses, 2**20, no sample can tell a discrete law from a continuous one: the
body is held against the normal law (Kolmogorov and Smirnov), and the code has no other branch.
"""

from __future__ import annotations

import math
import os
from functools import cache

import numpy as np
import pytest
from noise_checks import (
    ALPHA,
    body,
    chi_square,
    gaussian_law,
    grain,
    lag,
    spread,
    tails,
    two_samples,
    unseen_faults,
)

from dpsynth.privacy.integer_noise import ENOUGH, MOST_BITS, add_noise
from dpsynth.privacy.noise import gaussian, on_sums
from dpsynth.privacy.sampled import SUM_BITS

DRAWS = 100_000
BITS = (0, 1, 4, 7, 10)
OFFSET = 10**12


def entropy(words: int) -> np.ndarray:
    """Return words of the operating system."""
    return np.frombuffer(os.urandom(8 * words), dtype="<u8")


@cache
def draws(bits: int) -> np.ndarray:
    """Draw once a scale and a process: a sample that failed a test fails it for good."""
    values = np.full(DRAWS, OFFSET, dtype=np.int64)
    assert add_noise(values, bits, entropy(40 * DRAWS), 0)[0] == DRAWS
    return values - OFFSET


@pytest.mark.parametrize("bits", BITS)
def test_body_and_tails_fit_the_exact_law(bits: int) -> None:
    """False-alarm rate: below 2e-8 for the body, 1e-8 each for residues modulo 4 and tails."""
    law = gaussian_law(2.0**bits)
    assert chi_square(draws(bits), law) > ALPHA
    assert grain(draws(bits), law) > ALPHA
    assert tails(draws(bits), law) > ALPHA


@pytest.mark.parametrize("bits", BITS)
def test_numbers_are_independent(bits: int) -> None:
    """False-alarm rate: 1e-8 by the normal approximation; a number used twice is rejected."""
    assert lag(draws(bits)) > ALPHA
    assert lag(np.repeat(draws(bits)[: DRAWS // 2], 2)) < ALPHA


@pytest.mark.parametrize("bits", BITS)
def test_planted_faults_are_rejected(bits: int) -> None:
    """Seeded draws: no chance is left."""
    assert unseen_faults(2.0**bits, DRAWS) == []


def test_opendp_draws_the_same_law() -> None:
    """False-alarm rate: 1e-9 (chi-square of two samples)."""
    law, (theirs, _) = gaussian_law(16.0), gaussian(np.zeros(DRAWS, dtype=np.int64), 16.0, 1)
    assert two_samples(draws(4), theirs, law) > 1e-9
    scaled = np.rint(1.1 * theirs).astype(np.int64)
    assert two_samples(draws(4), scaled, law) < 1e-9


def test_noise_on_sums_has_its_scale() -> None:
    """False-alarm rate: 1e-9 each: the normal law, and the chi-square law of a sum of squares."""
    assert SUM_BITS <= MOST_BITS
    sums = np.full(DRAWS, -OFFSET, dtype=np.int64)
    found = (on_sums(sums) - sums) / 2.0**SUM_BITS
    assert (sums == -OFFSET).all()  # the caller's array is not changed
    assert spread(found) > 1e-9 and body(found) > 1e-9
    assert spread(math.sqrt(0.9) * found) < 1e-9 and body(found + 0.06) < 1e-9


@pytest.mark.parametrize("size", [0, 1, 7])
def test_every_sum_gets_noise_once(size: int) -> None:
    noisy = on_sums(np.zeros(size, dtype=np.int64))
    assert noisy.shape == (size,) and noisy.dtype == np.int64
    assert (np.abs(noisy) < 40 * 2**SUM_BITS).all() and len(set(noisy.tolist())) > (size - 1) // 2


def test_a_draw_begins_only_where_enough_words_are_left() -> None:
    """And goes on where it stopped: what has its noise is not touched again.

    False-alarm rate: below 1e-16, by the Poisson law of zeros among draws.
    """
    values = np.zeros(3000, dtype=np.int64)
    reached, used = add_noise(values, MOST_BITS, entropy(ENOUGH + 2000), 0)
    assert 0 < reached < 300 and 2000 <= used < 2000 + ENOUGH
    assert (values[:reached] == 0).sum() < 5 and (values[reached:] == 0).all()
    before = values[:reached].copy()
    assert add_noise(values, MOST_BITS, entropy(ENOUGH - 1), reached) == (reached, 0)
    assert add_noise(values, MOST_BITS, entropy(40 * 3000 + ENOUGH), reached)[0] == 3000
    assert (values[:reached] == before).all() and (values == 0).sum() < 5
