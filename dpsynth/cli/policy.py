"""``dpsynth policy``: the declared limits, shipped or your own."""

from __future__ import annotations

from typing import Annotated

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, say, show_table
from dpsynth.policy import load_policy, shipped_policies

app = typer.Typer(help="Policies: what a release may spend and must show.", no_args_is_help=True)


@app.command("list")
def list_policies(json: o.Json = False) -> None:
    """Show the shipped policies."""
    policies = [load_policy(name) for name in shipped_policies()]
    if json:
        emit_json({"policies": [{"name": p.name, "title": p.title} for p in policies]})
        return
    show_table(("name", "title"), [(p.name, p.title) for p in policies])


@app.command("show")
def show(
    policy: Annotated[str, typer.Argument(help="Name of a shipped policy, or a YAML file.")],
    json: o.Json = False,
) -> None:
    """Check a policy and show its limits and gates."""
    loaded = load_policy(policy)
    if json:
        emit_json(loaded.to_json())
        return
    say(f"{loaded.title} ({loaded.name}, sha256 {loaded.digest[:16]}...)", "bold")
    show_table(("limit", "value"), [(k, v) for k, v in loaded.to_json()["limits"].items()])
    show_table(
        ("gate", "metric", "condition", "why"),
        [(g.id, g.metric, g.limit_text, g.reason) for g in loaded.gates],
    )
