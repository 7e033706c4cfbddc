"""``dpsynth ledger export``, ``import``, ``void`` and ``rotate``: moving and mending a ledger."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, say
from dpsynth.cli.files import lines_of
from dpsynth.cli.ledger_figures import left_share
from dpsynth.cli.ledger_json import head_json, lineage_json
from dpsynth.cli.ledger_view import head_text, percent, plain
from dpsynth.errors import InputError
from dpsynth.newfile import new_file
from dpsynth.places import (
    anchors,
    ledger_key,
    ledger_key_path,
    ledger_passphrase,
    ledger_path,
    read_ledger,
    write_ledger,
)
from dpsynth.privacy.ledger import Head, Kind, LedgerKey, adopt, import_lines

_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask, for machines.")]


def export(
    file: Annotated[Path, typer.Argument(help="New file for the lines (JSON, one entry a line).")],
    move: Annotated[
        bool, typer.Option("--move", help="Close the ledger here for ever, to go on elsewhere.")
    ] = False,
    yes: _Yes = False,
    ledger: o.LedgerOption = None,
    json: o.Json = False,
) -> None:
    """Write the whole ledger to a file: for an auditor, as a backup, or to move it."""
    with write_ledger(ledger, create=False) if move else read_ledger(ledger) as book:
        if move and book.moved:
            raise InputError(
                "The ledger was moved before.",
                where="--move",
                fix="Export it again without --move; the lines can still be imported elsewhere.",
            )
        if move:
            _confirm(
                f"Close the ledger at {plain(book.place.text)} for ever? No release can be made "
                "with it here again.",
                yes=yes,
                json=json,
                option="--move",
            )
        closed = False
        try:
            with new_file(file) as lines:
                if move:
                    book.move()
                    closed = True
                lines.writelines(f"{line}\n" for line in book.export_lines())
        except InputError as error:
            if not closed:
                raise
            raise InputError(
                error.what,
                where=error.where,
                fix="The ledger is closed here already: export it again, without --move.",
            ) from None
        head = book.head()
    if json:
        emit_json({"file": str(file), "head": head_json(head), "moved": move})
        return
    say(f"Wrote {head.seq:,} entries: {file}", "green")
    if move:
        say(
            "The ledger is closed here. Bring the file and the ledger's key to the new place, then:"
        )
        say(f"  dpsynth ledger import {file.name}")
    else:
        say(f"Check it anywhere: dpsynth ledger verify --export {file.name}")


def import_file(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Exported file; without it the copy that stands at the ledger's place goes on.",
            show_default=False,
        ),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason",
            help="Why a ledger that was not closed by --move goes on from a copy; kept for ever.",
        ),
    ] = None,
    ledger: o.LedgerOption = None,
    json: o.Json = False,
) -> None:
    """Go on with an exported ledger at an empty place, or bring the beginning of it up to date.

    The ledger's key must be here. Everything is verified before anything is written.
    """
    place, key = ledger_path(ledger), ledger_key(create=False)
    why = (reason or "").strip()
    if file is not None:
        head = import_lines(lines_of(file), place, key, reason=why or None, anchors=anchors())
    elif why:
        head = adopt(place, key, reason=why, anchors=anchors())
    else:
        raise InputError(
            "Name an exported file; a copy that stands here goes on with --reason alone.",
            where="dpsynth ledger import",
        )
    with read_ledger(ledger) as book:
        last = book.entries()[-1]
    recovered = last.kind is Kind.ADOPT and bool(last.payload["reason"])
    if json:
        emit_json({"place": place.text, "head": head_json(head), "recovered": recovered})
        return
    say(f"The ledger goes on at {plain(place.text)}, head {head_text(head)}", "green")
    if recovered:
        say(
            f"It goes on from a copy, and entry {head.seq} says so for ever. Whatever the original "
            f"spent after entry {head.seq - 1} is missing here, so its people may lose more than "
            "this ledger counts.",
            "yellow",
        )
        say("If the original turns up, never use it: the same people would have two budgets.")
        say("Compare with every document and anchor: dpsynth ledger verify --anchor FILE")
    say("Hand out a new anchor: dpsynth ledger anchor --out FILE")


def void(
    lineage: Annotated[str, typer.Argument(help="Lineage of the reservation.")],
    seq: Annotated[int, typer.Argument(min=1, help="Number of its reserve entry.")],
    ledger: o.LedgerOption = None,
    json: o.Json = False,
) -> None:
    """Give a reservation back that was never opened, for example of a run that was killed.

    Make sure that the run is gone: it could not go on.
    """
    with write_ledger(ledger, create=False) as book:
        head = book.void(lineage, seq)
        status = book.status(lineage)
    if json:
        emit_json({"head": head_json(head), "lineage": lineage_json(status)})
        return
    left = percent(left_share(status), up=False)
    say(f"Given back by entry {head.seq}: {left} of lineage {plain(lineage)} is left.", "green")


def rotate(ledger: o.LedgerOption = None, json: o.Json = False) -> None:
    """Put a new key in place of the ledger's key; the old one signs that it does and is kept.

    A run that was interrupted is finished by the next.
    """
    path, secret = ledger_key_path(), ledger_passphrase()
    old = LedgerKey.load(path, secret)
    fresh = path.with_name(f"{path.name}.new")
    with read_ledger(ledger) as book:
        in_force, head = book.public_key, book.head()
    if not fresh.exists():
        LedgerKey.create(fresh, secret)
    new = LedgerKey.load(fresh, secret)
    if in_force != new.public:
        head = _rotate(ledger, new)
    kept = path.with_name(f"{path.name}.{old.public[:8]}")
    try:
        if not kept.exists():
            os.link(path, kept)
        os.replace(fresh, path)
    except OSError as error:
        raise InputError(
            f"The ledger has its new key, but the files could not be renamed "
            f"({type(error).__name__}).",
            where=str(fresh),
            fix=f"Run this again, or rename it to {path.name} by hand.",
        ) from None
    if json:
        emit_json(
            {
                "public_key": new.public,
                "key": str(path),
                "old_key": str(kept),
                "head": head_json(head),
            }
        )
        return
    say(f"Entry {head.seq} puts the new key in force: {path}", "green")
    say(f"  public key  {new.public}")
    say(f"  old key     {kept} (it can write no entry any more)")
    say("Back the new key up on another device, and hand out a new anchor.")


def _rotate(ledger: str | None, new: LedgerKey) -> Head:
    with write_ledger(ledger, create=False) as book:
        return book.rotate(new)


def _confirm(question: str, *, yes: bool, json: bool, option: str) -> None:
    """Ask on a terminal; elsewhere `--yes` must have been given."""
    if yes:
        return
    if json or not sys.stdin.isatty():
        raise InputError("needs --yes where nobody can be asked.", where=option)
    if not typer.confirm(question, err=True):
        raise InputError("was not confirmed: nothing was changed.", where=option)
