"""Facts over several columns that a data owner declares: typed, never learned from rows.

They describe the table. What they rule out becomes structural zeros of the coded domain
(``ruled_out``); whether synthetic rows keep them is measured in ``fidelity``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class FunctionalDependency:
    """The determinant columns fix the dependent columns."""

    type: ClassVar[str] = "functional_dependency"
    determinant: tuple[str, ...]
    dependent: tuple[str, ...]
    note: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is about."""
        return (*self.determinant, *self.dependent)


@dataclass(frozen=True, kw_only=True)
class MissingIffBelow:
    """`column` is missing exactly where `numeric` is below `threshold`."""

    type: ClassVar[str] = "missing_iff_below"
    column: str
    numeric: str
    threshold: float
    note: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is about."""
        return (self.column, self.numeric)


@dataclass(frozen=True, kw_only=True)
class Unique:
    """No two rows agree on all of `names`."""

    type: ClassVar[str] = "unique"
    names: tuple[str, ...]
    note: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is about."""
        return self.names


@dataclass(frozen=True, kw_only=True)
class LessThan:
    """`left` is smaller than `right` wherever both are numbers, or both are dates."""

    type: ClassVar[str] = "less_than"
    left: str
    right: str
    or_equal: bool = False
    note: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is about."""
        return (self.left, self.right)


@dataclass(frozen=True, kw_only=True)
class Implies:
    """Where every `condition` column holds one of its values, so does every `consequence` one."""

    type: ClassVar[str] = "implies"
    condition: Mapping[str, tuple[str, ...]]
    consequence: Mapping[str, tuple[str, ...]]
    note: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is about."""
        return (*self.condition, *self.consequence)


@dataclass(frozen=True, kw_only=True)
class SameMissing:
    """All of `names` are missing in the same rows."""

    type: ClassVar[str] = "same_missing"
    names: tuple[str, ...]
    note: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is about."""
        return self.names


Constraint = FunctionalDependency | MissingIffBelow | Unique | LessThan | Implies | SameMissing
