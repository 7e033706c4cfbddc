"""The fields of the evidence, each declared once, on one line of the table `FIELDS`.

Evidence of a release without a guarantee has fewer and others: :mod:`.unprotected`.

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
    member_of,
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
from dpsynth.results import AttackProfile, Disclosure

PREDICATE_TYPE = "https://dpsynth.org/attestation/dp-release/v1"
SCHEMA_VERSION = "3"  #: raised when a field is added, removed or given another shape

DECLARED = frozenset({Disclosure.DECLARED})
PUBLIC = frozenset(d for d in Disclosure if d.public)
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
    "release.id": Field("certificate id", NAME, PUBLIC),
    "release.name": Field("name of the release", NAME, DECLARED),
    "release.title": Field("title of the data set, from the dictionary", TEXT, DECLARED),
    "release.status": Field(
        "whether it was released (internal: a refusal is a raw outcome)",
        one_of("released", "refused"),
        _RAW,
        False,
    ),
    "release.issuer": Field("common name of the signing certificate", TEXT, DECLARED),
    "release.created": Field("UTC time of issue, ISO 8601", TIME, DECLARED),
    "release.review_by": Field("date by which the release is to be reviewed", DATE, DECLARED),
    "release.purpose": Field("declared purpose", TEXT, DECLARED),
    "release.recipient": Field(
        "who receives it, empty where not stated",
        RECIPIENT,
        DECLARED,
    ),
    "release.origin": Field("jurisdiction that the data come from; may be empty", TEXT, DECLARED),
    "release.rows": Field("rows of synthetic data", COUNT, PUBLIC),
    "release.columns": Field("columns of synthetic data", COUNT, PUBLIC),
    "release.dpsynth_version": Field("version of dpsynth", NAME, DECLARED),
    "guarantee.relation": Field(
        "neighbouring relation", one_of("add_remove", "replace_one"), DECLARED
    ),
    "guarantee.unit": Field("what one unit is, in words", TEXT, DECLARED),
    "guarantee.unit_column": Field("column that names the unit, or null", optional(TEXT), DECLARED),
    "guarantee.max_rows_per_unit": Field("rows kept of one unit at most", COUNT, DECLARED),
    "guarantee.epsilon": Field("epsilon of the release", DECIMAL, DECLARED),
    "guarantee.delta": Field("delta of the release", DECIMAL, DECLARED),
    "guarantee.rho": Field("rho that was reserved, see accounting.sampled", DECIMAL, PUBLIC),
    "guarantee.epsilon_charged": Field("epsilon of what was charged, at delta", DECIMAL, PUBLIC),
    "guarantee.assurance_class": Field(
        "assurance class, with what is open", one_of("A", "A, audit open", "B"), DECLARED
    ),
    "guarantee.assurance_meaning": Field("what the class means", SENTENCE, DECLARED),
    "guarantee.basis": Field("where curve, hits, guesses and tail come from", NAME, PUBLIC),
    "guarantee.groups": Field(
        "epsilon for so many units together, at the same delta; null where none is stated",
        list_of(GROUP),
        PUBLIC,
    ),
    "guarantee.tail_probability": Field("bound on P[privacy loss > epsilon]", SHARE, PUBLIC),
    "guarantee.curve": Field(
        "pairs of false alarm rate and largest hit rate", list_of(row_of(SHARE, SHARE)), PUBLIC
    ),
    "guarantee.curve_low": Field(
        "the same at ten false alarm rates per decade from 0.0001",
        list_of(row_of(SHARE, SHARE)),
        PUBLIC,
    ),
    "guarantee.right_guesses": Field(
        "largest share of right guesses from a fair coin", SHARE, PUBLIC
    ),
    "guarantee.hits_at_1_percent": Field("largest hit rate at 1 % false alarms", SHARE, PUBLIC),
    "guarantee.hits_at_01_percent": Field("largest hit rate at 0.1 % false alarms", SHARE, PUBLIC),
    "guarantee.beliefs": Field(
        "worst-case posterior after a prior",
        list_of(BELIEF),
        PUBLIC,
    ),
    "guarantee.criteria": Field(
        "largest chance to single out, link or infer, over all outcomes", list_of(REACH), PUBLIC
    ),
    "budget.lineage": Field("the people whose budget it is", NAME, DECLARED),
    "budget.total_epsilon": Field("cap of the lineage in epsilon", DECIMAL, DECLARED),
    "budget.total_delta": Field("cap of the lineage in delta", DECIMAL, DECLARED),
    "budget.total_rho": Field("cap of the lineage in rho", DECIMAL, DECLARED),
    "budget.spent_before_rho": Field(
        "rho of all other releases and lost runs when this was written", DECIMAL, PUBLIC
    ),
    "budget.charged_rho": Field("rho of this release", DECIMAL, PUBLIC),
    "budget.charged_delta": Field(
        "what events of this release may fail by on their own", DECIMAL, PUBLIC
    ),
    "budget.remaining_rho": Field("rho that is left after this release", DECIMAL, PUBLIC),
    "budget.lineage_epsilon_after": Field("epsilon of all releases so far", DECIMAL, PUBLIC),
    "budget.release_number": Field(
        "this is reservation number k of the lineage, refused, lost and void ones included",
        COUNT,
        PUBLIC,
    ),
    "budget.stages": Field("what was charged in this release", list_of(SPENT), PUBLIC),
    "accounting.method": Field("how privacy loss is added up", SENTENCE, DECLARED),
    "accounting.sampled": Field(
        "training steps on Poisson samples, and the Renyi order of the lineage; null without any",
        optional(STEPS),
        DECLARED,
    ),
    "accounting.cross_check": Field(
        "epsilon by accountant, at the stated delta",
        list_of(READING),
        PUBLIC,
    ),
    "accounting.calls": Field(
        "every call of a mechanism, with the ledger entry that paid", list_of(CALL), PUBLIC
    ),
    "data.codebook": Field("source of the dictionary", TEXT, DECLARED),
    "data.columns": Field(
        "declared columns, with their codes for missing and special cells and the format of days",
        list_of(COLUMN),
        PUBLIC,
    ),
    "data.discovered": Field("domains found under the budget", list_of(FOUND), PUBLIC),
    "data.unprotected": Field("facts declared public and by whom", list_of(SENTENCE), DECLARED),
    "data.warnings": Field(
        "what was seen in noisy counts",
        list_of(WARNING),
        PUBLIC,
    ),
    "data.raw_counts": Field("exact counts of rows and units", map_of(COUNT), _RAW, False),
    "data.same_people": Field(
        "other lineages that hold half of the units of a new one", PEOPLE, _RAW, False
    ),
    "synthesizer.name": Field("registered name", NAME, DECLARED),
    "synthesizer.fitted": Field(
        "method of the model; the one that was chosen of several", NAME, PUBLIC
    ),
    "synthesizer.options": Field("declared options", map_of(ANY), DECLARED),
    "synthesizer.plan": Field(
        "what would be asked, before data was opened",
        list_of(PLANNED),
        DECLARED,
    ),
    "synthesizer.self_test": Field(
        "sample against model",
        list_of(CHECK),
        PUBLIC,
    ),
    "fitness.expected_error": Field(
        "noise of measured marginals, in rows",
        list_of(NOISE),
        PUBLIC,
    ),
    "fitness.intervals": Field(
        "half of the interval of one count from noise alone, in rows and as a share",
        INTERVALS,
        PUBLIC,
    ),
    "fitness.measured_error": Field(
        "total variation distance, measured with noise", MEASURED, PUBLIC
    ),
    "fitness.poor_uses": Field("what the data are not good for", list_of(SENTENCE), PUBLIC),
    "fitness.constraints": Field(
        "violations in the synthetic data, as a share",
        list_of(KEPT),
        PUBLIC,
    ),
    "audit.status": Field(
        "audit of the mechanism on neighbouring inputs",
        AUDIT,
        PUBLIC,
    ),
    "attacks.profile": Field("which attacks were run inside", member_of(AttackProfile), DECLARED),
    "attacks.results": Field("results of attacks", list_of(ATTACK), _RAW, False),
    "fidelity.results": Field("results of fidelity and utility", list_of(FIDELITY), _RAW, False),
    "fidelity.groups": Field("errors within groups of people", list_of(PERSONS), _RAW, False),
    "policy.name": Field("policy", TEXT, DECLARED),
    "policy.sha256": Field("digest of everything that the policy asks", SHA256, DECLARED),
    "policy.terms": Field(
        "files it was composed from, and what it asks for beside its gates", TERMS, DECLARED
    ),
    "policy.waivers": Field(
        "waivers in force before data was opened; whether a gate was missed is not said",
        list_of(WAIVER),
        DECLARED,
    ),
    "policy.gates": Field("evaluated gates", list_of(GATE), _RAW, False),
    "policy.verdict": Field(
        "whether all gates were passed, with reasons",
        VERDICT,
        _RAW,
        False,
    ),
    "ledger.id": Field("128 random bits that name the ledger", hexadecimal(32), PUBLIC),
    "ledger.public_key": Field("Ed25519 key that signs its entries", hexadecimal(64), PUBLIC),
    "ledger.head_seq": Field("last entry when the evidence was written", COUNT, PUBLIC),
    "ledger.head_digest": Field("digest of that entry", SHA256, PUBLIC),
    "ledger.entries": Field("entries of the lineage", list_of(ENTRY), _RAW, False),
    "files.synthetic": Field(
        "data files, with their size in bytes",
        list_of(FILE),
        PUBLIC,
    ),
    "environment.versions": Field("version by package", map_of(NAME), DECLARED),
    "environment.lock": Field(
        "SHA-256 over the sorted lines name==version of what is installed of dpsynth and all that "
        "it needs",
        SHA256,
        DECLARED,
    ),
    "environment.packages": Field(
        "these packages, and which of them each needs",
        list_of(PACKAGE),
        DECLARED,
        False,
    ),
    "environment.code": Field(
        "digests of the claim register and of the code that it names",
        CODE,
        DECLARED,
    ),
    "environment.entropy": Field("source of noise", SENTENCE, DECLARED),
    "hazards.items": Field(
        "ways in which a guarantee is undone in practice, and how each is met",
        list_of(HAZARD),
        DECLARED,
    ),
}
