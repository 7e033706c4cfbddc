"""Gaussian steps on Poisson samples as a release plans them: how much noise, and what they promise.

Such steps obey no zCDP. Everything about them that a price depends on is fixed before data is
opened, and so is the sum of all zCDP prices beside them; hence the divergence of the whole release
is bounded at *every* Renyi order by a number that is fixed in advance, and the best order may be
used for its epsilon (docs/accounting.md). The lineage adds it up at the one order that it fixed.

The noise is calibrated before the first step, for both: the price at the order of the lineage stays
within what was set aside, and the epsilon of the release within what was declared. A privacy loss
distribution would allow 4 to 8 % less noise for the second, but not for the first, which then
decides; the certificate's attack figures use it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from dpsynth.errors import InputError
from dpsynth.privacy.conversion import epsilon_at
from dpsynth.privacy.events import PoissonGaussianEvent
from dpsynth.privacy.numbers import parse_decimal
from dpsynth.results import decimal_string

#: Below a half of the clipping norm a step promises next to nothing; above the other end it tells
#: nothing.
LEAST_NOISE, MOST_NOISE = 0.3, 1e6
MOST_STEPS = 1_000_000
#: Logarithm of the scale of the noise on sums of gradients, which are whole numbers.
SUM_BITS = 20
_KEYS = frozenset({"sampling_rate", "noise_multiplier", "steps"})


@dataclass(frozen=True, kw_only=True)
class SampledSteps:
    """Steps of noisy sums over Poisson samples of units, each clipped whole.

    Attributes:
        sampling_rate: Public probability that a unit takes part in a step, in (0, 1].
        noise_multiplier: Standard deviation of the noise as a multiple of the clipping norm.
        steps: Number of steps.
    """

    sampling_rate: float
    noise_multiplier: float
    steps: int

    def __post_init__(self) -> None:
        """Refuse what is no plan."""
        check_steps(self.sampling_rate, self.steps)
        if not LEAST_NOISE <= self.noise_multiplier <= MOST_NOISE:
            raise InputError(
                f"must lie in [{LEAST_NOISE:g}, {MOST_NOISE:g}].", where="noise_multiplier"
            )

    @property
    def squared_sensitivity(self) -> int:
        """Squared norm of what one unit may add to a sum, as a whole number.

        Noise has the scale ``2**SUM_BITS``; this is the largest number for which it is
        `noise_multiplier` times the norm, rounded down.
        """
        return math.floor(Fraction(2**SUM_BITS) ** 2 / Fraction(self.noise_multiplier) ** 2)

    def rho(self, order: float) -> float:
        """Return the Renyi divergence of all steps at an order, over the order, rounded up."""
        return _rho(self.sampling_rate, self.noise_multiplier, self.steps, order)

    def event(self, stage: str, order: float) -> PoissonGaussianEvent:
        """Return the event of all steps, priced at an order."""
        return PoissonGaussianEvent(
            stage=stage,
            sampling_rate=self.sampling_rate,
            noise_multiplier=self.noise_multiplier,
            steps=self.steps,
            order=order,
            rho=self.rho(order),
        )

    def describes(self, event: PoissonGaussianEvent) -> bool:
        """Say whether an event is these steps."""
        return (event.sampling_rate, event.noise_multiplier, event.steps) == (
            self.sampling_rate,
            self.noise_multiplier,
            self.steps,
        )

    def epsilon(self, zcdp_rho: float, delta: float) -> float:
        """Return the epsilon at delta of these steps and of zCDP mechanisms beside them.

        The least over a fixed set of orders, each of which gives a valid bound.

        Args:
            zcdp_rho: Sum of the prices of everything else, fixed before data is opened.
            delta: In (0, 1).
        """
        return min(epsilon_at(a, zcdp_rho + self.rho(a), delta) for a in orders())

    def epsilon_alone(self, rho: float, order: float, delta: float) -> float:
        """Return the epsilon at delta of a lineage in which nothing else has spent.

        Args:
            rho: What these steps and the zCDP mechanisms beside them cost at `order`; where it is
                less than the steps cost, they did not run, and nothing is known at other orders.
            order: Renyi order of the lineage.
            delta: In (0, 1).
        """
        bound = epsilon_at(order, rho, delta)
        rest = rho - self.rho(order) * (1.0 - 1e-12)
        return bound if rest < 0 else min(bound, self.epsilon(rest, delta))

    def to_json(self) -> dict[str, Any]:
        """Return {sampling_rate, noise_multiplier, steps}, numbers as decimal strings."""
        return {
            "sampling_rate": decimal_string(self.sampling_rate),
            "noise_multiplier": decimal_string(self.noise_multiplier),
            "steps": self.steps,
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> SampledSteps:
        """Return what :meth:`to_json` wrote.

        Raises:
            InputError: It is malformed.
        """
        if set(tree) != _KEYS:
            raise InputError("Sampled steps lack a field or have an unknown one.", where="ledger")
        return cls(
            sampling_rate=parse_decimal(tree["sampling_rate"], where="ledger"),
            noise_multiplier=parse_decimal(tree["noise_multiplier"], where="ledger"),
            steps=tree["steps"],
        )


def steps_for(sampling_rate: float, steps: int, *, rho: float, order: float) -> SampledSteps:
    """Return the steps with the least noise whose price at an order is at most `rho`.

    Raises:
        InputError: The rate or the number of steps is out of range, or no noise is priced so low.
    """
    from dpsynth.privacy.calibrate import HEADROOM

    limit = rho * (1.0 - HEADROOM)
    return _least(sampling_rate, steps, lambda planned: planned.rho(order) <= limit)


def release_steps(
    sampling_rate: float,
    steps: int,
    *,
    rho: float,
    order: float,
    zcdp_rho: float,
    epsilon: float,
    delta: float,
) -> SampledSteps:
    """Return the steps of a release, calibrated before any data is opened.

    Args:
        sampling_rate: Public probability that a unit takes part in a step.
        steps: Number of steps.
        rho: What they may cost at the order of the lineage.
        order: Renyi order of the lineage.
        zcdp_rho: Sum of the prices of everything else in the release.
        epsilon: Declared epsilon of the release.
        delta: What own deltas leave of its delta.

    Raises:
        InputError: No noise keeps both promises.
    """
    priced = steps_for(sampling_rate, steps, rho=rho, order=order)
    return _least(
        sampling_rate,
        steps,
        lambda planned: planned.epsilon(zcdp_rho, delta) <= epsilon,
        low=priced.noise_multiplier,
    )


def check_steps(sampling_rate: float, steps: int) -> None:
    """Refuse a rate or a number of steps that is none."""
    if not (math.isfinite(sampling_rate) and 0 < sampling_rate <= 1):
        raise InputError("must lie in (0, 1].", where="sampling_rate")
    if type(steps) is not int or not 1 <= steps <= MOST_STEPS:
        raise InputError(f"must be a whole number from 1 to {MOST_STEPS}.", where="steps")


@cache
def orders() -> tuple[float, ...]:
    """Return the Renyi orders that are tried for the epsilon of a release, fixed for ever."""
    low = [1.0 + k / 16 for k in range(1, 16)]
    middle = [2.0 + k / 4 for k in range(48)]
    return (*low, *middle, *map(float, range(14, 64)), *(64.0 * 1.08**k for k in range(54)))


def _least(
    sampling_rate: float,
    steps: int,
    holds: Callable[[SampledSteps], bool],
    *,
    low: float = LEAST_NOISE,
) -> SampledSteps:
    """Return the steps with the least noise, to within 1e-9 of itself, for which a bound holds."""

    def planned(noise: float) -> SampledSteps:
        return SampledSteps(sampling_rate=sampling_rate, noise_multiplier=noise, steps=steps)

    check_steps(sampling_rate, steps)
    if holds(planned(low)):
        return planned(low)
    high = low
    while not holds(planned(high)):
        low, high = high, 2.0 * high
        if high > MOST_NOISE:
            raise InputError(
                "No noise makes so many steps cheap enough.",
                where="steps",
                fix="Take fewer steps, a smaller sampling rate, or a larger epsilon.",
            )
    while high - low > 1e-9 * high:
        middle = 0.5 * (low + high)
        if holds(planned(middle)):
            high = middle
        else:
            low = middle
    return planned(high)


@lru_cache(maxsize=65_536)
def _rho(sampling_rate: float, noise: float, steps: int, order: float) -> float:
    # Imported here: a ledger that is only read need not load any array library.
    from dpsynth.privacy.losses import poisson_rho

    return poisson_rho(sampling_rate, noise, steps, order)
