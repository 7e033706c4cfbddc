"""Taking a ledger to another place: JSON lines out, verified lines in, and never two of them.

The first line names format, ledger, number of entries and head; then one entry a line. A move
closes the ledger where it was; the import that follows continues it with an ADOPT entry. Where the
original is lost, the newest copy can be adopted with a reason, which stays in the chain for ever.
Two adoptions of the same lines on machines that never meet cannot be told from here: a document or
an anchor of one shows the other as a fork.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dpsynth.errors import InputError
from dpsynth.privacy.ledger.anchors import Anchors
from dpsynth.privacy.ledger.book import check_entries, ledger_exists, now, open_store, require_key
from dpsynth.privacy.ledger.chain import (
    FORMAT,
    GENESIS,
    Entry,
    Head,
    Kind,
    Row,
    canonical,
    check_chain,
    damaged,
    seal,
)
from dpsynth.privacy.ledger.keys import LedgerKey
from dpsynth.privacy.ledger.place import Place
from dpsynth.privacy.ledger.replay import Replay

LARGEST_LINE = 64 * 2**20
_KEYS = {"seq", "prev", "lineage", "kind", "payload", "created", "digest", "signature"}


def lines_of(replay: Replay) -> Iterator[str]:
    """Yield a ledger as JSON lines without line ends: a header, then one entry a line."""
    head = replay.head
    yield canonical(
        {
            "dpsynth_ledger": FORMAT,
            "ledger": replay.ledger_id,
            "entries": head.seq,
            "head": head.digest,
        }
    )
    for entry in list(replay.entries):
        yield entry.to_json()


def read_lines(lines: Iterable[str]) -> Replay:
    """Return the state of exported lines after every check of a full verification.

    Raises:
        InputError: These are not the lines of a ledger.
        LedgerDamagedError: An entry is missing, edited, moved or foreign, or the end is cut off.
    """
    found = iter(lines)
    header = _object(next(found, ""), 1)
    if header.get("dpsynth_ledger") != FORMAT:
        raise InputError(
            f"is not a ledger that was exported in format {FORMAT}.", where="line 1 of the export"
        )
    rows = [_row(line, number) for number, line in enumerate(found, 2) if line.strip()]
    if len(rows) != header.get("entries"):
        raise damaged(
            f"The export holds {len(rows)} entries where its first line names "
            f"{str(header.get('entries'))[:20]}: it was truncated."
        )
    replay = check_entries(check_chain(rows, Head(seq=0, digest=GENESIS)))
    if (replay.ledger_id, replay.head.digest) != (header.get("ledger"), header.get("head")):
        raise damaged("The first line of the export names another ledger or another head.")
    return replay


def import_lines(
    lines: Iterable[str],
    place: Place | Path | str,
    key: LedgerKey,
    *,
    reason: str | None = None,
    anchors: Anchors | None = None,
) -> Head:
    """Continue an exported ledger at a place that is empty or holds the beginning of it.

    Everything is verified before anything is written.

    Args:
        lines: What :meth:`Ledger.export_lines` gave.
        place: Where the ledger is to be.
        key: The ledger's key.
        reason: Why a ledger that was not closed by a move is continued from a copy.
        anchors: What this machine remembers of ledgers.

    Returns:
        The last entry.

    Raises:
        InputError: The ledger was not closed where it was and there is no reason, it was closed at
            this very place, or the place holds more than the lines.
        LedgerDamagedError: The lines do not hold, another ledger or a fork stands at the place, or
            the ledger is older than its anchor.
    """
    return _continue(read_lines(lines), Place.of(place), key, reason, anchors)


def adopt(
    place: Place | Path | str,
    key: LedgerKey,
    *,
    reason: str,
    anchors: Anchors | None = None,
) -> Head:
    """Continue a copy where it stands, for example after a whole machine was restored.

    Args:
        place: Where the copy is.
        key: The ledger's key.
        reason: Why; it stays in the chain for ever.
        anchors: What this machine remembers of ledgers.

    Raises:
        InputError: There is no ledger, or it was closed at this very place.
        LedgerDamagedError: The copy does not hold, or is older than its anchor.
    """
    where = Place.of(place)
    store = open_store(where, write=False)
    try:
        with store.transaction(write=False) as connection:
            rows = store.read(connection, 1)
    finally:
        store.close()
    if not rows:
        raise InputError("There is no ledger.", where=where.text)
    replay = check_entries(check_chain(rows, Head(seq=0, digest=GENESIS)))
    return _continue(replay, where, key, reason, anchors)


def _continue(
    replay: Replay, place: Place, key: LedgerKey, reason: str | None, anchors: Anchors | None
) -> Head:
    """Write what a place lacks of a verified chain, and adopt it there."""
    require_key(replay, key)
    if anchors is not None:
        anchors.check(replay.ledger_id, replay.keys, replay.entries, place.text)
    why = (reason or "").strip()
    # Before anything is made at the place. Only a ledger that stands at its home needs neither.
    if not replay.moved and not why and not ledger_exists(place):
        raise _still_open()
    store = open_store(place, write=True)
    try:
        with store.transaction(write=True) as connection:
            missing = _missing(store.read(connection, 1), replay.entries)
            home = store.home(connection, replay.ledger_id)
            if home != replay.home or replay.moved:
                missing = [*missing, _adoption(replay, key, home, why)]
            if missing:
                store.append(connection, missing)
            store.check_schema(connection)
    finally:
        store.close()
    if anchors is not None:
        anchors.remember(replay.ledger_id, replay.keys, replay.head, place.text)
    return replay.head


def _missing(present: Sequence[Row], entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that follow those at a place; refuse any other chain there."""
    for row, entry in zip(present, entries, strict=False):
        if row[6] != entry.digest:
            raise damaged(
                f"Entry {entry.seq} at this place is not that of the imported ledger: one of them "
                "is a fork, or another ledger stands here.",
                fix="Nothing was written. Import into an empty place, and find out which one the "
                "documents name.",
            )
    if len(present) > len(entries):
        raise InputError(
            f"This place holds {len(present)} entries, more than the {len(entries)} that were to "
            "be imported.",
            where="ledger",
            fix="Nothing was written. The place is ahead of the export.",
        )
    check_chain(present, Head(seq=0, digest=GENESIS))
    return list(entries[len(present) :])


