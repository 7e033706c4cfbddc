"""What this machine remembers of the ledgers that it met: their newest heads, in small files.

A hash chain that was rolled back holds together; only a memory outside it shows that entries are
gone. Documents are one such memory, this folder is another. It should not be restored together
with the ledger. Each file is replaced whole and synced, under a lock of the folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpsynth.errors import InputError
from dpsynth.newfile import replace_bytes
from dpsynth.privacy.ledger.chain import Entry, Head, damaged

_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLACES = "places.json"


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """The newest head that was met of one ledger.

    Attributes:
        ledger_id: Name of the ledger.
        keys: Its public keys so far.
        head: The newest entry that was met.
    """

    ledger_id: str
    keys: tuple[str, ...]
    head: Head


class Anchors:
    """A folder of anchors, made on first use.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def newest(self, ledger_id: str) -> Anchor | None:
        """Return the anchor of a ledger, or None if it was never met.

        Raises:
            InputError: The file cannot be read.
        """
        _check_id(ledger_id)
        tree = self._load(f"{ledger_id}.json")
        if tree is None:
            return None
        try:
            seq, digest, keys = tree["seq"], tree["digest"], tree["keys"]
            if tree["ledger"] != ledger_id or not isinstance(seq, int) or seq < 1:
                raise ValueError
            if not all(_DIGEST.fullmatch(text) for text in (digest, *keys)) or not keys:
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise self._unreadable(f"{ledger_id}.json") from None
        return Anchor(ledger_id=ledger_id, keys=tuple(keys), head=Head(seq=seq, digest=digest))

    def at(self, place: str) -> str | None:
        """Return the id of the ledger that was met at a place, or None."""
        found = (self._load(_PLACES) or {}).get(place)
        return found if isinstance(found, str) else None

    def meet(self, ledger_id: str, public_key: str, head: Head, place: str = "") -> None:
        """Remember a head that somebody trustworthy showed, for example in a verified document.

        An older head than the one that is known changes nothing.

        Raises:
            LedgerDamagedError: The ledger has another public key than before, another entry stands
                where a known one was (a fork), or another ledger stood at this place.
            InputError: The head is none, or the folder cannot be used.
        """
        _check_id(ledger_id)
        if head.seq < 1 or not _DIGEST.fullmatch(head.digest) or not _DIGEST.fullmatch(public_key):
            raise InputError("is not the head of a ledger.", where="anchor")
        with self._locked():
            known = self.newest(ledger_id)
            keys: tuple[str, ...] = (public_key,)
            if known is not None:
                _same_key(known, public_key)
                if head.seq == known.head.seq and head.digest != known.head.digest:
                    raise _forked(head.seq)
                keys = known.keys
            self._check_place(ledger_id, place)
            self._remember(ledger_id, keys, head, place, known)

    def check(self, ledger_id: str, keys: Sequence[str], entries: Sequence[Entry], place: str
              ) -> None:  # fmt: skip
        """Refuse a ledger that is not the one that was met, or an older state of it.

        Raises:
            LedgerDamagedError: It is replaced, has another key, was rolled back, or is a fork.
        """
        self._check_place(ledger_id, place)
        known = self.newest(ledger_id)
        if known is None:
            return
        if not set(keys) & set(known.keys):  # a document may have named a later key only
            _same_key(known, keys[0])
        seq = known.head.seq
        if len(entries) < seq:
            raise damaged(
                f"The ledger ends at entry {len(entries)}, but entry {seq} was met on this machine "
                "before: it was rolled back or truncated."
            )
        if entries[seq - 1].digest != known.head.digest:
            raise _forked(seq)

    def remember(self, ledger_id: str, keys: Sequence[str], head: Head, place: str) -> None:
        """Remember the head of a ledger that :meth:`check` accepted."""
        with self._locked():
            self._remember(ledger_id, tuple(keys), head, place, self.newest(ledger_id))

    def _remember(
        self, ledger_id: str, keys: tuple[str, ...], head: Head, place: str, known: Anchor | None
    ) -> None:
        if place and self.at(place) != ledger_id:
            self._save(_PLACES, (self._load(_PLACES) or {}) | {place: ledger_id})
        if known is None or head.seq > known.head.seq:
            self._save(
                f"{ledger_id}.json",
                {"ledger": ledger_id, "keys": list(keys), "seq": head.seq, "digest": head.digest},
            )

    def _check_place(self, ledger_id: str, place: str) -> None:
        stood = self.at(place) if place else None
        if stood is not None and stood != ledger_id:
            raise replaced(stood, self.folder)

    def _load(self, name: str) -> dict[str, Any] | None:
        try:
            tree = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            raise self._unreadable(name) from None
        if not isinstance(tree, dict):
            raise self._unreadable(name)
        return tree

    def _save(self, name: str, tree: dict[str, Any]) -> None:
        try:
            content = json.dumps(tree, sort_keys=True, indent=1).encode()
            replace_bytes(self.folder / name, content)
        except OSError as error:
            raise self._unusable(error) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes out of the folder."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _unusable(self, error: OSError) -> InputError:
        return InputError(
            f"The anchors of the ledger cannot be kept ({type(error).__name__}).",
            where=str(self.folder),
            fix="Choose another folder with DPSYNTH_ANCHORS.",
        )

    def _unreadable(self, name: str) -> InputError:
        return InputError(
            "is not a file of anchors.",
            where=str(self.folder / name),
            fix="Restore it. Without it a ledger that was rolled back may not be noticed.",
        )


def replaced(stood: str, folder: Path) -> Exception:
    """Return the error for a place where another ledger stood."""
    return damaged(
        f"Another ledger (id {stood[:16]}) stood at this place: it was replaced or removed.",
        fix="Put the old ledger back; a new one would give its people a second budget. If other "
        f"people are meant, use another place, or remove the line of this one from "
        f"{folder / _PLACES}.",
    )


def _same_key(known: Anchor, public_key: str) -> None:
    """Refuse a key that the ledger is not known to have."""
    if public_key not in known.keys:
        raise damaged(
            "The ledger has another public key than the one that was met on this machine: it was "
            "rebuilt with a foreign key.",
            fix="If its key was rotated, open the ledger itself first, which proves it.",
        )


def _forked(seq: int) -> Exception:
    return damaged(
        f"Entry {seq} is not the one that was met on this machine before: the ledger was "
        "rewritten or forked."
    )


def _check_id(ledger_id: str) -> None:
    """Refuse an id that is none: it becomes the name of a file."""
    if not _ID.fullmatch(ledger_id):
        raise InputError("is not the id of a ledger.", where="anchor")
