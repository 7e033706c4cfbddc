"""What is checked of a release that trains while nothing private is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import toy_training

from dpsynth.errors import InputError
from dpsynth.pipeline.plan import Plan
from dpsynth.pipeline.prepare import prepare
from dpsynth.pipeline.promise import guarantee_of
from dpsynth.pipeline.settings import ReleaseSettings
from dpsynth.schema.domain import Domain
from dpsynth.synth import registry
from dpsynth.synth.api import PlannedTraining

DICTIONARY = """version: 1
title: Visits
codebook: made for tests
file: data.csv
privacy_unit: {kind: row}
columns:
- {name: town, kind: categorical, role: other, meaning: town,
   domain: {categories: [a, b, c, d]}, domain_source: codebook}
- {name: ward, kind: categorical, role: other, meaning: ward,
   domain: {categories: [north, south]}, domain_source: codebook}
"""


@dataclass(frozen=True, kw_only=True)
class Thrifty(toy_training.ToyTraining):
    """Takes more steps with more budget."""

    def training(self, domain: Domain, rho: float) -> PlannedTraining:
        planned = super().training(domain, rho)
        return replace(planned, sampling_rate=0.005, steps=round(100_000 * rho))


@dataclass(frozen=True, kw_only=True)
class Dense(toy_training.ToyTraining):
    """Takes every fifth unit a step."""

    def training(self, domain: Domain, rho: float) -> PlannedTraining:
        return replace(super().training(domain, rho), sampling_rate=0.2, steps=100)


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    """Prepare a release with one of the training methods for tests."""
    (tmp_path / "dictionary.yaml").write_text(DICTIONARY, encoding="utf-8")
    (tmp_path / "data.csv").write_text("town,ward\n", encoding="utf-8")
    default = files("dpsynth.policies").joinpath("default.yaml").read_text(encoding="utf-8")
    loose = default.replace("limit: 3\n", "limit: 20\n").replace("{epsilon: 4,", "{epsilon: 60,")
    (tmp_path / "loose.yaml").write_text(loose, encoding="utf-8")
    made = {"toy": toy_training.ToyTraining, "thrifty": Thrifty, "dense": Dense}
    more = {name: replace(toy_training.METHOD, make=kind) for name, kind in made.items()}
    monkeypatch.setattr(registry, "METHODS", {**registry.METHODS, **more})

    def call(synthesizer: str, **declared: Any) -> Plan:
        return prepare(
            ReleaseSettings(
                name="visits", lineage="visits", source=tmp_path / "data.csv", delta=1e-6,
                dictionary=tmp_path / "dictionary.yaml", synthesizer=synthesizer,
                policy=str(tmp_path / "loose.yaml"), **declared,
            )
        )  # fmt: skip

    return call


def test_a_risk_that_training_does_not_keep_is_refused(prepared: Callable[..., Plan]) -> None:
    """Of the same epsilon at the same delta, and with another curve."""
    kept = {"max_hits_in_100": 3.0, "false_alarms_in_100": 1.0}
    assert guarantee_of(prepared("dense", **kept), ()).hit_rate(0.01) <= 0.03
    lost = {"max_hits_in_100": 99.0, "false_alarms_in_100": 30.0}
    with pytest.raises(InputError, match="allows 99.* hits in 100"):
        prepared("dense", **lost)
    assert guarantee_of(prepared("mst", **lost), ()).hit_rate(0.3) <= 0.99


def test_steps_that_follow_the_budget_are_refused(prepared: Callable[..., Plan]) -> None:
    """The fit gets what the noise leaves, and would then ask for other steps than were reserved."""
    assert prepared("toy", epsilon=1.0, total_epsilon=3.0).price.sampled
    with pytest.raises(InputError, match="follows its budget"):
        prepared("thrifty", epsilon=1.0, total_epsilon=3.0)
