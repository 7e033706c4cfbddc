"""Do density ratio and targeted queries see what distances do not, and stay silent otherwise?

Data: rows of a generated mixed table. Each test states its false-alarm rate; seeds are fixed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attack_worlds import DOMAIN, people, world
from dpsynth.attacks.api import ALPHA, AttackData
from dpsynth.attacks.controls import noise_free_marginals, plant_near_copies, relabelled
from dpsynth.attacks.density import DensityRatio
from dpsynth.attacks.membership import ClosestDistance
from dpsynth.attacks.queries import TargetedQueries

from dpsynth.results import AttackVerdict

ATTACKS = [DensityRatio(), TargetedQueries()]


def noise_free(seed: int) -> AttackData:
    data = world(seed, train=1500, holdout=6000)
    return replace(data, synthetic=noise_free_marginals(DOMAIN, data.train, seed))


def test_p2_marginals_without_noise_are_convicted_by_targeted_queries() -> None:
    """Power: at most one miss in ten."""
    results = [TargetedQueries().run(noise_free(seed), seed) for seed in range(10)]
    assert sum(r.verdict is AttackVerdict.LEAK_FOUND for r in results) >= 9
    assert np.mean([r.value for r in results]) > 0.55


def test_p2_is_invisible_to_distance() -> None:
    """Why the targeted queries are there: the twin copies no row and none lies near."""
    results = [ClosestDistance().run(noise_free(seed), seed) for seed in range(5)]
    assert sum(r.p_value < ALPHA for r in results) <= 1


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_p3_a_memoriser_is_convicted(attack) -> None:
    for seed in range(5):
        data = plant_near_copies(world(seed), 1.0, fields=3, seed=seed)
        assert attack.run(data, seed).verdict is AttackVerdict.LEAK_FOUND


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_n5_members_drawn_anew_are_not_accused(attack) -> None:
    """False-alarm rate: 10 runs at 1e-3 each; two or more alarms have probability 5e-5."""
    found = [attack.run(relabelled(noise_free(seed), seed), seed) for seed in range(10)]
    assert sum(r.verdict is AttackVerdict.LEAK_FOUND for r in found) <= 1


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_p_values_hold_their_level_on_fresh_rows(attack) -> None:
    """False-alarm rate: more than 9 of 40 p-values below 0.05 has probability 3e-5."""
    small = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 1])
        data = AttackData(
            domain=DOMAIN,
            train=people(400, rng),
            holdout=people(800, rng),
            synthetic=people(600, rng),
        )
        small += attack.run(data, seed).p_value < 0.05
    assert small <= 9
