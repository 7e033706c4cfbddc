"""The record for the public registry of differential-privacy deployments, from public evidence.

Follows the schema of opendp/deployments-registry-data (tier 3, status Draft): a person reads it,
completes what no evidence can know, and proposes it to the registry. Texts there are Markdown, so
that whatever comes from a dictionary is escaped. What was not declared is said to be not stated.

Never true here: a fact that is not in the public evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from dpsynth.reports import numbers
from dpsynth.reports.markdown import bullets, literal
from dpsynth.reports.text import plain

from dpsynth.evidence import PublicEvidence
from dpsynth.yamlfile import to_yaml

_MAKER = "dpsynth {version}, on behalf of {issuer}"


def registry_yaml(evidence: PublicEvidence) -> str:
    """Return the record as YAML."""
    return to_yaml(registry_record(evidence))


def registry_record(evidence: PublicEvidence) -> dict[str, Any]:
    """Return the record, valid against the registry's schema."""
    basic = _basic(evidence)
    return {
        "url_slug": slug(basic),
        "status": "Draft",
        "tier": 3,
        "deployment": {
            "basic": basic,
            "dp_variant": _variant(evidence),
            "privacy_loss": _loss(evidence),
            "deployment_model": _model(evidence),
            "accounting": _accounting(evidence),
            "implementation": _implementation(evidence),
            "administrative": _administrative(evidence),
        },
    }


def slug(basic: Mapping[str, Any]) -> str:
    """Return the address of a record as the registry makes it: name, curators, year."""
    parts = (basic["name"], "-".join(basic["data_curators"]), basic["publication_date"][:4])
    return "-".join(re.sub(r"\W+", "_", part.lower()) for part in parts).replace("_", "-")


def _basic(e: PublicEvidence) -> dict[str, Any]:
    recipient = e["release.recipient"]
    where = (
        f"Jurisdiction of the recipient, as declared: {literal(recipient['jurisdiction'])}. Which "
        "region the data describe is not stated."
        if recipient["jurisdiction"]
        else "Not stated."
    )
    purpose = literal(e["release.purpose"]) if e["release.purpose"] else "Not stated."
    return {
        "name": (
            f"{literal(e['release.title'])}: synthetic data, release {literal(e['release.name'])}"
        ),
        "data_curators": [literal(e["release.issuer"])],
        "description": (
            f"{e['release.rows']} rows and {e['release.columns']} columns that a model generated "
            f"(method {literal(e['synthesizer.fitted'])}). The model was fitted under differential "
            f"privacy. Certificate {literal(e['release.id'])}; to be reviewed by "
            f"{e['release.review_by']}."
        ),
        "intended_use": (
            f"{purpose}\n\nPoor uses:\n\n{bullets([literal(u) for u in e['fitness.poor_uses']])}"
        ),
        "data_product_type": "Synthetic data",
        "data_product_region": where,
        "publication_date": str(e["release.created"])[:10],
    }


def _variant(e: PublicEvidence) -> dict[str, Any]:
    codebook = literal(e["data.codebook"]) if e["data.codebook"] else "not stated"
    columns = [
        f"{literal(c['name'])} ({c['kind']}): {literal(c['domain'])}" for c in e["data.columns"]
    ]
    return {
        "variant_name": "Approximate DP",
        "data_domain": (
            "All tables whose columns are those that the data owner declared from a codebook "
            f"({codebook}):\n\n{bullets(columns)}\n\n{_discovered(e)}"
        ),
        "unprotected_quantities": bullets([literal(t) for t in e["data.unprotected"]]),
    }


def _discovered(e: PublicEvidence) -> str:
    found = [literal(item["column"]) for item in e["data.discovered"]]
    if not found:
        return "No domain was taken from the rows."
    return f"Domains found in the rows with noise, from the budget: {', '.join(found)}."


def _loss(e: PublicEvidence) -> dict[str, Any]:
    unit, relation = e["guarantee.unit"], e["guarantee.relation"]
    column = e["guarantee.unit_column"]
    named = f"One unit is named by the column {literal(column)}. " if column else ""
    parameters = {
        "epsilon": float(e["guarantee.epsilon"]),
        "delta": float(e["guarantee.delta"]),
    }
    if e["accounting.sampled"] is None:
        parameters["rho"] = float(e["guarantee.rho"])
    groups = [
        f"for {g['size']} units together epsilon {g['epsilon'] or 'is not stated'}"
        for g in e["guarantee.groups"]
    ]
    return {
        "privacy_unit": literal(unit),
        "privacy_unit_details": (
            f"Tables are adjacent that differ in this way: {_relation(relation, unit)}. {named}"
            f"Rows of one unit that are kept: at most {e['guarantee.max_rows_per_unit']}. Others "
            "are dropped before anything is counted."
        ),
        "privacy_parameters": parameters,
        "privacy_parameters_details": (
            f"Epsilon at delta = {e['guarantee.delta']}; {_price(e)}, and what was charged gives "
            f"epsilon "
            f"{e['guarantee.epsilon_charged']}. For any attack (from "
            f"{literal(e['guarantee.basis'])}): right guesses from a fair coin at most "
            f"{_share(e['guarantee.right_guesses'])}; hits at 1 % false alarms at most "
            f"{_share(e['guarantee.hits_at_1_percent'])}, at 0.1 % at most "
            f"{_share(e['guarantee.hits_at_01_percent'])}. The privacy loss passes epsilon with a "
            f"probability of at most {_up(e['guarantee.tail_probability'])}. At the same delta, "
            f"{'; '.join(groups)}."
        ),
    }


