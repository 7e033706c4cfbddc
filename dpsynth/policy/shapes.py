"""The shapes of a policy file: each reads a value strictly and says the same as JSON Schema.

One description serves both, so that an editor that knows the schema and the program that reads the
file agree. Never true here: a value that is read although its own schema refuses it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from typing import Any, Protocol

from dpsynth.errors import InputError

_MOST_TEXT = 4000
# Controls and marks of direction change what a terminal or a reader shows. Line ends may stand.
_UNSHOWN = (
    "[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f"
    "\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]"
)
_NUMBER_TEXT = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


class Shape(Protocol):
    """What a value of a policy file may be."""

    def read(self, value: Any, where: str) -> Any:
        """Return the value as the program keeps it; InputError says what is wrong at `where`."""

    def schema(self) -> dict[str, Any]:
        """Return the same as JSON Schema."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """Text for people, without the space around it."""

    def read(self, value: Any, where: str) -> str:
        """Return the text."""
        if not isinstance(value, str) or not value.strip() or len(value) > _MOST_TEXT:
            raise InputError(f"must be text of 1 to {_MOST_TEXT} characters.", where=where)
        if re.search(_UNSHOWN, value):
            raise InputError("holds control characters.", where=where, fix="Remove them.")
        return value.strip()

    def schema(self) -> dict[str, Any]:
        """Text with something in it."""
        return {
            "type": "string",
            "pattern": r"\S",
            "maxLength": _MOST_TEXT,
            "not": {"pattern": _UNSHOWN},
        }


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """One line of a few letters, digits and signs.

    Attributes:
        pattern: Regular expression of the whole line, without ends.
        meaning: What it is, for the message.
    """

    pattern: str
    meaning: str

    def read(self, value: Any, where: str) -> str:
        """Return the line."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise InputError(f"must be {self.meaning}.", where=where)
        return value

    def schema(self) -> dict[str, Any]:
        """Text of that pattern."""
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True, kw_only=True)
class Number:
    """A finite number in an open interval; YAML 1.1 reads 1e-6 as text, so text of one is one."""

    above: float = -math.inf
    below: float = math.inf

    def read(self, value: Any, where: str) -> float:
        """Return the number."""
        found = math.nan
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            try:
                found = float(value)
            except (ValueError, OverflowError):
                found = math.nan
        if not self.above < found < self.below:
            span = f" above {self.above:g}" * math.isfinite(self.above)
            span += f" below {self.below:g}" * math.isfinite(self.below)
            raise InputError(f"must be a number{span}.", where=where)
        return found

    def schema(self) -> dict[str, Any]:
        """A number in the interval, or text of a number."""
        number: dict[str, Any] = {"type": "number"}
        if math.isfinite(self.above):
            number["exclusiveMinimum"] = self.above
        if math.isfinite(self.below):
            number["exclusiveMaximum"] = self.below
        return {"anyOf": [number, {"type": "string", "pattern": _NUMBER_TEXT}]}


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A whole number from `least` to `most`."""

    least: int
    most: int

    def read(self, value: Any, where: str) -> int:
        """Return the number."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError("must be a whole number.", where=where)
        if not self.least <= value <= self.most:
            raise InputError(f"must lie in {self.least} to {self.most}.", where=where)
        return value

    def schema(self) -> dict[str, Any]:
        """A whole number between the two."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of a few words; a bare ``off``, which YAML 1.1 reads as False, is the word off."""

    options: tuple[str, ...]

    def read(self, value: Any, where: str) -> str:
        """Return the word."""
        word = "off" if value is False else value
        if not isinstance(word, str) or word not in self.options:
            raise InputError(
                "is none of the words that may stand here.",
                where=where,
                fix=f"Use one of: {', '.join(self.options)}.",
            )
        return word

    def schema(self) -> dict[str, Any]:
        """One of the words."""
        words: list[str | bool] = list(self.options)
        return {"enum": [*words, False] if "off" in words else words}


