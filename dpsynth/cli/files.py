"""Text files that commands read line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dpsynth.errors import InputError


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a text file without their ends.

    Raises:
        InputError: It cannot be read, or is not text.
    """
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line.removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({type(error).__name__}).", where=str(path)) from None
