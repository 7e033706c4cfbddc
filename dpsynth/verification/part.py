"""Check one folder of a bundle: its manifest, its files, its evidence and its document.

Nothing is parsed before its digest is known from a manifest that a trusted signer signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath

import rfc8785
from cryptography import x509

from dpsynth.evidence import PREDICATE_TYPE, is_protected
from dpsynth.reports.sheets import INTERNAL_SHEETS, sheets_of
from dpsynth.signing.dsse import MAX_ENVELOPE, Opened, open_envelope
from dpsynth.signing.manifest import MANIFEST, MANIFEST_TYPE, STAMPS, list_folder, sha256
from dpsynth.signing.stamps import MAX_STAMPS, check_stamps
from dpsynth.signing.statement import Statement, parse_statement
from dpsynth.verification.checked import EVIDENCE, INTERNAL, PUBLIC, CheckedPart, read_file
from dpsynth.verification.evidence import evidence_problem, manifest_problem, value_of
from dpsynth.verification.pdf import MAX_PDF, ExpectedPdf, check_pdf
from dpsynth.verification.pdf_objects import has_prefix
from dpsynth.verification.pdf_signers import ExpectedSigners
from dpsynth.verification.report import Severity, shown

_DATA = {"synthetic.csv", "synthetic.parquet"}
_MODEL = {"model/model.json", "model/arrays.npz", "model/model.safetensors", "model/domains.json"}

Trust = tuple[Sequence[x509.Certificate], Sequence[x509.Certificate], datetime]


def check_part(
    folder: Path,
    name: str,
    roots: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate],
    at: datetime,
) -> CheckedPart:
    """Check one folder.

    Args:
        folder: Where it lies.
        name: ``public`` or ``internal`` within a bundle, empty for a folder verified alone.
        roots: What the user trusts.
        authorities: Roots of time-stamping authorities that the user trusts.
        at: Time for which certificates must be valid.

    Raises:
        OSError: A folder cannot be listed.
    """
    part = CheckedPart(name=name)
    files, others = list_folder(folder)
    for other in others:
        part.fail("not_a_file", other, "Is a link or a device: a bundle holds files only.")
    statement = _open_manifest(part, folder, files, (roots, authorities, at))
    if statement is None:
        return part
    intact = _compare(part, folder, files, statement)
    if {EVIDENCE, part.spec.document if part.spec else ""} - set(statement.subjects):
        part.fail("file_missing", MANIFEST, "Does not list the evidence and the document.")
    elif EVIDENCE in intact:
        evidence = _open_evidence(part, folder, statement, roots, part.time or at)
        if evidence is not None and part.spec is not None and part.spec.document in intact:
            _check_document(part, folder, statement, evidence, (roots, authorities, at))
    return part


def _open_manifest(
    part: CheckedPart,
    folder: Path,
    files: Sequence[str],
    trust: Trust,
) -> Statement | None:
    """Return the manifest's statement if a trusted signer signed it and it is well formed."""
    if MANIFEST not in files:
        part.fail("manifest_missing", MANIFEST, "Is missing: no file of the folder is vouched for.")
        return None
    content = read_file(part, folder, MANIFEST, MAX_ENVELOPE)
    if content is None:
        return None
    roots, authorities, at = trust
    opened = open_envelope(content, roots, at)
    if opened.payload is None:
        part.fail("manifest_signature", MANIFEST, _refused(opened))
        return None
    try:
        statement = parse_statement(opened.payload)
    except ValueError as error:
        part.fail("manifest_form", MANIFEST, f"The manifest {error}.")
        return None
    spec = next(
        (s for s in (PUBLIC, INTERNAL) if statement.predicate.get("folder") == s.folder), None
    )
    if statement.predicate_type != MANIFEST_TYPE or spec is None:
        part.fail("manifest_form", MANIFEST, "Is not the manifest of a folder of a bundle.")
        return None
    if part.name not in {"", spec.folder}:
        part.fail("manifest_folder", MANIFEST, f"Is the manifest of another folder, {spec.folder}.")
        return None
    problem = manifest_problem(statement.predicate)
    if problem:
        part.fail("manifest_form", MANIFEST, problem)
        return None
    part.spec, part.manifest = spec, statement.predicate
    part.digest = hashlib.sha256(content).hexdigest()
    part.files += 1
    if STAMPS in files:
        _check_stamps(part, folder, content, authorities, at)
    if part.time is not None:
        opened = open_envelope(content, roots, part.time)
    part.certificate, part.path = opened.certificate, opened.path
    return statement


