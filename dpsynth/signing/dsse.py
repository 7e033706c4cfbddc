"""DSSE v1 envelopes: the payload is signed with its type, and nothing is parsed before that.

Follows the Dead Simple Signing Envelope 1.0 (PAE, payload type, base64) with the payload type of
in-toto. The signer's certificate and its issuers travel beside the signature, as in ITE-7; a root
never does. An envelope has one sequence of bytes only: other spellings of the same JSON are
refused, so that each byte of the file counts.
"""

from __future__ import annotations

import base64
import binascii
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from dpsynth.signing.chain import (
    UNREADABLE,
    CertificatePath,
    common_name,
    find_path,
    fingerprint,
    unsuitable,
)
from dpsynth.signing.keys import Signer
from dpsynth.signing.statement import parse_canonical

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_ENVELOPE = 16 * 2**20

_MAX_ISSUERS = 4


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What an envelope holds, and what is wrong with it.

    Attributes:
        payload: The signed bytes, None if they cannot be trusted.
        signer_name: Common name of the signer, empty if unknown.
        certificate: The signer's certificate, None if it cannot be read.
        path: CertificatePath to a trusted root, None if it was not looked for.
        problems: Why the envelope does not hold; empty if it does. Expiry is not a problem but is
            said by ``path.expired``: whether it matters is the caller's decision.
    """

    payload: bytes | None = None
    signer_name: str = ""
    certificate: x509.Certificate | None = None
    path: CertificatePath | None = None
    problems: tuple[str, ...] = ()


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding, the bytes that are signed.

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_envelope(payload: bytes, signer: Signer) -> bytes:
    """Sign a payload and return the canonical bytes of its envelope.

    EC keys sign by ECDSA with SHA-256 (P-256) or SHA-384 (P-384), RSA keys by PKCS #1 v1.5 with
    SHA-256.
    """
    key = signer.certificate.public_key()
    wide = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size > 256
    signature = signer.sign(pae(PAYLOAD_TYPE, payload), "sha384" if wide else "sha256")
    return rfc8785.dumps(
        {
            "payload": _base64(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {
                    "cert": _pem(signer.certificate),
                    "intermediates": [_pem(c) for c in signer.chain if c.issuer != c.subject],
                    "keyid": fingerprint(signer.certificate),
                    "sig": _base64(signature),
                }
            ],
        }
    )


def open_envelope(envelope: bytes, roots: Sequence[x509.Certificate], at: datetime) -> Opened:
    """Open an envelope: form, certificate, path to a trusted root, signature.

    Never raises on what the envelope holds.

    Args:
        envelope: Bytes of the file.
        roots: What the user trusts.
        at: Time for which the path must be valid, with a time zone.
    """
    if len(envelope) > MAX_ENVELOPE:
        return Opened(problems=("is too large to be an envelope",))
    try:
        payload, signature, certificate, intermediates = _parse(envelope)
    except ValueError as error:
        return Opened(problems=(str(error),))
    name = common_name(certificate)
    path = find_path(certificate, intermediates, roots, at)
    if path.problem:
        return Opened(
            signer_name=name, certificate=certificate, path=path, problems=(path.problem,)
        )
    if not _signed(certificate, pae(PAYLOAD_TYPE, payload), signature):
        return Opened(
            signer_name=name,
            certificate=certificate,
            path=path,
            problems=("the signature does not fit the content",),
        )
    return Opened(payload=payload, signer_name=name, certificate=certificate, path=path)


def open_pinned(envelope: bytes, pinned: Collection[str], at: datetime) -> Opened:
    """Open an envelope of a signer who is known by the certificate itself, without a root.

    Never raises on what the envelope holds.

    Args:
        envelope: Bytes of the file.
        pinned: SHA-256 of the certificates that may sign.
        at: Time at which the certificate must be valid, with a time zone.
    """
    if len(envelope) > MAX_ENVELOPE:
        return Opened(problems=("is too large to be an envelope",))
    try:
        payload, signature, certificate, _ = _parse(envelope)
    except ValueError as error:
        return Opened(problems=(str(error),))
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    problem = unsuitable(certificate)
    if fingerprint(certificate) not in pinned:
        problem = "is signed by a certificate that is not among those that may sign"
    elif not start <= at <= end:
        problem = "is signed by a certificate that is not valid now"
    elif not _signed(certificate, pae(PAYLOAD_TYPE, payload), signature):
        problem = "has a signature that does not fit the content"
    name = common_name(certificate)
    if problem:
        return Opened(signer_name=name, certificate=certificate, problems=(problem,))
    return Opened(payload=payload, signer_name=name, certificate=certificate)


def _parse(envelope: bytes) -> tuple[bytes, bytes, x509.Certificate, list[x509.Certificate]]:
    """Take an envelope apart; ValueError says what is wrong with its form."""
    tree = parse_canonical(envelope)
    match tree:
        case {
            "payload": str(payload),
            "payloadType": str(kind),
            "signatures": [
                {
                    "cert": str(pem),
                    "intermediates": list(issuers),
                    "keyid": str(keyid),
                    "sig": str(sig),
                    **extra,
                }
            ],
            **more,
        } if not (extra or more):
            pass
        case _:
            raise ValueError("is not an envelope with one signature")
    if kind != PAYLOAD_TYPE:
        raise ValueError("has a payload of another type")
    if len(issuers) > _MAX_ISSUERS:
        raise ValueError("carries too many certificates")
    certificate = _certificate(pem, keyid)
    return _unbase64(payload), _unbase64(sig), certificate, [_certificate(i) for i in issuers]


def _certificate(pem: Any, keyid: str | None = None) -> x509.Certificate:
    """Read one PEM certificate in its only accepted spelling, and check the key that it is for."""
    try:
        certificate = x509.load_pem_x509_certificate(str(pem).encode())
        if keyid not in {None, fingerprint(certificate)}:
            raise ValueError("names another key than its certificate's")
        with warnings.catch_warnings():  # odd names are for the verdict, not for the console
            warnings.simplefilter("ignore")
            certificate.public_key()
            certificate.issuer.rfc4514_string()
            common_name(certificate)
    except UNREADABLE:
        raise ValueError("carries a certificate that cannot be read") from None
    if _pem(certificate) != pem:
        raise ValueError("carries a certificate in another spelling than usual")
    return certificate


def _signed(certificate: x509.Certificate, message: bytes, signature: bytes) -> bool:
    key = certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(_hash(key.curve)))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _hash(curve: ec.EllipticCurve) -> hashes.HashAlgorithm:
    return hashes.SHA384() if curve.key_size > 256 else hashes.SHA256()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _unbase64(text: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("holds text that is not base64") from None
    if _base64(content) != text:
        raise ValueError("holds base64 in another spelling than usual")
    return content
