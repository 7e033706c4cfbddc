"""What a full verification re-derives: the price of every event and every claim of rho.

The same checks run once before an entry is written. Reading a ledger trusts the recorded prices,
which the ledger's key signed; verification does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from dpsynth.errors import BudgetError, InputError
from dpsynth.privacy.events import Event, GaussianEvent, PoissonGaussianEvent, from_json
from dpsynth.privacy.foreign import UnboundedEvent
from dpsynth.privacy.ledger.amounts import as_amount, as_text
from dpsynth.privacy.ledger.chain import Entry
from dpsynth.privacy.ledger.records import ReleaseRecord
from dpsynth.privacy.ledger.terms import (
    SLACK,
    Caps,
    Currency,
    LineageTerms,
    check_caps,
    conversion_delta,
    reached,
)
from dpsynth.privacy.numbers import float_up

if TYPE_CHECKING:
    from dpsynth.privacy.losses import Loss


def price(events: Sequence[Event], record: ReleaseRecord, terms: LineageTerms) -> Loss:
    """Return what events cost in a reservation.

    Raises:
        InputError: An event is priced for smaller units, or in a currency or at an order that is
            not the reservation's.
        SelfTestError: An event charges less than what it says that ran.
    """
    from dpsynth.privacy.losses import Loss, total_loss

    if not record.protected:
        raise InputError(
            "A release without a guarantee has no budget that could pay.", where=record.release
        )
    for event in events:
        if not event.covers(record.max_rows):
            raise InputError(
                f"An event claims less than the {record.max_rows} rows per unit that the "
                "release was reserved for.",
                where=record.release,
            )
        if isinstance(event, PoissonGaussianEvent):
            if record.currency is not Currency.RENYI:
                raise InputError(
                    "An event that is no zCDP cannot be paid by a reservation in zCDP.",
                    where=record.release,
                    fix="Reserve in the currency renyi.",
                )
            if event.order != terms.order:
                raise InputError(
                    f"An event is priced at the Renyi order {event.order:g}; this lineage adds up "
                    f"at {terms.order:g} for ever.",
                    where=record.release,
                )
            if record.sampled is not None and not record.sampled.describes(event):
                raise InputError(
                    "Steps on Poisson samples differ from those that were reserved.",
                    where=record.release,
                )
    groups: dict[object, list[Event]] = {}
    for event in events:
        groups.setdefault(_price_key(event), []).append(event)
    total = Loss()
    for equal in groups.values():
        loss = total_loss(equal[:1])
        total += Loss(rho=len(equal) * loss.rho, delta=len(equal) * loss.delta, order=loss.order)
    return total


def check_claim(record: ReleaseRecord, terms: LineageTerms) -> None:
    """Raise InputError unless the rho of a reservation fits its epsilon, and its caps theirs."""
    rho = record.reserved_rho
    if not record.protected:
        priced = (record.budget, rho, record.discovery_delta, record.sampled)
        if any(priced) or record.caps != Caps():
            raise InputError("A release without a guarantee has no price.", where=record.release)
        return
    if not (rho > 0 and math.isfinite(rho)) or (
        _epsilon(record, terms) > record.priced.epsilon * (1 + SLACK)
    ):
        raise InputError(
            "The price in rho exceeds the epsilon of the release.", where=record.release
        )
    check_caps(record.caps, terms.discovery_delta, record.release)


def _epsilon(record: ReleaseRecord, terms: LineageTerms) -> float:
    """Return the epsilon that a reservation allows its events to reach.

    With sampled steps: what is reserved pays for the steps once and for zCDP with the rest
    (:func:`check_rest`), never for the steps twice, because they cost more than that rest. So all
    of it is bounded at every order by a number that is fixed here, and counts at its best order.
    """
    rho = record.reserved_rho
    delta = conversion_delta(record.priced, record.discovery_delta)
    renyi = record.currency is Currency.RENYI
    if record.sampled is None:
        return reached(rho, delta, terms.order if renyi else None)
    rest = _rest(record, terms)
    if not (renyi and 0 <= rest < Fraction(rho) - rest):
        raise InputError(
            "Steps on Poisson samples must be reserved in the currency renyi, and must cost more "
            "than everything else in the release.",
            where=record.release,
            fix="Give them a larger share, for example by a smaller share for published errors.",
        )
    return record.sampled.epsilon(float_up(rest), delta)


def _rest(record: ReleaseRecord, terms: LineageTerms) -> Fraction:
    """Return what a reservation has beside its sampled steps, if any."""
    steps = record.sampled.rho(terms.order) if record.sampled else 0.0
    return Fraction(record.reserved_rho) - Fraction(steps)


def check_rest(
    events: Sequence[Event],
    before: Fraction,
    cost: Loss,
    record: ReleaseRecord,
    terms: LineageTerms,
) -> None:
    """Raise BudgetError where zCDP would be paid with what is reserved for sampled steps.

    Either would be within the claim if it were fixed which. Were it chosen after answers, the two
    would be bounded at the same orders only, and the claim takes the best order of one of them. The
    sum says whether the steps were charged: they cost more than the rest.

    Args:
        events: What is about to be charged.
        before: Exact sum of what was charged before.
        cost: Cost of the events.
        record: The reservation.
        terms: Terms of its lineage.
    """
    rest = _rest(record, terms)
    trained = before > rest or any(isinstance(event, PoissonGaussianEvent) for event in events)
    if record.sampled is not None and not trained and before + cost.rho > rest:
        raise BudgetError(
            "The charge exceeds what was reserved for this release beside its training.",
            where=record.release,
            fix="Nothing was drawn. Ask fewer questions or give training a smaller share.",
        )


def _price_key(event: Event) -> object:
    """Return what events of one price share.

    Marginals of one stage differ in name and size, on which no price depends; exact fractions are
    slow enough for it to matter.
    """
    if type(event) is GaussianEvent:
        return event.sigma, event.sensitivity, event.rho
    return event


def check_run(entry: Entry, record: ReleaseRecord) -> None:
    """Raise InputError unless an entry of programs without a guarantee belongs to its release."""
    check_unbounded([UnboundedEvent.from_json(event) for event in entry.payload["events"]], record)


def check_unbounded(events: Sequence[UnboundedEvent], record: ReleaseRecord) -> None:
    """Raise InputError unless programs without a guarantee may run in a release."""
    if not events:
        raise InputError("There is nothing to write down.", where=record.release)
    if record.protected:
        raise InputError(
            f"{events[0].program[:80]} runs without a guarantee; this release promises one.",
            where=record.release,
        )


def check_charge(
    entry: Entry, before: Fraction, record: ReleaseRecord, terms: LineageTerms
) -> None:
    """Raise InputError unless a charge records the exact price of its events.

    Raises:
        BudgetError: It pays for zCDP with what is reserved for sampled steps.
    """
    events = [from_json(event) for event in entry.payload["events"]]
    cost = price(events, record, terms)
    check_rest(events, before, cost, record, terms)
    _, rho, delta = entry.charged()
    if (rho, delta) != (as_text(as_amount(cost.rho)), as_text(as_amount(cost.delta))):
        raise InputError("The recorded price is not that of the events.", where=record.release)
