"""Evidence of one release: every value typed by disclosure and shape, one canonical JSON."""

from dpsynth.evidence.facts import (
    EvidenceBuilder,
    Fact,
    PublicEvidence,
    PublicFact,
    ReleaseEvidence,
    public_evidence,
    release_evidence,
)
from dpsynth.evidence.fields import FIELDS, PREDICATE_TYPE, SCHEMA_VERSION, Field
from dpsynth.evidence.schema import evidence_schema, fields_table
from dpsynth.evidence.unprotected import UNPROTECTED, fields_of, is_protected

__all__ = [
    "FIELDS",
    "PREDICATE_TYPE",
    "SCHEMA_VERSION",
    "UNPROTECTED",
    "EvidenceBuilder",
    "Fact",
    "Field",
    "PublicEvidence",
    "PublicFact",
    "ReleaseEvidence",
    "evidence_schema",
    "fields_of",
    "fields_table",
    "is_protected",
    "public_evidence",
    "release_evidence",
]
