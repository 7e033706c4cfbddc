"""The key of a ledger: Ed25519. Whoever holds it can write entries; everybody can check them.

It should live on another device than the ledger (a stick, a mounted secret), so that somebody who
can only change the ledger's file cannot rebuild its chain.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from dpsynth.errors import InputError
from dpsynth.newfile import new_file


class LedgerKey:
    """A private key of a ledger. Use :meth:`load` or :meth:`create`."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def __repr__(self) -> str:
        """Show the public key only."""
        return f"LedgerKey(public={self.public})"

    @classmethod
    def load(cls, path: Path, passphrase: bytes | str | None = None) -> LedgerKey:
        """Read a PKCS#8 PEM file.

        Raises:
            InputError: There is no such file, it is no Ed25519 key, or the passphrase is wrong.
        """
        secret = passphrase.encode() if isinstance(passphrase, str) else passphrase
        try:
            found = load_pem_private_key(path.read_bytes(), secret or None)
        except OSError as error:
            raise InputError(
                f"The ledger's key cannot be read ({type(error).__name__}).",
                where=str(path),
                fix="Name the key of the ledger with DPSYNTH_LEDGER_KEY.",
            ) from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InputError(
                "is not a private key in PEM form, or its passphrase is wrong or missing.",
                where=str(path),
                fix="Give the passphrase in DPSYNTH_LEDGER_PASSPHRASE.",
            ) from None
        if not isinstance(found, Ed25519PrivateKey):
            raise InputError("is not an Ed25519 key.", where=str(path))
        return cls(found)

    @classmethod
    def create(cls, path: Path, passphrase: bytes | str | None = None) -> LedgerKey:
        """Make a key and write it for the owner only; an existing file is never overwritten.

        Raises:
            InputError: The file exists, or cannot be written.
        """
        key = cls(Ed25519PrivateKey.generate())
        secret = passphrase.encode() if isinstance(passphrase, str) else passphrase
        how: KeySerializationEncryption = (
            BestAvailableEncryption(secret) if secret else NoEncryption()
        )
        content = key._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise InputError(
                f"cannot be written ({type(error).__name__}).", where=str(path)
            ) from None
        with new_file(path) as file:
            file.write(content.decode("ascii"))
        return key

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message, 64 bytes."""
        return self._private.sign(message)

    def derive(self, purpose: bytes) -> bytes:
        """Return a secret of 32 bytes for one purpose: HKDF-SHA256 (RFC 5869) of the private key.

        It changes when the key is rotated.
        """
        raw = self._private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return HKDF(
            algorithm=hashes.SHA256(), length=32, salt=None, info=b"dpsynth ledger\n" + purpose
        ).derive(raw)


def signed_by(public: str, signature: str, message: bytes) -> bool:
    """Say whether a signature in hexadecimal digits is that of a public key."""
    try:
        _public_key(public).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return len(signature) == 128 and signature == signature.lower()


def is_public_key(text: object) -> bool:
    """Say whether a text is a public key as the ledger writes it."""
    if not (isinstance(text, str) and len(text) == 64 and text == text.lower()):
        return False
    try:
        _public_key(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=64)
def _public_key(text: str) -> Ed25519PublicKey:
    """Return a public key given in hexadecimal digits."""
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
