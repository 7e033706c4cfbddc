"""Who signs a document, in which order, and what each signature locks.

The issuer comes first and certifies (ISO 32000-1, 12.8.2.2); further named signers follow in the
order that was declared, each in a field that was laid out before the first signature. The last one
locks everything. A further signer may be pinned to one certificate, by the SHA-256 fingerprint that
``openssl x509 -fingerprint -sha256`` prints. Never true here: a signer that a document leaves no
field for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dpsynth.errors import InputError
from dpsynth.results import SignerRole

Role = SignerRole
ISSUER_ONLY = (Role.ISSUER,)
_FINGERPRINT = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class FieldLock:
    """What a signature locks, beside what a certification forbids.

    Attributes:
        fields: Names of the fields that may not change any more; empty means every field.
        nothing_more: Whether nothing at all may change after this signature.
    """

    fields: tuple[str, ...] = ()
    nothing_more: bool = False


def declared_signers(texts: Sequence[str]) -> dict[Role, str]:
    """Return the roles of a declaration in order, each with its certificate's fingerprint.

    Args:
        texts: A role each, as ``dpo`` or, pinned to a certificate, as ``dpo=AB:CD:...``.

    Returns:
        SHA-256 (hex) of the certificate by role, empty where any trusted one may sign.

    Raises:
        InputError: The roles are not as they must be, a fingerprint is none, the issuer has one, or
            two signers have the same.
    """
    parts = [text.partition("=") for text in texts]
    roles = declared_roles([name for name, _, _ in parts])
    signers, pinned = dict.fromkeys(roles, ""), {}
    for role, (_, mark, digits) in zip(roles, parts, strict=True):
        if mark:
            pinned[role] = digits.replace(":", "").lower()
    if not may_pin(pinned):
        raise InputError(
            "pins a signer to something that is no fingerprint of a certificate of his own.",
            where="sign.roles",
            fix="Give the SHA-256 fingerprint (64 hexadecimal digits) of a further signer, for "
            "example dpo=AB:CD:... The issuer is known by his own key.",
        )
    return signers | pinned


def may_pin(pinned: Mapping[Role, str]) -> bool:
    """Say whether these are fingerprints of different certificates of further signers."""
    return (
        Role.ISSUER not in pinned
        and len(set(pinned.values())) == len(pinned)
        and all(_FINGERPRINT.fullmatch(digits) for digits in pinned.values())
    )


def declared_roles(names: Sequence[str]) -> tuple[Role, ...]:
    """Return the roles of a declaration.

    Raises:
        InputError: A role is not known or named twice, or the issuer is not the first.
    """
    known = {role.value: role for role in Role}
    roles = tuple(known[name] for name in names if name in known)
    if len(roles) != len(names) or len(set(roles)) != len(roles) or roles[:1] != ISSUER_ONLY:
        raise InputError(
            "must name the issuer first, and then further roles, each once.",
            where="sign.roles",
            fix=f"Known: {', '.join(known)}. For example [issuer, dpo].",
        )
    return roles


def lock_of(roles: Sequence[Role], role: Role) -> FieldLock | None:
    """Return what the signature of a role locks; None where the certification says it all."""
    if len(roles) == 1:
        return None
    if role is roles[-1]:
        return FieldLock(nothing_more=True)
    return FieldLock(fields=tuple(each.field for each in roles[: roles.index(role) + 1]))
