"""Honest files of every level and number of signers; tampered ones, each with its code."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import conformance
import pikepdf
import pytest
from certificates import CertificateAuthority, new_key, revocation_list, unsuitable_certificate
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from dpsynth.reports import pdf as pdf_room
from dpsynth.reports.sign import renew_archive
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from signed_files import ALL, TWO, Signed, World, kinds_of
from tampered_pdf import (
    TAMPERED,
    cut_after,
    flipped_in_attachment,
    other_title,
    updated,
)
from time_authority import Authority, serving

from dpsynth.errors import InputError
from dpsynth.signing.chain import fingerprint
from dpsynth.signing.keys import Signer
from dpsynth.signing.levels import Level
from dpsynth.signing.roles import ISSUER_ONLY, FieldLock, Role
from dpsynth.verification.pdf import ExpectedPdf, check_pdf


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    time = Authority.make("Time")
    with serving(time) as url:
        yield World(CertificateAuthority.make("Hospital root"), time, url)


@pytest.fixture(scope="module")
def full(world: World) -> Signed:
    """Issuer and data protection officer at B-LTA: the file that most attacks start from."""
    return world.make(TWO, Level.B_LTA)


def codes(content: bytes, expected: ExpectedPdf) -> set[str]:
    return {code for code, _ in check_pdf(content, expected).problems}


# Honest files


@pytest.mark.parametrize("roles", [ISSUER_ONLY, TWO, ALL], ids=["one", "two", "three"])
@pytest.mark.parametrize("level", list(Level))
def test_no_false_alarm(world: World, level: Level, roles: tuple[Role, ...]) -> None:
    """Twelve files; each kind of key (RSA-3072, P-256, P-384) meets each level and each number."""
    made = world.make(roles, level, kind=kinds_of(level, len(roles)))
    found = check_pdf(made.pdf, made.expected)
    assert (found.problems, found.unknown) == ([], [])
    assert [by.role for by in found.signers] == list(roles)
    assert all((by.time is not None) is level.stamped for by in found.signers)
    report = conformance.check(made.pdf)
    assert len(report.ran) >= 24 and report.problems == ()


def test_a_pinned_signer_and_a_colleague_under_the_same_root(world: World, full: Signed) -> None:
    own = fingerprint(world.signer(Role.DPO).certificate)
    assert codes(full.pdf, full.expecting(pinned={Role.DPO: own})) == set()
    colleague = world.authority.signer(world.signer(Role.DPO).name)
    issued = full.revisions[1]
    other = world.sign(issued, Role.DPO, TWO, Level.B_LTA, colleague)
    assert codes(other, full.expected) == set(), "of the same root and name: any may sign"
    found = codes(other, full.expecting(pinned={Role.DPO: own}))
    assert found == {"pdf_other_certificate"}


def test_the_same_words_without_a_trusted_authority(full: Signed) -> None:
    found = check_pdf(full.pdf, full.expecting(authorities=[]))
    assert (found.problems, found.unknown) == ([], [])
    assert [by.time for by in found.signers] == [None, None]


def test_after_the_certificates_expired(world: World) -> None:
    """A trusted time proves that a signature is older than the expiry; without one nobody knows."""
    later = timedelta(days=100)  # signers are valid for 30 days, the time authority for 365
    stamped = world.make(TWO, Level.B_T)
    at = stamped.expected.signers.at + later
    found = check_pdf(stamped.pdf, stamped.expecting(at=at))
    assert (found.problems, found.unknown) == ([], [])
    plain = world.make(TWO, Level.B_B)
    found = check_pdf(plain.pdf, plain.expecting(at=at))
    assert [code for code, _ in found.unknown] == ["certificate_time"] and not found.problems
    at += timedelta(days=365)
    found = check_pdf(stamped.pdf, stamped.expecting(at=at))
    assert {code for code, _ in found.unknown} >= {"time_expired"} and not found.problems


def test_an_archive_stamp_is_renewed(world: World, full: Signed) -> None:
    """By another authority; the first one's own certificate may then expire."""
    other = Authority.make("Newer")
    newer = revocation_list(other.root, other.root_key)
    given = world.assurance(Level.B_LTA)
    with serving(other) as url:
        assurance = replace(
            given,
            tsa=url,
            certificates=(*given.certificates, other.root),
            crls=(*given.crls, newer),
        )
        renewed = renew_archive(full.pdf, assurance)
        with pytest.raises(InputError, match="do not reach"):
            renew_archive(full.pdf, replace(assurance, crls=(newer,)))
    assert renewed.startswith(full.pdf)
    both = full.expecting(authorities=[world.time.root, other.root])
    assert (check_pdf(renewed, both).problems, check_pdf(renewed, both).unknown) == ([], [])
    assert codes(renewed, full.expected) == {"pdf_time_untrusted"}
    assert conformance.check(renewed).problems == ()
    assert "pdf_appended" in codes(renewed + b"x", both)


