"""What every adapter of smartnoise-synth needs: the package itself, and fresh randomness for it.

Its programs draw from the global generators of NumPy, Python and torch, which a notebook may have
seeded. They are seeded from the operating system before a run, and again after it, so that no state
is left from which its draws could be worked out. Never true here: a seed that somebody chose, or a
message of the program.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from dpsynth.errors import InputError, MissingExtraError
from dpsynth.schema.domain import Domain

PROGRAM = "smartnoise-synth"
#: The version whose source was read: its price, and what is said of it, hold for no other.
READ = "1.0.8"
_MERSENNE_WORDS = 624  # the whole state of the generator


def installed_version() -> str:
    """Return the version of smartnoise-synth, which is the one that was read.

    Raises:
        MissingExtraError: It is not installed.
        InputError: Another version is.
    """
    try:
        found = version(PROGRAM)
    except PackageNotFoundError:
        raise MissingExtraError(
            f"needs the package {PROGRAM}.",
            where="synthesizer",
            fix="Install it with: pip install 'dpsynth[smartnoise]'.",
        ) from None
    if found != READ:
        raise InputError(
            f"knows {PROGRAM} {READ} and not {found}: what it costs was read in its source.",
            where="synthesizer",
            fix=f"Install {PROGRAM}=={READ}.",
        )
    return found


def column_names(domain: Domain) -> list[str]:
    """Return plain names of the columns, in order: no text of a dictionary reaches the program."""
    return [f"col{place}" for place in range(len(domain))]


@contextmanager
def fresh_randomness() -> Iterator[None]:
    """Seed the global generators from the operating system around a run."""
    _reseed()
    try:
        yield
    finally:
        _reseed()


def _reseed() -> None:
    state = np.frombuffer(os.urandom(4 * _MERSENNE_WORDS), dtype=np.uint32)
    np.random.seed(state)  # noqa: NPY002 (the generator that those programs draw from)
    random.seed(os.urandom(4 * _MERSENNE_WORDS))
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(int.from_bytes(os.urandom(8), "little", signed=True))
