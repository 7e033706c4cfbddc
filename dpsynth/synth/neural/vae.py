"""``vae``: a variational autoencoder (Kingma and Welling 2014) trained by DP-SGD.

The encoder is a sum of embeddings of a row's bins, as deviations from their noisy mean, and gives
mean and log variance of the latent point; the decoder is one hidden layer, its output biases
beginning at the logarithm of the noisy shares, so that the untrained model is that of independent
columns. The loss of a row is its evidence lower bound, with one draw of the latent point. What is
kept is the decoder: points drawn from the prior are the components of the mixture, and the last
biases are moved so that its columns have the noisy shares. Never true here: an encoded row that
outlives its step.
"""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING

import numpy as np
import torch

from dpsynth.synth.neural.decoder import Decoder
from dpsynth.synth.neural.latents import Latents, NormalLatents
from dpsynth.synth.neural.training import (
    Columns,
    Parameters,
    decoder_of,
    descend,
    device,
    generator,
    matched,
    normal,
    product,
)
from dpsynth.synth.oneway import OneWays

if TYPE_CHECKING:
    from dpsynth.privacy.training import NoisyGradients

#: Of the latent space.
DIMENSION = 8
_WIDTH = 32
_RATE = 0.015
# Small weights at first: latent points hardly matter, and learn to.
_SCALE = 0.3
# Log variances outside would let one row's draw decide.
_LOG_VARIANCE = (-6.0, 3.0)


def train(gradients: NoisyGradients, one_ways: OneWays) -> tuple[Decoder, Latents]:
    """Return the decoder and points of the prior.

    Args:
        gradients: The steps that were paid for; each row's loss gets DIMENSION normal draws.
        one_ways: The noisy counts of every column.
    """
    where = device()
    columns = Columns.of(one_ways, where)
    centre, logs = columns.shares, torch.log(columns.shares)

    def loss(p: Parameters, bins: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
        code = p["embedding"][columns.places(bins)].sum(0) - centre @ p["embedding"] + p["code"]
        mean, log_variance = code[:DIMENSION], code[DIMENSION:].clamp(*_LOG_VARIANCE)
        point = mean + torch.exp(log_variance / 2.0) * normals
        divergence = (mean**2 + torch.exp(log_variance) - 1.0 - log_variance).sum() / 2.0
        return divergence - columns.log_likelihood(_logits(p, point) + logs, bins)

    learned = descend(gradients, loss, _first(columns, where), rate=_RATE)
    points = NormalLatents(seed=secrets.randbits(63), count=columns.components, dimension=DIMENSION)
    every = torch.from_numpy(points.points(np.arange(points.count))).to(where)
    bias = learned["out_bias"] + logs
    bias = bias + matched(columns, _logits(learned, every) + logs)
    return (
        decoder_of(columns, [(learned["in"], learned["in_bias"]), (learned["out"], bias)]),
        points,
    )


def _first(columns: Columns, where: torch.device) -> Parameters:
    """Return the parameters before the first step."""
    source = generator()
    scale = _SCALE / math.sqrt(len(columns.sizes))
    embedding = scale * normal(columns.cells, 2 * DIMENSION, source=source, where=where)
    embedding[:, DIMENSION:] = 0.0
    return {
        "embedding": embedding,
        "code": torch.zeros(2 * DIMENSION, device=where),
        "in": normal(DIMENSION, _WIDTH, source=source, where=where) / math.sqrt(DIMENSION),
        "in_bias": torch.zeros(_WIDTH, device=where),
        "out": _SCALE
        / math.sqrt(_WIDTH)
        * normal(_WIDTH, columns.cells, source=source, where=where),
        "out_bias": torch.zeros(columns.cells, device=where),
    }


def _logits(p: Parameters, points: torch.Tensor) -> torch.Tensor:
    """Return what the decoder adds to the logarithm of the noisy shares, shape (..., cells)."""
    hidden = torch.relu(points @ p["in"] + p["in_bias"])
    return product(hidden, p["out"]) + p["out_bias"]
