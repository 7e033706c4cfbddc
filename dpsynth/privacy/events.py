"""What ran: one record for each use of noise, with every parameter that its price depends on.

Events are nouns and accountants are readers (dp-accounting's `DpEvent`): an event says what was
done, never how it was accounted for, and its `rho` is a claim that the accountant re-derives.
No field may be removed and no meaning changed: ledgers keep events for ever. A reader refuses an
event that it does not know; nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpsynth.errors import InputError
from dpsynth.privacy.numbers import parse_decimal
from dpsynth.results import decimal_string

GAUSSIAN = "discrete gaussian"
SELECTION = "noisy max"

_COMMON = frozenset({"mechanism", "stage", "attributes", "cells", "scale", "sensitivity", "rho"})


@dataclass(frozen=True, kw_only=True)
class GaussianEvent:
    """Discrete Gaussian noise on every cell of one marginal (Canonne, Kamath & Steinke 2020).

    Attributes:
        stage: Label of the stage that asked.
        attributes: Names of the marginal.
        cells: Number of noisy cells.
        sigma: Scale of the noise.
        sensitivity: L2 sensitivity in rows.
        rho: Charged zCDP rho, at least ``sensitivity**2 / (2 * sigma**2)``.
    """

    stage: str
    attributes: tuple[str, ...]
    cells: int
    sigma: float
    sensitivity: int
    rho: float

    def __post_init__(self) -> None:
        """Refuse parameters that describe no mechanism."""
        _check_numbers(self.sigma, self.sensitivity, self.rho)
        if self.cells < 1:
            raise InputError("An event needs at least one cell.", where=self.stage)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; scale and rho are decimal strings."""
        return {
            "mechanism": GAUSSIAN,
            "stage": self.stage,
            "attributes": list(self.attributes),
            "cells": self.cells,
            "scale": decimal_string(self.sigma),
            "sensitivity": self.sensitivity,
            "rho": decimal_string(self.rho),
        }


@dataclass(frozen=True, kw_only=True)
class SelectionEvent:
    """Exponential mechanism by Gumbel noise on every score (Cesar & Rogers 2021).

    Attributes:
        stage: Label of the stage that asked.
        candidates: Number of candidates.
        scale: Scale of the Gumbel noise; epsilon of the mechanism is ``2 * sensitivity / scale``.
        sensitivity: L-infinity sensitivity of the scores.
        rho: Charged zCDP rho, at least ``epsilon**2 / 8``.
    """

    stage: str
    candidates: int
    scale: float
    sensitivity: int
    rho: float

    def __post_init__(self) -> None:
        """Refuse parameters that describe no mechanism."""
        _check_numbers(self.scale, self.sensitivity, self.rho)
        if self.candidates < 1:
            raise InputError("A selection needs at least one candidate.", where=self.stage)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; scale and rho are decimal strings."""
        return {
            "mechanism": SELECTION,
            "stage": self.stage,
            "attributes": [],
            "cells": 0,
            "candidates": self.candidates,
            "scale": decimal_string(self.scale),
            "sensitivity": self.sensitivity,
            "rho": decimal_string(self.rho),
        }


Event = GaussianEvent | SelectionEvent


def from_json(tree: Mapping[str, Any]) -> Event:
    """Return the event that a JSON object describes.

    Raises:
        InputError: The mechanism is unknown, or a field is missing, unknown or malformed.
    """
    mechanism = tree.get("mechanism")
    if mechanism == GAUSSIAN:
        _check_keys(tree, _COMMON)
        return GaussianEvent(
            stage=_text(tree["stage"]),
            attributes=tuple(_text(name) for name in tree["attributes"]),
            cells=_integer(tree["cells"]),
            sigma=parse_decimal(tree["scale"], where="event"),
            sensitivity=_integer(tree["sensitivity"]),
            rho=parse_decimal(tree["rho"], where="event"),
        )
    if mechanism == SELECTION:
        _check_keys(tree, _COMMON | {"candidates"})
        if tree["attributes"] != [] or tree["cells"] != 0:
            raise InputError("A selection measures no cell.", where="event")
        return SelectionEvent(
            stage=_text(tree["stage"]),
            candidates=_integer(tree["candidates"]),
            scale=parse_decimal(tree["scale"], where="event"),
            sensitivity=_integer(tree["sensitivity"]),
            rho=parse_decimal(tree["rho"], where="event"),
        )
    raise InputError("This version does not know the mechanism of an event.", where="event")


def _check_numbers(scale: float, sensitivity: int, rho: float) -> None:
    """Refuse a scale, sensitivity or rho that is not a positive number."""
    if not (math.isfinite(scale) and scale > 0):
        raise InputError("The scale of an event must be finite and positive.", where="event")
    if isinstance(sensitivity, bool) or not isinstance(sensitivity, int) or sensitivity < 1:
        raise InputError("The sensitivity of an event must be a positive integer.", where="event")
    if not (math.isfinite(rho) and rho > 0):
        raise InputError("The rho of an event must be finite and positive.", where="event")


def _check_keys(tree: Mapping[str, Any], keys: frozenset[str]) -> None:
    """Refuse missing and unknown keys alike."""
    if set(tree) != keys:
        raise InputError("An event lacks a field or has an unknown one.", where="event")


def _text(value: object) -> str:
    """Return text, or refuse."""
    if not isinstance(value, str):
        raise InputError("An event names something that is not text.", where="event")
    return value


def _integer(value: object) -> int:
    """Return an integer, or refuse."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError("An event counts something that is not an integer.", where="event")
    return value
