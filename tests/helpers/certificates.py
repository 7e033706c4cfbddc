"""A certificate authority for tests: signers of any kind below one root, and a revocation list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from dpsynth.signing.chain import DOCUMENT_SIGNING
from dpsynth.signing.keys import Signer

KINDS = ("RSA-3072", "P-256", "P-384")


def new_key(kind: str) -> Any:
    """Return a new private key."""
    match kind:
        case "RSA-3072":
            return rsa.generate_private_key(65537, 3072)
        case "RSA-2048":  # refused by the product
            return rsa.generate_private_key(65537, 2048)
        case "P-256":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    raise ValueError(kind)


@dataclass(frozen=True)
class CertificateAuthority:
    """A root and its key."""

    root: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, name: str) -> CertificateAuthority:
        """Make a root of P-384."""
        key = ec.generate_private_key(ec.SECP384R1())
        named = _name(name)
        root = (
            _builder(named, named, key.public_key(), days=3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .sign(key, hashes.SHA384())
        )
        return cls(root, key)

    def certificate(
        self, key: Any, name: str, *, days: int = 30, age: timedelta = timedelta(days=1)
    ) -> x509.Certificate:
        """Issue a certificate for signing documents."""
        return (
            _builder(_name(name), self.root.subject, key.public_key(), days=days, age=age)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([DOCUMENT_SIGNING]), critical=False)
            .sign(self.key, hashes.SHA384())
        )

    def signer(self, name: str, kind: str = "P-256", **validity: Any) -> Signer:
        """Return a new signer below the root."""
        key = new_key(kind)
        return Signer(
            private_key=key,
            certificate=self.certificate(key, name, **validity),
            chain=(self.root,),
        )

    def crl(self, revoked: Sequence[x509.Certificate] = (), **validity: Any) -> bytes:
        """Return a revocation list in force, DER."""
        return revocation_list(self.root, self.key, revoked, **validity)


def unsuitable_certificate(
    authority: CertificateAuthority,
    key: Any,
    name: str,
    *,
    signs: bool = True,
    purpose: x509.ObjectIdentifier = DOCUMENT_SIGNING,
    critical: bool = False,
    kind: str = "",
) -> x509.Certificate:
    """Issue a certificate that may not sign evidence, for the one reason that is given.

    Args:
        authority: Who issues it.
        key: Its key.
        name: Common name.
        signs: Whether its key usage allows signatures.
        purpose: Extended key usage.
        critical: Whether it has a critical extension that nobody knows.
        kind: Kind of the key, where that is the reason.
    """
    builder = (
        _builder(_name(name), authority.root.subject, key.public_key(), days=30)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=signs), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    )
    if critical:
        unknown = x509.UnrecognizedExtension(
            x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"
        )
        builder = builder.add_extension(unknown, critical=True)
    return builder.sign(authority.key, hashes.SHA384())


def revocation_list(
    root: x509.Certificate,
    key: Any,
    revoked: Sequence[x509.Certificate] = (),
    *,
    days: int = 30,
) -> bytes:
    """Return the revocation list of a root, DER."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(now - timedelta(days=1))
        .next_update(now + timedelta(days=days))
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    for certificate in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(certificate.serial_number)
            .revocation_date(now - timedelta(hours=12))
            .build()
        )
    return builder.sign(key, hashes.SHA384()).public_bytes(Encoding.DER)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: Any,
    *,
    days: int,
    age: timedelta = timedelta(days=1),
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - age)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=signs,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )
