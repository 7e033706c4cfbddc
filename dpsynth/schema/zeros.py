"""Structural zeros: combinations of codes that no row may have.

Codes of a column that are treated alike have one class, and a table over the classes says what may
occur together, so that a fact over long columns stays small. Declared, never learned from rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Integers

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Zeros:
    """What one constraint allows of the codes of some columns.

    Attributes:
        names: The columns, two or more.
        classes: Class of each code, for each column, shape (size,).
        allowed: Which classes may occur together, one axis a column.
    """

    names: tuple[str, ...]
    classes: tuple[Integers, ...]
    allowed: Flags

    def __eq__(self, other: object) -> bool:
        """Two are equal where they say the same of the same columns."""
        return (
            isinstance(other, Zeros)
            and self.names == other.names
            and all(map(np.array_equal, self.classes, other.classes))
            and np.array_equal(self.allowed, other.allowed)
        )

    def __hash__(self) -> int:
        """Return a hash of the columns."""
        return hash(self.names)

    def holds(self, codes: Sequence[NDArray[np.integer[Any]]]) -> Flags:
        """Return which rows are allowed.

        Args:
            codes: Codes of each column, arrays that broadcast together.
        """
        held: Flags = self.allowed[
            tuple(classes[c] for classes, c in zip(self.classes, codes, strict=True))
        ]
        return held
