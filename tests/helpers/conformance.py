"""Checks of a PDF against PDF/A-3a (ISO 19005-3) and PDF/UA-1 (ISO 14289-1), with pikepdf alone.

Not a replacement of veraPDF, which is no package of Debian or PyPI: these are the clauses that a
renderer and a signing program can break. :func:`check` says which rules it ran, so that a test sees
that it ran any; each rule has a failing control in `test_reports_conformance.py`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, Stream

RULES: dict[str, Callable[[Pdf], Iterator[str]]] = {}

_NS = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "pdfaid": "http://www.aiim.org/pdfa/ns/id/",
    "pdfuaid": "http://www.aiim.org/pdfua/ns/id/",
    "schema": "http://www.aiim.org/pdfa/ns/schema#",
}
#: Standard structure types (ISO 32000-1, 14.8.4) that a document of ours may use.
_TYPES = {
    "Document", "Part", "Art", "Sect", "Div", "BlockQuote", "Caption", "NonStruct", "P", "H1",
    "H2", "H3", "H4", "H5", "H6", "L", "LI", "Lbl", "LBody", "Table", "TR", "TH", "TD", "THead",
    "TBody", "TFoot", "Span", "Link", "Figure", "Form",
}  # fmt: skip
_INSIDE = {"TR": {"THead", "TBody", "TFoot", "Table"}, "TH": {"TR"}, "TD": {"TR"}, "LI": {"L"}}
_PAINTS = {"Tj", "TJ", "'", '"', "f", "F", "f*", "S", "s", "B", "B*", "b", "b*", "Do", "sh", "BI"}
_ACTIVE = {"/JavaScript", "/Launch", "/GoToR", "/SubmitForm", "/ImportData", "/URI", "/Movie"}


@dataclass(frozen=True)
class Conformance:
    """What was run and what was found, both by name of the rule."""

    ran: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]


def check(content: bytes) -> Conformance:
    """Run every rule on a PDF."""
    problems = []
    with pikepdf.open(io.BytesIO(content)) as pdf:
        for name, rule in RULES.items():
            problems += [(name, text) for text in rule(pdf)]
    if not re.search(rb"%%EOF\r?\n?\Z", content[-16:]):
        problems.append(("end of file", "bytes after the last %%EOF"))
    return Conformance((*RULES, "end of file"), tuple(problems))


def _rule(name: str) -> Callable[[Any], Any]:
    def add(function: Any) -> Any:
        RULES[name] = function
        return function

    return add


def _dictionaries(pdf: Pdf) -> Iterator[Any]:
    """Every dictionary of the file, streams' included, nested ones too."""
    todo: list[Any] = list(pdf.objects)
    while todo:
        each = todo.pop()
        if isinstance(each, Stream | Dictionary):
            yield each
            todo += [v for _, v in each.items() if _nested(v)]
        elif isinstance(each, Array):
            todo += [v for v in each if _nested(v)]


def _nested(value: Any) -> bool:
    return isinstance(value, Dictionary | Array) and not value.is_indirect


def _elements(pdf: Pdf) -> Iterator[tuple[Any, str]]:
    """Every structure element in reading order, with the type of its parent."""
    todo: list[tuple[Any, str]] = [(pdf.Root.StructTreeRoot, "")]
    while todo:
        node, parent = todo.pop()
        if not isinstance(node, Dictionary) or node.get("/Type") == Name.OBJR:
            continue
        kind = str(node.get("/S", "/"))[1:]
        if kind:
            yield node, parent
        kids = node.get("/K", Array())
        kids = list(kids) if isinstance(kids, Array) else [kids]
        todo += [(kid, kind) for kid in reversed(kids)]


def _xmp(pdf: Pdf) -> Any:
    return ElementTree.fromstring(pdf.Root.Metadata.read_bytes())


def _property(tree: Any, space: str, name: str) -> str | None:
    """A simple property, whether it is written as an element or as an attribute."""
    key = f"{{{_NS[space]}}}{name}"
    for each in tree.iter(f"{{{_NS['rdf']}}}Description"):
        if key in each.attrib:
            return str(each.attrib[key])
        if (found := each.find(key)) is not None:
            return str(found.text)
    return None


