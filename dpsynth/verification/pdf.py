"""Strict rules for a signed PDF of a bundle.

Stricter than a PDF reader, on purpose: common tools call a file valid after its attachment was
swapped, its page drawn over, bytes appended or its archive stamp cut off, when that happened in a
later revision. Here exactly the declared signers must have signed, in order; the first certifies
what may still change, the last locks everything, and the newest signature or archive time stamp
covers every byte.

What a PDF holds is hostile until its signature has been checked; whatever the parser meets becomes
a problem in words, never an exception.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from asn1crypto import cms
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature, read_certification_data
from pyhanko.sign.validation.status import SignatureCoverageLevel

from dpsynth.signing.levels import Level
from dpsynth.signing.timestamp import quiet
from dpsynth.verification.pdf_changes import changes
from dpsynth.verification.pdf_objects import (
    BROKEN,
    attachments,
    decoded,
    entry,
    has_prefix,
    items,
)
from dpsynth.verification.pdf_reader import IndexedReader
from dpsynth.verification.pdf_signers import ExpectedSigners, Found, check_signers

MAX_PDF = 64 * 2**20

Problems = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class ExpectedPdf:
    """What the signed evidence and manifest say that a PDF must be.

    Attributes:
        attachment: Name of the only attached file.
        content: Its bytes.
        unsigned_sha256: Digest of the PDF before it was signed.
        signers: Who must have signed, and how.
    """

    attachment: str
    content: bytes
    unsigned_sha256: str
    signers: ExpectedSigners


def check_pdf(content: bytes, expected: ExpectedPdf) -> Found:
    """Check one PDF; no problem is found if it holds."""
    found = Found()
    if len(content) > MAX_PDF:
        found.problems.append(
            ("pdf_too_large", "The PDF is larger than a document of dpsynth can be.")
        )
        return found
    if not re.search(rb"%%EOF\r?\n?\Z", content[-16:]):
        found.problems.append(
            ("pdf_appended", "The file does not end where its last revision ends.")
        )
    if not has_prefix(content, expected.unsigned_sha256):
        found.problems.append(
            ("pdf_not_rendered", "It does not begin with the document that the evidence names.")
        )
    try:
        with quiet():
            _check_signatures(content, expected, found)
    except BROKEN as error:
        found.problems.append(
            ("pdf_unreadable", f"The PDF cannot be read ({type(error).__name__}): it is damaged.")
        )
    found.problems = list(dict.fromkeys(found.problems))
    return found


def _check_signatures(content: bytes, expected: ExpectedPdf, found: Found) -> None:
    reader = IndexedReader(content)
    if reader.encrypted:
        found.problems.append(("pdf_encrypted", "The PDF is encrypted."))
        return
    everything = list(reader.embedded_signatures)
    signatures = [each for each in everything if each.sig_object_type == "/Sig"]
    archive = [each for each in everything if each.sig_object_type == "/DocTimeStamp"]
    if not signatures:
        found.problems.append(("pdf_not_signed", "The PDF is not signed."))
        return
    found.problems += _check_fields(reader, signatures, archive, expected.signers)
    if found.problems and found.problems[-1][0] == "pdf_fields":
        return
    found.problems += _check_coverage(content, everything)
    found.problems += changes(reader, signatures[0].signed_revision)
    found.problems += _check_permissions(reader, signatures, expected.signers)
    if expected.signers.level is Level.B_LTA and everything[-1] not in archive:
        found.problems.append(
            ("pdf_archive_stamp_missing", "The archive time stamp at its end was cut off.")
        )
    told = check_signers(content, reader, signatures, archive, expected.signers)
    found.problems += told.problems
    found.unknown, found.signers = told.unknown, told.signers
    found.problems += _check_attachments(reader, signatures[0], expected)


def _check_fields(
    reader: PdfFileReader,
    signatures: Sequence[EmbeddedPdfSignature],
    archive: Sequence[EmbeddedPdfSignature],
    expected: ExpectedSigners,
) -> Problems:
    """Exactly the declared fields are there, and they are signed in the declared order."""
    declared = [role.field for role in expected.roles]
    stamps = [each.field_name for each in archive]
    names = [name for name, _, _ in fields.enumerate_sig_fields(reader)]
    signed = [each.field_name for each in signatures]
    if sorted(names) != sorted(declared + stamps) or (stamps and expected.level is not Level.B_LTA):
        return [("pdf_fields", "The PDF has other signature fields than those of its signers.")]
    problems = [
        ("pdf_signer_missing", f"The signature of the {role.words} is missing.")
        for role in expected.roles
        if role.field not in signed
    ]
    if signed != declared[: len(signed)]:
        problems.append(("pdf_order", "It was not signed in the order that was declared."))
    return problems


def _check_coverage(content: bytes, everything: Sequence[EmbeddedPdfSignature]) -> Problems:
    """Each signature covers its whole revision, and the newest every byte of the file."""
    whole = {SignatureCoverageLevel.ENTIRE_FILE, SignatureCoverageLevel.ENTIRE_REVISION}
    for signature in everything:
        ranges = [int(number) for number in signature.byte_range]
        held = bytes(signature.pkcs7_content)
        if (
            len(ranges) != 4
            or signature.evaluate_signature_coverage() not in whole
            or not (ranges[0] == 0 < ranges[1] < ranges[2])
            or re.fullmatch(rb"<[0-9A-Fa-f]*>", content[ranges[1] : ranges[2]]) is None
            or any(held[len(cms.ContentInfo.load(held).dump()) :])
        ):
            return [("pdf_changed", "A signature does not cover all bytes of its revision.")]
    newest = everything[-1].byte_range
    if int(newest[2]) + int(newest[3]) != len(content):
        return [("pdf_changed", "The file was changed or extended after it was signed.")]
    return []


def _check_permissions(
    reader: PdfFileReader, signatures: Sequence[EmbeddedPdfSignature], expected: ExpectedSigners
) -> Problems:
    """The issuer certifies what may change; the last of several signers locks everything."""
    problems: Problems = []
    alone = len(expected.roles) == 1
    needed = fields.MDPPerm.NO_CHANGES if alone else fields.MDPPerm.FILL_FORMS
    certified = read_certification_data(reader)
    if (
        certified is None
        or certified.permission is not needed
        or certified.author_sig != signatures[0].sig_object
        or signatures[0].docmdp_level is not needed
        or any(
            entry(each.sig_object, "/SubFilter", "") != fields.SigSeedSubFilter.PADES.value
            for each in signatures
        )
    ):
        problems.append(
            ("pdf_not_certified", "The signatures do not certify what may still be changed.")
        )
    if not alone and len(signatures) == len(expected.roles):
        lock, level = signatures[-1].fieldmdp, signatures[-1].docmdp_level
        if (
            lock is None
            or lock.action is not fields.FieldMDPAction.ALL
            or level is not fields.MDPPerm.NO_CHANGES
        ):
            problems.append(("pdf_not_locked", "The last signature does not lock the document."))
    return problems


def _check_attachments(
    reader: PdfFileReader, signature: EmbeddedPdfSignature, expected: ExpectedPdf
) -> Problems:
    """Compare the attachments of the signed revision, not those of the file as it is now."""
    root = reader.get_historical_resolver(signature.signed_revision).root
    listed = attachments(root)
    if [name for name, _ in listed] != [expected.attachment]:
        return [("pdf_attachments", f"Its only attachment should be {expected.attachment}.")]
    specification = listed[0][1]
    embedded = specification["/EF"]
    streams = {embedded.raw_get(key) for key in embedded}
    associated = items(entry(root, "/AF", []))
    if len(streams) != 1 or any(each != specification for each in associated):
        return [("pdf_attachments", "It refers to attached files in an unusual way.")]
    if decoded(embedded["/F"]) != expected.content:
        return [("pdf_attachment_differs", f"{expected.attachment} in it is not the evidence.")]
    return []
