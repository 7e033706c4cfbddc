"""``gan``: a conditional generator against a critic of pairs of columns, trained by DP-SGD.

The critic is a factorisation machine (Rendle 2010): every bin has an embedding, and a row's score
is ``1/2 sum_k s_k ((sum_j e_jk)**2 - sum_j e_jk**2)``, signs s_k = +-1, over the embeddings of its
bins. It is linear in the indicators of each column, so its expectation over a product of
distributions, which is what the generator makes of a latent point, is exact. Only the critic meets
rows: each step is one noisy gradient of its score of real rows; that of generated ones needs no
data. It ascends the difference and keeps its embeddings orthonormal, as in McGan (Mroueh, Sercu and
Goel 2017).

The generator does not descend on the score, which under noise circles and never settles. It matches
what critics see (feature matching, Salimans et al. 2016): the gradient of a critic's score is the
expectation of its features, and each noisy one that was paid for stays valid for ever, so the
generator is fitted to those of all critics so far, by least squares, with a small price on the
information that a latent point holds about its row. As in CTGAN (Xu et al. 2019) it is conditional:
a part of the latent point is a value of the label, drawn from its noisy shares, which the row then
has.

Never true here: a gradient on a real row outside the Curator; a generator that meets one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from dpsynth.synth.neural.decoder import Decoder, Layer
from dpsynth.synth.neural.latents import Latents, StoredLatents
from dpsynth.synth.neural.torch_decoder import TorchDecoder
from dpsynth.synth.neural.training import (
    Columns,
    Parameters,
    device,
    generator,
    move,
    normal,
)
from dpsynth.synth.oneway import OneWays

if TYPE_CHECKING:
    from dpsynth.privacy.training import NoisyGradients

_FACTORS = 32
# Embeddings are scaled by share**-_POWER, so that rare bins count; 0.5 would be a chi-square score.
_POWER = 0.25
_LEAST_SHARE = 1e-3
# The share of rows of independent columns whose gradients are not cut down, and how many are tried.
_WHOLE, _TRIED = 0.95, 512
_LATENT, _WIDTH, _BLOCKS = 16, 128, 1
_RATE, _BETAS = 2e-3, (0.5, 0.9)
_SCALE = 0.02
# Points of a step of the generator; its steps after each critic, and once more for each at the end.
_POINTS, _STEPS, _LAST = 500, 2, 8
# Log likelihood that a nat of information about a row must gain.
_PRICE = 30.0
# Logit of a value of the label that is drawn: the others have e**-60 of it.
_CERTAIN = 60.0


def train(
    gradients: NoisyGradients, one_ways: OneWays, label: str | None
) -> tuple[Decoder, Latents]:
    """Return the generator and its latent points.

    Args:
        gradients: The steps that were paid for.
        one_ways: The noisy counts of every column.
        label: Column that the generator is conditioned on, if any.
    """
    where, source = device(), generator()
    columns = Columns.of(one_ways, where)
    critic = _Critic(columns, source)
    number = None if label is None else one_ways.domain.index(label)
    maker = _Generator(columns, number, source)
    steps = gradients.steps_left
    for _ in range(steps):
        seen = critic.step(gradients, source)
        critic.remember(seen, gradients.sigma)
        maker.match(critic, steps=_STEPS)
        with torch.no_grad():
            critic.ascend(seen, maker.probabilities(_TRIED))
    maker.match(critic, steps=_LAST * steps)
    return maker.export()


class _Critic:
    """The critic, and what all its past versions saw of real rows.

    With M the probabilities of pairs of bins of different columns, A the scaled embeddings and S
    the signs, the gradient of the mean score by the frame is ``scale * diag(w) M A S``. The sum of
    squares of what past critics saw less what they see of other pairs M is quadratic in M, so that
    two matrices hold all of it.
    """

    def __init__(self, columns: Columns, source: torch.Generator) -> None:
        cells = columns.cells
        factors = min(_FACTORS, cells)
        where = columns.shares.device
        self.columns = columns
        self.weight = columns.shares.clamp(min=_LEAST_SHARE)[:, None] ** -_POWER
        self.signs = 1.0 - 2.0 * (torch.arange(factors, device=where) % 2)
        self.frame = _orthonormal(normal(cells, factors, source=source, where=where))
        self.across = (columns.owner[:, None] != columns.owner).to(torch.float32)
        self.square = torch.zeros(cells, cells, device=where)
        self.linear = torch.zeros(cells, cells, device=where)
        self.scale = 1.0

    def step(self, gradients: NoisyGradients, source: torch.Generator) -> torch.Tensor:
        """Return the noisy mean features of real rows, shape (cells, factors).

        Scores are scaled so that few rows of independent columns have gradients above norm 1:
        cutting gradients down would distort what is matched.
        """
        embeddings = self.weight * self.frame
        rows = self.columns.places(self.columns.independent(_TRIED, source))
        own = embeddings[rows]
        norms = ((own.sum(1, keepdim=True) - own) * self.weight[rows]).square().sum((1, 2)).sqrt()
        self.scale = 1.0 / max(float(norms.quantile(_WHOLE)), 1e-3)

        def loss(p: Parameters, bins: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
            places = self.columns.places(bins)
            own = p["frame"][places] * self.weight[places]
            score = ((own.sum(0).square() - own.square().sum(0)) * self.signs).sum() / 2.0
            return -self.scale * score

        return -gradients.step(loss, {"frame": self.frame})["frame"] / self.scale

    def remember(self, seen: torch.Tensor, sigma: float) -> None:
        """Add what the critic saw of real rows to the sums, by the inverse of its variance."""
        embeddings = self.weight * self.frame
        precision = (self.scale / sigma) ** 2
        self.square += precision * embeddings @ embeddings.T
        self.linear += precision * self.weight * (seen * self.signs) @ embeddings.T

    def misfit(self, pairs: torch.Tensor) -> torch.Tensor:
        """Return minus the log likelihood of what all critics saw, but for a constant.

        Args:
            pairs: Probabilities of pairs of bins, shape (cells, cells).
        """
        squares = (pairs @ self.square) * pairs * self.weight**2
        return squares.sum() / 2.0 - (pairs * self.linear).sum()

    def pairs(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Return the probabilities of pairs of bins of different columns in a mixture."""
        return probabilities.T @ probabilities / len(probabilities) * self.across

    def ascend(self, seen: torch.Tensor, probabilities: torch.Tensor) -> None:
        """Move the frame along the difference of the scores of real and generated rows."""
        made = self.weight * (self.pairs(probabilities) @ (self.weight * self.frame)) * self.signs
        gap = seen - made
        size = torch.linalg.vector_norm(gap).clamp(min=1e-12)
        self.frame = _orthonormal(self.frame + gap * (math.sqrt(gap.shape[1]) / size))