@dataclass(frozen=True, kw_only=True)
class Day:
    """A date, written 2027-06-30."""

    def read(self, value: Any, where: str) -> date:
        """Return the date; YAML has often read it already."""
        try:
            return value if type(value) is date else date.fromisoformat(value)
        except (TypeError, ValueError):
            raise InputError(
                "must be a date.", where=where, fix="Write it as 2027-06-30."
            ) from None

    def schema(self) -> dict[str, Any]:
        """Text like a date."""
        return {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"}


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """The one value that may stand here."""

    value: bool | int

    def read(self, value: Any, where: str) -> bool | int:
        """Return it."""
        if type(value) is not type(self.value) or value != self.value:
            raise InputError(f"takes the value {str(self.value).lower()}.", where=where)
        return self.value

    def schema(self) -> dict[str, Any]:
        """The constant."""
        return {"const": self.value}


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A list of values, each once; kept as a tuple, in the order of `item` where that is a choice.

    Attributes:
        item: Shape of each value.
        least: Fewest values.
        keep_order: Whether the order of the file says something.
    """

    item: Shape
    least: int = 1
    keep_order: bool = False

    def read(self, value: Any, where: str) -> tuple[Any, ...]:
        """Return the values."""
        if not isinstance(value, list) or len(value) < self.least:
            raise InputError(
                f"must be a list{' with at least one item' if self.least else ''}.", where=where
            )
        found = [self.item.read(item, f"{where}[{i}]") for i, item in enumerate(value)]
        if any(item in found[:i] for i, item in enumerate(found)):
            raise InputError("names something twice.", where=where, fix="Remove one.")
        if self.keep_order:
            return tuple(found)
        if isinstance(self.item, Choice):
            return tuple(sorted(found, key=self.item.options.index))
        return tuple(sorted(found))

    def schema(self) -> dict[str, Any]:
        """A list without repetition."""
        return {
            "type": "array",
            "items": self.item.schema(),
            "minItems": self.least,
            "uniqueItems": True,
        }


@dataclass(frozen=True, kw_only=True)
class Record:
    """Keys and values, no others than these.

    Attributes:
        fields: Shape of each key.
        needed: Keys that must be there.
        one_of: Keys of which exactly one must be there; empty: no such rule.
        at_most_one_of: Keys of which one may be there.
    """

    fields: Mapping[str, Shape]
    needed: frozenset[str] = frozenset()
    one_of: tuple[str, ...] = ()
    at_most_one_of: tuple[str, ...] = ()

    def read(self, value: Any, where: str) -> dict[str, Any]:
        """Return the values of the keys that are there."""
        if not isinstance(value, dict):
            raise InputError("expects keys and values.", where=where)
        unknown = sorted(set(map(str, value)) - set(self.fields))
        if unknown:
            raise InputError(
                f"does not know the key {unknown[0]!r}.",
                where=where,
                fix=f"Known: {', '.join(self.fields)}.",
            )
        missing = sorted(self.needed - set(value))
        if missing:
            raise InputError(f"lacks the key {missing[0]!r}.", where=where)
        for keys, least in ((self.one_of, 1), (self.at_most_one_of, 0)):
            if keys and not least <= sum(key in value for key in keys) <= 1:
                how = "exactly" if least else "at most"
                raise InputError(f"needs {how} one of: {', '.join(keys)}.", where=where)
        return {
            key: shape.read(value[key], f"{where}: {key}")
            for key, shape in self.fields.items()
            if key in value
        }

    def schema(self) -> dict[str, Any]:
        """The keys, and nothing else."""
        tree: dict[str, Any] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {key: shape.schema() for key, shape in self.fields.items()},
        }
        if self.needed:
            tree["required"] = [key for key in self.fields if key in self.needed]
        if self.one_of:
            tree["oneOf"] = [{"required": [key]} for key in self.one_of]
        if self.at_most_one_of:
            pairs = combinations(self.at_most_one_of, 2)
            tree["not"] = {"anyOf": [{"required": list(pair)} for pair in pairs]}
        return tree
