"""The decoder: a small network from a latent point to a distribution of each column.

A point z becomes h = relu(z W + b), then in each residual block (He et al. 2016)
h + relu(h W + b) W' + b', then logits over the bins of all columns, of which the softmax of each
column is the distribution. A decoder without layers takes points that are logits themselves. It is
evaluated here in NumPy, in single precision, so that a saved model is loaded and sampled without
torch; ``torch_decoder.py`` holds its counterpart for training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.arrays import Floats, Floats32


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """An affine map x W + b.

    Attributes:
        weight: W, shape (inputs, outputs).
        bias: b, shape (outputs,).
    """

    weight: Floats32
    bias: Floats32

    def __call__(self, values: Floats32) -> Floats32:
        """Return the image of each row of `values`, shape (n, outputs)."""
        image: Floats32 = values @ self.weight
        image += self.bias
        return image


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoder:
    """A network with residual blocks and a softmax for each column.

    Attributes:
        sizes: Number of bins of each column.
        layers: The first one, two for each residual block, and the last one; or none.
    """

    sizes: tuple[int, ...]
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        """Check that the layers fit together; ValueError."""
        found = [layer.weight.shape for layer in self.layers]
        if found != layer_shapes(self.dimension, self.width, self.blocks, sum(self.sizes)):
            raise ValueError(f"layers of shapes {found}")
        if any(layer.bias.shape != layer.weight.shape[1:] for layer in self.layers):
            raise ValueError("a bias of another length than its layer")

    @classmethod
    def of_one_point(cls, logits: Sequence[Floats]) -> Decoder:
        """Return a decoder that gives the same distribution at every point.

        Args:
            logits: Of each column.
        """
        sizes = tuple(column.size for column in logits)
        first, last = layer_shapes(1, 1, 0, sum(sizes))
        return cls(
            sizes=sizes,
            layers=(
                Layer(weight=np.zeros(first, np.float32), bias=np.zeros(1, np.float32)),
                Layer(
                    weight=np.zeros(last, np.float32),
                    bias=np.concatenate(list(logits)).astype(np.float32),
                ),
            ),
        )

    @property
    def dimension(self) -> int:
        """Of the latent space."""
        return int(self.layers[0].weight.shape[0]) if self.layers else self.cells

    @property
    def width(self) -> int:
        """Number of hidden units; 0 for a decoder without layers."""
        return int(self.layers[0].weight.shape[1]) if self.layers else 0

    @property
    def blocks(self) -> int:
        """Number of residual blocks."""
        return max(0, len(self.layers) - 2) // 2

    @property
    def cells(self) -> int:
        """Number of bins of all columns together."""
        return sum(self.sizes)

    def probabilities(self, points: Floats32) -> Floats32:
        """Return the distribution of each column at some latent points.

        Args:
            points: Shape (n, dimension).

        Returns:
            Shape (n, cells): the columns beside each other, each of sum 1.
        """
        values = self._logits(points)
        start = 0
        for size in self.sizes:
            column = values[:, start : start + size]
            column -= column.max(axis=1, keepdims=True)
            np.exp(column, out=column)
            column /= column.sum(axis=1, keepdims=True)
            start += size
        return values

    def _logits(self, points: Floats32) -> Floats32:
        """Return the logits of all bins at some points, a new array."""
        if not self.layers:
            return points.copy()
        first, *middle, last = self.layers
        hidden = _relu(first(points))
        for inner, outer in zip(middle[::2], middle[1::2], strict=True):
            hidden += outer(_relu(inner(hidden)))
        return last(hidden)


def layer_shapes(dimension: int, width: int, blocks: int, cells: int) -> list[tuple[int, int]]:
    """Return the shape of the weights of every layer of a decoder; none where the width is 0.

    Raises:
        ValueError: There are no layers, and points have another length than logits.
    """
    if not width:
        if blocks or dimension != cells:
            raise ValueError("points are no logits")
        return []
    return [(dimension, width), *[(width, width)] * (2 * blocks), (width, cells)]


def _relu(values: Floats32) -> Floats32:
    """Return max(x, 0), in place."""
    positive: Floats32 = np.maximum(values, np.float32(0.0), out=values)
    return positive
