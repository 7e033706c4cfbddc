"""What a release publishes beside its data is read by others' programs, and says what ran."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path
from typing import Any

import jsonschema
import mlcroissant
import pytest
import yaml
from steward import HEADER, Desk

REGISTRY = Path(__file__).parents[1] / "unit" / "reports" / "deployments_registry"


def predicate(bundle: Path, folder: str) -> dict[str, Any]:
    """Return the evidence of a folder from its envelope."""
    envelope = json.loads((bundle / folder / "evidence.dsse.json").read_text())
    found: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
    return found


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_release_is_read_by_programs_of_others(desk: Desk, form: str) -> None:
    answer = desk.release("--format", form)
    assert answer.code == 0, answer.text
    bundle = desk.folder / "clinic"
    for folder, option in (("public", ()), ("internal", ("--internal",))):
        schema = json.loads(desk.run("evidence", "schema", *option).out)
        judge = jsonschema.Draft202012Validator(schema)
        evidence = predicate(bundle, folder)
        assert [error.message for error in judge.iter_errors(evidence)] == []
        evidence["guarantee"]["epsilon"]["value"] = 1.0
        assert not judge.is_valid(evidence)
        assert not judge.is_valid(predicate(bundle, "public" if option else "internal"))
    record = yaml.safe_load((bundle / "public" / "registry.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(
        record,
        yaml.safe_load((REGISTRY / "deployments-schema.yaml").read_text()),
        cls=jsonschema.Draft7Validator,
        format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER,
    )
    assert "# Checklist" in (bundle / "public" / "CHECKLIST.md").read_text(encoding="utf-8")
    logging.disable()
    described = mlcroissant.Dataset(jsonld=bundle / "public" / "croissant.json")
    rows = list(described.records("rows"))
    logging.disable(logging.NOTSET)
    public = predicate(bundle, "public")
    assert len(rows) == public["release"]["rows"]["value"]
    assert [name.removeprefix("rows/") for name in rows[0]] == list(HEADER)
    assert all(isinstance(row["rows/age"], int) for row in rows[:50] if row["rows/age"] is not None)
    told = json.loads(desk.run("evidence", "claims", "--json").out)
    digests = {"register_sha256", "code_sha256"}
    assert {k: told[k] for k in digests} == public["environment"]["code"]["value"]
    checked = desk.verify(bundle)
    assert checked.code == 0 and "that of this installation" in checked.out
    assert "not that of" not in checked.out


def test_people_read_fields_and_claims(desk: Desk) -> None:
    fields = desk.run("evidence", "fields")
    assert fields.code == 0 and "| `guarantee.epsilon` |" in fields.out
    claims = desk.run("evidence", "claims")
    assert claims.code == 0
    assert "attack.text: If the program ran as described" in claims.out
    assert "tests/unit/privacy/test_privacy_losses.py::test_groups" in claims.out
