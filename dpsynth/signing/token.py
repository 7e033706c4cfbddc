"""Signing keys that never leave a device: smart cards and hardware modules through PKCS#11.

A key is named by a URI (RFC 7512), for example
``pkcs11:token=hospital;object=signer?module-path=/usr/lib/softhsm/libsofthsm2.so``. The PIN comes
from where passphrases come from and never from the URI, which would show it in a list of processes.
The certificate lies on the token under the same label as the key; further certificates on it are
its issuers. The device gets what is signed, or its digest, and gives the signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from dpsynth.errors import InputError, MissingExtraError
from dpsynth.signing.keys import SCHEME, Signer, check_certificate, upwards


@dataclass(frozen=True, kw_only=True)
class TokenKey:
    """A private key on a token; a session is opened for each signature.

    Attributes:
        module: Path of the device's PKCS#11 library.
        token: Label of the token.
        label: Label of key and certificate.
        pin: PIN of its user; never shown.
    """

    module: str
    token: str
    label: str
    pin: bytes = field(repr=False)

    def sign_message(self, message: bytes, algorithm: str, public_key: object) -> bytes:
        """Return a signature, ECDSA in DER or RSA PKCS #1 v1.5.

        Raises:
            InputError: The device refuses.
        """
        import pkcs11

        with self.session() as session:
            key = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, label=self.label)
            if isinstance(public_key, ec.EllipticCurvePublicKey):
                digest = hashlib.new(algorithm, message).digest()
                raw = key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
                half = len(raw) // 2
                return encode_dss_signature(
                    int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
                )
            mechanism = getattr(pkcs11.Mechanism, f"{algorithm.upper()}_RSA_PKCS")
            return bytes(key.sign(message, mechanism=mechanism))

    @contextmanager
    def session(self) -> Iterator[Any]:
        """Yield a session of the token's user.

        Raises:
            MissingExtraError: python-pkcs11 is not installed.
            InputError: The library or the token is not there, or the PIN is wrong.
        """
        try:
            import pkcs11
        except ImportError:
            raise MissingExtraError(
                "A key on a token needs python-pkcs11.", fix="pip install dpsynth[pkcs11]"
            ) from None
        where = f"{SCHEME}token={self.token};object={self.label}"
        try:
            token = pkcs11.lib(self.module).get_token(token_label=self.token)
            with token.open(user_pin=self.pin.decode()) as session:
                yield session
        except (pkcs11.PinIncorrect, pkcs11.PinLenRange, pkcs11.PinInvalid):
            raise InputError(
                "The PIN does not open the token.",
                where=where,
                fix="Check the PIN; a token locks itself after a few wrong ones.",
            ) from None
        except (pkcs11.PKCS11Error, RuntimeError, UnicodeDecodeError) as error:
            raise InputError(
                f"The token cannot be used ({type(error).__name__}).",
                where=where,
                fix="Check module-path, token and object of the URI.",
            ) from None


def load_token_signer(uri: str, pin: bytes, *, at: datetime | None = None) -> Signer:
    """Load a signer from a token.

    Args:
        uri: RFC 7512, with `token`, `object` and `module-path`.
        pin: PIN of the token's user.
        at: Time for which the certificate must be valid; None means now.

    Raises:
        InputError: The URI, the token or the PIN is wrong, or the certificate may not sign.
    """
    key = _parsed(uri, pin)
    where = f"{SCHEME}token={key.token};object={key.label}"
    held: list[tuple[str, bytes]] = []
    with key.session() as session:
        import pkcs11

        wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE}
        held += [
            (found[pkcs11.Attribute.LABEL], bytes(found[pkcs11.Attribute.VALUE]))
            for found in session.get_objects(wanted)
        ]
    try:
        loaded = [(label, x509.load_der_x509_certificate(c)) for label, c in held]
    except ValueError:
        raise InputError("holds a certificate that cannot be read.", where=where) from None
    own = [certificate for label, certificate in loaded if label == key.label]
    if len(own) != 1:
        raise InputError("holds no single certificate of that label.", where=where)
    check_certificate(own[0], where, at)
    others = [certificate for label, certificate in loaded if label != key.label]
    return Signer(private_key=key, certificate=own[0], chain=upwards(own[0], others))


def _parsed(uri: str, pin: bytes) -> TokenKey:
    """Take a URI apart."""
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    given = {
        name: unquote(value)
        for name, _, value in (part.partition("=") for part in path.split(";") if part)
    }
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if set(given) != {"token", "object"} or set(asked) != {"module-path"}:
        raise InputError(
            "must name token, object and module-path, and nothing else.",
            where=SCHEME,
            fix="For example pkcs11:token=hospital;object=signer?module-path=/usr/lib/hsm.so; "
            "the PIN comes from --passphrase-file, DPSYNTH_PASSPHRASE or a prompt.",
        )
    return TokenKey(
        module=asked["module-path"], token=given["token"], label=given["object"], pin=pin
    )
