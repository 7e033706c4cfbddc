"""What a release promises, in numbers: from its price and its events, for evidence and attacks.

zCDP and steps on Poisson samples are converted in different ways; nothing else needs to know which.
A promise is that of the whole price, never of what happened to be charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from dpsynth.errors import InputError
from dpsynth.pipeline.plan import Plan
from dpsynth.privacy import cross_check
from dpsynth.privacy.accountants import cross_check_sampled
from dpsynth.privacy.events import Event
from dpsynth.privacy.ledger import LineageStatus
from dpsynth.privacy.losses import Loss, group_loss, total_loss
from dpsynth.privacy.meaning import Guarantee
from dpsynth.privacy.numbers import float_up
from dpsynth.synth import registry


def guarantee_of(plan: Plan, events: Sequence[Event]) -> Guarantee:
    """Return what a release promises each person.

    Args:
        plan: The release.
        events: What ran; none before it ran, which says a little less.
    """
    sampled = plan.sampled
    return Guarantee.of(
        events,
        rho=plan.price.rho,
        delta_own=plan.price.discovery_delta,
        # What is discovered decides how the rest of the budget is shared out.
        fixed_plan=registry.find(plan.settings.synthesizer).fixed_plan and not plan.open_columns,
        sampled=None if sampled is None else (sampled, plan.rest_rho),
    )


def promised_epsilon(plan: Plan, delta: float) -> float:
    """Return the epsilon at a delta that the whole price of a release implies.

    Args:
        plan: The release.
        delta: The delta of the statement, the own delta of events included.
    """
    own = plan.price.discovery_delta
    if plan.sampled is not None:
        return plan.sampled.epsilon(plan.rest_rho, delta - own)
    return cross_check.epsilon(Loss(rho=Fraction(plan.price.rho), delta=Fraction(own)), delta)


def charged_epsilons(plan: Plan, events: Sequence[Event]) -> tuple[float, list[tuple[str, float]]]:
    """Return the epsilon of what was charged, and (accountant, epsilon) of each that read it.

    At the delta of the release. A run stops where accountants contradict each other.
    """
    delta = plan.budget.delta
    if plan.sampled is not None:
        found = cross_check_sampled(events, delta)
        return found[0][1], found
    found = cross_check.cross_check(total_loss(events), delta)
    return max(value for _, value in found), found


def group_epsilon(plan: Plan, events: Sequence[Event], size: int) -> float | None:
    """Return the epsilon of a group of units for the whole price, or that none is stated."""
    try:
        own = group_loss(events, size).delta
        loss = Loss(rho=Fraction(plan.price.rho) * size**2, delta=own)
        return cross_check.epsilon(loss, plan.budget.delta)
    except InputError:
        return None


def lineage_epsilon(
    plan: Plan, status: LineageStatus | None, rho: Fraction, *, alone: bool = False
) -> float:
    """Return the epsilon of a sum of prices in the lineage of a release.

    At the best order while all of it is zCDP, or is this one release; else at the order that the
    lineage fixed.

    Args:
        plan: The release.
        status: The lineage; None if it is new.
        rho: The sum.
        alone: Whether it is the price of this release and of nothing else.
    """
    terms = plan.terms if status is None else status.terms
    if alone and plan.sampled is not None:
        return plan.sampled.epsilon_alone(float_up(rho), terms.order, terms.conversion_delta)
    renyi = plan.sampled is not None or (status is not None and status.renyi)
    loss = Loss(rho=Fraction(float_up(rho)), order=terms.order if renyi else None)
    return cross_check.epsilon(loss, terms.conversion_delta) if rho else 0.0
