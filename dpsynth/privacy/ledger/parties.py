"""What each recipient and each jurisdiction of a lineage got: the books of the filter, for people.

The filter makes these (:meth:`dpsynth.privacy.ledger.filter.Spending.parties`) from the sums by
which it admits and refuses. What may never be true here: a sum over releases of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from dpsynth.errors import InputError
from dpsynth.privacy.ledger.terms import Cap, Currency, LineageTerms, reached
from dpsynth.privacy.numbers import float_up

ZERO = Fraction(0)


@dataclass(frozen=True, kw_only=True)
class Party:
    """What one recipient or jurisdiction got, or several together.

    Attributes:
        name: First spelling of the name; empty for all that are unnamed.
        releases: Number of reservations that were not given back.
        rho: Exact sum of what they take.
        delta: The same of delta.
        currency: In what that sum holds: ZCDP at every order, RENYI at the lineage's order alone.
        terms: Terms of the lineage.
        cap: The strictest cap that stands, the lineage's or that of the newest release; or None.
    """

    name: str
    releases: int
    rho: Fraction
    delta: Fraction
    currency: Currency
    terms: LineageTerms
    cap: Cap | None = None

    @property
    def epsilon(self) -> float:
        """Epsilon of rho at what discovery leaves of the lineage's delta, rounded up.

        Raises:
            InputError: Something without a guarantee was released.
        """
        if self.currency is Currency.NONE:
            raise InputError(
                "has no guarantee, so no epsilon.", where=f"lineage {self.terms.lineage}"
            )
        if not self.rho:
            return 0.0
        order = self.terms.order if self.currency is Currency.RENYI else None
        return reached(float_up(self.rho), self.terms.conversion_delta, order)

    @property
    def left(self) -> Fraction | None:
        """Share of the cap that is left, counted as the filter counts it; None without a cap."""
        if self.cap is None:
            return None
        if self.currency is not Currency.RENYI:
            used = self.rho / Fraction(self.cap.rho)
        elif self.rho:
            reached_now = self.terms.epsilon_at_order(self.rho, self.cap)
            used = Fraction(reached_now) / Fraction(self.cap.budget.epsilon)
        else:
            used = ZERO
        return max(ZERO, 1 - used)


@dataclass(frozen=True, kw_only=True)
class Parties:
    """Everybody who got something of a lineage, oldest first."""

    recipients: tuple[Party, ...]
    jurisdictions: tuple[Party, ...]


def together(parties: Sequence[Party], terms: LineageTerms) -> Party:
    """Return what several parties know at most if they pool what they got; it has no cap."""
    renyi = any(party.currency is Currency.RENYI for party in parties)
    return Party(
        name="",
        releases=sum(party.releases for party in parties),
        rho=sum((party.rho for party in parties), ZERO),
        delta=sum((party.delta for party in parties), ZERO),
        currency=Currency.RENYI if renyi else Currency.ZCDP,
        terms=terms,
    )
