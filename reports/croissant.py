"""The description of the data files in Croissant 1.1 (MLCommons), from public evidence.

Croissant is JSON-LD that machine-learning tools read a data set by. It has no term for a privacy
guarantee: epsilon and what belongs to it stand under our own namespace, ``dps``. Text from a
dictionary appears as values of JSON only; identifiers are made from it by percent-encoding.

Never true here: a statistic of confidential rows, or a licence that nobody declared.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import quote

from dpsynth.reports.text import plain

from dpsynth.evidence import PublicEvidence

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
NAMESPACE = "https://dpsynth.org/ns#"  #: of our own keys
_OWN_TERMS = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field",
    "fileProperty", "fileObject", "fileSet", "format", "includes", "isArray", "jsonPath", "key",
    "md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace",
    "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "dps": NAMESPACE,
    "conformsTo": "dct:conformsTo",
    "isLiveDataset": "cr:isLiveDataset",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _OWN_TERMS},
}
_TYPES = {"integer": "sc:Integer", "float": "sc:Float", "date": "sc:Date"}
_ISO_DAYS = {"", "%Y-%m-%d"}
_UNTESTED = "Not tested: no panel by subgroup."
_BIASES = (
    f"{_UNTESTED} Noise of the same size weighs most on small groups; compare "
    "groups only where their counts stand well above it."
)


def croissant_json(evidence: PublicEvidence) -> str:
    """Return the description as JSON."""
    return json.dumps(croissant(evidence), ensure_ascii=False, indent=1) + "\n"


def croissant(e: PublicEvidence) -> dict[str, Any]:
    """Return the description of a release's data files."""
    issuer = {"@type": "sc:Organization", "name": e["release.issuer"]}
    title = f"{e['release.title']}: synthetic data, release {e['release.name']}"
    day = str(e["release.created"])[:10]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": title,
        "description": (
            f"{e['release.rows']} rows and {e['release.columns']} columns that a model generated "
            f"(method {e['synthesizer.fitted']}). {_promise(e)} DATASHEET.md says how to use the "
            "data and how not to."
        ),
        "datePublished": day,
        "creator": issuer,
        "publisher": issuer,
        "citeAs": f"{e['release.issuer']} ({day[:4]}). {title}. Certificate {e['release.id']}.",
        "isLiveDataset": False,
        **_responsible(e),
        **_privacy(e),
        "distribution": [_file(file) for file in e["files.synthetic"]],
        "recordSet": [_records(e)],
    }


def _promise(e: PublicEvidence) -> str:
    if not e.protected:
        return plain("unprotected.none")
    return (
        f"The model was fitted under differential privacy: epsilon {e['guarantee.epsilon']}, delta "
        f"{e['guarantee.delta']}, for one {e['guarantee.unit']}."
    )


def _responsible(e: PublicEvidence) -> dict[str, Any]:
    """Return the keys of Croissant's vocabulary for responsible AI."""
    roles: dict[str, list[str]] = {}
    for column in _present(e):
        roles.setdefault(column["role"].replace("_", " "), []).append(column["name"])
    return {
        "rai:personalSensitiveInformation": [
            "No row was copied: a model made the rows, and identifiers are made up. One may match "
            "somebody by chance."
            if e.protected
            else plain("unprotected.treat"),
            *(f"Columns declared as {role}: {', '.join(names)}." for role, names in roles.items()),
        ],
        "rai:dataLimitations": list(e["fitness.poor_uses"]),
        "rai:dataBiases": _BIASES if e.protected else _UNTESTED,
        "rai:dataUseCases": e["release.purpose"] or "Not stated.",
        "rai:dataReleaseMaintenancePlan": (
            f"To be reviewed by {e['release.review_by']}. A withdrawal is published by the issuer "
            f"under the certificate number {e['release.id']}."
        ),
    }


