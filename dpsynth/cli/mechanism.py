"""``dpsynth audit mechanism``: two worlds, every method, and what the answers tell apart."""

from __future__ import annotations

from typing import Annotated

import typer

from dpsynth.auditing import AUDITED, MethodAudit, Plan, Report, Verdict, View, audit
from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, say, show_table, steps
from dpsynth.privacy.budget import CEILING_DELTA, Budget

EXIT_CODES = {Verdict.CONSISTENT: 0, Verdict.REJECTED: 1, Verdict.INCONCLUSIVE: 6}
_STYLES = {
    Verdict.CONSISTENT: "bold green",
    Verdict.REJECTED: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
}


def run_mechanism(
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="Only this method; may be repeated. Default: all that do not train.",
        ),
    ] = None,
    epsilon: Annotated[
        str, typer.Option("--epsilon", help="Claim that is tested. Nobody's budget is spent.")
    ] = "1",
    delta: Annotated[
        str, typer.Option("--delta", help="Its delta, at most 1e-2; a large one tests sharper.")
    ] = "1e-2",
    runs: Annotated[
        int,
        typer.Option(
            "--runs",
            min=100,
            max=1_000_000,
            help="Fits in each world; of a method that trains, canaries of its trainer.",
        ),
    ] = 2000,
    pair: Annotated[
        str | None,
        typer.Option("--pair", help="lone, crossed or empty: where the unit stands."),
    ] = None,
    columns: Annotated[
        int, typer.Option("--columns", min=1, max=4, help="Columns of the made-up tables.")
    ] = 3,
    max_rows: Annotated[
        int, typer.Option("--max-rows-per-unit", min=1, max=100, help="Rows of the unit.")
    ] = 1,
    black_box: Annotated[
        bool, typer.Option("--black-box", help="See one synthetic table only: far weaker.")
    ] = False,
    self_check: Annotated[
        bool, typer.Option("--self-check", help="Plant four more cases (5 to 8 times as long).")
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of the made-up tables, not of noise.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=64, help="Processes.")] = 1,
    json: o.Json = False,
) -> None:
    """Fit methods many times on two made-up tables one unit apart: do the answers tell too much?

    What all noisy answers tell together is compared with what was charged for them. Of a method
    that trains (gan, vae, diffusion) the trainer is audited: many made-up units take part, each
    with the largest gradient that it may have. No row is read, nothing is spent. Exit code 0
    consistent with the claim, 1 rejected, 6 inconclusive.
    """
    plan = Plan(
        budget=Budget.checked(epsilon, delta, CEILING_DELTA),
        methods=tuple(dict.fromkeys(method or AUDITED)),
        pair=pair,
        view=View.TABLE if black_box else View.TRANSCRIPT,
        runs=runs,
        columns=columns,
        max_rows=max_rows,
        self_check=self_check,
        jobs=jobs,
        **({} if seed is None else {"seed": seed}),
    )
    with steps(quiet=json) as progress:
        report = audit(plan, progress=progress)
    if json:
        emit_json(report.to_json())
    else:
        say_audit(report)
    if code := EXIT_CODES[report.verdict]:
        raise typer.Exit(code)


def say_audit(report: Report) -> None:
    """Tell a person what a mechanism audit came to."""
    show_table(
        ("method", "runs", "samples", "mu claimed", "found", "at least", "epsilon at least"),
        [_row(found) for found in report.audits],
        title=f"Made-up worlds one unit apart, epsilon {report.epsilon:g} at delta "
        f"{report.delta:g} claimed; bounds at 99 %",
        right=(1, 2, 3, 4, 5, 6),
    )
    for found in report.audits:
        say(f"{found.method}: {found.verdict.value.upper()}", _STYLES[found.verdict])
        say(f"  {found.reason}.")
        for control in found.controls:
            outcome = "refuted" if control.finding.refuted else "not refuted"
            mark = "as it must be" if control.passed else "NOT as it must be"
            say(
                f"  control, {control.title}: {outcome} in {control.finding.hits.runs:,} runs, "
                f"{mark}"
            )
    for found in report.audits:
        if found.training is not None:
            say(
                f"{found.method}: audited was its trainer, {found.training.steps:,} steps at "
                f"sampling rate {found.training.sampling_rate:g} with noise "
                f"{found.training.noise_multiplier:.3f}, on canaries: units with the largest "
                "gradient that a unit may have. Its counts of columns are those of independent."
            )
    seen = {found.view for found in report.audits}
    if View.TABLE in seen:
        say("Seen was one synthetic table a run: the weakest of attackers, not the worst.")
    say(
        "A claim is rejected where two samples of runs each refute it at 99 %: a sound method, in "
        "one audit of 10,000 at most. Such a test can only refute."
    )


def _row(found: MethodAudit) -> tuple[object, ...]:
    """Return the line of one method."""
    finding = found.finding
    return (
        found.method,
        f"{finding.hits.runs:,}",
        finding.samples,
        f"{finding.mu_claimed:.3f}",
        f"{finding.hits.mu:.3f}",
        f"{finding.hits.mu_bound():.3f}",
        f"{found.epsilon_bound:.3f}",
    )
