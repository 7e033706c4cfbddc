"""What became of a release after it was issued, as far as a verifier can know.

A signature that holds says that a document was issued, not that its issuer still stands by it. The
issuer's status list says that; without one, or with one that is too old, it is not known, and a
date by which the release was to be reviewed does not pass unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from cryptography import x509

from dpsynth.signing.status import OpenedStatus, ReleaseStatus, StatusEntry, open_status
from dpsynth.verification.evidence import value_of
from dpsynth.verification.report import Finding, Severity, shown

FILE = "status list"
_CLOCKS_DIFFER = timedelta(hours=24)


def status_findings(
    evidence: Mapping[str, Any],
    content: bytes | None,
    *,
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> list[Finding]:
    """Return what a status list, or the lack of one, says about a release.

    Args:
        evidence: Evidence of the release, checked.
        content: The file of the list, or None where there is none.
        roots: What the user trusts.
        at: The time for which it is asked.
    """
    release = str(value_of(evidence, "release.id"))
    if content is None:
        note = _finding(
            "status_not_known",
            Severity.NOTE,
            "Whether the issuer withdrew this release since is not known here: ask the issuer for "
            "its status list and give it with --status.",
        )
        return [note, *_review(evidence, None, at)]
    opened = open_status(content, roots, at)
    if opened.content is None:
        problem = f"Is refused: {shown(opened.problem)}."
        return [_finding("status_refused", Severity.INVALID, problem)]
    findings = [*_usable(opened, evidence, at)]
    if any(found.severity is Severity.INVALID for found in findings):
        return findings
    entry = opened.content.entry(release)
    if entry is not None and entry.status is not ReleaseStatus.REVIEWED:
        return [*findings, _against(entry)]
    return [*findings, *_review(evidence, entry, at)]


def _usable(opened: OpenedStatus, evidence: Mapping[str, Any], at: datetime) -> list[Finding]:
    """Return why a list that was opened says little or nothing about this release at this time."""
    listed = opened.content
    if listed is None:
        return []
    if listed.issuer != value_of(evidence, "release.issuer"):
        return [
            _finding(
                "status_of_another",
                Severity.INVALID,
                f"Is the list of {shown(listed.issuer)}, who did not issue this release.",
            )
        ]
    findings = []
    if opened.expired:
        findings.append(
            _finding(
                "status_certificate_time",
                Severity.UNKNOWN,
                "The certificate that signed the list is not valid at this time.",
            )
        )
    if listed.issued > at + _CLOCKS_DIFFER:
        findings.append(
            _finding(
                "status_from_the_future",
                Severity.UNKNOWN,
                f"Says that it was issued on {listed.issued:%Y-%m-%d}, which is yet to come.",
            )
        )
    if listed.next_update < at:
        findings.append(
            _finding(
                "status_outdated",
                Severity.UNKNOWN,
                f"Was to be replaced by {listed.next_update:%Y-%m-%d}: what happened since is not "
                "known. Ask the issuer for the newest list.",
            )
        )
    return findings


def _against(entry: StatusEntry) -> Finding:
    since = f"{entry.since:%Y-%m-%d}"
    if entry.status is ReleaseStatus.WITHDRAWN:
        return _finding(
            "withdrawn",
            Severity.INVALID,
            f"The issuer withdrew this release on {since}: {shown(entry.reason)}",
        )
    return _finding(
        "superseded",
        Severity.INVALID,
        f"The issuer replaced this release on {since} by {shown(entry.superseded_by)}: "
        f"{shown(entry.reason)}",
    )


def _review(evidence: Mapping[str, Any], entry: StatusEntry | None, at: datetime) -> list[Finding]:
    """Return a finding where the review of a release is overdue."""
    stated = str(value_of(evidence, "release.review_by"))
    try:
        due = date.fromisoformat(stated)
    except ValueError:
        return [_finding("review_date", Severity.UNKNOWN, "The date of the review is no date.")]
    if entry is not None and entry.review_by is not None:
        due = max(due, entry.review_by)
    if at.date() <= due:
        return []
    return [
        _finding(
            "review_overdue",
            Severity.UNKNOWN,
            f"This release was to be reviewed by {due:%Y-%m-%d}, and nothing here says that it "
            "was. Ask the issuer for a status list that confirms it.",
        )
    ]


def _finding(code: str, severity: Severity, text: str) -> Finding:
    return Finding(code=code, severity=severity, file=FILE, text=text)
