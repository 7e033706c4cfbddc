"""``dpsynth evidence``: what the evidence of a release is made of, for machines and auditors."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, say
from dpsynth.evidence import evidence_schema, fields_table
from dpsynth.reports.claims import RegisteredClaim, claims, code_digest, digests
from dpsynth.reports.text import sentence

app = typer.Typer(
    help="The evidence of a release: its JSON Schema, its fields, its claims.", no_args_is_help=True
)


Unprotected = Annotated[
    bool, typer.Option("--unprotected", help="Of a release without any privacy guarantee.")
]


@app.command("schema")
def schema(
    internal: Annotated[
        bool, typer.Option("--internal", help="The internal part, which may hold raw values.")
    ] = False,
    unprotected: Unprotected = False,
) -> None:
    """Print the JSON Schema (2020-12) of the evidence; by default of the public part."""
    emit_json(evidence_schema(public=not internal, protected=not unprotected))


@app.command("fields")
def fields(unprotected: Unprotected = False) -> None:
    """Print the table of all fields as Markdown."""
    sys.stdout.write(fields_table(protected=not unprotected))


@app.command("claims")
def show_claims(json: o.Json = False) -> None:
    """Show what each sentence of the certificate rests on, with digests of register and code."""
    if json:
        emit_json({**digests(), "claims": [_tree(claim) for claim in claims()]})
        return
    for claim in claims():
        for key in claim.sentences:
            say(f"{key}: {sentence(key)}", "bold")
        for name in claim.values:
            say(f"the value of {name}", "bold")
        for part, names in (("fields", claim.fields), ("code", claim.code), ("tests", claim.tests)):
            if names:
                say(f"  {part}: {', '.join(names)}")
        say(f"  code SHA-256: {code_digest(claim.code)}" if claim.code else f"  {claim.because}")
    for name, digest in digests().items():
        say(f"{name} {digest}")


def _tree(claim: RegisteredClaim) -> dict[str, Any]:
    """Return a claim for machines, with the words of its sentences and the digest of its code."""
    return {
        **asdict(claim),
        "sentences": {key: sentence(key) for key in claim.sentences},
        "code_sha256": code_digest(claim.code) if claim.code else None,
    }
