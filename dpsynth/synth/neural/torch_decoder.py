"""The decoder as torch trains it: the same map as ``decoder.py``, with gradients.

Never true here: a module that is imported unless a method is fitted; torch is an extra.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from dpsynth.synth.neural.decoder import Decoder, Layer, layer_shapes


class TorchDecoder(nn.Module):
    """The network of :class:`dpsynth.synth.neural.decoder.Decoder`, to be trained.

    Args:
        sizes: Number of bins of each column.
        dimension: Of the latent space.
        width: Number of hidden units.
        blocks: Number of residual blocks.
        generator: Source of the first weights: He et al. (2015); the second layer of a residual
            block begins at zero, so that a block is the identity at first.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        dimension: int,
        width: int,
        blocks: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.sizes = list(sizes)
        shapes = layer_shapes(dimension, width, blocks, sum(sizes))
        layers = [nn.Linear(*shape) for shape in shapes]
        self.layers = nn.ModuleList(layers)
        self.last = layers[-1]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)
        for layer in layers[2:-1:2]:
            nn.init.zeros_(layer.weight)

    def begin_at(self, logits: Sequence[torch.Tensor]) -> None:
        """Move what the last layer adds to the logits of each column."""
        with torch.no_grad():
            self.last.bias.copy_(torch.cat(list(logits)))

    def logits(self, points: torch.Tensor) -> torch.Tensor:
        """Return the logits of all bins at latent points, shape (n, cells)."""
        first, *middle, last = self.layers
        hidden = torch.relu(first(points))
        for inner, outer in zip(middle[::2], middle[1::2], strict=True):
            hidden = hidden + outer(torch.relu(inner(hidden)))
        out: torch.Tensor = last(hidden)
        return out

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Return the distribution of each column at latent points, shape (n, cells)."""
        columns = torch.split(self.logits(points), self.sizes, dim=1)
        return torch.cat([torch.softmax(column, dim=1) for column in columns], dim=1)

    def export(self) -> Decoder:
        """Return the decoder as it is sampled from, in single precision."""
        layers = []
        for layer in self.layers:
            weight, bias = (value.detach().numpy() for value in layer.parameters())
            layers.append(  # torch keeps weights the other way round
                Layer(
                    weight=np.ascontiguousarray(weight.T, dtype=np.float32),
                    bias=np.array(bias, dtype=np.float32),
                )
            )
        return Decoder(sizes=tuple(self.sizes), layers=tuple(layers))
