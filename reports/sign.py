"""Sign a rendered PDF: PAdES, certification, no change allowed, visible field with its own font.

Follows ETSI EN 319 142-1 (PAdES) and ISO 32000 (certification signatures, DocMDP). The signed file
begins with the exact bytes of the unsigned one, so the unsigned digest stays checkable. No network
is used. Never true here: that the visible seal proves anything; the text in it says so.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from fontTools.ttLib import TTFont
from pyhanko.pdf_utils.font.opentype import GlyphAccumulatorFactory
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import AxisAlignment, Margins, SimpleBoxLayoutRule
from pyhanko.pdf_utils.text import TextBoxStyle
from pyhanko.sign import fields
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.stamp import TextStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

from dpsynth.errors import SelfTestError
from dpsynth.signing.keys import Signer

T = TypeVar("T")

_FONT = "IBMPlexSans-Regular.woff2"
_FONT_SIZE = 8
_LEADING = 11
_INK = (0.13, 0.17, 0.23)


def sign_pdf(
    unsigned: bytes,
    signer: Signer,
    *,
    field_name: str,
    page_index: int,
    box: tuple[float, float, float, float],
    lines: Sequence[str],
) -> bytes:
    """Return the PDF with a certification signature appended as an incremental update.

    Args:
        unsigned: The rendered PDF.
        signer: Who signs; the certificates travel in the signature.
        field_name: Name of the signature field; used as it is if the PDF has it already.
        page_index: Page of the field, from 0.
        box: Its rectangle (x1, y1, x2, y2) in points from the lower left corner.
        lines: Text shown in the field.

    Raises:
        SelfTestError: The signed file does not begin with the unsigned bytes.
    """
    writer = IncrementalPdfFileWriter(io.BytesIO(unsigned))
    present = next(fields.enumerate_sig_fields(writer, with_name=field_name), None)
    spec = None
    if present is None:
        spec = fields.SigFieldSpec(
            sig_field_name=field_name,
            on_page=page_index,
            box=(round(box[0]), round(box[1]), round(box[2]), round(box[3])),
            readable_field_name="Signature of the issuer",
        )
    with tempfile.TemporaryDirectory(prefix="dpsynth-font-") as folder:
        style = _style(_font_file(Path(folder)), lines)
        pdf_signer = PdfSigner(
            _baseline_b(field_name),
            signer=_pyhanko_signer(signer),
            stamp_style=style,
            new_field_spec=spec,
        )
        signed: bytes = in_own_loop(pdf_signer.async_sign_pdf(writer)).getvalue()
    if not signed.startswith(unsigned):
        raise SelfTestError("Signing changed bytes of the rendered document.")
    return signed


def in_own_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where a loop runs already (a notebook)."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


def to_asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    """Return the certificate in the form that pyHanko takes."""
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def _baseline_b(field_name: str) -> PdfSignatureMetadata:
    """Return PAdES level B-B: what is signed and by whom, with no trusted time.

    Further levels (B-T, B-LT, B-LTA) differ in this function and in the timestamper of the signer.
    """
    return PdfSignatureMetadata(
        field_name=field_name,
        subfilter=fields.SigSeedSubFilter.PADES,
        md_algorithm="sha256",
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
    )


def _pyhanko_signer(signer: Signer) -> SimpleSigner:
    key = signer.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    registry = SimpleCertificateStore.from_certs(  # type: ignore[no-untyped-call]
        map(to_asn1, signer.chain)
    )
    return SimpleSigner(
        signing_cert=to_asn1(signer.certificate),
        signing_key=asn1_keys.PrivateKeyInfo.load(key),
        cert_registry=registry,
    )


def _style(font: Path, lines: Sequence[str]) -> TextStampStyle:
    """Return text at the left, of fixed size where it fits, in an embedded font."""
    left = SimpleBoxLayoutRule(
        x_align=AxisAlignment.ALIGN_MIN,
        y_align=AxisAlignment.ALIGN_MID,
        margins=Margins(6, 6, 4, 4),
    )
    return TextStampStyle(
        border_width=0,
        stamp_text="\n".join(lines).replace("%", "%%"),
        inner_content_layout=left,
        text_box_style=TextBoxStyle(
            font=GlyphAccumulatorFactory(str(font), font_size=_FONT_SIZE),
            font_size=_FONT_SIZE,
            leading=_LEADING,
            text_color=_INK,
        ),
    )


def _font_file(folder: Path) -> Path:
    """Unpack the bundled font: pyHanko reads OpenType from a file, not WOFF2."""
    packed = files("dpsynth.reports").joinpath("fonts", _FONT).read_bytes()
    font = TTFont(io.BytesIO(packed))
    font.flavor = None
    path = folder / "font.ttf"
    font.save(path)
    return path
