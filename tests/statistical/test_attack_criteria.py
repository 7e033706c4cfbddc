"""Do the attacks on the three criteria see planted leaks, and are their p-values honest?

Every test of these attacks is exact for random labels, so a p-value of a table without a leak lies
below a level at most that often, however rows repeat or relate. 200 tables: more than `MOST` of 200
p-values at or below 0.05 have probability below 1e-5 (binomial); seeds are fixed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attack_worlds import DOMAIN, people
from dpsynth.attacks.api import Attack, AttackData
from dpsynth.attacks.attribute import AttributeInference
from dpsynth.attacks.controls import plant_copies, plant_near_copies
from dpsynth.attacks.inference import Inference
from dpsynth.attacks.linkability import Linkability
from dpsynth.attacks.reconstruction import Reconstruction
from dpsynth.attacks.singling_out import SinglingOutMultivariate, SinglingOutUnivariate

from dpsynth.results import AttackVerdict
from dpsynth.schema.domain import Domain

TABLES, LEVEL, MOST = 200, 0.05, 25
UNIVARIATE, MULTIVARIATE = SinglingOutUnivariate(), SinglingOutMultivariate()
LINKS, GUESSES, MODEL = Linkability(), Inference(), AttributeInference(most_secrets=1)
REBUILDS = Reconstruction()
EVERY = {a.name: a for a in (UNIVARIATE, MULTIVARIATE, LINKS, GUESSES, MODEL, REBUILDS)}
ROWWISE = {a.name: a for a in (MULTIVARIATE, LINKS, GUESSES, MODEL, REBUILDS)}


def world(seed: int, real: int = 400, synthetic: int = 500) -> AttackData:
    rng = np.random.default_rng(seed)
    return AttackData(
        domain=DOMAIN,
        train=people(real, rng),
        holdout=people(real, rng),
        synthetic=people(synthetic, rng),
    )


def repeated(seed: int) -> AttackData:
    """Real rows come from 150 different ones; synthetic rows crowd around 40 of the same kind."""
    rng = np.random.default_rng(seed)
    pool, few = people(150, rng), people(40, rng).repeat(8, axis=0)
    few[np.arange(320), rng.integers(0, len(DOMAIN), 320)] = 0
    return AttackData(
        domain=DOMAIN,
        train=pool[rng.integers(0, 150, 400)],
        holdout=pool[rng.integers(0, 150, 400)],
        synthetic=np.concatenate([few, people(100, rng)]),
    )


def coarse(seed: int) -> AttackData:
    """Seven coarse columns, of which rare rows are often rebuilt from other people's."""
    names = ("sex", "job", "region", "edu", "kids", "flag0", "flag1")
    given, columns = world(seed), [DOMAIN.index(name) for name in names]
    return AttackData(
        domain=DOMAIN.project(names),
        **{name: getattr(given, name)[:, columns] for name in ("train", "holdout", "synthetic")},
    )


def large(seed: int) -> AttackData:
    return world(seed, real=3000, synthetic=6000)


def alarms(attack: Attack, tables: list[AttackData]) -> int:
    p_values = [attack.run(given, seed).p_value for seed, given in enumerate(tables)]
    return sum(p is not None and p <= LEVEL for p in p_values)


def found(attack: Attack, tables: list[AttackData]) -> int:
    results = [attack.run(given, seed) for seed, given in enumerate(tables)]
    return sum(result.verdict is AttackVerdict.LEAK_FOUND for result in results)


@pytest.mark.parametrize("attack", EVERY.values(), ids=EVERY)
def test_p_values_of_fresh_rows_are_honest(attack: Attack) -> None:
    assert alarms(attack, [world(seed) for seed in range(TABLES)]) <= MOST


@pytest.mark.parametrize("attack", [MULTIVARIATE, LINKS, GUESSES, REBUILDS], ids=lambda a: a.name)
def test_p_values_are_honest_where_rows_repeat(attack: Attack) -> None:
    assert alarms(attack, [repeated(seed) for seed in range(TABLES)]) <= MOST


