"""Verify a bundle offline: each folder by itself, then whether they belong together.

What a bundle holds never raises an exception here: it becomes a finding that names the file. The
trust anchor is the user's; the bundle's own certificates are only ever checked against it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import rfc8785
from cryptography import x509

from dpsynth.errors import InputError, LedgerDamagedError
from dpsynth.signing.chain import common_name
from dpsynth.signing.levels import Level
from dpsynth.signing.manifest import MANIFEST
from dpsynth.signing.trial import is_trial
from dpsynth.verification.checked import EVIDENCE, INTERNAL, PUBLIC, CheckedPart
from dpsynth.verification.evidence import disagreement, facts, lineage_of, value_of
from dpsynth.verification.part import check_part
from dpsynth.verification.report import Finding, Severity, VerificationReport, shown
from dpsynth.verification.status import status_findings


class LedgerLike(Protocol):
    """What verification asks of a ledger."""

    def verify(self, anchors: Sequence[Any] = ()) -> object:
        """Check the ledger and that it holds each anchor; raise LedgerDamagedError if not."""

    def entries(self, lineage: str | None = None) -> Sequence[Any]:
        """Return the entries of a lineage, oldest first."""


def verify_bundle(
    path: Path,
    *,
    roots: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate] = (),
    ledger: LedgerLike | None = None,
    status: bytes | None = None,
    at: datetime | None = None,
    rebuild: bool = False,
) -> VerificationReport:
    """Check everything that is signed in a bundle.

    Args:
        path: The bundle folder, or its ``public`` (or ``internal``) folder alone.
        roots: What the user trusts; never taken from the bundle.
        authorities: Roots of the time-stamping authorities that the user trusts; without any, no
            time is believed.
        ledger: A ledger that must hold the entry which the evidence names, or None.
        status: The issuer's status list, the bytes of its file, or None.
        at: Time for which certificates must be valid, with a time zone; None means now.
        rebuild: Whether to make the documents anew from their evidence and to compare them.

    Raises:
        InputError: There is no such folder, or no root is given.
    """
    if not roots:
        raise InputError(
            "No root certificate is given.", fix="Name what you trust with --trust ROOT.pem."
        )
    try:
        present = path.is_dir()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}).", where=str(path)) from None
    if not present:
        raise InputError(
            "is not a folder.", where=str(path), fix="Give the bundle, or its public folder."
        )
    at = at or datetime.now(UTC)
    findings: list[Finding] = []
    parts: dict[str, CheckedPart] = {}
    try:
        for name, folder in _folders(path, findings).items():
            parts[name] = check_part(folder, name, roots, authorities, at)
            if rebuild:
                _rebuild(parts[name])
            findings += parts[name].findings
    except OSError as error:
        findings.append(
            _invalid("unreadable", path.name, f"Cannot be read ({type(error).__name__}).")
        )
    _check_together(parts, findings)
    if ledger is not None:
        _check_ledger(parts, ledger, findings)
    for part in parts.values():
        _add_notes(part, at, findings)
        if part.evidence is not None:
            findings += status_findings(part.evidence, status, roots=roots, at=at)
    order = list(Severity)
    unique = sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.severity))
    held = all(finding.severity is not Severity.INVALID for finding in unique)
    return VerificationReport(findings=tuple(unique), facts=_facts(parts) if held else {})


def _folders(path: Path, findings: list[Finding]) -> dict[str, Path]:
    """Return the folders to check by name; the name is empty for a folder verified alone."""
    entries = {entry.name: entry for entry in os.scandir(path)}
    if not {PUBLIC.folder, INTERNAL.folder} & set(entries):
        return {"": path}
    folders = {}
    for name, entry in sorted(entries.items(), reverse=True):
        if name in {PUBLIC.folder, INTERNAL.folder} and stat.S_ISDIR(
            entry.stat(follow_symlinks=False).st_mode
        ):
            folders[name] = path / name
        else:
            findings.append(
                _invalid("file_unlisted", shown(name), "Does not belong into a bundle.")
            )
    return folders


def _rebuild(part: CheckedPart) -> None:
    # Only here: laying out takes libraries that reading does not need.
    from dpsynth.verification.rebuild import check_rebuilt

    check_rebuilt(part)


def _check_together(parts: Mapping[str, CheckedPart], findings: list[Finding]) -> None:
    """Check that the two folders of a bundle belong to one release."""
    public, internal = parts.get(PUBLIC.folder), parts.get(INTERNAL.folder)
    if internal is None or internal.manifest is None:
        return
    bound = internal.manifest.get("public_manifest")
    if public is None:
        if bound is not None:
            findings.append(
                _invalid("public_missing", PUBLIC.folder, "Is missing, although it was released.")
            )
        return
    if public.manifest is None:
        return
    where = f"{INTERNAL.folder}/{MANIFEST}"
    if bound != public.digest:
        findings.append(
            _invalid("other_release", where, "Belongs to another public part than the one here.")
        )
    if public.certificate != internal.certificate:
        findings.append(_invalid("other_signer", where, "Was signed by somebody else."))
    if public.evidence is not None and internal.evidence is not None:
        name = disagreement(public.evidence, internal.evidence)
        if name:
            findings.append(
                _invalid(
                    "evidence_differs",
                    f"{INTERNAL.folder}/{EVIDENCE}",
                    f"Says something else than the public evidence about {name}.",
                )
            )


def _check_ledger(
    parts: Mapping[str, CheckedPart], ledger: LedgerLike, findings: list[Finding]
) -> None:
    """Check that the ledger is sound and holds the entry that the manifests name."""
    # Only here: a recipient who has no ledger needs none of its dependencies.
    from dpsynth.privacy.ledger import Head

    anchors = [
        Head(seq=part.manifest["ledger"]["head_seq"], digest=part.manifest["ledger"]["head_digest"])
        for part in parts.values()
        if part.manifest is not None
    ]
    try:
        ledger.verify(anchors)
    except LedgerDamagedError as error:
        findings.append(_invalid("ledger", "ledger", shown(error)))
        return
    for part in parts.values():
        if part.manifest is not None and part.evidence is not None and part.spec is not None:
            problem = _uncommitted(part, ledger)
            if problem:
                findings.append(_invalid("not_committed", "ledger", problem))


def _uncommitted(part: CheckedPart, ledger: LedgerLike) -> str:
    """Say why the ledger does not hold this very release as complete; empty if it does.

    A commit of this release's name must hold the digest of this folder's manifest. The entry that
    the documents name stands between that reservation and its commit; it may belong to another
    release that ran at the same time.
    """
    if part.manifest is None or part.evidence is None or part.spec is None:
        return "The folder could not be read."
    head = part.manifest["ledger"]["head_seq"]
    name = value_of(part.evidence, "release.name")
    for entry in ledger.entries(lineage_of(part.evidence)):
        if (
            entry.kind == "commit"
            and entry.payload["reservation"] < head < entry.seq
            and entry.payload["release"] == name
            and entry.payload["digests"].get(part.spec.folder) == part.digest
        ):
            return ""
    return f"The ledger never committed this {part.spec.folder} part of the release."


def _add_notes(part: CheckedPart, at: datetime, findings: list[Finding]) -> None:
    """Say what the signatures cannot show."""
    if part.certificate is None or part.path is None or part.path.root is None:
        return
    signer = shown(common_name(part.certificate))
    if part.path.expired:
        findings.append(
            Finding(
                code="certificate_time",
                severity=Severity.UNKNOWN,
                file="signatures",
                text=_not_valid_then(part, part.path.moment, signer, at),
            )
        )
    notes = _notes_on_time(part, signer)
    if is_trial(part.path.root):
        notes["trial_authority"] = (
            f"{signer} belongs to a trial authority that its own user made: not for legal use."
        )
    findings += [
        Finding(code=code, severity=Severity.NOTE, file="signatures", text=text)
        for code, text in notes.items()
    ]


def _not_valid_then(part: CheckedPart, moment: datetime, signer: str, at: datetime) -> str:
    """Say at which time the issuer's certificates are not valid, and what follows."""
    certificates = f"The certificates of {signer} are not valid at"
    instead = f"only (for example) at {moment:%Y-%m-%d}."
    if part.time is not None:
        return (
            f"{certificates} {part.time:%Y-%m-%d}, when the manifest was stamped, {instead} "
            "Nobody can tell whether it was signed while they were."
        )
    return (
        f"{certificates} {at:%Y-%m-%d}, {instead} Without a trusted time nobody can tell whether "
        "it was signed while they were. Ask the issuer to sign anew."
    )


