"""The JSON Schemas (2020-12) of public and internal evidence, and the table of all fields.

Both are made from the tables of fields. The public schema has no field that is internal, and no
provenance that is raw: a document that holds a raw value cannot be valid. Whoever adds facts of his
own does so in sections whose name begins with ``x-``; they are built like ours and bound by the
same classes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from dpsynth.evidence.fields import PREDICATE_TYPE, SCHEMA_VERSION, Field
from dpsynth.evidence.shapes import ANY, COUNT, Shape, map_of, one_of, record, words
from dpsynth.evidence.unprotected import fields_of
from dpsynth.results import Disclosure

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXTENSION = "^x-[a-z0-9]"  #: names of sections that are not ours


@cache
def evidence_schema(*, public: bool, protected: bool = True) -> dict[str, Any]:
    """Return the schema of the predicate of public or of internal evidence. Not to be changed.

    Args:
        public: Whether it is that of the public part.
        protected: Whether it is that of a release with a guarantee.
    """
    sections: dict[str, dict[str, Shape]] = {}
    for name, field in fields_of(protected=protected).items():
        if field.public or not public:
            section, key = name.split(".")
            leaf = _leaf(field.shape, sorted(field.allowed))
            sections.setdefault(section, {})[key] = {"description": field.meaning, **leaf}
    classes = [d for d in Disclosure if d.public or not public]
    kind = ("" if protected else "unprotected-") + ("public" if public else "internal")
    return {
        "$schema": DIALECT,
        "$id": f"{PREDICATE_TYPE}/{kind}-{SCHEMA_VERSION}.schema.json",
        "title": f"Evidence of a release{'' if protected else ' without a guarantee'}, "
        f"{'public' if public else 'internal'} part",
        **record(
            {
                "schemaVersion": {"const": SCHEMA_VERSION},
                **{section: record(leaves) for section, leaves in sections.items()},
            }
        ),
        "patternProperties": {EXTENSION: map_of(_leaf(ANY, classes))},
    }


def fields_table(*, protected: bool = True) -> str:
    """Return the table of all fields of one kind of evidence as Markdown, for docs/evidence.md."""
    rows = ["| field | what it says | shape | class | in |", "| --- | --- | --- | --- | --- |"]
    rows += [
        f"| `{name}` | {field.meaning} | {words(field.shape)} | {_classes(field)} "
        f"| {'public' if field.public else 'internal'} |"
        for name, field in fields_of(protected=protected).items()
    ]
    return "\n".join(rows) + "\n"


def _leaf(shape: Shape, classes: list[Disclosure]) -> Shape:
    """Return the shape of a value with its disclosure class and its ledger entry, if any."""
    return record({"value": shape, "provenance": one_of(*classes)}, {"ledger_ref": COUNT})


def _classes(field: Field) -> str:
    return " / ".join(d for d in Disclosure if d in field.allowed)
