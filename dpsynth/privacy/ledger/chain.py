"""Entries of the ledger, the hash chain that binds them and the signatures that own them.

An entry's digest is SHA-256 over the canonical JSON (RFC 8785) of its number, the digest of the
entry before it, its lineage, kind, payload and time. Changing, removing or moving an entry changes
every digest after it; a head (number, digest) printed in a certificate therefore pins the whole
past. Each digest is signed by the ledger's key, so whoever lacks the key cannot write a chain that
holds: the signature of the last entry covers all before it. The time is information only: nothing
depends on clocks.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from json.encoder import encode_basestring
from typing import Any

from dpsynth.errors import InputError, LedgerDamagedError
from dpsynth.privacy.ledger.amounts import shortened
from dpsynth.privacy.ledger.keys import LedgerKey, signed_by

FORMAT = "2"
GENESIS = "0" * 64
SIGNED = b"dpsynth ledger entry 2\n"  #: what stands before the digest in a signed message
LARGEST_INTEGER = 2**53 - 1

_HEX = re.compile(r"[0-9a-f]{64}")
# Canonical JSON sorts keys, and no unescaped quote stands inside a string, so both ends are unique.
_CHARGE_START = re.compile(r'\{"delta":"([0-9.]{1,1200})","events":\[')
_CHARGE_END = re.compile(r',"reservation":([0-9]{1,15}),"rho":"([0-9.]{1,1200})"\}')


class Kind(StrEnum):
    """What an entry says."""

    CREATE = "create"  #: the first entry: id, public key, format and home of the ledger
    ROTATE = "rotate"  #: a new public key, signed by the old one
    MOVE = "move"  #: closed here for ever; an ADOPT goes on elsewhere
    ADOPT = "adopt"  #: continued at a new home
    REGISTER = "register"  #: terms of a lineage, once and for ever
    RESERVE = "reserve"  #: a release may spend so much
    OPEN = "open"  #: written before the data is opened
    CHARGE = "charge"  #: events, written before their noise is drawn
    RUN = "run"  #: programs without any guarantee, written before they get a row
    COMMIT = "commit"  #: the release is complete, with the digests of its files
    VOID = "void"  #: the reservation is given back; the data was never opened


def _refuse(text: str) -> None:
    """Refuse a fraction or a name such as NaN, which more than one text could stand for."""
    raise ValueError(text)


_DECODER = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)
_KINDS = {kind.value: kind for kind in Kind}


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last entry of a ledger, or the place of an entry that a document names.

    Attributes:
        seq: Number of the entry, 0 for an empty ledger.
        digest: Its SHA-256, 64 hexadecimal digits.
    """

    seq: int
    digest: str


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes:
        seq: Number, from 1 without gaps.
        prev: Digest of the entry before it.
        lineage: The people whose budget it concerns; empty where it concerns the ledger.
        kind: What it says.
        text: The payload as canonical JSON.
        created: UTC time, ISO 8601.
        digest: SHA-256 of all of the above.
        signature: Ed25519 of :data:`SIGNED` and the digest, 128 hexadecimal digits.
    """

    seq: int
    prev: str
    lineage: str
    kind: Kind
    text: str
    created: str
    digest: str
    signature: str

    @property
    def head(self) -> Head:
        """Number and digest."""
        return Head(seq=self.seq, digest=self.digest)

    @property
    def payload(self) -> Mapping[str, Any]:
        """The JSON object; numbers that are signed for are decimal strings."""
        found: Mapping[str, Any] | None = self.__dict__.get("_payload")
        if found is None:
            found = _DECODER.decode(self.text)
            if not isinstance(found, dict):
                raise ValueError("not an object")
            self.__dict__["_payload"] = found  # parsed once, and only where somebody asks
        return found

    def charged(self) -> tuple[int, str, str]:
        """Return (reservation, rho, delta) of a charge without parsing its events."""
        start = _CHARGE_START.match(self.text)
        place = self.text.rfind(',"reservation":')
        end = _CHARGE_END.fullmatch(self.text, place) if place > 0 else None
        if start is None or end is None:
            raise ValueError("not a charge")
        return int(end[1]), end[2], start[1]

    def summary(self) -> dict[str, Any]:
        """Return {seq, kind, created, release, rho, digest}; release and rho may be empty."""
        rho = str(self.payload.get("rho", ""))
        if rho and self.kind in {Kind.CHARGE, Kind.COMMIT}:
            rho = shortened(rho)  # the exact text can be long
        return {
            "seq": self.seq,
            "kind": self.kind.value,
            "created": self.created,
            "release": self.payload.get("release", ""),
            "rho": rho,
            "digest": self.digest,
        }

    def to_json(self) -> str:
        """Return the entry as one line of canonical JSON."""
        body = _body(self.seq, self.prev, self.lineage, self.kind, self.text, self.created)
        tree = {"digest": self.digest, "signature": self.signature}
        return canonical(_DECODER.decode(body.decode()) | tree)


#: An entry as a database or a file holds it, in the order of Entry: nothing in it is trusted yet.
Row = Sequence[object]


def canonical(value: Any) -> str:
    """Return the RFC 8785 text of a JSON value made of objects, lists, texts and integers.

    With ASCII keys and without fractions Python's own encoder gives the very bytes of RFC 8785,
    ten times faster; anything else is refused.

    Raises:
        InputError: The value holds something else, or an integer beyond 2**53 - 1.
    """
    try:
        _check_value(value)
        text = _encode(value)
        text.encode()
    except (TypeError, ValueError, RecursionError):
        raise InputError(
            "A ledger entry can hold texts and whole numbers only.", where="ledger"
        ) from None
    return text


def _encode(value: Any) -> str:
    """Return the JSON text of a value with sorted keys and no white space."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def seal(
    previous: Head,
    key: LedgerKey,
    *,
    lineage: str,
    kind: Kind,
    payload: Mapping[str, Any],
    created: str,
) -> Entry:
    """Return the entry that follows `previous`, with its digest and its signature.

    Raises:
        InputError: The payload or the lineage cannot be written down.
    """
    seq, text = previous.seq + 1, canonical(payload)
    canonical(lineage)
    body = _body(seq, previous.digest, lineage, kind, text, created)
    digest = hashlib.sha256(body).digest()
    return Entry(
        seq,
        previous.digest,
        lineage,
        kind,
        text,
        created,
        digest.hex(),
        key.sign(SIGNED + digest).hex(),
    )


