"""``dpsynth ledger``: its commands, each loaded when it is called."""

from __future__ import annotations

import typer

from dpsynth.cli.lazy import Command, group_of

COMMANDS = {
    "status": Command(
        "dpsynth.cli.ledger_status",
        "status",
        "Show what each lineage may spend, has spent and has left; one of them in detail.",
    ),
    "show": Command(
        "dpsynth.cli.ledger_status",
        "show",
        "Show the entries, oldest first; whole ones with --json.",
    ),
    "verify": Command(
        "dpsynth.cli.ledger_verify",
        "verify",
        "Check every entry, signature and price, and compare the chain with anchors.",
    ),
    "anchor": Command(
        "dpsynth.cli.ledger_verify",
        "anchor",
        "Write the head as a small file for an auditor or counterparty to keep.",
    ),
    "export": Command(
        "dpsynth.cli.ledger_admin",
        "export",
        "Write the whole ledger to a file: for an auditor, as a backup, or to move it.",
    ),
    "import": Command(
        "dpsynth.cli.ledger_admin",
        "import_file",
        "Go on with an exported ledger at an empty place, or bring the beginning of it up to date.",
    ),
    "void": Command(
        "dpsynth.cli.ledger_admin",
        "void",
        "Give a reservation back that was never opened, for example of a run that was killed.",
    ),
    "rotate": Command(
        "dpsynth.cli.ledger_admin",
        "rotate",
        "Put a new key in place of the ledger's key; the old one signs that it does and is kept.",
    ),
}

app = typer.Typer(
    cls=group_of(COMMANDS),
    help="The budget of the people: what is spent and what is left.",
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    """Keep the group a group: Typer builds none that has neither commands nor a callback."""
