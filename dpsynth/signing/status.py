"""The issuer's signed list of releases that were withdrawn, superseded or reviewed.

A certificate cannot be called back from those who hold it. So an issuer publishes one small file, a
DSSE envelope around an in-toto statement whose subject is the issuer's certificate, with one entry
for each release about which something changed. It carries a number that only grows, the digest of
the list before it, and the time until which it may be relied on: whoever hides a newer list can do
so until then and no longer.

Never true here: an entry that brings a withdrawn release back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from cryptography import x509

from dpsynth.errors import InputError
from dpsynth.signing.chain import fingerprint
from dpsynth.signing.dsse import open_envelope, sign_envelope
from dpsynth.signing.keys import Signer
from dpsynth.signing.statement import parse_statement, statement

STATUS_TYPE = "https://dpsynth.org/attestation/release-status/v1"
RELEASE_ID = re.compile(r"DPS-[0-9]{4}-[0-9A-F]{10}")
MOST_DAYS = 400  #: a list may be relied on for so long at most
_SUBJECT = "issuer certificate"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_LONGEST = 500


class ReleaseStatus(StrEnum):
    """What became of a release after it was issued."""

    WITHDRAWN = "withdrawn"  #: must not be relied on; final
    SUPERSEDED = "superseded"  #: another release takes its place
    REVIEWED = "reviewed"  #: looked at again, and confirmed until a date


@dataclass(frozen=True, kw_only=True)
class StatusEntry:
    """What the list says about one release.

    Attributes:
        release: Its certificate number.
        status: What became of it.
        since: Day on which that was decided.
        reason: Why, in a sentence.
        superseded_by: Certificate number of the release in its place, else empty.
        review_by: Day by which a reviewed release is to be reviewed again, else None.
    """

    release: str
    status: ReleaseStatus
    since: date
    reason: str
    superseded_by: str = ""
    review_by: date | None = None

    def __post_init__(self) -> None:
        """Refuse an entry that says too little or two things at once."""
        if not RELEASE_ID.fullmatch(self.release):
            raise InputError(
                "is no certificate number.", where=self.release[:40], fix="DPS-2026-0123456789."
            )
        if not self.reason.strip() or len(self.reason) > _LONGEST or not self.reason.isprintable():
            raise InputError(
                f"must be one line of 1 to {_LONGEST} characters.", where="the reason of a status"
            )
        superseded = self.status is ReleaseStatus.SUPERSEDED
        if superseded is not bool(RELEASE_ID.fullmatch(self.superseded_by)) or (
            self.superseded_by == self.release
        ):
            raise InputError(
                "names the certificate number of another release, and no other status does.",
                where="a superseded release",
            )
        if (self.status is ReleaseStatus.REVIEWED) is not (self.review_by is not None):
            raise InputError(
                "has a date for the next review, and no other status has.", where="a reviewed one"
            )


@dataclass(frozen=True, kw_only=True)
class StatusList:
    """One edition of an issuer's list.

    Attributes:
        issuer: Common name of the certificate that signed it.
        number: 1 for the first edition, one more for each further.
        previous: SHA-256 of the file of the edition before it, empty for the first.
        issued: When it was signed, by the signer's clock; UTC.
        next_update: When the next edition is due at the latest; UTC.
        entries: One for each release about which something is said.
    """

    issuer: str
    number: int
    previous: str
    issued: datetime
    next_update: datetime
    entries: tuple[StatusEntry, ...]

    def entry(self, release: str) -> StatusEntry | None:
        """Return what it says about a release; None where it says nothing."""
        return next((e for e in self.entries if e.release == release), None)


@dataclass(frozen=True, kw_only=True)
class OpenedStatus:
    """A list that was opened: the list and its signer, or why it is not accepted."""

    content: StatusList | None = None
    certificate: x509.Certificate | None = None
    expired: bool = False
    problem: str = ""


def first_edition(issuer: str, *, issued: datetime, days: int) -> StatusList:
    """Return an empty list, valid for so many days."""
    return StatusList(
        issuer=issuer,
        number=1,
        previous="",
        issued=_whole(issued),
        next_update=_due(issued, days),
        entries=(),
    )


def next_edition(
    content: bytes, known: StatusList, entry: StatusEntry | None, *, issued: datetime, days: int
) -> StatusList:
    """Return the edition after `known`, with one entry added or replaced.

    Args:
        content: The file of the edition before, for its digest.
        known: The same, opened.
        entry: What is new, or None to say only that nothing changed.
        issued: Time of the new edition.
        days: How long it may be relied on.

    Raises:
        InputError: A withdrawn release would come back.
    """
    entries = known.entries
    if entry is not None:
        before = known.entry(entry.release)
        if before is not None and before.status is ReleaseStatus.WITHDRAWN:
            raise InputError("was withdrawn, and that is final.", where=entry.release)
        kept = [e for e in entries if e.release != entry.release]
        entries = tuple(sorted([*kept, entry], key=lambda e: e.release))
    return replace(
        known,
        number=known.number + 1,
        previous=hashlib.sha256(content).hexdigest(),
        issued=_whole(issued),
        next_update=_due(issued, days),
        entries=entries,
    )


def sign_status(content: StatusList, signer: Signer) -> bytes:
    """Return the file of a list, signed.

    Raises:
        InputError: Another issuer made the list before.
    """
    if content.issuer != signer.name:
        raise InputError(
            f"belongs to {content.issuer}, and the key to {signer.name}.",
            where="the status list",
            fix="Use the issuer's own key; a renewed certificate keeps the common name.",
        )
    predicate = {
        "issuer": content.issuer,
        "number": content.number,
        "previous": content.previous,
        "issued": content.issued.strftime(_TIME),
        "nextUpdate": content.next_update.strftime(_TIME),
        "releases": [_entry_json(entry) for entry in content.entries],
    }
    subjects = {_SUBJECT: fingerprint(signer.certificate)}
    return sign_envelope(statement(subjects, STATUS_TYPE, predicate), signer)


def open_status(content: bytes, roots: Sequence[x509.Certificate], at: datetime) -> OpenedStatus:
    """Open the file of a list. Never raises on what it holds.

    Args:
        content: The file.
        roots: What the user trusts.
        at: Time for which the certificates must be valid.
    """
    opened = open_envelope(content, roots, at)
    if opened.payload is None or opened.certificate is None or opened.path is None:
        return OpenedStatus(problem="; ".join(opened.problems) or "cannot be opened")
    try:
        found = parse_statement(opened.payload)
        if found.predicate_type != STATUS_TYPE:
            raise ValueError("is not a status list")
        if found.subjects != {_SUBJECT: fingerprint(opened.certificate)}:
            raise ValueError("is about another certificate than the one that signed it")
        listed = _parse(found.predicate)
        if listed.issuer != opened.signer_name:
            raise ValueError("names another issuer than the one who signed it")
    except (InputError, ValueError) as error:
        return OpenedStatus(problem=str(error))
    return OpenedStatus(content=listed, certificate=opened.certificate, expired=opened.path.expired)


def _parse(tree: Mapping[str, Any]) -> StatusList:
    """Read the predicate of a list; ValueError or InputError says what is wrong."""
    match tree:
        case {
            "issuer": str(issuer),
            "number": int(number),
            "previous": str(previous),
            "issued": str(issued),
            "nextUpdate": str(due),
            "releases": list(entries),
            **extra,
        } if not extra and number >= 1 and bool(previous) is (number > 1):
            pass
        case _:
            raise ValueError("is not built like a status list")
    found = tuple(_parse_entry(entry) for entry in entries)
    if len({entry.release for entry in found}) != len(found):
        raise ValueError("says two things about one release")
    listed = StatusList(
        issuer=issuer,
        number=number,
        previous=previous,
        issued=datetime.strptime(issued, _TIME).replace(tzinfo=UTC),
        next_update=datetime.strptime(due, _TIME).replace(tzinfo=UTC),
        entries=found,
    )
    if not listed.issued < listed.next_update <= listed.issued + timedelta(days=MOST_DAYS):
        raise ValueError("is valid for a time that no list may be valid for")
    return listed


def _parse_entry(tree: Any) -> StatusEntry:
    match tree:
        case {
            "release": str(release),
            "status": str(status),
            "since": str(since),
            "reason": str(reason),
            **extra,
        } if set(extra) <= {"supersededBy", "reviewBy"}:
            due = extra.get("reviewBy")
            return StatusEntry(
                release=release,
                status=ReleaseStatus(status),
                since=date.fromisoformat(since),
                reason=reason,
                superseded_by=str(extra.get("supersededBy", "")),
                review_by=None if due is None else date.fromisoformat(str(due)),
            )
        case _:
            raise ValueError("has an entry that is not built like one")


def _entry_json(entry: StatusEntry) -> dict[str, str]:
    out = {
        "release": entry.release,
        "status": entry.status.value,
        "since": entry.since.isoformat(),
        "reason": entry.reason,
    }
    if entry.superseded_by:
        out["supersededBy"] = entry.superseded_by
    if entry.review_by is not None:
        out["reviewBy"] = entry.review_by.isoformat()
    return out


def _due(issued: datetime, days: int) -> datetime:
    if not 1 <= days <= MOST_DAYS:
        raise InputError(f"must lie between 1 and {MOST_DAYS}.", where="--days")
    return _whole(issued) + timedelta(days=days)


def _whole(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)
