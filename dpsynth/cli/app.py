"""The commands of dpsynth, in the order in which a steward meets them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from dpsynth.cli import audit, check, data, demo, ledger, policy, release, trust
from dpsynth.cli.console import say

app = typer.Typer(
    name="dpsynth",
    help=(
        "Turn a private table into synthetic data under differential privacy, with a signed "
        "certificate that the recipient verifies offline."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        say(f"dpsynth {version('dpsynth')}")
        raise typer.Exit


@app.callback()
def _root(
    wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Private table in; synthetic data and signed evidence out."""


app.command("demo")(demo.demo)
app.command("init")(data.init)
app.command("check")(check.check)
app.command("release")(release.release)
app.command("verify")(trust.verify)
app.command("attack")(data.attack)
app.command("evaluate")(data.evaluate)
app.command("sample")(data.sample)
app.add_typer(audit.app, name="audit")
app.add_typer(ledger.app, name="ledger")
app.add_typer(policy.app, name="policy")
app.add_typer(trust.keys, name="keys")
