"""Write a bundle all at once: a folder that looks like a release is a whole release.

Files are written into a hidden sibling folder, fsynced, and renamed in one step. A crash leaves at
most the hidden folder, whose name starts with a point and which the next release removes.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpsynth.errors import InputError

_PARTIAL = ".dpsynth-partial-"


def check_target(target: Path) -> None:
    """Refuse a target that exists or whose parent cannot be written, before anything is spent.

    Raises:
        InputError: Says what is in the way.
    """
    if target.exists() or target.is_symlink():
        raise InputError(
            "exists already.",
            where=str(target),
            fix="Choose another --out: nothing is overwritten.",
        )
    parent = target.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        probe = parent / f"{_PARTIAL}{secrets.token_hex(8)}"
        probe.mkdir()
        (probe / "probe").write_bytes(b"")
        shutil.rmtree(probe)
    except (FileExistsError, NotADirectoryError):
        raise InputError(
            "is a file and not a folder.", where=str(parent), fix="Choose another --out."
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot be written ({type(error).__name__}).",
            where=str(parent),
            fix="Choose a folder that you may write to with --out.",
        ) from None


@contextmanager
def assembling(target: Path) -> Iterator[Path]:
    """Yield a hidden folder to fill; it is removed if the block fails.

    Call :func:`publish` inside the block to turn it into the bundle.
    """
    for stale in target.parent.glob(f"{_PARTIAL}{target.name}-*"):
        if not _running(stale.name.rsplit("-", 1)[-1]):
            shutil.rmtree(stale, ignore_errors=True)
    folder = target.parent / f"{_PARTIAL}{target.name}-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, target: Path) -> None:
    """Make the assembled folder the bundle, durably and in one step."""
    for path in sorted(folder.rglob("*")):
        _fsync(path)
    _fsync(folder)
    os.rename(folder, target)
    _fsync(target.parent)


def _running(process: str) -> bool:
    """Say whether another process may still be filling its folder."""
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return int(process) != os.getpid()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
