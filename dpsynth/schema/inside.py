"""Where inside its cell a decoded value lies: at random, and so that declared constraints hold.

A cell of several values is decoded to one of them by a coin, a number in [0, 1). Coins are
independent, with two exceptions: a column that others determine has one coin for each combination
of their codes, and two columns in order draw their coins again where their cells overlap and the
values came out in the wrong order. Post-processing: seeds are allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.schema.coder import ColumnCoder
from dpsynth.schema.constraints import Constraint, FunctionalDependency, LessThan
from dpsynth.schema.domain import Domain

Coins = dict[str, NDArray[np.float64]]

# Two values of one cell are in order in half of the draws: then one row in a million is left.
_DRAWS = 20


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """One column that follows from others."""

    determinant: tuple[str, ...]
    dependent: str


def dependencies(constraints: Sequence[Constraint], names: Sequence[str]) -> tuple[Dependency, ...]:
    """Return the functional dependencies among the named columns, one a dependent column."""
    return tuple(
        Dependency(determinant=c.determinant, dependent=dependent)
        for c in constraints
        if isinstance(c, FunctionalDependency) and set(c.determinant) <= set(names)
        for dependent in c.dependent
        if dependent in names and dependent not in c.determinant
    )


def orders(constraints: Sequence[Constraint], names: Sequence[str]) -> tuple[LessThan, ...]:
    """Return what is to be in order among the named columns."""
    return tuple(
        c
        for c in constraints
        if isinstance(c, LessThan) and {c.left, c.right} <= set(names) and c.left != c.right
    )


def draw_coins(
    domain: Domain,
    coders: Mapping[str, ColumnCoder],
    codes: Codes,
    rng: np.random.Generator,
    *,
    dependent: Sequence[Dependency],
    ordered: Sequence[LessThan],
    key: int,
) -> Coins:
    """Return a coin for each row of each column whose cells may hold several values.

    Args:
        domain: The modelled columns.
        coders: Coder of each of them.
        codes: Rows, shape (n, d).
        rng: Source of randomness.
        dependent: Columns with one coin for each combination of codes of others.
        ordered: Columns whose values are to be in order.
        key: What those shared coins follow from; the same for all parts of a table.
    """
    column = {name: codes[:, place] for place, name in enumerate(domain.names)}
    coins = {n: rng.random(len(codes)) for n in domain.names if coders[n].grid is not None}
    for number, each in enumerate(dependent):
        if each.dependent in coins:
            coins[each.dependent] = _shared([column[n] for n in each.determinant], key + number)
    for attempt in range(_DRAWS if ordered else 0):
        for c in ordered:
            left = coders[c.left].values(column[c.left], coins[c.left])
            right = coders[c.right].values(column[c.right], coins[c.right])
            broken = np.flatnonzero((left > right) if c.or_equal else (left >= right))
            last = attempt == _DRAWS - 1
            coins[c.left][broken] = 0.0 if last else rng.random(broken.size)
            coins[c.right][broken] = np.nextafter(1.0, 0.0) if last else rng.random(broken.size)
    return coins


def _shared(columns: Sequence[Codes], key: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) that follows from the codes of a row and the key.

    The finalising steps of SplitMix64 (Steele, Lea and Flood 2014), once a column.
    """
    state = np.full(len(columns[0]), key % 2**64, dtype=np.uint64)
    for codes in columns:
        state = (state + codes.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53
