"""Attacks that run the generator, as a suite runs them: sizes, units, constraints and failures."""

from __future__ import annotations

import gc
import math
import weakref
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from dpsynth.attacks import generators, shadow
from dpsynth.attacks.api import AttackData
from dpsynth.attacks.canaries import OneRunCanaries, random_records
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.generators import Generator, generator_attacks, without_generator
from dpsynth.attacks.one_run import judge_guesses
from dpsynth.attacks.shadow import ShadowGame, shadow_attacks

from dpsynth import attacks
from dpsynth.errors import InputError
from dpsynth.results import AttackVerdict, Status
from dpsynth.schema.domain import Domain
from dpsynth.schema.zeros import Zeros

SIZES = {"a": 6, "b": 40, "c": 3, "d": 9}
DOMAIN = Domain.from_sizes(SIZES, ordered=["b"])
DELTA = 1e-6
NAMES = [
    "one_run_canaries",
    "shadow_lira_worst",
    "shadow_forest_worst",
    "shadow_lira_random",
    "shadow_forest_random",
]


def table(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, n) for size in SIZES.values()], axis=1)


def data() -> AttackData:
    return AttackData(
        domain=DOMAIN, train=table(400, 1), holdout=table(400, 2), synthetic=table(300, 3)
    )


def blind(rows: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (50, rows.shape[1]))


def named(results):
    return {result.name: result for result in results}


def test_a_profile_runs_what_it_says() -> None:
    generator = Generator(whole=blind, part=blind, columns=("a", "c"), rows_per_unit=2)
    claim = Claim(epsilon=1.0, delta=DELTA)
    quick = generator_attacks(generator, profile="quick", claim=claim)
    full = generator_attacks(generator, profile="full", claim=claim)
    assert [attack.name for attack in quick] == NAMES[:1]
    assert [attack.name for attack in full] == NAMES
    assert (quick[0].canaries, full[0].canaries) == (1000, 5000)
    assert quick[0].rows_per_unit == full[0].rows_per_unit == 2
    assert all(attack.claim is claim for attack in full)
    game = full[1].shared.game
    assert (game.fitted, game.judged, game.targets, game.rows) == (200, 200, 20, 5000)
    assert all(attack.shared is full[1].shared for attack in full[1:])


def test_shadows_see_their_columns_alone_and_tell_how_far_they_are(monkeypatch) -> None:
    monkeypatch.setattr(generators, "SHADOWS", 20)
    monkeypatch.setattr(generators, "TARGETS", 2)
    monkeypatch.setattr(shadow, "TREES", 2)
    told: list[str] = []
    shapes = set()

    def part(rows: np.ndarray, seed: int) -> np.ndarray:
        shapes.add((rows.shape[1], int(rows[:, 0].max()) < 3))
        return blind(rows, seed)

    generator = Generator(whole=blind, part=part, columns=("c", "a"))
    chosen = generator_attacks(generator, profile="full", progress=told.append)
    results = named(attacks.run(data(), profile="full", seed=1, attacks=chosen))
    assert shapes == {(2, True)}
    assert told == ["Shadow 20 of 40", "Shadow 40 of 40"]
    assert results["shadow_lira_worst"].status is not Status.NOT_RUN


def test_a_generator_that_fails_takes_nothing_down_and_is_asked_once() -> None:
    calls = []

    def failing(rows: np.ndarray, seed: int) -> np.ndarray:
        calls.append(seed)
        raise RuntimeError("a cell of row 17 is 4711")

    generator = Generator(whole=failing, part=failing, columns=("a", "b"))
    chosen = attacks.output_attacks()[:1] + generator_attacks(generator, profile="full")
    results = named(attacks.run(data(), profile="full", seed=1, attacks=chosen))
    for name in NAMES:
        assert results[name].status is Status.NOT_RUN
        assert results[name].verdict is AttackVerdict.NOT_RUN
        assert results[name].reason == "The attack stopped with RuntimeError."
    assert results["exact_copies"].p_value is not None
    assert len(calls) == 2  # once for the canaries, once for all shadow attacks
    assert "4711" not in repr(results)


def test_another_seed_asks_a_failed_generator_again() -> None:
    calls = []

    def failing(rows: np.ndarray, seed: int) -> np.ndarray:
        calls.append(seed)
        raise ValueError

    attack = shadow_attacks(ShadowGame(generate=failing, targets=4))[0]
    given = data()
    for seed in (1, 1, 2):
        with pytest.raises(ValueError):
            attack.run(given, seed)
    assert len(calls) == 2


