"""Events of programs that dpsynth did not write: private rows were handed to somebody else's code.

Two kinds. A core whose accounting was argued in writing is priced from what it was given: the
zCDP price for one row, times the square of the rows of one unit. A program without any guarantee
has no price at all, and every accountant refuses it by name.

Never true here: a number that says how private a program without a guarantee is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpsynth.errors import InputError
from dpsynth.privacy.priced import ByRows, NoDelta, check_keys, decimal_of
from dpsynth.results import decimal_string

THIRD_PARTY = "third-party core"
UNBOUNDED = "no guarantee"

_THIRD_PARTY = frozenset(
    {"mechanism", "stage", "program", "version", "row_rho", "sensitivity", "rho"}
)
_UNBOUNDED = frozenset({"mechanism", "stage", "program", "version", "reason"})


@dataclass(frozen=True, kw_only=True)
class ThirdPartyEvent(NoDelta, ByRows):
    """A third party's core ran on the rows, at a price that was argued in writing.

    A core that is rho-zCDP for adding or removing one row is ``c**2 * rho``-zCDP for units of c
    rows (Bun & Steinke 2016, Proposition 1.9).

    Attributes:
        stage: Label of the stage that asked.
        program: Who wrote the core, and its name.
        version: Its version.
        row_rho: zCDP rho of the core for one row added or removed, as argued.
        sensitivity: Rows of one unit at most, c.
        rho: Charged zCDP rho, at least ``row_rho * sensitivity**2``.
    """

    stage: str
    program: str
    version: str
    row_rho: float
    sensitivity: int
    rho: float

    def __post_init__(self) -> None:
        """Refuse parameters that describe no mechanism."""
        _check_named(self.stage, self.program, self.version)
        for number in (self.row_rho, self.rho):
            if not (math.isfinite(number) and number > 0):
                raise InputError("A price must be finite and positive.", where=self.stage)
        if (
            isinstance(self.sensitivity, bool)
            or not isinstance(self.sensitivity, int)
            or self.sensitivity < 1
        ):
            raise InputError("A sensitivity must be a positive integer.", where=self.stage)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; prices are decimal strings."""
        return {
            "mechanism": THIRD_PARTY,
            "stage": self.stage,
            "program": self.program,
            "version": self.version,
            "row_rho": decimal_string(self.row_rho),
            "sensitivity": self.sensitivity,
            "rho": decimal_string(self.rho),
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> ThirdPartyEvent:
        """Return what :meth:`to_json` wrote; InputError for anything else."""
        check_keys(tree, _THIRD_PARTY)
        return cls(
            stage=tree["stage"],
            program=tree["program"],
            version=tree["version"],
            row_rho=decimal_of(tree["row_rho"]),
            sensitivity=tree["sensitivity"],
            rho=decimal_of(tree["rho"]),
        )


@dataclass(frozen=True, kw_only=True)
class UnboundedEvent:
    """A program without any differential-privacy guarantee ran on the rows.

    Attributes:
        stage: Label of the stage that asked.
        program: Who wrote it, and its name.
        version: Its version.
        reason: One sentence: why no guarantee can be stated.
    """

    stage: str
    program: str
    version: str
    reason: str

    def __post_init__(self) -> None:
        """Refuse an event that does not say what ran and why nothing bounds it."""
        _check_named(self.stage, self.program, self.version, self.reason)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; there is no number in it."""
        return {
            "mechanism": UNBOUNDED,
            "stage": self.stage,
            "program": self.program,
            "version": self.version,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> UnboundedEvent:
        """Return what :meth:`to_json` wrote; InputError for anything else."""
        check_keys(tree, _UNBOUNDED)
        if tree["mechanism"] != UNBOUNDED:
            raise InputError("is no event without a guarantee.", where="event")
        return cls(**{key: tree[key] for key in _UNBOUNDED - {"mechanism"}})


def refused(event: UnboundedEvent, reader: str) -> InputError:
    """Return the refusal of an accountant, which names what it cannot read."""
    return InputError(
        f"{reader} has no bound for {event.program[:80]}: it runs without a differential-privacy "
        "guarantee, so no epsilon exists.",
        where=event.stage,
    )


def _check_named(*texts: object) -> None:
    """Refuse what is no text, or empty."""
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise InputError("An event must name what ran, in text.", where="event")
