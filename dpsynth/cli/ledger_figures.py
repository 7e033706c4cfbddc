"""The figures that `dpsynth ledger status` shows and prints as JSON: computed once, for both.

Shares are exact fractions of the lineage's rho; what is spent is rounded up and what is left down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from dpsynth.errors import InputError
from dpsynth.privacy.ledger import Ledger, LineageStatus, Party, ReleaseRecord, ReleaseState
from dpsynth.privacy.ledger.terms import alike


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


def joint(status: LineageStatus, names: Sequence[str]) -> Party:
    """Return what several recipients know if they pool what they got.

    Raises:
        InputError: One of them got nothing: a mistyped name would count as no loss.
    """
    known = {alike(party.name) for party in status.recipients}
    for name in names:
        if alike(name) not in known:
            shown = sorted(party.name for party in status.recipients if party.name)
            raise InputError(
                f"{name[:80]!r} is no recipient of this lineage.",
                where="--joint",
                fix=f"Recipients so far: {', '.join(shown[:20]) or 'none with a name'}.",
            )
    named = " + ".join(dict.fromkeys(name or "(unnamed)" for name in names))
    return replace(status.joint(names), name=named)


def check_joint(status: LineageStatus, names: Sequence[str]) -> None:
    """Refuse to say what recipients know together where nothing bounds what one of them knows."""
    if status.unprotected and names:
        raise InputError(
            "has releases without a guarantee: nothing bounds what recipients know.",
            where=f"lineage {status.terms.lineage}",
        )
