"""The strict rules for a signed PDF, each shown to catch the attack that it is for."""

from __future__ import annotations

import hashlib
import io
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pikepdf
import pytest
from bundle_builder import Issuer, render, signed, write_manifest
from dpsynth.reports import sign as sign_module
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner
from tampered_pdf import junk_appended, red_box, rewritten, swapped_attachment

from dpsynth.signing.levels import Level
from dpsynth.signing.roles import ISSUER_ONLY, Role
from dpsynth.verification import pdf as pdf_module
from dpsynth.verification import pdf_objects, pdf_reader, verify_bundle
from dpsynth.verification.pdf import ExpectedPdf, check_pdf
from dpsynth.verification.pdf_signers import ExpectedSigners

EVIDENCE = b'{"epsilon":"1"}'
NAME = "evidence.public.json"


@pytest.fixture(scope="module")
def unsigned() -> bytes:
    return render(NAME, EVIDENCE)


@pytest.fixture(scope="module")
def pdf(unsigned: bytes, issuer: Issuer) -> bytes:
    return signed(unsigned, issuer.signer)


@pytest.fixture(scope="module")
def expected(unsigned: bytes, issuer: Issuer) -> ExpectedPdf:
    now = datetime.now(UTC)
    return ExpectedPdf(
        attachment=NAME,
        content=EVIDENCE,
        unsigned_sha256=hashlib.sha256(unsigned).hexdigest(),
        signers=ExpectedSigners(
            roles=ISSUER_ONLY,
            level=Level.B_B,
            certificate=issuer.signer.certificate,
            roots=issuer.roots,
            authorities=[],
            moment=now,
            at=now,
        ),
    )


def codes(content: bytes, expected: ExpectedPdf) -> set[str]:
    return {code for code, _ in check_pdf(content, expected).problems}


def second_signature(pdf: bytes, issuer: Issuer) -> bytes:
    """What a signer does that ignores the certification, as some tools do."""

    class Careless(PdfSigner):
        def _enforce_certification_constraints(self, reader: object) -> None:
            pass

    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    signer = Careless(
        PdfSignatureMetadata(field_name="Second"),
        signer=sign_module._AnySigner(issuer.signer),
        new_field_spec=fields.SigFieldSpec("Second"),
    )
    return sign_module.in_own_loop(signer.async_sign_pdf(writer)).getvalue()


def test_an_honest_pdf_has_no_problem(pdf: bytes, expected: ExpectedPdf) -> None:
    found = check_pdf(pdf, expected)
    assert (found.problems, found.unknown) == ([], [])
    assert [(by.role, by.time) for by in found.signers] == [(Role.ISSUER, None)]


def test_an_attachment_swapped_by_an_update(pdf: bytes, expected: ExpectedPdf) -> None:
    forged = swapped_attachment(pdf)
    assert forged.startswith(pdf)
    with pikepdf.open(io.BytesIO(forged)) as document:  # what a reader would show
        assert document.attachments[NAME].get_file().read_bytes() != EVIDENCE
    assert codes(forged, expected) == {
        "pdf_changed",
        "pdf_attachment_swapped",
        "pdf_signature",
    }


def test_a_page_drawn_over(pdf: bytes, expected: ExpectedPdf) -> None:
    assert codes(red_box(pdf), expected) == {"pdf_changed", "pdf_page_changed", "pdf_signature"}


@pytest.mark.parametrize("junk", [b"x", b"\n", b"\n%%EOF\n", b"%" + b"A" * 5000])
def test_bytes_appended(pdf: bytes, expected: ExpectedPdf, junk: bytes) -> None:
    assert codes(pdf + junk, expected) & {"pdf_changed", "pdf_unreadable"}


def test_an_unsigned_copy(unsigned: bytes, expected: ExpectedPdf) -> None:
    assert codes(unsigned, expected) == {"pdf_not_signed"}


def test_rewritten_by_another_tool(pdf: bytes, expected: ExpectedPdf) -> None:
    assert {"pdf_not_rendered", "pdf_changed", "pdf_signature"} <= codes(rewritten(pdf), expected)


def test_a_second_signature(pdf: bytes, expected: ExpectedPdf, issuer: Issuer) -> None:
    assert codes(second_signature(pdf, issuer), expected) == {"pdf_fields"}


def test_another_field(unsigned: bytes, expected: ExpectedPdf, issuer: Issuer) -> None:
    other = render(NAME, EVIDENCE, roles=(Role.ISSUER, Role.DPO))
    assert {"pdf_fields"} <= codes(signed(other, issuer.signer), expected)


def test_another_signer(unsigned: bytes, expected: ExpectedPdf, stranger: Issuer) -> None:
    forged = signed(unsigned, stranger.signer)
    assert codes(forged, expected) == {"pdf_other_signer", "pdf_signer_untrusted"}
    roots = [*expected.signers.roots, *stranger.roots]
    trusting = replace(expected, signers=replace(expected.signers, roots=roots))
    assert codes(forged, trusting) == {"pdf_other_signer"}


