"""What an update after the first signature did to a document, named for a person.

Readers show the newest revision. Common tools call the old signature valid beside it, so the
revision that was signed is compared with the newest here: attached files, pages, catalog, title and
other metadata. Only what further signatures and archive time stamps need may differ.

Not the judge of all updates: pyHanko's difference analysis is, in
:mod:`dpsynth.verification.pdf_signers`. This one gives the name.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from dpsynth.verification.pdf_objects import attachments, decoded, entry, items, written

# Form (values of fields), security store, metadata (date of change), and the versions they need.
_MAY_DIFFER = {"/AcroForm", "/DSS", "/Metadata", "/Extensions", "/Version"}
_LAST_CHANGE = {"/ModDate", "/Producer", "ModifyDate", "MetadataDate", "Producer", "xmptk"}
_MAX_PAGES = 1000


def changes(reader: PdfFileReader, revision: int) -> list[tuple[str, str]]:
    """Return (code, sentence) of each kind of change since a revision, nothing if there is none."""
    before, after = reader.get_historical_resolver(revision).root, reader.root
    found = []
    if _files(before) != _files(after):
        found.append(
            ("pdf_attachment_swapped", "An attached file was swapped after the issuer signed.")
        )
    if _pages(before) != _pages(after):
        found.append(("pdf_page_changed", "A page was drawn over after the issuer signed."))
    if _catalog(before) != _catalog(after):
        found.append(
            ("pdf_catalog_changed", "Language, tags or other entries of the document were changed.")
        )
    if _title(reader, revision) != _title(reader, reader.xrefs.total_revisions - 1):
        found.append(
            (
                "pdf_metadata_changed",
                "Title or other metadata were changed after the issuer signed.",
            )
        )
    return found


def _files(root: Any) -> list[tuple[str, bytes]]:
    return [(name, decoded(spec["/EF"]["/F"])) for name, spec in attachments(root)]


def _pages(root: Any) -> list[list[bytes]]:
    """Return each page without its annotations, with the content that it draws."""
    found: list[list[bytes]] = []
    waiting = [root["/Pages"]]
    while waiting:
        node = waiting.pop()
        if len(found) > _MAX_PAGES:
            raise ValueError("too many pages")
        if "/Kids" in node:
            waiting += reversed(items(node["/Kids"]))
            continue
        content = entry(node, "/Contents", [])
        streams = items(content) if isinstance(content, list) else [content]
        parts = [written(node.raw_get(key)) for key in sorted(node) if key != "/Annots"]
        found.append(parts + [bytes(stream.encoded_data) for stream in streams])
    return found


def _catalog(root: Any) -> dict[str, bytes]:
    return {key: written(root.raw_get(key)) for key in root if key not in _MAY_DIFFER}


def _title(reader: PdfFileReader, revision: int) -> tuple[dict[str, str], list[Any]]:
    """Return what a document says of itself, but for when and by what it was changed last."""
    info = _held(reader, reader.trailer, "/Info", revision)
    said = {key: str(info[key]) for key in info if key not in _LAST_CHANGE}
    return said, _statements(decoded(_held(reader, reader.root, "/Metadata", revision)))


def _held(reader: PdfFileReader, owner: Any, key: str, revision: int) -> Any:
    """Return an object that the newest revision refers to, as it was in another one."""
    reference = owner.raw_get(key)
    if not isinstance(reference, generic.IndirectObject):
        raise ValueError(f"{key} is not an object of its own")
    return reader.get_object(reference.reference, revision=revision)  # type: ignore[no-untyped-call]


def _statements(xmp: bytes) -> list[Any]:
    """Return tag, text and attributes of each element of the metadata; ValueError if it is odd."""
    text = xmp.decode()
    if "<!" in text:
        raise ValueError("metadata with declarations")
    try:
        nodes = ElementTree.fromstring(text).iter()  # noqa: S314 (nothing is declared in it)
    except ElementTree.ParseError:
        raise ValueError("metadata that cannot be read") from None
    return [
        (
            node.tag,
            (node.text or "").strip(),
            {k: v for k, v in node.items() if k.rpartition("}")[2] not in _LAST_CHANGE},
        )
        for node in nodes
    ]
