"""What the other units add to a sum does not depend on whether one unit is there.

The price of training rests on it. Sums are of whole numbers and exact; what could differ is the
last bits of one row's gradient, where a library adds up in another order for another place of the
row in its batch. The steps are the Curator's own, with everybody in every sample and no noise.
Products as narrow as the columns were such a case: without `training.product`, domains of 5, 6, 7,
9, 11 and 18 bins fail here for `vae` or `diffusion`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from dpsynth.privacy.measurement import TrainingQuery
from dpsynth.privacy.sampled import SampledSteps
from dpsynth.privacy.training import NoisyGradients
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth.neural import diffusion, gan, training, vae
from dpsynth.synth.neural.training import Columns

TRAIN: dict[str, Callable[..., Any]] = {
    "gan": partial(gan.train, label=None), "vae": vae.train, "diffusion": diffusion.train,
}  # fmt: skip
STEPS = SampledSteps(sampling_rate=0.02, noise_multiplier=3.0, steps=1)


class _AskedError(Exception):
    """The first question of a training was kept."""


class First:
    """Keeps the first loss and parameters that a method asks about."""

    steps_left, sigma = 1, 1.0

    def step(self, loss: Any, parameters: Any) -> None:
        self.loss = loss
        self.parameters = {k: v.detach().clone() for k, v in parameters.items()}
        raise _AskedError


class Everybody:
    """Entropy without chance: all take part, each row with its own draws; nothing is added."""

    def __init__(self, draws: np.ndarray) -> None:
        self.draws = draws
        self.sums = np.zeros(0, dtype=np.int64)

    def coins(self, size: int, rate: float) -> np.ndarray:
        return np.ones(size, dtype=bool)

    def normals(self, size: int) -> np.ndarray:
        filled = np.zeros(size)  # the rows that a batch is filled up with
        filled[: self.draws.size] = self.draws.ravel()
        return filled

    def on_sums(self, sums: np.ndarray) -> np.ndarray:
        self.sums = sums.copy()
        return sums


def asked(method: str, sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> First:
    """Return the first question of a method about columns of some sizes."""
    rng = np.random.default_rng(0)
    shares = np.concatenate([rng.dirichlet(5.0 * np.ones(size)) for size in sizes])
    columns = Columns(
        sizes=sizes,
        shares=torch.tensor(np.maximum(shares, 1e-6), dtype=torch.float32),
        starts=torch.tensor(np.cumsum((0, *sizes[:-1]))),
        owner=torch.tensor(np.repeat(np.arange(len(sizes)), sizes)),
    )
    monkeypatch.setattr(Columns, "of", lambda *_: columns)
    first = First()
    with pytest.raises(_AskedError):
        TRAIN[method](first, None)
    return first


def sums(first: First, sizes: tuple[int, ...], rows: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the whole numbers that rows (d, n) with draws (n, k) add, by the Curator's steps."""
    domain = Domain.from_sizes({f"c{i}": size for i, size in enumerate(sizes)})
    entropy = Everybody(draws)
    query = TrainingQuery(
        partitions={a.name: np.arange(a.size) for a in domain},
        sampling_rate=0.02, steps=1, rho=0.1, clip=1.0, divisor=1.0, normals=draws.shape[1],
    )  # fmt: skip
    gradients = NoisyGradients(
        CodedTable.build(domain, rows), query=query, planned=STEPS, entropy=entropy,
        drawn=lambda: None,
    )  # fmt: skip
    gradients.step(first.loss, first.parameters)
    return entropy.sums


@pytest.mark.parametrize(
    "sizes", [(3, 2), (3, 3), (4, 3), (5, 4), (5, 6), (7, 3, 2, 2, 4), (40, 9)]
)
@pytest.mark.parametrize("method", TRAIN)
def test_the_others_add_the_same(
    method: str, sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    normals = {"gan": 0, "vae": vae.DIMENSION, "diffusion": sum(sizes) + 1}[method]
    first = asked(method, sizes, monkeypatch)
    rng = np.random.default_rng(1)
    for count in (70, 800):
        rows = np.stack([rng.integers(0, size, count) for size in sizes]).astype(np.int32)
        draws = rng.normal(size=(count, normals))
        every = sums(first, sizes, rows, draws)
        alone = sums(first, sizes, rows[:, :1], draws[:1])
        others = sums(first, sizes, rows[:, 1:], draws[1:])
        assert np.array_equal(every - alone, others), f"of {count} rows"
        assert alone.any(), "the one unit adds something"


def test_a_product_is_that_of_its_numbers() -> None:
    rng = np.random.default_rng(0)
    for width in (1, 5, 16, 17):
        left, right = rng.normal(size=(9, 32)), rng.normal(size=(32, width))
        found = training.product(*(torch.from_numpy(x.astype(np.float32)) for x in (left, right)))
        np.testing.assert_allclose(found.numpy(), left @ right, rtol=1e-4, atol=1e-4)
