"""Samples of mixtures follow the mixture, and the self-test sees when they do not.

False-alarm rate: FALSE_ALARM = 1e-9 a call by Agrawal's bound for independent draws; 100 calls on
honest samples here, so below 1e-7 in all. Each planted fault is caught on every seed.
"""

from __future__ import annotations

import numpy as np
import pytest
from mixtures import model_of

from dpsynth.synth.neural.latents import NormalLatents
from dpsynth.synth.neural.mixture_model import MixtureModel

SEEDS = range(25)


def failed(model: MixtureModel, codes: np.ndarray, seed: int) -> list[str]:
    return [check.name for check in model.self_test(codes, seed=seed) if not check.passed]


@pytest.mark.parametrize("rows", [50, 20_000])
@pytest.mark.parametrize("tied", [False, True])
def test_honest_samples_pass(tied: bool, rows: int) -> None:
    model = model_of(tied=tied, count=200)
    for seed in SEEDS:
        assert failed(model, model.sample(rows, seed=seed), seed) == []


def test_a_shuffled_column_is_caught() -> None:
    """One-way tables are perfect, and the column no longer belongs to its rows."""
    model = model_of(count=200)
    for seed in SEEDS:
        codes = model.sample(5000, seed=seed)
        codes[:, 2] = np.random.default_rng(seed).permutation(codes[:, 2])
        [name] = failed(model, codes, seed)
        assert "pairs of columns" in name and "c" in name


def test_rows_of_another_decoder_are_caught() -> None:
    model, other = model_of(count=200), model_of(count=200, seed=1)
    for seed in SEEDS:
        assert len(failed(model, other.sample(5000, seed=seed), seed)) == 2


def test_rows_of_other_latent_points_are_caught() -> None:
    """A file whose points were drawn anew: the decoder is right, the mixture another one."""
    model = model_of(count=20)
    other = model_of(latents=NormalLatents(seed=8, count=20, dimension=3))
    for seed in SEEDS:
        assert failed(model, other.sample(20_000, seed=seed), seed)


def test_a_row_that_is_ruled_out_is_caught() -> None:
    model = model_of(tied=True, count=200)
    codes = model.sample(5000, seed=0)
    codes[17, :2] = 0, 1
    [name] = failed(model, codes, 0)
    assert "a x b" in name
