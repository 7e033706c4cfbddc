"""HTML to an archival, tagged PDF (PDF/A-3a) with attachments, byte for byte the same every time.

WeasyPrint lays out; nothing but the bundled fonts is ever read: the fetcher refuses every other
address, so a hostile text cannot make the renderer open a file or a connection. The finisher is the
one place where the PDF is changed before it is written.

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
from dpsynth.reports.text import resource
from weasyprint import HTML, Attachment
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from dpsynth.errors import InputError

SIGNATURE_ANCHOR = "signature-box"  #: id of the element that leaves room for the visible signature
FONT_SCHEME = "dpsynth-font:"
FONTS = (
    "IBMPlexSans-Regular.woff2",
    "IBMPlexSans-SemiBold.woff2",
    "IBMPlexSans-Italic.woff2",
    "IBMPlexMono-Regular.woff2",
)
_POINTS = 0.75  # PDF points per CSS pixel
_ENVIRONMENT = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A finished, unsigned document.

    Attributes:
        pdf: The bytes.
        signature_box: (page index, x1, y1, x2, y2) for the visible signature, in PDF points from
            the bottom left corner of that page.
        pages: Number of pages.
    """

    pdf: bytes
    signature_box: tuple[int, float, float, float, float]
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
) -> Rendered:
    """Render a document of :mod:`dpsynth.reports.document` as PDF/A-3a.

    Args:
        html: The whole document.
        attachments: (name, content, description) of each associated file.
        title: Title of the document.
        created: Time that the document carries; an aware datetime.
        identifier: Bytes that name the document, for example a digest of its evidence.

    Returns:
        The bytes, and where the visible signature belongs.

    Raises:
        InputError: The document leaves no room for a signature, or `created` has no time zone.
    """
    if created.tzinfo is None:
        raise InputError(
            "The time of a document has no time zone.", where="created", fix="Give it in UTC."
        )
    moment = created.astimezone(UTC).replace(microsecond=0)
    with _source_date(moment):
        fonts = FontConfiguration()
        fetcher = BundledOnly(allowed_protocols={"data"}, allow_redirects=False)
        document = HTML(string=html, url_fetcher=fetcher).render(font_config=fonts)
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")
        document.metadata.title = title
        document.metadata.created = document.metadata.modified = stamp
        document.metadata.generator = "dpsynth"
        pdf = document.write_pdf(
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
            finisher=finish,
        )
    return Rendered(pdf=pdf, signature_box=_signature_box(document), pages=len(document.pages))


def finish(document: Any, pdf: pydyf.PDF) -> None:
    """Mend and complete a PDF before it is written: each associated file is listed once.

    WeasyPrint 70.0 lists every attachment twice under /AF (its issue 2917).
    """
    associated = pdf.catalog.get("AF")
    if associated is not None:
        pdf.catalog["AF"] = pydyf.Array(list(dict.fromkeys(associated)))


def _signature_box(document: Any) -> tuple[int, float, float, float, float]:
    for index, page in enumerate(document.pages):
        if SIGNATURE_ANCHOR in page.anchors:
            x1, y1, x2, y2 = page.anchors[SIGNATURE_ANCHOR]
            return (
                index,
                x1 * _POINTS,
                (page.height - y2) * _POINTS,
                x2 * _POINTS,
                (page.height - y1) * _POINTS,
            )
    raise InputError(
        "The document leaves no room for a signature.",
        where="document",
        fix=f"Give one element the id {SIGNATURE_ANCHOR}.",
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
