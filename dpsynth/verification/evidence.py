"""Read the signed statements of a bundle: are they complete, do they agree, what do they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dpsynth.errors import DisclosureError, InputError
from dpsynth.evidence import FIELDS, SCHEMA_VERSION, from_predicate
from dpsynth.signing.levels import Level
from dpsynth.signing.roles import declared_roles
from dpsynth.verification.report import shown

_LABELS = {
    "release": "release.id",
    "title": "release.title",
    "created": "release.created",
    "recipient": "release.recipient",
    "epsilon": "guarantee.epsilon",
    "delta": "guarantee.delta",
    "unit": "guarantee.unit",
    "lineage": "budget.lineage",
    "rows": "release.rows",
    "review by": "release.review_by",
}


def value_of(tree: Mapping[str, Any], name: str) -> Any:
    """Return the value of a field of checked evidence."""
    section, key = name.split(".")
    return tree[section][key]["value"]


def manifest_problem(predicate: Mapping[str, Any]) -> str:
    """Say what is wrong with the predicate of a manifest; empty if nothing is."""
    match predicate:
        case {
            "release": str(),
            "created": str(),
            "folder": str(),
            "ledger": {"head_seq": int(), "head_digest": str(), **more},
            "signatures": dict(),
            **extra,
        } if not more and set(extra) <= {"nonce", "public_manifest"}:
            if all(isinstance(value, str) for value in extra.values()):
                return signatures_problem(predicate["signatures"])
    return "Does not say which release and ledger entry it belongs to."


def signatures_problem(tree: Mapping[str, Any]) -> str:
    """Say what is wrong with what a manifest says of signatures; empty if nothing is."""
    levels = {level.value for level in Level}
    match tree:
        case {"level": str(level), "roles": list(roles), **more} if not more and level in levels:
            try:
                declared_roles(roles)
            except (InputError, TypeError):
                return "Names signers that do not exist."
            return ""
    return "Does not say who signs the document."


def evidence_problem(tree: Mapping[str, Any], *, public: bool) -> str:
    """Say what is wrong with the predicate of the evidence; empty if nothing is.

    Public evidence must be readable as such: every declared field, each of a class that may cross
    the boundary, and nothing else. Internal evidence must have every declared field.
    """
    if tree.get("schemaVersion") != SCHEMA_VERSION:
        return "Has a schema version that this dpsynth does not know."
    needed = {name for name, declared in FIELDS.items() if declared.public or not public}
    try:
        present = {
            f"{section}.{key}"
            for section, entries in tree.items()
            if section != "schemaVersion"
            for key, leaf in entries.items()
            if {"value", "provenance"} <= set(leaf)
        }
        if public and from_predicate(tree).predicate() != tree:
            return "Holds more than public evidence may hold."
    except DisclosureError:
        return "Holds a field that public evidence may not hold."
    except (AttributeError, KeyError, TypeError, ValueError):
        return "Is not built like the evidence of a release."
    if present != needed:
        return "Does not have exactly the fields of the evidence of a release."
    if public and not _describes_files(value_of(tree, "files.synthetic")):
        return "Does not describe its data files."
    return ""


def disagreement(public: Mapping[str, Any], internal: Mapping[str, Any]) -> str:
    """Return the first field in which internal and public evidence differ, or empty text."""
    for name, declared in FIELDS.items():
        if declared.public:
            section, key = name.split(".")
            if public[section][key] != internal[section][key]:
                return name
    return ""


def facts(tree: Mapping[str, Any]) -> dict[str, str]:
    """Return what a reader wants to know first, by short label, safe to print."""
    found = {}
    for label, name in _LABELS.items():
        value = value_of(tree, name)
        if isinstance(value, dict):
            value = ", ".join(str(part) for part in value.values() if part)
        if value not in (None, ""):
            found[label] = shown(value)
    head = value_of(tree, "ledger.head_digest")
    found["ledger"] = shown(f"entry {value_of(tree, 'ledger.head_seq')}, sha256 {head}")
    return found


def _describes_files(files: Any) -> bool:
    """Say whether a value is a list of names with digests."""
    return isinstance(files, list) and all(
        isinstance(file, dict)
        and isinstance(file.get("name"), str)
        and isinstance(file.get("sha256"), str)
        for file in files
    )
