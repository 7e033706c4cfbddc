"""Signed PDFs of any level with any declared signers, and what a verifier expects of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bundle_builder import render
from certificates import KINDS, CertificateAuthority, revocation_list
from dpsynth.reports.sign import sign_pdf
from time_authority import Authority

from dpsynth.signing.keys import Signer
from dpsynth.signing.levels import Assurance, Level
from dpsynth.signing.roles import Role
from dpsynth.verification.pdf import ExpectedPdf
from dpsynth.verification.pdf_signers import ExpectedSigners

EVIDENCE = b'{"epsilon":"1"}'
NAME = "evidence.public.json"
ALL = (Role.ISSUER, Role.EXPERT, Role.DPO)
TWO = (Role.ISSUER, Role.DPO)


@dataclass
class World:
    """An authority for signers, one for time that answers at `url`, and the signers."""

    authority: CertificateAuthority
    time: Authority
    url: str
    made: dict[tuple[Role, str], Signer] = field(default_factory=dict)
    files: dict[tuple[Any, ...], Signed] = field(default_factory=dict)

    def signer(self, role: Role, kind: str = "P-256") -> Signer:
        """Return the signer of a role; the same one each time."""
        if (role, kind) not in self.made:
            self.made[role, kind] = self.authority.signer(f"Somebody, {role.words}", kind)
        return self.made[role, kind]

    def assurance(self, level: Level) -> Assurance:
        """Return what signing at a level needs."""
        return Assurance(
            level=level,
            tsa=self.url if level.stamped else None,
            certificates=(self.authority.root, self.time.root),
            crls=(self.authority.crl(), revocation_list(self.time.root, self.time.root_key)),
        )

    def sign(
        self, pdf: bytes, role: Role, roles: Sequence[Role], level: Level, signer: Signer
    ) -> bytes:
        """Return a PDF with one more signature."""
        return sign_pdf(
            pdf,
            signer,
            lines=["Signed", "REL-1"],
            role=role,
            roles=roles,
            assurance=self.assurance(level),
        )

    def make(
        self,
        roles: Sequence[Role],
        level: Level,
        *,
        kind: str = "P-256",
        signs: Sequence[Role] | None = None,
        body: str = "Certificate",
    ) -> Signed:
        """Return a signed file, made once; `signs` leaves signers out or changes their order."""
        known = (tuple(roles), level, kind, None if signs is None else tuple(signs), body)
        if known not in self.files:
            self.files[known] = self._make(*known)
        return self.files[known]

    def _make(
        self,
        roles: tuple[Role, ...],
        level: Level,
        kind: str,
        signs: tuple[Role, ...] | None,
        body: str,
    ) -> Signed:
        unsigned = pdf = render(NAME, EVIDENCE, body, roles)
        revisions = [pdf]
        for role in roles if signs is None else signs:
            pdf = self.sign(pdf, role, roles, level, self.signer(role, kind))
            revisions.append(pdf)
        now = datetime.now(UTC)
        expected = ExpectedPdf(
            attachment=NAME,
            content=EVIDENCE,
            unsigned_sha256=hashlib.sha256(unsigned).hexdigest(),
            signers=ExpectedSigners(
                roles=roles,
                level=level,
                certificate=self.signer(Role.ISSUER, kind).certificate,
                roots=[self.authority.root],
                authorities=[self.time.root] if level.stamped else [],
                moment=now,
                at=now,
            ),
        )
        return Signed(pdf, expected, revisions)


@dataclass(frozen=True)
class Signed:
    """A signed file, what is expected of it, and the files before each signature."""

    pdf: bytes
    expected: ExpectedPdf
    revisions: list[bytes]

    def expecting(self, **changes: Any) -> ExpectedPdf:
        """Return the expectation with other signers."""
        return replace(self.expected, signers=replace(self.expected.signers, **changes))


def kinds_of(level: Level, count: int) -> str:
    """Return the kind of key for a level and a number of signers: each kind meets each of them."""
    return KINDS[(list(Level).index(level) + count) % len(KINDS)]
