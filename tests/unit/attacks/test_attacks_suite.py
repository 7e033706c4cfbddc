"""The suite: what it is given, what it says, and what it must never say."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import attacked_tables
import numpy as np
import pytest
from attacked_tables import DOMAIN, table
from dpsynth.attacks import suite
from dpsynth.attacks.api import AttackData, inconclusive
from dpsynth.attacks.copies import ExactCopies, row_numbers, smallest_excess
from dpsynth.attacks.distance import DistanceRatio, DistanceShare, hub_sd, ratios
from dpsynth.attacks.generators import Generator, generator_attacks
from dpsynth.attacks.membership import ClosestDistance
from dpsynth.attacks.stats import fisher_p
from dpsynth.attacks.streams import Stream, rng_of

from dpsynth import attacks
from dpsynth.errors import InputError
from dpsynth.results import AttackResult, AttackVerdict, Disclosure, Status
from dpsynth.schema.domain import Domain


def data(train: int = 1200, holdout: int = 300, synthetic: int = 1200) -> AttackData:
    return attacked_tables.data(train, holdout, synthetic)


def by_name(results: list[AttackResult]) -> dict[str, AttackResult]:
    return {result.name: result for result in results}


@pytest.fixture(scope="module")
def quiet() -> dict[str, AttackResult]:
    return by_name(attacks.run(data(), seed=4))


def test_names_are_the_ones_that_policies_use(quiet) -> None:
    assert list(quiet) == [
        "exact_copies",
        "distance_to_closest_record",
        "nearest_neighbour_ratio",
        "closest_distance_membership",
        "density_ratio_membership",
        "targeted_query_membership",
        "singling_out_univariate",
        "singling_out_multivariate",
        "linkability",
        "inference",
        "attribute_inference",
        "rare_row_reconstruction",
        "control_positive",
        "control_negative",
    ]


def test_every_draw_has_a_stream_of_its_own() -> None:
    first = {int(rng_of(7, stream).integers(2**62)) for stream in Stream}
    first.add(int(np.random.default_rng(7).integers(2**62)))
    assert len(first) == len(Stream) + 1
    assert min(Stream) >= 100, "those below are left to callers"


def test_all_rows_are_seen_by_those_that_count_in_every_profile() -> None:
    every = (
        *attacks.output_attacks(),
        *generator_attacks(Generator(whole=None, part=None, columns=()), profile="full"),
    )
    assert {attack.name for attack in every if attack.all_rows} == {
        "exact_copies",
        "targeted_query_membership",
        "singling_out_univariate",
        "one_run_canaries",
    }


def test_every_result_is_complete_and_raw(quiet) -> None:
    for result in quiet.values():
        assert result.status is Status.OK
        assert result.disclosure is Disclosure.RAW
        assert result.alpha == attacks.ALPHA == 1e-3
        assert result.members and result.non_members
        assert result.interval is not None
        assert result.control is not None
        assert result.baseline is not None
        assert result.detection_limit
        numbers = [v for v in result.details.values() if isinstance(v, float)]
        assert all(math.isfinite(v) for v in numbers)


def test_controls_behave_and_fresh_rows_are_not_accused(quiet) -> None:
    assert quiet["control_positive"].verdict is AttackVerdict.LEAK_FOUND
    assert quiet["control_negative"].verdict is AttackVerdict.NO_LEAK_DETECTED
    for name, result in quiet.items():
        if name not in attacks.CONTROLS:
            assert result.verdict is AttackVerdict.NO_LEAK_DETECTED
            assert result.details["p_holm"] >= result.p_value


def test_no_word_says_safe(quiet) -> None:
    for result in quiet.values():
        words = " ".join(
            [result.title, result.note, result.reason, result.detection_limit, result.verdict]
        ).lower()
        assert "safe" not in words.replace("unsafe", "")
    for name in ("distance_to_closest_record", "nearest_neighbour_ratio"):
        assert "not evidence of privacy" in quiet[name].note


def test_results_are_a_function_of_data_and_seed(quiet) -> None:
    again = by_name(attacks.run(data(), seed=4))
    assert again == quiet


def test_a_full_copy_is_found_by_every_attack() -> None:
    given = data()
    results = by_name(attacks.run(replace(given, synthetic=given.train.copy()), seed=5))
    coarse = results.pop("singling_out_univariate")  # no column is fine enough for a rare value
    assert coarse.verdict is AttackVerdict.INCONCLUSIVE and "no test could" in coarse.reason
    for name, result in results.items():
        if name not in attacks.CONTROLS:
            assert result.verdict is AttackVerdict.LEAK_FOUND, name


@dataclass(frozen=True)
class _Seen:
    """An attack with a given p-value and, if there is one, a given p-value of the claim."""

    name: str
    p_value: float
    p_of_claim: float | None
    title: str = "planted"
    all_rows: bool = True

    def run(self, data: AttackData, seed: int) -> AttackResult:
        details = {} if self.p_of_claim is None else {"p_of_claim": self.p_of_claim}
        return replace(
            ExactCopies().run(data, seed), name=self.name, p_value=self.p_value, details=details
        )


def test_what_a_claim_allows_is_no_leak_and_what_it_forbids_is_one() -> None:
    asked = (
        _Seen("seen", 1e-9, None),
        _Seen("allowed", 1e-9, 0.9),
        _Seen("refuted", 1e-9, 1e-9),
        _Seen("quiet", 0.4, 1.0),
        _Seen("corrected", 2.5e-4, 2.5e-4),  # the third smallest of five: 7.5e-4 after Holm
    )
    results = by_name(attacks.run(data(), seed=5, attacks=asked))
    assert {name: r.verdict for name, r in results.items() if name not in attacks.CONTROLS} == {
        "seen": AttackVerdict.LEAK_FOUND,
        "allowed": AttackVerdict.WITHIN_CLAIM,
        "refuted": AttackVerdict.LEAK_FOUND,
        "quiet": AttackVerdict.NO_LEAK_DETECTED,
        "corrected": AttackVerdict.LEAK_FOUND,
    }


def test_attacks_that_see_what_epsilon_allows_take_the_claim() -> None:
    claim = attacks.Claim(epsilon=1.0, delta=1e-6)
    made = attacks.output_attacks(claim=claim, secrets=["a"])
    assert [a.name for a in made if getattr(a, "claim", None) is claim] == [
        "density_ratio_membership",
        "targeted_query_membership",
    ]
    assert [a.name for a in made if getattr(a, "secrets", ()) == ("a",)] == [
        "inference",
        "attribute_inference",
    ]


def test_the_full_profile_uses_all_rows(monkeypatch) -> None:
    monkeypatch.setattr(suite, "ROWS", 200)
    for profile, members in (("quick", 200), ("full", 300)):
        found = attacks.run(data(), seed=5, profile=profile, attacks=[ClosestDistance()])
        assert found[0].members == members


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"holdout": table(99, 2)}, "Fewer than 100"),
        ({"train": table(1, 2)}, "Fewer than 100"),
        ({"synthetic": table(0, 2)}, "no rows"),
        ({"synthetic": table(1, 2)}, "All synthetic rows are the same"),
        ({"synthetic": table(1, 2).repeat(400, axis=0)}, "All synthetic rows are the same"),
        ({"train": table(500, 1) * 0, "holdout": table(200, 1) * 0}, "same"),
    ],
)
def test_too_little_is_inconclusive_with_a_reason(change, words: str) -> None:
    results = attacks.run(replace(data(), **change), seed=6)
    assert len(results) == 14
    for result in results:
        assert result.status is Status.INCONCLUSIVE
        assert result.verdict is AttackVerdict.INCONCLUSIVE
        assert words in result.reason
        assert result.value is None


def test_distances_that_could_not_reject_are_inconclusive() -> None:
    """Five synthetic rows, each twice: every ratio is 1, and so few hubs cannot convict."""
    few = replace(data(), synthetic=table(5, 3).repeat(2, axis=0))
    share, ratio = DistanceShare().run(few, 7), DistanceRatio().run(few, 7)
    assert share.status is ratio.status is Status.INCONCLUSIVE
    assert "no test could reject" in share.reason
    assert "same ratio" in ratio.reason
    assert share.value is None and ratio.value is None
    assert DistanceRatio().run(data(synthetic=1), 7).status is Status.INCONCLUSIVE


def test_where_planted_copies_cannot_be_seen_silence_is_inconclusive() -> None:
    """Two columns of two values: every row exists everywhere."""
    domain = Domain.from_sizes({"a": 2, "b": 2})
    rng = np.random.default_rng(8)
    small = AttackData(
        domain=domain,
        **{
            name: rng.integers(0, 2, (n, 2))
            for name, n in (("train", 400), ("holdout", 200), ("synthetic", 400))
        },
    )
    results = by_name(attacks.run(small, seed=8))
    assert results["control_positive"].verdict is AttackVerdict.INCONCLUSIVE
    assert results["exact_copies"].verdict is AttackVerdict.INCONCLUSIVE
    assert results["closest_distance_membership"].verdict is AttackVerdict.INCONCLUSIVE
    assert results["control_negative"].verdict is AttackVerdict.INCONCLUSIVE


def test_the_detection_limit_is_the_first_excess_that_convicts() -> None:
    fewest = smallest_excess(1000, 3, 300)
    assert fewest is not None
    assert fisher_p(10 + fewest, 1000, 3, 300) < attacks.ALPHA <= fisher_p(9 + fewest, 1000, 3, 300)
    assert smallest_excess(5, 300, 300) is None


@dataclass(frozen=True)
class Crashing:
    name: str = "crashing"
    title: str = "An attack that stops"
    all_rows: bool = True

    def run(self, data: AttackData, seed: int) -> AttackResult:
        raise RuntimeError("cell CANARY-4711 is odd")


def test_a_crashed_attack_is_not_run_and_its_message_goes_nowhere() -> None:
    results = by_name(attacks.run(data(), seed=9, attacks=[Crashing(), ExactCopies()]))
    assert results["crashing"].status is Status.NOT_RUN
    assert results["crashing"].verdict is AttackVerdict.NOT_RUN
    assert "RuntimeError" in results["crashing"].reason
    assert "CANARY" not in repr(results)
    assert results["exact_copies"].details["attempted_tests"] == 2


def test_a_grouped_holdout_fails_the_negative_control(monkeypatch) -> None:
    """Were fresh rows accused, the control says so instead of staying silent."""
    accused = replace(ExactCopies().run(data(), 1), p_value=1e-9)
    monkeypatch.setattr(suite.ExactCopies, "run", lambda self, data, seed: accused)
    result = by_name(attacks.run(data(), seed=10))["control_negative"]
    assert result.verdict is AttackVerdict.INCONCLUSIVE
    assert result.details["fired"] == 1


def test_unknown_profile_is_refused() -> None:
    with pytest.raises(InputError, match="profile 'slow'"):
        attacks.run(data(), profile="slow", seed=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train": table(200, 1).astype(float)}, "integer codes"),
        ({"holdout": table(200, 1)[:, :3]}, "another number of columns"),
        ({"synthetic": table(200, 1) + 40}, "outside the declared domain"),
        ({"train": table(200, 1) - 60}, "outside the declared domain"),
        ({"train": table(200, 1)[0]}, "two-dimensional"),
        ({"train_units": np.arange(1200)}, "only one of"),
        (
            {"train_units": np.arange(7), "holdout_units": np.arange(300)},
            "not one entry per row",
        ),
    ],
)
def test_bad_tables_are_refused(change, words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(data(), **change)


def test_one_row_of_each_unit_is_attacked() -> None:
    given = data()
    units = replace(
        given, train_units=np.arange(1200) // 3, holdout_units=np.arange(300) // 2 + 10_000
    )
    results = by_name(attacks.run(units, seed=11))
    assert results["nearest_neighbour_ratio"].members == 150
    assert 390 <= results["exact_copies"].members <= 400


def test_equal_sizes_and_limits() -> None:
    sample = data().equal_sizes(1, rows=250, synthetic_rows=100)
    assert [len(t) for t in (sample.train, sample.holdout, sample.synthetic)] == [250, 250, 100]
    assert len(data().equal_sizes(1, rows=9999, synthetic_rows=9999).train) == 300


def test_row_numbers_are_equal_exactly_for_equal_rows() -> None:
    a, b = table(300, 1), table(200, 2).astype(np.uint8)
    x, y = row_numbers(a, b)
    assert ((x[:, None] == y[None]) == (a[:, None] == b[None]).all(axis=2)).all()


def test_copies_counts_by_hand() -> None:
    rows = np.zeros((240, 5), int)
    rows[:, 0], rows[:, 1] = np.arange(240) // 30, np.arange(240) % 30
    given = AttackData(
        domain=DOMAIN, train=rows[:140], holdout=rows[120:240], synthetic=rows[100:130]
    )
    result = ExactCopies().run(given, 1)
    # 20 rows lie in both groups and say nothing; 20 of 120 and 0 of 100 others are hit.
    assert (result.members, result.non_members) == (120, 100)
    assert (result.details["member_hits"], result.details["non_member_hits"]) == (20, 0)
    assert result.value == 20 / 120
    assert result.details["share_of_all_training_rows"] == 30 / 140
    assert result.details["natural_duplicates"] == 20 / 120


def test_order_of_rows_does_not_break_ties() -> None:
    """Every real row exists in both groups: argmin would say 1.0, split ties say exactly 0.5."""
    rows = table(200, 1)
    given = AttackData(domain=DOMAIN, train=rows, holdout=rows, synthetic=table(500, 2))
    assert DistanceShare().run(given, 1).value == pytest.approx(0.5, abs=1e-12)


def test_hub_sd_exceeds_the_binomial_one() -> None:
    assert hub_sd(np.ones(100)) == pytest.approx(0.05)
    assert hub_sd(np.array([50.0, 50.0])) == pytest.approx(0.5 / math.sqrt(2))


def test_a_copy_has_ratio_zero_and_two_copies_have_one() -> None:
    far = np.array([[7, 299, 4, 49, 11]])
    near = np.array([[0, 0, 0, 0, 0]])
    rows = near.repeat(100, axis=0)
    once = AttackData(
        domain=DOMAIN, train=rows, holdout=rows, synthetic=np.concatenate([near, far])
    )
    assert (ratios(once, rows) == 0.0).all()
    twice = replace(once, synthetic=np.concatenate([near, near, far]))
    assert (ratios(twice, rows) == 1.0).all()


def test_low_rates_of_small_tables_are_not_estimable() -> None:
    result = ClosestDistance().run(data(), 1)
    assert result.details["tpr_at_1_percent_fpr"] == "not estimable"
    assert result.details["tpr_at_01_percent_fpr"] == "not estimable"


def test_inconclusive_keeps_name_and_reason() -> None:
    result = inconclusive(ExactCopies(), "Why.")
    assert (result.name, result.reason) == ("exact_copies", "Why.")
