"""The inference engine against brute force over the whole joint table."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dpsynth.errors import InputError
from dpsynth.schema.domain import Domain
from dpsynth.synth.pgm.junction_tree import junction_tree
from dpsynth.synth.pgm.messages import MessagePasser
from dpsynth.synth.pgm.model import GraphicalModel

DOMAIN = Domain.from_sizes({"a": 2, "b": 3, "c": 4, "d": 1, "e": 3})
SCOPES = {
    "tree": [("a", "b"), ("c", "b"), ("b", "e")],
    "cycle": [("a", "b"), ("b", "c"), ("c", "e"), ("e", "a")],
    "triangle": [("a", "b"), ("b", "c"), ("a", "c")],
    "missing attributes": [("a", "c")],
    "duplicates": [("a", "b"), ("b", "a"), ("a", "b")],
    "subsets": [("a", "b", "c"), ("b", "c"), ("c",), ("e", "d", "c")],
    "disconnected": [("a", "b"), ("c", "e")],
    "empty scope": [()],
    "none": [],
    "whole": [("e", "d", "c", "b", "a")],
}


def brute(scopes: list[tuple[str, ...]], potentials: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Return the joint probabilities and log Z by adding everything up."""
    joint = np.zeros(DOMAIN.shape(DOMAIN.names))
    for scope, potential in zip(scopes, potentials, strict=True):
        numbers = [DOMAIN.index(name) for name in scope]
        order = np.argsort(numbers)
        shape = [1] * len(DOMAIN)
        for number in numbers:
            shape[number] = DOMAIN.attributes[number].size
        joint = joint + np.transpose(potential, order).reshape(shape)
    log_z = float(np.logaddexp.reduce(joint.ravel()))
    return np.exp(joint - log_z), log_z


def project(joint: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    numbers = [DOMAIN.index(name) for name in names]
    kept = sorted(numbers)
    table = joint.sum(axis=tuple(i for i in range(len(DOMAIN)) if i not in numbers))
    return np.transpose(table, [kept.index(n) for n in numbers])


@pytest.mark.parametrize("scale", [1.0, 30.0, 2000.0], ids=["mild", "steep", "underflowing"])
@pytest.mark.parametrize("name", SCOPES)
def test_every_marginal_equals_brute_force(name: str, scale: float) -> None:
    rng = np.random.default_rng(1)
    scopes = SCOPES[name]
    potentials = [rng.normal(0.0, scale, DOMAIN.shape(scope)) for scope in scopes]
    model = GraphicalModel.build(DOMAIN, scopes, potentials)
    joint, log_z = brute(scopes, potentials)
    assert model.log_z == pytest.approx(log_z, rel=1e-12, abs=1e-12)
    for size in range(len(DOMAIN) + 1):
        for names in itertools.permutations(DOMAIN.names, size):
            np.testing.assert_allclose(model.marginal(names), project(joint, names), atol=1e-12)


def test_the_log_domain_takes_over_where_the_linear_one_underflows() -> None:
    potentials = [np.array([0.0, -900.0]), np.array([[0.0, 0.0], [0.0, -900.0]])]
    far = [np.array([-1800.0, 0.0]), np.array([[0.0, -5.0], [3.0, 0.0]])]
    sizes, scopes = [2, 2], [(0,), (1, 0)]
    passer = MessagePasser(sizes, junction_tree(sizes, scopes), scopes)
    for tables in (potentials, far):
        flat = [t.ravel() for t in tables]
        linear, log = passer._calibrate_linear(flat), passer._calibrate_log(flat)
        assert linear is None or np.isclose(linear.log_z, log.log_z)
    chain = [(0, 1), (1, 2)]
    passer = MessagePasser([2, 2, 2], junction_tree([2, 2, 2], chain), chain)
    steep = np.array([0.0, -800.0, -800.0, -1600.0])
    assert passer._calibrate_linear([steep, steep]) is None
    assert np.isfinite(passer.calibrate([steep, steep]).log_z)


@pytest.mark.parametrize("seed", range(20))
def test_the_junction_tree_covers_and_hangs_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 12))
    sizes = rng.integers(1, 6, d).tolist()
    scopes = [
        rng.choice(d, int(rng.integers(0, min(d, 3) + 1)), replace=False).tolist()
        for _ in range(int(rng.integers(0, 2 * d)))
    ]
    tree = junction_tree(sizes, scopes)
    assert set().union(*tree.cliques) == set(range(d))
    for scope in scopes:
        assert set(scope) <= set(tree.cliques[tree.home(scope, sizes)])
    assert tree.parents[0] == -1
    for number, parent in enumerate(tree.parents[1:], 1):
        assert 0 <= parent < number
        shared = set(tree.cliques[number]) & set(tree.cliques[parent])
        assert set(tree.separators[number]) == shared
    for attribute in range(d):  # running intersection: one top clique an attribute
        holds = [attribute in clique for clique in tree.cliques]
        tops = [n for n, p in enumerate(tree.parents) if holds[n] and (p < 0 or not holds[p])]
        assert len(tops) == 1


def test_a_table_too_large_is_refused() -> None:
    domain = Domain.from_sizes({name: 1000 for name in "abc"})
    model = GraphicalModel.build(domain, [], [])
    with pytest.raises(InputError, match="fewer attributes"):
        model.marginal(("a", "b", "c"))


def test_a_potential_of_the_wrong_shape_or_infinite_is_refused() -> None:
    for bad in (np.zeros((3, 2)), np.full((2, 3), -np.inf)):
        with pytest.raises(ValueError, match="potential"):
            GraphicalModel.build(DOMAIN, [("a", "b")], [bad])
