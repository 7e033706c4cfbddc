"""A finite mixture of product distributions over bins, the components given by a decoder.

Component k is the product of one distribution for each block of columns. A block is a column, or
the columns that structural zeros tie together: over these the component is the product of their
distributions times the allowed share of each cell, scaled to sum 1, so that what is ruled out has
no mass. Marginals, conditions and draws are those of this one distribution, exactly (up to single
precision); the mixture of GEM (Liu, Vietri and Wu 2021) with all its parts known. Components are
decoded in chunks, never all at once. Never true here: a table of all components and all cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from dpsynth.arrays import Floats, Floats32, Integers, Rows
from dpsynth.schema.domain import Domain
from dpsynth.schema.zeros import Zeros
from dpsynth.synth.neural.decoder import Decoder
from dpsynth.synth.neural.evening import even_out
from dpsynth.synth.neural.latents import Latents
from dpsynth.synth.pgm.fit import FORBIDDEN, Factor
from dpsynth.synth.sampling import draw
from dpsynth.synth.zeros import factor

#: Cells of the largest block: structural zeros that would need a larger one do not hold.
MAX_BLOCK_CELLS = 10_000
# Numbers in the largest table of a chunk (16 MB).
_CHUNK = 4_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Columns that a component holds together.

    Attributes:
        columns: Their numbers.
        share: Allowed share of each cell, one axis a column; None for a single column.
    """

    columns: tuple[int, ...]
    share: Floats32 | None = None


def blocks_of(
    domain: Domain, coarse: Domain, partitions: Mapping[str, Integers], fine: Sequence[Floats]
) -> tuple[Block, ...]:
    """Return the blocks of a domain: its structural zeros in their order, as far as they fit.

    Args:
        domain: The fine domain.
        coarse: The domain of the bins.
        partitions: Bin of every fine code.
        fine: Weight of every fine code, by column.
    """
    sizes = [attribute.size for attribute in coarse]
    groups: list[tuple[int, ...]] = [(number,) for number in range(len(coarse))]
    held = []
    for zeros in domain.zeros:
        tied = {domain.index(name) for name in zeros.names}
        touched = [group for group in groups if tied & set(group)]
        merged = tuple(sorted(number for group in touched for number in group))
        if math.prod(sizes[number] for number in merged) <= MAX_BLOCK_CELLS:
            groups = [group for group in groups if group not in touched] + [merged]
            held.append(zeros)
    weights = dict(zip(domain.names, fine, strict=True))
    shares = [_share(zeros, domain, factor(zeros, partitions, weights)) for zeros in held]
    return tuple(
        Block(
            columns=group,
            share=_product([s for s in shares if set(s[0]) <= set(group)], group, sizes)
            if len(group) > 1
            else None,
        )
        for group in sorted(groups)
    )


def _share(zeros: Zeros, domain: Domain, logs: Factor) -> tuple[tuple[int, ...], Floats]:
    """Return the columns of structural zeros, ascending, and the allowed share of each cell."""
    places = [domain.index(name) for name in zeros.names]
    share = np.where(logs.values > FORBIDDEN, np.exp(logs.values), 0.0)
    return tuple(sorted(places)), share.transpose(np.argsort(places))