def _check_stamps(
    part: CheckedPart,
    folder: Path,
    manifest: bytes,
    authorities: Sequence[x509.Certificate],
    at: datetime,
) -> None:
    """Take the time of the manifest from the tokens beside it, as far as they hold."""
    content = read_file(part, folder, STAMPS, MAX_STAMPS)
    if content is None:
        return
    part.files += 1
    part.stamps = check_stamps(manifest, content, authorities, at)
    for code, text in part.stamps.problems:
        part.fail(code, STAMPS, text)
    for code, text in part.stamps.unknown:
        part.fail(code, STAMPS, text, Severity.UNKNOWN)


def _compare(
    part: CheckedPart, folder: Path, files: Sequence[str], statement: Statement
) -> set[str]:
    """Compare the files that are there with those that the manifest lists; return the intact."""
    present, intact = set(files) - {MANIFEST, STAMPS}, set()
    for name, digest in sorted(statement.subjects.items()):
        if not _is_plain(name):
            part.fail("name_unsafe", MANIFEST, f"Lists a name that leads elsewhere: {shown(name)}.")
        elif name not in present:
            part.fail("file_missing", name, "Is missing, although the manifest lists it.")
        else:
            part.files += 1
            try:
                found = sha256(folder / name)
            except OSError as error:
                part.fail("file_unreadable", name, f"Cannot be read ({type(error).__name__}).")
                continue
            if found == digest or _grown(part, folder, name, digest):
                intact.add(name)
            else:
                part.fail("file_changed", name, "Is not the file that was signed.")
    for name in sorted(present - set(statement.subjects)):
        part.fail("file_unlisted", name, "Is not listed in the manifest: nobody vouches for it.")
    return intact


