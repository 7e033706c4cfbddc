"""``dpsynth ledger``: what has been spent, entry by entry, and whether the chain holds."""

from __future__ import annotations

from typing import Annotated

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, say, show_table
from dpsynth.errors import InputError
from dpsynth.places import read_ledger
from dpsynth.privacy.accountant import epsilon
from dpsynth.privacy.ledger import Head

app = typer.Typer(
    help="The budget of the people: what is spent and what is left.", no_args_is_help=True
)


@app.command("status")
def status(ledger: o.LedgerOption = None, json: o.Json = False) -> None:
    """Show each lineage: its cap, what is spent, what is left."""
    with read_ledger(ledger) as book:
        rows = [book.status(name) for name in book.lineages()]
        head = book.head()
    if json:
        emit_json(
            {
                "head": {"seq": head.seq, "digest": head.digest},
                "lineages": [
                    {
                        "lineage": row.terms.lineage,
                        "unit": row.terms.unit,
                        "total_epsilon": row.terms.total.epsilon,
                        "total_delta": row.terms.total.delta,
                        "total_rho": row.terms.total_rho,
                        "spent_rho": float(row.spent_rho),
                        "remaining_rho": float(row.remaining_rho),
                        "releases": row.releases,
                        "open_reservations": len(row.open_reservations),
                    }
                    for row in rows
                ],
            }
        )
        return
    if not rows:
        say("The ledger is empty: no lineage has been registered.")
        return
    show_table(
        ("lineage", "unit", "cap epsilon", "delta", "spent epsilon", "spent", "releases", "open"),
        [
            (
                row.terms.lineage,
                row.terms.unit,
                f"{row.terms.total.epsilon:g}",
                f"{row.terms.total.delta:g}",
                f"{epsilon(float(row.spent_rho), row.terms.total.delta):.3f}",
                f"{float(row.spent_rho) / row.terms.total_rho:.0%}",
                row.releases,
                len(row.open_reservations),
            )
            for row in rows
        ],
        right=(2, 3, 4, 5, 6, 7),
    )
    say("Spent counts open reservations in full: a run that ended early is spent.")


@app.command("show")
def show(
    lineage: Annotated[str | None, typer.Argument(help="Only this lineage.")] = None,
    ledger: o.LedgerOption = None,
    json: o.Json = False,
) -> None:
    """Show the entries, oldest first."""
    with read_ledger(ledger) as book:
        entries = [{"lineage": e.lineage, **e.summary()} for e in book.entries(lineage)]
    if json:
        emit_json({"entries": entries})
        return
    show_table(
        ("seq", "kind", "lineage", "release", "rho", "time", "digest"),
        [
            (
                e["seq"],
                e["kind"],
                e["lineage"],
                e["release"],
                f"{float(e['rho']):.6f}" if e["rho"] else "",
                e["created"],
                str(e["digest"])[:16],
            )
            for e in entries
        ],
        right=(0, 4),
    )


@app.command("verify")
def verify(
    ledger: o.LedgerOption = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option("--anchor", help="SEQ:DIGEST printed in a document; must be in the chain."),
    ] = None,
    json: o.Json = False,
) -> None:
    """Recompute the whole chain and compare it with anchors. Exit code 5 if it does not hold."""
    anchors = [_anchor(text) for text in anchor or ()]
    with read_ledger(ledger) as book:
        check = book.verify(anchors)
    if json:
        emit_json(
            {"entries": check.entries, "head": {"seq": check.head.seq, "digest": check.head.digest}}
        )
        return
    say(
        f"The chain holds: {check.entries} entries, head {check.head.seq}:{check.head.digest}",
        "green",
    )


def _anchor(text: str) -> Head:
    seq, _, digest = text.partition(":")
    if not (seq.isdigit() and len(digest) == 64):
        raise InputError(
            "is not an anchor.", where=text[:80], fix="Give SEQ:DIGEST as a certificate prints it."
        )
    return Head(seq=int(seq), digest=digest.lower())
