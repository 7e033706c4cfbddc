"""Who signed a PDF and when, and whether what each signature needs to be checked is there.

Times are believed backwards from now, as ETSI EN 319 102-1 does with proofs of existence: the
newest archive stamp must be good today, each older one at the time of the next, a signature's own
stamp at the time of the first archive stamp after it, and the signer's certificate at the time of
that. Revocation lists come from the file, their signers from the reader's roots. Never true here: a
time that is believed because the file says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asn1crypto import cms, core
from cryptography import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature, async_validate_pdf_signature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import PdfSignatureStatus
from pyhanko_certvalidator import ValidationContext

from dpsynth.errors import InputError
from dpsynth.reports.levels import to_asn1
from dpsynth.reports.sign import in_own_loop
from dpsynth.signing.chain import UNREADABLE, common_name, find_path, fingerprint, unsuitable
from dpsynth.signing.levels import Level
from dpsynth.signing.roles import Role
from dpsynth.signing.timestamp import TimeStamp, Trust, check_token

KEY_USAGE = KeyUsageConstraints(
    key_usage={"digital_signature", "non_repudiation"}, match_all_key_usages=False
)


@dataclass(frozen=True, kw_only=True)
class ExpectedSigners:
    """What the signed manifest says of the signatures, and what the reader trusts.

    Attributes:
        roles: Who must have signed, in order.
        pinned: SHA-256 fingerprint of the one certificate with which a role may sign.
        level: PAdES level of each signature.
        certificate: The issuer, known from the manifest.
        roots: What the reader trusts for signers.
        authorities: What the reader trusts for time stamps; empty leaves times unchecked.
        moment: Time at which the issuer's path to a root is valid.
        at: Time for which everything is checked, now as a rule.
    """

    roles: tuple[Role, ...]
    pinned: Mapping[Role, str] = field(default_factory=dict)
    level: Level
    certificate: x509.Certificate
    roots: Sequence[x509.Certificate]
    authorities: Sequence[x509.Certificate]
    moment: datetime
    at: datetime


@dataclass(frozen=True, kw_only=True)
class SignedBy:
    """One signature.

    Attributes:
        role: In which part.
        name: Common name of the certificate.
        stamp: Its time stamp, or None at level B-B.
    """

    role: Role
    name: str
    stamp: TimeStamp | None

    @property
    def time(self) -> datetime | None:
        """When it was signed, if an authority that the reader trusts says so."""
        trusted = self.stamp is not None and self.stamp.trust is Trust.TRUSTED
        return self.stamp.time if trusted and self.stamp is not None else None


@dataclass(kw_only=True)
class Found:
    """What was found.

    Attributes:
        problems: (code, sentence) of what does not hold.
        unknown: (code, sentence) of what cannot be known at this time.
        signers: The signatures, in order.
    """

    problems: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    signers: list[SignedBy] = field(default_factory=list)


def check_signers(
    content: bytes,
    reader: PdfFileReader,
    signatures: Sequence[EmbeddedPdfSignature],
    archive: Sequence[EmbeddedPdfSignature],
    expected: ExpectedSigners,
) -> Found:
    """Check who signed and when.

    Args:
        content: The file.
        reader: Its reader.
        signatures: The signatures of the expected roles, in order.
        archive: The archive time stamps, oldest first.
        expected: What they must be.
    """
    found = Found()
    store = DocumentSecurityStore.read_dss(reader) if "/DSS" in reader.root else None
    crls = [] if store is None else [bytes(each.get_object().data) for each in store.crls]
    others = [] if store is None else list(store.load_certs())
    if expected.level.long_term and not crls:
        found.problems.append(
            ("pdf_no_validation_data", "The revocation lists that its level promises are missing.")
        )
    proven = _archive_times(content, archive, expected, crls, found)
    seen: set[bytes] = set()
    for role, signature in zip(expected.roles, signatures, strict=False):
        stamp = None
        if expected.level.stamped:
            until = next((t for r, t in proven if r > signature.signed_revision), expected.at)
            stamp = _signature_time(signature, role, expected, until, crls, found)
        certificate = _certificate(signature)
        if certificate is None:
            found.problems.append(("pdf_signature", f"The {role.words}'s certificate is damaged."))
            continue
        by = SignedBy(role=role, name=common_name(certificate), stamp=stamp)
        found.signers.append(by)
        key = signature.signer_cert.public_key.dump()
        if key in seen:
            found.problems.append(
                ("pdf_same_signer", f"The {role.words} signed with the key of another role.")
            )
        seen.add(key)
        _check_trust(signature, certificate, by, expected, (crls, others), found)
    return found


def _archive_times(
    content: bytes,
    archive: Sequence[EmbeddedPdfSignature],
    expected: ExpectedSigners,
    crls: Sequence[bytes],
    found: Found,
) -> list[tuple[int, datetime]]:
    """Return (revision, time) of each archive stamp, oldest first."""
    times: list[tuple[int, datetime]] = []
    moment = expected.at
    for stamp in reversed(archive):
        start, length, second, rest = (int(number) for number in stamp.byte_range)
        covered = content[start : start + length] + content[second : second + rest]
        token = cms.ContentInfo.load(bytes(stamp.pkcs7_content)).dump()
        told = _told(token, covered, "archive time stamp", expected, moment, crls, found)
        if told is not None:
            moment = told.time
            times.insert(0, (stamp.signed_revision, moment))
    return times


def _signature_time(
    signature: EmbeddedPdfSignature,
    role: Role,
    expected: ExpectedSigners,
    moment: datetime,
    crls: Sequence[bytes],
    found: Found,
) -> TimeStamp | None:
    """Return what the time stamp of one signature says."""
    tokens = [
        value.dump()
        for attribute in _attributes(signature)
        if attribute["type"].native == "signature_time_stamp_token"
        for value in attribute["values"]
    ]
    if len(tokens) != 1:
        found.problems.append(
            ("pdf_no_time", f"The {role.words}'s signature lacks its one time stamp.")
        )
        return None
    message = signature.signer_info["signature"].native
    what = f"time stamp of the {role.words}'s signature"
    return _told(tokens[0], message, what, expected, moment, crls, found)


def _attributes(signature: EmbeddedPdfSignature) -> list[Any]:
    unsigned = signature.signer_info["unsigned_attrs"]
    return [] if isinstance(unsigned, core.Void) else list(unsigned)


def _told(
    token: bytes,
    message: bytes,
    what: str,
    expected: ExpectedSigners,
    moment: datetime,
    crls: Sequence[bytes],
    found: Found,
) -> TimeStamp | None:
    """Return what a token says, if it can be relied on as far as the reader can check."""
    try:
        told = check_token(token, message, expected.authorities, at=moment, crls=crls)
    except InputError:
        found.problems.append(("pdf_time", f"The {what} does not hold."))
        return None
    if told.trust is Trust.UNTRUSTED:
        found.problems.append(
            ("pdf_time_untrusted", f"The {what} is not of an authority that you trust.")
        )
    if told.trust is Trust.EXPIRED:
        found.unknown.append(
            ("time_expired", f"The authority of the {what} has expired: nothing newer proves it.")
        )
    return told


def _certificate(signature: EmbeddedPdfSignature) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(signature.signer_cert.dump())
    except UNREADABLE:
        return None


def _check_trust(
    signature: EmbeddedPdfSignature,
    certificate: x509.Certificate,
    by: SignedBy,
    expected: ExpectedSigners,
    store: tuple[Sequence[bytes], Sequence[Any]],
    found: Found,
) -> None:
    """Check one signature itself, its signer and his revocation."""
    stated = by.stamp.time if by.stamp is not None else None
    moment = stated or expected.moment
    if by.role is Role.ISSUER:
        if certificate != expected.certificate:
            found.problems.append(
                ("pdf_other_signer", "It was not signed by the signer of the manifest.")
            )
    else:
        others = [
            x509.load_der_x509_certificate(each.dump()) for each in signature.other_embedded_certs
        ]
        path = find_path(certificate, others, expected.roots, by.time or expected.at)
        moment = stated or path.moment
        if path.expired:
            found.unknown.append(
                ("certificate_time", f"The certificate of the {by.role.words} is not valid now.")
            )
        if expected.pinned.get(by.role, fingerprint(certificate)) != fingerprint(certificate):
            found.problems.append(
                (
                    "pdf_other_certificate",
                    f"The {by.role.words} signed with another certificate than was declared.",
                )
            )
    status = _status(signature, moment, expected, store, required=expected.level.long_term)
    if not (status.intact and status.valid and status.docmdp_ok and status.seed_value_ok):
        found.problems.append(
            ("pdf_signature", f"The {by.role.words}'s signature does not fit the content.")
        )
    elif status.revoked:
        found.problems.append(
            ("pdf_revoked", f"The certificate of the {by.role.words} had been revoked.")
        )
    elif unfit := unsuitable(certificate):
        found.problems.append(
            ("pdf_signer_unsuitable", f"The {by.role.words} signed, but {unfit}.")
        )
    elif not status.trusted:
        lenient = _status(signature, moment, expected, store, required=False)
        found.problems.append(
            ("pdf_no_validation_data", f"No revocation list covers the {by.role.words}.")
            if lenient.trusted
            else ("pdf_signer_untrusted", f"The {by.role.words} leads to no root that you trust.")
        )


def _status(
    signature: EmbeddedPdfSignature,
    moment: datetime,
    expected: ExpectedSigners,
    store: tuple[Sequence[bytes], Sequence[Any]],
    *,
    required: bool,
) -> PdfSignatureStatus:
    """Return pyHanko's verdict, with these roots and lists only and without any network."""
    crls, others = store

    def context(roots: Sequence[x509.Certificate], mode: str) -> ValidationContext:
        return ValidationContext(
            trust_roots=[to_asn1(root) for root in roots],
            other_certs=list(others),
            crls=list(crls),
            allow_fetching=False,
            revocation_mode=mode,
            retroactive_revinfo=True,
            moment=moment,
        )

    return in_own_loop(
        async_validate_pdf_signature(
            signature,
            signer_validation_context=context(
                expected.roots, "require" if required else "soft-fail"
            ),
            # Judged by `check_token`; here it only has to be readable.
            ts_validation_context=context(expected.authorities, "soft-fail"),
            key_usage_settings=KEY_USAGE,
        )
    )
