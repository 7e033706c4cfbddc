"""Every kind of event: the bytes that ledgers keep for ever, and back."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from dpsynth.errors import InputError
from dpsynth.privacy.events import (
    Event,
    GaussianEvent,
    PoissonGaussianEvent,
    ScoresEvent,
    SelectionEvent,
    ThresholdEvent,
    from_json,
)
from dpsynth.privacy.foreign import ThirdPartyEvent

KEPT: list[tuple[Event, str]] = [
    (
        GaussianEvent(
            stage="s", attributes=("a", "b"), cells=6, sigma=10.0, sensitivity=2, rho=0.02
        ),
        '{"mechanism": "discrete gaussian", "stage": "s", "attributes": ["a", "b"], "cells": 6, '
        '"scale": "10.0", "sensitivity": 2, "rho": "0.02"}',
    ),
    (
        SelectionEvent(stage="s", candidates=9, scale=1e6, sensitivity=1, rho=1e-7),
        '{"mechanism": "noisy max", "stage": "s", "attributes": [], "cells": 0, "candidates": 9, '
        '"scale": "1000000.0", "sensitivity": 1, "rho": "0.0000001"}',
    ),
    (
        ScoresEvent(stage="s", scores=3, sigma=2.5, squared_sensitivity=12, rho=0.96),
        '{"mechanism": "discrete gaussian scores", "stage": "s", "scores": 3, "scale": "2.5", '
        '"squared_sensitivity": 12, "rho": "0.96"}',
    ),
    (
        ThresholdEvent(
            stage="s", attribute="a", sigma=4.0, threshold=30, sensitivity=2, rho=0.2, delta=1e-8
        ),
        '{"mechanism": "gaussian threshold", "stage": "s", "attributes": ["a"], "scale": "4.0", '
        '"threshold": 30, "sensitivity": 2, "rho": "0.2", "delta": "0.00000001"}',
    ),
    (
        PoissonGaussianEvent(
            stage="s", sampling_rate=0.02, noise_multiplier=1.5, steps=200, order=12.5, rho=0.03
        ),
        '{"mechanism": "poisson gaussian", "stage": "s", "sampling_rate": "0.02", '
        '"noise_multiplier": "1.5", "steps": 200, "order": "12.5", "rho": "0.03"}',
    ),
    (
        ThirdPartyEvent(stage="s", program="p", version="1", row_rho=0.01, sensitivity=2, rho=0.04),
        '{"mechanism": "third-party core", "stage": "s", "program": "p", "version": "1", '
        '"row_rho": "0.01", "sensitivity": 2, "rho": "0.04"}',
    ),
]
NAMES = [type(event).__name__ for event, _ in KEPT]


def test_no_kind_is_left_out() -> None:
    assert {type(event) for event, _ in KEPT} == set(get_args(Event))


@pytest.mark.parametrize(("event", "kept"), KEPT, ids=NAMES)
def test_each_kind_is_written_in_the_same_bytes_and_read_back(event: Event, kept: str) -> None:
    assert json.dumps(event.to_json()) == kept
    assert from_json(json.loads(kept)) == event


@pytest.mark.parametrize(("event", "kept"), KEPT, ids=NAMES)
def test_each_field_counts(event: Event, kept: str) -> None:
    """None may be missing, and there is none beside them; of delta only a threshold takes any."""
    tree = json.loads(kept)
    for key in tree:
        with pytest.raises(InputError):
            from_json({name: value for name, value in tree.items() if name != key})
    with pytest.raises(InputError, match="lacks a field or has an unknown one"):
        from_json(tree | {"more": 1})
    assert event.delta == (1e-8 if isinstance(event, ThresholdEvent) else 0.0)
    assert event.covers(1)
    assert event.covers(1000) is isinstance(event, PoissonGaussianEvent)


@pytest.mark.parametrize("mechanism", ["laplace", None, 3, ["noisy max"], {}])
def test_a_mechanism_that_is_not_known_is_refused(mechanism: object) -> None:
    with pytest.raises(InputError, match="does not know the mechanism"):
        from_json({"mechanism": mechanism})
