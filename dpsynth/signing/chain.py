"""Which certificates may sign evidence, and whether one leads to a root that the user trusts.

Path validation is RFC 5280 as done by cryptography's verifier, with a profile for document signing
(RFC 9336) instead of the web's. The trust anchor always comes from the user: nothing that a bundle
carries is ever trusted because it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import verification

DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
EMAIL_PROTECTION = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.4")
_ADOBE_DOCUMENTS = x509.ObjectIdentifier("1.2.840.113583.1.1.5")
_MICROSOFT_DOCUMENTS = x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.12")
_ANY_PURPOSE = x509.ObjectIdentifier("2.5.29.37.0")
PURPOSES = frozenset({DOCUMENT_SIGNING, EMAIL_PROTECTION, _ADOBE_DOCUMENTS, _MICROSOFT_DOCUMENTS})

_MAX_DEPTH = 4


#: What reading a certificate that a stranger made can raise; not all of it is a ValueError.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, kw_only=True)
class CertificatePath:
    """The outcome of building a path from a signer's certificate to a trusted root.

    Attributes:
        root: The root that it leads to, None if it leads to none.
        moment: Time at which the whole path is valid; the time asked for, unless `expired`.
        expired: Whether the path holds only at another time than the one asked for.
        problem: Why there is no path, empty if there is one.
    """

    root: x509.Certificate | None
    moment: datetime
    expired: bool = False
    problem: str = ""


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the DER certificate, lower-case hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def common_name(certificate: x509.Certificate) -> str:
    """Return the common name of the subject, or the whole name where there is none."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def unsuitable(certificate: x509.Certificate) -> str:
    """Say why a certificate may not sign evidence; empty if it may.

    Key: EC P-256 or P-384, or RSA of 3072 bits or more. Key usage: digital signature or
    non-repudiation. Extended key usage: document signing (RFC 9336) or one that is used for it.
    """
    problem = _weak_key(certificate.public_key())
    if problem:
        return problem
    try:
        extensions = certificate.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return "the certificate does not say that it is for signing (key usage is missing)"
    except (ValueError, x509.DuplicateExtension):
        return "the certificate has extensions that cannot be read"
    if not (usage.digital_signature or usage.content_commitment):
        return "the certificate's key usage does not allow signatures"
    if not PURPOSES & set(purposes):
        return "the certificate is for another purpose than signing documents"
    if any(e.critical and isinstance(e.value, x509.UnrecognizedExtension) for e in extensions):
        return "the certificate has a critical extension that is not known here"
    return ""


def is_authority(certificate: x509.Certificate) -> bool:
    """Say whether a certificate is a certificate authority's."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def find_path(
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> CertificatePath:
    """Look for a path from `leaf` to one of `roots` that is valid at `at`.

    Where there is none, the same path is tried at times when its certificates were valid: a path
    that has merely expired is something else than one that never was.

    Args:
        leaf: The signer's certificate.
        intermediates: Certificates that came with the signature; helpful, never trusted.
        roots: What the user trusts.
        at: Time to check for, with a time zone.
    """
    at = at.astimezone(UTC)
    problem = unsuitable(leaf)
    if problem:
        return CertificatePath(root=None, moment=at, problem=problem)
    moments = [at]
    for certificate in (leaf, *intermediates, *roots):
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        moments.append(min(max(at, start), end))
    for moment in dict.fromkeys(moments):
        root = _path(leaf, intermediates, roots, moment)
        if root is not None:
            return CertificatePath(root=root, moment=moment, expired=moment != at)
    return CertificatePath(
        root=None, moment=at, problem="the signer's certificate does not lead to a trusted root"
    )


def _path(
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    moment: datetime,
) -> x509.Certificate | None:
    """Return the root of a path that is valid at the moment, or None."""
    agnostic = verification.Criticality.AGNOSTIC
    authority = (
        verification.ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, agnostic, _check_authority)
        .require_present(x509.KeyUsage, agnostic, _check_issues_certificates)
        .may_be_present(x509.ExtendedKeyUsage, agnostic, _check_purposes)
    )
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(roots)))
        .time(moment)
        .max_chain_depth(_MAX_DEPTH)
        .extension_policies(
            ca_policy=authority, ee_policy=verification.ExtensionPolicy.permit_all()
        )
        .build_client_verifier()
    )
    try:
        return verifier.verify(leaf, list(intermediates)).chain[-1]
    except (verification.VerificationError, *UNREADABLE):
        return None


def _check_authority(
    _: verification.Policy, certificate: x509.Certificate, basic: x509.BasicConstraints
) -> None:
    if not basic.ca:
        raise ValueError(f"{common_name(certificate)} is not an authority")


def _check_issues_certificates(
    _: verification.Policy, certificate: x509.Certificate, usage: x509.KeyUsage
) -> None:
    if not usage.key_cert_sign:
        raise ValueError(f"{common_name(certificate)} may not issue certificates")


def _check_purposes(
    _: verification.Policy, certificate: x509.Certificate, purposes: x509.ExtendedKeyUsage | None
) -> None:
    allowed = PURPOSES | {_ANY_PURPOSE}
    if purposes is not None and not allowed & set(purposes):
        raise ValueError(f"{common_name(certificate)} issues certificates for other purposes")


def _weak_key(key: object) -> str:
    """Say why a public key is not accepted; empty if it is."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
            return ""
        return f"the curve {key.curve.name} is not accepted: use P-256 or P-384"
    if isinstance(key, rsa.RSAPublicKey):
        return "" if key.key_size >= 3072 else "RSA keys need 3072 bits or more"
    name = type(key).__name__.removesuffix("PublicKey").lstrip("_")
    return (
        f"{name} keys are not accepted, because common PDF readers reject their signatures: "
        "use EC P-256, EC P-384 or RSA"
    )
