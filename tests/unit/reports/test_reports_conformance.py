"""PDF/A-3a and PDF/UA-1 in one file, before and after signing; each rule with a failing control."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import conformance
import pikepdf
import pytest
from certificates import CertificateAuthority
from dpsynth.reports.pdf import Rendered
from dpsynth.reports.sign import sign_pdf
from pikepdf import Dictionary, Name, Pdf

from dpsynth.signing.keys import Signer

DOCUMENTS = ("adult-certificate", "adult-report", "diabetes-certificate", "diabetes-report")


@pytest.fixture(scope="module")
def signer() -> Signer:
    return CertificateAuthority.make("Hospital root").signer("Hospital")


def problems(content: bytes) -> list[tuple[str, str]]:
    found = conformance.check(content)
    assert len(found.ran) >= 24  # a checker that ran no rule says nothing
    return sorted(set(found.problems))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_both_standards_before_and_after_signing(
    name: str, documents: dict[str, Rendered], signer: Signer
) -> None:
    unsigned = documents[name].pdf
    assert problems(unsigned) == []
    assert problems(sign_pdf(unsigned, signer, lines=["Signed", "REL-1"])) == []


def _form(pdf: Pdf) -> Any:
    return next(e for e, _ in conformance._elements(pdf) if e.S == Name.Form)


def _widget(pdf: Pdf) -> Any:
    return pdf.Root.AcroForm.Fields[0]


def _first(pdf: Pdf, kind: str) -> Any:
    return next(e for e, _ in conformance._elements(pdf) if str(e.S) == f"/{kind}")


def _font(pdf: Pdf) -> Any:
    return next(d for d in conformance._dictionaries(pdf) if d.get("/Subtype") == Name.Type0)


def _edit_metadata(pdf: Pdf, pattern: bytes, by: bytes) -> None:
    content, count = re.subn(pattern, by, pdf.Root.Metadata.read_bytes(), flags=re.S)
    assert count
    pdf.Root.Metadata = pdf.make_stream(content, Type=Name.Metadata, Subtype=Name.XML)


def _untag(pdf: Pdf) -> None:
    page = pdf.pages[0]
    marks = {"BDC", "BMC", "EMC"}
    kept = [i for i in pikepdf.parse_content_stream(page) if str(i.operator) not in marks]
    page.Contents = pdf.make_stream(pikepdf.unparse_content_stream(kept))


def _delete(name: str, of: Callable[[Pdf], Any]) -> Callable[[Pdf], None]:
    def spoil(pdf: Pdf) -> None:
        del of(pdf)[name]

    return spoil


def _set(name: str, value: Any, of: Callable[[Pdf], Any]) -> Callable[[Pdf], None]:
    def spoil(pdf: Pdf) -> None:
        of(pdf)[name] = value() if callable(value) else value

    return spoil


def _root(pdf: Pdf) -> Any:
    return pdf.Root


#: rule -> ways to break it, each of which must be found by that rule
SPOILED: dict[str, list[Callable[[Pdf], None]]] = {
    "output intent": [_delete("/OutputIntents", _root)],
    "fonts embedded": [
        _set("/FontDescriptor", Dictionary, lambda pdf: _font(pdf).DescendantFonts[0])
    ],
    "fonts map to Unicode": [_delete("/ToUnicode", _font)],
    "XMP identification": [
        lambda pdf: _edit_metadata(pdf, b"<pdfuaid:part>1</pdfuaid:part>", b""),
        lambda pdf: _edit_metadata(pdf, b'pdfaid:conformance="A"', b'pdfaid:conformance="B"'),
    ],
    "XMP extension schema": [
        lambda pdf: _edit_metadata(pdf, b"<pdfaExtension:schemas>.*</pdfaExtension:schemas>", b"")
    ],
    "XMP title": [lambda pdf: _edit_metadata(pdf, b"<dc:title>.*</dc:title>", b"")],
    "language": [_delete("/Lang", _root)],
    "marked": [_delete("/MarkInfo", _root)],
    "title displayed": [_delete("/ViewerPreferences", _root)],
    "structure types": [
        _set("/S", Name.Paragraph, lambda pdf: _first(pdf, "P")),
        _set("/S", Name.TD, lambda pdf: _first(pdf, "P")),
    ],
    "content tagged": [_untag],
    "figures have alternatives": [_delete("/Alt", lambda pdf: _first(pdf, "Figure"))],
    "heading order": [_set("/S", Name.H4, lambda pdf: _first(pdf, "H2"))],
    "table headers": [_delete("/A", lambda pdf: _first(pdf, "TD"))],
    "associated files": [
        lambda pdf: pdf.Root.AF.append(pdf.Root.AF[0]),
        lambda pdf: pdf.Root.AF.__delitem__(0),
        _delete("/AFRelationship", lambda pdf: pdf.Root.AF[0]),
        _delete("/ModDate", lambda pdf: pdf.Root.AF[0].EF.F.Params),
    ],
    "nothing active or external": [
        _set("/OpenAction", lambda: Dictionary(S=Name.JavaScript, JS="1"), _root),
        _set("/F", "other.bin", lambda pdf: pdf.Root.Metadata),
    ],
    "no LZW": [
        lambda pdf: pdf.Root.__setitem__(
            "/Odd", pdf.make_indirect(Dictionary(Filter=Name.LZWDecode))
        )
    ],
    "tab order": [_delete("/Tabs", lambda pdf: pdf.pages[1])],
    "fields described": [_delete("/TU", _widget)],
    "fields in the structure": [
        _delete("/StructParent", _widget),
        _set("/S", Name.Div, _form),
        lambda pdf: _form(pdf).K.__setitem__("/Obj", pdf.make_indirect(Dictionary())),
    ],
    "fields shown": [_set("/F", 2, _widget), _delete("/AP", _widget)],
}


def spoiled(pdf: Pdf) -> bytes:
    out = io.BytesIO()
    pdf.save(out, static_id=True)
    return out.getvalue()


@pytest.mark.parametrize(
    ("rule", "break_it"), [(rule, each) for rule, ways in SPOILED.items() for each in ways]
)
def test_each_rule_has_a_failing_control(
    rule: str, break_it: Callable[[Pdf], None], documents: dict[str, Rendered]
) -> None:
    with pikepdf.open(io.BytesIO(documents["adult-certificate"].pdf)) as pdf:
        break_it(pdf)
        assert list(conformance.RULES[rule](pdf))


def test_what_a_saved_file_cannot_show(documents: dict[str, Rendered]) -> None:
    content = documents["adult-certificate"].pdf
    with pikepdf.open(io.BytesIO(content)) as pdf:
        assert problems(spoiled(pdf)) == []  # saving alone breaks nothing: the controls do
        del pdf.trailer["/ID"]
        assert list(conformance.RULES["trailer ID"](pdf))
        out = io.BytesIO()
        pdf.save(out, encryption=pikepdf.Encryption(owner="x", user=""))
    assert "no encryption" in {name for name, _ in problems(out.getvalue())}
    assert problems(content + b"junk") == [("end of file", "bytes after the last %%EOF")]


def test_no_rule_is_without_a_control() -> None:
    elsewhere = {"trailer ID", "no encryption"}
    assert set(SPOILED) | elsewhere == set(conformance.RULES)
