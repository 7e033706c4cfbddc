"""The neighbour kernel against a direct computation of Gower's distance."""

from __future__ import annotations

import numpy as np
import pytest
from dpsynth.attacks.neighbours import nearest_two, nearest_weights

from dpsynth.schema.domain import Attribute, Domain

POSITIONS = (0.0, 1.0, 2.5, 7.0, 7.5, 40.0)
DOMAIN = Domain(
    (
        Attribute(name="job", size=5),
        Attribute(name="age", size=9, n_ordered=6, positions=POSITIONS, blank=7, out_of_domain=8),
        Attribute(name="sex", size=2),
        Attribute(name="rank", size=4, n_ordered=4, positions=(0.0, 1.0, 2.0, 3.0)),
        Attribute(name="point", size=2, n_ordered=1, positions=(3.0,), blank=1),
        Attribute(name="town", size=300),
        Attribute(name="zone", size=3),
        Attribute(name="flag", size=2),
    )
)
STEPS = 2**24 // len(DOMAIN)


def gower(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    total = np.zeros((len(a), len(b)))
    for j, attribute in enumerate(DOMAIN):
        x, y = a[:, j, None].astype(int), b[None, :, j].astype(int)
        apart = (x != y).astype(float)
        if attribute.n_ordered > 1:
            place = np.append(attribute.positions, np.zeros(attribute.size - attribute.n_ordered))
            both = (x < attribute.n_ordered) & (y < attribute.n_ordered)
            extent = attribute.positions[-1] - attribute.positions[0]
            place = np.rint((place - place[0]) / extent * STEPS) / STEPS  # the documented grid
            apart = np.where(both, np.abs(place[x] - place[y]), apart)
        total += apart
    return total / len(DOMAIN)


def rows(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, a.size, n) for a in DOMAIN], axis=1).astype(np.uint16)


@pytest.mark.parametrize("m", [1, 2, 127, 128, 129, 256, 257, 1000])
def test_two_nearest_are_exact_at_every_tile_border(m: int) -> None:
    queries, references = rows(50, 1), rows(m, 2)
    found = nearest_two(DOMAIN, queries, references)
    direct = np.sort(gower(queries, references), axis=1)
    np.testing.assert_allclose(found.first, direct[:, 0], atol=1e-6)
    if m == 1:
        assert np.isnan(found.second).all()
    else:
        np.testing.assert_allclose(found.second, direct[:, 1], atol=1e-6)


def test_tiles_that_are_skipped_hold_nothing_nearer_and_no_tie() -> None:
    rng = np.random.default_rng(6)
    references = rows(40, 7)[rng.integers(0, 40, 3000)]
    column = rng.integers(0, len(DOMAIN), 1500)
    references[np.arange(1500), column] = rows(1500, 8)[np.arange(1500), column]
    queries = np.concatenate([references[rng.integers(0, 3000, 150)], rows(50, 9)])
    direct = np.rint(gower(queries, references) * len(DOMAIN) * STEPS)
    found = nearest_two(DOMAIN, queries, references)
    nearest = direct.min(axis=1)
    ties = direct == nearest[:, None]
    np.testing.assert_array_equal(found.first * len(DOMAIN) * STEPS, nearest)
    np.testing.assert_array_equal(
        found.second * len(DOMAIN) * STEPS, np.partition(direct, 1, axis=1)[:, 1]
    )
    np.testing.assert_array_equal(found.ties, ties.sum(axis=1))
    shares = (ties / ties.sum(axis=1, keepdims=True)).sum(axis=0)
    np.testing.assert_allclose(nearest_weights(DOMAIN, queries, references), shares, atol=1e-9)


def test_more_queries_than_one_step_and_progress_ends_at_one() -> None:
    queries, references = rows(9000, 3), rows(20, 4)
    seen: list[float] = []
    found = nearest_two(DOMAIN, queries, references, progress=seen.append)
    np.testing.assert_allclose(found.first, gower(queries, references).min(axis=1), atol=1e-6)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) == 3


def test_ties_are_counted_and_shared() -> None:
    row = rows(1, 5)
    other = row.copy()
    other[0, 0] = (row[0, 0] + 1) % 5
    references = np.concatenate([other, row, row, other, row])
    found = nearest_two(DOMAIN, row, references)
    assert (found.first[0], found.second[0], found.ties[0]) == (0.0, 0.0, 3)
    np.testing.assert_allclose(
        nearest_weights(DOMAIN, row, references), [0, 1 / 3, 1 / 3, 0, 1 / 3]
    )


def test_steps_up_and_down_the_line_tie() -> None:
    domain = Domain.from_sizes({"x": 5}, ordered=["x"])
    found = nearest_two(domain, np.array([[1], [3]]), np.array([[0], [2], [4]]))
    assert found.first.tolist() == [0.25, 0.25]
    assert found.ties.tolist() == [2, 2]


def test_weights_sum_to_the_queries_and_find_the_owner() -> None:
    queries, references = rows(400, 6), rows(700, 7)
    weights = nearest_weights(DOMAIN, queries, references)
    direct = gower(queries, references)
    nearest = np.isclose(direct, direct.min(axis=1, keepdims=True), rtol=0, atol=1e-9)
    np.testing.assert_allclose(weights, (nearest / nearest.sum(axis=1, keepdims=True)).sum(axis=0))
    assert weights.sum() == pytest.approx(400)


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_every_integer_type_gives_the_same(kind: type) -> None:
    queries, references = rows(20, 8) % 2, rows(30, 9) % 2
    a = nearest_two(DOMAIN, queries, references)
    b = nearest_two(DOMAIN, queries.astype(kind), references.astype(kind))
    np.testing.assert_array_equal(a.second, b.second)


def test_a_missing_code_is_as_far_as_can_be() -> None:
    domain = DOMAIN.project(["age"])
    found = nearest_two(domain, np.array([[7]]), np.array([[0], [5], [8]]))
    assert found.first[0] == 1.0
    assert found.ties[0] == 3


def test_no_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        nearest_two(DOMAIN, rows(3, 1), rows(3, 1)[:0])
