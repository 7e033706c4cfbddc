"""How small tables lie in a large one: where each cell of a clique finds its factors.

The axes of a clique have an order. A factor belongs to the level of its deepest axis: the product
over all factors is built axis by axis, so that each factor is multiplied in at the smallest prefix
of the clique that has all its axes, and sums are taken back in the same way. Only the factors of
the last axis are touched at full size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dpsynth.arrays import Floats, Integers
from dpsynth.synth.pgm.junction_tree import Scope
from dpsynth.synth.pgm.kernels import add_up, expand


class Layout:
    """Some tables over subsets of a clique's axes, one after the other in a flat array.

    Attributes:
        cells: Cells of all tables together.
    """

    def __init__(self, sizes: Sequence[int], axes: Scope, scopes: Sequence[Scope]) -> None:
        """Lay the tables out.

        Args:
            sizes: Number of codes of each attribute.
            axes: Attributes of the clique, in the order of its table, at least one.
            scopes: Attributes of each small table, in its own axis order, subsets of `axes`.
        """
        self._shape = tuple(sizes[a] for a in axes)
        self._scopes = [tuple(axes.index(a) for a in scope) for scope in scopes]
        lengths = [math.prod(self._shape[i] for i in scope) for scope in self._scopes]
        ends = np.cumsum(lengths, dtype=np.int64).tolist()
        self._parts = [slice(e - n, e) for e, n in zip(ends, lengths, strict=True)]
        self.cells = int(ends[-1]) if ends else 0
        self._orders = [np.argsort(scope) for scope in self._scopes]
        # Start of each factor's run for each row, one array a level.
        self._starts: list[Integers] = []
        for level in range(len(self._shape)):
            deepest = [n for n, s in enumerate(self._scopes) if s and max(s) == level]
            rows = math.prod(self._shape[:level])
            starts = np.zeros((rows, len(deepest)), dtype=np.int64)
            for place, number in enumerate(deepest):
                inner = self._index(number, level) * self._shape[level]
                starts[:, place] = self._parts[number].start + inner
            self._starts.append(starts)

    def put(self, flat: Floats, number: int, table: Floats) -> None:
        """Write one table, given flat in its own axis order."""
        flat[self._parts[number]] = self._turned(table, number)

    def get(self, flat: Floats, number: int) -> Floats:
        """Return one table, flat in its own axis order."""
        order = self._orders[number]
        shape = [self._shape[self._scopes[number][i]] for i in order]
        return flat[self._parts[number]].reshape(shape).transpose(np.argsort(order)).ravel()

    def product(self, factors: Floats) -> Floats:
        """Return the flat table of the product of all factors."""
        table = np.ones(1)
        for length, starts in zip(self._shape, self._starts, strict=True):
            prefix, table = table, np.empty((table.size, length))
            expand(prefix, factors, starts, table)
            table = table.ravel()
        return table

    def sums(self, table: Floats) -> Floats:
        """Return a flat table summed to each of the small ones."""
        found = np.zeros(self.cells)
        for length, starts in zip(self._shape[::-1], self._starts[::-1], strict=True):
            rows = table.reshape(-1, length)
            table = np.empty(len(rows))
            add_up(rows, starts, found, table)
        for part, scope in zip(self._parts, self._scopes, strict=True):
            if not scope:
                found[part] = table
        return found

    def scale(self, table: Floats, factor: Floats) -> None:
        """Multiply a flat table by the first small one, in place."""
        shape = [n if i in self._scopes[0] else 1 for i, n in enumerate(self._shape)]
        view = table.reshape(self._shape)
        view *= self._turned(factor, 0).reshape(shape)

    def log_product(self, factors: Floats) -> Floats:
        """Return the flat table of the sum of all log factors."""
        table = np.zeros(math.prod(self._shape))
        for number, part in enumerate(self._parts):
            table += factors[part][self._index(number, len(self._shape))]
        return table

    def log_sum(self, table: Floats, number: int) -> Floats:
        """Return log of the sum of exp(table) over each cell of one small table, in its order."""
        index = self._index(number, len(self._shape))
        size = self._parts[number].stop - self._parts[number].start
        top = np.full(size, -np.inf)
        np.maximum.at(top, index, table)
        summed = np.bincount(index, weights=np.exp(table - top[index]), minlength=size)
        flat = np.zeros(self.cells)
        flat[self._parts[number]] = top + np.log(summed)
        return self.get(flat, number)

    def _turned(self, table: Floats, number: int) -> Floats:
        """Return a table, flat in its own axis order, flat in the order of the clique."""
        shape = [self._shape[i] for i in self._scopes[number]]
        return table.reshape(shape).transpose(self._orders[number]).ravel()

    def _index(self, number: int, level: int) -> Integers:
        """Return the cell of a table, clique order, without axes from `level` on, of each row."""
        index = np.zeros(self._shape[:level], dtype=np.int64)
        step = 1
        for axis in sorted(self._scopes[number], reverse=True):
            if axis >= level:
                continue
            along = np.arange(self._shape[axis]) * step
            index += along.reshape([-1 if i == axis else 1 for i in range(level)])
            step *= self._shape[axis]
        return index.ravel()
