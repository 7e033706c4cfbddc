"""What verification found: findings that name a file, one verdict, one exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """What a finding does to the verdict."""

    INVALID = "invalid"  #: something that was signed does not hold
    UNKNOWN = "unknown"  #: cannot be known here: time or revocation
    NOTE = "note"  #: to be read, does not change the verdict


class VerificationVerdict(StrEnum):
    """The whole answer."""

    VALID = "VALID"
    INVALID = "INVALID"
    INDETERMINATE = "INDETERMINATE"


_EXIT_CODES = {
    VerificationVerdict.VALID: 0,
    VerificationVerdict.INVALID: 1,
    VerificationVerdict.INDETERMINATE: 6,
}
_SENTENCES = {
    VerificationVerdict.VALID: "everything that was signed holds under a root that you trust.",
    VerificationVerdict.INVALID: "do not rely on this bundle.",
    VerificationVerdict.INDETERMINATE: "nothing was found to be changed, but whether it can be "
    "relied on at this time cannot be known from what was given.",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
        code: Machine name, for example ``file_changed``.
        severity: What it does to the verdict.
        file: File within the bundle, or what else it concerns.
        text: One sentence for a person.
    """

    code: str
    severity: Severity
    file: str
    text: str


@dataclass(frozen=True, kw_only=True)
class VerificationReport:
    """The outcome of verifying one bundle.

    Attributes:
        findings: Everything that was found, worst first; notes do not change the verdict.
        facts: What the signed evidence says, by short label; empty unless everything holds.
    """

    findings: tuple[Finding, ...]
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> VerificationVerdict:
        """INVALID if anything does not hold, else INDETERMINATE if anything cannot be known."""
        severities = {finding.severity for finding in self.findings}
        if Severity.INVALID in severities:
            return VerificationVerdict.INVALID
        if Severity.UNKNOWN in severities:
            return VerificationVerdict.INDETERMINATE
        return VerificationVerdict.VALID

    @property
    def exit_code(self) -> int:
        """0 valid, 1 invalid, 6 indeterminate."""
        return _EXIT_CODES[self.verdict]

    @property
    def sentence(self) -> str:
        """The verdict in words, to follow its name and a colon."""
        return _SENTENCES[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """Return verdict, exit code, facts and findings as plain values."""
        return {
            "verdict": self.verdict.value,
            "exit_code": self.exit_code,
            "facts": dict(self.facts),
            "findings": [
                {"code": f.code, "severity": f.severity.value, "file": f.file, "text": f.text}
                for f in self.findings
            ],
        }


def shown(text: object) -> str:
    """Return text from a bundle so that it cannot steer a terminal or break a line."""
    plain = str(text)
    return plain if plain.isprintable() else ascii(plain)
