"""Attacks that run a generator: canaries, shadow runs, the unique category, and their twins."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from dpsynth.attacks import controls
from dpsynth.attacks.api import ALPHA, AttackData
from dpsynth.attacks.canaries import OneRunCanaries
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.one_run import (
    judge_guesses,
    one_run_epsilon,
    one_run_mu,
    one_run_p,
)
from dpsynth.attacks.probe import UniqueCategory
from dpsynth.attacks.shadow import ShadowGame, shadow_attacks
from dpsynth.attacks.shadow_runs import run_shadows
from dpsynth.attacks.sizes import TwoSizes
from scipy import stats

from dpsynth.errors import InputError
from dpsynth.exact import gdp_epsilon
from dpsynth.results import AttackVerdict, Status
from dpsynth.schema.domain import Domain

SIZES = {"a": 6, "b": 40, "c": 3, "d": 9, "e": 12, "f": 300}
DOMAIN = Domain.from_sizes(SIZES, ordered=["b"])
DELTA = 1e-6


def table(n: int, seed: int) -> np.ndarray:
    """Skewed and related columns: some categories are rare or absent."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 6, n)
    columns = [a, np.minimum(39, rng.geometric(0.1, n)), rng.integers(0, 3, n)]
    columns += [np.minimum(8, a + rng.integers(0, 3, n)), rng.integers(0, 12, n)]
    columns += [np.minimum(299, rng.geometric(0.03, n))]
    return np.stack(columns, axis=1)


def data(train: int = 400, holdout: int = 400) -> AttackData:
    return AttackData(
        domain=DOMAIN, train=table(train, 1), holdout=table(holdout, 2), synthetic=table(100, 3)
    )


def blind(rows: np.ndarray, seed: int) -> np.ndarray:
    return table(400, seed)


def noise_free(rows: np.ndarray, seed: int) -> np.ndarray:
    return controls.noise_free_marginals(DOMAIN, rows, seed)


def test_the_one_run_p_value_is_a_binomial_tail_without_delta() -> None:
    rate = math.e / (1 + math.e)
    assert one_run_p(1000, 100, 80, epsilon=1.0, delta=0.0) == pytest.approx(
        stats.binom.sf(79, 100, rate)
    )
    assert one_run_p(1000, 100, 0, epsilon=1.0, delta=0.1) == 1.0
    with pytest.raises(ValueError, match="5 of 4 guesses"):
        one_run_p(10, 4, 5, epsilon=1.0, delta=0.0)


def test_the_delta_term_by_hand() -> None:
    """Three guesses, all right, epsilon 0: P[3 > B >= 3 - i] / i is 3/8, 6/16, 7/24."""
    assert one_run_p(10, 3, 3, epsilon=0.0, delta=1e-3) == pytest.approx(
        1 / 8 + 2 * 10 * 1e-3 * 3 / 8
    )


def test_the_one_run_bound_is_where_the_p_value_crosses() -> None:
    bound = one_run_epsilon(1000, 100, 90, delta=DELTA, confidence=0.95)
    assert one_run_p(1000, 100, 90, epsilon=bound, delta=DELTA) < 0.05
    assert one_run_p(1000, 100, 90, epsilon=bound + 2e-4, delta=DELTA) >= 0.05
    assert one_run_epsilon(1000, 100, 50, delta=DELTA, confidence=0.95) == 0.0


