"""Drawn rows follow the model: under a condition, and in many small blocks together.

All counts are compared with a joint table that is multiplied out by hand, by Pearson's chi-square
at ALPHA. The statistic is that of independent draws; ours are stratified and vary less, so that the
probability of a false alarm is below ALPHA a test, and below 1e-8 in all. The same test must reject
three faults: values that are not shuffled (mbi 1.1.0), largest-remainder rounding, and a
condition that is written over the rows of the whole model.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from scipy.stats import chi2

from dpsynth.pipeline.drawing import text_blocks
from dpsynth.schema.codec import Codec
from dpsynth.schema.dictionary import (
    CategoryDomain,
    Column,
    Dictionary,
    Kind,
    PatternDomain,
    PrivacyUnitSpec,
    Role,
)
from dpsynth.schema.domain import Domain
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.pgm.model import GraphicalModel

ALPHA = 1e-9
SEEDS = range(20)
BINS = {"a": 3, "b": 4, "c": 3, "d": 2, "e": 3}
# Two cliques of three columns that share a pair, and a leaf.
SCOPES = [("a", "b", "c"), ("b", "c", "d"), ("d", "e")]
PARTITION = np.array([0, 1, 0, 2, 1, 3, 1, 0])  # of the 8 fine codes of b
FINE = np.array([3.0, 1.0, 0.0, 2.0, 0.5, 0.0, 2.5, 1.0])  # code 2 has no weight, bin 3 none


def small_model(spread: float = 0.6) -> tuple[MarginalModel, np.ndarray]:
    """Return a model and its joint distribution over the fine codes, multiplied out."""
    rng = np.random.default_rng(5)
    coarse = Domain.from_sizes(BINS)
    potentials = [rng.normal(0, spread, coarse.shape(scope)) for scope in SCOPES]
    log = sum(
        p.reshape([BINS[n] if n in scope else 1 for n in BINS])
        for scope, p in zip(SCOPES, potentials, strict=True)
    )
    mass = np.bincount(PARTITION, weights=FINE)[PARTITION]
    inside = np.where(mass > 0, FINE / np.maximum(mass, 1e-300), 1.0)
    joint = np.exp(log)[:, PARTITION] * inside[None, :, None, None, None]
    partitions = {name: np.arange(size) for name, size in BINS.items()} | {"b": PARTITION}
    model = MarginalModel(
        method="cliquetree",
        domain=Domain.from_sizes(BINS | {"b": 8}),
        total=1000.0,
        partitions=partitions,
        graph=GraphicalModel.build(coarse, SCOPES, potentials),
        fine=tuple(FINE if name == "b" else np.ones(size) for name, size in BINS.items()),
        measurements=(),
    )
    return model, joint / joint.sum()


def p_value(samples: Iterable[np.ndarray], joint: np.ndarray) -> float:
    """Return the p-value of Pearson's chi-square of all samples together; 0 for what cannot be."""
    observed = sum(
        np.bincount(np.ravel_multi_index(tuple(s.T), joint.shape), minlength=joint.size)
        for s in samples
    )
    wanted = joint.ravel() * observed.sum()
    if observed[wanted == 0].any():
        return 0.0
    observed, wanted = observed[wanted > 0], wanted[wanted > 0]
    assert wanted.min() > 5, "the chi-square distribution needs expectations of a few rows"
    return float(chi2.sf(((observed - wanted) ** 2 / wanted).sum(), wanted.size - 1))


def conditional(joint: np.ndarray, **codes: int) -> np.ndarray:
    kept = np.zeros_like(joint)
    at = tuple(codes.get(name, slice(None)) for name in BINS)
    kept[at] = joint[at]
    return kept / kept.sum()


def sorted_children(codes: np.ndarray) -> np.ndarray:
    """The fault of mbi 1.1.0: inside each value of the parent d, a and e come sorted alike."""
    codes = codes.copy()
    for parent in range(2):
        rows = np.flatnonzero(codes[:, 3] == parent)
        rows = rows[np.argsort(codes[rows, 0], kind="stable")]
        codes[rows, 4] = np.sort(codes[rows, 4])
    return codes


def largest_remainder(joint: np.ndarray, rows: int) -> np.ndarray:
    """Round a sparse joint table by largest remainders: small cells are never drawn."""
    expected = joint.ravel() * rows
    counts = np.floor(expected).astype(np.int64)
    counts[np.argsort(counts - expected)[: rows - counts.sum()]] += 1
    return np.stack(np.unravel_index(np.repeat(np.arange(joint.size), counts), joint.shape), 1)


