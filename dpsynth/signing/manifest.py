"""The manifest of a folder of a bundle: every other file with its digest, in one signed statement.

Written by the release, read by verify. Its time stamps, made after it, are the only other file that
it does not list. A folder that a manifest describes holds regular files and folders only: no link,
no device, no name that leads elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dpsynth.errors import InputError
from dpsynth.signing.statement import statement

MANIFEST = "manifest.dsse.json"
STAMPS = "manifest.stamps.json"  #: its time stamps (:mod:`dpsynth.signing.stamps`)
MANIFEST_TYPE = "https://dpsynth.org/attestation/manifest/v1"

_CHUNK = 2**20


def manifest_statement(folder: Path, predicate: Mapping[str, Any]) -> bytes:
    """Return the statement over every file in a folder but the manifest itself and its stamps.

    Args:
        folder: ``public`` or ``internal`` of a bundle, complete except for the manifest.
        predicate: Release, time, ledger head and name of the folder.

    Raises:
        InputError: The folder holds something that is not a regular file.
    """
    files, others = list_folder(folder)
    if others:
        raise InputError(
            "is neither a file nor a folder.", where=str(folder / others[0]), fix="Remove it."
        )
    subjects = {name: sha256(folder / name) for name in files if name not in {MANIFEST, STAMPS}}
    return statement(subjects, MANIFEST_TYPE, predicate)


def list_folder(folder: Path) -> tuple[list[str], list[str]]:
    """List what a folder holds at any depth, without following links.

    Returns:
        Names of regular files and of everything else (links, devices, empty folders), both as
        paths relative to the folder with ``/`` between parts, sorted.

    Raises:
        OSError: A folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise error

    files: list[str] = []
    others: list[str] = []
    for current, folders, names in os.walk(folder, followlinks=False, onerror=fail):
        for name in (*folders, *names):
            path = Path(current, name)
            relative = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                files.append(relative)
            elif not stat.S_ISDIR(mode) or not any(path.iterdir()):
                others.append(relative)
    return sorted(files), sorted(others)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a regular file, lower-case hexadecimal; a link is refused (OSError)."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
