"""Evidence of one release: every value typed by disclosure, one canonical JSON.

The table `FIELDS` declares each field once: what it means, which disclosure classes it may have,
and whether it belongs in the public document. `PublicEvidence` can only be made of `PublicFact`s,
and a `PublicFact` refuses a raw value when it is constructed: a template that wants to print a raw
number in the certificate has nothing to call.

Canonical bytes follow RFC 8785. Numbers that a person signs for (epsilon, delta, rho) are decimal
strings, so that no reader's floating point changes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import rfc8785

from dpsynth.errors import DisclosureError
from dpsynth.results import Disclosure

PREDICATE_TYPE = "https://dpsynth.org/attestation/dp-release/v1"
SCHEMA_VERSION = "1"

_DECLARED = frozenset({Disclosure.DECLARED})
_PUBLIC = frozenset(d for d in Disclosure if d.public)
_RAW = frozenset({Disclosure.RAW})


@dataclass(frozen=True)
class Field:
    """Declaration of one evidence field.

    Attributes:
        meaning: What the value says, with its unit or shape.
        allowed: Disclosure classes that the value may have.
        public: Whether the field appears in the public evidence.
    """

    meaning: str
    allowed: frozenset[Disclosure]
    public: bool = True


FIELDS: dict[str, Field] = {
    "release.id": Field("certificate id", _PUBLIC),
    "release.name": Field("name of the release", _DECLARED),
    "release.title": Field("title of the data set, from the dictionary", _DECLARED),
    "release.status": Field(
        "released or refused (internal: a refusal is a raw outcome)", _RAW, False
    ),
    "release.issuer": Field("common name of the signing certificate", _DECLARED),
    "release.created": Field("UTC time, ISO 8601", _DECLARED),
    "release.review_by": Field("date by which the release is to be reviewed", _DECLARED),
    "release.purpose": Field("declared purpose", _DECLARED),
    "release.recipient": Field("{name, jurisdiction}", _DECLARED),
    "release.origin": Field("jurisdiction that the data come from; may be empty", _DECLARED),
    "release.rows": Field("rows of synthetic data", _PUBLIC),
    "release.columns": Field("columns of synthetic data", _PUBLIC),
    "release.dpsynth_version": Field("version of dpsynth", _DECLARED),
    "guarantee.relation": Field("neighbouring relation: add_remove or replace_one", _DECLARED),
    "guarantee.unit": Field("what one unit is, in words", _DECLARED),
    "guarantee.unit_column": Field("column that names the unit, or null", _DECLARED),
    "guarantee.max_rows_per_unit": Field("rows kept of one unit at most", _DECLARED),
    "guarantee.epsilon": Field("decimal string; the release's (epsilon, delta)", _DECLARED),
    "guarantee.delta": Field("decimal string", _DECLARED),
    "guarantee.rho": Field("decimal string; zCDP rho that was reserved", _PUBLIC),
    "guarantee.epsilon_charged": Field(
        "decimal string; epsilon of the charged rho at delta", _PUBLIC
    ),
    "guarantee.assurance_class": Field("A, B or N, with what is open", _DECLARED),
    "guarantee.assurance_meaning": Field("sentence", _DECLARED),
    "guarantee.basis": Field("where curve, hits, guesses and tail come from", _PUBLIC),
    "guarantee.groups": Field(
        "[{size, epsilon}] decimal string at the same delta; null where none is stated", _PUBLIC
    ),
    "guarantee.tail_probability": Field("bound on P[privacy loss > epsilon]", _PUBLIC),
    "guarantee.curve": Field("[[false alarm rate, largest hit rate], ...]", _PUBLIC),
    "guarantee.right_guesses": Field("largest share of right guesses from a fair coin", _PUBLIC),
    "guarantee.hits_at_1_percent": Field("largest hit rate at 1 % false alarms", _PUBLIC),
    "guarantee.hits_at_01_percent": Field("largest hit rate at 0.1 % false alarms", _PUBLIC),
    "guarantee.beliefs": Field("[{before, after}] worst-case posterior, probabilities", _PUBLIC),
    "budget.lineage": Field("the people whose budget it is", _DECLARED),
    "budget.total_epsilon": Field("decimal string; cap of the lineage", _DECLARED),
    "budget.total_delta": Field("decimal string", _DECLARED),
    "budget.total_rho": Field("decimal string; cap in rho", _DECLARED),
    "budget.spent_before_rho": Field(
        "decimal string; all other releases and lost runs when this was written", _PUBLIC
    ),
    "budget.charged_rho": Field("decimal string; this release", _PUBLIC),
    "budget.charged_delta": Field(
        "decimal string; what events of this release may fail by on their own", _PUBLIC
    ),
    "budget.remaining_rho": Field("decimal string; after this release", _PUBLIC),
    "budget.lineage_epsilon_after": Field(
        "decimal string; epsilon of all releases so far", _PUBLIC
    ),
    "budget.release_number": Field(
        "this is reservation number k of the lineage, refused, lost and void ones included", _PUBLIC
    ),
    "budget.stages": Field("[{stage, description, rho}] charged in this release", _PUBLIC),
    "accounting.method": Field("sentence", _DECLARED),
    "accounting.cross_check": Field("[{accountant, epsilon}] at the stated delta", _PUBLIC),
    "accounting.calls": Field(
        "[{seq, stage, mechanism, attributes, cells, scale, sensitivity, rho}]", _PUBLIC
    ),
    "data.codebook": Field("source of the dictionary", _DECLARED),
    "data.columns": Field(
        "[{name, kind, role, meaning, domain, domain_source, treatment, reason}]", _PUBLIC
    ),
    "data.discovered": Field(
        "[{column, found, sigma, threshold, rho, delta, seq}] domains found under the budget",
        _PUBLIC,
    ),
    "data.unprotected": Field("facts declared public and by whom, sentences", _DECLARED),
    "data.warnings": Field("[{column, text}] seen in noisy counts", _PUBLIC),
    "data.raw_counts": Field(
        "{rows, units, kept_rows, train_rows, holdout_rows, malformed}", _RAW, False
    ),
    "data.same_people": Field(
        "{status, reason, lineages, text}: other lineages that hold half of the units of a new one",
        _RAW,
        False,
    ),
    "synthesizer.name": Field("registered name", _DECLARED),
    "synthesizer.fitted": Field("method of the model; the one that was chosen of several", _PUBLIC),
    "synthesizer.options": Field("declared options", _DECLARED),
    "synthesizer.plan": Field(
        "[{stage, description, queries, rho}] before data was opened", _DECLARED
    ),
    "synthesizer.self_test": Field("[{name, value, limit, passed}] sample against model", _PUBLIC),
    "fitness.expected_error": Field(
        "[{attributes, cells, sigma, typical_error}] noise of measured marginals, in rows", _PUBLIC
    ),
    "fitness.intervals": Field(
        "{level, columns, tables: [{attributes, cells, rows, share}], more_tables}: half of the "
        "interval of one count from noise alone, in rows and as a share",
        _PUBLIC,
    ),
    "fitness.measured_error": Field(
        "{status, reason, level, share, means: [{ways, tables, value, half_width, seq}], columns: "
        "[[column, value]], column_half_width}: total variation distance, measured with noise",
        _PUBLIC,
    ),
    "fitness.poor_uses": Field("sentences", _PUBLIC),
    "fitness.constraints": Field("[{constraint, rate}] violations in the synthetic data", _PUBLIC),
    "audit.status": Field("ok, inconclusive or not_run, with a sentence", _PUBLIC),
    "attacks.profile": Field("quick, full or off", _DECLARED),
    "attacks.results": Field("[AttackResult]", _RAW, False),
    "fidelity.results": Field("[FidelityResult]", _RAW, False),
    "policy.name": Field("policy", _DECLARED),
    "policy.sha256": Field("digest of everything that the policy asks", _DECLARED),
    "policy.terms": Field(
        "{files: [{name, sha256}], sections, attacks, audits, signers, retain_until}: what it was "
        "composed from and asks for beside its gates",
        _DECLARED,
    ),
    "policy.waivers": Field(
        "[{gate, reason, issued, expires, signer, sha256}] in force before data was opened; "
        "whether a gate was missed is not said",
        _DECLARED,
    ),
    "policy.gates": Field("[{gate, title, limit, value, status, reason}]", _RAW, False),
    "policy.verdict": Field("passed or refused, with reasons", _RAW, False),
    "ledger.id": Field("128 random bits that name the ledger, hexadecimal", _PUBLIC),
    "ledger.public_key": Field("Ed25519 key that signs its entries, hexadecimal", _PUBLIC),
    "ledger.head_seq": Field("last entry when the evidence was written", _PUBLIC),
    "ledger.head_digest": Field("SHA-256 of that entry", _PUBLIC),
    "ledger.entries": Field(
        "[{seq, kind, created, release, rho, digest}] of the lineage", _RAW, False
    ),
    "files.synthetic": Field("[{name, sha256, bytes}]", _PUBLIC),
    "environment.versions": Field("{package: version}", _DECLARED),
    "environment.entropy": Field("source of noise, sentence", _DECLARED),
    "hazards.items": Field("[{hazard, status, text}]", _DECLARED),
}


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
        return PublicEvidence(
            {
                name: PublicFact(
                    value=fact.value, disclosure=fact.disclosure, ledger_seq=fact.ledger_seq
                )
                for name, fact in self._facts.items()
                if FIELDS[name].public
            }
        )


class EvidenceBuilder:
    """Collects facts during a run; refuses unknown fields and wrong disclosure classes."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}

    def add(
        self, name: str, value: Any, disclosure: Disclosure, *, ledger_seq: int | None = None
    ) -> None:
        """Add one field.

        Raises:
            DisclosureError: The field is unknown, set twice, or its class is not allowed.
        """
        if name not in FIELDS:
            raise DisclosureError(f"Evidence has no field {name!r}.")
        if name in self._facts:
            raise DisclosureError(f"Evidence field {name!r} is set twice.")
        if disclosure not in FIELDS[name].allowed:
            raise DisclosureError(f"Evidence field {name!r} may not be {disclosure.value}.")
        self._facts[name] = Fact(value=value, disclosure=disclosure, ledger_seq=ledger_seq)

    def build(self) -> ReleaseEvidence:
        """Return the evidence in declared order; every field must have been set."""
        missing = [name for name in FIELDS if name not in self._facts]
        if missing:
            raise DisclosureError(f"Evidence lacks {', '.join(missing)}.")
        return ReleaseEvidence({name: self._facts[name] for name in FIELDS})


def from_predicate(tree: Mapping[str, Any]) -> PublicEvidence:
    """Read public evidence back from its JSON tree, refusing anything raw or unknown."""
    facts: dict[str, PublicFact] = {}
    for section, entries in tree.items():
        if section == "schemaVersion":
            continue
        for key, leaf in entries.items():
            name = f"{section}.{key}"
            if name not in FIELDS or not FIELDS[name].public:
                raise DisclosureError(f"Public evidence has no field {name!r}.")
            disclosure = Disclosure(leaf["provenance"])
            if disclosure not in FIELDS[name].allowed:
                raise DisclosureError(f"Evidence field {name!r} may not be {disclosure.value}.")
            facts[name] = PublicFact(
                value=leaf["value"],
                disclosure=disclosure,
                ledger_seq=leaf.get("ledger_ref"),
            )
    return PublicEvidence(facts)
