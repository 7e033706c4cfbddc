"""Which tables are measured: the greedy rule, the limits of the model, the triangulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from dpsynth.schema.domain import Domain
from dpsynth.synth.pgm.junction_tree import fits, junction_tree, neighbours
from dpsynth.synth.structure import Limits, Scored, chance, choose, noise

DOMAIN = Domain.from_sizes(dict.fromkeys("abcd", 10))
ROOM = Limits(clique=10_000, together=100_000, measured=100_000)
RHO = 0.01


def pair(names: str, gain: float, weight: float = 1.0) -> Scored:
    return Scored(attributes=tuple(names), cells=100, gain=gain, weight=weight)


def names(tables: list[Scored]) -> list[str]:
    return ["".join(table.attributes) for table in tables]


def test_noise_is_that_of_shared_gaussian_measurements() -> None:
    """Sum of cells * sigma * sqrt(2 / pi) with sigma of each share, times what consistency leaves.

    The factor .6 is the documented constant of the module.
    """
    tables = [
        Scored(attributes=("a", "b"), cells=100, gain=0.0),
        Scored(attributes=("c", "d"), cells=7, gain=0.0, weight=2.0),
    ]
    total = sum(t.cost for t in tables)
    direct = sum(
        t.weight * t.cells * 3 / math.sqrt(2 * RHO * t.cost / total) * math.sqrt(2 / math.pi)
        for t in tables
    )
    assert noise(tables, rho=RHO, unit_rows=3) == pytest.approx(0.6 * direct)


def test_a_table_is_taken_where_it_gains_more_than_its_noise() -> None:
    alone = noise([pair("ab", 0.0)], rho=RHO, unit_rows=1)
    for gain, wanted in ((alone * 1.01, ["ab"]), (alone * 0.99, []), (-5.0, [])):
        tables = [pair("ab", gain)]
        assert names(choose(DOMAIN, tables, rho=RHO, unit_rows=1, limits=ROOM)) == wanted
    # The second one must also pay for what it takes from the first.
    tables = [pair("ab", 100 * alone), pair("cd", 1.6 * alone)]
    assert names(choose(DOMAIN, tables, rho=RHO, unit_rows=1, limits=ROOM)) == ["ab"]
    tables = [pair("ab", 100 * alone), pair("cd", 1.6 * alone, weight=3.0)]
    assert names(choose(DOMAIN, tables, rho=RHO, unit_rows=1, limits=ROOM)) == ["ab", "cd"]


def test_given_tables_come_first_whatever_they_gain() -> None:
    tables = [pair("ab", 1e9), pair("cd", -7.0)]
    chosen = choose(DOMAIN, tables, given=[("c", "d")], rho=RHO, unit_rows=1, limits=ROOM)
    assert names(chosen) == ["cd", "ab"]


@pytest.mark.parametrize(
    ("limits", "most"),
    [(ROOM, 6), (Limits(clique=1000, together=100_000, measured=100_000), 5),
     (Limits(clique=100, together=100_000, measured=100_000), 3),
     (Limits(clique=10_000, together=99, measured=100_000), 0),
     (Limits(clique=10_000, together=100_000, measured=250), 2)],
)  # fmt: skip
def test_the_model_keeps_to_its_limits(limits: Limits, most: int) -> None:
    tables = [pair("".join(p), 1e9) for p in itertools.combinations("abcd", 2)]
    chosen = choose(DOMAIN, tables, rho=1.0, unit_rows=1, limits=limits)
    assert len(chosen) == most
    scopes = [[DOMAIN.index(n) for n in t.attributes] for t in chosen]
    tree = junction_tree([10] * 4, scopes)
    assert max(10 ** len(c) for c in tree.cliques) <= max(limits.clique, 10)


def test_chance_is_the_mean_deviation_of_counts() -> None:
    rng = np.random.default_rng(0)
    model = np.array([[0.05, 400.0], [30.0, 4.0]])
    drawn = np.abs(rng.poisson(model, (20_000, 2, 2)) - model).sum((1, 2)).mean()
    assert chance(model) == pytest.approx(drawn, rel=0.05)


def reference(sizes: list[int], near: np.ndarray) -> list[frozenset[int]]:
    """Min-fill elimination, written for clarity: fill, then cells, then number."""
    around = [set(np.flatnonzero(row).tolist()) for row in near]
    left, made = set(range(len(sizes))), []
    while left:

        def price(a: int) -> tuple[int, int, int]:
            fill = sum(1 for b, c in itertools.combinations(around[a], 2) if c not in around[b])
            return fill, math.prod(sizes[b] for b in around[a] | {a}), a

        chosen = min(left, key=price)
        made.append(frozenset(around[chosen] | {chosen}))
        for a in around[chosen]:
            around[a] = (around[a] | around[chosen]) - {a, chosen}
        left.remove(chosen)
    return made


@pytest.mark.parametrize("seed", range(30))
def test_triangulation_equals_a_plain_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 14))
    sizes = rng.integers(1, 7, count).tolist()
    edges = [(a, b) for a, b in itertools.combinations(range(count), 2) if rng.random() < 0.3]
    near = neighbours(count, edges)
    made = reference(sizes, near)
    tree = junction_tree(sizes, edges)
    assert {frozenset(c) for c in tree.cliques} == {
        c for c in made if not any(c < other for other in made)
    }
    cells = [math.prod(sizes[a] for a in clique) for clique in made]
    assert fits(near, sizes, max(cells), sum(cells))
    assert not fits(near, sizes, max(cells) - 1, sum(cells))
    assert not fits(near, sizes, max(cells), sum(cells) - 1)
