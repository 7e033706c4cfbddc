"""``dpsynth policy``: the declared rules, shipped or your own, in plain words; signed waivers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, prompt, say, show_table
from dpsynth.cli.policy_view import say_policy, say_sentences, say_unmet
from dpsynth.errors import InputError
from dpsynth.newfile import new_bytes
from dpsynth.pipeline import load_release_signer, load_settings
from dpsynth.pipeline.prepare import declared_of
from dpsynth.pipeline.required import refusals, unsupported
from dpsynth.policy import load_policy, shipped_policies
from dpsynth.policy.explain import sentences
from dpsynth.signing.waiver import sign_waiver
from dpsynth.synth import registry

app = typer.Typer(help="Policies: what a release may spend and must show.", no_args_is_help=True)

PolicyArgument = Annotated[
    str, typer.Argument(help="Name of a shipped policy, or a YAML file.", metavar="POLICY")
]


@app.command("list")
def list_policies(json: o.Json = False) -> None:
    """Show the shipped policies."""
    policies = [load_policy(name) for name in shipped_policies()]
    if json:
        emit_json(
            {
                "policies": [
                    {"name": p.name, "title": p.title, "description": p.description}
                    for p in policies
                ]
            }
        )
        return
    show_table(("name", "title"), [(p.name, p.title) for p in policies])
    say("None is legal advice, and none says that data are anonymous. `dpsynth policy explain`.")


@app.command("show")
def show(policy: PolicyArgument, json: o.Json = False) -> None:
    """Show what a policy asks, composed of everything that it extends."""
    loaded = load_policy(policy)
    if json:
        emit_json(loaded.to_json())
    else:
        say_policy(loaded)


@app.command("check")
def check(
    file: Annotated[str, typer.Argument(help="YAML file of a policy, or a shipped name.")],
    json: o.Json = False,
) -> None:
    """Check a policy file: its layout, what it extends, and whether this version can keep it.

    Ends with exit code 2 if the file is malformed or loosens what it extends, 3 if it asks for
    something that this version does not make, so that it would refuse every release.
    """
    policy = load_policy(file)
    unmet = unsupported(policy)
    if json:
        emit_json(
            {
                "name": policy.name,
                "digest": policy.digest,
                "files": policy.to_json()["files"],
                "usable": not unmet,
                "unmet": [{"rule": u.rule, "text": u.text} for u in unmet],
            }
        )
    else:
        say(f"{policy.name}: {len(policy.gates)} gates, sha256 {policy.digest}")
        for part in policy.files:
            say(f"  from {part.name}, sha256 {part.sha256}")
        say_unmet(unmet)
    if unmet:
        raise typer.Exit(3)


@app.command("explain")
def explain(
    policy: PolicyArgument,
    release: Annotated[
        Path | None,
        typer.Option("--release", help="Release file: which rules would it meet beforehand?"),
    ] = None,
    json: o.Json = False,
) -> None:
    """Say every rule in plain words: what it asks, why, and who says so.

    With --release, ends with exit code 3 if a rule that is decided before data is opened is not
    met. Reads no data.
    """
    loaded = load_policy(policy)
    settings = None
    if release is not None:
        settings = load_settings(release)
        settings = settings.checked(protected=registry.find(settings.synthesizer).protected)
    unmet = unsupported(loaded)
    if settings is not None:
        budget, total, audit = declared_of(loaded, settings, max_rows=settings.max_rows_per_unit)
        unmet = refusals(
            loaded, settings, budget=budget, total=total, audit=audit, now=datetime.now(UTC)
        )
    said = sentences(loaded)
    if json:
        emit_json(
            {
                "policy": loaded.name,
                "digest": loaded.digest,
                "rules": [sentence.to_json() for sentence in said],
                "release": None if settings is None else settings.name,
                "unmet": [{"rule": u.rule, "text": u.text} for u in unmet],
            }
        )
    else:
        say_sentences(loaded, said, unmet, judged=settings is not None)
    if settings is not None and unmet:
        raise typer.Exit(3)


@app.command("waive")
def waive(
    gate: Annotated[str, typer.Option("--gate", help="Id of the gate.")],
    reason: Annotated[
        str,
        typer.Option("--reason", help="Why; it is printed in public. Nothing seen in data."),
    ],
    expires: Annotated[str, typer.Option("--expires", help="Last day, such as 2027-06-30.")],
    release: Annotated[str, typer.Option("--release", help="Name of the only release it is for.")],
    lineage: Annotated[str, typer.Option("--lineage", help="Lineage of that release.")],
    out: Annotated[Path, typer.Option("--out", help="File to write. Must be new.")],
    policy: Annotated[
        str, typer.Option("--policy", help="Name of a shipped policy, or a YAML file.")
    ] = "default",
    key: o.Key = None,
    passphrase_file: o.PassphraseFile = None,
    json: o.Json = False,
) -> None:
    """Sign a waiver: one gate, one release, a reason, an end. Before data is opened."""
    loaded = load_policy(policy)
    try:
        day = date.fromisoformat(expires)
    except ValueError:
        raise InputError("is no date.", where="--expires", fix="Write it as 2027-06-30.") from None
    signer = load_release_signer(key, passphrase_file, prompt())
    content = sign_waiver(
        loaded,
        signer,
        gate=gate,
        release=release,
        lineage=lineage,
        reason=reason,
        issued=datetime.now(UTC).date(),
        expires=day,
    )
    with new_bytes(out) as file:
        file.write(content)
    if json:
        emit_json({"waiver": str(out), "gate": gate, "policy": loaded.digest, "expires": expires})
        return
    say(f"{signer.name} waives the gate {gate} for release {release} until {day}.")
    say(f"  {out}  (give it to the release: --waiver; the reason is printed in public)")
