"""The report of an attack run on its own: facts of the run and the PDF, signed if one wants it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from dpsynth.attacks import Claim
from dpsynth.newfile import new_bytes
from dpsynth.pipeline.examine import Tables
from dpsynth.pipeline.package import signed
from dpsynth.reports.attack_view import AttackedFile, AttackRun, StatedClaim
from dpsynth.reports.document import attack_report_html
from dpsynth.reports.pdf import render_pdf
from dpsynth.results import FALSE_POSITIVE_RATES, AttackResult, plain, rounded_up
from dpsynth.schema.declared import Dictionary
from dpsynth.signing.keys import Signer
from dpsynth.signing.manifest import sha256
from dpsynth.signing.roles import ISSUER_ONLY


def attack_run(
    dictionary: Dictionary,
    tables: Tables,
    files: Mapping[str, Path],
    results: Sequence[AttackResult],
    *,
    profile: str,
    seed: int,
    will_be_signed: bool,
    claim: Claim | None,
) -> AttackRun:
    """Return the facts of a run.

    Args:
        dictionary: How the tables were read.
        tables: The three coded tables.
        files: Their files, by `train`, `holdout` and `synthetic`.
        results: What the suite found.
        profile: Its profile.
        seed: Its seed.
        will_be_signed: Whether the report gets a signature.
        claim: What the results were held against, or None.
    """
    return AttackRun(
        title=dictionary.title,
        dictionary=dictionary.digest(),
        columns=tables.train.shape[1],
        files=[
            AttackedFile(
                role=role, name=path.name, sha256=sha256(path), rows=len(getattr(tables, role))
            )
            for role, path in files.items()
        ],
        profile=profile,
        seed=seed,
        created=datetime.now(UTC).replace(microsecond=0),
        version=version("dpsynth"),
        signed=will_be_signed,
        claim=None if claim is None else _stated(claim),
        results=[plain(asdict(r)) for r in results],
    )


def _stated(claim: Claim) -> StatedClaim:
    """Return a claim with its ceiling where ROC curves are written down."""
    return StatedClaim(
        epsilon=claim.epsilon,
        delta=claim.delta,
        ceiling=[[rate, rounded_up(claim.highest_tpr(rate))] for rate in FALSE_POSITIVE_RATES],
    )


def write_attack_report(run: AttackRun, path: Path, signer: Signer | None) -> None:
    """Write the report as PDF, with the run as an attached JSON file.

    Raises:
        InputError: The file exists or cannot be written.
    """
    content = json.dumps(asdict(run), default=str, ensure_ascii=False, indent=1).encode()
    rendered = render_pdf(
        attack_report_html(run),
        attachments=[("attack.json", content, "All results, not for disclosure")],
        title="Attack report",
        created=run.created,
        identifier=hashlib.sha256(content).digest(),
        roles=ISSUER_ONLY if signer is not None else (),
    )
    pdf = rendered.pdf if signer is None else signed(rendered, signer, "Attack report")
    with new_bytes(path) as file:
        file.write(pdf)
