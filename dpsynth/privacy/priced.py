"""What events with a price have in common, and how their JSON objects are read.

Never true here: a field that is missing, unknown or of another kind and is read all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dpsynth.errors import InputError
from dpsynth.privacy.numbers import parse_decimal


class NoDelta:
    """An event whose price is in rho alone."""

    @property
    def delta(self) -> float:
        """What it takes from delta: nothing."""
        return 0.0


class ByRows:
    """An event that is priced for units of so many rows at most."""

    sensitivity: int

    def covers(self, max_rows: int) -> bool:
        """Say whether the price holds for units of up to `max_rows` rows."""
        return self.sensitivity >= max_rows


def check_keys(tree: Mapping[str, Any], keys: frozenset[str]) -> None:
    """Refuse missing and unknown keys alike."""
    if set(tree) != keys:
        raise InputError("An event lacks a field or has an unknown one.", where="event")


def text_of(value: object) -> str:
    """Return text, or refuse."""
    if not isinstance(value, str):
        raise InputError("An event names something that is not text.", where="event")
    return value


def integer_of(value: object) -> int:
    """Return an integer, or refuse."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError("An event counts something that is not an integer.", where="event")
    return value


def decimal_of(value: Any) -> float:
    """Return the number of a decimal string, or refuse."""
    return parse_decimal(value, where="event")
