"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]
LedgerOption = Annotated[
    str | None,
    typer.Option(
        "--ledger", help="Ledger file (default: DPSYNTH_LEDGER or the user's data folder)."
    ),
]
ReleaseFile = Annotated[
    Path | None,
    typer.Argument(help="Release file (release.yaml). Every key of it can also be an option."),
]
Data = Annotated[Path | None, typer.Option("--data", help="CSV or Parquet file with the rows.")]
DictionaryOption = Annotated[
    Path | None, typer.Option("--dictionary", help="dictionary.yaml: the public description.")
]
Epsilon = Annotated[
    str | None,
    typer.Option("--epsilon", help="Privacy loss of this release, for example 1. No default."),
]
Delta = Annotated[
    str | None, typer.Option("--delta", help="For example 1e-6, at most 1e-6. No default.")
]
MaxHits = Annotated[
    float | None,
    typer.Option(
        "--max-hits",
        help="In place of --epsilon: members in 100 that an attacker may recognise at most.",
    ),
]
FalseAlarms = Annotated[
    float | None,
    typer.Option("--false-alarms", help="Others in 100 that this attacker takes for members."),
]
MaxRows = Annotated[
    int | None,
    typer.Option("--max-rows-per-unit", help="Rows kept of one person or household at most."),
]
UnitName = Annotated[
    str | None, typer.Option("--unit-name", help="What one unit is, in words: patient, household.")
]
Lineage = Annotated[
    str | None,
    typer.Option("--lineage", help="Name of the people whose budget is spent, not of the file."),
]
Name = Annotated[str | None, typer.Option("--name", help="Name of this release.")]
DiscoveryShare = Annotated[
    float | None,
    typer.Option(
        "--discovery-share",
        help="Share of the budget that finds the domains of open columns (0: leave them out).",
    ),
]
FidelityShare = Annotated[
    float | None,
    typer.Option("--fidelity-share", help="Share of the budget that measures the published error."),
]
Method = Annotated[
    str | None,
    typer.Option(
        "--synthesizer",
        help="cliquetree (default), aim, mwem, mst, independent, best, or a third party's.",
    ),
]
PolicyOption = Annotated[
    str | None, typer.Option("--policy", help="Name of a shipped policy, or a YAML file.")
]
Waivers = Annotated[
    list[Path] | None,
    typer.Option("--waiver", help="Signed waiver of a gate of the policy; may be repeated."),
]
Rows = Annotated[
    int | None, typer.Option("--rows", help="Synthetic rows (default: the noisy estimate).")
]
Format = Annotated[str | None, typer.Option("--format", help="csv or parquet.")]
Holdout = Annotated[
    float | None, typer.Option("--holdout", help="Share of people sealed for the tests.")
]
Attacks = Annotated[str | None, typer.Option("--attacks", help="quick, full or off.")]
Audit = Annotated[
    Path | None,
    typer.Option("--audit", help="Answer of `dpsynth audit mechanism --json` for this method."),
]
TotalEpsilon = Annotated[
    str | None,
    typer.Option("--total-epsilon", help="Cap of a new lineage (default: the policy's)."),
]
TotalDelta = Annotated[str | None, typer.Option("--total-delta", help="Delta of that cap.")]
Recipient = Annotated[str | None, typer.Option("--recipient", help="Who receives the data.")]
Jurisdiction = Annotated[str | None, typer.Option("--jurisdiction", help="Where they are.")]
Origin = Annotated[str | None, typer.Option("--origin", help="Where the data come from.")]
Purpose = Annotated[str | None, typer.Option("--purpose", help="What the data are for.")]
Key = Annotated[
    Path | None,
    typer.Option("--key", help="PKCS#12 file of the signer, or a pkcs11: URI (default: trial)."),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="File with its passphrase (else DPSYNTH_PASSPHRASE, else a prompt).",
    ),
]
Tsa = Annotated[
    str | None,
    typer.Option("--tsa", help="URL of a time-stamping authority (RFC 3161) for the signatures."),
]
Level = Annotated[
    str | None,
    typer.Option(
        "--level", help="PAdES level: B-B, B-T, B-LT or B-LTA (default: B-T with --tsa, else B-B)."
    ),
]
Certificates = Annotated[
    list[Path] | None,
    typer.Option("--certificate", help="For B-LT: issuers of the signer and of the authority."),
]
Crls = Annotated[list[Path] | None, typer.Option("--crl", help="For B-LT: their revocation lists.")]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        help="Who signs the certificate, in order: issuer, expert, dpo. dpo=SHA256 for the one "
        "certificate of that fingerprint.",
    ),
]
Paper = Annotated[
    str | None, typer.Option("--paper", help="Pages of the documents: a4 (default) or letter.")
]
TsaTrust = Annotated[
    list[Path] | None,
    typer.Option("--tsa-trust", help="Root certificate (PEM) of a time-stamping authority."),
]