def check_chain(rows: Sequence[Row], previous: Head) -> list[Entry]:
    """Return the entries that follow `previous`, each checked against the one before.

    Signatures are checked by whoever knows the key in force: :func:`check_signature`.

    Raises:
        LedgerDamagedError: An entry is missing, moved or edited; says which.
    """
    return list(_chained(rows, previous))


def _chained(rows: Sequence[Row], previous: Head) -> Iterator[Entry]:
    seq, last = previous.seq, previous.digest
    for row in rows:
        seq += 1
        if row[0] != seq:
            raise damaged(f"Entry {seq} is missing.")
        digest = _digest(row, seq)
        if digest is None or digest != row[6]:
            raise damaged(_fault(row, seq, len(rows)))
        if row[1] != last:
            raise damaged(f"Entry {seq} does not follow entry {seq - 1}: one of them was replaced.")
        last = digest
        _, prev, lineage, kind, text, created, _, signature = row
        yield Entry(seq, prev, lineage, _KINDS[kind], text, created, digest, signature)  # type: ignore[arg-type, index]


def check_signature(entry: Entry, public: str) -> None:
    """Raise LedgerDamagedError unless the ledger's key in force signed the entry."""
    if not signed_by(public, entry.signature, SIGNED + bytes.fromhex(entry.digest)):
        raise damaged(
            f"Entry {entry.seq} is not signed by the ledger's key: it was written with a foreign "
            "key, or its signature was edited."
        )


def check_form(entry: Entry) -> None:
    """Raise LedgerDamagedError unless the payload is written in its one canonical form."""
    try:
        # The decoder refused fractions. Only texts beyond ASCII need a look at every value.
        if (_encode if entry.text.isascii() else canonical)(entry.payload) == entry.text:
            return
    except (ValueError, InputError, RecursionError):
        pass
    raise damaged(f"Entry {entry.seq} is not canonical JSON.")


def damaged(what: str, fix: str = "") -> LedgerDamagedError:
    """Return the error of a damaged ledger."""
    return LedgerDamagedError(
        what,
        where="ledger",
        fix=fix
        or "Restore the newest intact copy of the ledger; until then the budget that it guards "
        "counts as spent.",
    )


def _body(seq: int, prev: str, lineage: str, kind: str, text: str, created: str) -> bytes:
    """Return the canonical JSON that a digest covers; `text` is canonical JSON itself."""
    # Written out rather than encoded: payloads are large, and are canonical already.
    return (
        f'{{"created":{encode_basestring(created)},"kind":"{kind}",'
        f'"lineage":{encode_basestring(lineage)},"payload":{text},"prev":"{prev}","seq":{seq}}}'
    ).encode()


def _digest(row: Row, seq: int) -> str | None:
    """Return the digest that a row would have at place `seq`; None if it is malformed."""
    _, prev, lineage, kind, text, created, digest, signature = row
    if not (
        type(prev) is type(lineage) is type(kind) is type(text) is type(created) is str
        and type(digest) is type(signature) is str
        and kind in _KINDS
        and _HEX.fullmatch(prev)
    ):
        return None
    try:
        body = _body(seq, prev, lineage, kind, text, created)
    except UnicodeError:
        return None
    return hashlib.sha256(body).hexdigest()


def _fault(row: Row, place: int, more: int) -> str:
    """Say whether a wrong entry was moved from another place or edited."""
    for other in range(1, place + more + 1):
        if other != place and _digest(row, other) == row[6]:
            return f"Entries were reordered: entry {other} stands in place {place}."
    return f"Entry {place} was edited."


def _check_value(value: object) -> None:
    """Raise TypeError or ValueError for what could be written in more than one way."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not (isinstance(key, str) and key.isascii()):
                raise TypeError
            _check_value(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_value(inner)
    elif isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise ValueError
    elif not (value is None or isinstance(value, str)):
        raise TypeError
