"""``dpsynth check``: what a release would ask, cost and be worth, before anything is opened.

Reads the release file, the dictionary, the header of the table and the ledger. Never a row, so the
answer cannot depend on one; a test deletes all rows and compares.
"""

from __future__ import annotations

from typing import Annotated

import typer

from dpsynth.cli import options as o
from dpsynth.cli.check_unprotected import say_unprotected, unprotected_json
from dpsynth.cli.check_view import as_json, say_check
from dpsynth.cli.console import emit_json
from dpsynth.cli.declared import takes_release
from dpsynth.errors import InputError
from dpsynth.pipeline import Plan, ReleaseSettings, prepare
from dpsynth.pipeline.declared import check_declared
from dpsynth.pipeline.forecast import LineageForecast, answers, forecast, lineage_forecast
from dpsynth.pipeline.steps import reservation_of
from dpsynth.places import ledger_path, read_ledger
from dpsynth.privacy.ledger import ledger_exists


@takes_release(without=("key", "passphrase_file"))
def check(
    settings: ReleaseSettings,
    assume_rows: Annotated[
        int | None,
        typer.Option(
            "--assume-rows",
            help="Public guess of the number of rows kept, for the forecast; never looked up.",
        ),
    ] = None,
    target_error: Annotated[
        float | None,
        typer.Option(
            "--target-error",
            help="Ask which epsilon brings the noise (mean distance, such as 0.05) down to this.",
        ),
    ] = None,
    ledger: o.LedgerOption = None,
    json: o.Json = False,
) -> None:
    """Check a release: what it costs and what to expect. Reads no row and spends nothing.

    Ends with exit code 4 if the lineage cannot pay.
    """
    plan = prepare(settings)
    check_declared(plan)
    if not plan.protected:
        refusal = _refusal(plan, ledger)
        if json:
            emit_json(unprotected_json(plan, refusal))
        else:
            say_unprotected(plan, refusal)
        if refusal is not None:
            raise typer.Exit(4)
        return
    if target_error is not None and assume_rows is None:
        raise InputError(
            "needs a number of rows.",
            where="--target-error",
            fix="Add --assume-rows with a public guess; dpsynth never counts the rows for it.",
        )
    standing = _standing(plan, ledger)
    expected = None if assume_rows is None else forecast(plan, assume_rows)
    answered = (
        ()
        if assume_rows is None or target_error is None
        else answers(plan, assume_rows, target_error, standing)
    )
    if json:
        emit_json(as_json(plan, standing, expected, answered))
    else:
        say_check(plan, standing, expected, answered)
    if not standing.fits:
        raise typer.Exit(4)


def _refusal(plan: Plan, ledger: str | None) -> str | None:
    """Say why the ledger would refuse a release without a guarantee; None if it would not."""
    if not ledger_exists(ledger_path(ledger)):
        return None
    with read_ledger(ledger) as book:
        book.check_terms(plan.terms)
        if plan.settings.lineage not in book.lineages():
            return None
        return book.refusal(plan.settings.lineage, reservation_of(plan))


def _standing(plan: Plan, ledger: str | None) -> LineageForecast:
    """Return where the lineage stands; a ledger that does not exist is not made."""
    place = ledger_path(ledger)
    if not ledger_exists(place):
        return lineage_forecast(plan, None)
    with read_ledger(ledger) as book:
        book.check_terms(plan.terms)
        known = plan.settings.lineage in book.lineages()
        return lineage_forecast(
            plan,
            book.status(plan.settings.lineage) if known else None,
            refusal=book.refusal(plan.settings.lineage, reservation_of(plan)) if known else None,
        )
