"""The ROC curve of an attack: exact steps, a band that holds everywhere, a claim refuted."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import pytest
from dpsynth.attacks.api import ALPHA, AttackData
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.roc import BAND, FEWEST, roc_curve
from dpsynth.attacks.scores import membership_result
from scipy.stats import beta, norm

from dpsynth.exact import clopper_pearson
from dpsynth.results import FALSE_POSITIVE_RATES, AttackResult, Roc, plain

MU = 0.5


def drawn(seed: int, mu: float = MU, rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Return scores whose true curve is that of the Gaussian mechanism with this mu."""
    rng = np.random.default_rng(seed)
    return rng.normal(mu, 1.0, rows), rng.normal(0.0, 1.0, rows)


def truth(rates: np.ndarray, mu: float = MU) -> np.ndarray:
    return norm.cdf(norm.ppf(rates) + mu)


def table(roc: Roc) -> np.ndarray:
    return np.array(roc.points)


def test_the_grid_runs_from_one_in_ten_thousand_to_one_in_ten_steps_a_decade() -> None:
    assert FALSE_POSITIVE_RATES[0] == 1e-4 and FALSE_POSITIVE_RATES[-1] == 1.0
    assert {0.001, 0.01, 0.1} < set(FALSE_POSITIVE_RATES)
    assert len(FALSE_POSITIVE_RATES) == 41


@pytest.mark.parametrize("rows", [100, 997, 5000, 30_000])
def test_it_starts_where_one_non_member_is_allowed(rows: int) -> None:
    roc = roc_curve(*drawn(1, rows=rows))
    first = max(1 / rows, 1e-4)
    assert roc.points[0][0] == min(rate for rate in FALSE_POSITIVE_RATES if rate >= first - 1e-12)
    assert roc.points[-1] == (1.0, 1.0, 1.0, 1.0)
    assert (roc.members, roc.non_members, roc.level) == (rows, rows, BAND)


@pytest.mark.parametrize("values", [3, 40, 10**9])
def test_every_point_is_what_counting_gives_also_with_ties(values: int) -> None:
    rng = np.random.default_rng(2)
    members, others = rng.integers(0, values, 700) + values // 9, rng.integers(0, values, 400)
    for rate, reached, _, _ in roc_curve(members, others).points[:-1]:
        thresholds = np.unique(np.concatenate([others, [members.max()]]))
        shares = [
            (members > t).mean() for t in thresholds if (others > t).sum() <= rate * 400 + 1e-9
        ]
        assert reached == max(shares, default=0.0)


def test_the_band_is_made_of_exact_limits_of_both_rates() -> None:
    members, others = drawn(3)
    roc = roc_curve(members, others, level=0.95)
    tail = 0.05 / (4 * (len(roc.points) - 1))
    down, j = np.sort(others)[::-1], np.arange(2000)
    at_most, at_least = beta.isf(tail, j + 1, 2000 - j), beta.ppf(tail, j + 1, 2000 - j)
    for rate, _, low, high in roc.points[:-1]:
        few = np.flatnonzero(at_most <= rate)
        hits = int((members > down[few[-1]]).sum()) if len(few) else 0
        assert low == pytest.approx(clopper_pearson(hits, 2000, 1 - 2 * tail).low)
        many = np.flatnonzero(at_least >= rate)
        hits = int((members >= down[many[0]]).sum()) if len(many) else 2000
        assert high == pytest.approx(clopper_pearson(hits, 2000, 1 - 2 * tail).high)


@pytest.mark.parametrize("rounded", [False, True], ids=["smooth", "ties"])
def test_the_band_holds_everywhere_at_its_level(rounded: bool) -> None:
    """At a true level of 50 %, more than 70 misses of 100 have probability 2e-5; ties only help."""
    missed = 0
    for seed in range(100):
        members, others = drawn(seed)
        if rounded:
            members, others = np.round(members), np.round(others)
        points = table(roc_curve(members, others, level=0.5))[:-1]
        true = truth(points[:, 0])
        if rounded:  # the largest rate of a threshold that lets through no more
            at = np.arange(-9.0, 9.0) + 0.5
            allowed = norm.sf(at)[None] <= points[:, :1]
            true = np.where(allowed, norm.sf(at - MU)[None], 0.0).max(axis=1)
        missed += bool(((points[:, 2] > true) | (points[:, 3] < true)).any())
    assert missed <= 70


def test_a_true_ceiling_is_not_passed_and_one_that_is_too_low_is() -> None:
    """A false alarm has probability below ALPHA / 2 a seed: one in 100 seeds, 5 %; fixed seeds."""
    above_true, above_false = 0, 0
    for seed in range(100):
        points = table(roc_curve(*drawn(seed)))[:-1]
        above_true += bool((points[:, 2] > truth(points[:, 0])).any())
        above_false += bool((points[:, 2] > truth(points[:, 0], MU - 0.4)).any())
    assert above_true == 0
    assert above_false >= 95


def test_a_few_copies_show_at_the_lowest_rates() -> None:
    """2 % of the members score above everybody: no rank sum, but the curve starts at 2 %."""
    members, others = drawn(4, mu=0.0, rows=5000)
    members[:100] = 9.0
    points = table(roc_curve(members, others))
    assert points[0, 1] >= 0.02
    ceiling = [Claim(epsilon=1.0, delta=1e-6).highest_tpr(rate) for rate in points[:, 0]]
    above = points[:, 2] > ceiling
    assert above.any() and points[above, 0].max() < 0.02


@pytest.mark.parametrize(("members", "others"), [(FEWEST - 1, 500), (500, FEWEST - 1), (0, 0)])
def test_too_few_rows_give_a_reason_and_no_point(members: int, others: int) -> None:
    roc = roc_curve(np.arange(float(members)), np.arange(float(others)))
    assert roc.points == ()
    assert "Fewer than 100" in roc.reason
    assert (roc.members, roc.non_members) == (members, others)


@dataclass(frozen=True)
class _Any:
    name: str = "any"
    title: str = "Any attack"
    all_rows: bool = True

    def run(self, data: AttackData, seed: int) -> AttackResult:
        raise NotImplementedError


def test_a_membership_result_carries_its_curve_as_plain_json() -> None:
    members, others = drawn(5)
    found = membership_result(_Any(), members, others, seed=1)
    assert found.roc == roc_curve(members, others)
    told = plain(asdict(found))["roc"]
    assert told["points"] == [list(point) for point in found.roc.points]
    assert told["level"] == 1 - ALPHA and math.isclose(told["level"], 0.999)
    few = membership_result(_Any(), members[:50], others[:50], seed=1)
    assert few.roc is not None and few.roc.reason


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({}, "points or a reason"),
        ({"points": ((0.1, 0.2, 0.1, 0.3),), "reason": "x"}, "points or a reason"),
        ({"points": ((0.1, 0.2, 0.1, 0.3), (0.2, 0.1, 0.1, 0.3))}, "never fall"),
        ({"points": ((0.1, 0.2, 0.25, 0.3),)}, "inside its band"),
        ({"points": ((0.1, 0.2, 0.1, 0.15),)}, "inside its band"),
    ],
)
def test_what_is_no_curve_is_refused(fault: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Roc(level=0.9, members=200, non_members=200, **fault)
