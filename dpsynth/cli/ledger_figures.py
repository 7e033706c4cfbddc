"""The figures that `dpsynth ledger status` shows and prints as JSON: computed once, for both.

Shares are exact fractions of the lineage's rho; what is spent is rounded up and what is left down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from dpsynth.errors import InputError
from dpsynth.privacy.ledger import (
    Cap,
    Currency,
    Ledger,
    LineageStatus,
    ReleaseRecord,
    ReleaseState,
)
from dpsynth.privacy.ledger.terms import alike, conversion_delta, reached
from dpsynth.privacy.numbers import float_up

ZERO = Fraction(0)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One release in a burn-down.

    Attributes:
        record: The reservation.
        took: Share of the lineage's rho that it takes.
        left: Share that was left after it and all before it.
    """

    record: ReleaseRecord
    took: Fraction
    left: Fraction


@dataclass(frozen=True, kw_only=True)
class Party:
    """What one recipient or jurisdiction got, or several recipients together.

    Attributes:
        name: First spelling of the name; empty for all that are unnamed.
        releases: Number of reservations that were not given back.
        rho: Exact sum of what they take.
        delta: The same of delta.
        epsilon: Epsilon of rho at what discovery leaves of the lineage's delta.
        cap: The strictest cap that stands, the lineage's or that of the newest release; or None.
        left: Share of the cap that is left; None without a cap.
    """

    name: str
    releases: int
    rho: Fraction
    delta: Fraction
    epsilon: float
    cap: Cap | None = None
    left: Fraction | None = None


def is_copy(ledger: Ledger) -> bool | None:
    """Say whether this is a copy; None where the user of a database may not find out."""
    try:
        return not ledger.at_home()
    except InputError:
        return None


def burn_down(status: LineageStatus) -> list[Step]:
    """Return every release of a lineage, oldest first, with what was left after it."""
    total = Fraction(status.terms.total_rho)
    left, steps = Fraction(1), []
    for record in status.records:
        took = record.spent_rho / total
        left -= took
        steps.append(Step(record=record, took=took, left=left))
    return steps


def left_share(status: LineageStatus) -> Fraction:
    """Return the share of the lineage's rho that is left."""
    return status.remaining_rho / Fraction(status.terms.total_rho)


def states(status: LineageStatus) -> dict[ReleaseState, int]:
    """Return the number of releases in each state."""
    found = dict.fromkeys(ReleaseState, 0)
    for record in status.records:
        found[record.state] += 1
    return found


def recipients(status: LineageStatus) -> list[Party]:
    """Return what each recipient got, oldest first."""
    return _parties(
        status,
        [record.recipient for record in status.records],
        [record.caps.recipient for record in status.records],
        status.terms.recipient_cap,
    )


def jurisdictions(status: LineageStatus) -> list[Party]:
    """Return what each jurisdiction got, oldest first."""
    return _parties(
        status,
        [record.jurisdiction for record in status.records],
        [record.caps.jurisdiction for record in status.records],
        status.terms.jurisdiction_cap,
    )


def joint(status: LineageStatus, names: Sequence[str]) -> Party:
    """Return what several recipients know if they pool what they got.

    Raises:
        InputError: One of them got nothing: a mistyped name would count as no loss.
    """
    known = {alike(record.recipient) for record in status.records}
    for name in names:
        if alike(name) not in known:
            shown = sorted({record.recipient for record in status.records if record.recipient})
            raise InputError(
                f"{name[:80]!r} is no recipient of this lineage.",
                where="--joint",
                fix=f"Recipients so far: {', '.join(shown[:20]) or 'none with a name'}.",
            )
    loss = status.joint(names)
    asked = {alike(name) for name in names}
    records = [record for record in status.records if alike(record.recipient) in asked]
    return Party(
        name=" + ".join(dict.fromkeys(name or "(unnamed)" for name in names)),
        releases=sum(record.state is not ReleaseState.VOID for record in records),
        rho=loss.rho,
        delta=loss.delta,
        epsilon=_epsilon(status, loss.rho, records, status.terms.conversion_delta),
    )


def check_joint(status: LineageStatus, names: Sequence[str]) -> None:
    """Refuse to say what recipients know together where nothing bounds what one of them knows."""
    if status.unprotected and names:
        raise InputError(
            "has releases without a guarantee: nothing bounds what recipients know.",
            where=f"lineage {status.terms.lineage}",
        )


def _parties(
    status: LineageStatus,
    names: Sequence[str],
    policy_caps: Sequence[Cap | None],
    lineage_cap: Cap | None,
) -> list[Party]:
    """Group the releases of a lineage by name, whatever its spelling."""
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        groups.setdefault(alike(name), []).append(index)
    found = []
    for short, places in groups.items():
        records = [status.records[place] for place in places]
        rho = sum((record.spent_rho for record in records), ZERO)
        caps = [cap for cap in (lineage_cap, policy_caps[places[-1]]) if cap is not None]
        cap = min(caps, key=lambda one: one.rho, default=None)
        found.append(
            Party(
                name=names[places[0]] if short else "",
                releases=sum(record.state is not ReleaseState.VOID for record in records),
                rho=rho,
                delta=sum((record.spent_delta for record in records), ZERO),
                epsilon=_epsilon(status, rho, records, status.terms.conversion_delta),
                cap=cap,
                left=_left(status, rho, records, cap) if cap else None,
            )
        )
    return found


def _epsilon(
    status: LineageStatus, rho: Fraction, records: Sequence[ReleaseRecord], delta: float
) -> float:
    """Return the epsilon of rho at delta: at the lineage's order if any release is no zCDP."""
    if not rho:
        return 0.0
    order = status.terms.order if _renyi(records) else None
    return reached(float_up(rho), delta, order)


def _left(
    status: LineageStatus, rho: Fraction, records: Sequence[ReleaseRecord], cap: Cap
) -> Fraction:
    """Return the share of a cap that is left, in the currency in which the cap adds up."""
    if _renyi(records):
        delta = conversion_delta(cap.budget, status.terms.discovery_delta)
        used = Fraction(_epsilon(status, rho, records, delta)) / Fraction(cap.budget.epsilon)
    else:
        used = rho / Fraction(cap.rho)
    return max(ZERO, 1 - used)


def _renyi(records: Sequence[ReleaseRecord]) -> bool:
    """Say whether any of them was priced at one Renyi order; a void one may have fixed the way."""
    return any(record.currency is Currency.RENYI for record in records)
