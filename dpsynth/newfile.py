"""Files that appear whole and never replace another: keys, exported ledgers, anchors, samples."""

from __future__ import annotations

import errno
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dpsynth.errors import InputError

# What a file system without hard links says: memory sticks, some network folders.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS}


@contextmanager
def new_file(path: Path) -> Iterator[IO[str]]:
    """Yield a text file, for the owner only, that appears under its name once it is on the disk.

    Raises:
        InputError: The name is taken, or the file cannot be written.
    """
    with new_bytes(path, mode=0o600) as raw:
        file = io.TextIOWrapper(raw, encoding="utf-8", newline="\n")
        try:
            yield file
        finally:
            file.detach()  # writes what is left, and keeps the file open


@contextmanager
def new_bytes(path: Path, *, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """Yield a file of bytes that appears under its name once it is on the disk.

    Args:
        path: Its name.
        mode: Permissions, less what the umask takes away.

    Raises:
        InputError: The name is taken, or the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        if os.path.lexists(path):
            raise FileExistsError
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _appear(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError:
        raise InputError(
            "exists already.", where=str(path), fix="Nothing is overwritten: choose a new name."
        ) from None
    except OSError as error:
        raise InputError(f"cannot be written ({type(error).__name__}).", where=str(path)) from None


def _appear(draft: Path, path: Path) -> None:
    """Give a whole file its name; FileExistsError where the name is taken."""
    try:
        os.link(draft, path)  # unlike a rename, a link never replaces what is there
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))  # the name is ours
        os.replace(draft, path)
