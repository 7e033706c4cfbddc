"""What a person without a key can do to a signed PDF, each as a function from bytes to bytes.

Most are incremental updates: the old signature stays in the file as it was, and common readers call
it valid. Used by the tests of single documents and by the table of tampered bundles.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pikepdf
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader

Tampering = Callable[[bytes], bytes]

_FORGED = b'{"epsilon":"0.1"}'


def updated(pdf: bytes, change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    """Return the file with an incremental update; its old bytes stay."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    assert out.getvalue().startswith(pdf)
    return out.getvalue()


def swapped_attachment(pdf: bytes) -> bytes:
    """Replace the attached evidence by another."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        stream = writer.root["/Names"]["/EmbeddedFiles"]["/Names"][1]["/EF"].raw_get("/F")
        writer.objects[(stream.generation, stream.idnum)] = _embedded()

    return updated(pdf, change)


def attachment_twice(pdf: bytes) -> bytes:
    """Attach a second file of the same name: some readers show the first, some the last."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        tree = writer.root["/Names"]["/EmbeddedFiles"]
        names = tree["/Names"]
        held = generic.DictionaryObject({generic.pdf_name("/F"): writer.add_object(_embedded())})
        names += [
            generic.pdf_string(str(names[0])),
            writer.add_object(
                generic.DictionaryObject(
                    {
                        generic.pdf_name("/Type"): generic.pdf_name("/Filespec"),
                        generic.pdf_name("/F"): generic.pdf_string(str(names[0])),
                        generic.pdf_name("/EF"): held,
                    }
                )
            ),
        ]
        for container in (names, tree, writer.root["/Names"]):
            writer.update_container(container)

    return updated(pdf, change)


def red_box(pdf: bytes) -> bytes:
    """Draw over the first page."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        box = writer.add_object(generic.StreamObject(stream_data=b"1 0 0 rg 50 500 300 200 re f"))
        page = _first_page(writer)
        page["/Contents"] = generic.ArrayObject([page.raw_get("/Contents"), box])
        writer.update_container(page)

    return updated(pdf, change)


def other_language(pdf: bytes) -> bytes:
    """Change the language that a screen reader speaks."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        writer.root["/Lang"] = generic.pdf_string("fr")
        writer.update_root()

    return updated(pdf, change)


def other_title(pdf: bytes) -> bytes:
    """Change the title that readers show above the document, in both places that hold one."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        writer.document_meta.title = "Epsilon 0.1"
        writer.update_root()

    return updated(pdf, change)


def annotated(pdf: bytes) -> bytes:
    """Put a note on the first page."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        page = _first_page(writer)
        area = generic.ArrayObject(map(generic.NumberObject, (0, 0, 9, 9)))
        note = generic.DictionaryObject(
            {
                generic.pdf_name("/Type"): generic.pdf_name("/Annot"),
                generic.pdf_name("/Subtype"): generic.pdf_name("/Square"),
                generic.pdf_name("/Rect"): area,
            }
        )
        page["/Annots"].append(writer.add_object(note))
        writer.update_container(page["/Annots"])
        writer.update_container(page)

    return updated(pdf, change)


def flipped_in_attachment(pdf: bytes) -> bytes:
    """Flip one bit of the attached evidence."""
    at = pdf.index(b"stream", pdf.index(b"/EmbeddedFile")) + 12
    return pdf[:at] + bytes([pdf[at] ^ 1]) + pdf[at + 1 :]


def rewritten(pdf: bytes) -> bytes:
    """Open and save the file with another program."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        document.save(out)
    return out.getvalue()


def padding_filled(pdf: bytes) -> bytes:
    """Hide bytes behind the DER of the newest stamp, where no signature looks."""
    end = [match.end() for match in re.finditer(rb"0{40}>", pdf)][-1] - 1
    return pdf[: end - 8] + b"deadbeef" + pdf[end:]


def junk_appended(pdf: bytes) -> bytes:
    """Append bytes that no reader shows."""
    return pdf + b"junk"


def second_end(pdf: bytes) -> bytes:
    """Append bytes with an end of their own, so that the file ends with %%EOF again."""
    return pdf + b"junk\n" + pdf[pdf.rindex(b"startxref") :]


def cut_after(pdf: bytes, signature: int) -> bytes:
    """Return the file up to the end of one of its signatures or stamps, counted as in a list."""
    found = PdfFileReader(io.BytesIO(pdf)).embedded_signatures[signature]
    _, _, second, rest = (int(number) for number in found.byte_range)
    return pdf[: second + rest]


def unsigned_part(pdf: bytes) -> bytes:
    """Return the document as it was before the first signature."""
    return pdf[: re.search(rb"%%EOF\r?\n?", pdf).end()]  # type: ignore[union-attr]


#: Name, tampering, and the finding that must name it, for a document that two people signed.
TAMPERED: dict[str, tuple[Tampering, str]] = {
    "byte flipped in the attachment": (flipped_in_attachment, "pdf_not_rendered"),
    "attachment swapped": (swapped_attachment, "pdf_attachment_swapped"),
    "attachment of the same name added": (attachment_twice, "pdf_attachment_swapped"),
    "page drawn over": (red_box, "pdf_page_changed"),
    "language changed": (other_language, "pdf_catalog_changed"),
    "annotation added": (annotated, "pdf_signature"),
    "rewritten by another tool": (rewritten, "pdf_changed"),
    "junk after the end": (junk_appended, "pdf_appended"),
    "junk with an end of its own": (second_end, "pdf_changed"),
    "bytes behind a signature": (padding_filled, "pdf_changed"),
}


def _embedded() -> generic.StreamObject:
    fake = generic.StreamObject(stream_data=_FORGED)
    fake["/Type"] = generic.pdf_name("/EmbeddedFile")
    return fake


def _first_page(writer: IncrementalPdfFileWriter) -> generic.DictionaryObject:
    page: generic.DictionaryObject = writer.root["/Pages"]["/Kids"][0]
    return page
