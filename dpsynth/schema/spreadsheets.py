"""Declared texts that a spreadsheet program would run as a formula when it opens a CSV file.

Such programs take a cell that begins with =, +, - or @ (their full-width forms, a tab or a
carriage return too: CWE-1236) for a formula unless it is a number. The data are written as they are
declared, because a changed category is another category; a person is told and decides.

Never true here: a cell of the table.
"""

from __future__ import annotations

import re

from dpsynth.schema.declared import CategoryDomain, Column, Dictionary, PatternDomain

_STARTS = tuple("=+-@\t\r＝＋－＠")
_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?")


def runs_as_formula(text: str) -> bool:
    """Say whether a spreadsheet program may run a cell: not a number, and not signs alone."""
    if not text.startswith(_STARTS) or not text.strip("+-"):
        return False
    return _NUMBER.fullmatch(text) is None


def formula_columns(dictionary: Dictionary) -> tuple[str, ...]:
    """Return the columns of which a declared text, or the name, may run, in their order."""
    return tuple(c.name for c in dictionary.columns if any(map(runs_as_formula, _declared(c))))


def _declared(column: Column) -> tuple[str, ...]:
    """Return all texts of a column that a table may hold as they are declared."""
    texts = (column.name, *column.missing, *column.special)
    match column.domain:
        case CategoryDomain(categories=categories):
            return (*texts, *categories)
        case PatternDomain(public_groups=groups):
            return (*texts, *groups)
    return texts
