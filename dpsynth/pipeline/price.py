"""What one release may spend, and how it is divided: declared shares, exact arithmetic.

A method that trains on Poisson samples is no zCDP. Its noise is calibrated here, before anything is
opened: the price at the order of the lineage stays within the share of the method, and the epsilon
of the whole release at the best order within what was declared. The second decides where the order
of the lineage suits this release badly; then less than the share is reserved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from dpsynth.errors import InputError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.numbers import float_down, float_up
from dpsynth.privacy.sampled import SampledSteps, release_steps
from dpsynth.schema.declared import Column, OpenDomain
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import PlannedTraining, Trains

OWN_DELTA_SHARE = 0.1  #: of every delta, kept for mechanisms with a delta of their own
DISCOVERY_DELTA_SHARE = 0.01  #: of delta: what one release may spend of it on finding categories


def own_delta(budget: Budget) -> float:
    """Return the part of a budget's delta that is kept for mechanisms with a delta of their own."""
    return OWN_DELTA_SHARE * budget.delta


@dataclass(frozen=True, kw_only=True)
class Price:
    """The budget of one release in the units that add up.

    Attributes:
        rho: All of it, in zCDP rho; what is reserved.
        discovery: Part of rho that finds the domains of open columns.
        discovery_delta: Part of delta that finds categories; 0 where none are to be found.
        fit: Part of rho that the synthesizer may spend.
        fidelity: Part of rho that measures the published error.
        sampled: Steps on Poisson samples that are part of the fit; None where there are none. Their
            price, like `rho` and `fit`, is then that at the Renyi order of the lineage.
    """

    rho: float
    discovery: float
    discovery_delta: float
    fit: float
    fidelity: float
    sampled: SampledSteps | None = None

    @classmethod
    def of(
        cls,
        budget: Budget,
        open_columns: Sequence[Column],
        *,
        discovery_share: float,
        fidelity_share: float,
    ) -> Price:
        """Divide a budget.

        Args:
            budget: What a person declared for the release.
            open_columns: Columns whose domain is to be discovered.
            discovery_share: Share of rho for that, where there are such columns.
            fidelity_share: Share of rho for the published error.
        """
        texts = any(isinstance(column.domain, OpenDomain) for column in open_columns)
        own = DISCOVERY_DELTA_SHARE * budget.delta if texts else 0.0
        # The same part of delta is kept in releases and in lineages, so that a release may always
        # use the whole of a lineage's epsilon, and a lineage can pay for ten discoveries.
        kept = budget.delta - own_delta(budget)
        rho = rho_for(Budget(epsilon=budget.epsilon, delta=kept))
        discovery = discovery_share * rho if open_columns else 0.0
        fidelity = fidelity_share * rho
        return cls(
            rho=rho,
            discovery=discovery,
            discovery_delta=own,
            fit=float_down(Fraction(rho) - Fraction(discovery) - Fraction(fidelity)),
            fidelity=fidelity,
        )

    def trained(self, training: PlannedTraining, *, budget: Budget, order: float) -> Price:
        """Return the price with the noise of a method's training.

        Args:
            training: What the method asks for, at `fit`.
            budget: What a person declared for the release.
            order: Renyi order of the lineage.

        Raises:
            InputError: No noise keeps it within the budget.
        """
        rest = Fraction(self.rho) - Fraction(training.rho)
        steps = release_steps(
            training.sampling_rate,
            training.steps,
            rho=training.rho,
            order=order,
            zcdp_rho=float_up(rest),
            epsilon=budget.epsilon,
            delta=float_down(Fraction(budget.delta) - Fraction(self.discovery_delta)),
        )
        unused = Fraction(training.rho) - Fraction(steps.rho(order))
        return replace(
            self,
            rho=float_down(Fraction(self.rho) - unused),
            fit=float_down(Fraction(self.fit) - unused),
            sampled=steps,
        )


def with_training(
    price: Price, synthesizer: Trains, domain: Domain, *, budget: Budget, order: float
) -> Price:
    """Return a price with the noise of a method's training, which may leave less for the fit.

    Args:
        price: The price without it.
        synthesizer: The method.
        domain: The domain that the plan supposes.
        budget: What a person declared for the release.
        order: Renyi order of the lineage.

    Raises:
        InputError: No noise is enough, or with less the method would train in another way than was
            reserved, which would be refused after the data was opened.
    """
    asked = synthesizer.training(domain, price.fit)
    priced = price.trained(asked, budget=budget, order=order)
    again = synthesizer.training(domain, priced.fit)
    if (asked.sampling_rate, asked.steps) != (again.sampling_rate, again.steps):
        raise InputError(
            "plans training whose rate or number of steps follows its budget.",
            where=f"synthesizer {synthesizer.name}",
            fix="Let them follow from options.",
        )
    return priced
