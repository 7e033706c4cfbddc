"""Counting the cells of targets, and the scores that are made of them."""

from __future__ import annotations

import numpy as np
import pytest
from dpsynth.attacks import cells
from dpsynth.attacks.api import AttackData
from dpsynth.attacks.cells import choose_queries, count_cells
from dpsynth.attacks.density import DensityRatio, histogram_log_ratio, neighbour_log_ratio
from dpsynth.attacks.neighbours import mean_nearest
from dpsynth.attacks.queries import TargetedQueries, query_scores

from dpsynth.results import AttackVerdict, Status
from dpsynth.schema.domain import Domain

SIZES = {"a": 5, "b": 40, "c": 3, "d": 7}
DOMAIN = Domain.from_sizes(SIZES, ordered=["b"])
ATTACKS = [TargetedQueries(), DensityRatio()]


def table(n: int, seed: int, domain: Domain = DOMAIN) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, a.size, n) for a in domain], axis=1)


def data(train: int = 600, holdout: int = 600, synthetic: int = 600) -> AttackData:
    return AttackData(
        domain=DOMAIN,
        train=table(train, 1),
        holdout=table(holdout, 2),
        synthetic=table(synthetic, 3),
    )


@pytest.mark.parametrize("dense", [2**20, 1])
@pytest.mark.parametrize("query", [(1,), (0, 2), (3, 1, 0), (0, 1, 2, 3)])
def test_counts_equal_comparing_all_rows(monkeypatch, dense: int, query: tuple[int, ...]) -> None:
    monkeypatch.setattr(cells, "_DENSE", dense)
    targets, one, two = table(30, 1), table(200, 2), table(90, 3).astype(np.uint8)
    found = count_cells(DOMAIN, query, targets, (one, two))
    for other, counts in zip((one, two), found.counts, strict=True):
        same = (targets[:, None, query] == other[None][:, :, query]).all(axis=2)
        np.testing.assert_array_equal(counts[found.at], same.sum(axis=1))
        assert counts.sum() == len(other)


def test_huge_domains_neither_overflow_nor_allocate() -> None:
    domain = Domain.from_sizes({f"c{j}": 2**30 for j in range(5)})
    rows = table(50, 4, domain)
    found = count_cells(domain, (0, 1, 2, 3, 4), rows, (rows, rows[:10]))
    assert found.counts[0].tolist() == [1] * 50
    assert found.counts[1][found.at].tolist() == [1] * 10 + [0] * 40


def test_queries_follow_names_not_the_order_of_columns() -> None:
    names = [f"c{j}" for j in range(30)]
    one = Domain.from_sizes(dict.fromkeys(names, 3))
    two = Domain.from_sizes(dict.fromkeys(names[::-1], 3))

    def named(domain: Domain, seed: int) -> set[frozenset[str]]:
        queries = choose_queries(domain, seed, ways=3, most=60)
        return {frozenset(domain.names[j] for j in query) for query in queries}

    assert named(one, 1) == named(two, 1)
    assert len(named(one, 1)) == 60
    assert named(one, 1) != named(one, 2)
    assert len(choose_queries(DOMAIN, 1, ways=2, most=60)) == 6
    assert choose_queries(DOMAIN.project(["a"]), 1, ways=2, most=60) == ()


def test_the_query_score_by_hand() -> None:
    domain = Domain.from_sizes({"a": 2, "b": 2})
    synthetic = np.array([[0, 0], [0, 0], [1, 1], [0, 1]])
    reference = np.array([[0, 0], [1, 1]])
    scores = query_scores(
        domain, [(0, 1)], np.array([[0, 0], [1, 1], [0, 1], [1, 0]]), synthetic, reference
    )
    # Twice as many synthetic rows: 2, 2, 0 and 0 are expected of 2, 1, 1 and 0, prior 2 * 0.25.
    # Misfit: (0 + 1 + 1 + 0) over pooled rates summing to 4, times 3: below 1, so no discount.
    expected = np.log([2.5 / 2.5, 1.5 / 2.5, 1.5 / 0.5, 0.5 / 0.5])
    np.testing.assert_allclose(scores, expected)


