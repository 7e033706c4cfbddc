"""Independent columns: the simplest method, and the control that others must beat.

Every column is drawn from its own noisy counts; all relations between columns are lost. It is what
to choose where a table is too small or a budget too tight for pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpsynth.privacy.curator import Curator
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Assumption, ExpectedNoise, PlannedStage
from dpsynth.synth.forecast import one_way_noise
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.oneway import check_domain, measure_one_ways, one_way_stage
from dpsynth.synth.structure import held_zeros


@dataclass(frozen=True, kw_only=True)
class IndependentSynthesizer:
    """Configuration of the method.

    Attributes:
        label: Column that matters most; taken by every method, without effect on this one.
    """

    label: str | None = None
    name = "independent"

    def options(self) -> Mapping[str, Any]:
        """Return the declared options."""
        return {"label": self.label}

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what a fit would ask and cost.

        Raises:
            InputError: The domain or the price cannot work.
        """
        check_domain(domain, rho, self.label)
        return (one_way_stage(domain, rho),)

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption
    ) -> tuple[ExpectedNoise, ...]:
        """Say how far noise alone would move the columns."""
        return (one_way_noise(domain, rho, assumption),)

    def fit(self, curator: Curator) -> MarginalModel:
        """Spend the whole budget on one-way counts."""
        check_domain(curator.domain, curator.rho, self.label)
        one_ways = measure_one_ways(curator, curator.remaining)
        return MarginalModel.from_measurements(
            self.name, one_ways, (), curator.rho, zeros=held_zeros(one_ways)
        )
