"""What is signed after a release: the next declared signer, and the renewal of time stamps.

Both append to a document, or to the time stamps of a manifest, and change no byte of what was
there, so the issuer's manifest, and the ledger that holds its digest, stay as they are. Never true
here: a signature under something that was not verified first, or a file that is worse than the one
it replaces.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dpsynth.errors import InputError, SelfTestError
from dpsynth.newfile import replace_bytes, unwritable
from dpsynth.pipeline.package import seal
from dpsynth.reports.sign import renew_archive, sign_pdf
from dpsynth.signing.chain import fingerprint
from dpsynth.signing.keys import Signer
from dpsynth.signing.levels import Assurance, Level
from dpsynth.signing.manifest import MANIFEST, STAMPS, sha256
from dpsynth.signing.roles import Role
from dpsynth.signing.stamps import add_stamp
from dpsynth.signing.timestamp import Authorities
from dpsynth.verification.checked import INTERNAL, PUBLIC, CheckedPart
from dpsynth.verification.evidence import value_of
from dpsynth.verification.part import check_part
from dpsynth.verification.report import Severity

Files = Mapping[str, bytes]  #: what a folder gets, by name, in the order of writing


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """What the person who runs the command trusts.

    Attributes:
        roots: Root certificates of signers.
        authorities: Root certificates of time-stamping authorities.
    """

    roots: Authorities
    authorities: Authorities = ()


def countersign(
    bundle: Path, *, role: Role, signer: Signer, assurance: Assurance, trusted: Trusted
) -> tuple[Role, ...]:
    """Sign a bundle's certificate in the field of a role, after verifying everything public.

    Args:
        bundle: The bundle folder, or its public folder alone.
        role: The next declared role.
        signer: Who signs.
        assurance: What the signature needs; its level must be the document's.
        trusted: What the earlier signatures must lead to.

    Returns:
        The roles that have still to sign.

    Raises:
        InputError: It is not this role's turn, another certificate was declared for it, or
            something in the bundle does not hold.
    """
    folder = bundle / PUBLIC.folder if (bundle / PUBLIC.folder).is_dir() else bundle
    path = folder / PUBLIC.document

    def sign(part: CheckedPart, document: bytes) -> Files:
        waiting = part.roles[len(part.signers) :]
        if not waiting or waiting[0] is not role:
            whose = f"It is the turn of the {waiting[0].words}" if waiting else "Everybody signed"
            raise InputError(f"{whose}; the {role.words} cannot sign now.", where=str(path))
        if part.pinned.get(role, fingerprint(signer.certificate)) != fingerprint(
            signer.certificate
        ):
            raise InputError(
                f"is not the certificate that the issuer declared for the {role.words}.",
                where="--key",
                fix="Sign with the declared one. Whoever changes it needs a new release.",
            )
        if assurance.level is not part.level:
            raise InputError(
                f"The issuer declared level {part.level}, not {assurance.level}.",
                where="--level",
                fix="Name a time-stamping authority with --tsa where the level needs one.",
            )
        identity = str(value_of(part.evidence or {}, "release.id"))
        signed = sign_pdf(
            document,
            signer,
            lines=seal(signer.name, identity, part.roles),
            role=role,
            roles=part.roles,
            assurance=assurance,
        )
        return {PUBLIC.document: signed}

    part = _append(folder, sign, trusted)
    return part.roles[len(part.signers) :]


def renew(bundle: Path, *, assurance: Assurance, trusted: Trusted) -> tuple[Path, ...]:
    """Put a new time stamp over every document and every manifest of a bundle at level B-LTA.

    Folder by folder, the public one first. Both stamps of a folder are there before either is
    written: the document first, then the manifest's. Whatever stops in between leaves stamps that
    hold, some of them renewed; the next call renews all.

    Args:
        bundle: The bundle folder, or one of its two folders.
        assurance: The authority, and certificates and revocation lists of the last one.
        trusted: What all signatures and stamps must lead to.

    Returns:
        The files that were renewed.

    Raises:
        InputError: A document has no archive stamp, something does not hold, or an authority gave
            no stamp.
    """
    tsa = assurance.tsa
    if tsa is None:
        raise InputError("is not given.", where="--tsa")
    names = (PUBLIC.folder, INTERNAL.folder)
    folders = [bundle / name for name in names if (bundle / name).is_dir()] or [bundle]
    return tuple(path for each in folders for path in _renew(each, assurance, tsa, trusted))


def _renew(folder: Path, assurance: Assurance, tsa: str, trusted: Trusted) -> Sequence[Path]:
    """Renew one folder; return the files that grew."""

    def stamp(part: CheckedPart, document: bytes) -> Files:
        if part.level is not Level.B_LTA or part.spec is None:
            raise InputError(f"is of level {part.level}: only B-LTA is renewed.", where=str(folder))
        manifest = (folder / MANIFEST).read_bytes()
        if hashlib.sha256(manifest).hexdigest() != part.digest:
            raise InputError("changed while it was read.", where=str(folder / MANIFEST))
        earlier = None if part.stamps is None else (folder / STAMPS).read_bytes()
        return {
            part.spec.document: renew_archive(document, assurance),
            STAMPS: add_stamp(manifest, earlier, tsa),
        }

    part = _append(folder, stamp, trusted)
    return [folder / part.spec.document, folder / STAMPS] if part.spec is not None else []


def _append(
    folder: Path, grow: Callable[[CheckedPart, bytes], Files], trusted: Trusted
) -> CheckedPart:
    """Verify a folder, replace its document and what `grow` gives by it, and verify again."""
    part = _verified(folder, trusted)
    if part.spec is None:
        raise InputError("is not a folder of a bundle.", where=str(folder))
    path = folder / part.spec.document
    document = path.read_bytes()
    if hashlib.sha256(document).hexdigest() != part.document_sha256:
        raise InputError("changed while it was read.", where=str(path))
    grown = grow(part, document)
    before = {n: (folder / n).read_bytes() if (folder / n).exists() else None for n in grown}
    try:
        for name, content in grown.items():
            _replace(folder / name, content)
        after = _verified(folder, trusted)
        for name, content in grown.items():
            if sha256(folder / name) != hashlib.sha256(content).hexdigest():
                raise SelfTestError(f"{name} is not what was written.")
    except (InputError, SelfTestError):
        for name, held in before.items():
            if held is None:
                (folder / name).unlink(missing_ok=True)
            else:
                _replace(folder / name, held)
        raise
    return after


def _verified(folder: Path, trusted: Trusted) -> CheckedPart:
    """Return a folder in which everything holds; only later signers may be missing."""
    try:
        part = check_part(folder, "", trusted.roots, trusted.authorities, datetime.now(UTC))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}).", where=str(folder)) from None
    for finding in part.findings:
        if finding.severity is not Severity.NOTE and finding.code != "pdf_signer_missing":
            raise InputError(
                f"{finding.text} [{finding.code}]",
                where=finding.file,
                fix="Nothing was signed. `dpsynth verify` tells everything that does not hold.",
            )
    return part


def _replace(path: Path, content: bytes) -> None:
    """Put a whole new file in the place of another."""
    try:
        replace_bytes(path, content)
    except OSError as error:
        raise unwritable(path, error) from None
