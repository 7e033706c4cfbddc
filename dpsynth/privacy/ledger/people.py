"""Keyed fingerprints of the units of each lineage: the same people under two names are noticed.

A budget belongs to people. Whoever gives the same people a second lineage gives them a second
budget, and no arithmetic on either ledger would show it. So the ledger's key makes a fingerprint of
every unit that a release opens (BLAKE2b, never a plain digest: without the key nobody can test
whether a person is in it), and a new lineage whose people are mostly known is named.

The files are internal, belong to one ledger, never leave this machine with an export and may be
deleted at any time; only the warning is lost. What may never happen: that anything in them reaches
a document, or that they change what is released.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InputError
from dpsynth.newfile import replace_bytes

Prints = NDArray[np.uint64]

MAX_KEPT = (
    2**20
)  #: the smallest fingerprints of a lineage that are kept: a fair sample of its units
HALF = 0.5
_PURPOSE = b"dpsynth units"
_STORED = np.dtype("<u8")  # a file is these numbers and nothing else: no content can fail to parse
_SUFFIX = ".fingerprints"


@dataclass(frozen=True, kw_only=True)
class People:
    """The fingerprints that one ledger keeps.

    Attributes:
        folder: Folder of this ledger's files; made when first needed, for the owner only.
        key: Secret bytes, derived from the ledger's key.
    """

    folder: Path
    key: bytes

    def prints(self, digests: NDArray[np.uint8]) -> Prints:
        """Return the fingerprints of units, rising and without repetition.

        Args:
            digests: Digest of the label of each unit, uint8 (units, bytes).
        """
        keyed = hashlib.blake2b(key=self.key[:64], digest_size=8, person=_PURPOSE)
        found = bytearray()
        for row in digests:
            state = keyed.copy()
            state.update(row.tobytes())
            found += state.digest()
        return np.unique(np.frombuffer(bytes(found), dtype=np.uint64))

    def same_people(self, lineage: str, prints: Prints) -> tuple[str, ...]:
        """Name the lineages that hold at least half of the units of a new one, together.

        Args:
            lineage: The lineage that is about to be used.
            prints: Fingerprints of its units.

        Returns:
            Names, the one with most of these units first; empty where the lineage is not new, or
            fewer than half of its units are known.
        """
        stored = self._stored()
        if not prints.size or lineage in stored:
            return ()
        shares = {name: _shared(prints, other) for name, other in stored.items()}
        known = _shared(prints, np.unique(np.concatenate([*stored.values(), prints[:0]])))
        if known < HALF:
            return ()
        return tuple(name for name in sorted(shares, key=lambda n: -shares[n]) if shares[name] > 0)

    def shared_with(
        self, lineage: str, prints: Prints, others: Collection[str], *, more_than: float
    ) -> tuple[str, ...]:
        """Name those of some lineages that hold more than a share of these units.

        Args:
            lineage: The lineage that is about to be used; never named.
            prints: Fingerprints of its units.
            others: Names of the lineages to compare with.
            more_than: Share of the units; 0 for any of them.
        """
        stored = self._stored()
        return tuple(
            name
            for name in others
            if name != lineage and name in stored and _shared(prints, stored[name]) > more_than
        )

    def remember(self, lineage: str, prints: Prints) -> None:
        """Keep the fingerprints of a lineage beside those kept before.

        Raises:
            InputError: The folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            before = self._stored().get(lineage, prints[:0])
            kept = np.union1d(before, prints)[:MAX_KEPT]
            path = self.folder / f"{lineage}{_SUFFIX}"
            replace_bytes(path, kept.astype(_STORED).tobytes(), mode=0o600)
        except OSError as error:
            raise InputError(
                f"Fingerprints of units cannot be kept ({type(error).__name__}).",
                where=str(self.folder),
                fix="Name a folder that can be written with DPSYNTH_ANCHORS.",
            ) from None

    def _stored(self) -> Mapping[str, Prints]:
        """Return what is kept, by lineage."""
        found = {}
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            try:
                content = path.read_bytes()[: MAX_KEPT * _STORED.itemsize]
                prints = np.unique(np.frombuffer(content, dtype=_STORED).astype(np.uint64))
            except (OSError, ValueError):
                continue  # a file that cannot be read costs a warning, never a release
            found[path.name.removesuffix(_SUFFIX)] = prints
        return found


def _shared(prints: Prints, other: Prints) -> float:
    """Estimate the share of `prints` that `other` holds, from the part where both are complete.

    Of a large lineage only the smallest fingerprints are kept; below the largest one kept, they are
    complete, and as fingerprints are random, that part is a fair sample.
    """
    limit = min(
        (int(side[-1]) for side in (prints[:MAX_KEPT], other) if side.size >= MAX_KEPT),
        default=2**64 - 1,
    )
    mine = prints[prints <= np.uint64(limit)]
    return float(np.isin(mine, other, assume_unique=True).mean()) if mine.size else 0.0
