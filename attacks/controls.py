"""Leaky twins and harmless tables, to find out what an attack sees and whom it accuses wrongly.

A leaky twin is a generator with one known fault, a harmless table one that cannot know the training
rows. Both are functions of coded tables; none of them is a synthesizer of this product.

Never true here: a table that may be released, or a random stream that a split, an attack or another
function here draws from as well when all are given the same seed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from dpsynth.attacks.api import AttackData
from dpsynth.attacks.streams import Stream, rng_of
from sklearn.tree import DecisionTreeClassifier

from dpsynth.arrays import Codes
from dpsynth.schema.domain import Domain

_FLOOR = 5.0  # expected rows of every category, so that it occurs in nearly every output


def plant_copies(data: AttackData, share: float, seed: int) -> AttackData:
    """Return data whose synthetic table has a share of its rows replaced by training rows.

    Args:
        data: The tables.
        share: Share of synthetic rows to replace, at least one row.
        seed: Draws the training rows and their places.
    """
    return plant_near_copies(data, share, fields=0, seed=seed)


def plant_near_copies(data: AttackData, share: float, *, fields: int, seed: int) -> AttackData:
    """Return data with training rows among the synthetic ones, some of their cells drawn anew.

    With a share of 1 this is a generator that memorises its table.

    Args:
        data: The tables.
        share: Share of synthetic rows to replace, at least one row.
        fields: Number of cells of each copy that take the value of another training row.
        seed: Draws rows, places and cells.
    """
    rng = rng_of(seed, Stream.COPIES)
    count = min(max(1, round(share * len(data.synthetic))), len(data.train))
    synthetic = data.synthetic.copy()
    places = rng.permutation(len(synthetic))[:count]
    copies = data.train[rng.permutation(len(data.train))[:count]]
    if fields:
        columns = np.argsort(rng.random(copies.shape), axis=1)[:, :fields]
        others = data.train[rng.integers(0, len(data.train), columns.shape), columns]
        np.put_along_axis(copies, columns, others, axis=1)
    synthetic[places] = copies
    return replace(data, synthetic=synthetic)


def noise_free_marginals(domain: Domain, rows: Codes, seed: int) -> Codes:
    """Return as many rows with exactly the same counts in one 3-way marginal per further column.

    A marginal engine without noise: a random tree of column triples. Starting from the cells of
    three columns, each further column is dealt out among the rows that agree on two columns of an
    earlier triple, so every triple of the tree is reproduced to the count and nothing else is.

    Args:
        domain: Domain of at least three columns.
        rows: Codes of the training rows, shape (n, d).
        seed: Draws the tree and who gets what.
    """
    rng = rng_of(seed, Stream.TREE)
    order = [int(j) for j in rng.permutation(len(domain))]
    made = np.empty_like(rows)
    made[:, order[:3]] = rows[:, order[:3]]
    triples = [order[:3]]
    for j in order[3:]:
        earlier = triples[rng.integers(len(triples))]
        a, b = (earlier[i] for i in rng.permutation(3)[:2])
        to = np.lexsort((rng.random(len(rows)), made[:, a], made[:, b]))
        source = np.lexsort((rng.random(len(rows)), rows[:, a], rows[:, b]))
        made[to, j] = rows[source, j]
        triples.append([a, b, j])
    return made


def overfitted_trees(domain: Domain, rows: Codes, count: int, seed: int) -> Codes:
    """Return rows of sequential decision trees that are grown until no leaf can be split.

    Each column is drawn from the training rows in the leaf that the columns before it lead to, as
    synthpop does (Nowok, Raab and Dibben, J. Stat. Softw. 2016). There a leaf holds at least five
    rows; here it holds one wherever rows differ, so after a few columns a row follows one person.

    Args:
        domain: Domain of the columns.
        rows: Codes of the training rows, shape (n, d).
        count: Rows to draw.
        seed: Draws the order of the columns, the trees and the rows.
    """
    rng = rng_of(seed, Stream.LEAVES)
    order = rng.permutation(len(domain))
    made = np.empty((count, len(domain)), rows.dtype)
    made[:, order[0]] = rng.choice(rows[:, order[0]], count)
    for place in range(1, len(order)):
        before, column = order[:place], order[place]
        tree = DecisionTreeClassifier(random_state=int(rng.integers(2**31)))
        tree.fit(rows[:, before], rows[:, column])
        leaves = tree.apply(rows[:, before])
        by_leaf = np.argsort(leaves, kind="stable")
        reached = tree.apply(made[:, before])
        first, after = (
            np.searchsorted(leaves[by_leaf], reached, side=side) for side in ("left", "right")
        )
        made[:, column] = rows[by_leaf[rng.integers(first, after)], column]
    return made


def data_derived_domain(domain: Domain, rows: Codes, seed: int) -> Codes:
    """Return independent columns whose categories are the ones seen in the rows.

    Counts get Laplace noise of scale 1 and are raised to at least `_FLOOR`, which hides the count
    of a category but not that it is there at all. The fault of synthesizers that learn their domain
    from private rows.

    Args:
        domain: Domain of the columns.
        rows: Codes of the training rows, shape (n, d).
        seed: Draws the noise and the rows.
    """
    return _independent(domain, rows, seed, seen_only=True)


def declared_domain(domain: Domain, rows: Codes, seed: int) -> Codes:
    """Return independent columns over all declared categories: the twin without the fault.

    Args:
        domain: Domain of the columns.
        rows: Codes of the training rows, shape (n, d).
        seed: Draws the noise and the rows.
    """
    return _independent(domain, rows, seed, seen_only=False)


def uniform_rows(domain: Domain, count: int, seed: int) -> Codes:
    """Return rows drawn uniformly from the declared domain, shape (count, d)."""
    rng = rng_of(seed, Stream.UNIFORM)
    return np.stack([rng.integers(0, attribute.size, count) for attribute in domain], axis=1)


def independent_columns(rows: Codes, seed: int) -> Codes:
    """Return the same columns, each shuffled by itself: one-way marginals stay, nothing else."""
    return rng_of(seed, Stream.SHUFFLE).permuted(rows, axis=0)


def relabelled(data: AttackData, seed: int) -> AttackData:
    """Return data in which member and non-member are drawn anew: no attack may see anything."""
    both = np.concatenate([data.train, data.holdout])
    both = both[rng_of(seed, Stream.LABELS).permutation(len(both))]
    return replace(data, train=both[: len(data.train)], holdout=both[len(data.train) :])


def _independent(domain: Domain, rows: Codes, seed: int, *, seen_only: bool) -> Codes:
    rng = rng_of(seed, Stream.COLUMNS)
    columns = []
    for j, attribute in enumerate(domain):
        counts = np.bincount(rows[:, j], minlength=attribute.size)
        weights = np.maximum(_FLOOR, counts + rng.laplace(0.0, 1.0, attribute.size))
        if seen_only:
            weights[counts == 0] = 0.0
        columns.append(rng.choice(attribute.size, len(rows), p=weights / weights.sum()))
    return np.stack(columns, axis=1)