@_rule("trailer ID")
def _trailer(pdf: Pdf) -> Iterator[str]:
    found = pdf.trailer.get("/ID")
    if not isinstance(found, Array) or len(found) != 2 or not all(bytes(part) for part in found):
        yield "the trailer has no ID of two parts"


@_rule("no encryption")
def _encryption(pdf: Pdf) -> Iterator[str]:
    if pdf.is_encrypted or "/Encrypt" in pdf.trailer:
        yield "the file is encrypted"


@_rule("output intent")
def _intent(pdf: Pdf) -> Iterator[str]:
    intents = [i for i in pdf.Root.get("/OutputIntents", []) if i.get("/S") == Name.GTS_PDFA1]
    if len(intents) != 1 or intents[0].get("/DestOutputProfile", Dictionary()).get("/N") != 3:
        yield "there is no output intent with an RGB profile"


@_rule("fonts embedded")
def _fonts(pdf: Pdf) -> Iterator[str]:
    for font in (d for d in _dictionaries(pdf) if d.get("/Type") == Name.Font):
        if font.get("/Subtype") == Name.Type3:
            continue
        described = font.get("/DescendantFonts", [font])[0].get("/FontDescriptor", Dictionary())
        if not {"/FontFile", "/FontFile2", "/FontFile3"} & set(described.keys()):
            yield f"{font.get('/BaseFont')} is not embedded"


@_rule("fonts map to Unicode")
def _unicode(pdf: Pdf) -> Iterator[str]:
    for font in (d for d in _dictionaries(pdf) if d.get("/Subtype") == Name.Type0):
        if "/ToUnicode" not in font:
            yield f"{font.get('/BaseFont')} has no ToUnicode"


@_rule("XMP identification")
def _identification(pdf: Pdf) -> Iterator[str]:
    tree = _xmp(pdf)
    wanted = (("pdfaid", "part", "3"), ("pdfaid", "conformance", "A"), ("pdfuaid", "part", "1"))
    for space, name, value in wanted:
        if _property(tree, space, name) != value:
            yield f"{space}:{name} is not {value}"


@_rule("XMP extension schema")
def _extension(pdf: Pdf) -> Iterator[str]:
    found = _xmp(pdf).iter(f"{{{_NS['schema']}}}namespaceURI")
    # Two spellings of RDF for the same: pyHanko writes the second.
    declared = [e.text or e.attrib.get(f"{{{_NS['rdf']}}}resource") for e in found]
    if declared != [_NS["pdfuaid"]]:
        yield "the schema of pdfuaid is not declared once"


@_rule("XMP title")
def _title(pdf: Pdf) -> Iterator[str]:
    found = _xmp(pdf).find(f".//{{{_NS['dc']}}}title//{{{_NS['rdf']}}}li")
    if found is None or not found.text or found.text != str(pdf.docinfo.get("/Title", "")):
        yield "dc:title is missing or not the title of the document"


@_rule("language")
def _language(pdf: Pdf) -> Iterator[str]:
    if not str(pdf.Root.get("/Lang", "")):
        yield "the document names no language"


@_rule("marked")
def _marked(pdf: Pdf) -> Iterator[str]:
    mark = pdf.Root.get("/MarkInfo", Dictionary())
    if not mark.get("/Marked", False) or mark.get("/Suspects", False):
        yield "the document is not marked as tagged"


@_rule("title displayed")
def _displayed(pdf: Pdf) -> Iterator[str]:
    if not pdf.Root.get("/ViewerPreferences", Dictionary()).get("/DisplayDocTitle", False):
        yield "a reader would show the file name in place of the title"


@_rule("structure types")
def _types(pdf: Pdf) -> Iterator[str]:
    for element, parent in _elements(pdf):
        kind = str(element.S)[1:]
        if kind not in _TYPES:
            yield f"{kind} is not a standard structure type"
        elif kind in _INSIDE and parent not in _INSIDE[kind]:
            yield f"{kind} stands in {parent}"


@_rule("content tagged")
def _tagged(pdf: Pdf) -> Iterator[str]:
    for number, page in enumerate(pdf.pages):
        depth = 0
        for instruction in pikepdf.parse_content_stream(page):
            operator = str(instruction.operator)
            depth += (operator in {"BDC", "BMC"}) - (operator == "EMC")
            if operator in _PAINTS and not depth:
                yield f"page {number + 1} paints with {operator} outside marked content"
                break


