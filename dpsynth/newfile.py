"""Files that appear whole and never replace another: keys, exported ledgers, anchors."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dpsynth.errors import InputError


@contextmanager
def new_file(path: Path) -> Iterator[IO[str]]:
    """Yield a text file, for the owner only, that appears under its name once it is on the disk.

    Raises:
        InputError: The name is taken, or the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        if os.path.lexists(path):
            raise FileExistsError
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # unlike a rename, a link never replaces what is there
        finally:
            draft.unlink()
    except FileExistsError:
        raise InputError(
            "exists already.", where=str(path), fix="Nothing is overwritten: choose a new name."
        ) from None
    except OSError as error:
        raise InputError(f"cannot be written ({type(error).__name__}).", where=str(path)) from None
