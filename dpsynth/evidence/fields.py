"""The fields of the evidence, each declared once, on one line of the table `FIELDS`.

A line says what the value means, which shape it has, which disclosure classes it may have, and
whether it belongs in the public document. The published JSON Schemas (:mod:`.schema`), the check of
every value before it is signed (:mod:`.facts`), the check of a stranger's evidence
(:mod:`dpsynth.verification.evidence`) and the table of docs/evidence.md are made from it.

Never true here: a field that may be raw and is public.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.evidence.shapes import (
    ANY,
    COUNT,
    DATE,
    DECIMAL,
    NAME,
    SENTENCE,
    SHA256,
    SHARE,
    TEXT,
    TIME,
    Shape,
    hexadecimal,
    list_of,
    map_of,
    one_of,
    optional,
    row_of,
)
from dpsynth.evidence.values import (
    ATTACK,
    AUDIT,
    BELIEF,
    CALL,
    CHECK,
    CODE,
    COLUMN,
    ENTRY,
    FIDELITY,
    FILE,
    FOUND,
    GATE,
    GROUP,
    HAZARD,
    INTERVALS,
    KEPT,
    MEASURED,
    NOISE,
    PACKAGE,
    PEOPLE,
    PERSONS,
    PLANNED,
    REACH,
    READING,
    RECIPIENT,
    SPENT,
    STEPS,
    TERMS,
    VERDICT,
    WAIVER,
    WARNING,
)
from dpsynth.results import Disclosure

PREDICATE_TYPE = "https://dpsynth.org/attestation/dp-release/v1"
SCHEMA_VERSION = "3"  #: raised when a field is added, removed or given another shape

_DECLARED = frozenset({Disclosure.DECLARED})
_PUBLIC = frozenset(d for d in Disclosure if d.public)
_RAW = frozenset({Disclosure.RAW})


@dataclass(frozen=True)
class Field:
    """Declaration of one evidence field.

    Attributes:
        meaning: What the value says, with its unit.
        shape: JSON Schema of the value.
        allowed: Disclosure classes that the value may have.
        public: Whether the field appears in the public evidence.
    """

    meaning: str
    shape: Shape
    allowed: frozenset[Disclosure]
    public: bool = True

    def __post_init__(self) -> None:
        """Refuse a field that could carry a raw value into the public document."""
        if self.public and Disclosure.RAW in self.allowed:
            raise ValueError(f"a public field may not be raw: {self.meaning}")


FIELDS: dict[str, Field] = {
    "release.id": Field("certificate id", NAME, _PUBLIC),
    "release.name": Field("name of the release", NAME, _DECLARED),
    "release.title": Field("title of the data set, from the dictionary", TEXT, _DECLARED),
    "release.status": Field(
        "whether it was released (internal: a refusal is a raw outcome)",
        one_of("released", "refused"),
        _RAW,
        False,
    ),
    "release.issuer": Field("common name of the signing certificate", TEXT, _DECLARED),
    "release.created": Field("UTC time of issue, ISO 8601", TIME, _DECLARED),
    "release.review_by": Field("date by which the release is to be reviewed", DATE, _DECLARED),
    "release.purpose": Field("declared purpose", TEXT, _DECLARED),
    "release.recipient": Field(
        "who receives it, empty where not stated",
        RECIPIENT,
        _DECLARED,
    ),
    "release.origin": Field("jurisdiction that the data come from; may be empty", TEXT, _DECLARED),
    "release.rows": Field("rows of synthetic data", COUNT, _PUBLIC),
    "release.columns": Field("columns of synthetic data", COUNT, _PUBLIC),
    "release.dpsynth_version": Field("version of dpsynth", NAME, _DECLARED),
    "guarantee.relation": Field(
        "neighbouring relation", one_of("add_remove", "replace_one"), _DECLARED
    ),
    "guarantee.unit": Field("what one unit is, in words", TEXT, _DECLARED),
    "guarantee.unit_column": Field(
        "column that names the unit, or null", optional(TEXT), _DECLARED
    ),
    "guarantee.max_rows_per_unit": Field("rows kept of one unit at most", COUNT, _DECLARED),
    "guarantee.epsilon": Field("epsilon of the release", DECIMAL, _DECLARED),
    "guarantee.delta": Field("delta of the release", DECIMAL, _DECLARED),
    "guarantee.rho": Field("rho that was reserved, see accounting.sampled", DECIMAL, _PUBLIC),
    "guarantee.epsilon_charged": Field("epsilon of what was charged, at delta", DECIMAL, _PUBLIC),
    "guarantee.assurance_class": Field(
        "assurance class, with what is open", one_of("A", "A, audit open", "B", "N"), _DECLARED
    ),
    "guarantee.assurance_meaning": Field("what the class means", SENTENCE, _DECLARED),
    "guarantee.basis": Field("where curve, hits, guesses and tail come from", NAME, _PUBLIC),
    "guarantee.groups": Field(
        "epsilon for so many units together, at the same delta; null where none is stated",
        list_of(GROUP),
        _PUBLIC,
    ),
    "guarantee.tail_probability": Field("bound on P[privacy loss > epsilon]", SHARE, _PUBLIC),
    "guarantee.curve": Field(
        "pairs of false alarm rate and largest hit rate", list_of(row_of(SHARE, SHARE)), _PUBLIC
    ),
    "guarantee.curve_low": Field(
        "the same at ten false alarm rates per decade from 0.0001",
        list_of(row_of(SHARE, SHARE)),
        _PUBLIC,
    ),
    "guarantee.right_guesses": Field(
        "largest share of right guesses from a fair coin", SHARE, _PUBLIC
    ),
    "guarantee.hits_at_1_percent": Field("largest hit rate at 1 % false alarms", SHARE, _PUBLIC),
    "guarantee.hits_at_01_percent": Field("largest hit rate at 0.1 % false alarms", SHARE, _PUBLIC),
    "guarantee.beliefs": Field(
        "worst-case posterior after a prior",
        list_of(BELIEF),
        _PUBLIC,
    ),
    "guarantee.criteria": Field(
        "largest chance to single out, link or infer, over all outcomes", list_of(REACH), _PUBLIC
    ),
    "budget.lineage": Field("the people whose budget it is", NAME, _DECLARED),
    "budget.total_epsilon": Field("cap of the lineage in epsilon", DECIMAL, _DECLARED),
    "budget.total_delta": Field("cap of the lineage in delta", DECIMAL, _DECLARED),
    "budget.total_rho": Field("cap of the lineage in rho", DECIMAL, _DECLARED),
    "budget.spent_before_rho": Field(
        "rho of all other releases and lost runs when this was written", DECIMAL, _PUBLIC
    ),
    "budget.charged_rho": Field("rho of this release", DECIMAL, _PUBLIC),
    "budget.charged_delta": Field(
        "what events of this release may fail by on their own", DECIMAL, _PUBLIC
    ),
    "budget.remaining_rho": Field("rho that is left after this release", DECIMAL, _PUBLIC),
    "budget.lineage_epsilon_after": Field("epsilon of all releases so far", DECIMAL, _PUBLIC),
    "budget.release_number": Field(
        "this is reservation number k of the lineage, refused, lost and void ones included",
        COUNT,
        _PUBLIC,
    ),
    "budget.stages": Field("what was charged in this release", list_of(SPENT), _PUBLIC),
    "accounting.method": Field("how privacy loss is added up", SENTENCE, _DECLARED),
    "accounting.sampled": Field(
        "training steps on Poisson samples, and the Renyi order of the lineage; null without any",
        optional(STEPS),
        _DECLARED,
    ),
    "accounting.cross_check": Field(
        "epsilon by accountant, at the stated delta",
        list_of(READING),
        _PUBLIC,
    ),
    "accounting.calls": Field(
        "every call of a mechanism, with the ledger entry that paid", list_of(CALL), _PUBLIC
    ),
    "data.codebook": Field("source of the dictionary", TEXT, _DECLARED),
    "data.columns": Field(
        "declared columns, with their codes for missing and special cells and the format of days",
        list_of(COLUMN),
        _PUBLIC,
    ),
    "data.discovered": Field("domains found under the budget", list_of(FOUND), _PUBLIC),
    "data.unprotected": Field("facts declared public and by whom", list_of(SENTENCE), _DECLARED),
    "data.warnings": Field(
        "what was seen in noisy counts",
        list_of(WARNING),
        _PUBLIC,
    ),
    "data.raw_counts": Field("exact counts of rows and units", map_of(COUNT), _RAW, False),
    "data.same_people": Field(
        "other lineages that hold half of the units of a new one", PEOPLE, _RAW, False
    ),
    "synthesizer.name": Field("registered name", NAME, _DECLARED),
    "synthesizer.fitted": Field(
        "method of the model; the one that was chosen of several", NAME, _PUBLIC
    ),
    "synthesizer.options": Field("declared options", map_of(ANY), _DECLARED),
    "synthesizer.plan": Field(
        "what would be asked, before data was opened",
        list_of(PLANNED),
        _DECLARED,
    ),
    "synthesizer.self_test": Field(
        "sample against model",
        list_of(CHECK),
        _PUBLIC,
    ),
    "fitness.expected_error": Field(
        "noise of measured marginals, in rows",
        list_of(NOISE),
        _PUBLIC,
    ),
    "fitness.intervals": Field(
        "half of the interval of one count from noise alone, in rows and as a share",
        INTERVALS,
        _PUBLIC,
    ),
    "fitness.measured_error": Field(
        "total variation distance, measured with noise", MEASURED, _PUBLIC
    ),
    "fitness.poor_uses": Field("what the data are not good for", list_of(SENTENCE), _PUBLIC),
    "fitness.constraints": Field(
        "violations in the synthetic data, as a share",
        list_of(KEPT),
        _PUBLIC,
    ),
    "audit.status": Field(
        "audit of the mechanism on neighbouring inputs",
        AUDIT,
        _PUBLIC,
    ),
    "attacks.profile": Field(
        "which attacks were run inside", one_of("quick", "full", "off"), _DECLARED
    ),
    "attacks.results": Field("results of attacks", list_of(ATTACK), _RAW, False),
    "fidelity.results": Field("results of fidelity and utility", list_of(FIDELITY), _RAW, False),
    "fidelity.groups": Field("errors within groups of people", list_of(PERSONS), _RAW, False),
    "policy.name": Field("policy", TEXT, _DECLARED),
    "policy.sha256": Field("digest of everything that the policy asks", SHA256, _DECLARED),
    "policy.terms": Field(
        "files it was composed from, and what it asks for beside its gates", TERMS, _DECLARED
    ),
    "policy.waivers": Field(
        "waivers in force before data was opened; whether a gate was missed is not said",
        list_of(WAIVER),
        _DECLARED,
    ),
    "policy.gates": Field("evaluated gates", list_of(GATE), _RAW, False),
    "policy.verdict": Field(
        "whether all gates were passed, with reasons",
        VERDICT,
        _RAW,
        False,
    ),
    "ledger.id": Field("128 random bits that name the ledger", hexadecimal(32), _PUBLIC),
    "ledger.public_key": Field("Ed25519 key that signs its entries", hexadecimal(64), _PUBLIC),
    "ledger.head_seq": Field("last entry when the evidence was written", COUNT, _PUBLIC),
    "ledger.head_digest": Field("digest of that entry", SHA256, _PUBLIC),
    "ledger.entries": Field("entries of the lineage", list_of(ENTRY), _RAW, False),
    "files.synthetic": Field(
        "data files, with their size in bytes",
        list_of(FILE),
        _PUBLIC,
    ),
    "environment.versions": Field("version by package", map_of(NAME), _DECLARED),
    "environment.lock": Field(
        "SHA-256 over the sorted lines name==version of what is installed of dpsynth and all that "
        "it needs",
        SHA256,
        _DECLARED,
    ),
    "environment.packages": Field(
        "these packages, and which of them each needs",
        list_of(PACKAGE),
        _DECLARED,
        False,
    ),
    "environment.code": Field(
        "digests of the claim register and of the code that it names",
        CODE,
        _DECLARED,
    ),
    "environment.entropy": Field("source of noise", SENTENCE, _DECLARED),
    "hazards.items": Field(
        "ways in which a guarantee is undone in practice, and how each is met",
        list_of(HAZARD),
        _DECLARED,
    ),
}
