"""``dpsynth audit``: attempts to refute what a release or a method claims, without private data."""

from __future__ import annotations

from typing import Annotated

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, say, show_table, steps
from dpsynth.cli.declared import takes_release
from dpsynth.cli.mechanism import run_mechanism
from dpsynth.cli.release import say_outcome
from dpsynth.pipeline import ReleaseSettings
from dpsynth.preflight import Report, Verdict, preflight
from dpsynth.preflight.report import COMPARED, NOT_COMPARED

app = typer.Typer(
    help="Audits: what a release or a method shows on neighbouring tables.", no_args_is_help=True
)
app.command("mechanism")(run_mechanism)


@app.command("preflight")
@takes_release(without=("rows", "attacks", "key", "passphrase_file"))
def run_preflight(
    settings: ReleaseSettings,
    rows: Annotated[
        int, typer.Option("--rows", min=10, max=100_000, help="Rows of the made-up tables.")
    ] = 100,
    attacks: Annotated[
        bool, typer.Option("--with-attacks", help="Also attack the output of whole runs (slow).")
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of the made-up tables.")
    ] = None,
    pair: Annotated[
        list[str] | None, typer.Option("--pair", help="Only this pair of tables; may be repeated.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Run a release on pairs of made-up tables that differ by one unit, and name what follows it.

    No row of yours is read, nothing is spent. Exit code 1 unless every pair passes.
    """
    with steps(quiet=json) as progress:
        report = preflight(
            settings,
            rows=rows,
            attacks=attacks,
            seed=seed,
            only=pair or None,
            progress=progress,
            tell=say_outcome,
        )
    if json:
        emit_json(report.to_json())
    else:
        say_preflight(report)
    if not report.passed:
        raise typer.Exit(1)


def say_preflight(report: Report) -> None:
    """Tell a person what a preflight came to."""
    show_table(
        ("pair", "the tables differ by", "runs", "compared", "vary", "verdict"),
        [
            (r.name, r.title, r.runs, r.places, r.varying, r.verdict.value.upper())
            for r in report.results
        ],
        title=f"Neighbouring tables of {report.rows} made-up rows, epsilon {report.epsilon:g}, "
        f"seed {report.seed}",
        right=(2, 3, 4),
    )
    for result in report.results:
        if result.verdict is not Verdict.PASS:
            say(f"{result.name}: {result.reason}", "bold red")
        for finding in result.findings:
            say(f"  {finding.where}: follows the unit in {finding.runs} of {finding.runs} runs")
    say("Compared: " + "; ".join(COMPARED) + ".")
    say("Not compared: " + "; ".join(NOT_COMPARED) + ".")
    say(
        "What varies between runs on one table is noise or the clock. A finding is the same in "
        f"{report.runs_to_fail} runs or more of either table and differs between them; noise alone "
        f"does that to one place with probability {report.false_alarm:.1g} at most."
    )
    if report.passed:
        say("PASS: nothing that was compared follows the unit.", "bold green")
        say("Such a test can only refute: it speaks for these tables and places, not for all.")
    else:
        say("NOT PASSED.", "bold red")
