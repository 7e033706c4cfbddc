"""Signed PDFs: an appended certification, seen by an independent tool, with its own font."""

from __future__ import annotations

import asyncio
import io
import shutil
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pikepdf
import pytest
from dpsynth.reports.pdf import render_pdf
from dpsynth.reports.sign import sign_pdf
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm

from dpsynth.errors import SelfTestError
from dpsynth.signing.keys import Signer, init_trial_authority, load_signer
from dpsynth.signing.roles import Role

LINES = ["Signed by Hospital (TRIAL), 100 %", "REL-1 %(ts)s", "The seal is no proof."]


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    made = init_trial_authority(
        tmp_path_factory.mktemp("k"), organisation="Hospital", passphrase=b"x", days=30
    )
    return load_signer(made.signer, b"x")


@pytest.fixture(scope="module")
def unsigned() -> bytes:
    return render_pdf(
        "<html lang=en><head><title>t</title></head><body><p>one"
        "<p id=signature-box style='break-before:page;width:320px;height:66px'></p>",
        attachments=[],
        title="t",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        identifier=b"1",
    ).pdf


def sign(unsigned: bytes, signer: Signer) -> bytes:
    return sign_pdf(unsigned, signer, lines=LINES)


@pytest.fixture(scope="module")
def signed(unsigned: bytes, signer: Signer) -> bytes:
    return sign(unsigned, signer)


def test_it_begins_with_the_unsigned_bytes(unsigned: bytes, signed: bytes) -> None:
    assert signed.startswith(unsigned)
    assert signed.rstrip().endswith(b"%%EOF")


def test_it_is_a_certification_that_allows_no_change(signed: bytes, signer: Signer) -> None:
    signatures = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    assert len(signatures) == 1
    signature = signatures[0]
    assert signature.field_name == "Issuer"
    assert signature.docmdp_level is MDPPerm.NO_CHANGES
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert signature.signer_info["digest_algorithm"]["algorithm"].native == "sha256"
    assert signature.signer_cert.native["tbs_certificate"]["serial_number"] == (
        signer.certificate.serial_number
    )
    assert [c.subject.human_friendly for c in signature.other_embedded_certs]


def test_the_seal_is_on_its_page_and_embeds_its_font(signed: bytes) -> None:
    with pikepdf.open(io.BytesIO(signed)) as document:
        assert "/Annots" not in document.pages[0]
        (field,) = document.pages[1].Annots
        left, low, right, high = map(float, field.Rect)
        assert (right - left, high - low) == pytest.approx((240, 49.5), abs=0.51)
        assert str(field.TU) == "Signature of the issuer"
        fonts = [
            descendant.FontDescriptor
            for document_object in document.objects
            if isinstance(document_object, pikepdf.Dictionary)
            and document_object.get("/Subtype") == "/Type0"
            and "IBMPlexSans" in str(document_object.BaseFont)
            for descendant in document_object.DescendantFonts
        ]
        assert fonts
        assert all("/FontFile2" in font or "/FontFile3" in font for font in fonts)


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="poppler-utils is not installed")
def test_poppler_finds_the_signature_sound(signed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "s.pdf"
    path.write_bytes(signed)
    text = subprocess.run(["pdfsig", path], capture_output=True, text=True, check=False).stdout
    assert "Signature is Valid" in text
    assert "Total document signed" in text


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_the_lines_are_shown_as_they_are(signed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "s.pdf"
    path.write_bytes(signed)
    command = ["pdftotext", "-f", "2", str(path), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(line in text for line in LINES)


def test_a_field_is_never_made_by_signing(unsigned: bytes, signer: Signer) -> None:
    """Such a field would have no description and no place in the structure (PDF/UA)."""
    with pytest.raises(SelfTestError, match="no empty field"):
        sign_pdf(unsigned, signer, lines=LINES, role=Role.DPO)
    with pytest.raises(SelfTestError, match="no empty field"):
        sign(sign(unsigned, signer), signer)


def test_no_network_is_used(
    unsigned: bytes, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    sign(unsigned, signer)


def test_it_works_inside_a_running_loop(unsigned: bytes, signer: Signer) -> None:
    async def notebook() -> bytes:
        return sign(unsigned, signer)

    assert asyncio.run(notebook()).startswith(unsigned)