@pytest.mark.parametrize(
    "metadata",
    [
        {"certify": False},
        {"certify": True, "docmdp_permissions": fields.MDPPerm.FILL_FORMS},
        {
            "certify": True,
            "docmdp_permissions": fields.MDPPerm.NO_CHANGES,
            "subfilter": fields.SigSeedSubFilter.ADOBE_PKCS7_DETACHED,
        },
    ],
    ids=["approval", "forms allowed", "not PAdES"],
)
def test_a_weaker_kind_of_signature(
    unsigned: bytes,
    expected: ExpectedPdf,
    issuer: Issuer,
    metadata: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind = {"subfilter": fields.SigSeedSubFilter.PADES, "md_algorithm": "sha256"} | metadata
    monkeypatch.setattr(
        sign_module,
        "metadata",
        lambda name, *_, **__: PdfSignatureMetadata(field_name=name, **kind),
    )
    assert codes(signed(unsigned, issuer.signer), expected) == {"pdf_not_certified"}


def test_another_document_than_the_evidence_names(
    pdf: bytes, expected: ExpectedPdf, issuer: Issuer
) -> None:
    other = signed(render(NAME, EVIDENCE, "Another text"), issuer.signer)
    assert codes(other, expected) == {"pdf_not_rendered"}


def test_another_evidence_inside(expected: ExpectedPdf, issuer: Issuer) -> None:
    unsigned = render(NAME, b"{}")
    digest = hashlib.sha256(unsigned).hexdigest()
    forged = signed(unsigned, issuer.signer)
    assert codes(forged, replace(expected, unsigned_sha256=digest)) == {"pdf_attachment_differs"}


def test_another_attachment_name(expected: ExpectedPdf, issuer: Issuer) -> None:
    unsigned = render("other.json", EVIDENCE)
    digest = hashlib.sha256(unsigned).hexdigest()
    forged = signed(unsigned, issuer.signer)
    assert codes(forged, replace(expected, unsigned_sha256=digest)) == {"pdf_attachments"}


def test_a_flipped_byte_anywhere(pdf: bytes, expected: ExpectedPdf) -> None:
    """Every 97th byte; the padding behind the signature's own DER is the manifest's business."""
    start = pdf.index(b"/Contents <") if b"/Contents <" in pdf else pdf.index(b"/Contents<")
    end = pdf.index(b">", start)
    for position in range(0, len(pdf), 97):
        if start < position < end:
            continue
        damaged = bytearray(pdf)
        damaged[position] ^= 1
        assert codes(bytes(damaged), expected), position


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_pdf(pdf: bytes, expected: ExpectedPdf, share: float) -> None:
    assert codes(pdf[: int(len(pdf) * share)], expected)


@pytest.mark.parametrize(
    "content", [b"%PDF-1.7\n%%EOF\n", b"\xff" * 100, b"%PDF-1.7\nstartxref\n9\n%%EOF\n"]
)
def test_rubbish(content: bytes, expected: ExpectedPdf) -> None:
    assert codes(content, expected)


def test_a_bomb_in_an_attachment_is_not_unpacked(
    expected: ExpectedPdf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_objects, "MAX_ATTACHMENT", 1000)
    stream = generic.StreamObject(encoded_data=zlib.compress(b"0" * 1001))
    stream["/Filter"] = generic.pdf_name("/FlateDecode")
    with pytest.raises(ValueError, match="too large"):
        pdf_objects.decoded(stream)
    stream["/Filter"] = generic.ArrayObject([generic.pdf_name("/FlateDecode")] * 2)
    with pytest.raises(ValueError, match="filter"):
        pdf_objects.decoded(stream)


def test_the_indexed_reader_reads_what_pyhanko_reads(
    pdf: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed: list[object] = []
    build = pdf_reader._indexed
    monkeypatch.setattr(pdf_reader, "_indexed", lambda s: indexed.append(s) or build(s))
    mine, theirs = pdf_reader.IndexedReader(pdf), PdfFileReader(io.BytesIO(pdf))
    revisions = range(theirs.xrefs.total_revisions)
    numbers = {r.idnum for each in revisions for r in theirs.xrefs.explicit_refs_in_revision(each)}
    same = [
        pdf_objects.written(mine.get_object(generic.Reference(n, 0, mine)))
        == pdf_objects.written(theirs.get_object(generic.Reference(n, 0, theirs)))
        for n in numbers
    ]
    assert len(same) > 40 and all(same)
    assert 0 < len(indexed) <= 3  # once for each object stream, not for each object


@pytest.mark.parametrize("head", [b"1 0 2", b"1 x 2 3", b"1 -5 2 3"])
def test_a_damaged_object_stream_is_refused(head: bytes) -> None:
    stream = generic.StreamObject(stream_data=head + b" null null")
    stream[generic.pdf_name("/Type")] = generic.pdf_name("/ObjStm")
    stream[generic.pdf_name("/N")] = generic.NumberObject(2)
    stream[generic.pdf_name("/First")] = generic.NumberObject(len(head))
    with pytest.raises((PdfError, ValueError)):
        pdf_reader._indexed(stream)


def test_the_size_of_a_pdf_is_limited(
    pdf: bytes, expected: ExpectedPdf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_module, "MAX_PDF", 1000)
    assert codes(pdf, expected) == {"pdf_too_large"}


@pytest.mark.parametrize("attack", [swapped_attachment, red_box, rewritten, junk_appended])
def test_a_new_manifest_does_not_hide_a_forged_certificate(
    bundle: Path, issuer: Issuer, attack: object
) -> None:
    public = bundle / "public"
    path = public / "certificate.pdf"
    path.write_bytes(attack(path.read_bytes()))  # type: ignore[operator]
    report = verify_bundle(public, roots=issuer.roots)
    assert {(f.file, f.code) for f in report.findings[:1]} == {("certificate.pdf", "file_changed")}
    write_manifest(public, issuer.signer)
    report = verify_bundle(public, roots=issuer.roots)
    assert report.exit_code == 1
    assert ("certificate.pdf", "pdf_changed") in {(f.file, f.code) for f in report.findings}
