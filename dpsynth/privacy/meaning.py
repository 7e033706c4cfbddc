"""What a guarantee means for one person, in numbers that a reader who is no specialist can use.

Everything here is a function of declared prices and of public parameters of the noise, so it is
post-processing. Each number is an upper bound on what *any* attacker can do who knows all rows but
one person's, the program and every release, with the person added or removed. None may ever fall
below the exact curve of the mechanism that ran (tested); derivations are in docs/accounting.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from dpsynth.arrays import Floats
from dpsynth.errors import InputError
from dpsynth.privacy.accountants import PldAccountant
from dpsynth.privacy.curve import (
    Profile,
    check_rho,
    epsilons,
    renyi_profile,
    sampled_profile,
    zcdp_profile,
)
from dpsynth.privacy.events import Event, PoissonGaussianEvent
from dpsynth.privacy.losses import total_loss
from dpsynth.privacy.sampled import SampledSteps

ZCDP = "zCDP"
DISCRETE_PLD = "discrete Gaussian PLD"
SAMPLED_PLD = "Poisson-sampled Gaussian PLD"
RENYI = "Renyi divergence at one order"
RENYI_ORDERS = "Renyi divergence at many orders"


@dataclass(frozen=True, kw_only=True, eq=False)
class Guarantee:
    """What a release promises each person.

    Attributes:
        basis: Where the numbers come from: :data:`ZCDP`, :data:`DISCRETE_PLD`,
            :data:`SAMPLED_PLD`, :data:`RENYI` or :data:`RENYI_ORDERS`.
        rho: The price that was declared, in zCDP rho or at one Renyi order.
        delta_own: Chance that steps fail on their own; it enters every number.
    """

    basis: str
    rho: float
    delta_own: float
    _profile: Profile = field(repr=False)

    @classmethod
    def of(
        cls,
        events: Sequence[Event],
        *,
        rho: float,
        delta_own: float,
        fixed_plan: bool,
        sampled: tuple[SampledSteps, float] | None = None,
    ) -> Guarantee:
        """Return the guarantee of a release.

        Args:
            events: What ran, every event of the release.
            rho: The price that was declared, at least what the events charged.
            delta_own: What the events may fail by on their own, at least what they charged.
            fixed_plan: Number and noise of the events were fixed before any output was seen. Only
                then the distribution of the privacy loss itself is used, where it can be read; the
                least of its bound and that of the price is taken.
            sampled: Steps on Poisson samples that were fixed beforehand, and the zCDP rho of
                everything else; None where there are none, or where nothing was fixed.

        Raises:
            InputError: The events charged more than was declared, or are no events.
        """
        check_rho(rho)
        if not 0 <= delta_own < 1:
            raise InputError("must lie in [0, 1).", where="delta_own")
        total = total_loss(events)
        if Fraction(rho) < total.rho or Fraction(delta_own) < total.delta:
            raise InputError("The events charged more than was declared.", where="rho")
        poisson = any(isinstance(event, PoissonGaussianEvent) for event in events)
        if sampled is not None:
            basis, profile = RENYI_ORDERS, sampled_profile(*sampled)
        elif total.order is None:
            basis, profile = ZCDP, zcdp_profile(rho)
        else:
            basis, profile = RENYI, renyi_profile(rho, total.order)
        if fixed_plan and events and all(PldAccountant.supports(event) for event in events):
            basis = SAMPLED_PLD if poisson else DISCRETE_PLD
            reader = PldAccountant(events, fixed_plan=fixed_plan)
            profile = profile.tighter(reader.profile(epsilons()))
        return cls(basis=basis, rho=rho, delta_own=delta_own, _profile=profile)

    def tail_probability(self, epsilon: float) -> float:
        """Return a bound on the probability that the privacy loss exceeds `epsilon`."""
        return self._profile.tail_probability(epsilon, self.delta_own)

    def hit_rate(self, false_alarm: float) -> float:
        """Return the largest share of members that any attacker recognises.

        Args:
            false_alarm: Share of non-members that the attacker takes for members, in [0, 1].
        """
        return float(self.hit_rates(np.array([false_alarm]))[0])

    def hit_rates(self, false_alarms: Floats) -> Floats:
        """Return :meth:`hit_rate` of many rates, shape (k,)."""
        return self._profile.hit_rates(false_alarms, self.delta_own)

    def success(self, without: float) -> float:
        """Return the largest chance to single a unit out, to link to it or to infer its secret.

        All three criteria of the Article 29 Working Party (Opinion 05/2014) ask how likely an
        output is after which an attacker does something to one unit. What happens without the rows
        of the unit is the false alarm, so the curve bounds it (docs/accounting.md).

        Args:
            without: The chance of the same attacker with a release made without the unit's rows.
        """
        return self.hit_rate(without)

    def trade_off_curve(self, points: int) -> Floats:
        """Return the largest hit rate at equally spaced false alarm rates.

        Returns:
            Shape (points, 2): false alarm rate from 0 to 1, largest hit rate.
        """
        if points < 2:
            raise InputError("A curve needs at least two points.")
        false_alarms = np.linspace(0.0, 1.0, points)
        return np.column_stack([false_alarms, self.hit_rates(false_alarms)])

    def right_guesses(self) -> float:
        """Return the largest share of right guesses when membership was decided by a fair coin."""
        return min(1.0, 0.5 + 0.5 * (self._profile.total_variation + self.delta_own))


def _priced(rho: float) -> Guarantee:
    """Return the guarantee of a pure zCDP price."""
    return Guarantee(basis=ZCDP, rho=rho, delta_own=0.0, _profile=zcdp_profile(rho))


def tail_probability(rho: float, epsilon: float) -> float:
    """Return :meth:`Guarantee.tail_probability` of a pure zCDP price."""
    return _priced(rho).tail_probability(epsilon)


def hit_rate(false_alarm: float, rho: float) -> float:
    """Return :meth:`Guarantee.hit_rate` of a pure zCDP price."""
    return _priced(rho).hit_rate(false_alarm)


def trade_off_curve(rho: float, points: int) -> Floats:
    """Return :meth:`Guarantee.trade_off_curve` of a pure zCDP price."""
    return _priced(rho).trade_off_curve(points)


def right_guesses(rho: float) -> float:
    """Return :meth:`Guarantee.right_guesses` of a pure zCDP price."""
    return _priced(rho).right_guesses()


def beliefs(epsilon: float, priors: Sequence[float]) -> list[float]:
    """Return the strongest belief in membership after the release, for each belief before it.

    The odds grow by a factor of exp(epsilon) at most (Bayes), except with the probability that
    :meth:`Guarantee.tail_probability` bounds.

    Args:
        epsilon: Privacy loss.
        priors: Probabilities before the release, in [0, 1].
    """
    if not (math.isfinite(epsilon) and epsilon >= 0):
        raise InputError("must be finite and at least 0.", where="epsilon")
    if any(not 0.0 <= prior <= 1.0 for prior in priors):
        raise InputError("A belief is a probability.")
    shrink = math.exp(-epsilon)
    return [prior / (prior + (1.0 - prior) * shrink) if prior else 0.0 for prior in priors]
