"""Read the signed statements of a bundle: are they complete, do they agree, what do they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dpsynth.errors import InputError
from dpsynth.evidence import SCHEMA_VERSION, evidence_schema, fields_of, is_protected
from dpsynth.evidence.shapes import fault
from dpsynth.reports.claims import digests
from dpsynth.signing.levels import Level
from dpsynth.signing.roles import Role, declared_roles, may_pin
from dpsynth.verification.report import shown

#: Schema versions of releases that were made before this one.
OLDER_VERSIONS = ("1", "2")

#: What a reader wants to know first. Without a guarantee unit and lineage stand elsewhere.
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


def lineage_of(tree: Mapping[str, Any]) -> str:
    """Return the lineage that checked evidence is about."""
    section = "budget" if is_protected(tree) else "unprotected"
    return str(value_of(tree, f"{section}.lineage"))


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
        case {"level": str(level), "paper": str(), "roles": list(names), **more} if (
            set(more) <= {"certificates"} and level in levels
        ):
            try:
                roles = declared_roles(names)
            except (InputError, TypeError):
                return "Names signers that do not exist."
            return "" if _pins(more.get("certificates", {}), roles) else "Pins signers to nothing."
    return "Does not say who signs the document, and on which paper."


def _pins(tree: Any, roles: Sequence[Role]) -> bool:
    """Say whether these are fingerprints of certificates of further signers who are declared."""
    if not isinstance(tree, dict) or not all(isinstance(each, str) for each in tree.values()):
        return False
    known = {role.value: role for role in roles}
    return set(tree) <= set(known) and may_pin({known[name]: tree[name] for name in tree})


def evidence_problem(tree: Mapping[str, Any], *, public: bool) -> str:
    """Say what is wrong with the predicate of the evidence; empty if nothing is.

    It must be valid against the published schema of this version: every declared field with a value
    of its shape and a class that may stand there, and nothing else but sections named ``x-``.
    """
    version = tree.get("schemaVersion")
    if version in OLDER_VERSIONS:
        return (
            f"Has schema version {version}; this dpsynth reads version {SCHEMA_VERSION} only. "
            "Verify it with the dpsynth that its release.dpsynth_version names."
        )
    if version != SCHEMA_VERSION:
        return "Has a schema version that this dpsynth does not know."
    schema = evidence_schema(public=public, protected=is_protected(tree))
    found = fault(schema, tree, "The evidence")
    return f"{found}." if found else ""


def disagreement(public: Mapping[str, Any], internal: Mapping[str, Any]) -> str:
    """Return the first field in which internal and public evidence differ, or empty text."""
    protected = is_protected(public)
    if protected is not is_protected(internal):
        return "unprotected.meaning"
    for name, declared in fields_of(protected=protected).items():
        if declared.public:
            section, key = name.split(".")
            if public[section][key] != internal[section][key]:
                return name
    return ""


def facts(tree: Mapping[str, Any]) -> dict[str, str]:
    """Return what a reader wants to know first, by short label, safe to print."""
    found = {}
    protected = is_protected(tree)
    if not protected:
        found["guarantee"] = "none: assurance class N"
    for label, name in _LABELS.items():
        if not protected:
            if name.startswith("guarantee.") and name != "guarantee.unit":
                continue
            name = name.replace("guarantee.", "unprotected.").replace("budget.", "unprotected.")
        value = value_of(tree, name)
        if isinstance(value, dict):
            value = ", ".join(str(value[key]) for key in ("name", "jurisdiction") if value.get(key))
        if value not in (None, ""):
            found[label] = shown(value)
    same = value_of(tree, "environment.code") == digests()
    found["code"] = "that of this installation" if same else "not that of this installation"
    head = value_of(tree, "ledger.head_digest")
    found["ledger"] = shown(f"entry {value_of(tree, 'ledger.head_seq')}, sha256 {head}")
    return found