# Tampered files


@pytest.mark.parametrize("name", TAMPERED)
def test_what_others_call_valid(name: str, full: Signed) -> None:
    tamper, code = TAMPERED[name]
    assert code in codes(tamper(full.pdf), full.expected)


def test_the_archive_stamp_cut_off(full: Signed) -> None:
    assert len(PdfFileReader(io.BytesIO(full.pdf)).embedded_timestamp_signatures) == 2
    cut = cut_after(full.pdf, -2)
    assert codes(cut, full.expected) == {"pdf_archive_stamp_missing"}


def test_signers_missing(full: Signed, world: World) -> None:
    unsigned, issued, _ = full.revisions
    assert codes(unsigned, full.expected) == {"pdf_not_signed"}
    assert codes(issued, full.expected) == {"pdf_signer_missing"}
    middle = world.make(ALL, Level.B_B, signs=(Role.ISSUER, Role.DPO))
    assert {"pdf_signer_missing", "pdf_order"} <= codes(middle.pdf, middle.expected)
    first = world.make(TWO, Level.B_B, signs=(Role.DPO,))
    assert {"pdf_signer_missing", "pdf_order"} <= codes(first.pdf, first.expected)


def test_signers_in_another_order(world: World) -> None:
    made = world.make(ALL, Level.B_B, signs=(Role.ISSUER, Role.EXPERT))
    # The last signature locks the document, so an honest program cannot go on after it.
    swapped = world.make((Role.ISSUER, Role.DPO, Role.EXPERT), Level.B_B)
    assert "pdf_order" in codes(swapped.pdf, swapped.expecting(roles=ALL))
    assert codes(made.pdf, made.expected) == {"pdf_signer_missing"}


def test_one_signature_too_many(world: World, full: Signed) -> None:
    three = world.make(ALL, Level.B_B)
    assert codes(three.pdf, three.expecting(roles=TWO)) == {"pdf_fields"}
    assert codes(full.pdf, full.expecting(roles=ISSUER_ONLY)) == {"pdf_fields"}
    assert codes(full.pdf, full.expecting(level=Level.B_LT)) == {"pdf_fields"}


def test_a_key_of_somebody_else_with_the_same_name(world: World) -> None:
    made = world.make(TWO, Level.B_B)
    twin = world.authority.signer(world.signer(Role.ISSUER).name)
    forged = world.sign(made.revisions[0], Role.ISSUER, TWO, Level.B_B, twin)
    forged = world.sign(forged, Role.DPO, TWO, Level.B_B, world.signer(Role.DPO))
    assert codes(forged, made.expected) == {"pdf_other_signer"}
    stranger = CertificateAuthority.make("Hospital root").signer(world.signer(Role.DPO).name)
    forged = world.sign(made.revisions[1], Role.DPO, TWO, Level.B_B, stranger)
    assert codes(forged, made.expected) == {"pdf_signer_untrusted"}


def test_one_person_in_two_roles(world: World) -> None:
    made = world.make(TWO, Level.B_B)
    forged = world.sign(
        made.revisions[1], Role.DPO, TWO, Level.B_B, world.signer(Role.ISSUER, "P-256")
    )
    assert codes(forged, made.expected) == {"pdf_same_signer"}


@pytest.mark.parametrize(
    "reason",
    [
        {"purpose": ExtendedKeyUsageOID.SERVER_AUTH},
        {"kind": "RSA-2048"},
        {"signs": False},
        {"critical": True},
    ],
    ids=lambda reason: next(iter(reason)),
)
def test_a_further_signer_whose_certificate_is_not_for_signing(
    world: World, reason: dict[str, Any]
) -> None:
    """Under the trusted root; the issuer's own certificate is checked with the manifest."""
    made = world.make(TWO, Level.B_B)
    key = new_key(reason.get("kind", "P-256"))
    certificate = unsuitable_certificate(world.authority, key, "Web server", **reason)
    signer = Signer(private_key=key, certificate=certificate, chain=(world.authority.root,))
    forged = world.sign(made.revisions[1], Role.DPO, TWO, Level.B_B, signer)
    assert codes(forged, made.expected) == {"pdf_signer_unsuitable"}