@pytest.mark.parametrize("stopped", [False, True])
def test_a_suite_that_ends_keeps_no_table(monkeypatch, stopped: bool) -> None:
    monkeypatch.setattr(shadow, "TREES", 2)
    calls = []

    def generate(rows: np.ndarray, seed: int) -> np.ndarray:
        calls.append(seed)
        return rows

    def progress(text: str) -> None:
        if stopped and "random targets" in text:
            raise KeyboardInterrupt

    game = ShadowGame(generate=generate, fitted=8, judged=8, targets=2)
    chosen, given = shadow_attacks(game), data()
    kept = weakref.ref(given.train)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt) if stopped else nullcontext():
            attacks.run(given, profile="full", seed=1, attacks=chosen, progress=progress)
    assert len(calls) == 2 * 16, "once for all attacks, and anew after the suite has closed them"
    del given
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("sizes", [(7, 10), (10, 9), (4, 10)])
def test_shadows_that_cannot_be_halved_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even numbers"):
        ShadowGame(generate=blind, fitted=sizes[0], judged=sizes[1])


@pytest.mark.parametrize("wrong", [{"targets": 0}, {"rows": 99}])
def test_a_game_without_targets_or_rows_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one target"):
        ShadowGame(generate=blind, **wrong)


def test_without_a_generator_nothing_was_run_and_it_is_said() -> None:
    results = without_generator()
    assert [result.name for result in results] == NAMES
    for result in results:
        assert result.status is Status.NOT_RUN and result.verdict is AttackVerdict.NOT_RUN
        assert result.p_value is None and "only tables are at hand" in result.reason


def test_a_canary_has_as_many_rows_as_a_unit_may_have() -> None:
    """What one unit may add to a table is what the claim is about."""
    seen = {}

    def generate(rows: np.ndarray, seed: int) -> np.ndarray:
        found, counts = np.unique(rows, axis=0, return_counts=True)
        seen.update(zip(map(tuple, found.tolist()), counts.tolist(), strict=True))
        return rows

    wide = Domain.from_sizes({name: 10_000 for name in "abc"})
    given = AttackData(
        domain=wide, train=table(400, 1)[:, :3], holdout=table(400, 2)[:, :3],
        synthetic=table(300, 3)[:, :3],
    )  # fmt: skip
    found = OneRunCanaries(generate=generate, canaries=200, rows_per_unit=4).run(given, 1)
    planted = [n for row, n in seen.items() if max(row) >= 100]
    assert set(planted) == {4} and len(planted) == found.members
    assert found.details["rows_per_canary"] == 4


def zeros(allowed: list[list[bool]]) -> Domain:
    identity = tuple(np.arange(SIZES[name]) for name in ("c", "a"))
    ruled = Zeros(names=("c", "a"), classes=identity, allowed=np.array(allowed))
    return Domain(DOMAIN.attributes, zeros=(ruled,))


def test_canaries_keep_structural_zeros_and_are_uniform_on_the_rest() -> None:
    """False-alarm rate: a share off by 6 standard deviations, below 1e-8."""
    allowed = [[True] * 6, [True] + [False] * 5, [False] * 6]
    records = random_records(zeros(allowed), 7000, np.random.default_rng(1))
    assert np.array(allowed)[records[:, 2], records[:, 0]].all()
    counts = np.bincount(records[:, 2], minlength=3)
    assert abs(counts[1] - 1000) < 6 * math.sqrt(1000 * 6 / 7)


def test_canaries_are_drawn_also_where_nothing_is_allowed() -> None:
    records = random_records(zeros([[False] * 6] * 3), 50, np.random.default_rng(1))
    assert records.shape == (50, 4)


def test_a_point_of_the_claim_with_a_smaller_delta_can_be_refuted_where_the_first_cannot() -> None:
    """At epsilon 3 and delta 1e-6 even a perfect guesser stays above 1e-4: delta times canaries."""
    included = np.arange(1000) % 2 == 0

    def p_value(claimed: tuple[tuple[float, float], ...]) -> float | None:
        return judge_guesses(
            included.astype(float), included, np.random.default_rng(1),
            copied=0, delta=DELTA, confidence=0.95, claimed=claimed,
        ).p_value  # fmt: skip

    claim = Claim(epsilon=3.0, delta=DELTA, points=((3.8, 1e-9),))
    assert p_value(claim.pairs[:1]) > 1e-4
    assert p_value(claim.pairs) == p_value(claim.pairs[1:]) < 1e-6
    assert p_value(()) is None


def test_every_point_of_a_claim_limits_the_rates() -> None:
    loose, tight = Claim(epsilon=3.0, delta=0.0), Claim(epsilon=1.0, delta=0.0)
    both = replace(loose, points=((1.0, 0.0),))
    for fpr in (0.0, 0.01, 0.3, 0.9):
        assert both.highest_tpr(fpr) == tight.highest_tpr(fpr) <= loose.highest_tpr(fpr)
    with pytest.raises(InputError, match="finite epsilon"):
        replace(loose, points=((0.0, 0.0),))
