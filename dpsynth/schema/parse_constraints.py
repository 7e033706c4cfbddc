"""Read one entry of ``constraints`` in a dictionary into its typed form."""

from __future__ import annotations

from collections.abc import Mapping

from dpsynth.schema.constraints import (
    Constraint,
    FunctionalDependency,
    Implies,
    LessThan,
    MissingIffBelow,
    SameMissing,
    Unique,
)
from dpsynth.schema.declared import CategoryDomain, Column, Kind
from dpsynth.yamlfile import Cursor, quoted

_TYPES = (
    "functional_dependency",
    "missing_iff_below",
    "unique",
    "less_than",
    "implies",
    "same_missing",
)


def read_constraint(cursor: Cursor, columns: Mapping[str, Column]) -> Constraint:
    """Return one constraint.

    Args:
        cursor: The entry.
        columns: Every declared column by name.

    Raises:
        InputError: The type is unknown, a key is missing, or a column is not declared.
    """
    kind = cursor.require("type", "unique")
    note = cursor.text("note")
    match kind:
        case "functional_dependency":
            cursor.only(("type", "determinant", "dependent", "note"))
            return FunctionalDependency(
                determinant=_names(cursor, "determinant", columns),
                dependent=_names(cursor, "dependent", columns),
                note=note,
            )
        case "missing_iff_below":
            cursor.only(("type", "column", "numeric", "threshold", "note"))
            return MissingIffBelow(
                column=_name(cursor, "column", columns),
                numeric=_numeric(cursor, "numeric", columns),
                threshold=cursor.number("threshold", "15"),
                note=note,
            )
        case "unique":
            cursor.only(("type", "columns", "note"))
            return Unique(names=_names(cursor, "columns", columns), note=note)
        case "less_than":
            cursor.only(("type", "left", "right", "or_equal", "note"))
            or_equal = cursor.content.get("or_equal", False)
            if not isinstance(or_equal, bool):
                cursor.fail("or_equal: must be true or false.")
            left = _name(cursor, "left", columns)
            if columns[left].kind is Kind.DATE:
                right = _dates(cursor, "right", columns)
            else:
                left, right = (_numeric(cursor, key, columns) for key in ("left", "right"))
            return LessThan(left=left, right=right, or_equal=or_equal, note=note)
        case "implies":
            cursor.only(("type", "if", "then", "note"))
            return Implies(
                condition=_values(cursor, "if", columns),
                consequence=_values(cursor, "then", columns),
                note=note,
            )
        case "same_missing":
            cursor.only(("type", "columns", "note"))
            return SameMissing(names=_names(cursor, "columns", columns), note=note)
    cursor.fail(f"has the unknown type {quoted(kind)}.", f"Known types: {', '.join(_TYPES)}.")


def _declared(cursor: Cursor, key: str, name: str, columns: Mapping[str, Column]) -> str:
    if name not in columns:
        cursor.fail(
            f"{key}: {quoted(name)} is no declared column.", "Correct it or declare that column."
        )
    return name


def _name(cursor: Cursor, key: str, columns: Mapping[str, Column]) -> str:
    name = cursor.token(key, cursor.require(key, "'age'"), limit=200)
    return _declared(cursor, key, name, columns)


def _numeric(cursor: Cursor, key: str, columns: Mapping[str, Column]) -> str:
    name = _name(cursor, key, columns)
    if columns[name].kind not in {Kind.INTEGER, Kind.FLOAT}:
        cursor.fail(f"{key}: {quoted(name)} is not a column of numbers.", "Name one that is.")
    return name


def _dates(cursor: Cursor, key: str, columns: Mapping[str, Column]) -> str:
    name = _name(cursor, key, columns)
    if columns[name].kind is not Kind.DATE:
        cursor.fail(f"{key}: {quoted(name)} is not a column of dates.", "Name one that is.")
    return name


def _names(cursor: Cursor, key: str, columns: Mapping[str, Column]) -> tuple[str, ...]:
    names = cursor.texts(key)
    if not names:
        cursor.fail(f"{key}: names no column.", f"Write `{key}:` and one `- column` a line.")
    return tuple(_declared(cursor, key, name, columns) for name in names)


def _values(cursor: Cursor, key: str, columns: Mapping[str, Column]) -> dict[str, tuple[str, ...]]:
    inner = Cursor.of(cursor.require(key, "{SEX: ['1']}"), f"{cursor.where}, {key}")
    if not inner.content:
        inner.fail("names no column.")
    found: dict[str, tuple[str, ...]] = {}
    for name in inner.content:
        column = columns[_declared(inner, key, name, columns)]
        values = inner.texts(name)
        if not values:
            inner.fail(f"{quoted(name)}: lists no value.")
        if isinstance(column.domain, CategoryDomain):
            known = {*column.domain.categories, *column.missing, *column.special}
            for value in values:
                if value not in known:
                    inner.fail(f"{quoted(name)}: {quoted(value)} is not declared for it.")
        found[name] = values
    return found
