"""Structural zeros inside a model: what the dictionary rules out gets no mass and is not drawn.

A bin never mixes codes of few classes that a constraint treats differently, so there a cell of bins
is allowed or not. Where the classes are many, as of two lines in order, a cell of bins weighs the
share of its pairs of codes that is allowed (codes of a bin independent of each other), and sampled
rows that are not allowed draw their codes once more inside their bins, from the allowed ones. That
makes the rows exact draws of the model. Everything here follows from the dictionary and from noisy
values. What may never be true: a factor so large that the junction tree leaves its limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from dpsynth.arrays import Floats, Integers, Rows
from dpsynth.schema.domain import Domain
from dpsynth.schema.zeros import Zeros
from dpsynth.synth.numeric import shares_inside
from dpsynth.synth.pgm.fit import FORBIDDEN, Factor
from dpsynth.synth.pgm.junction_tree import fits, neighbours

# Few classes: a constraint on values or on missing cells has 2 to 4, one on order about one a code.
_FEW_CLASSES = 4
# Redrawing one pair of columns may break the order of another: so often all are looked at again.
_SWEEPS = 10


def separated(domain: Domain, name: str, partition: Integers) -> Integers:
    """Return the bins of a column, cut so that none mixes codes of different (few) classes.

    Args:
        domain: The fine domain.
        name: The column.
        partition: Bin of each code, numbered without gaps; their order is kept.
    """
    for zeros in domain.zeros:
        if name in zeros.names:
            classes = zeros.classes[zeros.names.index(name)]
            if np.unique(classes).size <= _FEW_CLASSES:
                cut = partition * (int(classes.max()) + 1) + classes
                partition = np.unique(cut, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return partition


def factor(zeros: Zeros, partitions: Mapping[str, Integers], fine: Mapping[str, Floats]) -> Factor:
    """Return the log of the allowed share of each cell of bins.

    Args:
        zeros: What is allowed.
        partitions: Bin of each code of its columns.
        fine: Weight of each code of its columns, non-negative.
    """
    weight = zeros.allowed.astype(np.float64)
    for name, classes in zip(zeros.names, zeros.classes, strict=True):
        partition = partitions[name]
        inside = np.zeros((int(partition.max()) + 1, zeros.allowed.shape[zeros.names.index(name)]))
        np.add.at(inside, (partition, classes), shares_inside(fine[name], partition))
        # The axis of this column is the first one; its bins come out as the last one.
        weight = np.tensordot(weight, inside, axes=(0, 1))
    values = np.full(weight.shape, FORBIDDEN)
    some = weight > 0
    values[some] = np.clip(np.log(weight[some]), FORBIDDEN, 0.0)
    return Factor(attributes=zeros.names, values=values)


def held(
    domain: Domain,
    coarse: Domain,
    scopes: Iterable[Sequence[str]] = (),
    *,
    most: int,
    together: int,
) -> tuple[Zeros, ...]:
    """Return the structural zeros that a model of some tables can hold within a size.

    Args:
        domain: The fine domain; its structural zeros are tried in their order.
        coarse: The domain of the bins.
        scopes: Columns of each table of the model.
        most: Cells that a clique may have.
        together: Cells that all cliques may have.
    """
    sizes = [attribute.size for attribute in coarse]
    place = {name: number for number, name in enumerate(coarse.names)}
    near = neighbours(len(sizes), [[place[n] for n in scope] for scope in scopes])
    kept = []
    for each in domain.zeros:
        added = near | neighbours(len(sizes), [[place[n] for n in each.names]])
        if fits(added, sizes, most, together):
            near = added
            kept.append(each)
    return tuple(kept)


def loose_columns(
    domain: Domain, partitions: Mapping[str, Integers], fine: Sequence[Floats]
) -> set[str]:
    """Return the columns whose codes :func:`settle` may redraw inside a bin."""
    loose: set[str] = set()
    weight = dict(zip(domain.names, fine, strict=True))
    for zeros in domain.zeros:
        for name, classes in zip(zeros.names, zeros.classes, strict=True):
            drawn = weight[name] > 0
            pairs = np.unique(np.stack([partitions[name], classes])[:, drawn], axis=1)
            if pairs.shape[1] > np.unique(pairs[0]).size:
                loose.update(zeros.names)
    return loose


def settle(
    codes: Rows,
    domain: Domain,
    partitions: Mapping[str, Integers],
    fine: Sequence[Floats],
    rng: np.random.Generator,
) -> None:
    """Redraw, inside their bins and in place, the codes of rows that are not allowed.

    A row that no codes of its bins allow stays as it is.

    Args:
        codes: Drawn rows, one row of the array a column, shape (columns, rows).
        domain: The fine domain.
        partitions: Bin of every code.
        fine: Weight of every code.
        rng: Source of randomness.
    """
    for _ in range(_SWEEPS):
        changed = False
        for zeros in domain.zeros:
            places = [domain.index(name) for name in zeros.names]
            broken = np.flatnonzero(~zeros.holds([codes[p] for p in places]))
            if broken.size:
                changed |= _redraw(codes, broken, zeros, places, partitions, fine, rng)
        if not changed:
            return


def _redraw(
    codes: Rows,
    broken: Integers,
    zeros: Zeros,
    places: Sequence[int],
    partitions: Mapping[str, Integers],
    fine: Sequence[Floats],
    rng: np.random.Generator,
) -> bool:
    """Draw the codes of broken rows anew among those that are allowed; say whether any was."""
    bins = np.stack(
        [partitions[n][codes[p, broken]] for n, p in zip(zeros.names, places, strict=True)]
    )
    cells, cell = np.unique(bins, axis=1, return_inverse=True)
    changed = False
    for number, own in enumerate(cells.T):
        inside = [np.flatnonzero(partitions[n] == b) for n, b in zip(zeros.names, own, strict=True)]
        grid = np.ix_(*inside)
        weight = zeros.holds(grid).astype(np.float64)
        for axis, (members, place) in enumerate(zip(inside, places, strict=True)):
            share = fine[place][members]
            if not share.sum() > 0:
                share = np.ones(share.shape)
            weight *= share.reshape([-1 if i == axis else 1 for i in range(len(inside))])
        total = weight.sum()
        if not total > 0:
            continue
        rows = broken[cell.reshape(-1) == number]
        drawn = rng.choice(weight.size, size=rows.size, p=(weight / total).ravel())
        for members, place, chosen in zip(
            inside, places, np.unravel_index(drawn, weight.shape), strict=True
        ):
            codes[place, rows] = members[chosen]
        changed = True
    return changed