def guesses(epsilon: float, m: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Randomised response: the strongest output that epsilon allows."""
    rng = np.random.default_rng([seed, 1])
    included = rng.random(m) < 0.5
    kept = rng.random(m) < 1 / (1 + math.exp(-epsilon))
    return np.where(kept, included, ~included) * 1.0, included


def test_the_one_run_bound_holds_for_randomised_response() -> None:
    """Truth: epsilon 1. At the nominal 5 %, more than 24 of 200 has probability 3e-5."""
    broken = convicted = 0
    for seed in range(200):
        scores, included = guesses(1.0, 600, seed)
        found = judge_guesses(
            scores, included, np.random.default_rng([seed, 2]),
            copied=0, delta=0.0, confidence=0.95, claimed=[(1.0, 0.0)],
        )  # fmt: skip
        broken += found.epsilon > 1.0
        convicted += found.p_value < 0.05
    assert broken <= 24
    assert convicted <= 24


def test_the_gaussian_bound_of_pure_guessing_is_the_binomial_tail() -> None:
    """All of 4 guesses right has probability 1/16 = 0.0625 without a leak."""
    assert one_run_mu(4, 4, 4, confidence=1 - 0.07) > 0.0
    assert one_run_mu(4, 4, 4, confidence=1 - 0.06) == 0.0
    assert one_run_mu(4, 0, 0, confidence=0.95) == 0.0


@pytest.mark.parametrize("mu", [0.0, 1.0])
def test_the_gaussian_bound_holds_for_the_gaussian_mechanism(mu: float) -> None:
    """At the nominal 5 %, more than 24 of 200 has probability 3e-5, for either rule."""
    broken = np.zeros(2, int)
    for seed in range(200):
        rng = np.random.default_rng([seed, 4])
        included = rng.random(400) < 0.5
        ordered = included[np.argsort(-(rng.normal(size=400) + mu * included))]
        both = int(ordered[:200].sum() + (~ordered[200:]).sum())
        bounds = [
            one_run_mu(400, 400, both, confidence=0.95),
            one_run_mu(400, 40, int(ordered[:40].sum()), confidence=0.95),
        ]
        broken += np.array(bounds) > mu
    assert broken.max() <= 24


def test_the_gaussian_bound_is_larger_than_that_of_epsilon_alone() -> None:
    mu = one_run_mu(1000, 1000, 780, confidence=0.95)
    assert 0.5 < mu < 2 * stats.norm.ppf(0.78)
    alone = one_run_epsilon(1000, 1000, 780, delta=DELTA, confidence=0.95)
    assert gdp_epsilon(mu, DELTA, side="below") > alone > 1.0


def test_a_false_claim_about_randomised_response_is_refuted() -> None:
    scores, included = guesses(3.0, 1000, 1)
    found = judge_guesses(
        scores, included, np.random.default_rng([1, 2]),
        copied=0, delta=DELTA, confidence=0.95, claimed=[(1.0, DELTA)],
    )  # fmt: skip
    assert found.p_value < ALPHA
    assert 2.0 < found.epsilon <= 3.0


def test_the_stated_limits_of_the_theory() -> None:
    """A perfect distinguisher of the Gaussian mechanism with epsilon 1, 8 at delta 1e-6."""
    for mu, m, low, high in (
        (0.237, 1000, 0.02, 0.3),
        (0.237, 5000, 0.2, 0.4),
        (1.532, 1000, 2, 3),
    ):
        bounds = []
        for seed in range(20):
            rng = np.random.default_rng([seed, 3])
            included = rng.random(m) < 0.5
            scores = rng.normal(size=m) + mu * included
            bounds.append(
                judge_guesses(scores, included, rng, copied=0, delta=DELTA, confidence=0.95).epsilon
            )
        assert low < np.mean(bounds) < high


def test_canaries_see_a_copier_and_not_a_blind_generator() -> None:
    copier = OneRunCanaries(generate=lambda rows, seed: rows, canaries=200)
    found = copier.run(data(), 1)
    assert found.verdict is AttackVerdict.LEAK_FOUND
    assert found.details["one_run_correct"] == found.details["one_run_guesses"] > 50
    assert found.details["copied_canaries"] == found.members
    assert found.details["one_run_epsilon"] > 2
    mu = found.details["one_run_mu_if_gaussian"]
    assert found.details["one_run_epsilon_if_gaussian"] == gdp_epsilon(mu, DELTA, side="below")
    quiet = OneRunCanaries(generate=blind, canaries=200).run(data(), 1)
    assert quiet.verdict is AttackVerdict.NO_LEAK_DETECTED
    assert quiet.details["one_run_epsilon"] == 0.0
    assert quiet.members + quiet.non_members == 200


def test_canaries_are_held_against_the_claim_where_there_is_one() -> None:
    def judged(epsilon: float) -> AttackVerdict:
        claim = Claim(epsilon=epsilon, delta=DELTA)
        attack = OneRunCanaries(generate=lambda rows, seed: rows, canaries=200, claim=claim)
        return attack.run(data(), 1).verdict

    assert judged(0.5) is AttackVerdict.LEAK_FOUND
    assert judged(12.0) is AttackVerdict.NO_LEAK_DETECTED


@pytest.mark.parametrize(
    ("attack", "given", "words"),
    [
        (OneRunCanaries(generate=blind, canaries=99), data(), "Fewer than 100 canaries"),
        (OneRunCanaries(generate=blind), data(holdout=50), "Fewer than 100 training"),
        (OneRunCanaries(generate=lambda r, s: r[:0]), data(), "no rows"),
        (UniqueCategory(generate=blind, runs=6), data(), "could not reject"),
        (UniqueCategory(generate=blind), data(train=1), "Fewer than 100 training"),
        (
            shadow_attacks(ShadowGame(generate=blind, targets=60, rows=200))[0],
            data(),
            "four real rows",
        ),
        (shadow_attacks(ShadowGame(generate=blind))[0], data(holdout=1), "Fewer than 100 training"),
    ],
)
def test_what_says_nothing_is_inconclusive(attack, given: AttackData, words: str) -> None:
    found = attack.run(given, 1)
    assert found.status is Status.INCONCLUSIVE
    assert found.verdict is AttackVerdict.INCONCLUSIVE
    assert words in found.reason


@pytest.mark.parametrize(
    "make",
    [
        lambda generate: OneRunCanaries(generate=generate),
        lambda generate: UniqueCategory(generate=generate),
        lambda generate: shadow_attacks(ShadowGame(generate=generate))[0],
    ],
)
def test_a_generator_that_returns_no_table_of_the_domain_is_refused(make) -> None:
    with pytest.raises(InputError, match="generated table"):
        make(lambda rows, seed: rows + 400).run(data(), 1)


def game(generate, calls: list[int] | None = None) -> ShadowGame:
    def counted(rows: np.ndarray, seed: int) -> np.ndarray:
        if calls is not None:
            calls.append(seed)
        return generate(rows, seed)

    return ShadowGame(generate=counted, fitted=60, judged=40, targets=5, rows=300)


def test_shadows_convict_marginals_without_noise_and_share_their_runs() -> None:
    calls: list[int] = []
    given = data()
    results = [attack.run(given, 1) for attack in shadow_attacks(game(noise_free, calls))]
    assert [r.name for r in results] == [
        "shadow_lira_worst",
        "shadow_forest_worst",
        "shadow_lira_random",
        "shadow_forest_random",
    ]
    assert len(calls) == len(set(calls)) == 100
    for result in results:
        assert result.verdict is AttackVerdict.LEAK_FOUND
        assert result.members == result.non_members == 5 * 20
        assert result.details["tpr_at_1_percent_fpr"] == "not estimable"
    assert results[0].value > results[2].value  # vulnerable targets are easier


def test_shadows_do_not_accuse_a_blind_generator() -> None:
    for attack in shadow_attacks(game(blind)):
        result = attack.run(data(), 2)
        assert result.verdict is AttackVerdict.NO_LEAK_DETECTED
        assert result.details["epsilon_lower_bound_worst_target"] < 1


def test_shadow_tables_hold_what_the_coins_say() -> None:
    sizes = []

    def generate(rows: np.ndarray, seed: int) -> np.ndarray:
        sizes.append(len(rows))
        return rows

    found = run_shadows(data(), generate, 3, fitted=20, judged=10, targets=4, rows=100)
    assert (found.included[:20].sum(axis=0) == 10).all()
    assert (found.included[20:].sum(axis=0) == 5).all()
    assert sizes == (found.base_rows + found.included.sum(axis=1)).tolist()
    assert found.base_rows == 100 - 8
    copies = found.targeted[:, :, -2] * np.array(sizes)[:, None]  # identical rows in the output
    assert (copies[found.included] > 0.5).all()


def test_the_probe_sees_a_domain_learned_from_rows() -> None:
    def learned(rows: np.ndarray, seed: int) -> np.ndarray:
        return controls.data_derived_domain(DOMAIN, rows, seed)

    def declared(rows: np.ndarray, seed: int) -> np.ndarray:
        return controls.declared_domain(DOMAIN, rows, seed)

    found = UniqueCategory(generate=learned).run(data(), 1)
    assert found.verdict is AttackVerdict.LEAK_FOUND
    assert (found.details["hits_with"], found.details["hits_without"]) == (10, 0)
    assert (
        UniqueCategory(generate=learned, claim=Claim(epsilon=0.1, delta=DELTA))
        .run(data(), 1)
        .verdict
        is AttackVerdict.NO_LEAK_DETECTED
    )  # 10 runs are too few against a claim
    quiet = UniqueCategory(generate=declared).run(data(), 1)
    assert quiet.verdict is AttackVerdict.NO_LEAK_DETECTED
    assert quiet.control > 0


def test_the_probe_leaves_out_all_who_hold_the_category() -> None:
    """Two values, both common: the fewer are left out, and one row is put back."""
    domain = Domain.from_sizes({"a": 2, "b": 1})
    rows = np.stack([np.arange(300) < 120, np.zeros(300)], axis=1).astype(int)
    given = AttackData(domain=domain, train=rows, holdout=rows, synthetic=rows)
    seen = []

    def copier(table: np.ndarray, seed: int) -> np.ndarray:
        seen.append((len(table), int(table[:, 0].sum())))
        return table

    found = UniqueCategory(generate=copier, runs=7).run(given, 1)
    assert seen == [(181, 1)] * 7 + [(180, 0)] * 7
    assert found.details["hits_with"] == 7
    few = replace(given, train=rows[60:180])
    assert "nearly all" in UniqueCategory(generate=copier).run(few, 1).reason


def test_the_noise_free_twin_keeps_a_tree_of_triples_and_no_rows() -> None:
    rows = table(500, 5)
    made = noise_free(rows, 6)

    def marginal(codes: np.ndarray, columns: list[int]) -> list[list[int]]:
        return sorted(codes[:, columns].tolist())

    triples = [[i, j, k] for i in range(6) for j in range(i) for k in range(j)]
    kept = sum(marginal(rows, t) == marginal(made, t) for t in triples)
    assert 4 <= kept < len(triples)
    assert not (made == rows).all()


def test_near_copies_differ_in_the_stated_number_of_cells() -> None:
    given = replace(data(), synthetic=table(400, 7))
    made = controls.plant_near_copies(given, 1.0, fields=2, seed=8).synthetic
    apart = (made[:, None] != given.train[None]).sum(axis=2).min(axis=1)
    assert apart.max() <= 2
    copied = controls.plant_copies(given, 0.1, 8).synthetic
    assert (copied == given.synthetic).all(axis=1).sum() == 360


def test_members_drawn_anew_are_the_same_rows() -> None:
    given = data()
    made = controls.relabelled(given, 9)
    assert len(made.train) == 400
    both = [np.concatenate([d.train, d.holdout]) for d in (given, made)]
    assert sorted(map(tuple, both[0].tolist())) == sorted(map(tuple, both[1].tolist()))
    assert not (made.train == given.train).all()


def sized(rows: int, kept: int):
    """Return a generator whose output and saved state have a noisy size, or follow the rows."""

    def keep(table: np.ndarray, seed: int) -> tuple[np.ndarray, int]:
        noise = round(np.random.default_rng(seed).normal(0.0, 10.0))
        return np.resize(table, (300 + noise if rows else len(table), 6)), (
            9000 + noise if kept else 8 * len(table)
        )

    return keep


@pytest.mark.parametrize(("rows", "kept", "size"), [(0, 1, "output rows"), (1, 0, "saved bytes")])
def test_one_row_more_shows_where_a_size_is_exact(rows: int, kept: int, size: str) -> None:
    for seed in range(20):
        result = TwoSizes(keep=sized(rows, kept)).run(data(), seed)
        assert result.verdict is AttackVerdict.LEAK_FOUND
        assert result.p_value == pytest.approx(4 / math.comb(20, 10))
        assert result.details["size"] == f"{size} above"
    claimed = TwoSizes(keep=sized(rows, kept), claim=Claim(epsilon=0.3, delta=DELTA), runs=20)
    assert claimed.run(data(), 1).verdict is AttackVerdict.LEAK_FOUND


def test_noisy_sizes_are_not_accused() -> None:
    """False-alarm rate: 100 runs at 1e-3 each; three or more alarms have probability 2e-4."""
    results = [TwoSizes(keep=sized(1, 1)).run(data(), seed) for seed in range(100)]
    assert sum(result.verdict is AttackVerdict.LEAK_FOUND for result in results) <= 2
    constant = TwoSizes(keep=lambda rows, seed: (table(50, seed), 7)).run(data(), 1)
    assert constant.p_value == 1.0


def test_a_size_probe_that_could_not_reject_says_so() -> None:
    assert TwoSizes(keep=sized(0, 0), runs=6).run(data(), 1).status is Status.INCONCLUSIVE
    assert TwoSizes(keep=sized(0, 0)).run(data(train=300), 1).status is Status.INCONCLUSIVE


def test_trees_of_single_rows_copy_people_and_coarse_columns_do_not_stop_them() -> None:
    rows = table(400, 1)
    made = controls.overfitted_trees(DOMAIN, rows, 500, 2)
    assert made.shape == (500, 6)
    assert np.array_equal(made, controls.overfitted_trees(DOMAIN, rows, 500, 2))
    same = (made[:, None, :] == rows[None, :, :]).all(axis=2).any(axis=1)
    assert same.mean() > 0.3
    assert not (controls.uniform_rows(DOMAIN, 500, 2)[:, None] == rows[None]).all(axis=2).any()