def _notes_on_time(part: CheckedPart, signer: str) -> dict[str, str]:
    """Return by code what was not checked of time and revocation."""
    notes = {}
    if not part.level.stamped:
        notes["time_not_trusted"] = (
            "The time of signing is the signer's own statement, and revocation was not looked up: "
            "verification uses no network."
        )
    elif not all(by.time for by in part.signers):
        notes["time_not_trusted"] = (
            "The time stamps are sound, but no authority is named as trusted (--tsa-trust)."
        )
    elif part.time is None:
        notes["manifest_time"] = (
            "Manifest and evidence have no trusted time of their own: once the certificates of "
            f"{signer} have expired, nobody can tell whether they were signed before."
        )
    if part.time is not None:
        notes["revocation"] = (
            f"Whether {signer} was revoked was looked up in the lists that the document holds, for "
            "the time of the document's signature; not again for manifest and evidence."
            if part.level.long_term
            else "Revocation was not looked up: no lists are kept, and verification uses no "
            "network."
        )
    return notes


def _facts(parts: Mapping[str, CheckedPart]) -> dict[str, str]:
    """Return what the most public evidence that can be trusted says."""
    for part in parts.values():
        if part.evidence is None or part.certificate is None or part.path is None:
            continue
        found = {"signer": shown(common_name(part.certificate))}
        if part.path.root is not None:
            found["root"] = shown(common_name(part.path.root))
        if part.level is not Level.B_B:
            found["level"] = part.level.value
        if part.time is not None:
            found["stamped"] = f"{part.time:%Y-%m-%d %H:%M:%S} UTC"
        for by in part.signers:
            when = f" {by.time:%Y-%m-%d %H:%M:%S} UTC" if by.time is not None else ""
            if when or len(part.signers) > 1:
                found[f"signed by {by.role.value}"] = f"{shown(by.name)}{when}"
        found |= facts(part.evidence)
        if part.spec is PUBLIC:
            canonical = rfc8785.dumps(dict(part.evidence))
            found["evidence"] = f"sha256 {hashlib.sha256(canonical).hexdigest()}"
        if part.spec is INTERNAL:
            found["status"] = shown(value_of(part.evidence, "release.status"))
        rebuilt = [each.spec.document for each in parts.values() if each.spec and each.rebuilt]
        if rebuilt:
            found["rebuilt"] = ", ".join(rebuilt)
        found["files"] = str(sum(each.files for each in parts.values()))
        return found
    return {}


def _invalid(code: str, file: str, text: str) -> Finding:
    return Finding(code=code, severity=Severity.INVALID, file=file, text=text)
