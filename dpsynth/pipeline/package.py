"""Turn evidence into the files of a bundle: data, documents, signed statements, manifests.

``public/`` is what may cross the boundary; ``internal/`` stays inside. Every file of either folder
is listed with its digest in the signed manifest of that folder.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from dpsynth.errors import InputError, SelfTestError
from dpsynth.evidence import PREDICATE_TYPE, ReleaseEvidence
from dpsynth.pipeline.plan import Plan
from dpsynth.pipeline.state import Fitted
from dpsynth.reports.from_evidence import certificate_pdf, report_pdf
from dpsynth.reports.pdf import Rendered
from dpsynth.reports.sheets import INTERNAL_SHEETS, sheets_of
from dpsynth.reports.sign import sign_pdf
from dpsynth.schema.codec import Codec
from dpsynth.schema.declared import ColumnDomain, Dictionary
from dpsynth.schema.undeclared import domains_from_json, domains_to_json
from dpsynth.signing.dsse import sign_envelope
from dpsynth.signing.keys import Signer
from dpsynth.signing.levels import BASELINE, Assurance
from dpsynth.signing.manifest import MANIFEST, STAMPS, manifest_statement, sha256
from dpsynth.signing.roles import ISSUER_ONLY, Role
from dpsynth.signing.stamps import add_stamp
from dpsynth.signing.statement import statement
from dpsynth.sources.writer import write_table
from dpsynth.yamlfile import read_content

CERTIFICATE_PAGES = 2
DOMAINS = "domains.json"  #: beside a model: domains that were discovered for it


def write_synthetic(folder: Path, plan: Plan, fitted: Fitted) -> list[dict[str, object]]:
    """Write the synthetic table; return its evidence entry: name, digest, size in bytes."""
    public = folder / "public"
    public.mkdir()
    path = public / f"synthetic.{plan.format}"
    write_rows(fitted.text, path, plan.format, codec=plan.codec, dictionary=plan.dictionary)
    return [{"name": path.name, "sha256": sha256(path), "bytes": path.stat().st_size}]


def write_rows(
    text: pa.Table, path: Path, format_: str, *, codec: Codec, dictionary: Dictionary
) -> None:
    """Write decoded rows as the dictionary's source would be: text in CSV, typed in Parquet."""
    write_table(
        codec.typed(text) if format_ == "parquet" else text,
        path,
        format_,
        delimiter=dictionary.delimiter,
        encoding=dictionary.encoding,
    )


def discovered_domains(model: Path) -> dict[str, ColumnDomain]:
    """Return the domains that were discovered for a model folder.

    Raises:
        InputError: The file is damaged.
    """
    path = model / DOMAINS
    try:
        tree = json.loads(read_content(path))
    except ValueError:
        raise InputError("is not JSON.", where=str(path)) from None
    return domains_from_json(tree, str(path))


def write_public(folder: Path, evidence: ReleaseEvidence, plan: Plan, signer: Signer) -> str:
    """Write certificate, evidence, plain sheets and manifest beside the data.

    Returns:
        The SHA-256 of the manifest, for the ledger.
    """
    public = folder / "public"
    shown, roles = evidence.public(), plan.signatures.roles
    rendered = certificate_pdf(shown, roles=roles, paper=plan.signatures.paper)
    least = CERTIFICATE_PAGES if plan.protected else 1  # without a guarantee there is less to say
    if not least <= rendered.pages <= CERTIFICATE_PAGES:
        raise SelfTestError(
            f"The certificate has {rendered.pages} pages and not {CERTIFICATE_PAGES}.",
            fix="Shorten titles, purpose or recipient. The budget stays spent.",
        )
    pdf = signed(rendered, signer, shown["release.id"], roles, plan.signatures.assurance)
    (public / "certificate.pdf").write_bytes(pdf)
    subjects = {file["name"]: file["sha256"] for file in shown["files.synthetic"]}
    subjects["certificate.unsigned.pdf"] = hashlib.sha256(rendered.pdf).hexdigest()
    envelope = sign_envelope(statement(subjects, PREDICATE_TYPE, shown.predicate()), signer)
    (public / "evidence.dsse.json").write_bytes(envelope)
    for name, made in sheets_of(protected=plan.protected).items():
        (public / name).write_text(made(shown), encoding="utf-8")
    return _write_manifest(public, evidence, plan, signer, _signatures(plan, public=True))


