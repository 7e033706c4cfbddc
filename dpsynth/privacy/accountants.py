"""Accountants: zCDP, Renyi divergence (RDP) and privacy loss distributions (PLD).

Events are nouns and accountants are readers (the design of Google's dp-accounting): an event never
says how it is to be accounted for, and a reader refuses by name what it cannot read. All give upper
bounds for adding or removing one privacy unit; docs/accounting.md says why each holds, and when.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Protocol, assert_never

import numpy as np

from dpsynth.arrays import Floats
from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy.conversion import epsilon_at, tight_delta
from dpsynth.privacy.cross_check import TOLERANCE, epsilon
from dpsynth.privacy.events import (
    Event,
    GaussianEvent,
    PoissonGaussianEvent,
    ScoresEvent,
    SelectionEvent,
    ThresholdEvent,
)
from dpsynth.privacy.foreign import ThirdPartyEvent, UnboundedEvent, refused
from dpsynth.privacy.losses import total_loss, true_loss
from dpsynth.privacy.numbers import float_down, float_up
from dpsynth.privacy.sampled import SampledSteps

_OUTWARD = 1.0 + 1e-9
# Floating-point error of the convolutions, in delta; measured against exact sums it stays below
# a hundredth of this.
PLD_SLACK = 1e-12
# Above it the table of one noise distribution takes seconds to build.
MAX_PLD_SIGMA = 20_000.0
_MAX_POINTS = 2_000_000
# One reading: (what, scale, shift or sampling rate).
_Step = tuple[type[Event], float, float]


class Accountant(Protocol):
    """What every reader of events offers.

    Attributes:
        name: How certificates name it.
    """

    name: str

    @staticmethod
    def supports(event: Event) -> bool:
        """Say whether this reader has a bound for an event."""
        ...

    def epsilon(self, delta: float) -> float:
        """Return an epsilon at which all events together are (epsilon, delta)-DP."""
        ...

    def delta(self, epsilon: float) -> float:
        """Return a delta at which all events together are (epsilon, delta)-DP."""
        ...


class ZcdpAccountant:
    """zCDP of all events but Poisson-sampled ones: a sum that also holds for adaptive plans.

    Args:
        events: What ran.

    Raises:
        InputError: An event has no zCDP price.
        SelfTestError: An event charged less than what it says that ran.
    """

    name = "zCDP"

    def __init__(self, events: Sequence[Event]) -> None:
        _refuse_unsupported(self, events)
        self._loss = total_loss(events)

    @staticmethod
    def supports(event: Event) -> bool:
        """Say whether an event has a zCDP price."""
        return isinstance(
            event, GaussianEvent | ScoresEvent | SelectionEvent | ThresholdEvent | ThirdPartyEvent
        )

    def epsilon(self, delta: float) -> float:
        """Return the epsilon at `delta`, of which the events' own delta is part.

        Raises:
            InputError: The events' own delta leaves nothing.
        """
        return epsilon(self._loss, delta)

    def delta(self, epsilon: float) -> float:
        """Return the delta at `epsilon`, the events' own included."""
        return min(1.0, tight_delta(float_up(self._loss.rho), epsilon) + float_up(self._loss.delta))


class RdpAccountant:
    """Renyi divergences at many orders, by dp-accounting, from the parameters of the events.

    Args:
        events: What ran.
        fixed_plan: Every parameter was fixed before any output was seen. Needed where steps on
            Poisson samples are among the events: the best order is then chosen in hindsight, which
            holds for a fixed plan and for zCDP, and not for an adaptive mixture.

    Raises:
        InputError: An event is unknown, or the plan was not stated to be fixed where it must be.
    """

    name = "dp-accounting RDP"

    def __init__(self, events: Sequence[Event], *, fixed_plan: bool = False) -> None:
        _refuse_unsupported(self, events)
        sampled = any(isinstance(event, PoissonGaussianEvent) for event in events)
        if sampled and not fixed_plan:
            raise _not_fixed(self.name)
        from dp_accounting import rdp

        self._accountant = rdp.RdpAccountant(orders=_renyi_orders(sampled))
        own = (true_loss(event).delta for event in events if isinstance(event, ThresholdEvent))
        self._delta = sum(own, Fraction(0))
        for event, count in Counter(_as_dp_event(event) for event in events).items():
            self._accountant.compose(event, count)

    @staticmethod
    def supports(event: Event) -> bool:
        """Say whether an event has a Renyi bound: every one of this version has."""
        return isinstance(event, Event)

    def epsilon(self, delta: float) -> float:
        """Return the epsilon at `delta`, of which the events' own delta is part.

        Raises:
            InputError: The events' own delta leaves nothing.
        """
        left = _left_of(delta, self._delta)
        return float(self._accountant.get_epsilon(left)) * _OUTWARD

    def delta(self, epsilon: float) -> float:
        """Return the delta at `epsilon`, the events' own included."""
        found = float(self._accountant.get_delta(epsilon)) * _OUTWARD
        return min(1.0, found + float_up(self._delta))


