"""The three criteria and attribute inference: hits counted by hand, and what says nothing."""

from __future__ import annotations

from dataclasses import replace

import attacked_tables
import numpy as np
import pytest
from attacked_tables import DOMAIN, table
from dpsynth.attacks.api import ALPHA, Attack, AttackData
from dpsynth.attacks.attribute import AttributeInference, classes_of
from dpsynth.attacks.criteria import LabelTest
from dpsynth.attacks.inference import Inference, best_constant, is_right
from dpsynth.attacks.linkability import Linkability, chance
from dpsynth.attacks.reconstruction import Reconstruction, rare_rows
from dpsynth.attacks.singling_out import (
    Around,
    Predicates,
    SinglingOutMultivariate,
    SinglingOutUnivariate,
    unique_values,
)
from dpsynth.attacks.stats import fisher_p, residual_risk
from scipy import stats

from dpsynth.errors import InputError
from dpsynth.results import AttackVerdict, Disclosure, Status
from dpsynth.schema.domain import Attribute, Domain

ATTACKS: dict[str, Attack] = {
    attack.name: attack
    for attack in (
        SinglingOutUnivariate(),
        SinglingOutMultivariate(),
        Linkability(),
        Inference(),
        AttributeInference(),
        Reconstruction(),
    )
}
ATTACKED = {"attribute_inference": 300, "rare_row_reconstruction": 49}  # the others: all 600


def data(train: int = 900, holdout: int = 600, synthetic: int = 1200) -> AttackData:
    return attacked_tables.data(train, holdout, synthetic)


def constant(n: int) -> np.ndarray:
    return np.zeros((n, 5), int)


def narrow(given: AttackData) -> AttackData:
    return AttackData(
        domain=given.domain.project(["b"]),
        **{name: getattr(given, name)[:, 1:2] for name in ("train", "holdout", "synthetic")},
    )


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_a_function_of_data_and_seed_and_says_what_it_could_see(attack) -> None:
    given = data()
    result = attack.run(given, 4)
    assert result == attack.run(given, 4)
    assert result.status is Status.OK
    assert result.name == attack.name
    assert result.disclosure is Disclosure.RAW
    assert result.members == result.non_members == ATTACKED.get(attack.name, 600)
    assert 0.0 <= result.value <= 1.0
    assert result.interval.low <= result.value <= result.interval.high
    assert 0.0 <= result.baseline <= 1.0
    assert result.baseline_title
    assert 0.0 <= result.control <= 1.0
    assert result.control_title
    assert "before this test reports a leak" in result.detection_limit
    low, risk, high = (result.details[f"residual_risk{end}"] for end in ("_low", "", "_high"))
    assert low <= risk <= high
    assert risk == pytest.approx((result.value - result.control) / (1 - result.control))
    assert "safe" not in f"{result.title} {result.note} {result.detection_limit}".lower()


@pytest.mark.parametrize("attack", list(ATTACKS.values())[1:], ids=list(ATTACKS)[1:])
def test_a_full_copy_is_found(attack) -> None:
    """But not by single values: in these coarse columns none is rare."""
    given = data()
    result = attack.run(replace(given, synthetic=given.train.copy()), 5)
    assert result.verdict is AttackVerdict.LEAK_FOUND
    assert result.p_value < ALPHA / 10


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train": table(1, 1)}, "Fewer than 100"),
        ({"holdout": table(99, 1)}, "Fewer than 100"),
        ({"synthetic": table(0, 1)}, "no rows"),
        ({"synthetic": table(1, 1)}, "All synthetic rows are the same"),
        ({"train": constant(300), "holdout": constant(300)}, "are the same"),
    ],
)
def test_degenerate_tables_are_inconclusive_with_a_reason(attack, change, words: str) -> None:
    result = attack.run(replace(data(), **change), 6)
    assert result.status is Status.INCONCLUSIVE
    assert result.verdict is AttackVerdict.INCONCLUSIVE
    assert words in result.reason
    assert result.value is None and result.p_value is None


@pytest.mark.parametrize("attack", list(ATTACKS.values())[1:], ids=list(ATTACKS)[1:])
def test_one_column_is_inconclusive(attack) -> None:
    result = attack.run(narrow(data()), 7)
    assert result.status is Status.INCONCLUSIVE
    assert "column" in result.reason


