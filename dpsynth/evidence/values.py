"""Shapes of the composite values: the objects and rows that fields of the evidence hold.

A key is added here, and nowhere else, when a value grows.
"""

from __future__ import annotations

from dpsynth.evidence.shapes import (
    COUNT,
    DATE,
    DECIMAL,
    FLAG,
    NAME,
    NUMBER,
    SCALAR,
    SENTENCE,
    SHA256,
    SHARE,
    STATUS,
    TEXT,
    TIME,
    Shape,
    list_of,
    map_of,
    member_of,
    one_of,
    optional,
    record,
    row_of,
)
from dpsynth.policy import GateStatus
from dpsynth.results import AttackVerdict, Disclosure

_STAGE: dict[str, Shape] = {"stage": NAME, "description": TEXT}
CALL = record(
    {"seq": COUNT, "stage": NAME, "mechanism": NAME, "rho": DECIMAL},
    {
        "attributes": list_of(TEXT),
        "cells": COUNT,
        "candidates": COUNT,
        "scores": COUNT,
        "scale": DECIMAL,
        "sensitivity": NUMBER,
        "squared_sensitivity": NUMBER,
        "threshold": NUMBER,
        "delta": DECIMAL,
        "sampling_rate": DECIMAL,
        "noise_multiplier": DECIMAL,
        "steps": COUNT,
        "order": DECIMAL,
        "program": NAME,
        "version": NAME,
        "row_rho": DECIMAL,
    },
)
STEPS = record(
    {"order": DECIMAL, "sampling_rate": DECIMAL, "noise_multiplier": DECIMAL, "steps": COUNT}
)
COLUMN = record(
    {
        "name": TEXT,
        "kind": NAME,
        "role": NAME,
        "meaning": TEXT,
        "domain": TEXT,
        "domain_source": TEXT,
        "missing": list_of(TEXT),
        "special": list_of(TEXT),
        "format": TEXT,
        "treatment": one_of("modelled", "generalised", "regenerated", "left_out"),
        "reason": TEXT,
    }
)
FOUND = record(
    {
        "column": TEXT,
        "found": COUNT,
        "sigma": NUMBER,
        "threshold": NUMBER,
        "rho": DECIMAL,
        "delta": DECIMAL,
        "seq": COUNT,
    }
)
_WIDTH = record({"attributes": list_of(TEXT), "cells": COUNT, "rows": NUMBER, "share": SHARE})
_MEAN = record({"ways": COUNT, "tables": COUNT, "value": SHARE, "half_width": SHARE, "seq": COUNT})
MEASURED = record(
    {"status": STATUS, "reason": TEXT},
    {
        "level": SHARE,
        "share": SHARE,
        "means": list_of(_MEAN),
        "columns": list_of(row_of(TEXT, SHARE)),
        "column_half_width": SHARE,
    },
)
_INTERVAL = record({"low": NUMBER, "high": NUMBER, "level": SHARE})
_RESULT: dict[str, Shape] = {
    "name": NAME,
    "title": TEXT,
    "value": optional(NUMBER),
    "unit": TEXT,
    "interval": optional(_INTERVAL),
    "n": optional(COUNT),
    "baseline": optional(NUMBER),
    "baseline_title": TEXT,
    "control": optional(NUMBER),
    "control_title": TEXT,
    "status": STATUS,
    "reason": TEXT,
    "disclosure": member_of(Disclosure),
    "details": map_of(SCALAR),
    "note": TEXT,
}
_ROC = record(
    {
        "points": list_of(row_of(SHARE, SHARE, SHARE, SHARE)),
        "level": SHARE,
        "members": COUNT,
        "non_members": COUNT,
        "reason": TEXT,
    }
)
ATTACK = record(
    {
        **_RESULT,
        "members": COUNT,
        "non_members": COUNT,
        "p_value": optional(NUMBER),
        "alpha": NUMBER,
        "detection_limit": TEXT,
        "verdict": member_of(AttackVerdict),
        "roc": optional(_ROC),
    }
)
PERSONS = record(
    {
        "column": TEXT,
        "group": TEXT,
        "train_rows": COUNT,
        "holdout_rows": COUNT,
        "synthetic_rows": COUNT,
        "real_share": SHARE,
        "synthetic_share": SHARE,
        "status": STATUS,
        "reason": TEXT,
        "error": optional(SHARE),
        "floor": optional(SHARE),
        "auc_gap": optional(NUMBER),
        "auc_gap_interval": optional(_INTERVAL),
    }
)
FIDELITY = record(_RESULT)
GATE = record(
    {
        "gate": NAME,
        "title": TEXT,
        "limit": TEXT,
        "value": SCALAR,
        "status": member_of(GateStatus),
        "reason": TEXT,
    }
)
ENTRY = record(
    {"seq": COUNT, "kind": NAME, "created": TIME, "release": TEXT, "rho": TEXT, "digest": SHA256}
)
PEOPLE = record({"status": STATUS, "reason": TEXT, "lineages": list_of(TEXT), "text": TEXT})
HAZARD = record(
    {
        "hazard": NAME,
        "status": one_of("handled", "partly", "accepted", "open", "outside"),
        "text": SENTENCE,
    }
)

RECIPIENT = record({"name": TEXT, "jurisdiction": TEXT})
GROUP = record({"size": COUNT, "epsilon": optional(DECIMAL)})
BELIEF = record({"before": SHARE, "after": SHARE})
REACH = record({"without": SHARE, "with": SHARE})
SPENT = record({**_STAGE, "rho": DECIMAL})
READING = record({"accountant": NAME, "epsilon": DECIMAL})
WARNING = record({"column": TEXT, "text": SENTENCE})
PLANNED = record({**_STAGE, "queries": COUNT, "rho": NUMBER})
CHECK = record({"name": NAME, "value": NUMBER, "limit": NUMBER, "passed": FLAG})
NOISE = record(
    {
        "attributes": list_of(TEXT),
        "cells": COUNT,
        "sigma": NUMBER,
        "typical_error": NUMBER,
    }
)
AUDIT = record({"status": STATUS, "text": SENTENCE})
VERDICT = record({"passed": FLAG, "reasons": list_of(TEXT)})
FILE = record({"name": NAME, "sha256": SHA256, "bytes": COUNT})
TERMS = record(
    {
        "files": list_of(record({"name": NAME, "sha256": SHA256})),
        "sections": list_of(NAME),
        "attacks": list_of(NAME),
        "audits": list_of(NAME),
        "signers": list_of(NAME),
        "retain_until": optional(DATE),
    }
)
WAIVER = record(
    {
        "gate": NAME,
        "reason": TEXT,
        "issued": DATE,
        "expires": DATE,
        "signer": TEXT,
        "sha256": SHA256,
    }
)
PACKAGE = record({"name": NAME, "version": NAME, "needs": list_of(NAME)})
CODE = record({"register_sha256": SHA256, "code_sha256": SHA256})
INTERVALS = record(
    {
        "level": SHARE,
        "columns": list_of(_WIDTH),
        "tables": list_of(_WIDTH),
        "more_tables": COUNT,
    }
)
KEPT = record({"constraint": TEXT, "rate": optional(SHARE)}, {"type": NAME, "rows": COUNT})
