"""Where the ledger, the keys and the anchors live: never beside the private data.

The ledger's key should live on another device than the ledger: DPSYNTH_LEDGER_KEY names it.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from dpsynth.errors import InputError
from dpsynth.privacy.ledger import Anchors, Ledger, LedgerKey, Place, ledger_exists

LEDGER_VARIABLE = "DPSYNTH_LEDGER"
LEDGER_KEY_VARIABLE = "DPSYNTH_LEDGER_KEY"
LEDGER_PASSPHRASE_VARIABLE = "DPSYNTH_LEDGER_PASSPHRASE"  # noqa: S105 (the name of a variable)
ANCHORS_VARIABLE = "DPSYNTH_ANCHORS"
KEYS_VARIABLE = "DPSYNTH_KEYS"
PASSPHRASE_VARIABLE = "DPSYNTH_PASSPHRASE"  # noqa: S105 (the name of a variable)


def ledger_path(given: str | None = None) -> Place:
    """Return the place of the ledger: the option, else the environment, else the user's folder."""
    text = given or os.environ.get(LEDGER_VARIABLE)
    return Place.of(text or platformdirs.user_data_path("dpsynth") / "ledger.sqlite")


def existing_ledger(given: str | None = None) -> Place:
    """Return the place of a ledger that is only to be read: a typing error must not make one.

    Raises:
        InputError: There is no ledger.
    """
    place = ledger_path(given)
    if not ledger_exists(place):
        raise InputError(
            "There is no ledger.",
            where=place.text,
            fix="The first release makes one; name another with --ledger or DPSYNTH_LEDGER.",
        )
    return place


def read_ledger(given: str | None = None) -> Ledger:
    """Open an existing ledger for reading, compared with the anchors of this machine."""
    return Ledger.open(existing_ledger(given), anchors=anchors())


def write_ledger(given: str | None = None, *, create: bool = True) -> Ledger:
    """Open the ledger for writing with its key; the first use makes both unless `create` is off."""
    place = ledger_path(given) if create else existing_ledger(given)
    return Ledger.open(place, key=ledger_key(create=create), anchors=anchors())


def ledger_key(*, create: bool = True) -> LedgerKey:
    """Return the ledger's key: the one that the environment names, else one made on first use.

    Args:
        create: Make a key where none is; off where only the key of an existing ledger will do.

    Raises:
        InputError: The key is not there, or the passphrase is wrong.
    """
    passphrase = ledger_passphrase()
    path = ledger_key_path()
    if create and not os.environ.get(LEDGER_KEY_VARIABLE) and not path.exists():
        try:
            return LedgerKey.create(path, passphrase)
        except InputError:
            if not path.exists():
                raise  # else another process made it first
    return LedgerKey.load(path, passphrase)


def ledger_key_path() -> Path:
    """Return where the ledger's key is: the environment's file, else one in the user's folder."""
    named = os.environ.get(LEDGER_KEY_VARIABLE)
    return Path(named).expanduser() if named else keys_folder() / "ledger.pem"


def ledger_passphrase() -> str | None:
    """Return the passphrase of the ledger's key, or None."""
    return os.environ.get(LEDGER_PASSPHRASE_VARIABLE)


def anchors() -> Anchors:
    """Return what this machine remembers of ledgers: the environment's folder or the user's."""
    text = os.environ.get(ANCHORS_VARIABLE)
    folder = (
        Path(text).expanduser() if text else platformdirs.user_state_path("dpsynth") / "anchors"
    )
    return Anchors(folder)


def keys_folder(given: Path | None = None) -> Path:
    """Return the folder of the trial authority: the option, the environment or the user's."""
    if given is not None:
        return given
    text = os.environ.get(KEYS_VARIABLE)
    return Path(text).expanduser() if text else platformdirs.user_data_path("dpsynth") / "keys"