def test_a_further_signer_who_changes_the_title(world: World) -> None:
    """What he changed before he signed lies below his signature, and was never the issuer's."""
    made = world.make(TWO, Level.B_B)
    spoiled = other_title(made.revisions[1])
    forged = world.sign(spoiled, Role.DPO, TWO, Level.B_B, world.signer(Role.DPO))
    with pikepdf.open(io.BytesIO(forged)) as document:  # what a reader would show
        assert document.open_metadata()["dc:title"] == "Epsilon 0.1"
    assert codes(forged, made.expected) == {"pdf_metadata_changed"}


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b"<x",
        b"\xff\xfe<\x00x\x00/\x00>\x00",
        b'<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>',
        b"<x/>",
    ],
)
def test_metadata_that_cannot_be_read_become_a_finding(full: Signed, metadata: bytes) -> None:
    def change(writer: IncrementalPdfFileWriter) -> None:
        stream = generic.StreamObject(stream_data=metadata)
        reference = writer.root.raw_get("/Metadata")
        writer.objects[(reference.generation, reference.idnum)] = stream
        writer._update_meta = lambda: None

    found = codes(updated(full.pdf, change), full.expected)
    assert found & {"pdf_metadata_changed", "pdf_unreadable"}


def test_the_signature_of_another_document(world: World) -> None:
    mine, other = (world.make(ISSUER_ONLY, Level.B_B, body=text) for text in ("Mine", "Othr"))
    held = re.compile(rb"/Contents ?<([0-9a-fA-F]{2000,})>")
    (a,), (b,) = held.findall(mine.pdf), held.findall(other.pdf)
    pasted = b.rstrip(b"0").ljust(len(a), b"0")  # what is reserved for it differs by some bytes
    assert len(a) == len(pasted)
    assert codes(mine.pdf.replace(a, pasted), mine.expected) == {"pdf_signature"}


def test_less_than_the_declared_level(world: World) -> None:
    made = {level: world.make(ISSUER_ONLY, level) for level in Level}
    for level, declared, code in (
        (Level.B_B, Level.B_T, "pdf_no_time"),
        (Level.B_T, Level.B_LT, "pdf_no_validation_data"),
        (Level.B_LT, Level.B_LTA, "pdf_archive_stamp_missing"),
    ):
        expected = made[level].expecting(level=declared, authorities=[world.time.root])
        assert code in codes(made[level].pdf, expected)


def test_a_time_of_an_unknown_authority(world: World, full: Signed) -> None:
    namesake = Authority.make("Time").root
    assert codes(full.pdf, full.expecting(authorities=[namesake])) == {"pdf_time_untrusted"}


def test_a_last_signature_that_locks_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = FieldLock(fields=("Issuer", "DPO"))
    monkeypatch.setattr(pdf_room, "lock_of", lambda *_: lock)
    made = world.make(TWO, Level.B_B, body="Open")
    assert "pdf_not_locked" in codes(made.pdf, made.expected)


# Independent programs


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="poppler-utils is not installed")
def test_poppler_agrees_on_what_it_can_see(full: Signed, tmp_path: Path) -> None:
    for content, words in (
        (full.pdf, "Signature is Valid"),
        (flipped_in_attachment(full.pdf), "Digest Mismatch"),
    ):
        (tmp_path / "f.pdf").write_bytes(content)
        told = subprocess.run(
            ["pdfsig", "-nocert", tmp_path / "f.pdf"], capture_output=True, text=True, check=False
        ).stdout
        assert told.count(words) == 2


def test_openssl_agrees_on_signature_and_time(world: World, tmp_path: Path) -> None:
    made = world.make(ISSUER_ONLY, Level.B_T, kind="RSA-3072")
    signature = PdfFileReader(io.BytesIO(made.pdf)).embedded_signatures[0]
    start, length, second, rest = map(int, signature.byte_range)
    (attribute,) = (
        a
        for a in signature.signer_info["unsigned_attrs"]
        if a["type"].native == "signature_time_stamp_token"
    )
    files = {
        "content": made.pdf[start : start + length] + made.pdf[second : second + rest],
        "sig.der": bytes(signature.pkcs7_content),
        "value": signature.signer_info["signature"].native,
        "token": attribute["values"][0].dump(),
        "root.pem": world.authority.root.public_bytes(Encoding.PEM),
        "time.pem": world.time.root.public_bytes(Encoding.PEM),
    }
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
    cms = "openssl cms -verify -binary -inform DER -in sig.der -CAfile root.pem -purpose any"
    ts = "openssl ts -verify -token_in -in token -CAfile time.pem -data"
    for command, code in (
        (f"{cms} -content content -out out", 0),
        (f"{cms} -content value -out out", 4),
        (f"{ts} value", 0),
        (f"{ts} content", 1),
    ):
        done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == code, (command, done.stderr)
