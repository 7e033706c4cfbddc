"""RFC 3161 time stamps: an authority outside this house signs that some bytes existed at a time.

The message imprint is SHA-256 of the bytes. A token is asked for with a nonce and is checked before
it is kept: form, imprint, signature, purpose of the certificate (time stamping, RFC 3161 2.3) and,
where the reader names an authority, the path to it. Revocation is not looked up. Without a named
authority a token proves only that somebody signed it, and that is what is said.

No network but the one request that a caller names a URL for.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from asn1crypto import cms, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.timestamps import HTTPTimeStamper
from pyhanko.sign.timestamps.common_utils import TimestampRequestError
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko.sign.validation.status import TimestampSignatureStatus
from pyhanko_certvalidator import ValidationContext

from dpsynth.errors import InputError

Authorities = Sequence[x509.Certificate]  #: root certificates that a reader trusts

SECONDS = 20  #: how long an authority may take to answer
LARGEST_TOKEN = 2**20  #: bytes; a token with its certificates takes a few thousand

_SCHEMES = ("http://", "https://")
#: What reading a malformed token can raise; pyHanko and asn1crypto derive theirs from these.
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, LookupError, ArithmeticError,
               NotImplementedError, RecursionError)  # fmt: skip


class Trust(StrEnum):
    """What is known of the authority that signed a time stamp."""

    TRUSTED = "trusted"  #: its certificate leads to one that the reader named
    EXPIRED = "expired"  #: it did at the time of the stamp, but has expired since
    UNTRUSTED = "untrusted"  #: it does not
    NOT_CHECKED = "not checked"  #: the reader named none


@dataclass(frozen=True, kw_only=True)
class TimeStamp:
    """What a token says.

    Attributes:
        time: When the authority saw the bytes, UTC.
        authority: Name in its certificate; anybody can write any name where `trust` is not checked.
        trust: What is known of it.
    """

    time: datetime
    authority: str
    trust: Trust


def request_token(message: bytes, url: str) -> bytes:
    """Ask an authority to stamp bytes; only their SHA-256 is sent.

    Returns:
        The token, DER of a CMS ContentInfo, already checked against the message.

    Raises:
        InputError: The URL is none, the authority cannot be reached or refuses, or its answer is
            not a time stamp of these bytes.
    """
    stamper = time_stamper(url)
    digest = hashlib.sha256(message).digest()
    try:
        with quiet():
            found = asyncio.run(stamper.async_timestamp(digest, "sha256"))
            token = bytes(found.dump())
    except (OSError, TimeoutError, *_UNREADABLE) as error:
        raise InputError(
            f"The time-stamping authority gave no time stamp ({type(error).__name__}).",
            where="--tsa",
            fix="Check the URL and the network.",
        ) from None
    check_token(token, message)
    return token


class _Careful(HTTPTimeStamper):
    """Takes no answer that is not a time stamp of what was asked."""

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        """Return a token; TimestampRequestError where the answer is none of these bytes."""
        try:
            token = await super().async_timestamp(message_digest, md_algorithm)
            imprint = token["content"]["encap_content_info"]["content"].parsed["message_imprint"]
            if (
                imprint["hashed_message"].native == message_digest
                and imprint["hash_algorithm"]["algorithm"].native == md_algorithm
            ):
                return token
        except _UNREADABLE:
            pass
        raise TimestampRequestError("is not a time stamp of what was asked")


def time_stamper(url: str) -> HTTPTimeStamper:
    """Return what asks an authority for time stamps.

    Raises:
        InputError: The URL is none.
    """
    if not url.startswith(_SCHEMES):
        raise InputError("must be an http or https URL.", where="--tsa")
    return _Careful(url, timeout=SECONDS)


def check_token(
    token: bytes,
    message: bytes,
    roots: Authorities = (),
    *,
    at: datetime | None = None,
    crls: Sequence[bytes] = (),
) -> TimeStamp:
    """Return what a token says of a message.

    Args:
        token: DER of a CMS ContentInfo.
        message: The bytes that it is to be about.
        roots: Certificates of the authorities that the reader trusts.
        at: Time for which the authority's certificate must be valid; now by default.
        crls: Revocation lists to respect, DER; one that does not say is no objection.

    Raises:
        InputError: It is no time stamp, its signature does not hold, or it is about other bytes.
    """
    if len(token) > LARGEST_TOKEN:
        raise _unusable("is too large to be a time stamp")
    try:
        info = cms.ContentInfo.load(token, strict=True)
        signed = info["content"]
        stamped = signed["encap_content_info"]["content"].parsed
        if info["content_type"].native != "signed_data" or not isinstance(stamped, tsp.TSTInfo):
            raise ValueError
        imprint = stamped["message_imprint"]
        time = stamped["gen_time"].native
        algorithm = imprint["hash_algorithm"]["algorithm"].native
        hashed = imprint["hashed_message"].native
        if not (isinstance(time, datetime) and time.tzinfo):
            raise ValueError
    except _UNREADABLE:
        raise _unusable("is not a time stamp (RFC 3161)") from None
    if algorithm != "sha256" or hashed != hashlib.sha256(message).digest():
        raise _unusable("is the time stamp of something else")
    status = _validate(signed, message, roots, at, crls)
    if not (status.intact and status.valid):
        raise _unusable("has a signature that does not hold")
    trust = Trust.NOT_CHECKED
    if roots:
        trust = Trust.TRUSTED if status.trusted else Trust.UNTRUSTED
        if not status.trusted and _validate(signed, message, roots, time, crls).trusted:
            expired = status.signing_cert.not_valid_after < (at or datetime.now(time.tzinfo))
            trust = Trust.EXPIRED if expired else Trust.UNTRUSTED
    name = status.signing_cert.subject.native.get("common_name", "")
    return TimeStamp(time=time, authority=str(name), trust=trust)


def _validate(
    signed: Any, message: bytes, roots: Authorities, at: datetime | None, crls: Sequence[bytes]
) -> TimestampSignatureStatus:
    """Return pyHanko's verdict on a token, with these roots only and without any network."""
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(root.public_bytes(Encoding.DER)) for root in roots],
        crls=list(crls),
        allow_fetching=False,
        revocation_mode="soft-fail",
        retroactive_revinfo=True,
        moment=at,
        time_tolerance=timedelta(0),
    )
    try:
        with quiet():
            found = asyncio.run(
                validate_tst_signed_data(
                    signed, context, lambda algorithm: hashlib.new(algorithm, message).digest()
                )
            )
        return TimestampSignatureStatus(**found)
    except _UNREADABLE:
        raise _unusable("has a signature that cannot be read") from None


def _unusable(what: str) -> InputError:
    return InputError(f"{what}.", where="time stamp")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the parsers log off a console where no logging is set up."""
    loggers = [logging.getLogger(name) for name in ("pyhanko", "pyhanko_certvalidator")]
    handler = logging.NullHandler()
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, value in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = value