def _privacy(e: PublicEvidence) -> dict[str, Any]:
    """Return the guarantee; numbers that people sign are decimal strings."""
    if not e.protected:
        return {
            "dps:certificate": e["release.id"],
            "dps:guarantee": "none",
            "dps:reasons": list(e["unprotected.reasons"]),
            "dps:privacyUnit": e["unprotected.unit"],
            "dps:assuranceClass": e["unprotected.assurance_class"],
            "dps:evidence": "evidence.dsse.json",
        }
    return {
        "dps:certificate": e["release.id"],
        "dps:epsilon": e["guarantee.epsilon"],
        "dps:delta": e["guarantee.delta"],
        "dps:rho": e["guarantee.rho"],
        "dps:privacyUnit": e["guarantee.unit"],
        "dps:neighbouringRelation": e["guarantee.relation"],
        "dps:maxRowsPerUnit": e["guarantee.max_rows_per_unit"],
        "dps:rightGuesses": e["guarantee.right_guesses"],
        "dps:hitsAtOnePercentFalseAlarms": e["guarantee.hits_at_1_percent"],
        "dps:assuranceClass": e["guarantee.assurance_class"],
        "dps:evidence": "evidence.dsse.json",
    }


def _file(file: Mapping[str, Any]) -> dict[str, Any]:
    form = "application/x-parquet" if _is_parquet(file) else "text/csv"
    return {
        "@type": "cr:FileObject",
        "@id": quote(file["name"], safe=""),
        "name": file["name"],
        "contentUrl": quote(file["name"], safe=""),
        "contentSize": f"{file['bytes']} B",
        "encodingFormat": form,
        "sha256": file["sha256"],
    }


def _records(e: PublicEvidence) -> dict[str, Any]:
    file = e["files.synthetic"][0]
    return {
        "@type": "cr:RecordSet",
        "@id": "rows",
        "name": "rows",
        "description": "The synthetic rows, in no order.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"rows/{quote(column['name'], safe='')}",
                "name": column["name"],
                "description": _about(column),
                "dataType": data_type(column, typed=_is_parquet(file)),
                "source": {
                    "fileObject": {"@id": quote(file["name"], safe="")},
                    "extract": {"column": column["name"]},
                },
            }
            for column in _present(e)
        ],
    }


def _present(e: PublicEvidence) -> list[Mapping[str, Any]]:
    """Return the declared columns that are in the data."""
    return [column for column in e["data.columns"] if column["treatment"] != "left_out"]


def data_type(column: Mapping[str, Any], *, typed: bool) -> str:
    """Return the type by which every cell of a column can be read.

    Args:
        column: A column of the evidence.
        typed: Whether the file has types (Parquet): its missing cells are null, and days are days.
            A CSV file writes codes and days as the source does.
    """
    codes = column["special"] if typed else [*column["missing"], *column["special"]]
    found = _TYPES.get(column["kind"], "sc:Text")
    if found == "sc:Date" and not typed and column["format"] not in _ISO_DAYS:
        return "sc:Text"
    return found if all(_reads_as(found, code) for code in codes) else "sc:Text"


def _reads_as(found: str, code: str) -> bool:
    """Say whether a code for a missing or special cell is itself a value of a type."""
    if not code.strip():
        return True  # a blank cell is a missing value to every reader
    try:
        match found:
            case "sc:Integer":
                int(code)
            case "sc:Float":
                return math.isfinite(float(code))
            case "sc:Date":
                date.fromisoformat(code)
    except ValueError:
        return False
    return True


def _about(column: Mapping[str, Any]) -> str:
    parts = [column["meaning"] or "No meaning is declared", f"Domain: {column['domain']}"]
    if column["missing"]:
        parts.append(f"Codes for missing: {', '.join(column['missing'])}")
    if column["special"]:
        parts.append(f"Special codes: {', '.join(column['special'])}")
    if column["format"]:
        parts.append(f"Days are written as {column['format']}")
    if column["treatment"] == "regenerated":
        parts.append("Made up; it names nobody")
    return ". ".join(parts) + "."


def _is_parquet(file: Mapping[str, Any]) -> bool:
    return str(file["name"]).endswith(".parquet")
