"""Facts: values with their disclosure class, and the evidence that they make up.

`PublicEvidence` can only be made of `PublicFact`s, and a `PublicFact` refuses a raw value when it
is constructed: a template that wants to print a raw number in the certificate has nothing to call.
Canonical bytes follow RFC 8785. Numbers that a person signs for (epsilon, delta, rho) are decimal
strings, so that no reader's floating point changes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import rfc8785

from dpsynth.errors import DisclosureError
from dpsynth.evidence.fields import SCHEMA_VERSION
from dpsynth.evidence.shapes import fault
from dpsynth.evidence.unprotected import SECTION, fields_of, is_protected
from dpsynth.results import Disclosure


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One value with its disclosure class and, where it was paid for, its ledger entry."""

    value: Any
    disclosure: Disclosure
    ledger_seq: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return ``{value, provenance[, ledger_ref]}``."""
        out: dict[str, Any] = {"value": self.value, "provenance": self.disclosure.value}
        if self.ledger_seq is not None:
            out["ledger_ref"] = self.ledger_seq
        return out


@dataclass(frozen=True, kw_only=True)
class PublicFact(Fact):
    """A fact that may cross the boundary. Refuses a raw value."""

    def __post_init__(self) -> None:
        """Refuse raw values."""
        if not self.disclosure.public:
            raise DisclosureError("A raw value cannot become part of a public document.")


F = TypeVar("F", bound=Fact)


class _Facts(Generic[F]):
    """Read access to facts by dotted field name."""

    def __init__(self, facts: Mapping[str, F]) -> None:
        self._facts = dict(facts)

    def __getitem__(self, name: str) -> Any:
        """Return the value of a field; KeyError if it is not part of this document."""
        return self._facts[name].value

    def __contains__(self, name: str) -> bool:
        """Say whether the field is part of this document."""
        return name in self._facts

    def __iter__(self) -> Iterator[str]:
        """Iterate over field names in their declared order."""
        return iter(self._facts)

    def fact(self, name: str) -> F:
        """Return the whole fact of a field."""
        return self._facts[name]

    @property
    def protected(self) -> bool:
        """Whether this is evidence of a release with a guarantee."""
        return not any(name.startswith(f"{SECTION}.") for name in self._facts)

    def predicate(self) -> dict[str, Any]:
        """Return the nested JSON tree: section -> key -> {value, provenance, ledger_ref}."""
        tree: dict[str, Any] = {"schemaVersion": SCHEMA_VERSION}
        for name, fact in self._facts.items():
            section, key = name.split(".")
            tree.setdefault(section, {})[key] = fact.to_json()
        return tree

    def to_bytes(self) -> bytes:
        """Return the canonical JSON bytes (RFC 8785) of the predicate."""
        return rfc8785.dumps(self.predicate())


class PublicEvidence(_Facts[PublicFact]):
    """Evidence that may cross the boundary; the only thing the certificate is rendered from."""


class ReleaseEvidence(_Facts[Fact]):
    """All evidence of one run; stays inside."""

    def public(self) -> PublicEvidence:
        """Return the public part: fields declared public, each re-checked by type."""
        declared = fields_of(protected=self.protected)
        return PublicEvidence(
            {
                name: PublicFact(
                    value=fact.value, disclosure=fact.disclosure, ledger_seq=fact.ledger_seq
                )
                for name, fact in self._facts.items()
                if declared[name].public
            }
        )


def public_evidence(tree: Mapping[str, Any]) -> PublicEvidence:
    """Read the predicate of public evidence that is valid against its schema.

    Sections of others (``x-``) are left out.

    Raises:
        DisclosureError: A public field holds a raw value.
    """
    declared = fields_of(protected=is_protected(tree))
    names = [name for name, field in declared.items() if field.public]
    return PublicEvidence({name: PublicFact(**_read(tree, name)) for name in names})


def release_evidence(tree: Mapping[str, Any]) -> ReleaseEvidence:
    """Read the predicate of internal evidence that is valid against its schema, as above."""
    names = fields_of(protected=is_protected(tree))
    return ReleaseEvidence({name: Fact(**_read(tree, name)) for name in names})


def _read(tree: Mapping[str, Any], name: str) -> dict[str, Any]:
    section, key = name.split(".")
    fact = tree[section][key]
    return {
        "value": fact["value"],
        "disclosure": Disclosure(fact["provenance"]),
        "ledger_seq": fact.get("ledger_ref"),
    }


class EvidenceBuilder:
    """Collects facts during a run; refuses unknown fields, wrong classes and wrong shapes.

    Args:
        protected: Whether the release has a guarantee: decides which fields there are.
    """

    def __init__(self, *, protected: bool = True) -> None:
        self._facts: dict[str, Fact] = {}
        self._fields = fields_of(protected=protected)

    def add(
        self, name: str, value: Any, disclosure: Disclosure, *, ledger_seq: int | None = None
    ) -> None:
        """Add one field.

        Raises:
            DisclosureError: The field is unknown or set twice, its class is not allowed, or its
                value is not of the declared shape.
        """
        if name not in self._fields:
            raise DisclosureError(f"Evidence has no field {name!r}.")
        if name in self._facts:
            raise DisclosureError(f"Evidence field {name!r} is set twice.")
        if disclosure not in self._fields[name].allowed:
            raise DisclosureError(f"Evidence field {name!r} may not be {disclosure.value}.")
        if found := fault(self._fields[name].shape, value, name):
            raise DisclosureError(f"Evidence is not built as declared: {found}.")
        self._facts[name] = Fact(value=value, disclosure=disclosure, ledger_seq=ledger_seq)

    def build(self) -> ReleaseEvidence:
        """Return the evidence in declared order; every field must have been set."""
        missing = [name for name in self._fields if name not in self._facts]
        if missing:
            raise DisclosureError(f"Evidence lacks {', '.join(missing)}.")
        return ReleaseEvidence({name: self._facts[name] for name in self._fields})
