"""What ran: one record for each use of noise, with every parameter that its price depends on.

Events are nouns and accountants are readers (dp-accounting's `DpEvent`): an event says what was
done, never how it was accounted for, and its `rho` is a claim that the accountant re-derives.
No field may be removed and no meaning changed: ledgers keep events for ever. A reader refuses an
event that it does not know; nothing is guessed.

Sensitivities are for one privacy unit with all its rows, under add/remove.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dpsynth.errors import InputError
from dpsynth.privacy.foreign import THIRD_PARTY, ThirdPartyEvent, UnboundedEvent
from dpsynth.privacy.priced import (
    ByRows,
    NoDelta,
    check_keys,
    decimal_of,
    integer_of,
    text_of,
)
from dpsynth.results import decimal_string

GAUSSIAN = "discrete gaussian"
SELECTION = "noisy max"
SCORES = "discrete gaussian scores"
THRESHOLD = "gaussian threshold"
POISSON = "poisson gaussian"

_COMMON = frozenset({"mechanism", "stage", "attributes", "cells", "scale", "sensitivity", "rho"})
_SCORES = frozenset({"scores", "squared_sensitivity"})
_POISSON = frozenset(
    {"mechanism", "stage", "sampling_rate", "noise_multiplier", "steps", "order", "rho"}
)


@dataclass(frozen=True, kw_only=True)
class GaussianEvent(NoDelta, ByRows):
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

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> GaussianEvent:
        """Return the event that an object of this mechanism describes; InputError if malformed."""
        check_keys(tree, _COMMON)
        return cls(
            stage=text_of(tree["stage"]),
            attributes=tuple(text_of(name) for name in tree["attributes"]),
            cells=integer_of(tree["cells"]),
            sigma=decimal_of(tree["scale"]),
            sensitivity=integer_of(tree["sensitivity"]),
            rho=decimal_of(tree["rho"]),
        )


@dataclass(frozen=True, kw_only=True)
class SelectionEvent(NoDelta, ByRows):
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

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> SelectionEvent:
        """Return the event that an object of this mechanism describes; InputError if malformed."""
        check_keys(tree, _COMMON | {"candidates"})
        if tree["attributes"] != [] or tree["cells"] != 0:
            raise InputError("A selection measures no cell.", where="event")
        return cls(
            stage=text_of(tree["stage"]),
            candidates=integer_of(tree["candidates"]),
            scale=decimal_of(tree["scale"]),
            sensitivity=integer_of(tree["sensitivity"]),
            rho=decimal_of(tree["rho"]),
        )


@dataclass(frozen=True, kw_only=True)
class ScoresEvent(NoDelta):
    """Discrete Gaussian noise on a vector of integer scores, all released.

    Attributes:
        stage: Label of the stage that asked.
        scores: Number of scores.
        sigma: Scale of the noise.
        squared_sensitivity: Square of the L2 sensitivity of the vector, a whole number: for scores
            of weights w and units of c rows it is ``c**2 * sum(w**2)``.
        rho: Charged zCDP rho, at least ``squared_sensitivity / (2 * sigma**2)``.
    """

    stage: str
    scores: int
    sigma: float
    squared_sensitivity: int
    rho: float

    def __post_init__(self) -> None:
        """Refuse parameters that describe no mechanism."""
        _check_numbers(self.sigma, self.squared_sensitivity, self.rho)
        if self.scores < 1:
            raise InputError("An event needs at least one score.", where=self.stage)

    def covers(self, max_rows: int) -> bool:
        """Say whether the price holds for units of up to `max_rows` rows."""
        return self.squared_sensitivity >= self.scores * max_rows**2  # weights are at least 1

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; scale and rho are decimal strings."""
        return {
            "mechanism": SCORES,
            "stage": self.stage,
            "scores": self.scores,
            "scale": decimal_string(self.sigma),
            "squared_sensitivity": self.squared_sensitivity,
            "rho": decimal_string(self.rho),
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> ScoresEvent:
        """Return the event that an object of this mechanism describes; InputError if malformed."""
        check_keys(tree, _COMMON - {"attributes", "cells", "sensitivity"} | _SCORES)
        return cls(
            stage=text_of(tree["stage"]),
            scores=integer_of(tree["scores"]),
            sigma=decimal_of(tree["scale"]),
            squared_sensitivity=integer_of(tree["squared_sensitivity"]),
            rho=decimal_of(tree["rho"]),
        )


@dataclass(frozen=True, kw_only=True)
class ThresholdEvent(ByRows):
    """Noisy counts of every text that occurs in a column; those below a threshold stay hidden.

    A stability-based histogram: discrete Gaussian noise on the count of each text that is present,
    released where it reaches the threshold (Wilson et al. 2020; Bun & Steinke 2016, approximate
    zCDP). One unit changes at most `sensitivity` texts, by as many rows in all.

    Attributes:
        stage: Label of the stage that asked.
        attribute: The column.
        sigma: Scale of the noise.
        threshold: Smallest noisy count that is released.
        sensitivity: Rows of one unit: L0, L2 and L-infinity sensitivity alike.
        rho: Charged zCDP rho, at least ``sensitivity**2 / (2 * sigma**2)``.
        delta: Charged delta: the chance that a text of one unit alone is released.
    """

    stage: str
    attribute: str
    sigma: float
    threshold: int
    sensitivity: int
    rho: float
    delta: float

    def __post_init__(self) -> None:
        """Refuse parameters that describe no mechanism."""
        _check_numbers(self.sigma, self.sensitivity, self.rho)
        integer_of(self.threshold)
        if self.threshold <= self.sensitivity:
            raise InputError("A threshold must exceed the rows of one unit.", where=self.stage)
        if not 0 < self.delta < 1:
            raise InputError("The delta of an event must lie in (0, 1).", where=self.stage)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; scale, rho and delta are decimal strings."""
        return {
            "mechanism": THRESHOLD,
            "stage": self.stage,
            "attributes": [self.attribute],
            "scale": decimal_string(self.sigma),
            "threshold": self.threshold,
            "sensitivity": self.sensitivity,
            "rho": decimal_string(self.rho),
            "delta": decimal_string(self.delta),
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> ThresholdEvent:
        """Return the event that an object of this mechanism describes; InputError if malformed."""
        check_keys(tree, _COMMON - {"cells"} | {"threshold", "delta"})
        (attribute,) = tree["attributes"]
        return cls(
            stage=text_of(tree["stage"]),
            attribute=text_of(attribute),
            sigma=decimal_of(tree["scale"]),
            threshold=integer_of(tree["threshold"]),
            sensitivity=integer_of(tree["sensitivity"]),
            rho=decimal_of(tree["rho"]),
            delta=decimal_of(tree["delta"]),
        )


@dataclass(frozen=True, kw_only=True)
class PoissonGaussianEvent(NoDelta):
    """Steps of Gaussian noise on sums over Poisson samples of units (DP-SGD; Abadi et al. 2016).

    It satisfies no zCDP. It is priced at one Renyi order, that of its lineage: `rho` is the bound
    on the Renyi divergence of all steps at `order`, over `order`, so that it adds up with zCDP.

    Attributes:
        stage: Label of the stage that asked.
        sampling_rate: Public probability that a unit takes part in a step, in (0, 1].
        noise_multiplier: Scale of the noise as a multiple of the clipping norm of one unit.
        steps: Number of steps, fixed before the first one.
        order: Renyi order, above 1.
        rho: Charged price at that order.
    """

    stage: str
    sampling_rate: float
    noise_multiplier: float
    steps: int
    order: float
    rho: float

    def __post_init__(self) -> None:
        """Refuse parameters that describe no mechanism."""
        _check_numbers(self.noise_multiplier, self.steps, self.rho)
        if not 0 < self.sampling_rate <= 1:
            raise InputError("A sampling rate must lie in (0, 1].", where=self.stage)
        if not (math.isfinite(self.order) and self.order > 1):
            raise InputError("A Renyi order must be finite and above 1.", where=self.stage)

    def covers(self, max_rows: int) -> bool:
        """Say whether the price holds: units are clipped whole, so it holds for any."""
        return max_rows >= 1

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; rates, multipliers, order and rho are decimal strings."""
        return {
            "mechanism": POISSON,
            "stage": self.stage,
            "sampling_rate": decimal_string(self.sampling_rate),
            "noise_multiplier": decimal_string(self.noise_multiplier),
            "steps": self.steps,
            "order": decimal_string(self.order),
            "rho": decimal_string(self.rho),
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> PoissonGaussianEvent:
        """Return the event that an object of this mechanism describes; InputError if malformed."""
        check_keys(tree, _POISSON)
        return cls(
            stage=text_of(tree["stage"]),
            sampling_rate=decimal_of(tree["sampling_rate"]),
            noise_multiplier=decimal_of(tree["noise_multiplier"]),
            steps=integer_of(tree["steps"]),
            order=decimal_of(tree["order"]),
            rho=decimal_of(tree["rho"]),
        )


#: What has a price.
Event = (
    GaussianEvent
    | SelectionEvent
    | ScoresEvent
    | ThresholdEvent
    | PoissonGaussianEvent
    | ThirdPartyEvent
)
Charged = tuple[tuple[int, Event], ...]  #: (number of the ledger entry that paid, event)
#: (number of the ledger entry, event) of programs that ran without any guarantee.
Unbounded = tuple[tuple[int, UnboundedEvent], ...]


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Event]] = {
    GAUSSIAN: GaussianEvent.from_json,
    SELECTION: SelectionEvent.from_json,
    SCORES: ScoresEvent.from_json,
    THRESHOLD: ThresholdEvent.from_json,
    POISSON: PoissonGaussianEvent.from_json,
    THIRD_PARTY: ThirdPartyEvent.from_json,
}


def from_json(tree: Mapping[str, Any]) -> Event:
    """Return the event that a JSON object describes.

    Raises:
        InputError: The mechanism is unknown, or a field is missing, unknown or malformed.
    """
    mechanism = tree.get("mechanism")
    read = _READERS.get(mechanism) if isinstance(mechanism, str) else None
    if read is None:
        raise InputError("This version does not know the mechanism of an event.", where="event")
    return read(tree)


def _check_numbers(scale: float, sensitivity: int, rho: float) -> None:
    """Refuse a scale, sensitivity or rho that is not a positive number."""
    if not (math.isfinite(scale) and scale > 0):
        raise InputError("The scale of an event must be finite and positive.", where="event")
    if isinstance(sensitivity, bool) or not isinstance(sensitivity, int) or sensitivity < 1:
        raise InputError("The sensitivity of an event must be a positive integer.", where="event")
    if not (math.isfinite(rho) and rho > 0):
        raise InputError("The rho of an event must be finite and positive.", where="event")


class ChargesEvents(Protocol):
    """What pays for events: a ledger's Reservation, or one in memory for public data."""

    def charge(self, events: Sequence[Event]) -> int:
        """Charge events durably and return the number of the entry; BudgetError if it cannot."""
        ...
