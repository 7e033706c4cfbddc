"""Exact marginals of a graphical model by message passing on its junction tree.

Follows the two-pass (Hugin) schedule of Lauritzen and Spiegelhalter (1988). What a clique
multiplies on the way up, its potentials and the messages of its children, are the very sets that it
is summed to on the way down, so both share one layout. What may never be true: a silent underflow.
Every message is normalised, and where one falls below 1e-250 the whole pass is done again in the
log domain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.arrays import Floats
from dpsynth.synth.pgm.junction_tree import JunctionTree, Scope
from dpsynth.synth.pgm.layout import Layout

# Factors and messages are at most 1, so a cell lost to underflow weighs less than 1e-300. While
# every raw message entry stays above this floor, that loss is below 1e-50 of any marginal.
_FLOOR = 1e-250


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """Result of one pass.

    Attributes:
        log_z: Logarithm of the sum over all cells of the product of the factors.
        tables: Marginal probabilities of each clique, flat, see :meth:`MessagePasser.beliefs`.
        marginals: Marginal probabilities of each factor's scope, flat.
    """

    log_z: float
    tables: tuple[Floats, ...]
    marginals: tuple[Floats, ...]


class MessagePasser:
    """The layout of one junction tree and its factors, made once and used for every pass."""

    def __init__(self, sizes: Sequence[int], tree: JunctionTree, scopes: Sequence[Scope]) -> None:
        """Lay out the factors.

        Args:
            sizes: Number of codes of each attribute.
            tree: Junction tree that contains every scope.
            scopes: Attribute numbers of each factor, in the axis order of its table.
        """
        self.tree = tree
        # The longest axis last: the loops run along it. Separators have the same order.
        order = sorted(range(len(sizes)), key=lambda a: (sizes[a], a))
        place = {a: i for i, a in enumerate(order)}
        self._axes = [tuple(sorted(c, key=place.__getitem__)) for c in tree.cliques]
        between = [tuple(sorted(s, key=place.__getitem__)) for s in tree.separators]
        self._shapes = [tuple(sizes[a] for a in axes) for axes in self._axes]
        held: list[list[Scope]] = [[] for _ in tree.cliques]
        self._places: list[tuple[int, int]] = []  # clique and number of each factor
        for scope in scopes:
            home = tree.home(scope, sizes)
            self._places.append((home, len(held[home])))
            held[home].append(scope)
        self._slots = [0] * len(tree.cliques)  # number of a message among the tables of the parent
        for clique in range(1, len(tree.cliques)):
            parent = tree.parents[clique]
            self._slots[clique] = len(held[parent])
            held[parent].append(between[clique])
        self._layouts = [
            Layout(sizes, axes, own) for axes, own in zip(self._axes, held, strict=True)
        ]
        self._separators = [
            Layout(sizes, axes, [separator])
            for axes, separator in zip(self._axes, between, strict=True)
        ]

    def calibrate(self, potentials: Sequence[Floats]) -> Calibrated:
        """Return all clique marginals of the product of exp(potentials).

        Args:
            potentials: Finite log factors, flat, one per scope.
        """
        linear = self._calibrate_linear(potentials)
        return linear if linear is not None else self._calibrate_log(potentials)

    def beliefs(self, calibrated: Calibrated) -> tuple[Floats, ...]:
        """Return the marginal probabilities of each clique, axes as the tree names them."""
        return tuple(
            np.ascontiguousarray(table.reshape(shape).transpose([axes.index(a) for a in clique]))
            for table, shape, axes, clique in zip(
                calibrated.tables, self._shapes, self._axes, self.tree.cliques, strict=True
            )
        )

    def _calibrate_linear(self, potentials: Sequence[Floats]) -> Calibrated | None:
        """Multiply and add; None where a message leaves the safe range."""
        factors = [np.ones(layout.cells) for layout in self._layouts]
        log_z = 0.0
        for potential, (home, number) in zip(potentials, self._places, strict=True):
            shift = float(potential.max())
            log_z += shift
            self._layouts[home].put(factors[home], number, np.exp(potential - shift))
        tables: list[Floats] = [np.zeros(0)] * len(factors)
        sent: list[Floats] = [np.ones(1)] * len(factors)
        for c in range(len(tables) - 1, 0, -1):
            tables[c] = self._layouts[c].product(factors[c])
            message = self._separators[c].sums(tables[c])
            if not message.min() > _FLOOR:
                return None
            scale = float(message.sum())
            log_z += math.log(scale)
            sent[c] = message
            parent = self.tree.parents[c]
            self._layouts[parent].put(factors[parent], self._slots[c], message / scale)
        tables[0] = self._layouts[0].product(factors[0])
        scale = float(tables[0].sum())
        if not scale > _FLOOR:
            return None
        tables[0] /= scale
        sums: list[Floats] = []
        for c, layout in enumerate(self._layouts):
            if c > 0:
                parent = self.tree.parents[c]
                above = self._layouts[parent].get(sums[parent], self._slots[c])
                self._separators[c].scale(tables[c], above / sent[c])
            sums.append(layout.sums(tables[c]))
        return self._result(log_z + math.log(scale), tables, sums)

    def _calibrate_log(self, potentials: Sequence[Floats]) -> Calibrated:
        """Do the same pass on logarithms: slower, never under- or overflows."""
        factors = [np.zeros(layout.cells) for layout in self._layouts]
        for potential, (home, number) in zip(potentials, self._places, strict=True):
            self._layouts[home].put(factors[home], number, potential)
        tables: list[Floats] = [np.zeros(0)] * len(factors)
        sent: list[Floats] = [np.zeros(1)] * len(factors)
        for c in range(len(tables) - 1, -1, -1):
            tables[c] = self._layouts[c].log_product(factors[c])
            if c > 0:
                sent[c] = self._separators[c].log_sum(tables[c], 0)
                parent = self.tree.parents[c]
                self._layouts[parent].put(factors[parent], self._slots[c], sent[c])
        log_z = float(np.logaddexp.reduce(tables[0]))
        tables[0] -= log_z
        for c in range(1, len(tables)):
            parent = self.tree.parents[c]
            above = self._layouts[parent].log_sum(tables[parent], self._slots[c])
            tables[c] += self._separators[c].log_product(above - sent[c])
        tables = [np.exp(table) for table in tables]
        sums = [layout.sums(t) for layout, t in zip(self._layouts, tables, strict=True)]
        return self._result(log_z, tables, sums)

    def _result(self, log_z: float, tables: list[Floats], sums: list[Floats]) -> Calibrated:
        """Return the result of a pass, with the marginals in the order of the factors."""
        return Calibrated(
            log_z=log_z,
            tables=tuple(tables),
            marginals=tuple(self._layouts[h].get(sums[h], n) for h, n in self._places),
        )
