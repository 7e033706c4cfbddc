"""Bundles as a recipient meets them: honest, damaged, mixed up, expired, hostile."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pikepdf
import pytest
from bundle_builder import Issuer, evidence, render, signed, write_evidence, write_manifest

from dpsynth.errors import InputError, LedgerDamagedError
from dpsynth.signing.dsse import sign_envelope
from dpsynth.signing.manifest import MANIFEST, MANIFEST_TYPE
from dpsynth.signing.statement import statement
from dpsynth.verification import Severity, VerificationReport, VerificationVerdict, verify_bundle


def against(report: VerificationReport) -> dict[str, set[str]]:
    """Codes of what does not hold, by file."""
    found: dict[str, set[str]] = {}
    for finding in report.findings:
        if finding.severity is Severity.INVALID:
            found.setdefault(finding.file, set()).add(finding.code)
    return found


def check(bundle: Path, issuer: Issuer) -> dict[str, set[str]]:
    report = verify_bundle(bundle, roots=issuer.roots)
    found = against(report)
    assert (report.exit_code == 1) is bool(found)
    return found


def test_an_honest_bundle_is_valid_and_says_what_it_is(honest: Path, issuer: Issuer) -> None:
    report = verify_bundle(honest, roots=issuer.roots)
    assert (report.verdict, report.exit_code) == (VerificationVerdict.VALID, 0)
    assert report.facts["release"] == "REL-1"
    assert report.facts["epsilon"] == "1"
    assert report.facts["files"] == "12"
    assert report.facts["code"] == "not that of this installation"
    with pikepdf.open(honest / "public" / "certificate.pdf") as pdf:
        attached = pdf.attachments["evidence.public.json"].get_file().read_bytes()
    assert report.facts["evidence"] == f"sha256 {hashlib.sha256(attached).hexdigest()}"
    assert {f.code for f in report.findings} == {
        "time_not_trusted", "trial_authority", "status_not_known",
    }  # fmt: skip
    json.dumps(report.to_json())


@pytest.mark.parametrize("folder", ["public", "internal"])
def test_one_folder_alone_is_valid(
    honest: Path, issuer: Issuer, folder: str, tmp_path: Path
) -> None:
    alone = Path(shutil.copytree(honest / folder, tmp_path / "received"))
    assert verify_bundle(alone, roots=issuer.roots).verdict is VerificationVerdict.VALID


def test_a_flipped_byte_is_found_in_every_file(bundle: Path, issuer: Issuer) -> None:
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    assert len(files) == 12
    for path in files:
        original = path.read_bytes()
        for position in {0, len(original) // 2, len(original) - 1}:
            damaged = bytearray(original)
            damaged[position] ^= 1
            path.write_bytes(bytes(damaged))
            assert path.relative_to(bundle).as_posix() in check(bundle, issuer)
        path.write_bytes(original)
    assert not check(bundle, issuer)


def test_every_byte_of_a_manifest_counts(bundle: Path, issuer: Issuer) -> None:
    path = bundle / "public" / MANIFEST
    original = path.read_bytes()
    public = bundle / "public"
    for position in range(0, len(original), 7):
        damaged = bytearray(original)
        damaged[position] ^= 1
        path.write_bytes(bytes(damaged))
        assert MANIFEST in check(public, issuer)


def test_a_replaced_data_file_is_named(bundle: Path, issuer: Issuer) -> None:
    (bundle / "public" / "synthetic.csv").write_text("a,b\n9,9\n")
    assert check(bundle, issuer) == {"public/synthetic.csv": {"file_changed"}}


def test_replaced_data_is_found_even_if_the_manifest_is_signed_anew(
    bundle: Path, issuer: Issuer
) -> None:
    public = bundle / "public"
    (public / "synthetic.csv").write_text("a,b\n9,9\n")
    write_manifest(public, issuer.signer)
    assert check(public, issuer) == {"synthetic.csv": {"data_differs"}}
    assert "internal/manifest.dsse.json" in check(bundle, issuer)


def test_data_that_the_evidence_does_not_mention(bundle: Path, issuer: Issuer) -> None:
    public = bundle / "public"
    (public / "synthetic2.csv").write_text("a,b\n9,9\n")
    write_manifest(public, issuer.signer)
    assert check(public, issuer) == {"synthetic2.csv": {"not_part_of_a_release"}}


@pytest.mark.parametrize(
    "name", ["Synthetic.csv", "data/synthetic.csv", "report.pdf", "raw.parquet"]
)
def test_what_was_signed_but_is_no_part_of_a_release(
    bundle: Path, issuer: Issuer, name: str
) -> None:
    """A careless signer must not be able to ship the confidential table under a valid bundle."""
    path = bundle / "public" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("confidential")
    write_manifest(bundle / "public", issuer.signer)
    assert check(bundle / "public", issuer) == {name: {"not_part_of_a_release"}}


def test_an_empty_folder_is_named(bundle: Path, issuer: Issuer) -> None:
    (bundle / "public" / "WITHDRAWN").mkdir()
    assert "public/WITHDRAWN" in check(bundle, issuer)


def test_an_extra_file_is_named(bundle: Path, issuer: Issuer) -> None:
    (bundle / "public" / ".hidden").write_text("x")
    (bundle / "internal" / "model" / "extra.npz").write_text("x")
    (bundle / "readme.txt").write_text("x")
    assert check(bundle, issuer) == {
        "public/.hidden": {"file_unlisted"},
        "internal/model/extra.npz": {"file_unlisted"},
        "readme.txt": {"file_unlisted"},
    }


def test_a_missing_file_is_named(bundle: Path, issuer: Issuer) -> None:
    (bundle / "public" / "DATASHEET.md").unlink()
    assert check(bundle, issuer) == {"public/DATASHEET.md": {"file_missing"}}


@pytest.mark.parametrize("name", ["certificate.pdf", "evidence.dsse.json"])
def test_a_manifest_without_the_evidence_is_refused(
    bundle: Path, issuer: Issuer, name: str
) -> None:
    (bundle / "public" / name).unlink()
    write_manifest(bundle / "public", issuer.signer)
    assert check(bundle / "public", issuer) == {MANIFEST: {"file_missing"}}


def test_a_missing_manifest_is_invalid_not_a_wrong_call(bundle: Path, issuer: Issuer) -> None:
    (bundle / "public" / MANIFEST).unlink()
    assert check(bundle, issuer) == {"public/manifest.dsse.json": {"manifest_missing"}}
    assert check(bundle / "internal" / "model", issuer) == {MANIFEST: {"manifest_missing"}}


@pytest.mark.parametrize("name", [MANIFEST, "evidence.dsse.json", "certificate.pdf"])
def test_a_file_of_another_release_is_found(
    bundle: Path, other: Path, issuer: Issuer, name: str
) -> None:
    shutil.copy(other / "public" / name, bundle / "public" / name)
    assert check(bundle, issuer)
    assert check(bundle / "public", issuer)


def test_evidence_of_another_release_with_a_new_manifest(
    bundle: Path, other: Path, issuer: Issuer
) -> None:
    public = bundle / "public"
    shutil.copy(other / "public" / "evidence.dsse.json", public / "evidence.dsse.json")
    write_manifest(public, issuer.signer)
    found = check(public, issuer)
    assert "evidence_release" in found["evidence.dsse.json"]
    assert "data_differs" in found["synthetic.csv"]
    assert "pdf_attachment_differs" in found["certificate.pdf"]


def test_folders_of_two_releases_do_not_make_a_bundle(
    bundle: Path, other: Path, issuer: Issuer
) -> None:
    shutil.rmtree(bundle / "internal")
    shutil.copytree(other / "internal", bundle / "internal")
    found = check(bundle, issuer)
    assert found["internal/manifest.dsse.json"] == {"other_release"}
    assert found["internal/evidence.dsse.json"] == {"evidence_differs"}


def test_exchanged_folders_are_found(bundle: Path, issuer: Issuer) -> None:
    (bundle / "public").rename(bundle / "x")
    (bundle / "internal").rename(bundle / "public")
    (bundle / "x").rename(bundle / "internal")
    found = check(bundle, issuer)
    assert found["public/manifest.dsse.json"] == {"manifest_folder"}


def test_a_released_bundle_without_its_public_part(bundle: Path, issuer: Issuer) -> None:
    shutil.rmtree(bundle / "public")
    assert check(bundle, issuer) == {"public": {"public_missing"}}


def test_a_refused_release_has_no_public_part(bundle: Path, issuer: Issuer) -> None:
    shutil.rmtree(bundle / "public")
    write_manifest(bundle / "internal", issuer.signer)
    report = verify_bundle(bundle, roots=issuer.roots)
    assert report.verdict is VerificationVerdict.VALID
    assert "status" in report.facts


def test_another_root_is_invalid_and_names_the_claimed_signer(
    honest: Path, stranger: Issuer
) -> None:
    report = verify_bundle(honest, roots=stranger.roots)
    assert report.exit_code == 1
    assert set(against(report)) == {f"{part}/manifest.dsse.json" for part in ("public", "internal")}
    assert "Example Hospital" in report.findings[0].text
    assert not report.facts


def test_a_part_signed_by_another_trusted_signer(
    bundle: Path, issuer: Issuer, stranger: Issuer
) -> None:
    public = bundle / "public"
    write_manifest(public, stranger.signer)
    report = verify_bundle(public, roots=[*issuer.roots, *stranger.roots])
    assert against(report)["evidence.dsse.json"] == {"other_signer"}


def test_an_expired_certificate_is_indeterminate(honest: Path, issuer: Issuer) -> None:
    report = verify_bundle(honest, roots=issuer.roots, at=datetime.now(UTC) + timedelta(days=60))
    assert (report.verdict, report.exit_code) == (VerificationVerdict.INDETERMINATE, 6)
    assert [f.code for f in report.findings if f.severity is Severity.UNKNOWN] == [
        "certificate_time"
    ]


def test_a_clock_before_the_certificate_is_indeterminate(honest: Path, issuer: Issuer) -> None:
    report = verify_bundle(honest, roots=issuer.roots, at=datetime.now(UTC) - timedelta(days=60))
    assert report.exit_code == 6


def test_a_changed_file_stays_invalid_after_expiry(bundle: Path, issuer: Issuer) -> None:
    (bundle / "public" / "synthetic.csv").write_text("x")
    report = verify_bundle(bundle, roots=issuer.roots, at=datetime.now(UTC) + timedelta(days=60))
    assert report.exit_code == 1


def test_links_are_refused(bundle: Path, issuer: Issuer) -> None:
    data = bundle / "public" / "synthetic.csv"
    elsewhere = bundle.parent / "elsewhere.csv"
    data.rename(elsewhere)
    data.symlink_to(elsewhere)
    assert check(bundle, issuer) == {"public/synthetic.csv": {"not_a_file", "file_missing"}}
    os.mkfifo(bundle / "internal" / "pipe")
    assert check(bundle, issuer)["internal/pipe"] == {"not_a_file"}
    shutil.rmtree(bundle / "internal")
    (bundle / "internal").symlink_to(bundle / "public")
    assert check(bundle, issuer)["internal"] == {"file_unlisted"}


@pytest.mark.parametrize("name", ["../outside.csv", "/etc/passwd", "a/../b", "a\\b", "x\ny", "."])
def test_names_that_lead_elsewhere(bundle: Path, issuer: Issuer, name: str) -> None:
    public = bundle / "public"
    predicate = {
        "release": "REL-1",
        "created": "2026-01-01T00:00:00Z",
        "folder": "public",
        "ledger": {"head_seq": 7, "head_digest": "ab" * 32},
        "signatures": {"level": "B-B", "paper": "a4", "roles": ["issuer"]},
    }
    content = statement({name: "0" * 64}, MANIFEST_TYPE, predicate)
    (public / MANIFEST).write_bytes(sign_envelope(content, issuer.signer))
    report = verify_bundle(public, roots=issuer.roots)
    assert "name_unsafe" in against(report)[MANIFEST]
    assert all(finding.text.isprintable() for finding in report.findings)


def test_names_that_steer_a_terminal_are_shown_escaped(bundle: Path, issuer: Issuer) -> None:
    hostile = (
        "x\x1b[2Jy",
        "\x1b]8;;mailto:x\x07y\x1b]8;;\x07",
        "\u202efdp.exe",
        "\u2066x",
        "a\nVALID: b",
    )
    for name in hostile:
        (bundle / "public" / name).write_text("x")
    (bundle / hostile[0]).mkdir()
    Path(os.fsdecode(os.fsencode(bundle / "public") + b"/\xff\xfe")).write_text("x")
    report = verify_bundle(bundle, roots=issuer.roots)
    assert report.exit_code == 1
    for finding in report.findings:
        assert finding.file.isprintable() and finding.text.isprintable()
        finding.file.encode()
    assert sum(finding.code == "file_unlisted" for finding in report.findings) == len(hostile) + 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"{}",
        b"[" * 200_000,
        b"1" * 10_000,
        b'{"payload":NaN}',
        b'{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[]}',
        b'{"payload":1,"payloadType":[],"signatures":[{"cert":{},"keyid":0}]}',
    ],
    ids=lambda content: repr(content[:12]),
)
@pytest.mark.parametrize("name", [MANIFEST, "evidence.dsse.json"])
def test_hostile_envelopes_become_findings(
    bundle: Path, issuer: Issuer, name: str, content: bytes
) -> None:
    public = bundle / "public"
    (public / name).write_bytes(content)
    if name != MANIFEST:
        write_manifest(public, issuer.signer)
    assert name in check(public, issuer)


def test_a_huge_manifest_is_not_read(
    bundle: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpsynth.verification.part.MAX_ENVELOPE", 1000)
    assert check(bundle / "public", issuer) == {MANIFEST: {"file_too_large"}}


def test_raw_evidence_in_the_public_folder_is_refused(bundle: Path, issuer: Issuer) -> None:
    public = bundle / "public"
    data = (public / "synthetic.csv").read_bytes()
    entry = {"name": "synthetic.csv", "sha256": hashlib.sha256(data).hexdigest(), "bytes": 8}
    facts = evidence("REL-1", issuer.signer.name, [entry])
    unsigned = render("evidence.public.json", facts.to_bytes())
    (public / "certificate.pdf").write_bytes(signed(unsigned, issuer.signer))
    write_evidence(public, facts, issuer.signer, unsigned, public=False)
    write_manifest(public, issuer.signer)
    assert check(public, issuer) == {"evidence.dsse.json": {"evidence_form"}}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tree: tree.pop("budget"),
        lambda tree: tree["guarantee"].pop("epsilon"),
        lambda tree: tree["guarantee"].update(epsilon="1"),
        lambda tree: tree["guarantee"].update(epsilon=None),
        lambda tree: tree["guarantee"]["epsilon"].update(provenance="raw"),
        lambda tree: tree["guarantee"]["epsilon"].update(provenance=[]),
        lambda tree: tree["guarantee"]["epsilon"].update(extra=1),
        lambda tree: tree["files"]["synthetic"].update(value={"name": 1}),
        lambda tree: tree["files"]["synthetic"].update(value=[{"name": "synthetic.csv"}]),
        lambda tree: tree.update(schemaVersion="99"),
        lambda tree: tree.update(other=[1]),
    ],
)
def test_malformed_evidence_becomes_a_finding(
    bundle: Path, issuer: Issuer, spoil: Callable[[dict[str, object]], object]
) -> None:
    public = bundle / "public"
    data = (public / "synthetic.csv").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    entry = {"name": "synthetic.csv", "sha256": digest, "bytes": 8}
    tree = evidence("REL-1", issuer.signer.name, [entry]).public().predicate()
    spoil(tree)
    content = statement(
        {"synthetic.csv": digest}, "https://dpsynth.org/attestation/dp-release/v1", tree
    )
    (public / "evidence.dsse.json").write_bytes(sign_envelope(content, issuer.signer))
    write_manifest(public, issuer.signer)
    assert check(public, issuer) == {"evidence.dsse.json": {"evidence_form"}}


class FakeLedger:
    """Knows one head, written by a reservation, and what that reservation committed."""

    def __init__(self, digest: str, bundle: Path, **commit: object) -> None:
        self.head = (7, digest)
        payload = {"reservation": 5, "release": "text of release.name"}
        digests = {
            part: hashlib.sha256((bundle / part / "manifest.dsse.json").read_bytes()).hexdigest()
            for part in ("public", "internal")
        }
        committed = {**payload, "digests": digests, **commit}
        self.found = [
            SimpleNamespace(seq=7, kind="charge", payload=payload),
            SimpleNamespace(seq=8, kind="commit", payload=committed),
        ]

    def verify(self, anchors: object = ()) -> None:
        for anchor in anchors:  # type: ignore[attr-defined]
            if (anchor.seq, anchor.digest) != self.head:
                raise LedgerDamagedError("An entry that a document names is not in the ledger.")

    def entries(self, lineage: str | None = None) -> list[SimpleNamespace]:
        return self.found


def test_the_ledger_must_hold_the_entry(honest: Path, issuer: Issuer) -> None:
    right, wrong = FakeLedger("ab" * 32, honest), FakeLedger("cd" * 32, honest)
    report = verify_bundle(honest, roots=issuer.roots, ledger=right)
    assert report.exit_code == 0, report.findings
    report = verify_bundle(honest, roots=issuer.roots, ledger=wrong)
    assert against(report) == {"ledger": {"ledger"}}


@pytest.mark.parametrize("commit", [{"digests": {}}, {"reservation": 7}, {"release": "other"}])
def test_the_ledger_must_have_committed_this_very_release(
    honest: Path, issuer: Issuer, commit: dict[str, object]
) -> None:
    ledger = FakeLedger("ab" * 32, honest, **commit)
    report = verify_bundle(honest, roots=issuer.roots, ledger=ledger)
    assert against(report) == {"ledger": {"not_committed"}}


def test_a_wrong_call_is_an_input_error(tmp_path: Path, honest: Path, issuer: Issuer) -> None:
    with pytest.raises(InputError, match="not a folder"):
        verify_bundle(tmp_path / "nothing", roots=issuer.roots)
    with pytest.raises(InputError, match="--trust"):
        verify_bundle(honest, roots=[])
