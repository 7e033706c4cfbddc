"""The privacy unit: whose presence is protected, and how many rows of theirs are used at most.

Neighbouring tables differ by all rows of one unit (Dwork & Roth 2014, 2.3). Every sensitivity of
this product is `max_rows` times that of one row, in L1 and in L2 alike, because all rows of a unit
may fall into one cell. It may never be guessed from the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dpsynth.errors import InputError

MAX_ROWS = 1000


class Relation(StrEnum):
    """Which tables count as neighbours."""

    ADD_REMOVE = "add_remove"  #: one unit more or less; the number of rows is private
    REPLACE_ONE = "replace_one"  #: one unit exchanged; the number of units is public


@dataclass(frozen=True, kw_only=True)
class PrivacyUnit:
    """Whose data is protected, and how.

    Attributes:
        relation: Neighbouring relation; only ADD_REMOVE is supported yet.
        name: What one unit is, in words, for example ``patient``.
        column: Column that names the unit, or None where each row is one unit.
        max_rows: Rows of one unit that are used at most; 1 where each row is one unit.

    Raises:
        InputError: The relation is not supported, or a value is missing or out of range.
    """

    relation: Relation
    name: str
    column: str | None
    max_rows: int

    def __post_init__(self) -> None:
        """Check the declaration."""
        if self.relation is not Relation.ADD_REMOVE:
            raise InputError(
                "The relation replace_one is not supported yet.",
                where="privacy unit",
                fix="Use add_remove: it also protects the number of rows.",
            )
        if not self.name.strip():
            raise InputError(
                "The privacy unit has no name.",
                where="privacy unit",
                fix="Say in a word what one unit is, for example patient.",
            )
        if self.column is not None and not self.column:
            raise InputError("The column of the unit has no name.", where="privacy unit")
        if isinstance(self.max_rows, bool) or not isinstance(self.max_rows, int):
            raise InputError("must be a whole number.", where="max_rows_per_unit")
        if not 1 <= self.max_rows <= MAX_ROWS:
            raise InputError(f"must lie in [1, {MAX_ROWS}].", where="max_rows_per_unit")
        if self.column is None and self.max_rows != 1:
            raise InputError(
                "More than one row per unit needs the column that names the unit.",
                where="max_rows_per_unit",
                fix="Name that column in the dictionary, or keep 1 row.",
            )
