"""``dpsynth verify`` and ``dpsynth keys``: what a recipient runs, and a local trial authority."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, prompt, say, warn
from dpsynth.errors import InputError
from dpsynth.newfile import new_bytes
from dpsynth.places import PASSPHRASE_VARIABLE, keys_folder, read_ledger
from dpsynth.signing.keys import init_trial_authority, load_roots, read_passphrase
from dpsynth.signing.timestamp import Authorities
from dpsynth.verification import VerificationReport, verify_bundle
from dpsynth.verification.etsi import etsi_report, need_etsi

keys = typer.Typer(
    help="Keys for signing. A trial authority is made locally.", no_args_is_help=True
)

_STYLE = {"VALID": "bold green", "INVALID": "bold red", "INDETERMINATE": "bold yellow"}


def verify(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder, or its public folder alone.")],
    trust: Annotated[
        list[Path],
        typer.Option("--trust", help="Root certificate (PEM) of the issuer, got by another way."),
    ],
    tsa_trust: o.TsaTrust = None,
    ledger: Annotated[
        str | None, typer.Option("--ledger", help="Also require the ledger head to be in it.")
    ] = None,
    status: Annotated[
        Path | None,
        typer.Option("--status", help="Status list of the issuer: is the release withdrawn?"),
    ] = None,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Make the documents anew from their evidence; compare."),
    ] = False,
    etsi: Annotated[
        Path | None,
        typer.Option(
            "--etsi",
            help="New file for pyHanko's report on the certificate (ETSI TS 119 102-2).",
        ),
    ] = None,
    json: o.Json = False,
) -> None:
    """Check signatures, digests and documents of a bundle, offline.

    Exit code 0: everything holds. 1: something does not, and the file is named. 6: time or status
    cannot be known here.
    """
    roots, at = load_roots(trust), datetime.now(UTC)
    authorities = load_roots(tsa_trust) if tsa_trust else ()
    check = partial(
        verify_bundle,
        bundle,
        roots=roots,
        authorities=authorities,
        status=None if status is None else _content(status),
        at=at,
        rebuild=rebuild,
    )
    if etsi is not None:
        need_etsi()
    if ledger is None:
        report = check()
    else:
        with read_ledger(ledger) as book:
            report = check(ledger=book)
    if etsi is not None:
        _write_etsi(etsi, bundle, roots, authorities, at)
    if json:
        emit_json(report.to_json())
    else:
        say_report(report)
    raise typer.Exit(report.exit_code)


def _write_etsi(
    path: Path, bundle: Path, roots: Authorities, authorities: Authorities, at: datetime
) -> None:
    """Write the report; a certificate that gives none changes no verdict, and that is said."""
    try:
        content = etsi_report(bundle, roots=roots, authorities=authorities, at=at)
    except InputError as error:
        warn(f"No ETSI report: {error}")
        return
    with new_bytes(path) as file:
        file.write(content)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}).", where=str(path)) from None


def say_report(report: VerificationReport) -> None:
    """Tell a person the verdict and every finding."""
    for finding in report.findings:
        say(f"  {finding.severity.value:<7} {finding.file}: {finding.text} [{finding.code}]")
    for label, value in report.facts.items():
        say(f"  {label:<12} {value}")
    say(f"{report.verdict.value}: {report.sentence}", _STYLE.get(report.verdict.value, ""))


@keys.command("init")
def init(
    organisation: Annotated[
        str, typer.Option("--organisation", help="Name printed as issuer, marked as trial.")
    ] = "Trial organisation",
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where the keys go (default: user's data folder)."),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="Validity in days.")] = 365,
    passphrase_file: o.PassphraseFile = None,
    json: o.Json = False,
) -> None:
    """Make a local trial authority: a root certificate to hand out, and a signing key."""
    passphrase = read_passphrase(
        file=passphrase_file, env=PASSPHRASE_VARIABLE, prompt=prompt(confirm=True)
    )
    made = init_trial_authority(
        keys_folder(folder), organisation=organisation, passphrase=passphrase, days=days
    )
    if json:
        emit_json({"root": str(made.root), "signer": str(made.signer)})
        return
    say("Made a trial authority. It is not for legal use: a real release needs a real certificate.")
    say(f"  root certificate  {made.root}  (give it to recipients by another way than the data)")
    say(f"  signing key       {made.signer}")