def test_one_column_can_single_out() -> None:
    """The training values of a fine column, each once, as from counts without noise."""
    domain = Domain.from_sizes({"x": 4000}, ordered=["x"])
    order = np.random.default_rng(8).integers(0, 4000, (900, 1))
    given = AttackData(
        domain=domain, train=order[:300], holdout=order[300:600], synthetic=order[600:]
    )
    assert SinglingOutUnivariate().run(given, 1).verdict is AttackVerdict.NO_LEAK_DETECTED
    leak = replace(given, synthetic=order[:300])
    assert SinglingOutUnivariate().run(leak, 1).verdict is AttackVerdict.LEAK_FOUND


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_constant_synthetic_table_is_inconclusive(attack) -> None:
    """It yields no predicate, no guess that differs, and links everybody."""
    result = attack.run(replace(data(), synthetic=constant(300)), 9)
    assert result.status is Status.INCONCLUSIVE


def test_few_predicates_are_inconclusive_not_silent() -> None:
    """Nine predicates: even nine members of nine have a p-value of about 2 ** -9."""
    domain = Domain.from_sizes({"x": 12})
    rng = np.random.default_rng(10)
    rare = np.concatenate([np.arange(9), rng.integers(9, 12, 200)])[:, None]
    given = AttackData(domain=domain, train=rare, holdout=rare, synthetic=rare)
    result = SinglingOutUnivariate().run(given, 1)
    assert result.status is Status.INCONCLUSIVE
    assert "no test could reject" in result.reason


def test_half_a_small_holdout_cannot_train_the_baseline() -> None:
    result = AttributeInference().run(data(holdout=199), 11)
    assert result.status is Status.INCONCLUSIVE
    assert "fewer than 200" in result.reason


def test_unique_values_by_hand() -> None:
    domain = Domain.from_sizes({"n": 4, "o": 6}, ordered=["o"])
    synthetic = np.array([[0, 1], [0, 3], [1, 3], [2, 4], [2, 4]])
    found = unique_values(domain, synthetic)
    rows = zip(found.columns[:, 0], found.low[:, 0], found.high[:, 0], strict=True)
    assert sorted(tuple(map(int, row)) for row in rows) == [(0, 1, 1), (1, 0, 1), (1, 1, 1)]


def test_isolated_rows_by_hand() -> None:
    predicates = Predicates(
        columns=np.array([[0, -1], [0, 1], [1, 0], [1, -1]]),
        low=np.array([[0, 0], [0, 3], [3, 1], [5, 0]]),
        high=np.array([[0, 0], [0, 4], [9, 2], [5, 0]]),
    )
    rows = np.array([[0, 3], [0, 1], [1, 3], [7, 7]])
    assert predicates.isolate(rows).tolist() == [-2, 0, 2, -1]
    assert predicates.isolate(rows[:0]).tolist() == [-1] * 4


@pytest.mark.parametrize("around", Around)
def test_a_multivariate_predicate_holds_for_its_own_row_alone(around: Around) -> None:
    given = data()
    attack = SinglingOutMultivariate(around=around, attacks=300, columns=(2, 4))
    found = attack._alone(given, np.random.default_rng(1), 2, 4)
    isolated = found.isolate(given.synthetic)
    assert (isolated >= 0).all()
    assert len(np.unique(isolated)) == len(found) <= 300
    assert set((found.columns >= 0).sum(axis=1).tolist()) == {2, 3, 4}


def test_predicates_that_isolate_the_same_row_count_once() -> None:
    """A test that counted predicates would call one odd member a leak: 24 hits against none."""
    names = [f"c{j}" for j in range(12)]
    domain = Domain.from_sizes(dict.fromkeys(names, 50), ordered=names)
    rng = np.random.default_rng(12)
    train, holdout, synthetic = (rng.integers(0, 20, (400, 12)) for _ in range(3))
    train[0] = synthetic[0] = 49
    given = AttackData(domain=domain, train=train, holdout=holdout, synthetic=synthetic)
    result = SinglingOutUnivariate().run(given, 1)
    assert result.details["hits_members"] >= 24
    assert fisher_p(result.details["hits_members"], 400, 0, 400) < ALPHA
    assert result.details["tested_hits_members"] == 1
    assert result.p_value >= 0.5


