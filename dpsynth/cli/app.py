"""The commands of dpsynth, in the order in which a steward meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from dpsynth.cli.console import say
from dpsynth.cli.lazy import Command, group_of

#: Nothing here is imported before it is called; a test compares each line with its docstring.
COMMANDS = {
    "demo": Command(
        "dpsynth.cli.demo",
        "demo",
        "Release the RAND Health Insurance Experiment (20,190 person-years) and verify the bundle.",
    ),
    "init": Command(
        "dpsynth.cli.data",
        "init",
        "Write a draft dictionary from the header of a file. A person completes and declares it.",
    ),
    "check": Command(
        "dpsynth.cli.check",
        "check",
        "Check a release: what it costs and what to expect. Reads no row and spends nothing.",
    ),
    "release": Command(
        "dpsynth.cli.release",
        "release",
        "Make a signed release: reserve budget, fit, attack, judge, sign, publish.",
    ),
    "sign": Command(
        "dpsynth.cli.sign",
        "sign",
        "Sign the certificate of a bundle as the next declared signer, after verifying it.",
    ),
    "renew": Command(
        "dpsynth.cli.sign",
        "renew",
        "Put new time stamps over documents and manifests of a bundle, before the last expire.",
    ),
    "verify": Command(
        "dpsynth.cli.trust",
        "verify",
        "Check signatures, digests and documents of a bundle, offline.",
    ),
    "status": Command(
        "dpsynth.cli.status",
        "app",
        "What became of releases: withdrawn, superseded or reviewed, in one signed list.",
    ),
    "attack": Command(
        "dpsynth.cli.data",
        "attack",
        "Attack any generator's output. Raw results: keep them inside.",
    ),
    "evaluate": Command(
        "dpsynth.cli.data",
        "evaluate",
        "Measure fidelity and utility of any generator's output. Raw results: keep them inside.",
    ),
    "sample": Command(
        "dpsynth.cli.sample",
        "sample",
        "Draw more rows from a fitted model. Costs no budget: the model is already paid for.",
    ),
    "estimate": Command(
        "dpsynth.cli.estimate",
        "estimate_counts",
        "Estimate counts, shares or a mean with error bars. Costs no budget: the noise is known.",
    ),
    "audit": Command(
        "dpsynth.cli.audit",
        "app",
        "Audits: what a release or a method shows on neighbouring tables.",
    ),
    "evidence": Command(
        "dpsynth.cli.evidence",
        "app",
        "The evidence of a release: its JSON Schema, its fields, its claims.",
    ),
    "ledger": Command(
        "dpsynth.cli.ledger", "app", "The budget of the people: what is spent and what is left."
    ),
    "policy": Command(
        "dpsynth.cli.policy", "app", "Policies: what a release may spend and must show."
    ),
    "keys": Command(
        "dpsynth.cli.trust", "keys", "Keys for signing. A trial authority is made locally."
    ),
}

app = typer.Typer(
    name="dpsynth",
    cls=group_of(COMMANDS),
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
        from importlib.metadata import version

        say(f"dpsynth {version('dpsynth')}")
        raise typer.Exit


@app.callback()
def _root(
    wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Private table in; synthetic data and signed evidence out."""
