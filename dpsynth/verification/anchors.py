"""Anchors: heads of a ledger that somebody keeps outside it, and whether the ledger holds them.

A hash chain that was rolled back, or rebuilt with its own key, holds together; only a head that was
kept elsewhere shows it. Such a head stands in each document of a release, and in anchor files that
`dpsynth ledger anchor` writes for auditors and counterparties. An anchor file is one JSON object;
what a time stamp covers is its canonical form (RFC 8785) without `time_stamp`.

An anchor file is trusted for what the ledger's key signed: the digest of an entry. Its number is
not signed by itself; a wrong one is noticed against any ledger that holds the entry.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from dpsynth.errors import InputError
from dpsynth.privacy.ledger import Entry, Head, Kind
from dpsynth.privacy.ledger.chain import SIGNED, canonical
from dpsynth.privacy.ledger.keys import signed_by

FORMAT = "1"
LARGEST = 16 * 2**20

_HEAD = re.compile(r"([0-9]{1,15}):([0-9a-fA-F]{64})")
_FIELDS = {
    "dpsynth_ledger_anchor", "ledger", "public_key", "seq", "digest", "signature", "created",
}  # fmt: skip


class _Unusable(ValueError):
    """What is wrong with an anchor, in words for a person."""


class Fault(StrEnum):
    """What is wrong between a ledger and an anchor of it."""

    ROLLED_BACK = "rolled back"
    FORKED = "forked"
    FOREIGN_KEY = "foreign key"
    REPLACED = "replaced"
    ANCHOR_EDITED = "anchor edited"


@dataclass(frozen=True, kw_only=True)
class LedgerAnchor:
    """What an anchor file holds.

    Attributes:
        ledger_id: Name of the ledger.
        public_key: Key that signed the entry.
        head: Number and digest of the entry.
        signature: The entry's signature.
        created: UTC time at which the anchor was written, by the clock of the writer.
        token: RFC 3161 time stamp of :meth:`message`, or None.
    """

    ledger_id: str
    public_key: str
    head: Head
    signature: str
    created: str
    token: bytes | None = None

    def message(self) -> bytes:
        """Return the bytes that a time stamp covers."""
        return canonical(self._tree()).encode()

    def stamped(self, token: bytes) -> LedgerAnchor:
        """Return the anchor with a time stamp."""
        return replace(self, token=token)

    def to_json(self) -> dict[str, Any]:
        """Return the object that the file holds."""
        token = base64.b64encode(self.token).decode() if self.token is not None else None
        return {**self._tree(), "time_stamp": token}

    def _tree(self) -> dict[str, Any]:
        return {
            "dpsynth_ledger_anchor": FORMAT,
            "ledger": self.ledger_id,
            "public_key": self.public_key,
            "seq": self.head.seq,
            "digest": self.head.digest,
            "signature": self.signature,
            "created": self.created,
        }

    @classmethod
    def of(cls, ledger_id: str, entries: Sequence[Entry], created: str) -> LedgerAnchor:
        """Return the anchor of the last entry."""
        last = entries[-1]
        signer = next(key for key in reversed(keys_of(entries)) if _signed(key, last.head, last))
        return cls(
            ledger_id=ledger_id,
            public_key=signer,
            head=last.head,
            signature=last.signature,
            created=created,
        )

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> LedgerAnchor:
        """Return what :meth:`to_json` gave; ValueError if it is none, or its signature is wrong."""
        if set(tree) != _FIELDS | {"time_stamp"} or tree["dpsynth_ledger_anchor"] != FORMAT:
            raise _Unusable("is not an anchor of format 1")
        texts = [tree[name] for name in ("ledger", "public_key", "digest", "signature", "created")]
        if not all(isinstance(text, str) for text in texts) or type(tree["seq"]) is not int:
            raise _Unusable("is not an anchor of format 1")
        token = None
        if tree["time_stamp"] is not None:
            try:
                token = base64.b64decode(tree["time_stamp"], validate=True)
            except (TypeError, ValueError):
                raise _Unusable("holds a time stamp that is not base64") from None
        anchor = cls(
            ledger_id=tree["ledger"],
            public_key=tree["public_key"],
            head=_head(tree["seq"], tree["digest"]),
            signature=tree["signature"],
            created=tree["created"],
            token=token,
        )
        if not _signed(anchor.public_key, anchor.head, anchor):
            raise _Unusable("is not signed by the key that it names")
        return anchor


@dataclass(frozen=True, kw_only=True)
class NamedHead:
    """A head that a text, a document or an anchor file names.

    Attributes:
        source: Where it stands, as the user named it.
        head: The head.
        ledger_id: Ledger that it names; empty where it names none.
        public_key: Key of the ledger that it names; empty where it names none.
        anchor: The anchor file, where it is one.
    """

    source: str
    head: Head
    ledger_id: str = ""
    public_key: str = ""
    anchor: LedgerAnchor | None = None


def read_claim(text: str) -> NamedHead:
    """Read SEQ:DIGEST, an anchor file, a bundle, its public folder or an evidence file.

    The signature of a document is not checked here: what counts is whether the ledger holds the
    entry that it names.

    Raises:
        InputError: It is none of these, or cannot be read.
    """
    try:
        if match := _HEAD.fullmatch(text.strip()):
            return NamedHead(source=text.strip(), head=_head(int(match[1]), match[2].lower()))
        return _read_file(text)
    except OSError as error:
        what = f"cannot be read as an anchor ({type(error).__name__})"
    except _Unusable as error:
        what = str(error)
    except (LookupError, TypeError, ValueError, RecursionError):
        what = "is neither an anchor nor the evidence of a release"
    raise InputError(
        f"{what}.",
        where=text[:200],
        fix="Give SEQ:DIGEST, an anchor file, a bundle folder or an evidence.dsse.json.",
    )


def _read_file(text: str) -> NamedHead:
    """Read a claim from a file, or from the evidence of a bundle folder."""
    path = Path(text)
    if path.is_dir():
        places = (path / "evidence.dsse.json", path / "public" / "evidence.dsse.json")
        path = next((place for place in places if place.is_file()), places[-1])
    if path.stat().st_size > LARGEST:
        raise _Unusable("is too large to be an anchor")
    tree = json.loads(path.read_bytes())
    if "dpsynth_ledger_anchor" in tree:
        anchor = LedgerAnchor.from_json(tree)
        return NamedHead(
            source=text,
            head=anchor.head,
            ledger_id=anchor.ledger_id,
            public_key=anchor.public_key,
            anchor=anchor,
        )
    ledger = json.loads(base64.b64decode(tree["payload"], validate=True))["predicate"]["ledger"]
    return NamedHead(
        source=text,
        head=_head(ledger["head_seq"]["value"], ledger["head_digest"]["value"]),
        ledger_id=str(ledger["id"]["value"]),
        public_key=str(ledger["public_key"]["value"]),
    )


def fault_of(
    claim: NamedHead, ledger_id: str, entries: Sequence[Entry]
) -> tuple[Fault, str] | None:
    """Say what is wrong between a verified chain and a claim; None if the chain holds it."""
    head = claim.head
    if claim.ledger_id not in {"", ledger_id}:
        return Fault.REPLACED, (
            f"The anchor is of ledger {claim.ledger_id[:16]}, this is ledger {ledger_id[:16]}: "
            "another ledger stands here, or it is the anchor of another one."
        )
    if claim.public_key and claim.public_key not in keys_of(entries):
        return Fault.FOREIGN_KEY, (
            "The key that the anchor names was never the key of this ledger: one of them was made "
            "with a foreign key."
        )
    if head.seq <= len(entries) and entries[head.seq - 1].digest == head.digest:
        return None
    twin = next((entry for entry in entries if entry.digest == head.digest), None)
    if twin is not None:
        return Fault.ANCHOR_EDITED, (
            f"The anchor names entry {head.seq}, but its digest is that of entry {twin.seq}: the "
            "anchor was edited or mistyped. It says nothing against the ledger."
        )
    if head.seq > len(entries):
        return Fault.ROLLED_BACK, (
            f"The ledger ends at entry {len(entries)}, but the anchor names entry {head.seq}: it "
            "was rolled back or truncated."
        )
    return Fault.FORKED, (
        f"Entry {head.seq} is not the one that the anchor names: the ledger was rewritten or "
        "forked."
    )


def keys_of(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return every public key of a verified chain, the one in force last."""
    makes = {Kind.CREATE, Kind.ROTATE}
    return tuple(str(e.payload["public_key"]) for e in entries if e.kind in makes)


def _head(seq: object, digest: object) -> Head:
    """Return a head; ValueError if it is none."""
    if type(seq) is not int or not isinstance(digest, str) or seq < 1:
        raise _Unusable("names no entry of a ledger")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise _Unusable("names no entry of a ledger")
    return Head(seq=seq, digest=digest)


def _signed(public_key: str, head: Head, signer: Entry | LedgerAnchor) -> bool:
    """Say whether a key signed the digest of a head."""
    return signed_by(public_key, signer.signature, SIGNED + bytes.fromhex(head.digest))
