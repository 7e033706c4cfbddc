"""The two documents: type boundary, pages, words, tags, fonts, attachments, determinism."""

from __future__ import annotations

import ast
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pikepdf
import pytest
import sample_evidence as sample
from dpsynth.reports import text
from dpsynth.reports.document import certificate_html, report_html
from dpsynth.reports.pdf import BundledOnly, Rendered, render_pdf
from sample_evidence import CREATED, make
from weasyprint.urls import FatalURLFetchingError

from dpsynth.errors import DisclosureError, InputError
from dpsynth.evidence import FIELDS, Fact, PublicEvidence, ReleaseEvidence
from dpsynth.results import Disclosure

DOCUMENTS = ("adult-certificate", "adult-report", "diabetes-certificate", "diabetes-report")


def visible(html: str) -> str:
    """Return the words of a document, without markup."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.S))


def structure(pdf: pikepdf.Pdf) -> Iterator[pikepdf.Dictionary]:
    todo = [pdf.Root.StructTreeRoot]
    while todo:
        node = todo.pop()
        if isinstance(node, pikepdf.Dictionary):
            yield node
            kids = node.get("/K", [])
            todo += list(kids) if isinstance(kids, pikepdf.Array) else [kids]


def opened(rendered: Rendered) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(rendered.pdf))


# The boundary


def test_the_certificate_takes_public_evidence_only(adult: ReleaseEvidence) -> None:
    with pytest.raises(DisclosureError):
        certificate_html(adult)  # type: ignore[arg-type]
    with pytest.raises(DisclosureError):
        report_html(adult.public())  # type: ignore[arg-type]


def test_a_raw_fact_smuggled_into_public_evidence_is_refused(adult: ReleaseEvidence) -> None:
    public = adult.public()
    facts: dict[str, Any] = {name: public.fact(name) for name in public}
    facts["release.rows"] = Fact(value=32561, disclosure=Disclosure.RAW)
    with pytest.raises(DisclosureError, match="release.rows"):
        certificate_html(PublicEvidence(facts))


def test_raw_fields_change_no_byte_of_the_certificate(documents: dict[str, Rendered]) -> None:
    values = sample.adult_values()
    for name, field in FIELDS.items():
        if not field.public:
            values[name] = sample.diabetes_values()[name]
    values["data.raw_counts"] = {"rows": 1}
    values["attacks.results"] = []
    again = make(sample.build(values), "certificate")
    assert again.pdf == documents["adult-certificate"].pdf


def test_no_raw_number_is_printed_on_the_certificate(adult: ReleaseEvidence) -> None:
    html = certificate_html(adult.public())
    for raw in ("32561", "32,561", "26049", "6512", "0.0121", "0.886", "leak"):
        assert raw not in visible(html)


# What it says


def test_the_numbers_for_one_person(adult: ReleaseEvidence) -> None:
    words = visible(certificate_html(adult.public()))
    assert "right at most 55 times in 100" in words
    assert "A belief of 50 in 100 can rise to 74 in 100" in words
    assert "except with a probability of at most 1 in 46,000" in words
    assert "a probability of at most 1 in 46,000" in words  # the tail, not delta
    assert "1 in 1,000,000" in words
    assert "dpsynth verify BUNDLE --trust ROOT.pem" in words
    assert "The seal on this page is not proof: verify the file." in words
    assert "Implementation audit: not run." in words


@pytest.mark.parametrize("relation", ["add_remove", "replace_one"])
def test_both_neighbouring_relations_have_words(relation: str) -> None:
    values = sample.adult_values() | {"guarantee.relation": relation}
    words = visible(certificate_html(sample.build(values).public()))
    assert ("adding or removing" in words) == (relation == "add_remove")
    assert ("replacing one" in words) == (relation == "replace_one")


def test_the_internal_checks_line_is_process_only(adult: ReleaseEvidence) -> None:
    run = "Attack tests on the confidential data were run as the policy requires"
    assert run in visible(certificate_html(adult.public()))
    off = sample.build(sample.adult_values() | {"attacks.profile": "off", "attacks.results": []})
    words = visible(certificate_html(off.public()))
    assert run not in words and "were switched off for this release" in words
    assert "Not run: the attack profile of this release is “off”." in visible(report_html(off))


def test_a_waiver_is_named_on_the_certificate_and_its_gate_is_not_judged_there() -> None:
    waivers = [sample.waiver(f"gate_{i}", "x", "x") for i in range(3)]
    values = sample.adult_values()
    assert "waived" not in visible(certificate_html(sample.build(values).public()))
    rendered = make(sample.build(values | {"policy.waivers": waivers}), "certificate")
    assert rendered.pages == 2
    words = visible(certificate_html(sample.build(values | {"policy.waivers": waivers}).public()))
    assert "gates waived beforehand: 3 (gate_0, gate_1, gate_2)" in words


@pytest.mark.parametrize("kind", ["certificate", "report"])
def test_no_promise_that_cannot_be_kept(kind: str, adult: ReleaseEvidence) -> None:
    html = certificate_html(adult.public()) if kind == "certificate" else report_html(adult)
    words = visible(html).lower()
    allowed = "not a legal opinion that the data are anonymous"
    assert "anonym" not in words.replace(allowed, "")
    for forbidden in ("compliant", "zero risk", "guaranteed private", " safe"):
        assert forbidden not in words


def test_a_refusal_is_on_the_first_page_with_its_reasons(documents: dict[str, Rendered]) -> None:
    words = page_text(documents["diabetes-report"], 1)
    assert "REFUSED" in words.upper() and "The p-value is below its limit." in words
    assert "leak found" in words
    assert "RELEASED" in page_text(documents["adult-report"], 1)


def test_the_banner_is_on_every_page_of_the_report(documents: dict[str, Rendered]) -> None:
    banner = "INTERNAL — CONTAINS STATISTICS OF CONFIDENTIAL RECORDS"
    report = documents["diabetes-report"]
    for page in range(1, report.pages + 1):
        assert banner in page_text(report, page)
        assert f"page {page} of {report.pages}" in page_text(report, page)
    assert banner not in page_text(documents["adult-certificate"], 1)


def test_a_planted_leak_of_the_controls_is_not_a_finding(adult: ReleaseEvidence) -> None:
    words = visible(report_html(adult))
    assert "Positive control: planted copies are found" in words
    assert "0 found a leak, 4 detected none, 0 saw no more than the claim" in words


def test_what_was_not_run_says_why(diabetes: ReleaseEvidence) -> None:
    words = visible(report_html(diabetes))
    assert "not run" in words and "The quick profile has no shadow models." in words
    assert "Fewer than 100 rare rows in each half." in words
    assert "Diagnostics, not evidence of privacy" in words
    assert "one-way: the first 24 of 46 shown." in words


def page_text(rendered: Rendered, page: int) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (Debian: poppler-utils) is not installed")
    found = subprocess.run(
        ["pdftotext", "-f", str(page), "-l", str(page), "-layout", "-", "-"],
        input=rendered.pdf,
        capture_output=True,
        check=True,
    )
    return re.sub(r"\s+", " ", found.stdout.decode()).replace("\u00a0", " ")


# What the file is


def test_page_counts(documents: dict[str, Rendered]) -> None:
    assert documents["adult-certificate"].pages == 2
    assert documents["diabetes-certificate"].pages == 2
    assert 6 <= documents["adult-report"].pages <= 14
    assert 6 <= documents["diabetes-report"].pages <= 14


@pytest.mark.parametrize("columns", [10, 15, 50])
def test_the_certificate_has_two_pages_for_every_width(columns: int) -> None:
    names = [f"column_with_a_rather_long_name_{i}" for i in range(columns)]
    values = sample.diabetes_values()
    values["data.columns"] = sample.columns(names, set(names[::3]), set(names[1::3]))
    values["data.warnings"] = [{"column": n, "text": "holds other values."} for n in names]
    assert make(sample.build(values), "certificate").pages == 2


@pytest.mark.parametrize("name", DOCUMENTS)
def test_archive_form(name: str, documents: dict[str, Rendered]) -> None:
    with opened(documents[name]) as pdf:
        xmp = pdf.Root.Metadata.read_bytes().decode()
        assert re.search(r"part[^0-9]*3", xmp) and re.search(r"conformance[^A-Z]*A", xmp)
        assert str(pdf.Root.Lang) == "en"
        assert pdf.Root.MarkInfo.Marked
        assert pdf.Root.ViewerPreferences.DisplayDocTitle
        assert pdf.Root.OutputIntents[0].DestOutputProfile is not None
        assert "/JavaScript" not in pdf.Root.get("/Names", {})
        assert not pdf.is_encrypted
        assert pdf.trailer.ID is not None
        assert str(pdf.docinfo["/CreationDate"]).startswith("D:20260302094100")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_only_our_fonts_all_embedded(name: str, documents: dict[str, Rendered]) -> None:
    with opened(documents[name]) as pdf:
        fonts = {str(f.BaseFont): f for page in pdf.pages for f in page.Resources.Font.values()}
        assert fonts
        for base, font in fonts.items():
            assert re.fullmatch(r"/[A-Z]{6}\+IBM-Plex-(Sans|Mono)-dpsynth[A-Za-z-]*", base), base
            descriptor = font.DescendantFonts[0].FontDescriptor
            assert any(key in descriptor for key in ("/FontFile2", "/FontFile3"))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_figures_have_words_and_headings_are_in_order(
    name: str, documents: dict[str, Rendered]
) -> None:
    with opened(documents[name]) as pdf:
        nodes = list(structure(pdf))
        figures = [n for n in nodes if n.get("/S") == "/Figure"]
        assert len(figures) >= 2
        for figure in figures:
            assert len(str(figure.Alt)) > 40
        assert sum(n.get("/S") == "/H1" for n in nodes) == 1
        kinds = {str(n.get("/S")) for n in nodes}
        assert {"/H2", "/Table", "/TH", "/TD", "/P"} <= kinds


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_attachment_is_there_once(
    name: str, documents: dict[str, Rendered], adult: ReleaseEvidence, diabetes: ReleaseEvidence
) -> None:
    evidence = adult if name.startswith("adult") else diabetes
    public = name.endswith("certificate")
    expected = evidence.public().to_bytes() if public else evidence.to_bytes()
    with opened(documents[name]) as pdf:
        assert len(pdf.Root.AF) == 1
        spec = pdf.Root.AF[0]
        assert spec.AFRelationship == "/Data"
        assert str(spec.UF) == f"evidence.{'public' if public else 'internal'}.json"
        assert spec.EF.F.read_bytes() == expected
        assert "/ModDate" in spec.EF.F.Params
        assert list(pdf.attachments) == [str(spec.UF)]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_signature_box_lies_on_its_page(name: str, documents: dict[str, Rendered]) -> None:
    rendered = documents[name]
    [field] = rendered.fields
    x1, y1, x2, y2 = field.box
    assert field.page == 1 if name.endswith("certificate") else 0 < field.page < rendered.pages
    assert 40 < x1 < x2 < 555 and 30 < y1 < y2 < 812
    assert x2 - x1 > 150 and y2 - y1 > 50


@pytest.mark.parametrize("kind", ["certificate", "report"])
def test_bytes_depend_on_evidence_only(
    kind: str, documents: dict[str, Rendered], tmp_path: Path
) -> None:
    """Another time zone, hash seed, locale, folder and process give the same bytes."""
    code = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]); import sample_evidence as s;"
        "pdf = s.make(s.build(s.diabetes_values()), sys.argv[2]).pdf;"
        "print(hashlib.sha256(pdf).hexdigest())"
    )
    found = {hashlib.sha256(documents[f"diabetes-{kind}"].pdf).hexdigest()}
    for zone, seed in (("Pacific/Auckland", "1"), ("America/Vancouver", "77")):
        environment = os.environ | {"TZ": zone, "PYTHONHASHSEED": seed, "LC_ALL": "C"}
        done = subprocess.run(
            [sys.executable, "-c", code, str(Path(sample.__file__).parent), kind],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())
    assert len(found) == 1


def test_rendering_leaves_the_environment_alone(
    adult: ReleaseEvidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    make(adult, "certificate")
    assert os.environ["SOURCE_DATE_EPOCH"] == "12345"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    make(adult, "certificate")
    assert "SOURCE_DATE_EPOCH" not in os.environ


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "http://127.0.0.1:9/", "dpsynth-font:../x"]
)
def test_nothing_but_bundled_fonts_is_fetched(url: str) -> None:
    with pytest.raises(FatalURLFetchingError, match="bundled fonts"):
        BundledOnly(allowed_protocols={"data"}).fetch(url)
    page = f'<html lang="en"><img src="{url}" alt="x"><p id="signature-box">x</p></html>'
    with pytest.raises(FatalURLFetchingError, match="bundled fonts"):
        render_pdf(page, attachments=[], title="x", created=CREATED, identifier=b"x")


def test_unusable_calls_are_refused(adult: ReleaseEvidence) -> None:
    html = certificate_html(adult.public())
    with pytest.raises(InputError, match="time zone"):
        render_pdf(html, attachments=[], title="x", created=datetime(2026, 1, 1), identifier=b"x")
    with pytest.raises(InputError, match="signature"):
        render_pdf(
            '<html lang="en"><p>x</p></html>',
            attachments=[],
            title="x",
            created=CREATED,
            identifier=b"x",
        )


def test_time_budget(diabetes: ReleaseEvidence) -> None:
    for kind, seconds in (("certificate", 3.0), ("report", 10.0)):
        start = time.process_time()
        make(diabetes, kind)
        assert time.process_time() - start < seconds


def test_every_sentence_of_the_catalogue_is_used() -> None:
    folder = Path(text.__file__).parent
    sources = [*folder.glob("*.py"), *(folder / "templates").glob("*.html")]
    code = "".join(path.read_text() for path in sources)
    chosen = {
        "status",
        "treatment",
        "role",
        "counts",
        "glossary",
        "signer",
    }  # looked up by machine value
    chosen |= {"attack_outcome", "attack_table", "knowledge"}
    built = ("_add_remove", "_replace_one", "way1", "way2", "way3", "statement_", "ctx_", "s_")
    for section, entries in text.catalogue().items():
        for key in entries:
            named = f"{section}.{key}" in code or f"'{key}'" in code
            computed = section in chosen or any(key.startswith(b) or key.endswith(b) for b in built)
            assert named or computed or f"{section}.{{" in code, f"{section}.{key}"


def test_machine_values_have_words() -> None:
    assert text.words("treatment") == ("modelled", "generalised", "regenerated", "left_out")
    assert text.word("treatment", "left_out") == "left out"
    assert text.word("status", "pass") == "passed"
    assert text.word("status", "never_heard_of") == "never heard of"
    with pytest.raises(KeyError):
        text.say("report.no_such_sentence")


def test_reports_read_evidence_only() -> None:
    folder = Path(text.__file__).parent
    views = ("views", "report_view", "attack_sections", "attack_view", "result_view")
    for name in ("document", *views, "charts", "roc", "pdf", "text", "numbers"):
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith(("numpy", "pandas", "pyarrow"))
