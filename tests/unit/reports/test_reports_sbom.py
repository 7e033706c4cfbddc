"""The bill of materials: valid by the schema of CycloneDX 1.6, and what the evidence says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import sample_evidence as sample
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from dpsynth.reports.sbom import sbom_json
from packageurl import PackageURL

from dpsynth.evidence import ReleaseEvidence


def problem(text: str) -> str:
    """Return what CycloneDX's own validator says against a bill; empty if nothing."""
    return str(JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) or "")


def test_the_bill_is_valid_and_complete(adult: ReleaseEvidence) -> None:
    text = sbom_json(adult)
    assert problem(text) == ""
    bill = json.loads(text)
    parts = {part["bom-ref"]: part for part in bill["components"]}
    assert list(parts) == ["numpy==2.3.1", "opendp==0.14.2+local", "python==3.11.2"]
    named = PackageURL.from_string(parts["opendp==0.14.2+local"]["purl"])
    assert (named.type, named.name, named.version) == ("pypi", "opendp", "0.14.2+local")
    assert bill["metadata"]["component"]["bom-ref"] == "dpsynth==0.1.0"
    assert {d["ref"]: d["dependsOn"] for d in bill["dependencies"]} == {
        "dpsynth==0.1.0": ["numpy==2.3.1", "opendp==0.14.2+local"],
        "numpy==2.3.1": [],
        "opendp==0.14.2+local": ["numpy==2.3.1"],
    }
    assert {p["name"]: p["value"] for p in bill["metadata"]["properties"]} == {
        "dpsynth:release": adult["release.id"],
        "dpsynth:lock-sha256": adult["environment.lock"],
    }


@pytest.mark.parametrize(
    "spoil",
    [
        lambda bill: bill.pop("bomFormat"),
        lambda bill: bill["components"][0].update(type="wheel"),
        lambda bill: bill["components"].append(bill["components"][0]),
        lambda bill: bill.update(colour="red"),
        lambda bill: bill["metadata"].update(timestamp=3),
    ],
)
def test_a_wrong_bill_is_refused(spoil: Callable[[Any], object], adult: ReleaseEvidence) -> None:
    bill = json.loads(sbom_json(adult))
    spoil(bill)
    assert problem(json.dumps(bill))


def test_libraries_of_the_system_are_named() -> None:
    values = sample.adult_values()
    values["environment.versions"] |= {"pango": "1.50.12", "harfbuzz": "6.0.0"}
    text = sbom_json(sample.build(values))
    assert problem(text) == ""
    assert {"pango==1.50.12", "harfbuzz==6.0.0"} <= {
        part["bom-ref"] for part in json.loads(text)["components"]
    }
