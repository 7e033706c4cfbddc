"""The fields of evidence about a release without any differential-privacy guarantee (class N).

Such evidence has a section of its own in place of guarantee, budget and accounting: no epsilon
exists, so there is no field that could hold one. What both kinds say is declared once, in `FIELDS`.

Never true here: a field whose value is a privacy loss, or a bound on what an attack can do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dpsynth.evidence.fields import DECLARED, FIELDS, PUBLIC, Field
from dpsynth.evidence.shapes import (
    COUNT,
    NAME,
    SENTENCE,
    TEXT,
    list_of,
    one_of,
    optional,
    record,
)

SECTION = "unprotected"  #: the section that only such evidence has
RUN = record({"seq": COUNT, "stage": NAME, "program": NAME, "version": NAME, "reason": SENTENCE})

#: Sections and fields that state a guarantee, or rest on noisy counts that were paid for.
_GUARANTEED = (
    "guarantee.", "budget.", "accounting.", "hazards.", "audit.", "data.discovered",
    "data.unprotected", "data.warnings", "synthesizer.plan", "fitness.expected_error",
    "fitness.intervals", "fitness.measured_error", "environment.entropy",
)  # fmt: skip

UNPROTECTED: dict[str, Field] = {
    **{name: field for name, field in FIELDS.items() if not name.startswith(_GUARANTEED)},
    "unprotected.assurance_class": Field("assurance class", one_of("N"), DECLARED),
    "unprotected.meaning": Field("what the class means", SENTENCE, DECLARED),
    "unprotected.reasons": Field(
        "why no guarantee can be stated: known faults of the method, with their source",
        list_of(SENTENCE),
        DECLARED,
    ),
    "unprotected.runs": Field(
        "every program that got the rows, with the ledger entry that says so", list_of(RUN), PUBLIC
    ),
    "unprotected.unit": Field("what one unit is, in words", TEXT, DECLARED),
    "unprotected.unit_column": Field(
        "column that names the unit, or null", optional(TEXT), DECLARED
    ),
    "unprotected.max_rows_per_unit": Field("rows kept of one unit at most", COUNT, DECLARED),
    "unprotected.lineage": Field("the people whose rows were used", NAME, DECLARED),
    "unprotected.release_number": Field(
        "this is reservation number k of the lineage, refused, lost and void ones included",
        COUNT,
        PUBLIC,
    ),
    "unprotected.attacks": Field("attacks and controls that ran inside", list_of(NAME), DECLARED),
}


def is_protected(tree: Mapping[str, Any]) -> bool:
    """Say whether the predicate of evidence is that of a protected release."""
    return SECTION not in tree


def fields_of(*, protected: bool) -> Mapping[str, Field]:
    """Return the fields of the evidence of a protected or of an unprotected release."""
    return FIELDS if protected else UNPROTECTED
