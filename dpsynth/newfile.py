"""Files that appear whole: a new one replaces nothing, a replaced one is the old or the new.

What is written is on the disk before it has its name, and the name before the call returns: after
a crash there is no half file under a name that people or programs read.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dpsynth.errors import InputError

# What a file system without hard links says: memory sticks, some network folders.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS}
# What one says that cannot write a folder to the disk on demand: some network folders.
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP}


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
    try:
        with _new(path, mode) as file:
            yield file
    except FileExistsError:
        raise InputError(
            "exists already.", where=str(path), fix="Nothing is overwritten: choose a new name."
        ) from None
    except OSError as error:
        raise unwritable(path, error) from None


def create_bytes(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write a new file; see :func:`new_bytes`. For callers with an error of their own.

    Raises:
        OSError: The name is taken (FileExistsError), or the file cannot be written.
    """
    with _new(path, mode) as file:
        file.write(content)


def replace_bytes(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write a file, in the place of another if there is one: whoever reads sees one of the two.

    Args:
        path: Its name.
        content: All that it will hold.
        mode: Permissions, less what the umask takes away; those of the old file do not count.

    Raises:
        OSError: The file cannot be written. Unless only the last step failed, to put the name on
            the disk, the old one is untouched.
    """
    with _draft(path, mode, os.replace) as file:
        file.write(content)


def unwritable(path: Path, error: OSError) -> InputError:
    """Return the error for a file that cannot be written."""
    return InputError(f"cannot be written ({type(error).__name__}).", where=str(path))


@contextmanager
def _new(path: Path, mode: int) -> Iterator[IO[bytes]]:
    """Yield a file that takes its name if nobody has it; FileExistsError before and after."""
    if os.path.lexists(path):
        raise FileExistsError
    with _draft(path, mode, _appear) as file:
        yield file


@contextmanager
def _draft(path: Path, mode: int, name: Callable[[Path, Path], None]) -> Iterator[IO[bytes]]:
    """Yield a hidden file that `name` gives its name once it is on the disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        name(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _appear(draft: Path, path: Path) -> None:
    """Give a whole file its name; FileExistsError where the name is taken."""
    try:
        os.link(draft, path)  # unlike a rename, a link never replaces what is there
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))  # the name is ours
        os.replace(draft, path)


def _sync_folder(folder: Path) -> None:
    """Put the names of a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)
