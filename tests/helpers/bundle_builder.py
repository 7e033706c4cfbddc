"""Builds small bundles with the product's own writers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from dpsynth.reports.pdf import anchor_of, render_pdf
from dpsynth.reports.sheets import SHEETS
from dpsynth.reports.sign import sign_pdf

from dpsynth.evidence import FIELDS, PREDICATE_TYPE, EvidenceBuilder, ReleaseEvidence
from dpsynth.evidence.shapes import Shape
from dpsynth.results import Disclosure
from dpsynth.signing.dsse import sign_envelope
from dpsynth.signing.keys import Signer, init_trial_authority, load_roots, load_signer
from dpsynth.signing.levels import BASELINE, Assurance
from dpsynth.signing.manifest import MANIFEST, STAMPS, manifest_statement
from dpsynth.signing.roles import ISSUER_ONLY, Role
from dpsynth.signing.stamps import add_stamp
from dpsynth.signing.statement import statement


@dataclass(frozen=True)
class Issuer:
    signer: Signer
    roots: list[x509.Certificate]


def make_issuer(folder: Path, name: str, days: int = 30) -> Issuer:
    made = init_trial_authority(folder, organisation=name, passphrase=b"secret", days=days)
    return Issuer(load_signer(made.signer, b"secret"), load_roots([made.root]))


def render(
    name: str, content: bytes, body: str = "Certificate", roles: Sequence[Role] = ISSUER_ONLY
) -> bytes:
    boxes = "".join(
        f"<p id={anchor_of(role)} style='width:320px;height:66px'></p>" for role in roles
    )
    return render_pdf(
        f"<html lang=en><head><title>t</title></head><body><h1>{body}</h1>{boxes}</body></html>",
        attachments=[(name, content, "Evidence")],
        title="t",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        identifier=b"1",
        roles=roles,
    ).pdf


def signed(unsigned: bytes, signer: Signer, **how: Any) -> bytes:
    return sign_pdf(unsigned, signer, lines=["Signed by the test", "100 % test"], **how)


def least(shape: Shape, text: str) -> Any:
    """Return a small value of a shape; free text is `text`."""
    if "anyOf" in shape:
        return least(shape["anyOf"][0], text)
    if "enum" in shape:
        return shape["enum"][0]
    if "pattern" in shape:
        tries = ("1", "2026-01-01", "2026-01-01T00:00:00Z", "ab" * 16, "ab" * 32)
        return next(t for t in tries if re.fullmatch(shape["pattern"], t))
    match shape["type"]:
        case "string":
            return text
        case "integer" | "number":
            return 0
        case "boolean":
            return True
        case "array":
            return [least(part, text) for part in shape.get("prefixItems", ())]
        case "object":
            return {k: least(shape["properties"][k], text) for k in shape.get("required", ())}
    raise AssertionError(shape)


def evidence(release: str, issuer: str, files: list[dict[str, Any]]) -> ReleaseEvidence:
    special: dict[str, Any] = {
        "release.id": release,
        "release.issuer": issuer,
        "release.created": "2026-01-01T00:00:00Z",
        "release.review_by": "2036-01-01",
        "release.status": "released",
        "ledger.head_seq": 7,
        "ledger.head_digest": "ab" * 32,
        "guarantee.epsilon": "1",
        "files.synthetic": files,
    }
    order = [*(d for d in Disclosure if d.public), Disclosure.RAW]
    builder = EvidenceBuilder()
    for name, declared in FIELDS.items():
        disclosure = next(d for d in order if d in declared.allowed)
        value = special.get(name, least(declared.shape, f"text of {name}"))
        builder.add(name, value, disclosure)
    return builder.build()


def write_manifest(folder: Path, signer: Signer, **changes: Any) -> str:
    """(Re)write the manifest of a folder; return its digest."""
    (folder / MANIFEST).unlink(missing_ok=True)
    predicate = {
        "release": "REL-1",
        "created": "2026-01-01T00:00:00Z",
        "folder": folder.name,
        "ledger": {"head_seq": 7, "head_digest": "ab" * 32},
        "signatures": {"level": "B-B", "paper": "a4", "roles": ["issuer"]},
    }
    content = sign_envelope(manifest_statement(folder, predicate | changes), signer)
    (folder / MANIFEST).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def write_evidence(
    folder: Path, facts: ReleaseEvidence, signer: Signer, unsigned: bytes, *, public: bool
) -> None:
    name = "certificate" if public else "report"
    subjects = {f"{name}.unsigned.pdf": hashlib.sha256(unsigned).hexdigest()}
    if public:
        subjects |= {file["name"]: file["sha256"] for file in facts["files.synthetic"]}
    predicate = facts.public().predicate() if public else facts.predicate()
    envelope = sign_envelope(statement(subjects, PREDICATE_TYPE, predicate), signer)
    (folder / "evidence.dsse.json").write_bytes(envelope)


def stamp_manifest(folder: Path, url: str) -> None:
    """Add a time stamp to the manifest of a folder."""
    path = folder / STAMPS
    earlier = path.read_bytes() if path.exists() else None
    path.write_bytes(add_stamp((folder / MANIFEST).read_bytes(), earlier, url))


def write_bundle(
    target: Path, issuer: Issuer, release: str = "REL-1", assurance: Assurance = BASELINE
) -> Path:
    signer = issuer.signer
    said = {"signatures": {"level": assurance.level.value, "paper": "a4", "roles": ["issuer"]}}
    public, internal = target / "public", target / "internal"
    (internal / "model").mkdir(parents=True)
    public.mkdir()
    data = f"a,b\n1,{release}\n".encode()
    (public / "synthetic.csv").write_bytes(data)
    for name in SHEETS:
        (public / name).write_text(f"{name} of {release}\n")
    entry = {"name": "synthetic.csv", "sha256": hashlib.sha256(data).hexdigest(), "bytes": 8}
    facts = evidence(release, signer.name, [entry])
    unsigned = render("evidence.public.json", facts.public().to_bytes(), release)
    (public / "certificate.pdf").write_bytes(signed(unsigned, signer, assurance=assurance))
    write_evidence(public, facts, signer, unsigned, public=True)
    digest = write_manifest(public, signer, release=release, **said)
    (internal / "model" / "model.json").write_text("{}")
    unsigned = render("evidence.internal.json", facts.to_bytes(), f"Report {release}")
    (internal / "report.pdf").write_bytes(signed(unsigned, signer, assurance=assurance))
    write_evidence(internal, facts, signer, unsigned, public=False)
    write_manifest(internal, signer, release=release, public_manifest=digest, **said)
    for folder in (public, internal):
        if assurance.tsa is not None:
            stamp_manifest(folder, assurance.tsa)
    return target
