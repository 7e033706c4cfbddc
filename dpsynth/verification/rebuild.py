"""Lay the documents out again from the signed evidence, and compare them byte for byte.

A signature says who vouches for a document and for its evidence, not that both say the same. Here
the document before its signing is made anew, by the code that made it, from the evidence that was
signed; its digest must be the one that the evidence names as its subject. Never true here: a
difference that is blamed on the issuer where other libraries could have made it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from dpsynth.errors import DisclosureError, InputError
from dpsynth.evidence import public_evidence, release_evidence
from dpsynth.reports.from_evidence import certificate_pdf, renderer, report_pdf
from dpsynth.reports.pdf import Rendered
from dpsynth.verification.checked import CheckedPart
from dpsynth.verification.evidence import value_of
from dpsynth.verification.report import Severity, shown


def check_rebuilt(part: CheckedPart) -> None:
    """Add a finding unless the document of a folder is what its evidence gives.

    Nothing is compared where the evidence could not be read (a finding of its own), was made with
    other versions than are installed here, or has sections that dpsynth does not write: both are
    notes.
    """
    if part.evidence is None or part.spec is None or part.manifest is None:
        return
    reason = _not_comparable(part.evidence)
    if reason:
        part.fail("not_rebuilt", part.spec.document, f"Not rebuilt: {reason}.", Severity.NOTE)
        return
    try:
        rendered = _document(part.evidence, part)
    except (InputError, DisclosureError):
        part.fail("rebuild_differs", part.spec.document, "The evidence gives no such document.")
        return
    part.rebuilt = hashlib.sha256(rendered.pdf).hexdigest() == part.unsigned_sha256
    if not part.rebuilt:
        part.fail(
            "rebuild_differs",
            part.spec.document,
            "Is not the document that the signed evidence gives with the same versions.",
        )


def _document(tree: Mapping[str, Any], part: CheckedPart) -> Rendered:
    if part.spec is not None and part.spec.public:
        return certificate_pdf(public_evidence(tree), roles=part.roles, paper=part.paper)
    return report_pdf(release_evidence(tree), roles=part.roles, paper=part.paper)


def _not_comparable(tree: Mapping[str, Any]) -> str:
    """Say why other bytes would mean nothing; empty where they do."""
    made = value_of(tree, "environment.versions")
    here = {"dpsynth": version("dpsynth"), **renderer()}
    differing = [
        f"made with {name} {shown(made.get(name, '(not stated)'))}, here is {number}"
        for name, number in here.items()
        if made.get(name) != number
    ]
    if any(section.startswith("x-") for section in tree):
        differing.append("the evidence has sections that dpsynth does not write")
    return "; ".join(differing)
