"""Events, accountant and calibration: golden values, identities, and refusals."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest

from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy import calibrate
from dpsynth.privacy import cross_check as conversions
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import selection_scale_for, sigma_for
from dpsynth.privacy.conversion import tight_epsilon
from dpsynth.privacy.cross_check import cross_check, epsilon, rho_for
from dpsynth.privacy.events import Event, GaussianEvent, SelectionEvent, from_json
from dpsynth.privacy.losses import total_loss
from dpsynth.privacy.mechanisms import gaussian_rho, noisy_max_rho

GAUSS = GaussianEvent(
    stage="one-way", attributes=("a", "b"), cells=6, sigma=10.0, sensitivity=2, rho=0.02
)
SELECT = SelectionEvent(stage="select", candidates=91, scale=10.0, sensitivity=1, rho=0.0051)


@pytest.mark.parametrize(
    ("eps", "delta", "rho"),
    [
        (1.0, 1e-6, 0.0243559704),
        (1.0, 1e-9, 0.0149730577),
        (10.0, 1e-9, 1.0907857044),
        (0.1, 1e-6, 0.00032104769),
        (1e-4, 1e-6, 1.2016891e-09),
        (100.0, 1e-6, 49.5457628),
    ],
)
def test_golden_rho(eps: float, delta: float, rho: float) -> None:
    found = rho_for(Budget(epsilon=eps, delta=delta))
    assert found == pytest.approx(rho, rel=1e-7)
    assert eps * (1 - 1e-8) <= epsilon(found, delta) <= eps


def test_textbook_conversion_is_an_upper_bound() -> None:
    # Bun & Steinke 2016, Prop. 1.3: epsilon = rho + 2 sqrt(rho log(1/delta)).
    for rho in (1e-6, 1e-3, 0.1, 3.0):
        assert tight_epsilon(rho, 1e-6) < rho + 2 * math.sqrt(rho * math.log(1e6))


def test_zero_rho_is_zero_epsilon() -> None:
    assert epsilon(0.0, 1e-6) < 1e-12
    with pytest.raises(InputError):
        tight_epsilon(-1.0, 1e-6)


@pytest.mark.parametrize("rho", [1e-9, 1e-5, 0.0244, 0.5, 20.0])
@pytest.mark.parametrize("delta", [1e-12, 1e-6, 1e-3])
def test_the_three_accountants_agree(rho: float, delta: float) -> None:
    values = [value for _, value in cross_check(rho, delta)]
    assert len(values) == 3
    assert max(values) <= min(values) * (1 + 1e-4) + 1e-12
    assert epsilon(rho, delta) == max(values)


def test_a_disagreeing_accountant_stops_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = tight_epsilon(0.02, 1e-6)
    monkeypatch.setattr(conversions, "_opendp_epsilon", lambda rho, delta: honest * 0.97)
    with pytest.raises(SelfTestError, match="disagree"):
        epsilon(0.02, 1e-6)


def test_events_are_added_exactly() -> None:
    total = total_loss([GAUSS, SELECT, GAUSS]).rho
    assert total == 2 * Fraction(0.02) + Fraction(0.0051)


@pytest.mark.parametrize(
    "event",
    [
        replace(GAUSS, rho=math.nextafter(0.02, 0)),
        replace(GAUSS, sigma=9.999),
        replace(GAUSS, sensitivity=3),
        replace(SELECT, rho=0.0049),  # exactly 0.005 for scale 10
        replace(SELECT, scale=5.0),
        replace(SELECT, sensitivity=2),
    ],
)
def test_an_event_that_understates_is_refused(event: Event) -> None:
    with pytest.raises(SelfTestError, match="less than"):
        total_loss([GAUSS, event])


@pytest.mark.parametrize("event", [GAUSS, SELECT])
def test_events_round_trip(event: Event) -> None:
    tree = event.to_json()
    assert from_json(tree) == event
    assert isinstance(tree["rho"], str) and isinstance(tree["scale"], str)


@pytest.mark.parametrize(
    "change",
    [
        {"mechanism": "laplace"},
        {"mechanism": None},
        {"surprise": 1},
        {"rho": 0.02},
        {"rho": "nan"},
        {"rho": "0"},
        {"scale": "-1"},
        {"sensitivity": 0},
        {"sensitivity": True},
        {"cells": 0},
        {"stage": 3},
    ],
)
def test_unknown_or_malformed_events_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        from_json(GAUSS.to_json() | change)


def test_a_missing_field_is_refused() -> None:
    tree = SELECT.to_json()
    del tree["candidates"]
    with pytest.raises(InputError):
        from_json(tree)


@pytest.mark.parametrize("rho", [1e-12, 1e-6, 0.0017, 0.0244, 1.0, 49.5, 1e4])
@pytest.mark.parametrize("sensitivity", [1, 2, 7, 1000])
def test_calibration_is_tight_and_never_dearer(rho: float, sensitivity: int) -> None:
    sigma = sigma_for(rho, sensitivity)
    assert rho * (1 - 1e-11) < gaussian_rho(sigma, sensitivity) < rho
    scale = selection_scale_for(rho, sensitivity)
    assert rho * (1 - 1e-11) < noisy_max_rho(scale, sensitivity) < rho


def test_a_map_dearer_than_the_closed_form_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    def dearer(sigma: float, sensitivity: int) -> float:
        return gaussian_rho(sigma, sensitivity) * (1 + 8 * 2.0**-52)

    monkeypatch.setattr(calibrate, "gaussian_rho", dearer)
    sigma = sigma_for(0.01, 1)
    assert dearer(sigma, 1) <= 0.01 * (1 - calibrate.HEADROOM)
    monkeypatch.setattr(calibrate, "gaussian_rho", lambda sigma, sensitivity: 0.011)
    with pytest.raises(SelfTestError):
        sigma_for(0.01, 1)


def test_a_budget_split_in_floats_is_affordable() -> None:
    rho = 0.0243559704
    for parts in range(1, 200, 7):
        charged = Fraction(gaussian_rho(sigma_for(rho / parts, 1), 1)) * parts
        assert charged <= Fraction(rho)


@pytest.mark.parametrize("rho", [0.0, -1.0, math.nan, math.inf, 1e-13])
def test_no_price_no_noise(rho: float) -> None:
    with pytest.raises(InputError):
        sigma_for(rho, 1)
    with pytest.raises(InputError):
        selection_scale_for(rho, 1)
