"""The smallest method that trains: one-way counts, and gradients that nothing is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpsynth.privacy.curator import Curator
from dpsynth.privacy.measurement import TrainingQuery
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Assumption, ExpectedNoise, PlannedStage, PlannedTraining
from dpsynth.synth.forecast import one_way_noise
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.oneway import OneWays, check_domain, measure_one_ways, one_way_stage
from dpsynth.synth.registry import Method
from dpsynth.synth.structure import held_zeros

SHARE = 0.2  #: of the columns


@dataclass(frozen=True, kw_only=True)
class ToyTraining:
    """Configuration: `steps` of training, of which `stop` are taken; none at all below 0."""

    label: str | None = None
    steps: int = 60
    stop: int = 60
    name = "toy"

    def options(self) -> Mapping[str, Any]:
        """Return the declared options."""
        return {"label": self.label, "steps": self.steps, "stop": self.stop}

    def training(self, domain: Domain, rho: float) -> PlannedTraining:
        """Return what is trained."""
        return PlannedTraining(
            stage="training", sampling_rate=0.1, steps=self.steps, rho=(1 - SHARE) * rho
        )

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what a fit would ask and cost."""
        check_domain(domain, rho, self.label)
        training = self.training(domain, rho)
        return (
            one_way_stage(domain, SHARE * rho),
            PlannedStage(
                stage=training.stage, description="Gradients.", queries=1, rho=training.rho
            ),
        )

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption
    ) -> tuple[ExpectedNoise, ...]:
        """Say how far noise alone would move the columns."""
        return (one_way_noise(domain, SHARE * rho, assumption),)

    def fit(self, curator: Curator) -> MarginalModel:
        """Count the columns, then train."""
        import torch

        one_ways = measure_one_ways(curator, SHARE * curator.rho)
        if self.stop < 0:  # a method that does not do what it planned
            return self._model(one_ways, curator)
        training = self.training(curator.domain, curator.rho)
        gradients = curator.train(
            TrainingQuery(
                partitions=one_ways.partitions, sampling_rate=training.sampling_rate,
                steps=training.steps, rho=training.rho, clip=1.0, divisor=100.0,
            ),
            stage=training.stage,
        )  # fmt: skip
        weights = {"w": torch.zeros(curator.domain.attributes[0].size)}
        for _ in range(self.stop):
            gradients.step(lambda p, bins, normals: p["w"][bins[:1]].sum(), weights)
        return self._model(one_ways, curator)

    def _model(self, one_ways: OneWays, curator: Curator) -> MarginalModel:
        return MarginalModel.from_measurements(
            self.name, one_ways, (), curator.rho, zeros=held_zeros(one_ways)
        )


METHOD = Method(
    make=ToyTraining,
    options=("label", "steps", "stop"),
    assurance="B",
    fixed_plan=True,
    summary="A method for tests.",
    argument="docs/accounting.md",
    trains=True,
)
