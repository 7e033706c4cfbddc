"""Signing keys: a trial authority of one's own, real keys from PKCS#12, roots to trust.

A passphrase comes from a file, an environment variable or a prompt, never from an argument: command
lines are visible to every user of a machine and stay in histories. Private keys never leave memory
except encrypted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from dpsynth.errors import InputError
from dpsynth.newfile import create_bytes
from dpsynth.signing.chain import common_name, is_authority, unsuitable
from dpsynth.signing.trial import make_trial_keys

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class KeyElsewhere(Protocol):
    """A private key that this program never holds."""

    def sign_message(self, message: bytes, algorithm: str, public_key: object) -> bytes:
        """Return a signature, ECDSA in DER or RSA PKCS #1 v1.5."""


_HASHES = {"sha256": hashes.SHA256, "sha384": hashes.SHA384}

SCHEME = "pkcs11:"  #: begins the URI of a key on a device, where others name a file

_MAX_FILE = 1_000_000
_KDF_ROUNDS = 300_000
_LONGEST_NAME = 40  # X.520 allows 64 characters, some of which the trial mark needs


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A key that may sign evidence, with its certificate.

    Attributes:
        private_key: EC P-256, EC P-384 or RSA of 3072 bits or more; never shown. Or a key on a
            device.
        certificate: The signer's certificate.
        chain: Further certificates, from the issuer upwards; may be empty.
    """

    private_key: PrivateKey | KeyElsewhere = field(repr=False)
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def name(self) -> str:
        """Common name of the certificate."""
        return common_name(self.certificate)

    def sign(self, message: bytes, algorithm: str) -> bytes:
        """Return a signature of a message, ECDSA in DER or RSA PKCS #1 v1.5.

        Args:
            message: The bytes.
            algorithm: Hash: sha256 or sha384.
        """
        key, hashed = self.private_key, _HASHES[algorithm]()
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(message, ec.ECDSA(hashed))
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(message, padding.PKCS1v15(), hashed)
        return key.sign_message(message, algorithm, self.certificate.public_key())


@dataclass(frozen=True, kw_only=True)
class TrialAuthority:
    """Files of a trial authority.

    Attributes:
        root: Certificate of the root (PEM): give this one to recipients.
        root_key: Its private key, encrypted.
        signer: PKCS#12 with the signing key, encrypted.
    """

    root: Path
    root_key: Path
    signer: Path


def init_trial_authority(
    folder: Path, *, organisation: str, passphrase: bytes, days: int
) -> TrialAuthority:
    """Make a root and a signer in a folder that has none.

    Args:
        folder: Made if it does not exist, readable by its owner only.
        organisation: Name to be shown, at most 40 characters; the certificates add TRIAL.
        passphrase: Encrypts both private keys.
        days: Both certificates are valid for so long.

    Raises:
        InputError: There are keys already, the folder cannot be written, or a value is unusable.
    """
    organisation = organisation.strip()
    if not organisation or len(organisation) > _LONGEST_NAME or not organisation.isprintable():
        raise InputError(
            f"must be a name of 1 to {_LONGEST_NAME} characters.", where="organisation"
        )
    if not passphrase:
        raise InputError("The passphrase is empty.", where="passphrase")
    if not 1 <= days <= 3650:
        raise InputError("must lie in 1 to 3650.", where="days")
    paths = TrialAuthority(
        root=folder / "root.pem", root_key=folder / "root.key.pem", signer=folder / "signer.p12"
    )
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    made = make_trial_keys(organisation, start, start + timedelta(days=days))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    encrypted = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_KDF_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase)
    )
    contents = {
        paths.root: made.root.public_bytes(pem),
        paths.root_key: made.root_key.private_bytes(
            pem, pkcs8, serialization.BestAvailableEncryption(passphrase)
        ),
        paths.signer: pkcs12.serialize_key_and_certificates(
            b"dpsynth trial signer", made.signer_key, made.signer, [made.root], encrypted
        ),
    }
    if any(os.path.lexists(path) for path in contents):
        raise InputError(
            "holds keys already.",
            where=str(folder),
            fix="Nothing was overwritten: choose another folder.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path, content in contents.items():
            create_bytes(path, content, mode=0o600)
    except OSError as error:
        raise InputError(
            f"cannot be written ({type(error).__name__}).",
            where=str(folder),
            fix="Choose a folder that you may write to.",
        ) from None
    return paths


def load_signer(p12: Path, passphrase: bytes, *, at: datetime | None = None) -> Signer:
    """Load a signer from a PKCS#12 file.

    Args:
        p12: The file.
        passphrase: Its passphrase.
        at: Time for which the certificate must be valid; None means now.

    Raises:
        InputError: The file or its passphrase is wrong, or the certificate may not sign.
    """
    where = str(p12)
    content = _read(p12)
    try:
        bag = pkcs12.load_pkcs12(content, passphrase)
    except ValueError as error:
        if "password" in str(error).lower():
            raise InputError(
                "The passphrase does not open the key file.",
                where=where,
                fix="Check the passphrase; nothing was spent.",
            ) from None
        raise InputError(
            "is not a PKCS#12 file.", where=where, fix="Export key and certificate as .p12 or .pfx."
        ) from None
    if bag.key is None or bag.cert is None:
        raise InputError("holds no private key with its certificate.", where=where)
    certificate = bag.cert.certificate
    check_certificate(certificate, where, at)
    if not isinstance(bag.key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise InputError("holds a key of a type that cannot sign evidence.", where=where)
    if bag.key.public_key() != certificate.public_key():
        raise InputError("holds a key and a certificate that do not match.", where=where)
    others = [additional.certificate for additional in bag.additional_certs]
    return Signer(private_key=bag.key, certificate=certificate, chain=upwards(certificate, others))


def check_certificate(certificate: x509.Certificate, where: str, at: datetime | None) -> None:
    """Check that a certificate may sign evidence at a time, now by default.

    Raises:
        InputError: It may not.
    """
    problem = unsuitable(certificate)
    if problem:
        raise InputError(f"cannot sign evidence: {problem}.", where=where)
    now = at or datetime.now(UTC)
    if now > certificate.not_valid_after_utc:
        raise InputError(
            f"The certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}.",
            where=where,
            fix="Ask its issuer for a new one; for a trial, `dpsynth keys init` in a new folder.",
        )
    if now < certificate.not_valid_before_utc:
        raise InputError(
            f"The certificate is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}.",
            where=where,
            fix="Check the clock of this machine.",
        )


def read_passphrase(*, file: Path | None, env: str, prompt: Callable[[str], str] | None) -> bytes:
    """Read a passphrase from a file, else from an environment variable, else by asking.

    Args:
        file: File whose first line is the passphrase, or None.
        env: Name of the environment variable.
        prompt: Asks a person without showing the answer, or None where nobody can be asked.

    Raises:
        InputError: There is none, or it is empty.
    """
    if file is not None:
        lines = _read(file).splitlines()
        passphrase, where = (lines[0] if lines else b""), str(file)
    elif os.environ.get(env):
        passphrase, where = os.environb[os.fsencode(env)], env
    elif prompt is not None:
        passphrase, where = prompt("Passphrase of the signing key").encode(), "prompt"
    else:
        raise InputError(
            "There is no passphrase for the signing key.",
            fix=f"Name a file with --passphrase-file, or set {env}.",
        )
    if not passphrase:
        raise InputError("The passphrase is empty.", where=where)
    return passphrase


def load_roots(paths: Iterable[Path]) -> list[x509.Certificate]:
    """Load the roots that a user trusts, from PEM (one or several in a file) or DER files.

    Raises:
        InputError: There is none, a file is not a certificate, or one is not an authority's.
    """
    roots: list[x509.Certificate] = []
    for path in paths:
        content = _read(path)
        try:
            if b"-----BEGIN" in content:
                found = x509.load_pem_x509_certificates(content)
            else:
                found = [x509.load_der_x509_certificate(content)]
        except ValueError:
            raise InputError("is not a certificate (PEM or DER).", where=str(path)) from None
        if not all(map(is_authority, found)):
            raise InputError(
                "is not the certificate of an authority.",
                where=str(path),
                fix="Ask the issuer of the release for its root certificate.",
            )
        roots += found
    if not roots:
        raise InputError(
            "No root certificate is given.", fix="Name what you trust with --trust ROOT.pem."
        )
    return roots


def load_crls(paths: Iterable[Path]) -> tuple[bytes, ...]:
    """Load revocation lists from PEM or DER files; return them as DER.

    Raises:
        InputError: A file is no revocation list.
    """
    lists = []
    for path in paths:
        content = _read(path)
        try:
            if b"-----BEGIN" in content:
                found = x509.load_pem_x509_crl(content)
            else:
                found = x509.load_der_x509_crl(content)
        except ValueError:
            raise InputError("is not a revocation list (PEM or DER).", where=str(path)) from None
        lists.append(found.public_bytes(serialization.Encoding.DER))
    return tuple(lists)


def upwards(
    leaf: x509.Certificate, others: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Return the issuers of a certificate in order, as far as they are known."""
    chain: list[x509.Certificate] = []
    current = leaf
    while current.issuer != current.subject:
        issuer = next((c for c in others if c.subject == current.issuer and c not in chain), None)
        if issuer is None:
            break
        chain.append(issuer)
        current = issuer
    return tuple(chain)


def _read(path: Path) -> bytes:
    """Read a small file."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise InputError(
            f"cannot be read ({type(error).__name__}).", where=str(path), fix="Check the path."
        ) from None
    if len(content) > _MAX_FILE:
        raise InputError(
            "is too large to be a key, a certificate or a passphrase.", where=str(path)
        )
    return content
