"""A model of noisy marginals that the caller brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth.errors import InputError
from dpsynth.schema.domain import Domain
from dpsynth.synth.fixed import NoisyMarginal, fit_marginals
from dpsynth.synth.registry import load_model

DOMAIN = Domain.from_sizes({"a": 3, "b": 2, "c": 4})
SIGMA = 5.0


def joint() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.round(rng.dirichlet(np.ones(24)) * 20_000).reshape(3, 2, 4).astype(np.int64)


def noisy(*names: str, sigma: float = SIGMA) -> NoisyMarginal:
    axes = tuple(i for i, name in enumerate(DOMAIN.names) if name not in names)
    exact = joint().sum(axis=axes)
    order = np.argsort(np.argsort([DOMAIN.index(name) for name in names]))
    exact = np.transpose(exact, order)
    noise = np.rint(np.random.default_rng(len(names)).normal(0, sigma, exact.shape))
    return NoisyMarginal(attributes=names, values=exact + noise.astype(np.int64), sigma=sigma)


COLUMNS = [noisy("a"), noisy("b"), noisy("c")]


def test_the_model_follows_the_tables(tmp_path: Path) -> None:
    model = fit_marginals(DOMAIN, [*COLUMNS, noisy("b", "a"), noisy("c", "b")])
    assert model.total == pytest.approx(joint().sum(), abs=30)
    found = model.marginal(("a", "b"))
    assert np.abs(found - joint().sum(axis=2)).max() < 6 * SIGMA
    independent = np.outer(joint().sum((1, 2)), joint().sum((0, 2))) / joint().sum()
    assert np.abs(independent - joint().sum(axis=2)).max() > 20 * SIGMA
    model.save(tmp_path)
    again = load_model(tmp_path)
    np.testing.assert_array_equal(again.sample(100, seed=3), model.sample(100, seed=3))


def test_a_column_that_was_counted_twice_is_averaged() -> None:
    once = fit_marginals(DOMAIN, COLUMNS)
    twice = fit_marginals(DOMAIN, [*COLUMNS, *COLUMNS])
    assert twice.total_sigma == pytest.approx(once.total_sigma / np.sqrt(2.0))


@pytest.mark.parametrize(
    ("marginals", "match"),
    [
        (COLUMNS[:2], "counted by itself"),
        ([], "counted by itself"),
        ([*COLUMNS, NoisyMarginal(attributes=("a", "a"), values=np.zeros((3, 3), int), sigma=1)],
         "distinct"),
        ([*COLUMNS, NoisyMarginal(attributes=("x",), values=np.zeros(3, int), sigma=1)],
         "distinct"),
        ([*COLUMNS, NoisyMarginal(attributes=("a",), values=np.zeros(4, int), sigma=1)], "shape"),
        ([*COLUMNS, NoisyMarginal(attributes=("a",), values=np.zeros(3), sigma=1)], "whole"),
        ([*COLUMNS, NoisyMarginal(attributes=("a",), values=np.zeros(3, int), sigma=0.0)],
         "sigma"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(marginals: list[Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        fit_marginals(DOMAIN, marginals)


def test_a_model_that_would_be_too_large_is_refused() -> None:
    wide = Domain.from_sizes(dict.fromkeys("abcd", 100))
    pairs = [(x, y) for x in "abcd" for y in "abcd" if x < y]
    tables = [
        NoisyMarginal(attributes=(n,), values=np.full(100, 50), sigma=1.0) for n in "abcd"
    ] + [NoisyMarginal(attributes=p, values=np.zeros((100, 100), int), sigma=1.0) for p in pairs]
    with pytest.raises(InputError, match="Leave tables out"):
        fit_marginals(wide, tables)