def test_a_query_that_the_output_never_fitted_is_hardly_listened_to() -> None:
    rng = np.random.default_rng(5)
    domain = Domain.from_sizes({"a": 20, "b": 20})
    reference = np.repeat(rng.integers(0, 20, 3000)[:, None], 2, axis=1)
    fitted = np.repeat(rng.integers(0, 20, 3000)[:, None], 2, axis=1)
    unfitted = rng.permuted(fitted, axis=0)
    spread = [
        query_scores(domain, [(0, 1)], reference[:50], s, reference).std()
        for s in (fitted, unfitted)
    ]
    assert spread[1] < spread[0] / 100


def test_equal_tables_have_density_ratio_one() -> None:
    rows = table(300, 6)
    np.testing.assert_allclose(
        histogram_log_ratio(DOMAIN, table(40, 7), rows, rows, 1), 0.0, atol=1e-9
    )
    np.testing.assert_array_equal(neighbour_log_ratio(DOMAIN, table(40, 7), rows, rows), 0.0)


def test_independent_histograms_are_a_product() -> None:
    """Where pairs carry nothing, the log ratio is that of the one-way histograms."""
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    domain = Domain.from_sizes({"a": 4, "b": 4})
    skewed = np.repeat(grid, (grid[:, 0] + 1) * 1000, axis=0)
    flat = np.repeat(grid, 2500, axis=0)
    found = histogram_log_ratio(domain, grid, skewed, flat, 1)
    np.testing.assert_allclose(found, np.log((grid[:, 0] + 1) / 2.5), atol=1e-3)


def test_copies_are_denser_than_the_reference_says() -> None:
    rows, others = table(50, 8), table(50, 9)
    found = neighbour_log_ratio(DOMAIN, np.concatenate([rows, others]), rows, others)
    assert (found[:50] > 0).mean() > 0.9
    np.testing.assert_allclose(
        found[:50], -neighbour_log_ratio(DOMAIN, rows, others, rows), atol=1e-12
    )


def test_mean_of_the_nearest_equals_sorting() -> None:
    rows = table(300, 11)
    line = np.abs(rows[:, None, 1] - rows[None, :, 1]) / 39
    apart = (rows[:, None] != rows[None]).astype(float)
    apart[:, :, 1] = line
    direct = np.sort(apart.mean(axis=2), axis=1)[:, 1:6].mean(axis=1)
    np.testing.assert_allclose(mean_nearest(DOMAIN, rows, 5), direct, atol=1e-6)
    with pytest.raises(ValueError, match="5 neighbours among 5 rows"):
        mean_nearest(DOMAIN, rows[:5], 5)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_fresh_rows_are_quiet_and_a_copy_is_found(attack) -> None:
    given = data()
    quiet = attack.run(given, 1)
    assert quiet.verdict is AttackVerdict.NO_LEAK_DETECTED
    assert quiet.members == quiet.non_members == 300
    assert quiet.details["reference_rows"] == 300
    copied = AttackData(
        domain=DOMAIN, train=given.train, holdout=given.holdout, synthetic=given.train
    )
    assert attack.run(copied, 1).verdict is AttackVerdict.LEAK_FOUND
    assert attack.run(given, 1) == quiet


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_too_little_is_inconclusive_with_a_reason(attack) -> None:
    few = attack.run(data(holdout=150), 1)
    assert few.status is Status.INCONCLUSIVE
    assert "became the reference" in few.reason
    assert attack.run(data(synthetic=0), 1).status is Status.INCONCLUSIVE
    assert attack.run(data(train=1), 1).status is Status.INCONCLUSIVE


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_constant_columns_and_single_rows_give_no_meaningless_number(attack) -> None:
    domain = Domain.from_sizes({"a": 1, "b": 30, "c": 1})
    given = AttackData(
        domain=domain,
        train=table(300, 1, domain),
        holdout=table(600, 2, domain),
        synthetic=table(1, 3, domain),
    )
    found = attack.run(given, 1)
    assert found.status is not Status.OK or np.isfinite(found.value)
    assert found.verdict is not AttackVerdict.LEAK_FOUND


def test_one_column_has_no_pairs() -> None:
    domain = DOMAIN.project(["b"])
    given = AttackData(
        domain=domain,
        **{
            name: table(400, seed, domain)
            for name, seed in (("train", 1), ("holdout", 2), ("synthetic", 3))
        },
    )
    assert "two columns" in TargetedQueries().run(given, 1).reason
    assert DensityRatio().run(given, 1).status is Status.OK