def write_internal(
    folder: Path,
    evidence: ReleaseEvidence,
    plan: Plan,
    fitted: Fitted,
    signer: Signer,
    public_manifest: str | None,
) -> str:
    """Write the internal report, all evidence, plain sheets, the model and their manifest.

    Returns:
        The SHA-256 of the manifest, for the ledger.
    """
    internal = folder / "internal"
    internal.mkdir()
    if public_manifest is not None:  # a refused run leaves nothing behind that makes rows
        (internal / "model").mkdir()
        fitted.model.save(internal / "model")
        domains = json.dumps(domains_to_json(plan.dictionary), ensure_ascii=False, indent=1)
        (internal / "model" / DOMAINS).write_text(domains, encoding="utf-8")
    rendered = report_pdf(evidence, paper=plan.signatures.paper)
    pdf = signed(rendered, signer, evidence["release.id"], assurance=plan.signatures.assurance)
    (internal / "report.pdf").write_bytes(pdf)
    subjects = {"report.unsigned.pdf": hashlib.sha256(rendered.pdf).hexdigest()}
    envelope = sign_envelope(statement(subjects, PREDICATE_TYPE, evidence.predicate()), signer)
    (internal / "evidence.dsse.json").write_bytes(envelope)
    for name, made in INTERNAL_SHEETS.items():
        (internal / name).write_text(made(evidence), encoding="utf-8")
    # The ledger keeps this manifest's digest for ever: the nonce makes it say nothing about rows.
    extra: dict[str, Any] = {"nonce": secrets.token_hex(32), **_signatures(plan, public=False)}
    if public_manifest is not None:
        extra["public_manifest"] = public_manifest
    return _write_manifest(internal, evidence, plan, signer, extra)


def signed(
    rendered: Rendered,
    signer: Signer,
    identity: str,
    roles: Sequence[Role] = ISSUER_ONLY,
    assurance: Assurance = BASELINE,
) -> bytes:
    """Return a rendered document with the issuer's signature in the room that it leaves."""
    return sign_pdf(
        rendered.pdf,
        signer,
        lines=seal(signer.name, identity, roles),
        roles=roles,
        assurance=assurance,
    )


def seal(name: str, identity: str, roles: Sequence[Role]) -> tuple[str, ...]:
    """Return what a seal shows; of several, each has room for two lines."""
    lines = (f"Signed by {name}", identity, "Verify the file: this seal is no proof.")
    return lines if len(roles) == 1 else lines[:2]


def _signatures(plan: Plan, *, public: bool) -> dict[str, Any]:
    """Return what a manifest says of its document: signatures, and the paper they stand on."""
    declared = plan.signatures
    said: dict[str, Any] = {
        "level": declared.assurance.level.value,
        "paper": declared.paper,
        "roles": [role.value for role in (declared.roles if public else ISSUER_ONLY)],
    }
    if public and declared.pinned:
        said["certificates"] = declared.pinned
    return {"signatures": said}


def _write_manifest(
    folder: Path,
    evidence: ReleaseEvidence,
    plan: Plan,
    signer: Signer,
    extra: Mapping[str, Any],
) -> str:
    """Write the manifest and, where an authority is declared, its first time stamp."""
    predicate = {
        "release": evidence["release.id"],
        "created": evidence["release.created"],
        "folder": folder.name,
        "ledger": {
            "head_seq": evidence["ledger.head_seq"],
            "head_digest": evidence["ledger.head_digest"],
        },
        **extra,
    }
    envelope = sign_envelope(manifest_statement(folder, predicate), signer)
    (folder / MANIFEST).write_bytes(envelope)
    tsa = plan.signatures.assurance.tsa
    if tsa is not None:
        (folder / STAMPS).write_bytes(add_stamp(envelope, None, tsa))
    return hashlib.sha256(envelope).hexdigest()
