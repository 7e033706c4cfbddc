"""A release that holds, and what its issuer says about it since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from bundle_builder import Issuer, make_issuer, write_bundle

from dpsynth.signing.dsse import sign_envelope
from dpsynth.signing.statement import parse_statement, statement
from dpsynth.signing.status import (
    STATUS_TYPE,
    ReleaseStatus,
    StatusEntry,
    StatusList,
    first_edition,
    sign_status,
)
from dpsynth.verification import VerificationReport, verify_bundle

RELEASE, OTHER = "DPS-2026-0123456789", "DPS-2026-ABCDEF0123"
TODAY = datetime.now(UTC).date()


def now() -> datetime:
    """The time of the test: certificates of its fixtures begin later than this file was read."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Path:
    return write_bundle(tmp_path_factory.mktemp("released") / "bundle", issuer, RELEASE)


def entry(status: ReleaseStatus, release: str = RELEASE, **more: object) -> StatusEntry:
    return StatusEntry(release=release, status=status, since=TODAY, reason="Because.", **more)  # type: ignore[arg-type]


def edition(issuer: Issuer, *entries: StatusEntry, days: int = 30) -> StatusList:
    listed = first_edition(issuer.signer.name, issued=now() - timedelta(hours=1), days=days)
    return replace(listed, entries=entries)


def verified(
    bundle: Path, issuer: Issuer, status: bytes | None, at: datetime | None = None
) -> VerificationReport:
    return verify_bundle(bundle, roots=issuer.roots, status=status, at=at or now())


def codes(report: VerificationReport) -> set[str]:
    return {f.code for f in report.findings} - {"time_not_trusted", "trial_authority"}


def test_without_a_list_it_is_said_that_nothing_is_known(released: Path, issuer: Issuer) -> None:
    report = verified(released, issuer, None)
    assert (codes(report), report.exit_code) == ({"status_not_known"}, 0)


@pytest.mark.parametrize(
    ("entries", "found", "exit_code"),
    [
        ((), set(), 0),
        ((entry(ReleaseStatus.WITHDRAWN, OTHER),), set(), 0),
        ((entry(ReleaseStatus.WITHDRAWN),), {"withdrawn"}, 1),
        ((entry(ReleaseStatus.SUPERSEDED, superseded_by=OTHER),), {"superseded"}, 1),
        ((entry(ReleaseStatus.REVIEWED, review_by=date(2037, 1, 1)),), set(), 0),
    ],
)
def test_the_list_decides(
    released: Path,
    issuer: Issuer,
    entries: tuple[StatusEntry, ...],
    found: set[str],
    exit_code: int,
) -> None:
    report = verified(released, issuer, sign_status(edition(issuer, *entries), issuer.signer))
    assert (codes(report), report.exit_code) == (found, exit_code)


def test_a_list_that_is_too_old_leaves_it_open(released: Path, issuer: Issuer) -> None:
    content = sign_status(edition(issuer, days=2), issuer.signer)
    report = verified(released, issuer, content, now() + timedelta(days=3))
    assert (codes(report), report.exit_code) == ({"status_outdated"}, 6)
    gone = sign_status(edition(issuer, entry(ReleaseStatus.WITHDRAWN), days=2), issuer.signer)
    report = verified(released, issuer, gone, now() + timedelta(days=3))
    assert report.exit_code == 1, "what was withdrawn stays so, however old the list"


def test_a_list_from_the_future_leaves_it_open(released: Path, issuer: Issuer) -> None:
    listed = replace(
        edition(issuer), issued=now() + timedelta(days=3), next_update=now() + timedelta(days=9)
    )
    report = verified(released, issuer, sign_status(listed, issuer.signer))
    assert (codes(report), report.exit_code) == ({"status_from_the_future"}, 6)


