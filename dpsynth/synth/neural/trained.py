"""Synthesizers that train a network on noisy gradients: ``gan``, ``vae`` and ``diffusion``.

Each spends a share of its budget on the noisy counts of every column, and the rest on DP-SGD
(Abadi et al. 2016) through the Curator. Rate and number of steps, network and learning rate are
options or constants, fixed before any data is opened; what follows from data follows from noisy
answers. Each ends as a mixture model, which is sampled without torch. Never true here: a step that
looks at a loss, a stop or a choice among networks by a number of real rows; torch, unless a method
is fitted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from dpsynth.errors import InputError, MissingExtraError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.measurement import TrainingQuery
from dpsynth.privacy.sampled import check_steps
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Assumption, ExpectedNoise, PlannedStage, PlannedTraining
from dpsynth.synth.forecast import one_way_noise
from dpsynth.synth.neural.decoder import Decoder
from dpsynth.synth.neural.latents import Latents
from dpsynth.synth.neural.mixture_model import MixtureModel
from dpsynth.synth.oneway import OneWays, check_domain, measure_one_ways, one_way_stage

if TYPE_CHECKING:
    from dpsynth.privacy.training import NoisyGradients

STAGE = "training"
_ONE_WAY_SHARE = 0.15


@dataclass(frozen=True, kw_only=True)
class TrainedSynthesizer(ABC):
    """Configuration of a method that trains by DP-SGD.

    Attributes:
        label: Column that matters most.
        steps: Number of noisy gradients.
        sampling_rate: Probability that a unit takes part in one of them. It may not follow the
            number of rows, which is private.
    """

    label: str | None = None
    steps: int = 500
    sampling_rate: float = 0.02
    name = ""

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            InputError: One of them is not as described.
        """
        if isinstance(self.sampling_rate, bool) or not isinstance(self.sampling_rate, int | float):
            raise InputError("must be a number.", where=f"synthesizer {self.name}, sampling_rate")
        check_steps(self.sampling_rate, self.steps)

    def options(self) -> Mapping[str, Any]:
        """Return the declared options."""
        return {
            "label": self.label,
            "steps": self.steps,
            "sampling_rate": self.sampling_rate,
        }

    def training(self, domain: Domain, rho: float) -> PlannedTraining:
        """Return what :meth:`fit` will ask of :meth:`Curator.train` with this budget.

        Raises:
            InputError: The domain or the price cannot work.
            MissingExtraError: torch is not installed.
        """
        check_domain(domain, rho, self.label)
        if find_spec("torch") is None:
            raise MissingExtraError(
                "trains a network, which needs torch.",
                where=f"synthesizer {self.name}",
                fix="Install dpsynth[neural].",
            )
        return PlannedTraining(
            stage=STAGE,
            sampling_rate=self.sampling_rate,
            steps=self.steps,
            rho=rho - _ONE_WAY_SHARE * rho,
        )

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what a fit would ask and cost.

        Raises:
            InputError: The domain or the price cannot work.
            MissingExtraError: torch is not installed.
        """
        training = self.training(domain, rho)
        return (
            one_way_stage(domain, _ONE_WAY_SHARE * rho),
            PlannedStage(
                stage=STAGE,
                description=(
                    "Noisy gradients of a network over Poisson samples of units, each unit's cut "
                    "down to a norm."
                ),
                queries=1,
                rho=training.rho,
            ),
        )

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption
    ) -> tuple[ExpectedNoise, ...]:
        """Say how far noise alone would move the columns; of gradients nothing is forecast."""
        return (one_way_noise(domain, _ONE_WAY_SHARE * rho, assumption),)

    def fit(self, curator: Curator) -> MixtureModel:
        """Fit through the Curator, spending at most its budget."""
        domain, rho = curator.domain, curator.rho
        training = self.training(domain, rho)
        pairs = max(1, len(domain) * (len(domain) - 1) // 2)
        one_ways = measure_one_ways(curator, _ONE_WAY_SHARE * rho, pair_rho=training.rho / pairs)
        gradients = curator.train(
            TrainingQuery(
                partitions=one_ways.partitions,
                sampling_rate=training.sampling_rate,
                steps=training.steps,
                rho=min(training.rho, curator.remaining),
                clip=float(curator.unit_rows),
                divisor=max(1.0, training.sampling_rate * one_ways.total),
                normals=self._normals(one_ways.coarse_domain),
            ),
            stage=STAGE,
        )
        decoder, latents = self._train(gradients, one_ways)
        return MixtureModel.from_decoder(self.name, one_ways, (), decoder, latents)

    @abstractmethod
    def _normals(self, coarse: Domain) -> int:
        """Return how many normal draws the loss of a row gets."""

    @abstractmethod
    def _train(self, gradients: NoisyGradients, one_ways: OneWays) -> tuple[Decoder, Latents]:
        """Return the decoder that training leads to, and its latent points."""


@dataclass(frozen=True, kw_only=True)
class GanSynthesizer(TrainedSynthesizer):
    """Configuration of ``gan``, see ``gan.py``; the generator is conditioned on the label."""

    steps: int = 200
    name = "gan"

    def _normals(self, coarse: Domain) -> int:
        return 0

    def _train(self, gradients: NoisyGradients, one_ways: OneWays) -> tuple[Decoder, Latents]:
        from dpsynth.synth.neural.gan import train

        return train(gradients, one_ways, self.label)


@dataclass(frozen=True, kw_only=True)
class VaeSynthesizer(TrainedSynthesizer):
    """Configuration of ``vae``, see ``vae.py``; the label has no effect on it."""

    steps: int = 1000
    name = "vae"

    def _normals(self, coarse: Domain) -> int:
        from dpsynth.synth.neural.vae import DIMENSION

        return DIMENSION

    def _train(self, gradients: NoisyGradients, one_ways: OneWays) -> tuple[Decoder, Latents]:
        from dpsynth.synth.neural.vae import train

        return train(gradients, one_ways)


@dataclass(frozen=True, kw_only=True)
class DiffusionSynthesizer(TrainedSynthesizer):
    """Configuration of ``diffusion``, see ``diffusion.py``; the label has no effect on it."""

    steps: int = 500
    name = "diffusion"

    def _normals(self, coarse: Domain) -> int:
        return sum(attribute.size for attribute in coarse) + 1

    def _train(self, gradients: NoisyGradients, one_ways: OneWays) -> tuple[Decoder, Latents]:
        from dpsynth.synth.neural.diffusion import train

        return train(gradients, one_ways)
