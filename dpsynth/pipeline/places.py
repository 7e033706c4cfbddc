"""Where the ledger and the keys live: the user's data folder, never beside the private data."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from dpsynth.errors import InputError

LEDGER_VARIABLE = "DPSYNTH_LEDGER"
KEYS_VARIABLE = "DPSYNTH_KEYS"
PASSPHRASE_VARIABLE = "DPSYNTH_PASSPHRASE"  # noqa: S105 (the name of a variable)


def ledger_path(given: str | None = None) -> Path:
    """Return the path of the ledger: the option, else the environment, else the user's folder."""
    text = given or os.environ.get(LEDGER_VARIABLE)
    if not text:
        return platformdirs.user_data_path("dpsynth") / "ledger.sqlite"
    if text.startswith("sqlite:///"):
        text = text.removeprefix("sqlite:///")
    elif "://" in text:
        raise InputError(
            "Only a SQLite ledger is supported yet.",
            where="ledger",
            fix="Give a file path or sqlite:///PATH.",
        )
    return Path(text).expanduser()


def existing_ledger(given: str | None = None) -> Path:
    """Return the path of a ledger that is only to be read: a typing error must not make one.

    Raises:
        InputError: There is no ledger.
    """
    path = ledger_path(given)
    if not path.is_file():
        raise InputError(
            "There is no ledger.",
            where=str(path),
            fix="The first release makes one; name another with --ledger or DPSYNTH_LEDGER.",
        )
    return path


def keys_folder(given: Path | None = None) -> Path:
    """Return the folder of the trial authority: the option, the environment or the user's."""
    if given is not None:
        return given
    text = os.environ.get(KEYS_VARIABLE)
    return Path(text).expanduser() if text else platformdirs.user_data_path("dpsynth") / "keys"
