"""Trusted time of a manifest: who vouches for it, for how long, and every way to get it wrong."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rfc8785
from bundle_builder import Issuer, stamp_manifest, write_bundle, write_manifest
from certificates import CertificateAuthority
from cryptography.hazmat.primitives.serialization import Encoding
from time_authority import Authority, serving

from dpsynth.signing.levels import Assurance, Level
from dpsynth.signing.manifest import MANIFEST, STAMPS
from dpsynth.signing.stamps import MAX_STAMPS
from dpsynth.verification import Severity, VerificationReport, VerificationVerdict, verify_bundle

VALID, INVALID, OPEN = (VerificationVerdict(v) for v in ("VALID", "INVALID", "INDETERMINATE"))
SOON, LATE, VERY_LATE = (timedelta(days=days) for days in (100, 500, 5000))


@dataclass(frozen=True)
class Times:
    """Two authorities, good for 365 and 3,650 days, and where they answer."""

    old: Authority
    new: Authority
    old_url: str
    new_url: str


@pytest.fixture(scope="module")
def times() -> Iterator[Times]:
    old, new = Authority.make("Old time"), Authority.make("New time", days=3650)
    with serving(old) as old_url, serving(new) as new_url:
        yield Times(old, new, old_url, new_url)


@pytest.fixture(scope="module")
def brief() -> Issuer:
    """An issuer whose certificate is good for 30 days, below a root that is for 3,650."""
    authority = CertificateAuthority.make("Hospital root")
    return Issuer(authority.signer("Hospital"), [authority.root])


@pytest.fixture(scope="module")
def stamped(tmp_path_factory: pytest.TempPathFactory, brief: Issuer, times: Times) -> Path:
    folder = tmp_path_factory.mktemp("stamped") / "bundle"
    return write_bundle(folder, brief, assurance=Assurance(level=Level.B_T, tsa=times.old_url))


@pytest.fixture
def bundle(stamped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stamped, tmp_path / "bundle"))


def check(
    bundle: Path, issuer: Issuer, *authorities: Authority, after: timedelta = timedelta(0)
) -> VerificationReport:
    return verify_bundle(
        bundle,
        roots=issuer.roots,
        authorities=[each.root for each in authorities],
        at=datetime.now(UTC) + after,
    )


def codes(report: VerificationReport, severity: Severity) -> set[tuple[str, str]]:
    return {(f.code, f.file.split("/")[-1]) for f in report.findings if f.severity is severity}


def rewrite(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the tokens of a file of stamps and write it as the product does."""
    held = [base64.b64decode(token) for token in json.loads(path.read_bytes())["tokens"]]
    texts = [base64.b64encode(token).decode() for token in change(held)]
    path.write_bytes(rfc8785.dumps({"tokens": texts, "version": 1}))


def test_a_stamped_bundle_outlives_its_issuers_certificate(
    stamped: Path, brief: Issuer, times: Times
) -> None:
    now = check(stamped, brief, times.old)
    assert now.verdict is VALID and now.facts["files"] == "14"
    assert "UTC" in now.facts["stamped"]
    later = check(stamped, brief, times.old, after=SOON)
    assert later.verdict is VALID and later.facts["stamped"] == now.facts["stamped"]
    notes = [f.text for f in later.findings if f.code == "revocation"]
    assert len(set(notes)) == 1 and "not looked up" in notes[0]


def test_without_an_authority_or_a_token_nothing_is_believed(
    bundle: Path, brief: Issuer, times: Times
) -> None:
    """As it was before manifests were stamped; and the answer says which of the two is missing."""
    now, later = (check(bundle, brief, after=after) for after in (timedelta(0), SOON))
    assert (now.verdict, later.verdict) == (VALID, OPEN) and "stamped" not in now.facts
    assert ("time_not_trusted", "signatures") in codes(now, Severity.NOTE)
    assert codes(later, Severity.UNKNOWN) == {("certificate_time", "signatures")}
    for folder in ("public", "internal"):
        (bundle / folder / STAMPS).unlink()
    now, later = (check(bundle, brief, times.old, after=after) for after in (timedelta(0), SOON))
    assert (now.verdict, later.verdict) == (VALID, OPEN)
    assert ("manifest_time", "signatures") in codes(now, Severity.NOTE)


