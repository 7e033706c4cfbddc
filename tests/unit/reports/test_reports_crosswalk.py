"""Annex D: each source has words, points at sections that are there, and at the right pages."""

from __future__ import annotations

import io
import re

import pikepdf
import pytest
from dpsynth.reports import text
from dpsynth.reports.crosswalk import SOURCES, Basis
from dpsynth.reports.document import report_html
from dpsynth.reports.pdf import Rendered
from test_reports_documents import page_text, visible

from dpsynth.evidence import ReleaseEvidence

OTHER = {"intro", "person", "source", "asks", "sections", "basis"}


def test_every_source_has_words_and_every_word_is_used() -> None:
    keys = {key for s in SOURCES for key in (s.key, f"{s.key}_asks", f"basis_{s.basis}")}
    assert {s.basis for s in SOURCES} == set(Basis)
    assert keys | OTHER == set(text.catalogue()["crosswalk"])
    for source in SOURCES:
        assert source.name and source.asks and source.known
        assert list(source.sections) == sorted(set(source.sections)) != []


def test_what_was_not_read_says_so(adult: ReleaseEvidence) -> None:
    words = visible(report_html(adult))
    general = [s for s in SOURCES if s.basis is Basis.GENERAL]
    assert len(general) == words.count("not read: to be confirmed by counsel") > 0
    assert "does not say that any of them applies or is met" in words


@pytest.mark.parametrize("name", ["adult", "diabetes"])
def test_the_pages_are_those_of_the_sections(name: str, documents: dict[str, Rendered]) -> None:
    report = documents[f"{name}-report"]
    pages = [page_text(report, page) for page in range(1, report.pages + 1)]
    titles = [key for key in text.catalogue()["report"] if key.startswith("s_")]
    begins = {
        n: next(i for i, page in enumerate(pages, 1) if re.search(rf"\b{n} {title}", page))
        for n, title in enumerate((text.sentence(f"report.{key}") for key in titles[1:14]), 1)
    }
    assert len(begins) == 13 and len(set(begins.values())) > 4
    said = re.findall(r"\b(\d+) \(p\. (\d+)\)", " ".join(pages))
    assert len(said) == sum(len(s.sections) for s in SOURCES)
    assert {int(n): int(page) for n, page in said} == {n: begins[n] for n in begins}
    with pikepdf.open(io.BytesIO(report.pdf)) as pdf:
        links = [a for page in pdf.pages for a in page.get("/Annots", []) if a.Subtype == "/Link"]
        assert len(links) >= len(said) and all(link.Contents for link in links)
        assert not [a for a in links if "/URI" in a.get("/A", {})]