class PldAccountant:
    """The privacy loss distribution, by dp-accounting: exact up to a grid that errs outward.

    Valid only for a plan whose parameters were all fixed before any output was seen: the number of
    events and the noise of each. A distribution of losses that depends on earlier outputs has no
    single pair of output distributions that is the worst one.

    It reads what one shift of one-dimensional noise describes: a marginal of units of one row (one
    cell moves by one), scores of weight one of such units (each moves by at most one), one score
    alone (it moves by a whole number), and Gaussian steps on Poisson samples.

    Args:
        events: What ran.
        fixed_plan: The caller's statement that the plan was fixed.

    Raises:
        InputError: The plan was not stated to be fixed, or an event cannot be read.
    """

    name = "dp-accounting PLD"

    def __init__(self, events: Sequence[Event], *, fixed_plan: bool = False) -> None:
        if not fixed_plan:
            raise _not_fixed(self.name)
        _refuse_unsupported(self, events)
        steps: Counter[_Step] = Counter()
        for event in events:
            step, count = _as_steps(event)
            steps[step] += count
        self._distribution = _compose(steps)

    @staticmethod
    def supports(event: Event) -> bool:
        """Say whether a one-dimensional shift describes an event."""
        match event:
            case GaussianEvent():
                return event.sensitivity == 1 and event.sigma <= MAX_PLD_SIGMA
            case ScoresEvent():
                # Weights are whole and positive, so the sum of their squares equals their number
                # only where each is 1, and units have one row.
                single = event.scores == 1 or event.squared_sensitivity == event.scores
                return single and event.sigma <= MAX_PLD_SIGMA
            case PoissonGaussianEvent():
                return True
            case _:
                return False

    def epsilon(self, delta: float) -> float:
        """Return the epsilon at `delta`.

        Raises:
            InputError: The floating-point error of the distribution is as large as `delta`.
        """
        if not PLD_SLACK * 2 <= delta < 1:
            raise InputError(f"PLD resolves from {2 * PLD_SLACK:g} to 1.", where="delta")
        return float(self._distribution.get_epsilon_for_delta(delta - PLD_SLACK)) * _OUTWARD

    def delta(self, epsilon: float) -> float:
        """Return the delta at `epsilon`."""
        return float(self.profile(np.array([epsilon]))[0])

    def profile(self, epsilons: Floats) -> Floats:
        """Return the delta at each of some rising epsilons, for adding and removing alike."""
        if np.any(np.isnan(epsilons)) or np.any(epsilons < 0):
            raise InputError("must be at least 0.", where="epsilon")
        found = np.asarray(self._distribution.get_delta_for_epsilon(epsilons), dtype=np.float64)
        deltas: Floats = np.clip(found * _OUTWARD + PLD_SLACK, 0.0, 1.0)
        return deltas


def cross_check_sampled(events: Sequence[Event], delta: float) -> list[tuple[str, float]]:
    """Convert the loss of a release with steps on Poisson samples by independent implementations.

    Their parameters, and the sum of everything else, were fixed before data was opened, so each
    uses its best order; the distribution is read where every event is one that it can read.

    Args:
        events: What ran: one event of such steps, and zCDP.
        delta: The delta of the statement, the events' own included.

    Returns:
        (name of the accountant, epsilon), our own first: that is what is stated.

    Raises:
        SelfTestError: Another accountant contradicts ours.
    """
    (steps,) = [event for event in events if isinstance(event, PoissonGaussianEvent)]
    rest = total_loss(event for event in events if event is not steps)
    planned = SampledSteps(
        sampling_rate=steps.sampling_rate,
        noise_multiplier=steps.noise_multiplier,
        steps=steps.steps,
    )
    rho, left = float_up(rest.rho), _left_of(delta, rest.delta)
    own = planned.epsilon(rho, left)
    theirs = RdpAccountant(events, fixed_plan=True).epsilon(delta)
    found = [("dpsynth RDP", own), (RdpAccountant.name, theirs)]
    # At one order both are one formula: at the same orders neither may be below the other.
    same = min(epsilon_at(a, rho + planned.rho(a), left) for a in _renyi_orders(True))
    wrong = abs(same - theirs) > TOLERANCE * theirs + 1e-6 or own > theirs * (1.0 + TOLERANCE)
    if all(PldAccountant.supports(event) for event in events):
        found.append((PldAccountant.name, PldAccountant(events, fixed_plan=True).epsilon(delta)))
        wrong = wrong or found[2][1] > own * (1.0 + 1e-3)
    if wrong:
        raise SelfTestError(
            "The privacy accountants disagree.",
            where=", ".join(f"{name} {value:.6g}" for name, value in found),
            fix="No epsilon can be stated. Check the version of dp-accounting.",
        )
    return found


