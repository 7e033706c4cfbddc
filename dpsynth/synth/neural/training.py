"""What the trained methods share: columns as torch sees them, descent on noisy gradients.

All of it is post-processing of noisy answers (Dwork and Roth 2014, Proposition 2.1). Random numbers
here come from a generator that the operating system seeds: they need not be secret, and they are no
privacy noise, which the Curator draws. Never true here: a row of the table.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from dpsynth.arrays import Floats32
from dpsynth.synth.neural.decoder import Decoder, Layer
from dpsynth.synth.oneway import OneWays

if TYPE_CHECKING:
    from dpsynth.privacy.training import Loss, NoisyGradients

#: Components of a fitted mixture; fewer where columns have so many bins that time would suffer.
COMPONENTS = 8192
_MOST_NUMBERS = 4_000_000
# A bin without a noisy count is not ruled out: one row in a million.
_LEAST_SHARE = 1e-6
# Adam (Kingma and Ba 2015), and how far back the average of the parameters reaches (Polyak).
_BETAS = (0.9, 0.99)
_AVERAGE = 0.98
_MATCHES = 25
# Widths of a product whose rows do not depend on their place: multiples of so many columns.
_ALIKE = 16

Parameters = Mapping[str, torch.Tensor]


def device() -> torch.device:
    """Return where networks are trained: a GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def generator() -> torch.Generator:
    """Return a source of random numbers for initial weights and made-up rows."""
    return torch.Generator().manual_seed(secrets.randbits(63))


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """The bins of all columns beside each other, and their noisy shares.

    Attributes:
        sizes: Number of bins of each column.
        shares: Noisy share of every bin, positive, summing to 1 in each column, shape (cells,).
        starts: Number of the first bin of each column, shape (d,).
        owner: Number of the column of each bin, shape (cells,).
    """

    sizes: tuple[int, ...]
    shares: torch.Tensor
    starts: torch.Tensor
    owner: torch.Tensor

    @classmethod
    def of(cls, one_ways: OneWays, where: torch.device) -> Columns:
        """Return the columns of noisy counts."""
        shares = [np.maximum(c / c.sum(), _LEAST_SHARE) for c in one_ways.coarse]
        sizes = tuple(len(column) for column in shares)
        return cls(
            sizes=sizes,
            shares=torch.tensor(
                np.concatenate([column / column.sum() for column in shares]),
                dtype=torch.float32,
                device=where,
            ),
            starts=torch.tensor(np.cumsum((0, *sizes[:-1])), device=where),
            owner=torch.tensor(np.repeat(np.arange(len(sizes)), sizes), device=where),
        )

    @property
    def cells(self) -> int:
        """Number of bins of all columns together."""
        return sum(self.sizes)

    @property
    def components(self) -> int:
        """Number of components of a mixture over these columns."""
        return max(1, min(COMPONENTS, _MOST_NUMBERS // self.cells))

    def places(self, bins: torch.Tensor) -> torch.Tensor:
        """Return the number of each bin among all bins, shape (..., d)."""
        return bins + self.starts

    def one_hot(self, bins: torch.Tensor) -> torch.Tensor:
        """Return rows of bins as indicators of all bins, float32, shape (..., cells)."""
        numbers = torch.arange(self.cells, device=bins.device)
        return (self.places(bins)[..., self.owner] == numbers).to(torch.float32)

    def softmax(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the distribution of each column, shape (..., cells)."""
        columns = torch.split(logits, list(self.sizes), dim=-1)
        return torch.cat([torch.softmax(column, dim=-1) for column in columns], dim=-1)

    def log_likelihood(self, logits: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the probability of rows of bins, shape (...)."""
        columns = torch.split(logits, list(self.sizes), dim=-1)
        norms = torch.stack([torch.logsumexp(column, dim=-1) for column in columns], dim=-1)
        return (logits.gather(-1, self.places(bins)) - norms).sum(-1)

    def draw(self, probabilities: torch.Tensor, source: torch.Generator) -> torch.Tensor:
        """Return one row of bins for each row of probabilities (n, cells), int64, shape (n, d)."""
        drawn = []
        for column in torch.split(probabilities, list(self.sizes), dim=1):
            ends = column.cumsum(dim=1)
            marks = torch.rand(len(column), 1, generator=source).to(column.device) * ends[:, -1:]
            drawn.append((ends <= marks).sum(dim=1).clamp(max=column.shape[1] - 1))
        return torch.stack(drawn, dim=1)

    def independent(self, rows: int, source: torch.Generator) -> torch.Tensor:
        """Return rows of independent columns drawn from the noisy shares, shape (rows, d)."""
        return self.draw(self.shares.expand(rows, -1), source)


def normal(*shape: int, source: torch.Generator, where: torch.device) -> torch.Tensor:
    """Return standard normal draws; always drawn on the CPU, so that devices agree."""
    return torch.randn(*shape, generator=source).to(where)


def product(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return ``rows @ weight``, shape (..., columns), in a width that libraries compute alike.

    A product of few columns is added up in an order that follows a row's place among the others,
    so that the last bits of one row's gradient would change where another row is missing. What is
    filled up is zero and cut off.
    """
    width = weight.shape[-1]
    filled = torch.nn.functional.pad(weight, (0, -width % _ALIKE))
    return (rows @ filled)[..., :width]


def descend(
    gradients: NoisyGradients, loss: Loss, parameters: Parameters, *, rate: float
) -> Parameters:
    """Take every step that was paid for and return the average of the late parameters.

    Adam with a rate that falls to zero along a half cosine (Loshchilov and Hutter 2017) and an
    exponential average of the parameters, as fits gradients that are mostly noise.

    Args:
        gradients: The steps.
        loss: Loss of one row.
        parameters: Where to begin; changed in place.
        rate: Learning rate of the first step.
    """
    optimiser = torch.optim.Adam(parameters.values(), lr=rate, betas=_BETAS)
    average = {name: value.clone() for name, value in parameters.items()}
    steps = gradients.steps_left
    for step in range(steps):
        noisy = gradients.step(loss, parameters)
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        for name, value in parameters.items():
            value.grad = noisy[name]
        optimiser.step()
        move(average, parameters, step)
    return average


def move(average: Parameters, parameters: Parameters, step: int) -> None:
    """Move an average towards parameters; the first ones weigh no more than later ones."""
    share = max(1.0 - _AVERAGE, 1.0 / (step + 1))
    with torch.no_grad():
        for name, value in average.items():
            value.lerp_(parameters[name], share)


def decoder_of(columns: Columns, layers: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> Decoder:
    """Return the decoder of (weight, bias) of each layer."""
    return Decoder(
        sizes=columns.sizes,
        layers=tuple(Layer(weight=_array(weight), bias=_array(bias)) for weight, bias in layers),
    )


def matched(columns: Columns, logits: torch.Tensor) -> torch.Tensor:
    """Return what to add to logits so that the mixture has the noisy shares of every column.

    The fixed point of adding the logarithm of wanted over found shares, a few times.

    Args:
        columns: The columns.
        logits: One row a component, shape (n, cells).

    Returns:
        Shape (cells,).
    """
    shift = torch.zeros_like(columns.shares)
    for _ in range(_MATCHES):
        found = columns.softmax(logits + shift).mean(dim=0)
        shift += torch.log(columns.shares / found.clamp(min=1e-3 * _LEAST_SHARE))
    return shift


def _array(values: torch.Tensor) -> Floats32:
    """Return numbers of a tensor that a model keeps."""
    return np.ascontiguousarray(values.detach().cpu().numpy(), dtype=np.float32)