def test_an_overdue_review_is_found_and_a_review_settles_it(tmp_path: Path, released: Path) -> None:
    issuer = make_issuer(tmp_path / "keys", "Example Hospital", days=3650)
    bundle = write_bundle(tmp_path / "bundle", issuer, RELEASE)
    late = datetime(2036, 1, 2, tzinfo=UTC)
    assert codes(verified(bundle, issuer, None, late)) >= {"review_overdue"}

    def at_late(*entries: StatusEntry) -> VerificationReport:
        listed = replace(
            edition(issuer, *entries),
            issued=late - timedelta(days=1),
            next_update=late + timedelta(days=1),
        )
        return verified(bundle, issuer, sign_status(listed, issuer.signer), late)

    report = at_late()
    assert (codes(report), report.exit_code) == ({"review_overdue"}, 6)
    report = at_late(entry(ReleaseStatus.REVIEWED, review_by=date(2036, 12, 31)))
    assert (codes(report), report.exit_code) == (set(), 0)


def test_the_list_of_another_issuer_says_nothing(
    released: Path, issuer: Issuer, stranger: Issuer
) -> None:
    content = sign_status(edition(stranger), stranger.signer)
    report = verified(released, issuer, content)
    assert (codes(report), report.exit_code) == ({"status_refused"}, 1)
    trusted = verify_bundle(
        released, roots=[*issuer.roots, *stranger.roots], status=content, at=now()
    )
    assert (codes(trusted), trusted.exit_code) == ({"status_of_another"}, 1)


def _predicate(content: bytes) -> dict[str, object]:
    import base64
    import json

    return dict(parse_statement(base64.b64decode(json.loads(content)["payload"])).predicate)


TAMPERED: dict[str, Callable[[dict[str, object]], object]] = {
    "issuer": lambda tree: tree.update(issuer="Somebody Else"),
    "number": lambda tree: tree.update(number=0),
    "first with a predecessor": lambda tree: tree.update(previous="ab" * 32),
    "valid for ever": lambda tree: tree.update(nextUpdate="2999-01-01T00:00:00Z"),
    "due before it was issued": lambda tree: tree.update(nextUpdate="2000-01-01T00:00:00Z"),
    "no time": lambda tree: tree.update(issued="yesterday"),
    "a key too many": lambda tree: tree.update(more=1),
    "a key too few": lambda tree: tree.pop("releases"),
    "an unknown status": lambda tree: tree.update(
        releases=[{"release": RELEASE, "status": "fine", "since": "2026-01-01", "reason": "x"}]
    ),
    "two words about one": lambda tree: tree.update(
        releases=[
            {"release": RELEASE, "status": "withdrawn", "since": "2026-01-01", "reason": reason}
            for reason in "ab"
        ]
    ),
    "superseded by nothing": lambda tree: tree.update(
        releases=[
            {"release": RELEASE, "status": "superseded", "since": "2026-01-01", "reason": "x"}
        ]
    ),
    "a hidden character": lambda tree: tree.update(
        releases=[
            {"release": RELEASE, "status": "withdrawn", "since": "2026-01-01", "reason": "\u202ex"}
        ]
    ),
}


@pytest.mark.parametrize("fault", TAMPERED)
def test_a_list_that_is_not_built_like_one_is_refused(
    fault: str, released: Path, issuer: Issuer
) -> None:
    """Signed by the issuer, so nothing but the reading of the list can refuse it."""
    tree = _predicate(sign_status(edition(issuer), issuer.signer))
    TAMPERED[fault](tree)
    from dpsynth.signing.chain import fingerprint

    subjects = {"issuer certificate": fingerprint(issuer.signer.certificate)}
    content = sign_envelope(statement(subjects, STATUS_TYPE, tree), issuer.signer)
    report = verified(released, issuer, content)
    assert (codes(report), report.exit_code) == ({"status_refused"}, 1)


def test_a_flipped_bit_anywhere_is_refused(released: Path, issuer: Issuer) -> None:
    content = sign_status(edition(issuer, entry(ReleaseStatus.WITHDRAWN)), issuer.signer)
    for place in range(0, len(content), max(1, len(content) // 12)):
        changed = bytes([*content[:place], content[place] ^ 1, *content[place + 1 :]])
        report = verified(released, issuer, changed)
        assert report.exit_code == 1 and codes(report) == {"status_refused"}
    other = sign_envelope(statement({"a": "ab" * 32}, STATUS_TYPE, {}), issuer.signer)
    assert codes(verified(released, issuer, other)) == {"status_refused"}
