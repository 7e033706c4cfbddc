"""A folder of a bundle while it is checked: what belongs into it, what is known of it so far."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from dpsynth.signing.chain import CertificatePath
from dpsynth.signing.levels import Level
from dpsynth.signing.roles import Role, declared_roles
from dpsynth.signing.stamps import ManifestTime
from dpsynth.verification.pdf_signers import SignedBy
from dpsynth.verification.report import Finding, Severity, shown

EVIDENCE = "evidence.dsse.json"


@dataclass(frozen=True, kw_only=True)
class PartSpec:
    """What belongs into one folder of a bundle.

    Attributes:
        folder: Its name.
        public: Whether it may cross the boundary.
        document: The signed PDF.
        unsigned: Name under which the evidence gives the digest of the PDF before signing.
        attachment: The evidence as attached to the PDF.
    """

    folder: str
    public: bool
    document: str
    unsigned: str
    attachment: str


PUBLIC = PartSpec(
    folder="public",
    public=True,
    document="certificate.pdf",
    unsigned="certificate.unsigned.pdf",
    attachment="evidence.public.json",
)
INTERNAL = PartSpec(
    folder="internal",
    public=False,
    document="report.pdf",
    unsigned="report.unsigned.pdf",
    attachment="evidence.internal.json",
)


@dataclass(kw_only=True)
class CheckedPart:
    """What is known of a folder; a value is set only once it can be trusted.

    Attributes:
        name: How findings call the folder, empty for a folder verified alone.
        findings: What does not hold.
        files: Number of files whose digest was compared.
        spec: Which folder the manifest says it is.
        digest: SHA-256 of the manifest file.
        manifest: Predicate of the manifest.
        stamps: What the time stamps of the manifest prove; None where it has none.
        certificate: The signer.
        path: Its path to a root, at the time that the stamps prove, else at the time asked for.
        evidence: Predicate of the evidence.
        unsigned_sha256: Digest of the document before its signing, as the evidence names it.
        rebuilt: Whether the document was made anew from the evidence and is the same.
        signers: Who signed the document.
        document_sha256: Digest of the document as it is, further signatures included.
    """

    name: str
    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    spec: PartSpec | None = None
    digest: str = ""
    manifest: Mapping[str, Any] | None = None
    stamps: ManifestTime | None = None
    certificate: x509.Certificate | None = None
    path: CertificatePath | None = None
    evidence: Mapping[str, Any] | None = None
    unsigned_sha256: str = ""
    rebuilt: bool = False
    signers: list[SignedBy] = field(default_factory=list)
    document_sha256: str = ""

    @property
    def time(self) -> datetime | None:
        """When manifest and evidence existed at the latest, if a trusted authority says so."""
        return self.stamps.time if self.stamps is not None else None

    @property
    def roles(self) -> tuple[Role, ...]:
        """Who must have signed the document."""
        return declared_roles(self.manifest["signatures"]["roles"]) if self.manifest else ()

    @property
    def pinned(self) -> dict[Role, str]:
        """Fingerprints of the certificates with which further signers must sign."""
        said = self.manifest["signatures"].get("certificates", {}) if self.manifest else {}
        return {Role(name): digits for name, digits in said.items()}

    @property
    def paper(self) -> str:
        """Size of the pages of the document."""
        return str(self.manifest["signatures"]["paper"]) if self.manifest else ""

    @property
    def level(self) -> Level:
        """PAdES level of the document's signatures."""
        return Level(self.manifest["signatures"]["level"]) if self.manifest else Level.B_B

    @property
    def grows(self) -> bool:
        """Whether further signatures or archive stamps may follow what the manifest lists."""
        return len(self.roles) > 1 or self.level is Level.B_LTA

    def fail(self, code: str, file: str, text: str, severity: Severity = Severity.INVALID) -> None:
        """Add a finding against a file of this folder."""
        where = f"{self.name}/{file}" if self.name else file
        self.findings.append(Finding(code=code, severity=severity, file=shown(where), text=text))


def read_file(part: CheckedPart, folder: Path, name: str, limit: int) -> bytes | None:
    """Read a file of limited size, never through a link."""
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        part.fail("file_unreadable", name, f"Cannot be read ({type(error).__name__}).")
        return None
    if len(content) > limit:
        part.fail("file_too_large", name, "Is larger than such a file can be.")
        return None
    return content