class _Generator:
    """The generator: a decoder whose points hold a value of the label."""

    def __init__(self, columns: Columns, label: int | None, source: torch.Generator) -> None:
        where = columns.shares.device
        ends = np.cumsum((0, *columns.sizes))
        self.columns = columns
        self.source = source
        self.place = slice(0, 0) if label is None else slice(int(ends[label]), int(ends[label + 1]))
        self.values = self.place.stop - self.place.start
        self.network = TorchDecoder(
            columns.sizes,
            dimension=_LATENT + self.values,
            width=_WIDTH,
            blocks=_BLOCKS,
            generator=source,
        ).to(where)
        with torch.no_grad():
            *_, weight, bias = self.network.parameters()
            weight.mul_(_SCALE)
            bias.add_(torch.log(columns.shares))
        self.parameters: Parameters = dict(self.network.named_parameters())
        self.average = {name: value.detach().clone() for name, value in self.parameters.items()}
        self.optimiser = torch.optim.Adam(self.parameters.values(), lr=_RATE, betas=_BETAS)
        self.steps = 0

    def points(self, count: int) -> torch.Tensor:
        """Return latent points: normal draws beside a value of the label, which are stratified."""
        where = self.columns.shares.device
        drawn = normal(count, _LATENT, source=self.source, where=where)
        if not self.values:
            return drawn
        ends = self.columns.shares[self.place].cumsum(0)
        marks = (torch.arange(count, device=where) + 0.5) / count * ends[-1]
        chosen = torch.searchsorted(ends, marks).clamp(max=self.values - 1)
        return torch.cat([drawn, nn.functional.one_hot(chosen, self.values).to(drawn)], dim=1)

    def probabilities(self, count: int) -> torch.Tensor:
        """Return the distributions at new points, shape (count, cells)."""
        points = self.points(count)
        made: torch.Tensor = self.network(points)
        if not self.values:
            return made
        parts = made[:, : self.place.start], points[:, _LATENT:], made[:, self.place.stop :]
        return torch.cat(parts, dim=1)

    def match(self, critic: _Critic, *, steps: int) -> None:
        """Take steps towards what all critics saw of real rows."""
        for _ in range(steps):
            made = self.probabilities(_POINTS)
            told = (made * torch.log(made.clamp(min=1e-12) / self.columns.shares)).sum(1).mean()
            objective = critic.misfit(critic.pairs(made)) + _PRICE * told
            self.optimiser.zero_grad()
            torch.autograd.backward(objective)
            self.optimiser.step()
            move(self.average, self.parameters, self.steps)
            self.steps += 1

    def export(self) -> tuple[Decoder, Latents]:
        """Return the averaged generator, in which a value of the label decides its column."""
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(self.average[name])
        points = self.points(self.columns.components).cpu().numpy()
        decoder = self.network.cpu().export()
        return _passing(decoder, self.place), StoredLatents(values=np.ascontiguousarray(points))


def _passing(decoder: Decoder, place: slice) -> Decoder:
    """Return the decoder with hidden units that pass the last coordinates on to some columns.

    Args:
        decoder: The decoder.
        place: The bins that the coordinates stand for, each 0 or 1.
    """
    added = place.stop - place.start
    if not added:
        return decoder
    first, *middle, last = decoder.layers
    passed = np.eye(decoder.dimension, dtype=np.float32)[:, -added:]
    weight, bias = last.weight.copy(), last.bias.copy()
    weight[:, place], bias[place] = 0.0, 0.0
    decided = np.zeros((added, decoder.cells), dtype=np.float32)
    decided[:, place] = _CERTAIN * np.eye(added)
    none = np.zeros(added, dtype=np.float32)
    return Decoder(
        sizes=decoder.sizes,
        layers=(
            Layer(
                weight=np.hstack([first.weight, passed]), bias=np.concatenate([first.bias, none])
            ),
            *(
                Layer(
                    weight=np.pad(layer.weight, (0, added)), bias=np.concatenate([layer.bias, none])
                )
                for layer in middle
            ),
            Layer(weight=np.vstack([weight, decided]), bias=bias),
        ),
    )


def _orthonormal(vectors: torch.Tensor) -> torch.Tensor:
    """Return orthonormal columns that span what some columns span."""
    orthonormal: torch.Tensor = torch.linalg.qr(vectors).Q
    return orthonormal
