"""What one release may spend, and how it is divided: declared shares, exact arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from dpsynth.privacy.accountant import rho_for
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.numbers import float_down
from dpsynth.schema.declared import Column, OpenDomain

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
    """

    rho: float
    discovery: float
    discovery_delta: float
    fit: float
    fidelity: float

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