def test_p_values_are_honest_where_rare_rows_can_be_rebuilt() -> None:
    tables = [coarse(seed) for seed in range(TABLES)]
    assert alarms(REBUILDS, tables) <= MOST
    leaky = [plant_copies(table, 0.2, seed) for seed, table in enumerate(tables[:60])]
    assert alarms(REBUILDS, leaky) > MOST


@pytest.mark.parametrize("attack", ROWWISE.values(), ids=ROWWISE)
def test_the_count_of_alarms_can_fail(attack: Attack) -> None:
    """The planted fault of the two tests above: one fifth of the synthetic rows is copied."""
    tables = [plant_copies(world(seed), 0.2, seed) for seed in range(40)]
    assert alarms(attack, tables) > MOST


@pytest.mark.parametrize("attack", EVERY.values(), ids=EVERY)
def test_uniform_and_independent_rows_are_not_accused(attack: Attack) -> None:
    """False-alarm rate: 20 runs at 1e-3 each; two or more alarms have probability 2e-4."""
    tables = []
    for seed in range(10):
        rng, given = np.random.default_rng(seed), world(seed)
        uniform = np.stack([rng.integers(0, a.size, 500) for a in DOMAIN], axis=1)
        shuffled = rng.permuted(people(500, rng), axis=0)
        tables += [replace(given, synthetic=uniform), replace(given, synthetic=shuffled)]
    assert found(attack, tables) <= 1


@pytest.mark.parametrize("share", [0.05, 0.2])
@pytest.mark.parametrize("attack", ROWWISE.values(), ids=ROWWISE)
def test_copies_are_found(attack: Attack, share: float) -> None:
    assert found(attack, [plant_copies(large(seed), share, seed) for seed in range(3)]) == 3


def test_few_near_copies_are_linked() -> None:
    """One twentieth of the synthetic rows; one cell of each is drawn anew."""
    assert (
        found(
            LINKS, [plant_near_copies(large(seed), 0.05, fields=1, seed=seed) for seed in range(10)]
        )
        == 10
    )


@pytest.mark.parametrize("attack", ROWWISE.values(), ids=ROWWISE)
def test_a_memoriser_is_found(attack: Attack) -> None:
    """All training rows, 3 of 14 cells of each drawn anew."""
    tables = [large(seed) for seed in range(3)]
    tables = [replace(t, synthetic=t.synthetic[: len(t.train)]) for t in tables]
    assert (
        found(
            attack,
            [plant_near_copies(t, 1.0, fields=3, seed=seed) for seed, t in enumerate(tables)],
        )
        == 3
    )


def test_single_values_give_away_counts_without_noise() -> None:
    """Training columns, each shuffled alone: no row is copied, every rare value is."""
    rng = np.random.default_rng(0)
    tables = []
    for seed in range(5):
        given = world(seed, real=400)
        tables.append(replace(given, synthetic=rng.permuted(given.train, axis=0)))
    assert alarms(UNIVARIATE, tables) == 5
    assert found(LINKS, tables) == 0


def test_p_values_on_real_survey_rows() -> None:
    """RAND Health Insurance Experiment. False-alarm rate: 15 runs at 1e-3; two or more 1e-4."""
    randhie = pytest.importorskip("statsmodels.datasets.randhie", reason="needs dpsynth[demo]")
    frame = randhie.load_pandas().data
    codes = [np.unique(frame[n].to_numpy().round(2), return_inverse=True)[1] for n in frame]
    sizes = {name: int(code.max()) + 1 for name, code in zip(frame, codes, strict=True)}
    domain = Domain.from_sizes(sizes, ordered=[n for n in sizes if sizes[n] > 10])
    rows = np.unique(np.stack(codes, axis=1), axis=0)
    quiet, leaky = [], []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(rows))
        parts = np.split(rows[order[:10_000]], [2500, 5000])
        given = AttackData(domain=domain, train=parts[0], holdout=parts[1], synthetic=parts[2])
        quiet.append(given)
        leaky.append(plant_copies(given, 0.2, seed))
    assert sum(found(attack, quiet) for attack in EVERY.values()) <= 1
    for attack in (MULTIVARIATE, LINKS, GUESSES):
        assert found(attack, leaky) == 3, attack.name