@_rule("figures have alternatives")
def _figures(pdf: Pdf) -> Iterator[str]:
    for element, _ in _elements(pdf):
        if element.S == Name.Figure and not str(element.get("/Alt", "")).strip():
            yield "a figure has no alternative text"


@_rule("heading order")
def _headings(pdf: Pdf) -> Iterator[str]:
    levels = [int(str(e.S)[2:]) for e, _ in _elements(pdf) if re.fullmatch(r"/H[1-6]", str(e.S))]
    for before, after in zip([0, *levels], levels, strict=False):
        if after > before + 1:
            yield f"a heading of level {after} follows one of level {before}"


@_rule("table headers")
def _tables(pdf: Pdf) -> Iterator[str]:
    for element, _ in _elements(pdf):
        if element.S == Name.TD and not _attribute(element, "/Headers"):
            yield "a table cell names no header"
            return


def _attribute(element: Any, name: str) -> Any:
    found = element.get("/A", Dictionary())
    for each in found if isinstance(found, Array) else [found]:
        if name in each:
            return each[name]
    return None


@_rule("associated files")
def _associated(pdf: Pdf) -> Iterator[str]:
    associated = [entry.objgen for entry in pdf.Root.get("/AF", [])]
    if len(set(associated)) != len(associated):
        yield "an associated file is listed twice"
    for spec in (d for d in _dictionaries(pdf) if d.get("/Type") == Name.Filespec):
        if spec.objgen not in associated:
            yield "an attached file is not associated with the document"
        if "/AFRelationship" not in spec or not {"/F", "/UF"} <= set(spec.keys()):
            yield "an attached file has no relationship or no name"
        stream = spec.get("/EF", Dictionary()).get("/F", Dictionary())
        if "/Subtype" not in stream or "/ModDate" not in stream.get("/Params", Dictionary()):
            yield "an attached file has no type or no date of change"


@_rule("nothing active or external")
def _active(pdf: Pdf) -> Iterator[str]:
    for each in _dictionaries(pdf):
        if str(each.get("/S", "")) in _ACTIVE or {"/JS", "/AA", "/OpenAction"} & set(each.keys()):
            yield "there is an action"
        if isinstance(each, Stream) and {"/F", "/FFilter"} & set(each.keys()):
            yield "a stream refers to another file"


@_rule("no LZW")
def _lzw(pdf: Pdf) -> Iterator[str]:
    if any("LZWDecode" in str(d.get("/Filter", "")) for d in _dictionaries(pdf)):
        yield "a stream is packed with LZW"


@_rule("tab order")
def _tabs(pdf: Pdf) -> Iterator[str]:
    if any("/Annots" in page and page.get("/Tabs") != Name.S for page in pdf.pages):
        yield "a page with annotations has no tab order by structure"


def _visible_widgets(pdf: Pdf) -> Iterator[Any]:
    for page in pdf.pages:
        for annotation in page.get("/Annots", []):
            x1, y1, x2, y2 = map(float, annotation.Rect)
            if annotation.get("/Subtype") == Name.Widget and x1 != x2 and y1 != y2:
                yield annotation


@_rule("fields described")
def _described(pdf: Pdf) -> Iterator[str]:
    for widget in _visible_widgets(pdf):
        if not str(widget.get("/TU", "")):
            yield "a form field has no description"


@_rule("fields in the structure")
def _in_structure(pdf: Pdf) -> Iterator[str]:
    tree = pdf.Root.StructTreeRoot.ParentTree
    parents = dict(zip(map(int, tree.Nums[::2]), tree.Nums[1::2], strict=True))
    within = {e.objgen for e, _ in _elements(pdf) if e.S == Name.Form}
    for widget in _visible_widgets(pdf):
        element = parents.get(int(widget.get("/StructParent", -1)))
        if element is None or element.objgen not in within:
            yield "a form field is not inside a Form element"
        elif element.K.get("/Obj", Dictionary()).objgen != widget.objgen:
            yield "a Form element refers to another field"


@_rule("fields shown")
def _shown(pdf: Pdf) -> Iterator[str]:
    for widget in _visible_widgets(pdf):
        flags = int(widget.get("/F", 0))
        if not flags & 4 or flags & 0b100011 or "/N" not in widget.get("/AP", Dictionary()):
            yield "a form field is hidden, is not printed or has no appearance"