def _price(e: PublicEvidence) -> str:
    """Return what the price of a release means; training on samples has none in zCDP."""
    sampled = e["accounting.sampled"]
    if sampled is None:
        return "rho is the price of the release in zero-concentrated DP"
    return (
        f"the ledger counts a Renyi divergence of {e['guarantee.rho']} times the order at order "
        f"{numbers.up(sampled['order'], 4)}, of which {sampled['steps']} training steps are a part "
        f"(Poisson samples at rate {sampled['sampling_rate']}, noise "
        f"{numbers.down(sampled['noise_multiplier'], 4)} times the clipping norm)"
    )


def _relation(relation: str, unit: str) -> str:
    return literal(plain(f"terms.{relation}", unit=unit))


def _share(value: float) -> str:
    """Return a bound in hundredths, rounded up."""
    return f"{numbers.up(str(100 * Decimal(repr(float(value)))), 3)} %"


def _up(value: float) -> str:
    return numbers.up(repr(float(value)), 3)


def _model(e: PublicEvidence) -> dict[str, Any]:
    recipient = e["release.recipient"]["name"]
    return {
        "model_name": "Central",
        "model_name_details": plain("terms.trust_value"),
        "actors": bullets(
            [
                f"Curator, trusted with the confidential table: {literal(e['release.issuer'])}.",
                f"Recipient: {literal(recipient) if recipient else 'not stated'}.",
                "Whoever else sees the data product: taken to be an adversary with any computer "
                "and any side knowledge.",
            ]
        ),
        "release_type": "One release",
        "release_type_details": (
            f"All releases about the same people draw on one ledger, which stops at epsilon "
            f"{e['budget.total_epsilon']} (delta {e['budget.total_delta']}) for their sum. This is "
            f"reservation number {e['budget.release_number']}; spent so far: as much as epsilon "
            f"{e['budget.lineage_epsilon_after']}. The budget does not reset."
        ),
        "data_source_type": "Static",
        "data_source_type_details": (
            "One table, read once for this release. Whether it grows later is not stated."
        ),
        "access_type": "Non-interactive",
        "access_type_details": "A file of synthetic rows; nobody queries the table through it.",
    }


def _accounting(e: PublicEvidence) -> dict[str, Any]:
    stages = [
        f"{literal(s['stage'])}: rho {s['rho']}. {literal(s['description'])}"
        for s in e["budget.stages"]
    ]
    return {
        "post_processing": (
            "A model is fitted to the noisy answers, and rows are drawn from it. Declared "
            "constraints are applied as far as the model can, and identifiers are made up from "
            "declared patterns. All of it uses noisy answers and declared facts only."
        ),
        "composition": f"{literal(e['accounting.method'], 600)}\n\n{bullets(stages)}",
    }


def _implementation(e: PublicEvidence) -> dict[str, Any]:
    packages = ", ".join(f"{literal(k)} {literal(v)}" for k, v in e["environment.versions"].items())
    audit = e["audit.status"]
    return {
        "preprocessing_and_hyperparameter_tuning": (
            "Cells are coded by the declared dictionary; values outside of it share one bucket a "
            f"column. {_discovered(e)} Options of the method were declared before the data was "
            "opened; the program tunes nothing on the rows outside the budget."
        ),
        "mechanisms": (
            f"{_mechanisms(e['accounting.calls'])}. {literal(e['environment.entropy'], 600)}\n\n"
            f"Versions: {packages}. SHA-256 of the code that the certificate's sentences rest on: "
            f"{e['environment.code']['code_sha256']}.\n\nHazards:\n\n{_hazards(e)}"
        ),
        "justification": (
            "Epsilon, delta, unit and bounds were declared by the issuer, within the policy "
            f"{literal(e['policy.name'])} (SHA-256 {e['policy.sha256']}); why these were chosen is "
            f"not stated. Audit of the mechanism: {audit['status'].replace('_', ' ')}. "
            f"{literal(audit['text'], 600)}"
        ),
    }


def _mechanisms(calls: Sequence[Mapping[str, Any]]) -> str:
    counted: dict[str, int] = {}
    for call in calls:
        counted[call["mechanism"]] = counted.get(call["mechanism"], 0) + 1
    return "Calls by mechanism: " + (
        ", ".join(f"{literal(name)} {n}" for name, n in counted.items()) or "none"
    )


def _hazards(e: PublicEvidence) -> str:
    return bullets(
        [
            f"{literal(h['hazard'])}: {h['status']}. {literal(h['text'], 600)}"
            for h in e["hazards.items"]
        ]
    )


def _administrative(e: PublicEvidence) -> dict[str, Any]:
    files = [
        f"{literal(f['name'])}, {f['bytes']} bytes, SHA-256 {f['sha256']}"
        for f in e["files.synthetic"]
    ]
    maker = _MAKER.format(
        version=literal(e["release.dpsynth_version"]), issuer=literal(e["release.issuer"])
    )
    return {
        "notes": (
            f"Made from the signed evidence of certificate {literal(e['release.id'])}. Ledger "
            f"{e['ledger.id']}, entry {e['ledger.head_seq']}, SHA-256 {e['ledger.head_digest']}."
            f"\n\n{bullets(files)}"
        ),
        "registry_authors": [maker],
    }
