"""Two evidences that fill every field: an Adult-like release and a refused diabetes-like one."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from typing import Any

from dpsynth.reports.document import certificate_html, report_html
from dpsynth.reports.pdf import Rendered, render_pdf

from dpsynth.evidence import FIELDS, EvidenceBuilder, ReleaseEvidence
from dpsynth.results import FALSE_POSITIVE_RATES, Disclosure

CREATED = datetime(2026, 3, 2, 9, 41, tzinfo=UTC)

ADULT = (
    "age workclass fnlwgt education education-num marital-status occupation relationship race sex "
    "capital-gain capital-loss hours-per-week native-country income"
).split()
DIABETES = (
    "encounter_id patient_nbr race gender age weight admission_type_id discharge_disposition_id "
    "admission_source_id time_in_hospital payer_code medical_specialty num_lab_procedures "
    "num_procedures num_medications number_outpatient number_emergency number_inpatient diag_1 "
    "diag_2 "
    "diag_3 number_diagnoses max_glu_serum A1Cresult metformin repaglinide nateglinide "
    "chlorpropamide "
    "glimepiride acetohexamide glipizide glyburide tolbutamide pioglitazone rosiglitazone acarbose "
    "miglitol troglitazone tolazamide examide citoglipton insulin glyburide-metformin "
    "glipizide-metformin glimepiride-pioglitazone metformin-rosiglitazone metformin-pioglitazone "
    "change diabetesMed readmitted"
).split()


def phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def probit(p: float) -> float:
    low, high = -9.0, 9.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if phi(middle) < p else (low, middle)
    return low


def curve(mu: float) -> list[list[float]]:
    inner = [[i / 100, round(phi(probit(i / 100) + mu), 6)] for i in range(1, 100)]
    return [[0.0, 0.0], *inner, [1.0, 1.0]]


def curve_low(mu: float) -> list[list[float]]:
    inner = [[x, round(phi(probit(x) + mu), 6)] for x in FALSE_POSITIVE_RATES[:-1]]
    return [*inner, [1.0, 1.0]]


def roc(mu: float, rows: int = 5000, band: float = 0.5) -> dict[str, Any]:
    """A smooth curve of `mu` inside a band of this width in the same unit."""
    inner = [
        [x, *(phi(probit(x) + m) for m in (mu, mu - band, mu + band))]
        for x in FALSE_POSITIVE_RATES[:-1]
        if x * rows >= 1
    ]
    points = [*inner, [1.0, 1.0, 1.0, 1.0]]
    return {"points": points, "level": 0.999, "members": rows, "non_members": rows, "reason": ""}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def beliefs(epsilon: float) -> list[dict[str, float]]:
    odds = math.exp(epsilon)
    return [{"before": p, "after": p * odds / (1 - p + p * odds)} for p in (0.01, 0.1, 0.5)]


def group(
    column: str, name: str, rows: int, share: float, error: float | None, floor: float | None
) -> dict[str, Any]:
    known = error is not None
    return {
        "column": column, "group": name, "train_rows": rows, "holdout_rows": rows // 4,
        "synthetic_rows": rows, "real_share": share, "synthetic_share": share + 0.002,
        "status": "ok" if known else "inconclusive",
        "reason": "" if known else "It has fewer than 30 training rows.",
        "error": error, "floor": floor, "auc_gap": 0.021 if known else None,
        "auc_gap_interval": interval(0.004, 0.038) if known else None,
    }  # fmt: skip


def waiver(gate: str, reason: str, signer: str) -> dict[str, str]:
    return {
        "gate": gate, "reason": reason, "signer": signer, "issued": "2026-03-01",
        "expires": "2027-01-01", "sha256": digest("waiver"),
    }  # fmt: skip


def attack(name: str, title: str, value: float | None, unit: str, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "name": name,
        "title": title,
        "value": value,
        "unit": unit,
        "interval": None,
        "n": 10000,
        "baseline": None,
        "baseline_title": "",
        "control": None,
        "control_title": "",
        "status": "ok",
        "reason": "",
        "disclosure": "raw",
        "details": {},
        "note": "",
        "members": 5000,
        "non_members": 5000,
        "p_value": 0.26,
        "alpha": 0.001,
        "detection_limit": "a copy rate of 0.4 % would have been seen nine times in ten",
        "verdict": "no leak detected by this test",
        "roc": None,
    }
    return base | more


def fidelity(name: str, title: str, value: float | None, unit: str, **more: Any) -> dict[str, Any]:
    keys = ("members", "non_members", "p_value", "alpha", "detection_limit", "verdict", "roc")
    base = {k: v for k, v in attack(name, title, value, unit).items() if k not in keys}
    noise = {
        "baseline_title": "noise floor: real sample of the same size",
        "control_title": "independent columns",
    }
    return base | noise | more


def interval(low: float, high: float) -> dict[str, float]:
    return {"low": low, "high": high, "level": 0.95}


def attacks() -> list[dict[str, Any]]:
    return [
        attack(
            "exact_copies",
            "Exact copies of training rows",
            0.0121,
            "share of records",
            interval=interval(0.0093, 0.0156),
            control=0.0118,
            control_title="copies of holdout rows",
            details={"copies_members": 61, "copies_non_members": 59},
            note="Natural duplicates make copies of both halves likely.",
        ),
        attack(
            "closest_distance_membership",
            "Membership by distance to the closest synthetic row",
            0.5034,
            "AUC",
            interval=interval(0.4970, 0.5098),
            baseline=0.5,
            baseline_title="guessing",
            p_value=0.15,
            details={
                "advantage": 0.0068,
                "tpr_at_1_percent_fpr": 0.0108,
                "tpr_at_1_percent_fpr_low": 0.0081,
                "tpr_at_1_percent_fpr_high": 0.0141,
                "tpr_at_01_percent_fpr": "not estimable",
                "epsilon_lower_bound": 0.0,
                "claimed_epsilon": 1.0,
                "p_of_claim": 1.0,
                "p_holm": 0.9,
            },
            roc=roc(0.0),
        ),
        attack(
            "distance_to_closest_record",
            "Share of synthetic rows closer to training than to holdout (DCR)",
            0.509,
            "share of records",
            interval=interval(0.500, 0.518),
            baseline=0.5,
            baseline_title="guessing",
        ),
        attack(
            "nearest_neighbour_ratio",
            "Nearest-neighbour distance ratio, training minus holdout (NNDR)",
            -0.0021,
            "difference of medians",
            interval=interval(-0.0063, 0.0020),
            baseline=0.0,
            baseline_title="no difference",
        ),
        attack(
            "shadow_models",
            "Shadow-model membership inference",
            None,
            "AUC",
            status="not_run",
            reason="The quick profile has no shadow models.",
            verdict="not run",
            members=0,
            non_members=0,
            p_value=None,
            detection_limit="",
            n=None,
        ),
        attack(
            "rare_rows",
            "Membership of the rarest rows",
            None,
            "AUC",
            status="inconclusive",
            reason="Fewer than 100 rare rows in each half.",
            verdict="inconclusive",
            p_value=None,
            n=61,
        ),
        attack(
            "control_positive",
            "Positive control: planted copies are found",
            0.0431,
            "share of unique training rows that occur identically in the synthetic table",
            interval=interval(0.0378, 0.0491),
            p_value=3e-145,
            verdict="leak found",
            details={f"detail_{i}": i for i in range(20)} | {"required": "must fire"},
            note="A leak planted in a copy of the synthetic table.",
        ),
    ]


def fidelities() -> list[dict[str, Any]]:
    tvd = "total variation distance"
    return [
        fidelity(
            "tvd_1", "One-column distributions, mean", 0.0142, tvd, baseline=0.0071, control=0.009
        ),
        fidelity("tvd_2", "Pairs of columns, mean", 0.0578, tvd, baseline=0.0260, control=0.0774),
        fidelity("tvd_3", "Triples of columns, mean", 0.1220, tvd, baseline=0.0640, control=0.1680),
        fidelity(
            "correlation", "Correlation, mean difference", 0.0312, "absolute difference",
            baseline=0.0064, control=0.0871,
        ),
        fidelity(
            "tstr_auc", "Train on synthetic, test on real: gradient boosting", 0.886, "AUC",
            interval=interval(0.879, 0.893), baseline=0.921,
            baseline_title="trained on real rows", control=0.5, control_title="guessing",
        ),
        fidelity(
            "tstr_logistic", "Train on synthetic, test on real: logistic regression", 0.879, "AUC",
            interval=interval(0.872, 0.886), baseline=0.903,
            baseline_title="trained on real rows", control=0.5, control_title="guessing",
        ),
        fidelity(
            "subgroups", "Error by subgroup", None, tvd, status="not_run",
            reason="This version has no subgroup panel.", n=None,
        ),
    ]  # fmt: skip


def columns(names: list[str], left_out: set[str], generated: set[str]) -> list[dict[str, Any]]:
    found = []
    for i, name in enumerate(names):
        kind = ("categorical", "integer", "ordinal")[i % 3]
        treatment, reason = "modelled", ""
        if name in left_out:
            treatment, reason = "left_out", "The codebook gives no list of values."
        if name in generated:
            kind, treatment, reason = "id", "regenerated", "Made up by its pattern; never modelled."
        found.append(
            {
                "name": name,
                "kind": kind,
                "role": ("quasi_identifier", "sensitive", "other")[i % 3],
                "meaning": f"meaning of {name}, from the codebook",
                "domain": "17 to 90, 15 bins" if kind == "integer" else f"{5 + i % 37} categories",
                "domain_source": "codebook",
                "missing": ["?"] if i % 4 == 0 else [],
                "special": [],
                "format": "",
                "treatment": treatment,
                "reason": reason,
            }
        )
    return found


def calls(names: list[str], rho: float) -> list[dict[str, Any]]:
    found = []
    sets = (
        [[n] for n in names]
        + [["select pair"]]
        + [list(p) for p in zip(names, names[1:], strict=False)]
    )
    for i, attributes in enumerate(sets):
        one = len(attributes) == 1
        select = attributes == ["select pair"]
        found.append(
            {
                "seq": 18 + i,
                "stage": "selection" if select else "one-way" if one else "two-way",
                "mechanism": "noisy max" if select else "discrete Gaussian",
                "attributes": [] if select else attributes,
                "cells": 0 if select else 7 + 3 * i,
                **({"candidates": len(sets)} if select else {}),
                "scale": "41.250000000012",
                "sensitivity": 1.0,
                "rho": f"{rho / len(sets):.8f}",
            }
        )
    return found


#: Training of a release, as its evidence states it.
STEPS = {"order": "22.18", "sampling_rate": "0.02", "noise_multiplier": "3.36", "steps": 400}


def trained_values() -> dict[str, Any]:
    """Return a release whose method trained on Poisson samples."""
    call = {
        "seq": 9,
        "stage": "training",
        "mechanism": "poisson gaussian",
        "rho": "0.0195",
        **STEPS,
    }
    values = adult_values()
    columns = [c for c in values["accounting.calls"] if c["stage"] == "one-way"]
    return values | {
        "synthesizer.name": "gan",
        "synthesizer.fitted": "gan",
        "accounting.sampled": STEPS,
        "accounting.calls": [*columns, call | STEPS],
        "guarantee.assurance_class": "B",
    }


def adult_values() -> dict[str, Any]:
    rho, mu = 0.02436, 0.2207
    stages = [
        {"stage": "one-way", "description": "Counts of every column.", "rho": "0.00812"},
        {"stage": "selection", "description": "Choice of the tree of pairs.", "rho": "0.00812"},
        {"stage": "two-way", "description": "Counts of the chosen pairs.", "rho": "0.00812"},
    ]
    return {
        "release.id": "DPS-2026-3F9A1C07BE",
        "release.name": "adult-research",
        "release.title": "UCI Adult (Census Income), 1994 CPS",
        "release.status": "released",
        "release.issuer": "Example Statistics Office, Disclosure Control",
        "release.created": "2026-03-02T09:41:00Z",
        "release.review_by": "2027-03-02",
        "release.purpose": "Method development and teaching on household income",
        "release.origin": "",
        "release.recipient": {"name": "University of Example", "jurisdiction": "Canada"},
        "release.rows": 32548,
        "release.columns": 15,
        "release.dpsynth_version": "0.1.0",
        "guarantee.relation": "add_remove",
        "guarantee.unit": "adult",
        "guarantee.unit_column": None,
        "guarantee.max_rows_per_unit": 1,
        "guarantee.epsilon": "1.0",
        "guarantee.delta": "0.000001",
        "guarantee.rho": str(rho),
        "guarantee.epsilon_charged": "0.9999912345",
        "guarantee.assurance_class": "A",
        "guarantee.assurance_meaning": "Exact integer arithmetic, declared domains, every item "
        "in the "
        "ledger. The mechanism audit on neighbouring inputs is not part of this version.",
        "guarantee.basis": "zCDP",
        "guarantee.groups": [
            {"size": 2, "epsilon": "2.1018"}, {"size": 5, "epsilon": "5.9312"},
        ],
        "guarantee.tail_probability": 2.13e-5,
        "guarantee.curve": curve(mu),
        "guarantee.curve_low": curve_low(mu),
        "guarantee.right_guesses": phi(mu / 2),
        "guarantee.hits_at_1_percent": phi(probit(0.01) + mu),
        "guarantee.hits_at_01_percent": phi(probit(0.001) + mu),
        "guarantee.beliefs": beliefs(1.0),
        "guarantee.criteria": [
            {"without": p, "with": phi(probit(p) + mu)} for p in (0.01, 0.1, 0.5)
        ],
        "budget.lineage": "adult-1994",
        "budget.total_epsilon": "3.0",
        "budget.total_delta": "0.000001",
        "budget.total_rho": "0.19841234",
        "budget.spent_before_rho": "0.05",
        "budget.charged_rho": "0.02436",
        "budget.charged_delta": "0",
        "budget.remaining_rho": "0.12405234",
        "budget.lineage_epsilon_after": "1.7912345",
        "budget.release_number": 3,
        "budget.stages": stages,
        "accounting.method": "Zero-concentrated differential privacy (Bun and Steinke 2016): "
        "the rho of "
        "every mechanism call is added up and converted to (epsilon, delta) by three "
        "accountants; the "
        "largest is reported.",
        "accounting.sampled": None,
        "accounting.cross_check": [
            {"accountant": "OpenDP zCDP", "epsilon": "0.9999912345"},
            {"accountant": "dp-accounting RDP", "epsilon": "0.99812"},
            {"accountant": "dp-accounting PLD", "epsilon": "0.91453"},
        ],
        "accounting.calls": calls(ADULT, rho),
        "data.codebook": "adult.names (UCI); CPS March 1994 technical documentation for field "
        "widths",
        "data.columns": columns(ADULT, set(), set()),
        "data.unprotected": [
            "Names, kinds, domains and bounds of the columns, declared by the data owner from: "
            "adult.names (UCI); CPS March 1994 technical documentation for field widths.",
            "That one unit is one adult and that at most 1 row is kept of it.",
            "That a release was made and that its internal checks did not refuse it.",
        ],
        "data.discovered": [],
        "data.warnings": [],
        "data.raw_counts": {
            "rows": 32561, "units": 32561, "kept_rows": 32561, "train_rows": 26049,
            "holdout_rows": 6512, "malformed": 0,
        },
        "data.same_people": {"status": "ok", "reason": "", "lineages": [], "text": ""},
        "synthesizer.name": "mst",
        "synthesizer.fitted": "mst",
        "synthesizer.options": {"max_cells": 10000, "one_way_share": 0.333},
        "synthesizer.plan": [
            {"stage": s["stage"], "description": s["description"], "queries": 15, "rho": 0.00812}
            for s in stages
        ],
        "synthesizer.self_test": [
            {"name": "gap of one-way counts", "value": 0.0021, "limit": 0.0104, "passed": True},
            {"name": "gap of measured pairs", "value": 0.0043, "limit": 0.0189, "passed": True},
        ],
        "fitness.expected_error": [
            {"attributes": [n], "cells": 9 + i, "sigma": 30.4, "typical_error": 24.2}
            for i, n in enumerate(ADULT)
        ]
        + [
            {"attributes": [a, b], "cells": 90 + i, "sigma": 41.2, "typical_error": 32.9}
            for i, (a, b) in enumerate(zip(ADULT, ADULT[1:], strict=False))
        ],
        "fitness.intervals": {
            "level": 0.95,
            "columns": [
                {"attributes": [n], "cells": 9 + i, "rows": 60.1, "share": 0.002308}
                for i, n in enumerate(ADULT)
            ],
            "tables": [
                {"attributes": [a, b], "cells": 90, "rows": 81.3, "share": 0.003122}
                for a, b in zip(ADULT, ADULT[1:], strict=False)
            ],
            "more_tables": 3,
        },
        "fitness.measured_error": {
            "status": "not_run", "reason": "No share of the budget was set aside for it.",
        },
        "fitness.poor_uses": [
            "Decisions about a single person: no row describes anybody.",
            "Small groups: counts near the noise in the table above mean nothing.",
            "Significance tests as if the rows were real: they ignore the noise.",
            "Relations among three or more columns beyond what the measured tables imply.",
        ],
        "fitness.constraints": [
            {"constraint": "education determines education-num", "rate": 0.0312}
        ],
        "audit.status": {
            "status": "not_run",
            "text": "No two-world audit of this implementation was run for this release: the "
            "test suite "
            "checks noise, sensitivity and accounting, and an audit with stated detection "
            "limits comes "
            "with a later version.",
        },
        "attacks.profile": "quick",
        "attacks.results": attacks(),
        "fidelity.results": fidelities(),
        "fidelity.groups": [
            group("sex", "Female", 10771, 0.331, 0.034, 0.011),
            group("sex", "Male", 21790, 0.669, 0.021, 0.009),
            group("race", "Other", 21, 0.001, None, None),
        ],
        "policy.name": "default",
        "policy.sha256": digest("policy"),
        "policy.terms": {
            "files": [{"name": "default", "sha256": digest("policy file")}],
            "sections": [],
            "attacks": [],
            "audits": [],
            "signers": [],
            "retain_until": None,
        },
        "policy.waivers": [],
        "policy.gates": [
            {
                "gate": "budget", "title": "Budget of one release", "limit": "epsilon at most 3",
                "value": "1.0", "status": "pass", "reason": "",
            },
            {
                "gate": "exact_copies", "title": "Exact copies", "limit": "p-value at least 0.001",
                "value": 0.26, "status": "pass", "reason": "",
            },
            {
                "gate": "control", "title": "The attacks find planted copies",
                "limit": "verdict is leak found", "value": "no leak detected by this test",
                "status": "inconclusive", "reason": "The table is too small for a verdict.",
            },
            {
                "gate": "tvd_2", "title": "Pairs of columns, mean distance",
                "limit": "at most 0.15",
                "value": 0.0578, "status": "pass", "reason": "",
            },
        ],
        "policy.verdict": {"passed": True, "reasons": []},
        "ledger.id": digest("ledger")[:32],
        "ledger.public_key": digest("key"),
        "ledger.head_seq": 54,
        "ledger.head_digest": digest("head"),
        "ledger.entries": [
            {
                "seq": i, "kind": ("open", "reserve", "charge", "commit")[i % 4],
                "created": "2026-03-02T09:40:00Z",
                "release": "adult-research" if i > 17 else "adult-pilot",
                "rho": "0.0008" if i % 4 == 2 else "", "digest": digest(str(i)),
            }
            for i in range(1, 55)
        ],
        "files.synthetic": [
            {"name": "synthetic.parquet", "sha256": digest("data"), "bytes": 1048231}
        ],
        "environment.versions": {
            "python": "3.11.2", "dpsynth": "0.1.0", "opendp": "0.14.2", "dp-accounting": "0.6.0",
            "numpy": "2.3.1", "scipy": "1.16.0", "weasyprint": "70.0", "pyHanko": "0.38.0",
        },
        "environment.lock": digest("lock"),
        "environment.packages": [
            {"name": "dpsynth", "version": "0.1.0", "needs": ["numpy", "opendp"]},
            {"name": "numpy", "version": "2.3.1", "needs": []},
            {"name": "opendp", "version": "0.14.2+local", "needs": ["numpy"]},
        ],
        "environment.code": {"register_sha256": digest("claims"), "code_sha256": digest("code")},
        "environment.entropy": "Operating-system entropy through OpenDP's discrete Gaussian "
        "and noisy-max "
        "mechanisms on integers; noise has no seed.",
        "hazards.items": [
            {"hazard": "Floating-point noise", "status": "handled",
             "text": "Noise is integer noise inside the measurement."},
            {"hazard": "Release decided by internal tests", "status": "accepted",
             "text": "That this release passed its internal policy is one bit that no budget "
             "covers."},
            {"hazard": "Rollback of the ledger", "status": "partly",
             "text": "The ledger is hash-chained; its entries are not yet signed by a key "
             "elsewhere."},
            {"hazard": "Implementation audit", "status": "open",
             "text": "No empirical audit of the mechanism is part of this version."},
            {"hazard": "Access to the private table and the keys", "status": "outside",
             "text": "Belongs to the operator's own controls."},
        ],
    }  # fmt: skip


def diabetes_values() -> dict[str, Any]:
    values = adult_values()
    left = {"payer_code", "medical_specialty"}
    generated = {"encounter_id", "patient_nbr"}
    leak = attack(
        "exact_copies", "Exact copies of training rows", 0.0431, "share of records",
        interval=interval(0.0378, 0.0491), control=0.0031, control_title="copies of holdout rows",
        p_value=3e-145, verdict="leak found",
    )  # fmt: skip
    gates = [dict(g) for g in values["policy.gates"]]
    gates[1] |= {"value": 3e-145, "status": "fail", "reason": "The p-value is below its limit."}
    return values | {
        "release.id": "DPS-2026-77D0E1A2C4",
        "release.name": "diabetes130-research-release-for-the-consortium-on-readmission",
        "release.title": "Diabetes 130-US Hospitals 1999-2008 (Health Facts extract)",
        "release.status": "refused",
        "release.rows": 101766,
        "release.columns": 48,
        "release.purpose": "Research on readmission within thirty days and on the prescription of "
        "medicines for diabetes across hospitals of different size",
        "guarantee.unit": "patient",
        "guarantee.unit_column": "patient_nbr",
        "guarantee.max_rows_per_unit": 2,
        "budget.lineage": "diabetes130",
        "budget.spent_before_rho": "0",
        "budget.charged_delta": "0",
        "budget.remaining_rho": "0.17405234",
        "budget.release_number": 1,
        "accounting.calls": calls([n for n in DIABETES if n not in left | generated], 0.02436),
        "data.codebook": "Strack et al. 2014, BioMed Research International, Table 1; "
        "IDs_mapping.csv",
        "data.columns": columns(DIABETES, left, generated),
        "data.unprotected": [
            *values["data.unprotected"], "That the hospitals took part in the study."
        ],
        "data.discovered": [
            {
                "column": "payer_code", "found": 14, "sigma": 51.7, "threshold": 270.0,
                "rho": "0.0012", "delta": "0.000000049", "seq": 22,
            },
            {
                "column": "medical_specialty", "found": 31, "sigma": 51.7, "threshold": 270.0,
                "rho": "0.0012", "delta": "0.000000049", "seq": 23,
            },
        ],
        "data.warnings": [
            {"column": n, "text": "holds values that its dictionary does not declare."}
            for n in (*DIABETES[18:21], "discharge_disposition_id", "admission_source_id")
        ],
        "fitness.expected_error": [
            {"attributes": [n], "cells": 9, "sigma": 120.4, "typical_error": 96.2 + i}
            for i, n in enumerate(DIABETES)
        ]
        + [
            {"attributes": [a, b], "cells": 90, "sigma": 161.2, "typical_error": 128.9 + i}
            for i, (a, b) in enumerate(zip(DIABETES, DIABETES[1:], strict=False))
        ],
        "fitness.measured_error": {
            "status": "ok", "reason": "", "level": 0.95, "share": 0.05,
            "means": [
                {"ways": 1, "tables": 4, "value": 0.0068, "half_width": 0.0011, "seq": 61},
                {"ways": 2, "tables": 6, "value": 0.0489, "half_width": 0.0012, "seq": 62},
            ],
            "columns": [["age", 0.004], ["gender", 0.0], ["readmitted", 0.011], ["race", 0.012]],
            "column_half_width": 0.0022,
        },
        "fitness.poor_uses": [
            *values["fitness.poor_uses"],
            "Questions about several rows of one patient: rows are drawn one by one and "
            "identifiers "
            "are made up.",
            "Anything about columns that were left out: payer_code, medical_specialty.",
        ],
        "attacks.results": [leak, *attacks()[1:]],
        "policy.gates": gates,
        "policy.verdict": {
            "passed": False, "reasons": ["Exact copies: The p-value is below its limit."],
        },
    }  # fmt: skip


def build(values: dict[str, Any]) -> ReleaseEvidence:
    """Build evidence with the first class that each field allows, DECLARED before others."""
    builder = EvidenceBuilder()
    order = [Disclosure.DECLARED, Disclosure.POST, Disclosure.DP, Disclosure.RAW]
    for name, field in FIELDS.items():
        builder.add(name, values[name], next(d for d in order if d in field.allowed))
    return builder.build()


def make(evidence: ReleaseEvidence, kind: str) -> Rendered:
    public = evidence.public()
    content = public.to_bytes() if kind == "certificate" else evidence.to_bytes()
    name = "evidence.public.json" if kind == "certificate" else "evidence.internal.json"
    return render_pdf(
        certificate_html(public) if kind == "certificate" else report_html(evidence),
        attachments=[(name, content, "Evidence as canonical JSON")],
        title=f"{kind} {public['release.id']}",
        created=CREATED,
        identifier=hashlib.sha256(content).digest(),
    )