def test_links_by_hand() -> None:
    """Members are in the synthetic table, others are halves of two different rows of it."""
    names = [f"c{j}" for j in range(4)]
    domain = Domain.from_sizes(dict.fromkeys(names, 200))
    train = np.arange(150)[:, None].repeat(4, axis=1)
    holdout = train.copy()
    holdout[:, 2:] = (holdout[:, 2:] + 1) % 150
    given = AttackData(domain=domain, train=train, holdout=holdout, synthetic=train)
    result = Linkability(k=1, first=("c1", "c0")).run(given, 1)
    assert (result.value, result.control) == (1.0, 0.0)
    assert result.baseline == pytest.approx(1 / 150)
    assert result.details["first_party"] == "c0, c1"
    assert result.details["second_party"] == "c2, c3"
    assert result.details["residual_risk"] == 1.0


def test_chance_of_two_random_sets_against_simulation() -> None:
    """False-alarm rate: five standard deviations, 6e-7; a chance that is 10 % off is rejected."""
    rng = np.random.default_rng(13)
    met = np.mean([len(set(rng.permutation(40)[:4]) & set(range(4))) > 0 for _ in range(20_000)])
    sd = np.sqrt(chance(4, 40) * (1 - chance(4, 40)) / 20_000)
    assert abs(met - chance(4, 40)) < 5 * sd < 0.1 * chance(4, 40)