def test_one_folder_without_its_token_leaves_it_open(
    bundle: Path, brief: Issuer, times: Times
) -> None:
    (bundle / "internal" / STAMPS).unlink()
    assert check(bundle, brief, times.old, after=SOON).verdict is OPEN
    assert check(bundle / "public", brief, times.old, after=SOON).verdict is VALID


def test_a_manifest_signed_after_the_certificate_expired(tmp_path: Path, times: Times) -> None:
    """Its stamp proves that it exists, not that it was signed in time."""
    authority = CertificateAuthority.make("Hospital root")
    lapsed = authority.signer("Hospital", days=-1, age=timedelta(days=30))
    issuer = Issuer(lapsed, [authority.root])
    assurance = Assurance(level=Level.B_T, tsa=times.old_url)
    report = check(
        write_bundle(tmp_path / "bundle", issuer, assurance=assurance), issuer, times.old
    )
    assert report.verdict is not VALID
    texts = [f.text for f in report.findings if f.code == "certificate_time"]
    assert texts and all("when the manifest was stamped" in text for text in texts)


def test_a_chain_of_two_authorities_of_which_the_first_expired(
    bundle: Path, brief: Issuer, times: Times
) -> None:
    public = bundle / "public"
    before = check(public, brief, times.old, times.new, after=LATE)
    assert ("stamp_expired", STAMPS) in codes(before, Severity.UNKNOWN)
    assert "stamped" not in before.facts and before.verdict is OPEN
    stamp_manifest(public, times.new_url)
    after = check(public, brief, times.old, times.new, after=LATE)
    # The PDF of level B-T has no chain of its own: what is still open is its time, not ours.
    assert codes(after, Severity.UNKNOWN) == {("time_expired", "certificate.pdf")}
    assert "stamped" in after.facts
    stamp_manifest(public, times.new_url)
    assert codes(check(public, brief, times.old, times.new, after=LATE), Severity.UNKNOWN) == {
        ("time_expired", "certificate.pdf")
    }
    gone = check(public, brief, times.old, times.new, after=VERY_LATE)
    assert ("stamp_expired", STAMPS) in codes(gone, Severity.UNKNOWN) and gone.verdict is OPEN


def test_an_authority_that_the_reader_does_not_trust(
    bundle: Path, brief: Issuer, times: Times
) -> None:
    """Nothing was changed, so it is not invalid; but its time is not believed."""
    public = bundle / "public"
    stamp_manifest(public, times.new_url)
    now, later = (check(public, brief, times.old, after=after) for after in (timedelta(0), SOON))
    # The first token is still good by itself; the second, which nobody asked for, is named.
    for report in (now, later):
        assert report.verdict is OPEN and "stamped" in report.facts
        assert codes(report, Severity.UNKNOWN) == {("stamp_untrusted", STAMPS)}
    rewrite(public / STAMPS, lambda tokens: tokens[:1])
    namesake = Authority.make("Old time")
    assert ("stamp_untrusted", STAMPS) in codes(check(public, brief, namesake), Severity.UNKNOWN)


def _flipped(token: bytes) -> bytes:
    return token[:-9] + bytes([token[-9] ^ 1]) + token[-8:]


TAMPERED: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "first token flipped": lambda t: [_flipped(t[0]), *t[1:]],
    "last token flipped": lambda t: [*t[:-1], _flipped(t[-1])],
    "first token taken out": lambda t: t[1:],
    "middle token taken out": lambda t: [t[0], t[2]],
    "order changed": lambda t: [t[0], t[2], t[1]],
    "token twice": lambda t: [t[0], t[0], *t[1:]],
    "bytes behind a token": lambda t: [t[0] + b"\0", *t[1:]],
    "an empty token": lambda t: [*t, b""],
}


@pytest.fixture(scope="module")
def chain(
    tmp_path_factory: pytest.TempPathFactory, stamped: Path, times: Times
) -> tuple[Path, bytes]:
    """A public folder with three tokens, and the tokens of another manifest."""
    public = Path(shutil.copytree(stamped / "public", tmp_path_factory.mktemp("chain") / "public"))
    for _ in range(2):
        stamp_manifest(public, times.new_url)
    return public, (stamped / "internal" / STAMPS).read_bytes()


