"""How often synthetic rows break the facts that the dictionary declares.

Only the synthetic table and the dictionary are read, so the rates are post-processing of what was
released. Never true here: that a fact is learnt from rows, or that a column that was not released
counts as kept: its constraints have no rate.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from dpsynth.schema.constraints import (
    Constraint,
    FunctionalDependency,
    Implies,
    LessThan,
    MissingIffBelow,
    SameMissing,
    Unique,
)
from dpsynth.schema.declared import DateDomain, Dictionary

Cells = Mapping[str, Sequence[str | None] | NDArray[Any]]
Texts = Mapping[str, Collection[str]]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the cells of some columns are read; see ``Column`` of the dictionary.

    Attributes:
        missing: Column name -> texts that stand for "no value" in it, such as "?".
        special: Column name -> texts that have a meaning of their own and are no numbers.
        date_formats: Column name -> strftime format of its dates.
    """

    missing: Texts = field(default_factory=dict)
    special: Texts = field(default_factory=dict)
    date_formats: Mapping[str, str] = field(default_factory=dict)


def reading_of(dictionary: Dictionary) -> Reading:
    """Return how a dictionary declares that cells are read."""
    return Reading(
        missing={column.name: tuple(column.missing) for column in dictionary.columns},
        special={column.name: tuple(column.special) for column in dictionary.columns},
        date_formats={
            column.name: column.domain.format
            for column in dictionary.columns
            if isinstance(column.domain, DateDomain)
        },
    )


def violation_rates(
    constraints: Sequence[Constraint], table: Cells, reading: Reading | None = None
) -> list[dict[str, str | float | int | None]]:
    """Return the rate of violations of each constraint in a decoded synthetic table.

    Args:
        constraints: The declared constraints.
        table: Column name -> cells as text, all equally long; None and "" are missing.
        reading: How cells are read; as plain text and numbers by default.

    Returns:
        One mapping per constraint: `constraint` in words, `type`, `rate` (violating rows over rows
        that it applies to; None where it applies to no row or a column was not released) and
        `rows`, the number of rows that it applies to.
    """
    out: list[dict[str, str | float | int | None]] = []
    for constraint in constraints:
        entry: dict[str, str | float | int | None] = {
            "constraint": describe(constraint),
            "type": constraint.type,
            "rate": None,
            "rows": 0,
        }
        if all(name in table for name in constraint.columns):
            broken = _broken(constraint, table, reading or Reading())
            entry["rows"] = len(broken)
            entry["rate"] = float(broken.mean()) if len(broken) else None
        out.append(entry)
    return out


def describe(constraint: Constraint) -> str:
    """Return a constraint as a short sentence without values."""
    match constraint:
        case FunctionalDependency():
            return f"{_list(constraint.determinant)} determines {_list(constraint.dependent)}"
        case MissingIffBelow():
            return (
                f"{constraint.column} is missing exactly where {constraint.numeric} is below "
                f"{constraint.threshold:g}"
            )
        case Unique():
            return f"{_list(constraint.names)} is unique"
        case LessThan():
            relation = "at most" if constraint.or_equal else "less than"
            return f"{constraint.left} is {relation} {constraint.right}"
        case Implies():
            return (
                f"declared values of {_list(tuple(constraint.condition))} imply declared values of "
                f"{_list(tuple(constraint.consequence))}"
            )
        case SameMissing():
            return f"{_list(constraint.names)} are missing together"
        case _:
            assert_never(constraint)


def _broken(constraint: Constraint, table: Cells, reading: Reading) -> NDArray[np.bool_]:
    """Return, for the rows that the constraint applies to, whether it is broken."""
    match constraint:
        case FunctionalDependency():
            return _not_majority(
                _groups(table, constraint.determinant), _groups(table, constraint.dependent)
            )
        case MissingIffBelow():
            number = _numbers(table, constraint.numeric, reading)
            known = ~np.isnan(number)
            absent = _absent(table, constraint.column, reading)
            return np.asarray((absent != (number < constraint.threshold))[known])
        case Unique():
            groups = _groups(table, constraint.names)
            repeated = np.ones(len(groups), np.bool_)
            repeated[np.unique(groups, return_index=True)[1]] = False
            return repeated
        case LessThan():
            left = _numbers(table, constraint.left, reading)
            right = _numbers(table, constraint.right, reading)
            known = ~(np.isnan(left) | np.isnan(right))
            broken = left > right if constraint.or_equal else left >= right
            return np.asarray(broken[known])
        case Implies():
            applies = _all_hold(table, constraint.condition)
            return np.asarray(~_all_hold(table, constraint.consequence)[applies])
        case SameMissing():
            flags = np.stack([_absent(table, name, reading) for name in constraint.names])
            return np.asarray(flags.any(axis=0) & ~flags.all(axis=0))
        case _:
            assert_never(constraint)


def _text(cells: Sequence[str | None] | NDArray[Any]) -> list[str]:
    return ["" if cell is None else str(cell) for cell in cells]


def _numbers(table: Cells, name: str, reading: Reading) -> NDArray[np.float64]:
    """Return the cells of a column as numbers or days; NaN where one is neither, or a code."""
    codes = {*reading.missing.get(name, ()), *reading.special.get(name, ())}
    form = reading.date_formats.get(name)
    cells, back = np.unique(np.array(_text(table[name]), dtype=np.str_), return_inverse=True)
    numbers = [np.nan if c in codes else _number(c, form) for c in cells.tolist()]
    return np.array(numbers, dtype=np.float64)[back.reshape(-1)]


def _number(cell: str, date_format: str | None) -> float:
    """Return the number, or the number of the day, that a cell spells, else NaN."""
    try:
        if date_format is None:
            return float(cell)
        return float(datetime.strptime(cell, date_format).toordinal())
    except ValueError:
        return float("nan")


def _absent(table: Cells, name: str, reading: Reading) -> NDArray[np.bool_]:
    codes = {"", *reading.missing.get(name, ())}
    return np.array([cell in codes for cell in _text(table[name])], dtype=np.bool_)


def _groups(table: Cells, names: Sequence[str]) -> NDArray[np.int64]:
    """Return one number per row, equal exactly where the rows agree on the named columns."""
    groups = np.zeros(len(table[names[0]]), np.int64)
    for name in names:
        _, codes = np.unique(np.array(_text(table[name]), dtype=np.str_), return_inverse=True)
        pairs = groups * (int(codes.max(initial=0)) + 1) + codes
        groups = np.unique(pairs, return_inverse=True)[1].astype(np.int64)
    return groups


def _not_majority(groups: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether a row's value differs from the most frequent value of its group."""
    if not len(groups):
        return np.zeros(0, np.bool_)
    width = int(values.max()) + 1
    cells, counts = np.unique(groups * width + values, return_counts=True)
    order = np.lexsort((-counts, cells // width))
    _, first = np.unique(cells[order] // width, return_index=True)
    majority = cells[order][first] % width
    return np.asarray(values != majority[groups])


def _all_hold(table: Cells, allowed: Mapping[str, Collection[str]]) -> NDArray[np.bool_]:
    columns = [
        np.array([cell in values for cell in _text(table[name])], dtype=np.bool_)
        for name, values in allowed.items()
    ]
    return np.asarray(np.logical_and.reduce(columns))


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
