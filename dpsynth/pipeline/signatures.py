"""How the documents of a release are signed, as declared: level, time, who, on which paper."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from dpsynth.errors import InputError
from dpsynth.pipeline.settings import ReleaseSettings
from dpsynth.reports.pdf import PAPERS
from dpsynth.signing.keys import load_crls, load_roots
from dpsynth.signing.levels import Assurance, assurance_of
from dpsynth.signing.roles import Role, declared_signers
from dpsynth.signing.timestamp import request_token


@dataclass(frozen=True, kw_only=True)
class DeclaredSignatures:
    """What was declared of signatures.

    Attributes:
        assurance: Level, and what it needs.
        signers: Who signs the certificate, in order, and fingerprints of pinned certificates; the
            internal report is the issuer's alone.
        paper: Size of the pages of both documents.
    """

    assurance: Assurance
    signers: Mapping[Role, str]
    paper: str

    @property
    def roles(self) -> tuple[Role, ...]:
        """Who signs the certificate, in order."""
        return tuple(self.signers)

    @property
    def pinned(self) -> dict[str, str]:
        """Fingerprint by role of those who must sign with one certificate, for the manifest."""
        return {role.value: digits for role, digits in self.signers.items() if digits}

    def ask_authority(self) -> None:
        """Ask for one time stamp, so that an authority that is away is noticed before the budget.

        Raises:
            InputError: It gave none.
        """
        if self.assurance.tsa is not None:
            request_token(hashlib.sha256(b"dpsynth").digest(), self.assurance.tsa)


def declared_signatures(settings: ReleaseSettings) -> DeclaredSignatures:
    """Read what a release declares of its signatures, files included.

    Raises:
        InputError: Something is not known, cannot be read, or lacks what it needs.
    """
    if settings.paper not in PAPERS:
        raise InputError(f"must be one of {', '.join(PAPERS)}.", where="output.paper")
    return DeclaredSignatures(
        assurance=assurance_of(
            settings.level,
            settings.tsa,
            load_roots(settings.certificates) if settings.certificates else (),
            load_crls(settings.crls),
        ),
        signers=declared_signers(settings.roles),
        paper=settings.paper,
    )