@pytest.mark.parametrize("trusting", [True, False], ids=["authorities", "none"])
@pytest.mark.parametrize("name", TAMPERED)
def test_tampered_chains(
    name: str, trusting: bool, chain: tuple[Path, bytes], tmp_path: Path, brief: Issuer,
    times: Times,
) -> None:  # fmt: skip
    public = Path(shutil.copytree(chain[0], tmp_path / "public"))
    known = (times.old, times.new) if trusting else ()
    assert check(public, brief, *known).verdict is VALID
    rewrite(public / STAMPS, TAMPERED[name])
    report = check(public, brief, *known)
    assert codes(report, Severity.INVALID) == {("stamp_refused", STAMPS)}


def test_a_token_of_another_manifest(
    chain: tuple[Path, bytes], tmp_path: Path, brief: Issuer, times: Times
) -> None:
    public = Path(shutil.copytree(chain[0], tmp_path / "public"))
    (public / STAMPS).write_bytes(chain[1])
    assert codes(check(public, brief, times.old), Severity.INVALID) == {("stamp_refused", STAMPS)}


def test_a_new_manifest_gets_no_older_by_old_tokens(
    chain: tuple[Path, bytes], tmp_path: Path, brief: Issuer, times: Times
) -> None:
    public = Path(shutil.copytree(chain[0], tmp_path / "public"))
    held = (public / STAMPS).read_bytes()
    (public / STAMPS).unlink()
    said = {"signatures": {"level": "B-T", "paper": "a4", "roles": ["issuer"]}}
    write_manifest(public, brief.signer, **said)
    (public / STAMPS).write_bytes(held)
    assert check(public, brief, times.old).verdict is INVALID


MALFORMED = {
    "empty": b"",
    "not JSON": b"{",
    "no tokens": b'{"tokens":[],"version":1}',
    "another version": b'{"tokens":["AA=="],"version":2}',
    "a flag for a version": b'{"tokens":["AA=="],"version":true}',
    "one key more": b'{"note":1,"tokens":["AA=="],"version":1}',
    "a space": b'{"tokens": ["AA=="],"version":1}',
    "not base64": b'{"tokens":["?"],"version":1}',
    "base64 in another spelling": b'{"tokens":["AB=="],"version":1}',
    "not text": b'{"tokens":[1],"version":1}',
    "a list": b"[]",
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused(name: str, bundle: Path, brief: Issuer, times: Times) -> None:
    public = bundle / "public"
    (public / STAMPS).write_bytes(MALFORMED[name])
    report = check(public, brief, times.old)
    assert codes(report, Severity.INVALID) == {("stamps_form", STAMPS)}


def test_a_file_that_is_too_large_or_a_link_is_not_read(bundle: Path, brief: Issuer) -> None:
    path = bundle / "public" / STAMPS
    held = path.read_bytes()
    path.write_bytes(held + b" " * MAX_STAMPS)
    assert codes(check(bundle / "public", brief), Severity.INVALID) == {("file_too_large", STAMPS)}
    path.unlink()
    path.symlink_to(bundle / "internal" / STAMPS)
    assert codes(check(bundle / "public", brief), Severity.INVALID) == {("not_a_file", STAMPS)}


def test_stamps_are_known_by_name_only_beside_the_manifest(bundle: Path, brief: Issuer) -> None:
    (bundle / "internal" / "model" / STAMPS).write_bytes(b"x")
    assert codes(check(bundle, brief), Severity.INVALID) == {("file_unlisted", STAMPS)}


def test_a_stamp_of_a_time_to_come(stamped: Path, brief: Issuer, times: Times) -> None:
    """A reader whose clock is an hour behind must not believe in it."""
    report = check(stamped, brief, times.old, after=-timedelta(hours=1))
    assert ("stamp_from_the_future", STAMPS) in codes(report, Severity.UNKNOWN)


def test_openssl_agrees_on_every_token(
    chain: tuple[Path, bytes], tmp_path: Path, times: Times
) -> None:
    """Each over the manifest and all earlier tokens; over less, openssl refuses it as well."""
    public, _ = chain
    held = json.loads((public / STAMPS).read_bytes())["tokens"]
    covered = (public / MANIFEST).read_bytes()
    roots = [each.root.public_bytes(Encoding.PEM) for each in (times.old, times.new, times.new)]
    for root, token in zip(roots, map(base64.b64decode, held), strict=True):
        (tmp_path / "root.pem").write_bytes(root)
        (tmp_path / "token").write_bytes(token)
        for content, code in ((covered, 0), (covered[:-1], 1)):
            (tmp_path / "data").write_bytes(content)
            command = "openssl ts -verify -token_in -in token -data data -CAfile root.pem"
            done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False)
            assert done.returncode == code, done.stderr
        covered += token