@pytest.mark.parametrize(
    ("parties", "words"),
    [
        ({"first": ("a", "z")}, "columns of the table"),
        ({"first": ("a",), "second": ("a", "b")}, "columns of the table"),
        ({"second": ("a",)}, "columns of the table"),
        ({"first": DOMAIN.names}, "no column"),
    ],
)
def test_parties_that_share_or_miss_columns_are_refused(parties, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Linkability(**parties).run(data(), 1)


@pytest.mark.parametrize("attack", [Inference, AttributeInference])
def test_an_unknown_secret_is_refused(attack) -> None:
    with pytest.raises(InputError, match="'z' is no modelled column"):
        attack(secrets=("a", "z")).run(data(), 1)


def test_guesses_by_hand() -> None:
    """The key is known and in the synthetic table; the secret is right for members only."""
    domain = Domain.from_sizes({"key": 150, "secret": 7})
    key, secret = np.arange(150), np.arange(150) % 7
    train = np.stack([key, secret], axis=1)
    holdout = np.stack([key, (secret + 1) % 7], axis=1)
    given = AttackData(domain=domain, train=train, holdout=holdout, synthetic=train)
    result = Inference(secrets=("secret",)).run(given, 1)
    assert (result.value, result.control) == (1.0, 0.0)
    assert result.details["secrets"] == 1
    assert result.details["worst_secret"] == "secret"
    # One constant is right for 22 of 150 members and, by another 22, of non-members.
    assert result.baseline == pytest.approx(22 / 150)
    assert result.details["tested_members"] == 128
    assert result.p_value == fisher_p(128, 128, 0, result.details["tested_non_members"])


def test_secrets_share_one_p_value() -> None:
    every = Inference().run(data(), 1)
    assert every.details["secrets"] == 5
    alone = Inference(secrets=(every.details["worst_secret"],)).run(data(), 1)
    assert every.p_value == pytest.approx(min(1.0, 5 * alone.p_value))


def test_a_guess_of_a_number_hits_within_the_tolerance() -> None:
    attribute = Attribute(name="x", size=5, n_ordered=3, positions=(0.0, 5.0, 100.0))
    guess = np.array([0, 0, 0, 3, 3, 2, 2])
    truth = np.array([1, 2, 3, 3, 4, 2, 1])
    assert is_right(attribute, guess, truth, 0.05).tolist() == [1, 0, 0, 1, 0, 1, 0]
    assert is_right(attribute, guess, truth, 0.0).tolist() == [0, 0, 0, 1, 0, 1, 0]


def test_the_best_constant_is_the_best_of_all() -> None:
    attribute = DOMAIN["b"]
    codes = data().synthetic[:, 1]
    for tolerance in (0.0, 0.05, 0.4):
        rates = [
            is_right(attribute, np.full_like(codes, code), codes, tolerance).mean()
            for code in range(attribute.size)
        ]
        assert rates[best_constant(attribute, codes, tolerance)] == max(rates)


def test_classes_of_a_secret() -> None:
    ordered = Attribute(name="x", size=102, n_ordered=100, positions=tuple(map(float, range(100))))
    codes = np.concatenate([np.arange(100), [100, 101]])
    classes = classes_of(ordered, codes)
    assert np.bincount(classes).tolist() == [10] * 10 + [2]
    nominal = Attribute(name="y", size=30)
    codes = np.concatenate([np.arange(30), np.arange(10, 30)])
    classes = classes_of(nominal, codes)
    assert (classes[:10] == 20).all()
    assert sorted(classes[10:].tolist()) == list(range(20))


def test_residual_risk_is_never_clipped_and_its_interval_covers() -> None:
    """Coverage over 1,000 draws: below the quantile of 95 % has probability 1e-6.

    An interval that is too narrow is rejected.
    """
    assert residual_risk(2, 10, 5, 10).value == pytest.approx(-0.6)
    assert residual_risk(10, 10, 10, 10) is None
    rng, truth = np.random.default_rng(14), (0.3 - 0.2) / 0.8
    inside = thin_inside = 0
    for _ in range(1000):
        hits, control = int(rng.binomial(300, 0.3)), int(rng.binomial(300, 0.2))
        wide = residual_risk(hits, 300, control, 300, 0.95).interval
        thin = residual_risk(hits, 300, control, 300, 0.05).interval
        inside += wide.low <= truth <= wide.high
        thin_inside += thin.low <= truth <= thin.high
    assert inside >= stats.binom.ppf(1e-6, 1000, 0.95)
    assert thin_inside < stats.binom.ppf(1e-6, 1000, 0.95)


def test_the_detection_limit_is_the_first_excess_that_convicts() -> None:
    for tests in (1, 12):
        quiet = LabelTest(
            hits=30, members=500, control_hits=30, non_members=500, most=500, tests=tests
        )
        assert quiet.fewest is not None
        assert replace(quiet, hits=30 + quiet.fewest).p_value < ALPHA
        assert replace(quiet, hits=29 + quiet.fewest).p_value >= ALPHA
        assert replace(quiet, most=quiet.fewest - 1).fewest is None


def test_a_record_is_rebuilt_where_half_of_it_leads_to_the_rest() -> None:
    """By hand: 20 lone members of 120 are copied, of 100 crowded rows a side none is rare."""
    domain = Domain.from_sizes({name: 500 for name in "abcd"}, ordered=["a", "b"])
    crowd = np.zeros((100, 4), int)
    lone = np.arange(100, 120)[:, None].repeat(4, axis=1) * 2
    lone[:, :2] += np.random.default_rng(20).integers(0, 100, (20, 2))
    others = lone + 1  # another value in both nominal columns
    others[:, :2] += 100
    given = AttackData(
        domain=domain,
        train=np.concatenate([crowd, lone]),
        holdout=np.concatenate([crowd, others]),
        synthetic=np.concatenate([crowd, lone[:15]]),
    )
    result = Reconstruction(rare=40 / 240, adversaries=8).run(given, 21)
    assert result.members == result.non_members == 20
    assert result.details["hits_members"] == 15
    assert result.details["hits_non_members"] == 0
    assert result.p_value == pytest.approx(fisher_p(15, 20, 0, 20))
    assert result.verdict is AttackVerdict.LEAK_FOUND


def test_a_record_that_other_people_rebuild_tells_nothing() -> None:
    """Rare pairs: each rare member has a twin among the held-out rows, which the baseline finds."""
    given = data()
    pairs = replace(given, train=given.holdout.copy(), synthetic=given.holdout.copy())
    result = Reconstruction().run(pairs, 22)
    assert result.status is Status.INCONCLUSIVE
    assert "baseline rebuilds every rare row" in result.reason


def test_rare_rows_are_far_from_others_and_no_order_decides() -> None:
    domain = Domain.from_sizes({"x": 100, "y": 3}, ordered=["x"])
    rows = np.stack([np.repeat([0, 1, 99], [50, 44, 6]), np.zeros(100, int)], axis=1)
    rows[-1, 1] = 2
    assert rare_rows(domain, rows, 0.01).tolist() == [99]
    shuffled = np.random.default_rng(23).permutation(100)
    assert sorted(shuffled[rare_rows(domain, rows[shuffled], 0.06)]) == [94, 95, 96, 97, 98, 99]
    # Fifty rows tie: of a tenth, none of them is taken rather than some.
    assert not rare_rows(domain, np.zeros((100, 2), int), 0.1).size
