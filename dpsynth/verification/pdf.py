"""Strict rules for a signed PDF of a bundle.

Stricter than a PDF reader, on purpose: common tools call a file valid after its attachment was
swapped, its page drawn over or bytes appended, when that happened in a later revision. Here the one
expected signature must be a certification that allows no change and covers every byte.

What a PDF holds is hostile until its signature has been checked; whatever the parser meets becomes
a problem in words, never an exception.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields
from pyhanko.sign.validation.pdf_embedded import (
    EmbeddedPdfSignature,
    async_validate_pdf_signature,
    read_certification_data,
)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.errors import PathError, ValidationError

from dpsynth.reports.sign import in_own_loop, to_asn1

MAX_PDF = 64 * 2**20
MAX_ATTACHMENT = 64 * 2**20

# What parsers and validators raise on broken input.
_BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    PdfError,
    RecursionError,
    PathError,
    TypeError,
    UnsupportedAlgorithm,
    ValidationError,
    ValueError,
    struct.error,
    zlib.error,
)
_MAX_NODES = 64


@dataclass(frozen=True, kw_only=True)
class ExpectedPdf:
    """What the signed evidence says that a PDF must be.

    Attributes:
        field: Name of the only signature field.
        attachment: Name of the only attached file.
        content: Its bytes.
        unsigned_sha256: Digest of the PDF before it was signed.
        certificate: The signer, known from the manifest.
        roots: What the user trusts.
        moment: Time at which the signer's path to a root is valid.
    """

    field: str
    attachment: str
    content: bytes
    unsigned_sha256: str
    certificate: x509.Certificate
    roots: Sequence[x509.Certificate]
    moment: datetime


def check_pdf(content: bytes, expected: ExpectedPdf) -> list[tuple[str, str]]:
    """Check one PDF; return (code, sentence) of each problem, nothing if it holds."""
    if len(content) > MAX_PDF:
        return [("pdf_too_large", "The PDF is larger than a document of dpsynth can be.")]
    problems = []
    if not re.search(rb"%%EOF\r?\n?\Z", content[-16:]):
        problems.append(("pdf_appended", "The file does not end where its last revision ends."))
    if not _has_prefix(content, expected.unsigned_sha256):
        problems.append(
            ("pdf_not_rendered", "It does not begin with the document that the evidence names.")
        )
    try:
        with _parser_logs_kept_quiet():
            problems += _check_signature(content, expected)
    except _BROKEN as error:
        problems.append(
            ("pdf_unreadable", f"The PDF cannot be read ({type(error).__name__}): it is damaged.")
        )
    return problems


@contextmanager
def _parser_logs_kept_quiet() -> Iterator[None]:
    """Keep tracebacks of the parser off a console where no logging is set up."""
    loggers = [logging.getLogger(name) for name in ("pyhanko", "pyhanko_certvalidator")]
    handler = logging.NullHandler()
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def _check_signature(content: bytes, expected: ExpectedPdf) -> list[tuple[str, str]]:
    reader = PdfFileReader(io.BytesIO(content))
    if reader.encrypted:
        return [("pdf_encrypted", "The PDF is encrypted.")]
    names = [name for name, _, _ in fields.enumerate_sig_fields(reader)]
    signatures = list(reader.embedded_signatures)
    if not signatures:
        return [("pdf_not_signed", "The PDF is not signed.")]
    if names != [expected.field] or len(signatures) != 1:
        return [("pdf_fields", "The PDF has other signature fields than the one of its issuer.")]
    signature = signatures[0]
    problems = []
    if not _covers_everything(content, signature):
        problems.append(("pdf_changed", "The file was changed or extended after it was signed."))
    if not _is_certification(reader, signature):
        problems.append(
            ("pdf_not_certified", "The signature does not certify that nothing may change.")
        )
    signer = signature.signer_cert.dump()
    if signer != expected.certificate.public_bytes(Encoding.DER):
        problems.append(("pdf_other_signer", "It was not signed by the signer of the manifest."))
    if not _holds(signature, expected):
        problems.append(("pdf_signature", "The signature does not fit the content of the file."))
    return problems + _check_attachments(reader, signature, expected)


def _covers_everything(content: bytes, signature: EmbeddedPdfSignature) -> bool:
    """Say whether all bytes but the signature's own hexadecimal text are signed."""
    ranges = [int(number) for number in signature.byte_range]
    if len(ranges) != 4 or signature.evaluate_signature_coverage() != (
        SignatureCoverageLevel.ENTIRE_FILE
    ):
        return False
    start, length, second, rest = ranges
    return (
        start == 0
        and 0 < length < second
        and second + rest == len(content)
        and re.fullmatch(rb"<[0-9A-Fa-f]*>", content[length:second]) is not None
    )


