"""HTML to one archival and accessible PDF (PDF/A-3a, PDF/UA-1), the same bytes every time.

WeasyPrint lays out; nothing but the bundled fonts is ever read: the fetcher refuses every other
address, so a hostile text cannot make the renderer open a file or a connection. The finisher is the
one place where the PDF is changed before it is written; signature fields are laid out there.

Never true of these bytes: that they depend on the clock, the time zone, the hash seed, the working
directory or a font of the machine.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pydyf
from dpsynth.reports.accessible import FieldBox, add_fields, identify
from dpsynth.reports.text import resource
from weasyprint import CSS, HTML, Attachment
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from dpsynth.errors import InputError
from dpsynth.signing.roles import ISSUER_ONLY, Role, lock_of

SIGNATURE_ANCHOR = "signature-box"  #: id of the element that leaves room for the issuer's signature
FONT_SCHEME = "dpsynth-font:"
FONTS = (
    "IBMPlexSans-Regular.woff2",
    "IBMPlexSans-SemiBold.woff2",
    "IBMPlexSans-Italic.woff2",
    "IBMPlexMono-Regular.woff2",
)
PAPERS = ("a4", "letter")

_POINTS = 0.75  # PDF points per CSS pixel
_LETTER_ZOOM = 279.4 / 297  # the layout of A4, so that pages break alike, made to fit in height
_LETTER_PAGE = (
    f"@page {{ size: {215.9 / _LETTER_ZOOM}mm 297mm !important;"
    f" margin-left: {(215.9 / _LETTER_ZOOM - 178) / 2}mm !important;"
    f" margin-right: {(215.9 / _LETTER_ZOOM - 178) / 2}mm !important }}"
)
_ENVIRONMENT = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A finished, unsigned document.

    Attributes:
        pdf: The bytes.
        fields: The signature fields, all empty, in the order of signing.
        pages: Number of pages.
    """

    pdf: bytes
    fields: tuple[FieldBox, ...]
    pages: int


class BundledOnly(URLFetcher):  # type: ignore[misc]
    """Serves the bundled fonts and nothing else."""

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        """Return a bundled font; refuse anything else, data URIs excepted."""
        name = url.removeprefix(FONT_SCHEME)
        if name != url and name in FONTS:
            return URLFetcherResponse(url, resource("fonts", name), {"Content-Type": "font/woff2"})
        if url.startswith("data:"):
            return super().fetch(url, headers)
        raise FatalURLFetchingError("A document may use its bundled fonts only.")


def render_pdf(
    html: str,
    *,
    attachments: Sequence[tuple[str, bytes, str]],
    title: str,
    created: datetime,
    identifier: bytes,
    roles: Sequence[Role] = ISSUER_ONLY,
    paper: str = "a4",
) -> Rendered:
    """Render a document of :mod:`dpsynth.reports.document` as PDF/A-3a and PDF/UA-1.

    Args:
        html: The whole document.
        attachments: (name, content, description) of each associated file.
        title: Title of the document.
        created: Time that the document carries; an aware datetime.
        identifier: Bytes that name the document, for example a digest of its evidence.
        roles: Who will sign, in order; nobody gets no field.
        paper: One of `PAPERS`. Letter is the layout of A4 at 94 in 100.

    Returns:
        The bytes, and the signature fields in them.

    Raises:
        InputError: The document leaves no room for a signature, or `created` has no time zone.
    """
    if paper not in PAPERS:
        raise InputError(f"must be one of {', '.join(PAPERS)}.", where="paper")
    letter = paper == "letter"
    zoom = _LETTER_ZOOM if letter else 1.0
    if created.tzinfo is None:
        raise InputError(
            "The time of a document has no time zone.", where="created", fix="Give it in UTC."
        )
    moment = created.astimezone(UTC).replace(microsecond=0)
    with _source_date(moment):
        fonts = FontConfiguration()
        fetcher = BundledOnly(allowed_protocols={"data"}, allow_redirects=False)
        document = HTML(string=html, url_fetcher=fetcher).render(
            stylesheets=[CSS(string=_LETTER_PAGE)] if letter else None, font_config=fonts
        )
        boxes = tuple(_field(document, role, roles, zoom) for role in roles)
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")
        document.metadata.title = title
        document.metadata.created = document.metadata.modified = stamp
        document.metadata.generator = "dpsynth"
        pdf = document.write_pdf(
            zoom=zoom,
            pdf_variant="pdf/a-3a",
            attachments=[
                Attachment(
                    string=content,
                    name=name,
                    description=description,
                    created=moment,
                    modified=moment,
                    relationship="Data",
                )
                for name, content, description in attachments
            ],
            pdf_identifier=identifier.hex().encode(),
            finisher=lambda _, pdf: _finish(pdf, boxes),
        )
    return Rendered(pdf=pdf, fields=boxes, pages=len(document.pages))


def anchor_of(role: Role) -> str:
    """Return the id of the element that leaves room for the signature of a role."""
    return SIGNATURE_ANCHOR if role is Role.ISSUER else f"{SIGNATURE_ANCHOR}-{role.value}"


def _finish(pdf: pydyf.PDF, boxes: Sequence[FieldBox]) -> None:
    """Mend and complete a PDF before it is written: each associated file is listed once.

    WeasyPrint 70.0 lists every attachment twice under /AF (its issue 2917).
    """
    associated = pdf.catalog.get("AF")
    if associated is not None:
        pdf.catalog["AF"] = pydyf.Array(list(dict.fromkeys(associated)))
    identify(pdf)
    add_fields(pdf, boxes)


def _field(document: Any, role: Role, roles: Sequence[Role], zoom: float) -> FieldBox:
    anchor, scale = anchor_of(role), _POINTS * zoom
    for index, page in enumerate(document.pages):
        if anchor in page.anchors:
            x1, y1, x2, y2 = page.anchors[anchor]
            low, high = page.height - y2, page.height - y1
            return FieldBox(
                name=role.field,
                label=f"Signature of the {role.words}",
                page=index,
                box=(x1 * scale, low * scale, x2 * scale, high * scale),
                lock=lock_of(roles, role),
            )
    raise InputError(
        f"The document leaves no room for the signature of the {role.words}.",
        where="document",
        fix=f"Give one element the id {anchor}.",
    )


@contextmanager
def _source_date(moment: datetime) -> Iterator[None]:
    """Set SOURCE_DATE_EPOCH, which font subsetting reads, and restore it."""
    name = "SOURCE_DATE_EPOCH"
    with _ENVIRONMENT:
        before = os.environ.get(name)
        os.environ[name] = str(int(moment.timestamp()))
        try:
            yield
        finally:
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before