@pytest.mark.parametrize(
    "codes", [{"b": 4}, {"b": 5}, {"a": 1, "e": 2}, {"d": 0, "b": 7, "c": 1}], ids=str
)
def test_rows_under_a_condition_follow_the_conditional_law(codes: dict[str, int]) -> None:
    model, joint = small_model()
    given = model.given(codes)
    law = conditional(joint, **codes)
    at = {list(BINS).index(name): code for name, code in codes.items()}
    share = joint[tuple(at.get(axis, slice(None)) for axis in range(5))].sum()
    assert given.total == pytest.approx(1000.0 * share, rel=1e-9)
    np.testing.assert_allclose(given.marginal(tuple(BINS)) / given.total, law, atol=1e-12)
    samples = [given.sample(3000, seed=seed) for seed in SEEDS]
    for rows in samples:
        assert rows.shape == (3000, 5)
        assert all((rows[:, axis] == code).all() for axis, code in at.items())
    assert p_value(samples, law) > ALPHA
    whole = [model.sample(3000, seed=seed) for seed in SEEDS]
    for rows in whole:
        for axis, code in at.items():
            rows[:, axis] = code
    assert p_value(whole, law) < ALPHA, "the rows of the whole model, with the values written over"
    if "d" not in codes and "e" not in codes:
        faulty = [sorted_children(rows) for rows in samples]
        assert p_value(faulty, law) < ALPHA, "children that are not shuffled"


def test_small_samples_under_a_condition_are_not_biased() -> None:
    """30 rows on 54 cells: a cell expects half a row and still comes up as often as it should."""
    model, joint = small_model()
    law = conditional(joint, b=4)
    given = model.given({"b": 4})
    assert p_value([given.sample(30, seed=seed) for seed in range(600)], law) > ALPHA
    assert p_value([largest_remainder(law, 30)] * 600, law) < ALPHA


def categories() -> tuple[MarginalModel, Codec, np.ndarray]:
    """Return a model of declared categories, its codec, and its joint distribution."""
    columns = [
        Column(
            name=name,
            kind=Kind.CATEGORICAL,
            role=Role.OTHER,
            meaning="",
            domain=CategoryDomain(categories=tuple(f"{name}{i}" for i in range(size))),
        )
        for name, size in {"x": 2, "y": 3, "z": 2}.items()
    ]
    key = Column(
        name="key",
        kind=Kind.ID,
        role=Role.DIRECT_IDENTIFIER,
        meaning="",
        domain=PatternDomain(pattern=r"P\d{3}"),
    )
    codec = Codec.from_dictionary(
        Dictionary(title="t", columns=(key, *columns), privacy_unit=PrivacyUnitSpec(kind="row"))
    )
    scopes = [("x", "y", "z")]
    potentials = [np.random.default_rng(1).normal(0, 0.6, codec.domain.shape(scopes[0]))]
    graph = GraphicalModel.build(codec.domain, scopes, potentials)
    model = MarginalModel(
        method="cliquetree",
        domain=codec.domain,
        total=1000.0,
        partitions={a.name: np.arange(a.size) for a in codec.domain},
        graph=graph,
        fine=tuple(np.ones(a.size) for a in codec.domain),
        measurements=(),
    )
    joint = np.exp(potentials[0])
    return model, codec, joint / joint.sum()


def test_blocks_together_follow_the_model() -> None:
    """Blocks of 70 rows on 80 cells: what one block rounds, no other block repeats."""
    model, codec, joint = categories()
    samples = []
    for seed in SEEDS:
        blocks = list(
            text_blocks(model, codec, 1000, seed=np.random.SeedSequence(seed), block_rows=70)
        )
        assert [block.num_rows for block in blocks] == [70] * 14 + [20]
        keys = [key for block in blocks for key in block.column("key").to_pylist()]
        assert len(set(keys)) == 1000
        codes = [codec.encode({n: b.column(n) for n in "xyz"}).T.astype(np.int64) for b in blocks]
        samples.append(np.concatenate(codes))
    assert p_value(samples, joint) > ALPHA
    assert p_value([largest_remainder(joint, 70)] * 286, joint) < ALPHA
    one_seed = [model.sample(70, seed=seed) for seed in SEEDS for _ in range(14)]
    assert p_value(one_seed, joint) < ALPHA, "every block of a file from one seed"
