"""Waivers: somebody whom the policy names lets one release pass one gate, for a reason, for a time.

A waiver is an in-toto statement in a DSSE envelope over the digest of the policy. It is written and
checked before data is opened, so it is a declaration and not a result: whether the gate was missed
is not in it. Never true here: a waiver for a limit, a requirement or the self test, one without an
end, or one of a signer whom the policy does not name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from dpsynth.errors import InputError, PolicyRefusal
from dpsynth.policy import Policy, WaiverTerms
from dpsynth.signing.chain import fingerprint
from dpsynth.signing.dsse import open_pinned, sign_envelope
from dpsynth.signing.keys import Signer
from dpsynth.signing.statement import parse_statement, statement
from dpsynth.yamlfile import read_content

WAIVER_TYPE = "https://dpsynth.org/attestation/waiver/v1"
SUBJECT = "policy"
LONGEST_REASON = 300
_KEYS = frozenset({"policy", "gate", "release", "lineage", "reason", "issued", "expires"})


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A waiver that holds.

    Attributes:
        gate: Id of the gate.
        reason: Why, as the signer wrote it; it is printed in public evidence.
        issued, expires: First and last day on which it holds.
        signer: Common name of the signer's certificate.
        sha256: Digest of the file.
    """

    gate: str
    reason: str
    issued: date
    expires: date
    signer: str
    sha256: str

    def to_json(self) -> dict[str, str]:
        """Return the waiver as plain values."""
        return {
            "gate": self.gate,
            "reason": self.reason,
            "issued": self.issued.isoformat(),
            "expires": self.expires.isoformat(),
            "signer": self.signer,
            "sha256": self.sha256,
        }


def sign_waiver(
    policy: Policy,
    signer: Signer,
    *,
    gate: str,
    release: str,
    lineage: str,
    reason: str,
    issued: date,
    expires: date,
) -> bytes:
    """Return the envelope of a new waiver.

    Args:
        policy: The policy whose gate is waived.
        signer: Who waives; the policy must name the certificate.
        gate: Id of the gate.
        release: Name of the only release that it is for.
        lineage: Lineage of that release.
        reason: Why, in at most 300 characters, without anything that was seen in data.
        issued: Today.
        expires: Last day on which it holds.

    Raises:
        InputError: The time or the reason is unusable.
        PolicyRefusal: The policy does not allow it.
    """
    _check(policy, "waiver", gate=gate, reason=reason, issued=issued, expires=expires)
    if fingerprint(signer.certificate) not in _terms(policy, "waiver").signers:
        raise PolicyRefusal(
            f"The policy does not let {signer.name} waive anything.",
            where=f"policy {policy.name}",
            fix=f"Add {fingerprint(signer.certificate)} under waivers: signers, or use another "
            "key.",
        )
    predicate = {
        "policy": policy.name,
        "gate": gate,
        "release": release,
        "lineage": lineage,
        "reason": reason,
        "issued": issued.isoformat(),
        "expires": expires.isoformat(),
    }
    return sign_envelope(statement({SUBJECT: policy.digest}, WAIVER_TYPE, predicate), signer)


def read_waiver(path: Path, policy: Policy, *, release: str, lineage: str, now: datetime) -> Waiver:
    """Read a waiver and check that it holds for a release.

    Args:
        path: The file.
        policy: Policy of the release.
        release: Its name.
        lineage: Its lineage.
        now: Time of the check, with a time zone.

    Raises:
        InputError: It is changed, foreign, expired, or for another release, lineage or policy.
        PolicyRefusal: The policy does not allow it.
    """
    where = str(path)
    content = read_content(path)
    opened = open_pinned(content, _terms(policy, where).signers, now)
    if opened.payload is None:
        raise InputError(f"{opened.problems[0]}.", where=where, fix="Nothing was spent.")
    said = _predicate(opened.payload, policy, where)
    for key, name in (("release", release), ("lineage", lineage)):
        if said[key] != name:
            raise InputError(f"is for another {key}.", where=where, fix="Nothing was spent.")
    issued, expires = _day(said["issued"], where), _day(said["expires"], where)
    today = now.astimezone(UTC).date()
    if not issued <= today <= expires:
        raise InputError(
            f"holds from {issued} to {expires}, and not today.",
            where=where,
            fix="Nothing was spent. Ask for a new one, if the reason still stands.",
        )
    _check(policy, where, gate=said["gate"], reason=said["reason"], issued=issued, expires=expires)
    return Waiver(
        gate=said["gate"],
        reason=said["reason"],
        issued=issued,
        expires=expires,
        signer=opened.signer_name,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _terms(policy: Policy, where: str) -> WaiverTerms:
    if policy.waivers is None or not policy.waivers.gates:
        raise PolicyRefusal(
            "The policy allows no waiver.", where=where, fix=f"Policy: {policy.name}."
        )
    return policy.waivers


def _predicate(payload: bytes, policy: Policy, where: str) -> Mapping[str, Any]:
    """Return what a waiver says, all of it text, of this policy as it is today."""
    try:
        said = parse_statement(payload)
    except ValueError as error:
        raise InputError(f"{error}.", where=where) from None
    texts = all(isinstance(value, str) for value in said.predicate.values())
    if said.predicate_type != WAIVER_TYPE or set(said.predicate) != _KEYS or not texts:
        raise InputError("is no waiver.", where=where, fix="Make one: `dpsynth policy waive`.")
    if dict(said.subjects) != {SUBJECT: policy.digest}:
        raise InputError(
            f"is for another policy, or for {policy.name} as it was before a change.",
            where=where,
            fix="Nothing was spent. A waiver is for the policy as its signer saw it.",
        )
    return said.predicate


def _check(
    policy: Policy, where: str, *, gate: str, reason: str, issued: date, expires: date
) -> None:
    """Refuse what the policy does not allow; one check for who writes and who reads."""
    terms = _terms(policy, where)
    if gate not in terms.gates:
        raise PolicyRefusal(
            f"The policy does not allow a waiver for the gate {gate}.",
            where=where,
            fix=f"It allows waivers for: {', '.join(terms.gates)}. Limits hold always.",
        )
    if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise InputError(
            f"needs a reason of 1 to {LONGEST_REASON} printable characters.", where=where
        )
    if not 0 <= (expires - issued).days <= terms.max_days:
        raise InputError(
            f"must expire within {terms.max_days} days of {issued}, and not before it.",
            where=where,
        )


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError("holds a day that is none.", where=where) from None
