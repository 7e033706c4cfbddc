"""Certificates of a trial authority: enough to try dpsynth today, marked as no more than that.

Root: EC P-384. Signer: EC P-256 with the purpose of RFC 9336. The names carry the word TRIAL and
"not for legal use", and so does whatever shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dpsynth.signing.chain import DOCUMENT_SIGNING, EMAIL_PROTECTION

TRIAL_MARK = "Trial authority, not for legal use"


@dataclass(frozen=True, kw_only=True)
class TrialKeys:
    """A root and a signer with their private keys."""

    root: x509.Certificate
    root_key: ec.EllipticCurvePrivateKey = field(repr=False)
    signer: x509.Certificate
    signer_key: ec.EllipticCurvePrivateKey = field(repr=False)


def make_trial_keys(organisation: str, start: datetime, end: datetime) -> TrialKeys:
    """Make new keys and certificates, valid from `start` to `end`."""
    root_key = ec.generate_private_key(ec.SECP384R1())
    signer_key = ec.generate_private_key(ec.SECP256R1())
    root = _root(_name(organisation, f"{organisation} TRIAL root"), root_key, start, end)
    signer = _signer(_name(organisation, f"{organisation} (TRIAL)"), signer_key, root, root_key)
    return TrialKeys(root=root, root_key=root_key, signer=signer, signer_key=signer_key)


def is_trial(certificate: x509.Certificate) -> bool:
    """Say whether a certificate belongs to a trial authority."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return any(unit.value == TRIAL_MARK for unit in units)


def _name(organisation: str, common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, TRIAL_MARK),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _root(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, start: datetime, end: datetime
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )


def _signer(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    root: x509.Certificate,
    root_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(root.not_valid_before_utc)
        .not_valid_after(root.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([DOCUMENT_SIGNING, EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(authority, critical=False)
        .sign(root_key, hashes.SHA384())
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    """An authority signs certificates and revocation lists; a signer signs documents."""
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