def _product(
    shares: Sequence[tuple[tuple[int, ...], Floats]], group: tuple[int, ...], sizes: Sequence[int]
) -> Floats32:
    """Return the product of shares over the columns of a group."""
    table = np.ones([sizes[number] for number in group])
    for places, share in shares:
        table *= share.reshape([sizes[n] if n in places else 1 for n in group])
    if not table.any():  # noise can leave no weight on any allowed code
        table[:] = 1.0
    return table.astype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture:
    """A distribution over bins.

    Attributes:
        domain: The bins.
        decoder: Distributions of the columns at a latent point.
        latents: The point of each component.
        blocks: Every column once.
        weights: Probability of each component, shape (count,), of sum 1.
        fixed: Bin of each column that was fixed; such a column has one bin left, 0.
    """

    domain: Domain
    decoder: Decoder
    latents: Latents
    blocks: tuple[Block, ...]
    weights: Floats
    fixed: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of bins that are left of each column."""
        return tuple(1 if i in self.fixed else size for i, size in enumerate(self.decoder.sizes))

    @cached_property
    def columns(self) -> tuple[Floats, ...]:
        """Probability of each bin of each column."""
        found = [np.zeros(size) for size in self.sizes]
        for numbers, tables in self._chunks(self.blocks):
            weights = self.weights[numbers]
            for block, table in zip(self.blocks, tables, strict=True):
                for place, column in enumerate(block.columns):
                    found[column] += weights @ _sum_to(table, [place])
        return tuple(_scaled(column) for column in found)

    def marginal(self, attributes: Sequence[str]) -> Floats:
        """Return the probabilities over attributes, shape ``sizes`` of these in that order."""
        wanted = [self.domain.index(name) for name in attributes]
        if len(wanted) == 1:
            return self.columns[wanted[0]]
        if len(wanted) == 2 and self._block_of(wanted[0]) is not self._block_of(wanted[1]):
            rows, columns = (self._place(column) for column in wanted)
            return _scaled(self._pairs[rows, columns].astype(np.float64))
        return self._joint(wanted)

    def given(self, bins: Mapping[str, int]) -> tuple[Mixture, float]:
        """Return the mixture given that some attributes have the given bins.

        A component weighs as much more as it makes the condition likely, and is itself cut.

        Returns:
            The conditional mixture and the probability of the condition.
        """
        fixed = {self.domain.index(name): bin_ for name, bin_ in bins.items()}
        touched = [block for block in self.blocks if set(block.columns) & set(fixed)]
        weights = self.weights.copy()
        for numbers, tables in self._chunks(touched):
            for block, table in zip(touched, tables, strict=True):
                at = tuple(fixed.get(column, slice(None)) for column in block.columns)
                weights[numbers] *= table[:, *at].reshape(len(numbers), -1).sum(axis=1)
        probability = float(weights.sum())
        if not probability > 0:
            return self, 0.0
        changed = replace(self, weights=weights / probability, fixed={**fixed, **self.fixed})
        return changed, probability

    def sample(self, rows: int, rng: np.random.Generator) -> Rows:
        """Draw rows of bins, in no particular order.

        Components get rows by systematic sampling, each within one of its expectation, and so do
        the bins of a block in each component and in all components of a chunk together. Rows of a
        component then exchange values until pairs are even, see ``evening.py``.

        Args:
            rows: Number of rows, 0 or more.
            rng: Source of randomness.

        Returns:
            One row of the result an attribute: shape (attributes, rows).
        """
        ends = np.cumsum(self.weights)
        ends /= ends[-1]
        marks = np.minimum(np.floor(ends * rows + rng.random()), rows)
        allotted = np.diff(marks, prepend=0.0).astype(np.int64)
        codes = np.zeros((len(self.sizes), rows), dtype=np.int32)
        start = 0
        for numbers, tables in self._chunks(self.blocks, numbers=np.flatnonzero(allotted)):
            group = np.repeat(np.arange(len(numbers)), allotted[numbers])
            part = slice(start, start + group.size)
            start = part.stop
            for block, table in zip(self.blocks, tables, strict=True):
                cell = np.empty(group.size, dtype=np.int32)
                draw(table.reshape(len(numbers), -1).astype(np.float64), group, cell, rng)
                codes[list(block.columns), part] = np.unravel_index(cell, table.shape[1:])
        if len(self.blocks) > 1 and allotted.max() > 1:
            starts = np.cumsum([0, *self.sizes[:-1]])
            cells = np.ascontiguousarray(codes.T + starts)
            even_out(cells, allotted, self._block_numbers(), self._pairs, rng)
            codes = (cells - starts).T.astype(np.int32)
        return np.ascontiguousarray(codes[:, rng.permutation(rows)])

    @cached_property
    def _pairs(self) -> Floats32:
        """Probability of each pair of bins of columns in different blocks, (cells, cells)."""
        cells = sum(self.sizes)
        found = np.zeros((cells, cells), dtype=np.float32)
        for numbers, tables in self._chunks(self.blocks):
            beside = np.empty((len(numbers), cells), dtype=np.float32)
            for block, table in zip(self.blocks, tables, strict=True):
                for place, column in enumerate(block.columns):
                    beside[:, self._place(column)] = _sum_to(table, [place])
            weights = self.weights[numbers, None].astype(np.float32)
            found += (beside * weights).T @ beside
        return found

    def _joint(self, wanted: Sequence[int]) -> Floats:
        """Return the probabilities over columns: what each block adds, multiplied, averaged."""
        blocks = [block for block in self.blocks if set(block.columns) & set(wanted)]
        asked = [[c for c in block.columns if c in wanted] for block in blocks]
        places = [
            [block.columns.index(c) for c in own] for block, own in zip(blocks, asked, strict=True)
        ]
        sizes = [math.prod(self.sizes[c] for c in own) for own in asked]
        sides: tuple[list[int], list[int]] = ([], [])
        cells = [1, 1]
        for number in sorted(range(len(blocks)), key=sizes.__getitem__, reverse=True):
            side = int(cells[1] < cells[0])  # the smaller one
            sides[side].append(number)
            cells[side] *= sizes[number]
        found = np.zeros(cells)
        for numbers, tables in self._chunks(blocks, widest=max(cells)):
            left, right = (
                _outer([_sum_to(tables[number], places[number]) for number in side], len(numbers))
                for side in sides
            )
            found += (left * self.weights[numbers, None].astype(np.float32)).T @ right
        order = [column for side in sides for number in side for column in asked[number]]
        shaped = found.reshape([self.sizes[column] for column in order])
        return _scaled(shaped.transpose([order.index(column) for column in wanted]))

    def _chunks(
        self, blocks: Sequence[Block], *, numbers: Integers | None = None, widest: int = 1
    ) -> Iterator[tuple[Integers, list[Floats32]]]:
        """Yield numbers of components and, for each block, their tables of its bins.

        Args:
            blocks: The blocks.
            numbers: Which components, ascending; all of them where None.
            widest: Length of the longest row that the caller makes of a component.
        """
        if numbers is None:
            numbers = np.arange(self.latents.count)
        tables = [math.prod(self.sizes[c] for c in block.columns) for block in blocks]
        size = max(1, _CHUNK // max(self.decoder.cells, self.decoder.width, widest, *tables))
        for start in range(0, len(numbers), size):
            some = numbers[start : start + size]
            values = self.decoder.probabilities(self.latents.points(some))
            yield some, [self._table(block, values) for block in blocks]

    def _table(self, block: Block, values: Floats32) -> Floats32:
        """Return the bins of a block in some components, shape (n, size, size ...)."""
        starts = np.cumsum([0, *self.decoder.sizes])
        share = block.share
        table = np.ones((len(values), 1), dtype=np.float32)
        for place, column in enumerate(block.columns):
            if column in self.fixed:
                if share is not None:
                    share = share.take([self.fixed[column]], axis=place)
                continue
            own = values[:, starts[column] : starts[column + 1]]
            table = (table[:, :, None] * own[:, None, :]).reshape(len(values), -1)
        if share is not None:
            table *= share.ravel()
            mass = table.sum(axis=1, keepdims=True)
            # A component may make all that is allowed impossible in single precision.
            flat = np.broadcast_to(share.ravel() / share.sum(), table.shape)
            table = np.divide(table, mass, out=flat.copy(), where=mass > 0)
        return table.reshape(len(values), *(self.sizes[c] for c in block.columns))

    def _block_numbers(self) -> Integers:
        """Return the number of the block of each column."""
        numbers = np.zeros(len(self.sizes), dtype=np.int64)
        for number, block in enumerate(self.blocks):
            numbers[list(block.columns)] = number
        return numbers

    def _block_of(self, column: int) -> Block:
        """Return the block of a column."""
        return next(block for block in self.blocks if column in block.columns)

    def _place(self, column: int) -> slice:
        """Return where the bins of a column are in a row of all bins."""
        start = sum(self.sizes[:column])
        return slice(start, start + self.sizes[column])


def _sum_to(table: Floats32, places: Sequence[int]) -> Floats32:
    """Sum a table of components to some axes of its block, shape (n, cells)."""
    others = tuple(axis for axis in range(1, table.ndim) if axis - 1 not in places)
    summed: Floats32 = table.sum(axis=others) if others else table
    return summed.reshape(len(table), -1)


def _outer(tables: Sequence[Floats32], count: int) -> Floats32:
    """Return the product of tables of components, shape (count, product of their cells)."""
    product = np.ones((count, 1), dtype=np.float32)
    for table in tables:
        product = (product[:, :, None] * table[:, None, :]).reshape(count, -1)
    return product


def _scaled(table: Floats) -> Floats:
    """Return a table scaled to sum 1: single precision leaves it off by 1e-6."""
    scaled: Floats = np.ascontiguousarray(table) / table.sum()
    return scaled
