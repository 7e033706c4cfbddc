"""Row numbers of nearest references against a brute-force truth."""

from __future__ import annotations

import numpy as np
import pytest
from dpsynth.attacks.closest_rows import closest_rows, closest_without
from dpsynth.attacks.neighbours import nearest_two, on_grid

from dpsynth.schema.domain import Attribute, Domain

SIZES = {"a": 3, "b": 40, "c": 5, "d": 12, "e": 2}
DOMAINS = {
    "mixed": Domain.from_sizes(SIZES, ordered=["b", "d"]),
    "nominal": Domain.from_sizes(SIZES),
    "ordered": Domain.from_sizes(SIZES, ordered=SIZES),
    "two columns": Domain.from_sizes({"a": 4, "b": 30}, ordered=["b"]),
    "special codes": Domain(
        (
            Attribute(name="x", size=9, n_ordered=6, positions=(0.0, 1.0, 2.0, 4.0, 8.0, 9.0)),
            Attribute(name="y", size=3),
        )
    ),
}


def table(domain: Domain, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, attribute.size, n) for attribute in domain], axis=1)


def parts(domain: Domain, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return every column's distance on the grid, shape (n, m, d) in the domain's order."""
    grid = on_grid(domain, queries, references)
    out = np.empty((len(queries), len(references), len(domain)))
    for place, column in enumerate(grid.order):
        gap = np.abs(grid.queries[:, place, None] - grid.references[None, place])
        ordered = np.minimum(gap, grid.steps)
        out[:, :, column] = ordered if place < grid.n_line else grid.steps * (gap > 0)
    return out


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("references", [3, 127, 128, 256, 257, 700])
def test_rows_are_those_of_a_stable_sort(name: str, references: int) -> None:
    """Few cells, so that most distances tie: the lowest number must win."""
    domain = DOMAINS[name]
    queries, others = table(domain, 60, 1), table(domain, references, 2)
    distances = parts(domain, queries, others)
    total = distances.sum(axis=2)
    for k in (1, 3):
        expected = np.argsort(total, axis=1, kind="stable")[:, :k]
        assert (closest_rows(domain, queries, others, k=k) == expected).all()
    found = closest_without(domain, queries, others, range(len(domain)))
    for column in range(len(domain)):
        rest = total - distances[:, :, column]
        assert (found[:, column] == rest.argmin(axis=1)).all()


def test_the_nearest_row_lies_at_the_nearest_distance() -> None:
    domain = DOMAINS["mixed"]
    queries, others = table(domain, 50, 3), table(domain, 300, 4)
    nearest = closest_rows(domain, queries, others)[:, 0]
    own = [
        nearest_two(domain, queries[i : i + 1], others[nearest[i] : nearest[i] + 1]).first[0]
        for i in range(len(queries))
    ]
    assert (np.array(own) == nearest_two(domain, queries, others).first).all()


def test_any_subset_of_columns_may_be_left_out() -> None:
    domain = DOMAINS["mixed"]
    queries, others = table(domain, 40, 5), table(domain, 300, 6)
    every = closest_without(domain, queries, others, range(len(domain)))
    assert (closest_without(domain, queries, others, [4, 1]) == every[:, [4, 1]]).all()


def test_many_special_codes_stay_apart() -> None:
    """Two columns and 3,000 special codes: places of 32 bits must not overflow or meet."""
    domain = Domain(
        (
            Attribute(name="x", size=3002, n_ordered=2, positions=(0.0, 1.0)),
            Attribute(name="y", size=2),
        )
    )
    codes = np.stack([np.arange(3002), np.zeros(3002, int)], axis=1)
    assert (closest_rows(domain, codes, codes)[:, 0] == np.arange(3002)).all()
    found = nearest_two(domain, codes, codes)
    assert (found.first == 0).all()
    assert found.second == pytest.approx(0.5)


@pytest.mark.parametrize("k", [0, 4])
def test_more_neighbours_than_references_are_refused(k: int) -> None:
    domain = DOMAINS["mixed"]
    with pytest.raises(ValueError, match="neighbours of 3 references"):
        closest_rows(domain, table(domain, 2, 1), table(domain, 3, 2), k=k)
