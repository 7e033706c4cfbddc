"""Evidence of a made-up release without a guarantee, for the tests of documents."""

from __future__ import annotations

from typing import Any

import sample_evidence as sample

from dpsynth.evidence import UNPROTECTED, EvidenceBuilder, ReleaseEvidence
from dpsynth.results import Disclosure

_ORDER = (Disclosure.DECLARED, Disclosure.POST, Disclosure.DP, Disclosure.RAW)


def values() -> dict[str, Any]:
    """Return the value of every field."""
    common = {k: v for k, v in sample.adult_values().items() if k in UNPROTECTED}
    return common | {
        "synthesizer.name": "smartnoise:dpctgan",
        "synthesizer.fitted": "smartnoise:dpctgan",
        "synthesizer.options": {"label": None, "setting": 1.0, "rows": 10_000, "epochs": 50},
        "fitness.poor_uses": ["Publication, and recipients who may not see the real rows."],
        "unprotected.assurance_class": "N",
        "unprotected.meaning": "No differential-privacy guarantee: for comparison and tests only.",
        "unprotected.reasons": [
            "Its accountant is asked before an epoch and not after it (read in its source).",
            "It stores exact frequencies of categories in the fitted object (read in its source).",
        ],
        "unprotected.runs": [
            {
                "seq": 5, "stage": "dpctgan", "program": "smartnoise-synth dpctgan",
                "version": "1.0.8", "reason": "Its accountant is asked before an epoch.",
            }
        ],
        "unprotected.unit": "person",
        "unprotected.unit_column": None,
        "unprotected.max_rows_per_unit": 1,
        "unprotected.lineage": "census-1994-compared",
        "unprotected.release_number": 2,
        "unprotected.attacks": ["exact_copies", "linkability", "control_positive"],
    }  # fmt: skip


def build(**changes: Any) -> ReleaseEvidence:
    """Build the evidence with the first class that each field allows."""
    builder = EvidenceBuilder(protected=False)
    chosen = values() | {key.replace("__", "."): value for key, value in changes.items()}
    for name, declared in UNPROTECTED.items():
        builder.add(name, chosen[name], next(d for d in _ORDER if d in declared.allowed))
    return builder.build()
