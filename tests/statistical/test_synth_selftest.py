"""The self-test passes every honest sample and catches the two sampler faults met in the field.

False-alarm rate: FALSE_ALARM = 1e-9 a call by Agrawal's bound for independent draws; about 140
calls on honest samples here, so below 2e-7 in all. Each planted fault is caught on every seed.
"""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.privacy.measurement import Measurement
from dpsynth.schema.domain import Domain
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.pgm.model import GraphicalModel
from dpsynth.synth.selftest import FALSE_ALARM, check_sample

SEEDS = range(25)


def model_of(
    sizes: dict[str, int], scopes: list[tuple[str, ...]], spread: float, **shares: tuple[float, ...]
) -> MarginalModel:
    """A model with random potentials and some given shares, every code its own bin."""
    rng = np.random.default_rng(0)
    domain = Domain.from_sizes(sizes)
    potentials = [rng.normal(0, spread, domain.shape(s)) for s in scopes]
    for name, share in shares.items():
        scopes, potentials = [*scopes, (name,)], [*potentials, np.log(share)]
    graph = GraphicalModel.build(domain, scopes, potentials)
    return MarginalModel(
        method="mst",
        domain=domain,
        total=1000.0,
        partitions={name: np.arange(size) for name, size in sizes.items()},
        graph=graph,
        fine=tuple(graph.marginal((name,)) * 1000.0 for name in sizes),
        measurements=(
            Measurement(
                attributes=("a",),
                values=np.zeros(sizes["a"], dtype=np.int64),
                sigma=1.0,
                rho=1.0,
                ledger_seq=1,
            ),
        ),
    )


FORK = model_of({"a": 3, "b": 6, "c": 5, "d": 4}, [("a", "b"), ("a", "c"), ("d",)], 1.0)
# Rare codes of b are spread thin over 200 codes of a: most of their cells expect under half a row.
SPARSE = model_of(
    {"a": 200, "b": 6, "c": 4},
    [("a", "b"), ("b", "c")],
    0.3,
    b=(0.5, 0.3, 0.15, 0.03, 0.015, 0.005),
)
CYCLE = model_of(
    {n: 5 for n in "abcde"}, [(x, y) for x, y in zip("abcde", "bcdea", strict=True)], 2
)


def failed(model: MarginalModel, codes: np.ndarray, seed: int) -> list[str]:
    return [c.name for c in check_sample(model, codes, seed=seed) if not c.passed]


@pytest.mark.parametrize("rows", [50, 20_000])
@pytest.mark.parametrize("model", [FORK, SPARSE, CYCLE], ids=["fork", "sparse", "cycle"])
def test_honest_samples_pass(model: MarginalModel, rows: int) -> None:
    for seed in SEEDS:
        assert failed(model, model.sample(rows, seed=seed), seed) == []


def test_children_sorted_inside_their_parent_are_caught() -> None:
    """The fault of mbi 1.1.0: one-way and measured tables are perfect, b and c move together."""
    for seed in SEEDS:
        codes = FORK.sample(5000, seed=seed)
        for parent in range(3):
            rows = np.flatnonzero(codes[:, 0] == parent)
            for child in (1, 2):
                codes[rows, child] = np.sort(codes[rows, child])
        [name] = failed(FORK, codes, seed)
        assert "b x c" in name


def test_largest_remainder_on_a_sparse_table_is_caught() -> None:
    """Cells that expect less than half a row are never drawn: even the one-way tables are off."""
    rows = 8000
    joint = SPARSE.graph.marginal(("a", "b")) * rows
    given = SPARSE.graph.marginal(("b", "c"))
    given = given / given.sum(1, keepdims=True)
    counts = np.floor(joint).astype(np.int64)
    short = rows - counts.sum()
    best = np.argsort((counts - joint).ravel())[:short]
    counts.ravel()[best] += 1
    a, b = np.divmod(np.repeat(np.arange(joint.size), counts.ravel()), joint.shape[1])
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        c = (rng.random(rows)[:, None] > np.cumsum(given[b], axis=1)).sum(1).clip(0, 3)
        codes = np.column_stack([a, b, c]).astype(np.int32)
        assert any("one-way" in name for name in failed(SPARSE, codes, seed))


def test_codes_outside_the_domain_are_caught() -> None:
    codes = FORK.sample(100, seed=0)
    codes[3, 1] = 6
    assert failed(FORK, codes, 0) == ["codes inside the domain"]


def test_independent_draws_keep_the_limit_of_the_pairs_and_miss_the_bound_of_the_columns() -> None:
    """The limit of the pairs is made for independent draws: none of 60 samples may fail it.

    The bound of the one-way counts is one of our rounding, so draws without it must fail.
    """
    assert FALSE_ALARM == 1e-9
    rng = np.random.default_rng(7)
    joint = FORK.graph.marginal(("a", "b", "c", "d"))
    for seed in range(60):
        cells = rng.choice(joint.size, 3000, p=joint.ravel())
        codes = np.column_stack(np.unravel_index(cells, joint.shape)).astype(np.int32)
        [name] = failed(FORK, codes, seed)
        assert "one-way" in name