def _adoption(replay: Replay, key: LedgerKey, home: str, reason: str) -> Entry:
    """Return the entry that continues a ledger at a new home, already applied."""
    if replay.moved and home == replay.home:
        raise InputError(
            "The ledger was closed at this very place for ever.",
            where="ledger",
            fix="Import it elsewhere.",
        )
    if not replay.moved and not reason:
        raise _still_open()
    entry = seal(
        replay.head,
        key,
        lineage="",
        kind=Kind.ADOPT,
        payload={"home": home, "reason": reason},
        created=now(),
    )
    replay.extend([entry])
    return entry


def _still_open() -> InputError:
    return InputError(
        "The ledger is still open where it was exported: continued here, its people would have two "
        "budgets.",
        where="ledger",
        fix="Close it there with `dpsynth ledger export --move`. If it is lost, give a reason for "
        "continuing a copy.",
    )


def _object(line: str, number: int) -> dict[str, Any]:
    """Return the JSON object of one line."""
    try:
        if len(line) > LARGEST_LINE:
            raise ValueError
        tree = json.loads(line)
        if not isinstance(tree, dict):
            raise ValueError
    except (ValueError, RecursionError):
        raise InputError(
            "is not a line of an exported ledger.", where=f"line {number} of the export"
        ) from None
    return tree


def _row(line: str, number: int) -> Row:
    """Return one line as a row that nothing has checked yet."""
    tree = _object(line, number)
    if set(tree) != _KEYS:
        raise InputError(
            "is not an entry of a ledger.", where=f"line {number} of the export"
        ) from None
    tree["payload"] = canonical(tree["payload"])
    return [
        tree[name]
        for name in ("seq", "prev", "lineage", "kind", "payload", "created", "digest", "signature")
    ]
