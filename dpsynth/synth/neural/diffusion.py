"""``diffusion``: denoising of rows, for categorical columns, trained by DP-SGD.

A row is its indicators of all bins, to which Gaussian noise of a level s is added; the network
predicts the distribution of each column of the clean row, by cross-entropy (Dieleman et al. 2022),
which gives the mean that a step towards less noise needs (Ho, Jain and Abbeel 2020; Song et al.
2021). What a column's own noisy indicators say about it is known exactly, by Bayes' rule from the
noisy shares: logits ``log share + u / s**2``. The network adds to these what the other columns say,
so that the untrained model is that of independent columns. What is kept are the logits at the ends
of as many chains of denoising as the mixture has components, with the columns' noisy shares. Never
true here: a chain that begins at a row of the table; its rows are made of noisy shares.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from dpsynth.synth.neural.decoder import Decoder
from dpsynth.synth.neural.latents import Latents, StoredLatents
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

_WIDTH = 32
_RATE = 0.02
_SCALE = 0.3
#: Least and largest noise level: below, a column says all about itself; above, next to nothing.
LEVELS = (0.4, 1.5)
_STEPS = 16
_CHUNK = 2048


def train(gradients: NoisyGradients, one_ways: OneWays) -> tuple[Decoder, Latents]:
    """Return a decoder that only adds to logits, and the logits at the ends of the chains.

    Args:
        gradients: The steps that were paid for; each row's loss gets one normal draw for each bin
            and one for the noise level.
        one_ways: The noisy counts of every column.
    """
    where = device()
    columns = Columns.of(one_ways, where)
    low, high = map(math.log, LEVELS)

    def loss(p: Parameters, bins: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
        uniform = torch.special.ndtr(normals[-1])
        level = torch.exp(low + (high - low) * uniform)
        noisy = columns.one_hot(bins) + level * normals[:-1]
        return -columns.log_likelihood(_logits(p, columns, noisy, level), bins)

    learned = descend(gradients, loss, _first(columns, where), rate=_RATE)
    source = generator()
    with torch.no_grad():
        ends = torch.cat(
            [
                _chains(learned, columns, min(_CHUNK, columns.components - start), source)
                for start in range(0, columns.components, _CHUNK)
            ]
        )
        ends += matched(columns, ends)
    return (
        decoder_of(columns, []),
        StoredLatents(values=np.ascontiguousarray(ends.cpu().numpy())),
    )


def _first(columns: Columns, where: torch.device) -> Parameters:
    """Return the parameters before the first step."""
    source = generator()
    return {
        "in": normal(columns.cells, _WIDTH, source=source, where=where)
        / math.sqrt(len(columns.sizes)),
        "in_bias": torch.zeros(_WIDTH, device=where),
        "level": torch.zeros(2, _WIDTH, device=where),
        "out": _SCALE / math.sqrt(_WIDTH)
        * normal(_WIDTH, columns.cells, source=source, where=where),
        "out_bias": torch.zeros(columns.cells, device=where),
    }  # fmt: skip


def _logits(
    p: Parameters, columns: Columns, noisy: torch.Tensor, level: torch.Tensor
) -> torch.Tensor:
    """Return the logits of the clean row at a noise level, shape (..., cells)."""
    own = noisy / level**2 + torch.log(columns.shares)
    low, high = map(math.log, LEVELS)
    angle = math.pi * (torch.log(level) - low) / (high - low)
    times = torch.stack([torch.sin(angle), torch.cos(angle)]) @ p["level"]
    surprise = columns.softmax(own) - columns.shares
    hidden = torch.tanh(surprise @ p["in"] + p["in_bias"] + times)
    return own + product(hidden, p["out"]) + p["out_bias"]


def _chains(p: Parameters, columns: Columns, count: int, source: torch.Generator) -> torch.Tensor:
    """Return the logits at the ends of some chains, from the largest noise level to the least.

    A chain draws a clean row from the distribution that the network predicts, and then what the
    next, smaller level would show of it beside the present one.
    """
    where = columns.shares.device
    least, most = map(math.log, LEVELS)
    levels = torch.exp(torch.linspace(most, least, _STEPS, device=where))
    rows = columns.one_hot(columns.independent(count, source))
    noisy = rows + levels[0] * normal(count, columns.cells, source=source, where=where)
    for level, following in zip(levels[:-1], levels[1:], strict=True):
        predicted = columns.softmax(_logits(p, columns, noisy, level))
        rows = columns.one_hot(columns.draw(predicted, source))
        kept = (following / level) ** 2
        fresh = normal(count, columns.cells, source=source, where=where)
        noisy = rows + kept * (noisy - rows) + following * torch.sqrt(1.0 - kept) * fresh
    return _logits(p, columns, noisy, levels[-1])
