"""``dpsynth ledger status`` and ``show``: what has been spent, entry by entry."""

from __future__ import annotations

from typing import Annotated

import typer

from dpsynth.cli import ledger_json, ledger_view
from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, say
from dpsynth.errors import InputError
from dpsynth.places import read_ledger
from dpsynth.privacy.ledger import Kind


def status(
    lineage: Annotated[
        str | None, typer.Argument(help="Show this lineage in detail.", show_default=False)
    ] = None,
    joint: Annotated[
        list[str] | None,
        typer.Option("--joint", help="Recipient who pools with others; give it several times."),
    ] = None,
    ledger: o.LedgerOption = None,
    json: o.Json = False,
) -> None:
    """Show what each lineage may spend, has spent and has left; one of them in detail.

    A burn-down, what each recipient and jurisdiction got, and what recipients know together.
    """
    if joint and lineage is None:
        raise InputError(
            "needs a lineage.", where="--joint", fix="dpsynth ledger status LINEAGE --joint NAME"
        )
    with read_ledger(ledger) as book:
        names = book.lineages() if lineage is None else (lineage,)
        rows = [book.status(name) for name in names]
        if json:
            told = {"ledger": ledger_json.ledger_json(book)}
            if lineage is None:
                emit_json({**told, "lineages": [ledger_json.lineage_json(row) for row in rows]})
            else:
                emit_json({**told, "lineage": ledger_json.details_json(rows[0], joint or ())})
            return
        ledger_view.say_place(book)
    if lineage is None:
        ledger_view.show_lineages(rows)
    else:
        ledger_view.show_lineage(rows[0], joint or ())


def show(
    lineage: Annotated[
        str | None, typer.Argument(help="Only this lineage.", show_default=False)
    ] = None,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only entries of this kind.")] = None,
    last: Annotated[
        int | None, typer.Option("--last", min=1, help="Only the newest so many.")
    ] = None,
    ledger: o.LedgerOption = None,
    json: o.Json = False,
) -> None:
    """Show the entries, oldest first; whole ones with --json."""
    with read_ledger(ledger) as book:
        if lineage is not None:
            book.status(lineage)  # says which lineages there are
        found = [e for e in book.entries(lineage) if kind is None or e.kind is kind]
    shown = found[-last:] if last else found
    if json:
        emit_json({"entries": [ledger_json.entry_json(entry) for entry in shown]})
        return
    ledger_view.show_entries(shown, lineage=lineage is None)
    if len(shown) < len(found):
        say(f"{len(found) - len(shown):,} older entries are not shown.")