def _is_certification(reader: PdfFileReader, signature: EmbeddedPdfSignature) -> bool:
    certified = read_certification_data(reader)
    return (
        certified is not None
        and certified.permission is fields.MDPPerm.NO_CHANGES
        and certified.author_sig == signature.sig_object
        and signature.docmdp_level is fields.MDPPerm.NO_CHANGES
        and _entry(signature.sig_object, "/SubFilter", "") == fields.SigSeedSubFilter.PADES.value
    )


def _holds(signature: EmbeddedPdfSignature, expected: ExpectedPdf) -> bool:
    """Say whether pyHanko finds the signature sound, unchanged and leading to a trusted root."""
    context = ValidationContext(
        trust_roots=[to_asn1(root) for root in expected.roots],
        allow_fetching=False,
        revocation_mode="soft-fail",
        moment=expected.moment,
    )
    usage = KeyUsageConstraints(
        key_usage={"digital_signature", "non_repudiation"}, match_all_key_usages=False
    )
    status = in_own_loop(
        async_validate_pdf_signature(
            signature, signer_validation_context=context, key_usage_settings=usage
        )
    )
    return bool(status.bottom_line)


def _check_attachments(
    reader: PdfFileReader, signature: EmbeddedPdfSignature, expected: ExpectedPdf
) -> list[tuple[str, str]]:
    """Compare the attachments of the signed revision, not those of the file as it is now."""
    root = reader.get_historical_resolver(signature.signed_revision).root
    listed = list(_name_tree(_entry(_entry(root, "/Names", {}), "/EmbeddedFiles", {})))
    if [name for name, _ in listed] != [expected.attachment]:
        return [("pdf_attachments", f"Its only attachment should be {expected.attachment}.")]
    specification = listed[0][1]
    embedded = specification["/EF"]
    streams = {embedded.raw_get(key) for key in embedded}
    associated = _items(_entry(root, "/AF", []))
    if len(streams) != 1 or any(entry != specification for entry in associated):
        return [("pdf_attachments", "It refers to attached files in an unusual way.")]
    if _decoded(embedded["/F"]) != expected.content:
        return [("pdf_attachment_differs", f"{expected.attachment} in it is not the evidence.")]
    return []


def _name_tree(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a PDF name tree."""
    waiting, seen = [node], 0
    while waiting:
        current, seen = waiting.pop(), seen + 1
        if seen > _MAX_NODES:
            raise ValueError("name tree is too large")
        names = _items(_entry(current, "/Names", []))
        for name, value in zip(names[::2], names[1::2], strict=True):
            yield str(name), value
        waiting += _items(_entry(current, "/Kids", []))


def _entry(dictionary: Any, key: str, default: Any) -> Any:
    """Return an entry with references followed, which ``dict.get`` would not do."""
    return dictionary[key] if key in dictionary else default


def _items(array: Any) -> list[Any]:
    """Return the items of an array with references followed."""
    return [array[index] for index in range(len(array))]


def _decoded(stream: generic.StreamObject) -> bytes:
    """Return the content of a stream, never more than MAX_ATTACHMENT bytes."""
    filters = _entry(stream, "/Filter", [])
    filters = _items(filters) if isinstance(filters, list) else [filters]
    encoded = bytes(stream.encoded_data)
    if not filters:
        return encoded
    if filters != ["/FlateDecode"] or "/DecodeParms" in stream:
        raise ValueError("unusual stream filter")
    inflater = zlib.decompressobj()
    content = inflater.decompress(encoded, MAX_ATTACHMENT)
    if inflater.unconsumed_tail or not inflater.eof:
        raise ValueError("attachment is too large or cut off")
    return content


def _has_prefix(content: bytes, digest: str) -> bool:
    """Say whether the bytes up to the end of one of the revisions have the digest."""
    state, position = hashlib.sha256(), 0
    for end in re.finditer(rb"%%EOF(?:\r\n|\n|\r|)", content):
        for stop in {end.start() + 5, end.end()} - {position}:
            probe = state.copy()
            probe.update(content[position:stop])
            if probe.hexdigest() == digest:
                return True
        state.update(content[position : end.end()])
        position = end.end()
    return False
