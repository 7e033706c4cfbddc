"""Entries of the ledger and the hash chain that binds them.

An entry's digest is SHA-256 over the canonical JSON (RFC 8785) of its number, the digest of the
entry before it, its lineage, kind, payload and time. Changing, removing or moving an entry changes
every digest after it; a head (number, digest) printed in a certificate therefore pins the whole
past. The time is information only: nothing depends on clocks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import rfc8785

from dpsynth.errors import InputError, LedgerDamagedError

GENESIS = "0" * 64


class Kind(StrEnum):
    """What an entry says."""

    REGISTER = "register"  #: terms of a lineage, once and for ever
    RESERVE = "reserve"  #: a release may spend so much
    OPEN = "open"  #: written before the data is opened
    CHARGE = "charge"  #: events, written before their noise is drawn
    COMMIT = "commit"  #: the release is complete, with the digests of its files
    VOID = "void"  #: the reservation is given back; the data was never opened


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last entry of a ledger, or the place of an entry that a document names.

    Attributes:
        seq: Number of the entry, 0 for an empty ledger.
        digest: Its SHA-256, 64 hexadecimal digits.
    """

    seq: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the ledger.

    Attributes:
        seq: Number, from 1 without gaps.
        prev: Digest of the entry before it.
        lineage: The people whose budget it concerns.
        kind: What it says.
        payload: JSON object; numbers that are signed for are decimal strings.
        created: UTC time, ISO 8601.
        digest: SHA-256 of all of the above.
    """

    seq: int
    prev: str
    lineage: str
    kind: Kind
    payload: Mapping[str, Any]
    created: str
    digest: str

    @property
    def head(self) -> Head:
        """Number and digest."""
        return Head(seq=self.seq, digest=self.digest)

    def summary(self) -> dict[str, Any]:
        """Return {seq, kind, created, release, rho, digest}; release and rho may be empty."""
        return {
            "seq": self.seq,
            "kind": self.kind.value,
            "created": self.created,
            "release": self.payload.get("release", ""),
            "rho": self.payload.get("rho", ""),
            "digest": self.digest,
        }


@dataclass(frozen=True, kw_only=True)
class StoredEntry:
    """An entry as the database holds it: nothing in it is trusted yet."""

    seq: object
    prev: object
    lineage: object
    kind: object
    payload: object
    created: object
    digest: object


def canonical(value: Any) -> str:
    """Return the RFC 8785 text of a JSON value.

    Raises:
        InputError: The value is not JSON, or holds an integer beyond 2**53.
    """
    try:
        return rfc8785.dumps(value).decode()
    except (rfc8785.CanonicalizationError, TypeError, UnicodeError):
        raise InputError("A ledger entry can hold JSON values only.", where="ledger") from None


def seal(
    previous: Head, *, lineage: str, kind: Kind, payload: Mapping[str, Any], created: str
) -> Entry:
    """Return the entry that follows `previous`, with its digest."""
    seq = previous.seq + 1
    body = _body(seq, previous.digest, lineage, kind, canonical(payload), created)
    return Entry(
        seq=seq,
        prev=previous.digest,
        lineage=lineage,
        kind=kind,
        payload=json.loads(canonical(payload)),
        created=created,
        digest=hashlib.sha256(body).hexdigest(),
    )


def check_chain(stored: Sequence[StoredEntry], previous: Head) -> list[Entry]:
    """Return the entries that follow `previous`, each checked against the one before.

    Raises:
        LedgerDamagedError: An entry is missing, moved or edited; says which.
    """
    found = []
    for row in stored:
        expected = previous.seq + 1
        if row.seq != expected:
            raise damaged(f"Entry {expected} is missing.")
        digest = _digest(row, expected)
        if digest is None or digest != row.digest:
            raise damaged(_fault(row, expected, stored))
        if row.prev != previous.digest:
            raise damaged(
                f"Entry {expected} does not follow entry {previous.seq}: one of them was replaced."
            )
        entry = Entry(
            seq=expected,
            prev=str(row.prev),
            lineage=str(row.lineage),
            kind=Kind(str(row.kind)),
            payload=json.loads(str(row.payload)),
            created=str(row.created),
            digest=digest,
        )
        found.append(entry)
        previous = entry.head
    return found


def damaged(what: str) -> LedgerDamagedError:
    """Return the error of a damaged ledger."""
    return LedgerDamagedError(
        what,
        where="ledger",
        fix="Restore the newest intact copy of the ledger; until then the budget that it guards "
        "counts as spent.",
    )


def _body(seq: int, prev: object, lineage: object, kind: object, payload: str, created: object
          ) -> bytes:  # fmt: skip
    """Return the bytes that a digest covers; `payload` is canonical JSON text."""
    return rfc8785.dumps(
        {
            "seq": seq,
            "prev": str(prev),
            "lineage": str(lineage),
            "kind": str(kind),
            "payload": payload,
            "created": str(created),
        }
    )


def _digest(row: StoredEntry, seq: int) -> str | None:
    """Return the digest that a stored entry would have at place `seq`; None if it is malformed."""
    texts = (row.prev, row.lineage, row.kind, row.payload, row.created, row.digest)
    if not all(isinstance(text, str) for text in texts) or row.kind not in set(Kind):
        return None
    payload = str(row.payload)
    try:
        if canonical(json.loads(payload)) != payload:
            return None
    except (ValueError, InputError):
        return None
    body = _body(seq, row.prev, row.lineage, row.kind, payload, row.created)
    return hashlib.sha256(body).hexdigest()


def _fault(row: StoredEntry, place: int, stored: Sequence[StoredEntry]) -> str:
    """Say whether a wrong entry was moved from another place or edited."""
    for other in range(1, place + len(stored) + 1):
        if other != place and _digest(row, other) == row.digest:
            return f"Entries were reordered: entry {other} stands in place {place}."
    return f"Entry {place} was edited."
