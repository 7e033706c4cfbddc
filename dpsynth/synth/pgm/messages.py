"""Exact marginals of a graphical model by message passing on its junction tree.

Follows the two-pass (Hugin) schedule of Lauritzen and Spiegelhalter (1988). Tables are flat; an
int32 index map per clique says which cell of a factor or separator each cell of the clique falls
into, so that the hot loops are only multiply-gather and scatter-add, and exp is taken on the small
factors. What may never be true: a silent underflow. Every message is normalised, and where one
falls below 1e-250 the whole pass is done again in the log domain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dpsynth.synth.pgm.junction_tree import JunctionTree, Scope

Floats = NDArray[np.float64]
Index = NDArray[np.int32]

# Factors and messages are at most 1, so a cell lost to underflow weighs less than 1e-300. While
# every raw message entry stays above this floor, that loss is below 1e-50 of any marginal.
_FLOOR = 1e-250


@njit(cache=True)
def _gather_multiply(table: Floats, factor: Floats, index: Index) -> None:
    for i in range(table.size):
        table[i] *= factor[index[i]]


@njit(cache=True)
def _scatter_add(table: Floats, index: Index, size: int) -> Floats:
    out = np.zeros(size)
    for i in range(table.size):
        out[index[i]] += table[i]
    return out


@njit(cache=True)
def _gather_add(table: Floats, factor: Floats, index: Index) -> None:
    for i in range(table.size):
        table[i] += factor[index[i]]


@njit(cache=True)
def _scatter_logsumexp(table: Floats, index: Index, size: int) -> Floats:
    top = np.full(size, -np.inf)
    for i in range(table.size):
        top[index[i]] = max(top[index[i]], table[i])
    out = np.zeros(size)
    for i in range(table.size):
        out[index[i]] += np.exp(table[i] - top[index[i]])
    return top + np.log(out)


def index_map(sizes: Sequence[int], clique: Scope, scope: Scope) -> Index:
    """Map each cell of `clique` to its cell of `scope`, both in C order.

    Args:
        sizes: Number of codes of each attribute.
        clique: Axis order of the large table.
        scope: Axis order of the small table, a subset of `clique`.

    Returns:
        int32 array of shape (cells of the clique,).
    """
    strides = {}
    step = 1
    for a in reversed(scope):
        strides[a] = step
        step *= sizes[a]
    index = np.zeros((1,) * len(clique), dtype=np.int32)
    for axis, a in enumerate(clique):
        shape = [1] * len(clique)
        shape[axis] = sizes[a]
        index = index + (np.arange(sizes[a], dtype=np.int32) * strides.get(a, 0)).reshape(shape)
    return np.ascontiguousarray(index, dtype=np.int32).ravel()


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """Result of one pass.

    Attributes:
        log_z: Logarithm of the sum over all cells of the product of the factors.
        beliefs: Flat marginal probabilities of each clique.
    """

    log_z: float
    beliefs: tuple[Floats, ...]


class MessagePasser:
    """Index maps of one junction tree and its factors, made once and used for every pass."""

    def __init__(self, sizes: Sequence[int], tree: JunctionTree, scopes: Sequence[Scope]) -> None:
        """Build the maps.

        Args:
            sizes: Number of codes of each attribute.
            tree: Junction tree that contains every scope.
            scopes: Attribute numbers of each factor, in the axis order of its table.
        """
        self.tree = tree
        self.cells = [math.prod(sizes[a] for a in clique) for clique in tree.cliques]
        self._homes = [tree.home(scope) for scope in scopes]
        self._sizes = [math.prod(sizes[a] for a in scope) for scope in scopes]
        self._maps = [
            index_map(sizes, tree.cliques[home], scope)
            for home, scope in zip(self._homes, scopes, strict=True)
        ]
        self._below: list[Index] = []  # clique -> its separator
        self._above: list[Index] = []  # parent -> the same separator
        self._separators: list[int] = []
        for clique, parent, separator in zip(
            tree.cliques, tree.parents, tree.separators, strict=True
        ):
            above = tree.cliques[max(parent, 0)]
            self._below.append(index_map(sizes, clique, separator))
            self._above.append(index_map(sizes, above, separator))
            self._separators.append(math.prod(sizes[a] for a in separator))

    def calibrate(self, potentials: Sequence[Floats]) -> Calibrated:
        """Return all clique marginals of the product of exp(potentials).

        Args:
            potentials: Finite log factors, flat, one per scope.
        """
        linear = self._calibrate_linear(potentials)
        return linear if linear is not None else self._calibrate_log(potentials)

    def marginals(self, calibrated: Calibrated) -> list[Floats]:
        """Return the flat marginal probabilities of each factor's scope."""
        return [
            _scatter_add(calibrated.beliefs[home], index, size)
            for home, index, size in zip(self._homes, self._maps, self._sizes, strict=True)
        ]

    def _calibrate_linear(self, potentials: Sequence[Floats]) -> Calibrated | None:
        """Multiply and add; None where a message leaves the safe range."""
        tables = [np.ones(cells) for cells in self.cells]
        log_z = 0.0
        for potential, home, index in zip(potentials, self._homes, self._maps, strict=True):
            shift = float(potential.max())
            log_z += shift
            _gather_multiply(tables[home], np.exp(potential - shift), index)
        sent: list[Floats] = [np.ones(1)] * len(tables)
        for c in range(len(tables) - 1, 0, -1):
            message = _scatter_add(tables[c], self._below[c], self._separators[c])
            if not message.min() > _FLOOR:
                return None
            scale = float(message.sum())
            log_z += math.log(scale)
            sent[c] = message
            _gather_multiply(tables[self.tree.parents[c]], message / scale, self._above[c])
        scale = float(tables[0].sum())
        if not scale > _FLOOR:
            return None
        log_z += math.log(scale)
        tables[0] /= scale
        for c in range(1, len(tables)):
            above = _scatter_add(tables[self.tree.parents[c]], self._above[c], self._separators[c])
            _gather_multiply(tables[c], above / sent[c], self._below[c])
        return Calibrated(log_z=log_z, beliefs=tuple(tables))

    def _calibrate_log(self, potentials: Sequence[Floats]) -> Calibrated:
        """Do the same pass on logarithms: slower, never under- or overflows."""
        tables = [np.zeros(cells) for cells in self.cells]
        for potential, home, index in zip(potentials, self._homes, self._maps, strict=True):
            _gather_add(tables[home], potential, index)
        sent: list[Floats] = [np.zeros(1)] * len(tables)
        for c in range(len(tables) - 1, 0, -1):
            sent[c] = _scatter_logsumexp(tables[c], self._below[c], self._separators[c])
            _gather_add(tables[self.tree.parents[c]], sent[c], self._above[c])
        log_z = float(np.logaddexp.reduce(tables[0]))
        tables[0] -= log_z
        for c in range(1, len(tables)):
            parent = self.tree.parents[c]
            above = _scatter_logsumexp(tables[parent], self._above[c], self._separators[c])
            _gather_add(tables[c], above - sent[c], self._below[c])
        return Calibrated(log_z=log_z, beliefs=tuple(np.exp(table) for table in tables))