def _refuse_unsupported(reader: Accountant, events: Sequence[Event | UnboundedEvent]) -> None:
    """Refuse by name what a reader has no bound for."""
    for event in events:
        if isinstance(event, UnboundedEvent):
            raise refused(event, reader.name)
        if not reader.supports(event):
            raise InputError(
                f"{reader.name} has no bound for {type(event).__name__} with these parameters.",
                where=getattr(event, "stage", None),
            )


def _not_fixed(name: str) -> InputError:
    """Return the refusal of a plan that nobody stated to be fixed."""
    return InputError(
        f"{name} holds only for a plan that was fixed before any output was seen.",
        where="fixed_plan",
        fix="Use the zCDP reader, or state it where it is true.",
    )


def _left_of(delta: float, own: Fraction) -> float:
    """Return what the own delta of events leaves of `delta`, rounded down."""
    if not 0 < delta < 1:
        raise InputError("must lie in (0, 1).", where="delta")
    left = float_down(Fraction(delta) - own)
    if left <= 0:
        raise InputError("The steps take all of it; nothing is left.", where="delta")
    return left


def _renyi_orders(sampled: bool) -> list[float]:
    """Return the orders to try; whole ones where sums over Poisson samples must be made."""
    if not sampled:
        return [1.0 + float(less) for less in np.geomspace(0.0101, 1e8, 800)]
    large = {float(round(order)) for order in np.geomspace(64, 1024, 40)}
    return [*map(float, range(2, 64)), *sorted(large)]


def _as_dp_event(event: Event) -> Any:
    """Return the event in the words of dp-accounting; discrete noise obeys the same Renyi bound."""
    from dp_accounting import dp_event

    match event:
        case GaussianEvent() | ThresholdEvent():
            return dp_event.GaussianDpEvent(event.sigma / event.sensitivity)
        case ScoresEvent():
            return dp_event.GaussianDpEvent(event.sigma / math.sqrt(event.squared_sensitivity))
        case SelectionEvent() | ThirdPartyEvent():
            return dp_event.ZCDpEvent(float_up(true_loss(event).rho))
        case PoissonGaussianEvent():
            noise = dp_event.GaussianDpEvent(event.noise_multiplier)
            step = dp_event.PoissonSampledDpEvent(event.sampling_rate, noise)
            return dp_event.SelfComposedDpEvent(step, event.steps)
    assert_never(event)


def _as_steps(event: Event) -> tuple[_Step, int]:
    """Return the one-dimensional noise that a supported event is made of, and how many of it."""
    match event:
        case GaussianEvent():
            return (GaussianEvent, event.sigma, 1), 1
        case ScoresEvent(scores=1):
            return (GaussianEvent, event.sigma, math.isqrt(event.squared_sensitivity)), 1
        case ScoresEvent():
            return (GaussianEvent, event.sigma, 1), event.scores
        case PoissonGaussianEvent():
            kind = PoissonGaussianEvent
            return (kind, event.noise_multiplier, event.sampling_rate), event.steps
        case _:
            raise InputError("PLD cannot read this event.", where=event.stage)


def _compose(steps: Counter[_Step]) -> Any:
    """Return dp-accounting's distribution of all steps, on a grid that suits their sum.

    Connecting the dots adds at most an eighth of the squared grid width to the loss of a step. The
    width is a fiftieth of the standard deviation of one step of average noise, so the loss of all
    of them moves by far less than one per cent; and it moves outward.
    """
    from dp_accounting.pld import privacy_loss_distribution as pld

    spread = sum(count * _variance(step) for step, count in steps.items())
    width = 0.02 * math.sqrt(spread / max(1, steps.total()))
    width = max([width, *(_range(step) / _MAX_POINTS for step in steps)])
    total = pld.identity(value_discretization_interval=width or 1e-4)
    for (kind, scale, amount), count in steps.items():
        if kind is PoissonGaussianEvent:
            one = pld.from_gaussian_mechanism(
                scale,
                sampling_prob=amount,
                value_discretization_interval=width,
                use_connect_dots=True,
            )
        else:
            one = pld.from_discrete_gaussian_mechanism(
                scale, int(amount), value_discretization_interval=width, use_connect_dots=True
            )
        total = total.compose(one.self_compose(count))
    return total


def _variance(step: _Step) -> float:
    """Return about the variance of the privacy loss of one step."""
    kind, scale, amount = step
    if kind is not PoissonGaussianEvent:
        return (amount / scale) ** 2
    return min(amount**2 * math.expm1(min(scale**-2, 500.0)), scale**-2)


def _range(step: _Step) -> float:
    """Return about how far the privacy losses of one step lie apart."""
    kind, scale, amount = step
    if kind is not PoissonGaussianEvent:
        return 24.0 * amount / scale
    top = 10.0 / scale + 0.5 / scale**2
    return 2.0 * float(
        np.logaddexp(math.log1p(-amount) if amount < 1 else -700.0, math.log(amount) + top)
    )
