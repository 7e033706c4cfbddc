"""Draw rows from a graphical model, one attribute at a time down its junction tree.

Each attribute is drawn given those of its clique that are drawn already: the rows of each group get
whole counts by unbiased, column-balanced rounding, so the sample has less variance than independent
draws, and the values are dealt out in a fresh random order. Without that order two children of
one parent come out sorted alike and so perfectly correlated (mbi 1.1.0 does this). That may never
be true here. Sampling is post-processing: a seed is allowed.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dpsynth.arrays import Floats, Integers, Rows
from dpsynth.synth.pgm.model import GraphicalModel, sum_to
from dpsynth.synth.rounding import round_table


@njit(cache=True)
def _deal(
    group: Integers | Rows, cursor: Integers, ends: Integers, pool: Rows, coins: Floats, out: Rows
) -> None:
    """Give each row a value of its group, any that is left with the same chance.

    The shuffle of Fisher and Yates, one step a row: the pool is in the order of the groups, so a
    step touches one group's part of it and nothing else.
    """
    for row in range(group.size):
        at = cursor[group[row]]
        taken = at + int(coins[row] * (ends[group[row]] - at))
        out[row] = pool[taken]
        pool[taken] = pool[at]
        cursor[group[row]] = at + 1


def sample_codes(model: GraphicalModel, rows: int, rng: np.random.Generator) -> Rows:
    """Draw `rows` rows of (coarse) codes.

    Args:
        model: The model.
        rows: Number of rows, 0 or more.
        rng: Source of randomness.

    Returns:
        int32 codes, one row of the result an attribute: shape (attributes, rows).
    """
    codes = np.zeros((len(model.domain), rows), dtype=np.int32)
    if rows == 0:
        return codes
    sizes = [a.size for a in model.domain]
    for clique, separator, belief in zip(
        model.tree.cliques, model.tree.separators, model.beliefs, strict=True
    ):
        known = list(separator)
        for attribute in clique:
            if attribute in separator:
                continue
            table = sum_to(belief, clique, (*known, attribute))
            group = np.zeros(rows, dtype=np.int64)
            for a in known:
                group *= sizes[a]
                group += codes[a]
            flat = table.reshape(-1, sizes[attribute])
            draw(flat, group, codes[attribute], rng)
            known.append(attribute)
    return codes


def one_way_bounds(model: GraphicalModel) -> list[Floats]:
    """Bound how far the one-way counts of any sample of :func:`sample_codes` can be off.

    Rounding moves each column sum and each cell by less than one row. Errors e of the groups add up
    to zero, so they move the count of a value v by at most sum |e| * |p(v | group) - p(v)|.

    Returns:
        For each attribute, a bound on |count - expected count| of each of its codes, in rows.
    """
    single: list[Floats] = [np.zeros(0)] * len(model.domain)
    joint: list[Floats] = []  # bounds of the cells of each clique, axes as they were drawn
    drawn: list[list[int]] = []
    tree = model.tree
    for clique, parent, separator, belief in zip(
        tree.cliques, tree.parents, tree.separators, model.beliefs, strict=True
    ):
        known = list(separator)
        if not separator:
            error = np.zeros(1)
        elif len(separator) == 1:
            error = single[separator[0]]
        else:
            error = sum_to(joint[parent], drawn[parent], known).ravel()
        for attribute in clique:
            if attribute in separator:
                continue
            table = sum_to(belief, clique, (*known, attribute)).reshape(error.size, -1)
            mass = table.sum(axis=1, keepdims=True)
            given = np.divide(table, mass, out=np.zeros_like(table), where=mass > 0)
            single[attribute] = 1.0 + error @ np.abs(given - table.sum(axis=0))
            error = (1.0 + error[:, None] * given).ravel()
            known.append(attribute)
        joint.append(error.reshape([model.domain.attributes[a].size for a in known]))
        drawn.append(known)
    return single


def draw(table: Floats, group: Integers, out: Rows, rng: np.random.Generator) -> None:
    """Draw one attribute given the group of each row.

    Each count of a value in a group is within one row of its expectation, and so is the count of a
    value over all groups.

    Args:
        table: Weights of the values in each group, non-negative, shape (groups, values).
        group: Group of each row, shape (rows,).
        out: Receives the value of each row, shape (rows,).
        rng: Source of randomness.
    """
    sizes = np.bincount(group, minlength=table.shape[0])
    present = np.flatnonzero(sizes)
    joint = np.maximum(table[present], 0.0)
    mass = joint.sum(axis=1, keepdims=True)
    # A group of no mass can hold rows only through rounding error: use the overall distribution.
    joint = np.where(mass > 0, joint, table.sum(axis=0))
    expected = joint * (sizes[present, None] / joint.sum(axis=1, keepdims=True))
    shuffled = rng.permutation(present.size)  # no group is favoured by its place
    counts = np.empty(expected.shape, dtype=np.int64)
    counts[shuffled] = round_table(expected[shuffled], rng)
    values = np.arange(table.shape[1], dtype=np.int32)
    pool = np.repeat(np.tile(values, present.size), counts.ravel())
    ends = np.cumsum(sizes)
    _deal(group, ends - sizes, ends, pool, rng.random(group.size), out)


def refine(coarse: Rows, partition: Integers, fine: Floats, rng: np.random.Generator) -> Rows:
    """Redraw fine codes inside coarse bins, in proportion to the fine distribution.

    Systematic sampling along the codes of each bin: unbiased, every code within one row of its
    expectation, and so is every run of codes.

    Args:
        coarse: Coarse code of each row, shape (rows,).
        partition: Bin of each fine code, shape (size,).
        fine: Non-negative weights of the fine codes, shape (size,).
        rng: Source of randomness.

    Returns:
        int32 fine codes, shape (rows,).
    """
    order = np.argsort(partition, kind="stable")
    starts = np.searchsorted(partition[order], np.arange(int(partition.max()) + 2))
    values = order.astype(np.int32)
    if starts.size > order.size:  # every bin is one fine code
        return values[coarse]
    wanted = np.bincount(coarse, minlength=starts.size - 1)
    counts = np.zeros(order.size, dtype=np.int64)
    for bin_, rows in enumerate(wanted):
        inside = slice(starts[bin_], starts[bin_ + 1])
        weight = fine[order[inside]]
        if not weight.sum() > 0:
            weight = np.ones(weight.shape)
        ends = np.cumsum(weight)
        ends /= ends[-1]  # 1 exactly from the last positive weight on: no code of weight 0 is drawn
        marks = np.floor(ends * rows + rng.random())
        counts[inside] = np.diff(np.minimum(marks, rows), prepend=0.0)
    out = np.empty(coarse.size, dtype=np.int32)
    last = np.cumsum(wanted)
    _deal(coarse, last - wanted, last, np.repeat(values, counts), rng.random(coarse.size), out)
    return out
