"""``dpsynth demo``: a whole release on public data that a dependency ships, then verification."""

from __future__ import annotations

import os
import secrets
import shutil
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, say
from dpsynth.cli.release import execute, say_outcome, summary
from dpsynth.cli.trust import say_report
from dpsynth.errors import InputError, MissingExtraError
from dpsynth.newfile import new_file
from dpsynth.pipeline import load_settings
from dpsynth.privacy.ledger import Anchors, Ledger, LedgerKey
from dpsynth.signing.keys import init_trial_authority, load_roots
from dpsynth.verification import verify_bundle


def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder of the demo; made anew if dpsynth made it.")
    ] = Path("demo-release"),
    json: o.Json = False,
) -> None:
    """Release the RAND Health Insurance Experiment (20,190 person-years) and verify the bundle."""
    _fresh(out)
    shutil.copy(_rand_table(), out / "randhie.csv")
    for name in ("dictionary.yaml", "release.yaml"):
        content = files("dpsynth.cli").joinpath("demo_files", name).read_text(encoding="utf-8")
        (out / name).write_text(content, encoding="utf-8")
    passphrase = secrets.token_urlsafe(24)
    secret = out / "passphrase"
    with new_file(secret) as file:
        file.write(passphrase)
    keys = init_trial_authority(
        out / "keys", organisation="dpsynth demo", passphrase=passphrase.encode(), days=30
    )
    settings = load_settings(out / "release.yaml").override(key=keys.signer, passphrase_file=secret)
    # A demo starts anew each time, so neither its key nor its anchors are those of real ledgers.
    ledger_key = LedgerKey.create(out / "keys" / "ledger.pem")
    outcome = execute(
        settings,
        out=out / "bundle",
        ledger=None,
        quiet=json,
        opened=lambda: Ledger.open(
            out / "ledger.sqlite", key=ledger_key, anchors=Anchors(out / "anchors")
        ),
    )
    report = verify_bundle(outcome.bundle, roots=load_roots([keys.root]), at=datetime.now(UTC))
    if json:
        emit_json({**summary(outcome), "verification": report.to_json()})
    else:
        say_outcome(outcome)
        say("")
        say(f"dpsynth verify {outcome.bundle} --trust {keys.root}", "bold")
        say_report(report)
        say("")
        say(
            f"Open the certificate: {os.path.abspath(outcome.bundle / 'public/certificate.pdf')}",
            "bold",
        )
    raise typer.Exit(report.exit_code if outcome.passed else 3)


def _rand_table() -> Path:
    """Return the path of the table inside statsmodels; nothing is downloaded."""
    try:
        folder = files("statsmodels.datasets.randhie")
    except ModuleNotFoundError:
        raise MissingExtraError(
            "The demo needs the data that statsmodels ships.",
            fix="Install it with: pip install 'dpsynth[demo]'",
        ) from None
    return Path(str(folder.joinpath("randhie.csv")))


def _fresh(out: Path) -> None:
    """Make the demo folder; replace an earlier demo, never anything else."""
    marker = out / ".dpsynth-demo"
    if out.exists():
        if not marker.is_file():
            raise InputError(
                "exists and is not a demo.", where=str(out), fix="Choose another folder with --out."
            )
        shutil.rmtree(out)
    out.mkdir(parents=True)
    marker.touch()
