"""Sign a rendered PDF: PAdES, in a field that was laid out before, with a seal in its own font.

Follows ETSI EN 319 142-1 (PAdES) and ISO 32000 (certification, DocMDP, field locks). The issuer
certifies; where nobody else is to sign, nothing may change any more, else the empty fields may be
signed. The signed file begins with the exact bytes of the one before, so its digest can still be
checked. No network is used but that of a declared time-stamping authority. Never true here: that
the visible seal proves anything; the page says so.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from dpsynth.reports.levels import BEFORE_STAMP, metadata, offline_context, to_asn1
from fontTools.ttLib import TTFont
from pyhanko.pdf_utils.font.opentype import GlyphAccumulatorFactory
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import AxisAlignment, Margins, SimpleBoxLayoutRule
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.text import TextBoxStyle
from pyhanko.sign import fields
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import PdfSigner, PdfTimeStamper
from pyhanko.sign.signers import Signer as PyHankoSigner
from pyhanko.sign.timestamps.common_utils import TimestampRequestError
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.pdf_embedded import async_validate_pdf_timestamp
from pyhanko.stamp import TextStampStyle
from pyhanko_certvalidator.errors import PathError, ValidationError
from pyhanko_certvalidator.registry import SimpleCertificateStore

from dpsynth.errors import InputError, SelfTestError
from dpsynth.signing.keys import Signer
from dpsynth.signing.levels import BASELINE, Assurance
from dpsynth.signing.roles import ISSUER_ONLY, Role
from dpsynth.signing.timestamp import quiet, time_stamper

T = TypeVar("T")

_LONGEST_ECDSA = 104  # bytes: two numbers of P-384 in DER
_FONT = "IBMPlexSans-Regular.woff2"
_ROOMY = (8, 11, Margins(6, 6, 4, 4))  # size, leading and margins of the only seal of a page
_TIGHT = (7, 8, Margins(4, 4, 1, 1))  # of one of several
_INK = (0.13, 0.17, 0.23)


def sign_pdf(
    document: bytes,
    signer: Signer,
    *,
    lines: Sequence[str],
    role: Role = Role.ISSUER,
    roles: Sequence[Role] = ISSUER_ONLY,
    assurance: Assurance = BASELINE,
) -> bytes:
    """Return the PDF with a signature appended as an incremental update.

    Args:
        document: The rendered PDF; for a further signer, as the one before left it.
        signer: Who signs; the certificates travel in the signature.
        lines: Text shown in the field.
        role: In which part; its field must be there and empty.
        roles: Everybody who will sign, in order.
        assurance: Level, and what it needs.

    Raises:
        InputError: The time-stamping authority gave no stamp, or the revocation lists do not reach.
        SelfTestError: There is no such empty field, or bytes of the document changed.
    """
    writer = IncrementalPdfFileWriter(io.BytesIO(document))
    empty = fields.enumerate_sig_fields(writer, filled_status=False, with_name=role.field)
    if next(empty, None) is None:
        raise SelfTestError(f"The document has no empty field for the {role.words}.")
    alone = fields.MDPPerm.NO_CHANGES if len(roles) == 1 else fields.MDPPerm.FILL_FORMS
    certifies = alone if role is Role.ISSUER else None
    with tempfile.TemporaryDirectory(prefix="dpsynth-font-") as folder, understood(assurance):
        pdf_signer = PdfSigner(
            metadata(role.field, assurance, signer, certifies=certifies),
            signer=_AnySigner(signer),
            timestamper=time_stamper(assurance.tsa) if assurance.tsa is not None else None,
            stamp_style=_style(_font_file(Path(folder)), lines, tight=len(roles) > 1),
        )
        signed: bytes = in_own_loop(pdf_signer.async_sign_pdf(writer)).getvalue()
    if not signed.startswith(document):
        raise SelfTestError("Signing changed bytes of the rendered document.")
    return signed


def renew_archive(document: bytes, assurance: Assurance) -> bytes:
    """Return the PDF with a new archive time stamp over everything, the last stamp checked.

    Args:
        document: A PDF of level B-LTA.
        assurance: The authority; certificates and revocation lists of the authority of the last
            stamp and of this one.

    Raises:
        InputError: The authority gave no stamp, or the revocation lists do not reach.
        SelfTestError: Bytes of the document changed.
    """
    if assurance.tsa is None:
        raise InputError("is not given.", where="--tsa")
    with understood(assurance):
        renewed = in_own_loop(_stamped_again(document, assurance, time_stamper(assurance.tsa)))
    if not renewed.startswith(document):
        raise SelfTestError("Renewing changed bytes of the document.")
    return renewed


async def _stamped_again(document: bytes, assurance: Assurance, stamper: Any) -> bytes:
    """Keep what checks the last stamp in the file, then put a new stamp over it."""
    context = offline_context(assurance)
    last = PdfFileReader(io.BytesIO(document)).embedded_timestamp_signatures[-1]
    status = await async_validate_pdf_timestamp(last, context, skip_diff=True)
    if not (status.intact and status.valid and status.trusted):
        raise SigningError("The last archive time stamp cannot be checked any more.")
    writer = IncrementalPdfFileWriter(io.BytesIO(document))
    DocumentSecurityStore.supply_dss_in_writer(
        writer, None, paths=(status.validation_path,), validation_context=context
    )
    out = await PdfTimeStamper(stamper).async_timestamp_pdf(
        writer, "sha256", validation_context=context, dss_settings=BEFORE_STAMP
    )
    return bytes(out.getvalue())


def in_own_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where a loop runs already (a notebook)."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


@contextmanager
def understood(assurance: Assurance) -> Iterator[None]:
    """Turn what goes wrong with time stamps and revocation lists into words for a person."""
    try:
        with quiet():
            yield
    except (TimestampRequestError, TimeoutError) as error:
        raise InputError(
            f"The time-stamping authority gave no time stamp ({type(error).__name__}).",
            where="sign.tsa",
            fix="Check the URL and the network; the document was not signed.",
        ) from None
    except (SigningError, ValidationError, PathError):
        raise InputError(
            f"The named certificates and revocation lists do not reach for level "
            f"{assurance.level}.",
            where="sign.crls",
            fix="Name a list in force of each issuer of signer and time-stamping authority, and "
            "their certificates up to the roots; or sign at level B-T.",
        ) from None


class _AnySigner(PyHankoSigner):
    """Signs with whatever holds the key: this process or a device."""

    def __init__(self, signer: Signer) -> None:
        registry = SimpleCertificateStore.from_certs(  # type: ignore[no-untyped-call]
            map(to_asn1, signer.chain)
        )
        super().__init__(signing_cert=to_asn1(signer.certificate), cert_registry=registry)
        self._signer = signer

    async def async_sign_raw(
        self, data: bytes, digest_algorithm: str, dry_run: bool = False
    ) -> bytes:
        """Return a signature, or bytes of at least its length."""
        if dry_run:
            key = self._signer.certificate.public_key()
            return bytes(key.key_size // 8 if isinstance(key, RSAPublicKey) else _LONGEST_ECDSA)
        return self._signer.sign(data, digest_algorithm)


def _style(font: Path, lines: Sequence[str], *, tight: bool) -> TextStampStyle:
    """Return text at the left, of fixed size where it fits, in an embedded font."""
    size, leading, margins = _TIGHT if tight else _ROOMY
    left = SimpleBoxLayoutRule(
        x_align=AxisAlignment.ALIGN_MIN,
        y_align=AxisAlignment.ALIGN_MID,
        margins=margins,
    )
    return TextStampStyle(
        border_width=0,
        stamp_text="\n".join(lines).replace("%", "%%"),
        inner_content_layout=left,
        text_box_style=TextBoxStyle(
            font=GlyphAccumulatorFactory(str(font), font_size=size),
            font_size=size,
            leading=leading,
            box_layout_rule=SimpleBoxLayoutRule(
                x_align=AxisAlignment.ALIGN_MIN, y_align=AxisAlignment.ALIGN_MID
            ),
            text_color=_INK,
        ),
    )


def _font_file(folder: Path) -> Path:
    """Write the bundled font as pyHanko reads it: from a file."""
    path = folder / "font.ttf"
    path.write_bytes(_unpacked())
    return path


@cache
def _unpacked() -> bytes:
    """Return the bundled font as OpenType; it is packed as WOFF2."""
    packed = files("dpsynth.reports").joinpath("fonts", _FONT).read_bytes()
    font, out = TTFont(io.BytesIO(packed)), io.BytesIO()
    font.flavor = None
    font.save(out)
    return out.getvalue()
