"""Do the attacks see planted leaks, and do they stay silent on fresh rows?

Data: rows of a generated mixed table, and of the RAND Health Insurance Experiment where statsmodels
is installed. The suite accuses a harmless table with probability at most 1e-3 per run (Holm). Each
test states its false-alarm rate; reruns never help, because seeds are fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from attack_worlds import DOMAIN, people, world
from dpsynth.attacks.api import AttackData
from dpsynth.attacks.controls import (
    independent_columns,
    plant_copies,
    plant_near_copies,
    relabelled,
)

from dpsynth import attacks
from dpsynth.results import AttackResult, AttackVerdict
from dpsynth.schema.domain import Domain

SEEDS = range(20)


def findings(data: AttackData, seed: int) -> list[AttackResult]:
    results = attacks.run(data, seed=seed)
    return [r for r in results if r.name not in attacks.CONTROLS]


def convicted(data: AttackData, seed: int) -> bool:
    return any(r.verdict is AttackVerdict.LEAK_FOUND for r in findings(data, seed))


def count(leak: Callable[[AttackData, int], AttackData]) -> int:
    return sum(convicted(leak(world(seed), seed), seed) for seed in SEEDS)


def test_p1_five_percent_copies_are_always_convicted() -> None:
    assert count(lambda data, seed: plant_copies(data, 0.05, seed)) == len(SEEDS)


def test_p1d_near_copies_are_convicted() -> None:
    assert count(lambda data, seed: plant_near_copies(data, 0.05, fields=1, seed=seed)) >= 19


def test_p3_a_memoriser_is_convicted_by_distance_alone() -> None:
    """All training rows with 3 of 14 fields drawn anew."""
    for seed in range(5):
        results = {
            r.name: r
            for r in findings(plant_near_copies(world(seed), 1.0, fields=3, seed=seed), seed)
        }
        assert results["closest_distance_membership"].interval.low > 0.55
        for name in ("closest_distance_membership", "distance_to_closest_record"):
            assert results[name].verdict is AttackVerdict.LEAK_FOUND


def test_n1_fresh_rows_are_not_accused() -> None:
    """False-alarm rate: 20 runs at 1e-3 each; two or more alarms have probability 2e-4."""
    assert count(lambda data, seed: data) <= 1


def test_n3_independent_columns_are_not_accused() -> None:
    """False-alarm rate: as above."""

    def shuffled(data: AttackData, seed: int) -> AttackData:
        others = world(1000 + seed).train  # counts of the members' own columns would be a leak
        return replace(data, synthetic=independent_columns(others, seed))

    assert count(shuffled) <= 1


def test_n5_permuted_labels_are_not_accused() -> None:
    """The control of the leak itself: planted copies, but labels drawn anew after planting."""

    def harmless(data: AttackData, seed: int) -> AttackData:
        return relabelled(plant_copies(data, 0.05, seed), seed)

    assert count(harmless) <= 1


def test_p_values_are_uniform_on_fresh_rows() -> None:
    """False-alarm rate: more than 12 of 60 p-values below 0.05 has probability 3e-6 per attack."""
    names: dict[str, int] = {}
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        data = AttackData(
            domain=DOMAIN,
            train=people(600, rng),
            holdout=people(300, rng),
            synthetic=people(600, rng),
        )
        for result in findings(data, seed):
            names[result.name] = names.get(result.name, 0) + (result.p_value < 0.05)
    assert max(names.values()) <= 12
    assert len(names) == len(attacks.output_attacks())


def test_real_table_copies_are_found_and_fresh_rows_are_not() -> None:
    """RAND Health Insurance Experiment, real rows. False-alarm rate: 5 runs at 1e-3."""
    randhie = pytest.importorskip("statsmodels.datasets.randhie", reason="needs dpsynth[demo]")
    frame = randhie.load_pandas().data
    codes, sizes = [], {}
    for name in frame:
        _, code = np.unique(frame[name].to_numpy().round(2), return_inverse=True)
        codes.append(code)
        sizes[name] = int(code.max()) + 1
    rows = np.stack(codes, axis=1)
    domain = Domain.from_sizes(sizes, ordered=[n for n in sizes if sizes[n] > 10])
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(rows))[:10_000]
        data = AttackData(
            domain=domain,
            train=rows[order[:4000]],
            holdout=rows[order[4000:6000]],
            synthetic=rows[order[6000:]],
        )
        assert not convicted(data, seed)
        assert convicted(plant_copies(data, 0.1, seed), seed)