def _open_evidence(
    part: CheckedPart,
    folder: Path,
    manifest: Statement,
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> Statement | None:
    """Return the evidence's statement if it is signed, readable and about this folder."""
    content = read_file(part, folder, EVIDENCE, MAX_ENVELOPE)
    if content is None or part.spec is None or part.manifest is None:
        return None
    if hashlib.sha256(content).hexdigest() != manifest.subjects[EVIDENCE]:
        part.fail("file_changed", EVIDENCE, "Changed while it was read.")
        return None
    opened = open_envelope(content, roots, at)
    if opened.payload is None:
        part.fail("evidence_signature", EVIDENCE, _refused(opened))
        return None
    if opened.certificate != part.certificate:
        part.fail("other_signer", EVIDENCE, "Was not signed by the signer of the manifest.")
        return None
    try:
        statement = parse_statement(opened.payload)
    except ValueError as error:
        part.fail("evidence_form", EVIDENCE, f"The evidence {error}.")
        return None
    if statement.predicate_type != PREDICATE_TYPE:
        part.fail("evidence_form", EVIDENCE, "Is not evidence of a release.")
        return None
    problem = evidence_problem(statement.predicate, public=part.spec.public)
    if problem:
        part.fail("evidence_form", EVIDENCE, problem)
        return None
    part.evidence = statement.predicate
    part.unsigned_sha256 = statement.subjects.get(part.spec.unsigned, "")
    for field_name, expected in (
        ("release.id", part.manifest["release"]),
        ("release.created", part.manifest["created"]),
        ("ledger.head_seq", part.manifest["ledger"]["head_seq"]),
        ("ledger.head_digest", part.manifest["ledger"]["head_digest"]),
    ):
        if value_of(statement.predicate, field_name) != expected:
            part.fail("evidence_release", EVIDENCE, f"{field_name} is not the manifest's.")
    if value_of(statement.predicate, "release.issuer") != opened.signer_name:
        part.fail("evidence_issuer", EVIDENCE, "Names another issuer than the one who signed it.")
    _check_subjects(part, statement, manifest)
    return statement


def _check_subjects(part: CheckedPart, evidence: Statement, manifest: Statement) -> None:
    """The evidence is about exactly the data files that are there, and one document."""
    if part.spec is None:
        return
    subjects = dict(evidence.subjects)
    if subjects.pop(part.spec.unsigned, None) is None:
        part.fail("evidence_subjects", EVIDENCE, "Does not name the document before its signing.")
    sheets = sheets_of(protected=is_protected(evidence.predicate))
    belongs = {part.spec.document, EVIDENCE} | (
        set(sheets) if part.spec.public else _MODEL | set(INTERNAL_SHEETS)
    )
    if part.spec.public:
        belongs |= _DATA & {str(f["name"]) for f in value_of(evidence.predicate, "files.synthetic")}
    for name in sorted(set(manifest.subjects) - belongs):
        part.fail("not_part_of_a_release", name, "Is signed, but does not belong in this folder.")
    if not part.spec.public:
        if subjects:
            part.fail("evidence_subjects", EVIDENCE, "Is about files that are not in this folder.")
        return
    stated = {
        file["name"]: file["sha256"] for file in value_of(evidence.predicate, "files.synthetic")
    }
    if subjects != stated or not stated:
        part.fail("evidence_subjects", EVIDENCE, "Signs other data files than it describes.")
    for name, digest in sorted(stated.items()):
        if manifest.subjects.get(name) != digest:
            part.fail("data_differs", name, "Is not the data that the evidence is about.")


def _grown(part: CheckedPart, folder: Path, name: str, digest: str) -> bool:
    """Say whether a file is the document that was listed, with something signed after it."""
    if part.spec is None or name != part.spec.document or not part.grows:
        return False
    content = read_file(part, folder, name, MAX_PDF)
    return content is not None and has_prefix(content, digest)


def _check_document(
    part: CheckedPart,
    folder: Path,
    manifest: Statement,
    evidence: Statement,
    trust: Trust,
) -> None:
    if part.spec is None or part.certificate is None or part.path is None:
        return
    content = read_file(part, folder, part.spec.document, MAX_PDF)
    if content is None:
        return
    digest = manifest.subjects[part.spec.document]
    part.document_sha256 = hashlib.sha256(content).hexdigest()
    if part.document_sha256 != digest and not (part.grows and has_prefix(content, digest)):
        part.fail("file_changed", part.spec.document, "Changed while it was read.")
        return
    roots, authorities, at = trust
    found = check_pdf(
        content,
        ExpectedPdf(
            attachment=part.spec.attachment,
            content=rfc8785.dumps(dict(evidence.predicate)),
            unsigned_sha256=part.unsigned_sha256,
            signers=ExpectedSigners(
                roles=part.roles,
                pinned=part.pinned,
                level=part.level,
                certificate=part.certificate,
                roots=roots,
                authorities=authorities,
                moment=part.path.moment,
                at=at,
            ),
        ),
    )
    for code, text in found.problems:
        part.fail(code, part.spec.document, text)
    for code, text in found.unknown:
        part.fail(code, part.spec.document, text, Severity.UNKNOWN)
    part.signers = found.signers


def _refused(opened: Opened) -> str:
    """Say why an envelope is not accepted, and who claims to have signed it."""
    claimed = (
        f" It claims to be signed by {shown(opened.signer_name)}." if opened.signer_name else ""
    )
    return f"Is refused: {'; '.join(opened.problems)}.{claimed}"


def _is_plain(name: str) -> bool:
    """Say whether a listed name can only mean a file inside the folder."""
    pure = PurePosixPath(name)
    return (
        name == pure.as_posix()
        and not pure.is_absolute()
        and ".." not in pure.parts
        and "\\" not in name
        and name.isprintable()
        and name not in {".", MANIFEST, STAMPS}
    )
