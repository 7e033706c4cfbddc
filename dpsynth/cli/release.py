"""``dpsynth release``, and what other commands share with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import complain, emit_json, prompt, say, steps, warn
from dpsynth.cli.declared import takes_release
from dpsynth.evidence import ReleaseEvidence
from dpsynth.pipeline import (
    Outcome,
    Plan,
    ReleaseSettings,
    check_target,
    load_release_signer,
    prepare,
    run,
)
from dpsynth.places import write_ledger
from dpsynth.privacy.ledger import Ledger, ReleaseRecord
from dpsynth.schema.spreadsheets import formula_columns

_MANY_ROWS = 6


@takes_release()
def release(
    settings: ReleaseSettings,
    out: Annotated[
        Path | None, typer.Option("--out", help="Bundle folder (default: ./NAME). Must be new.")
    ] = None,
    ledger: o.LedgerOption = None,
    json: o.Json = False,
) -> None:
    """Make a signed release: reserve budget, fit, attack, judge, sign, publish.

    Ends with exit code 3 and an internal report if the policy refuses; the budget stays spent.
    """
    outcome = execute(settings, out=out, ledger=ledger, quiet=json)
    if json:
        emit_json(summary(outcome))
    else:
        say_outcome(outcome)
    if not outcome.passed:
        raise typer.Exit(3)


def execute(
    settings: ReleaseSettings,
    *,
    out: Path | None,
    ledger: str | None,
    quiet: bool,
    opened: Callable[[], Ledger] | None = None,
) -> Outcome:
    """Prepare and run one release, with notes and progress for people.

    Args:
        settings: What was declared.
        out: Bundle folder.
        ledger: Place of the ledger; the user's by default.
        quiet: Show nothing.
        opened: Opens a ledger with keys of its own, for a demo; `ledger` is then not used.
    """
    plan = prepare(settings)
    target = out or Path(plan.settings.name)
    check_target(target)
    signer = load_release_signer(plan.settings.key, plan.settings.passphrase_file, prompt())
    if not quiet:
        say_columns(plan)
    with opened() if opened else write_ledger(ledger) as book, steps(quiet=quiet) as progress:
        known = book.lineages()
        if not quiet and plan.settings.lineage not in known:
            gets = (
                f"gets a whole budget of epsilon {plan.terms.total.epsilon:g}"
                if plan.protected
                else "will hold releases without a guarantee"
            )
            warn(
                f"Lineage {plan.settings.lineage} is new and {gets}. If these people have a "
                f"lineage already, stop and use it. Known: {', '.join(known) or 'none'}."
            )
        try:
            return run(plan, ledger=book, signer=signer, target=target, progress=progress)
        except KeyboardInterrupt:
            spent = any(r.release == plan.settings.name for r in _open(book, plan))
            complain(
                f"Stopped. Nothing was published; the budget of {plan.settings.name} "
                f"{'stays spent' if spent else 'was not spent'}."
            )
            raise typer.Exit(130) from None


def _open(book: Ledger, plan: Plan) -> tuple[ReleaseRecord, ...]:
    """Return the reservations of a plan's lineage that are neither committed nor void."""
    known = plan.settings.lineage in book.lineages()
    return book.status(plan.settings.lineage).open_reservations if known else ()


def summary(outcome: Outcome) -> dict[str, Any]:
    """Return what a machine reads about an outcome."""
    evidence = outcome.evidence
    return {
        "passed": outcome.passed,
        "bundle": str(outcome.bundle),
        "certificate": str(outcome.bundle / "public" / "certificate.pdf")
        if outcome.passed
        else None,
        "report": str(outcome.bundle / "internal" / "report.pdf"),
        "id": evidence["release.id"],
        **_promised(evidence),
        "rows": evidence["release.rows"],
        "same_people": evidence["data.same_people"]["lineages"],
        "failed_gates": failed_gates(outcome),
        "ledger_head": {"seq": outcome.head.seq, "digest": outcome.head.digest},
    }


def _promised(evidence: ReleaseEvidence) -> dict[str, Any]:
    """Return what was promised and paid, or that nothing was."""
    if not evidence.protected:
        return {"guarantee": "none", "reasons": evidence["unprotected.reasons"]}
    return {
        "epsilon": evidence["guarantee.epsilon"],
        "delta": evidence["guarantee.delta"],
        "rho_charged": evidence["budget.charged_rho"],
        "rho_remaining": evidence["budget.remaining_rho"],
        "warnings": evidence["data.warnings"],
    }


def failed_gates(outcome: Outcome) -> list[str]:
    """Return the titles of the gates that failed: what was found is raw and stays in the report."""
    return [gate.title for gate in outcome.verdict.outcomes if not gate.passed]


def say_outcome(outcome: Outcome) -> None:
    """Tell a person what a release came to."""
    evidence = outcome.evidence
    for warning in evidence["data.warnings"] if evidence.protected else ():
        warn(f"Column {warning['column']} {warning['text']}")
    if evidence["data.same_people"]["text"]:
        warn(evidence["data.same_people"]["text"])
    if outcome.passed:
        say(f"Released {evidence['release.id']}: {evidence['release.rows']} rows", "bold green")
        say(f"  certificate  {outcome.bundle / 'public' / 'certificate.pdf'}")
    else:
        say(f"Refused by policy {evidence['policy.name']}; no data was written.", "bold red")
        for title in failed_gates(outcome):
            say(f"  - {title}: not met; the internal report says why")
    say(f"  report       {outcome.bundle / 'internal' / 'report.pdf'} (internal)")
    if not evidence.protected:
        say("  guarantee    none: treat these rows as confidential", "bold red")
        return
    say(
        f"  budget       rho {float(evidence['budget.charged_rho']):.6f} spent, "
        f"{float(evidence['budget.remaining_rho']):.6f} left for lineage "
        f"{evidence['budget.lineage']}"
    )


def say_columns(plan: Plan) -> None:
    """Warn of columns that are not modelled, ignored or noisy, from declarations alone."""
    if not plan.protected:
        warn(
            f"The method {plan.settings.synthesizer} has no differential-privacy guarantee: the "
            "release will say so, and its rows are to be treated as confidential."
        )
    for treatment in plan.treatments:
        if treatment.treatment != "modelled":
            how = treatment.treatment.replace("_", " ")
            warn(f"Column {treatment.column} is {how}: {treatment.reason}")
    if plan.protected and plan.unit.max_rows >= _MANY_ROWS:
        warn(
            f"Up to {plan.unit.max_rows} rows of one {plan.unit.name} are kept, so the noise is "
            f"{plan.unit.max_rows} times that of one row. Fewer rows often give better data: "
            "try --max-rows-per-unit 2 or 3. Choose without looking at the rows."
        )
    for column in formulas_of(plan):
        warn(
            f"Column {column} declares a text that spreadsheet programs may run as a formula (it "
            "begins with =, +, - or @). It is written as declared. Hand over Parquet (--format "
            "parquet), or tell the recipient to import all columns as text."
        )
    for column in plan.extra_columns:
        warn(f"Column {column} is in the file but not in the dictionary; it is ignored.")


def formulas_of(plan: Plan) -> tuple[str, ...]:
    """Return the columns of CSV output whose declared texts may run where it is opened."""
    if plan.format != "csv":
        return ()
    left_out = {t.column for t in plan.treatments if t.treatment == "left_out"}
    return tuple(name for name in formula_columns(plan.dictionary) if name not in left_out)
