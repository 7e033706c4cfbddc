"""What a full verification re-derives: the price of every event and every claim of rho.

The same checks run once before an entry is written. Reading a ledger trusts the recorded prices,
which the ledger's key signed; verification does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from dpsynth.errors import InputError
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
    from dpsynth.privacy.accountant import Loss


def price(events: Sequence[Event], record: ReleaseRecord, terms: LineageTerms) -> Loss:
    """Return what events cost in a reservation.

    Raises:
        InputError: An event is priced for smaller units, or in a currency or at an order that is
            not the reservation's.
        SelfTestError: An event charges less than what it says that ran.
    """
    from dpsynth.privacy.accountant import Loss, total_loss

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
        if record.budget is not None or rho or record.discovery_delta or record.caps != Caps():
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

    With sampled steps: what is reserved pays either for zCDP alone, or for the steps and for zCDP
    with the rest. It never pays for the steps twice, because they cost more than that rest. Both
    are bounded at every order by a number that is fixed here, so each counts at its best order.
    """
    rho = record.reserved_rho
    delta = conversion_delta(record.priced, record.discovery_delta)
    renyi = record.currency is Currency.RENYI
    if record.sampled is None:
        return reached(rho, delta, terms.order if renyi else None)
    price = Fraction(record.sampled.rho(terms.order))
    rest = Fraction(rho) - price
    if not (renyi and 0 <= rest < price):
        raise InputError(
            "Steps on Poisson samples must be reserved in the currency renyi, and must cost more "
            "than everything else in the release.",
            where=record.release,
            fix="Give them a larger share, for example by a smaller share for published errors.",
        )
    return max(reached(rho, delta), record.sampled.epsilon(float_up(rest), delta))


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


def check_charge(entry: Entry, record: ReleaseRecord, terms: LineageTerms) -> None:
    """Raise InputError unless a charge records the exact price of its events."""
    cost = price([from_json(event) for event in entry.payload["events"]], record, terms)
    _, rho, delta = entry.charged()
    if (rho, delta) != (as_text(as_amount(cost.rho)), as_text(as_amount(cost.delta))):
        raise InputError("The recorded price is not that of the events.", where=record.release)
