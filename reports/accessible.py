"""What turns an archival PDF into an accessible one as well, and lays out its signature fields.

WeasyPrint writes PDF/A-3a with tags. Missing for PDF/UA-1 (ISO 14289-1) are the identifier in the
XMP metadata, which PDF/A wants to be declared in an extension schema (ISO 19005-3, 6.6.2.3), and
fields for signatures that a screen reader can name: a widget with a description, under a /Form
element of the structure tree. Fields that a signing program would add later have neither.

Never true of these fields: that signing changes anything of them but the value and the look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pydyf

from dpsynth.errors import SelfTestError
from dpsynth.signing.roles import FieldLock

_PRINTED_AND_LOCKED = 132  # annotation flags 4 and 128
_SIGNATURES_EXIST = 3  # SigFlags: signatures exist, and a change must be appended
_UA = b"""<rdf:Description xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" rdf:about="">\
<pdfuaid:part>1</pdfuaid:part></rdf:Description>\
<rdf:Description xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/" \
xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" \
xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#" rdf:about="">\
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">\
<pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>\
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>\
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>\
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">\
<pdfaProperty:name>part</pdfaProperty:name>\
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>\
<pdfaProperty:category>internal</pdfaProperty:category>\
<pdfaProperty:description>Part of ISO 14289 that the file conforms to</pdfaProperty:description>\
</rdf:li></rdf:Seq></pdfaSchema:property>\
</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>"""


@dataclass(frozen=True, kw_only=True)
class FieldBox:
    """A signature field and where it lies.

    Attributes:
        name: Name of the field.
        label: What a screen reader says.
        page: Page, from 0.
        box: Rectangle (x1, y1, x2, y2) in PDF points from the lower left corner of the page.
        lock: What the signature in it locks, or None.
    """

    name: str
    label: str
    page: int
    box: tuple[float, float, float, float]
    lock: FieldLock | None = None


def identify(pdf: pydyf.PDF) -> None:
    """Say in the metadata that the file conforms to PDF/UA-1 as well."""
    stream = _resolved(pdf, pdf.catalog["Metadata"])
    content = b"".join(stream.stream)
    end = b"</rdf:RDF>"
    if content.count(end) != 1:
        raise SelfTestError("The metadata of the document is not what was expected.")
    stream.stream = [content.replace(end, _UA + end)]


def add_fields(pdf: pydyf.PDF, boxes: Sequence[FieldBox]) -> None:
    """Add empty signature fields to a tagged PDF, in their order."""
    if not boxes:
        return
    root = _resolved(pdf, pdf.catalog["StructTreeRoot"])
    top = _resolved(pdf, root["K"][0])
    parents = _resolved(pdf, root["ParentTree"])["Nums"]
    pages = [_resolved(pdf, reference) for reference in pdf.page_references]
    widgets = pydyf.Array()
    for box in boxes:
        key = parents[-2] + 1
        widget = _widget(pdf, box)
        widget["StructParent"] = key
        pdf.add_object(widget)
        element = pydyf.Dictionary(
            {
                "Type": "/StructElem",
                "S": "/Form",
                "P": top.reference,
                "Pg": pdf.page_references[box.page],
                "Alt": pydyf.String(box.label),
            }
        )
        pdf.add_object(element)
        element["K"] = pydyf.Dictionary(
            {
                "Type": "/OBJR",
                "Obj": widget.reference,
                "Pg": pdf.page_references[box.page],
            }
        )
        top["K"].append(element.reference)
        parents.extend([key, element.reference])
        pages[box.page].setdefault("Annots", pydyf.Array()).append(widget.reference)
        widgets.append(widget.reference)
    form = pydyf.Dictionary({"Fields": widgets, "SigFlags": _SIGNATURES_EXIST})
    pdf.add_object(form)
    pdf.catalog["AcroForm"] = form.reference


def _widget(pdf: pydyf.PDF, box: FieldBox) -> pydyf.Dictionary:
    """Return a field that is its own only widget."""
    left, low, right, high = (round(value, 2) for value in box.box)
    look = pydyf.Stream(
        [],
        {
            "Type": "/XObject",
            "Subtype": "/Form",
            "BBox": pydyf.Array([0, 0, round(right - left, 2), round(high - low, 2)]),
        },
    )
    pdf.add_object(look)
    widget = pydyf.Dictionary(
        {
            "Type": "/Annot",
            "Subtype": "/Widget",
            "FT": "/Sig",
            "T": pydyf.String(box.name),
            "TU": pydyf.String(box.label),
            "F": _PRINTED_AND_LOCKED,
            "Rect": pydyf.Array([left, low, right, high]),
            "P": pdf.page_references[box.page],
            "AP": pydyf.Dictionary({"N": look.reference}),
        }
    )
    if box.lock is not None:
        widget["Lock"] = _lock(box.lock)
    return widget


def _lock(lock: FieldLock) -> pydyf.Dictionary:
    """Return the lock dictionary of a field (ISO 32000-1, table 233; /P from ISO 32000-2)."""
    entries: dict[str, Any] = {"Type": "/SigFieldLock"}
    if lock.fields:
        entries |= {
            "Action": "/Include",
            "Fields": pydyf.Array([pydyf.String(name) for name in lock.fields]),
        }
    else:
        entries["Action"] = "/All"
    if lock.nothing_more:
        entries["P"] = 1
    return pydyf.Dictionary(entries)


def _resolved(pdf: pydyf.PDF, reference: Any) -> Any:
    """Return the object of an indirect reference."""
    text = reference if isinstance(reference, str) else reference.decode()
    return pdf.objects[int(text.split()[0])]
