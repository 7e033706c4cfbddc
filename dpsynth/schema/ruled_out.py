"""Which combinations of codes the constraints of a dictionary rule out.

What a constraint says of values is said here of codes, as structural zeros (``zeros.py``). Made
from the declaration alone, so it is public. What may never be true: a combination that is ruled out
although it can be decoded to cells that keep the constraint.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import assert_never

import numpy as np
import pyarrow as pa

from dpsynth.arrays import Integers
from dpsynth.schema.coder import ColumnCoder
from dpsynth.schema.constraints import (
    Constraint,
    FunctionalDependency,
    Implies,
    LessThan,
    MissingIffBelow,
    SameMissing,
    Unique,
)
from dpsynth.schema.zeros import Flags, Zeros

_MAX_CELLS = 4_000_000  # of a table over classes; a constraint of more is only measured


def structural_zeros(
    constraints: Sequence[Constraint], coders: Mapping[str, ColumnCoder]
) -> tuple[Zeros, ...]:
    """Return what the constraints rule out in the coded table.

    A constraint that names a column without a coder, or a value that has no code of its own, rules
    nothing out here: how often rows break it is measured. So it is with uniqueness and functional
    dependency, which rule out no combination by themselves.

    Args:
        constraints: The declared constraints.
        coders: Coder of each modelled column, by name.
    """
    found: list[Zeros] = []
    for constraint in constraints:
        if all(name in coders for name in constraint.columns):
            found += _zeros(constraint, coders)
    return tuple(z for z in found if not z.allowed.all())


def _zeros(constraint: Constraint, coders: Mapping[str, ColumnCoder]) -> list[Zeros]:
    match constraint:
        case FunctionalDependency() | Unique():
            return []
        case SameMissing(names=names):
            same = np.eye(2, dtype=np.bool_)
            return [
                _make({a: _absent(coders[a]), b: _absent(coders[b])}, same)
                for a, b in itertools.pairwise(names)
                if a != b
            ]
        case MissingIffBelow(column=column, numeric=numeric, threshold=threshold):
            if column == numeric:
                return []
            # Rows: missing or not; columns: no number or on both sides, below, not below.
            allowed = np.array([[True, False, True], [True, True, False]])
            side = _side(coders[numeric], threshold)
            return [_make({column: _absent(coders[column]), numeric: side}, allowed)]
        case Implies(condition=condition, consequence=consequence):
            return _implied(condition, consequence, coders)
        case LessThan(left=left, right=right, or_equal=or_equal):
            return [] if left == right else [_ordered(coders[left], coders[right], or_equal)]
        case _:
            assert_never(constraint)


def _make(classes: Mapping[str, Integers], allowed: Flags) -> Zeros:
    return Zeros(names=tuple(classes), classes=tuple(classes.values()), allowed=allowed)


def _absent(coder: ColumnCoder) -> Integers:
    """Return 1 for each code that is written as a missing cell, else 0."""
    gone = {"", *(text.strip() for text in coder.column.missing)}
    flags = [text is not None and text.strip() in gone for text in coder.texts]
    return np.array(flags, dtype=np.int64)


def _side(coder: ColumnCoder, threshold: float) -> Integers:
    """Return 1 where a cell lies below a threshold, 2 where it does not, 0 where neither is so."""
    lows, highs = coder.value_range()
    return np.where(highs < threshold, 1, np.where(lows >= threshold, 2, 0)).astype(np.int64)


def _ordered(left: ColumnCoder, right: ColumnCoder, or_equal: bool) -> Zeros:
    """Allow the cells of two lines in which some value of `left` is below one of `right`."""
    a, b = left.value_range()[0][:, None], right.value_range()[1][None, :]
    ordered = a <= b if or_equal else a < b
    names = (left.column.name, right.column.name)
    return _shortened(names, ordered | np.isnan(a) | np.isnan(b))


def _shortened(names: tuple[str, ...], allowed: Flags) -> Zeros:
    """Give one class to codes of the same row, and of the same column, of a table over codes."""
    rows, first = np.unique(allowed, axis=0, return_inverse=True)
    columns, second = np.unique(rows, axis=1, return_inverse=True)
    classes = (first.reshape(-1).astype(np.int64), second.reshape(-1).astype(np.int64))
    return Zeros(names=names, classes=classes, allowed=columns)


def _implied(
    condition: Mapping[str, Sequence[str]],
    consequence: Mapping[str, Sequence[str]],
    coders: Mapping[str, ColumnCoder],
) -> list[Zeros]:
    """Forbid rows in which every condition holds and some consequence does not."""
    names = tuple(dict.fromkeys((*condition, *consequence)))
    # Class of a code: 1 where it is in the condition, plus 2 where it is in the consequence. A
    # column that one of them does not name never stands in its way.
    classes = []
    for name in names:
        own = np.zeros(coders[name].attribute.size, dtype=np.int64)
        for part, weight in ((condition, 1), (consequence, 2)):
            flags = _listed(coders[name], part[name]) if name in part else np.ones_like(own)
            if flags is None:
                return []
            own += weight * flags
        classes.append(own)
    if 4 ** len(names) > _MAX_CELLS or len(names) < 2:
        return []
    grid = np.indices((4,) * len(names))
    holds_if, holds_then = (grid % 2 == 1).all(axis=0), (grid // 2 == 1).all(axis=0)
    return [Zeros(names=names, classes=tuple(classes), allowed=~holds_if | holds_then)]


def _listed(coder: ColumnCoder, values: Sequence[str]) -> Integers | None:
    """Return 1 for each code of the listed texts, else 0; None where a text has no own code."""
    codes = coder.encode(pa.array(list(values), type=pa.string()))
    lows, highs = coder.value_range()
    if any(coder.texts[c] is None and lows[c] != highs[c] for c in codes):
        return None
    flags = np.zeros(coder.attribute.size, dtype=np.int64)
    flags[codes] = 1
    return flags
