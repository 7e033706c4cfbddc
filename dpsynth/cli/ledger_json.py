"""What machines read of a ledger; the keys are documented in docs/ledger.md and stay.

Numbers that people sign for are decimal strings: what is spent rounded up, what is left down.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from dpsynth.cli.ledger_figures import (
    burn_down,
    check_joint,
    is_copy,
    joint,
    left_share,
    states,
)
from dpsynth.privacy.ledger import Cap, Entry, Head, Ledger, LineageStatus, Party, ReleaseRecord
from dpsynth.privacy.numbers import float_down, float_up
from dpsynth.results import decimal_string

_PARTIES = ("recipients", "jurisdictions", "joint")


def head_json(head: Head) -> dict[str, Any]:
    """Return {seq, digest}."""
    return {"seq": head.seq, "digest": head.digest}


def ledger_json(ledger: Ledger) -> dict[str, Any]:
    """Return which ledger this is."""
    return {
        "id": ledger.ledger_id,
        "place": ledger.place.text,
        "public_key": ledger.public_key,
        "head": head_json(ledger.head()),
        "copy": is_copy(ledger),
        "moved": ledger.moved,
    }


def lineage_json(row: LineageStatus) -> dict[str, Any]:
    """Return one line of the table."""
    terms = row.terms
    return {
        "lineage": terms.lineage,
        "unit": terms.unit,
        "unit_column": terms.unit_column,
        "relation": terms.relation.value,
        "protected": not row.unprotected,
        **(dict.fromkeys(("cap", "spent", "left")) if row.unprotected else _figures(row)),
        "releases": row.releases,
        "states": {state.value: count for state, count in states(row).items()},
    }


def _figures(row: LineageStatus) -> dict[str, Any]:
    """Return cap, spent and left; a lineage without a guarantee has none of them."""
    terms, spent = row.terms, row.epsilon_spent
    return {
        "cap": {
            "epsilon": decimal_string(terms.total.epsilon),
            "delta": decimal_string(terms.total.delta),
            "rho": decimal_string(terms.total_rho),
            "discovery_delta": decimal_string(terms.discovery_delta),
            "order": decimal_string(terms.order),
        },
        "spent": {
            "rho": _up(row.spent_rho),
            "discovery_delta": _up(row.spent_delta),
            "epsilon": None if spent is None else decimal_string(spent),
        },
        "left": {
            "rho": _down(row.remaining_rho),
            "discovery_delta": _down(row.remaining_delta),
            "share": _down(left_share(row)),
        },
    }


def details_json(row: LineageStatus, together: Sequence[str]) -> dict[str, Any]:
    """Return everything about one lineage.

    Raises:
        InputError: What recipients know together is asked of a lineage without a guarantee.
    """
    if row.unprotected:
        check_joint(row, together)
        runs = [_run(record) for record in row.records]
        return {**lineage_json(row), "burn_down": runs, **dict.fromkeys(_PARTIES)}
    return {
        **lineage_json(row),
        "burn_down": [
            {
                **_run(step.record),
                "rho": _up(step.record.spent_rho),
                "took": _up(step.took),
                "left": _down(step.left),
            }
            for step in burn_down(row)
        ],
        "recipients": [_party(party) for party in row.recipients],
        "jurisdictions": [_party(party) for party in row.jurisdictions],
        "joint": _party(joint(row, together)) if together else None,
    }


def _run(record: ReleaseRecord) -> dict[str, Any]:
    """Return what a release was, without what it cost."""
    return {
        "seq": record.seq,
        "release": record.release,
        "recipient": record.recipient,
        "jurisdiction": record.jurisdiction,
        "created": record.created,
        "closed": record.closed,
        "state": record.state.value,
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return a whole entry."""
    return {
        "seq": entry.seq,
        "created": entry.created,
        "kind": entry.kind.value,
        "lineage": entry.lineage,
        "payload": entry.payload,
        "prev": entry.prev,
        "digest": entry.digest,
        "signature": entry.signature,
    }


def _party(party: Party) -> dict[str, Any]:
    return {
        "name": party.name,
        "releases": party.releases,
        "rho": _up(party.rho),
        "discovery_delta": _up(party.delta),
        "epsilon": decimal_string(party.epsilon),
        "cap": _cap(party.cap),
        "cap_left": _down(party.left) if party.left is not None else None,
    }


def _cap(cap: Cap | None) -> dict[str, str] | None:
    return cap.to_json() if cap is not None else None


def _up(value: Fraction) -> str:
    return decimal_string(float_up(value))


def _down(value: Fraction) -> str:
    return decimal_string(float_down(value))
