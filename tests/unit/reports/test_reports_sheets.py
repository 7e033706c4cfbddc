"""The plain files beside the data: valid for their readers, and made of public facts alone."""

from __future__ import annotations

import json
import logging
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import mlcroissant
import pytest
import sample_evidence as sample
import yaml
from dpsynth.reports.checklist import checklist_markdown
from dpsynth.reports.croissant import croissant, croissant_json, data_type
from dpsynth.reports.markdown import literal
from dpsynth.reports.registry import registry_record, registry_yaml
from dpsynth.reports.sheets import SHEETS
from test_reports_hostile import HOSTILE, hostile_values

from dpsynth.evidence import FIELDS, PublicEvidence
from dpsynth.yamlfile import to_yaml

HERE = Path(__file__).parent
REGISTRY = yaml.safe_load((HERE / "deployments_registry" / "deployments-schema.yaml").read_text())
VALID = jsonschema.Draft7Validator(
    REGISTRY, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
)


def public(**changes: Any) -> PublicEvidence:
    values = sample.diabetes_values()
    return sample.build(values | {k.replace("__", "."): v for k, v in changes.items()}).public()


def errors(text: str) -> list[str]:
    """Return what the registry would complain about: its schema, and its rules of writing."""
    found = [error.message for error in VALID.iter_errors(yaml.safe_load(text))]
    found += [
        f"style {token.style}"
        for token in yaml.scan(text)
        if isinstance(token, yaml.ScalarToken) and token.style not in {None, "|", '"', "'"}
    ]
    return found


@pytest.mark.parametrize("values", [sample.adult_values(), sample.diabetes_values()])
def test_the_registry_accepts_the_record(values: dict[str, Any]) -> None:
    evidence = sample.build(values).public()
    text = registry_yaml(evidence)
    assert errors(text) == []
    record = yaml.safe_load(text)
    assert record == registry_record(evidence)
    assert (record["tier"], record["status"]) == (3, "Draft")
    assert set(record["deployment"]) == set(REGISTRY["properties"]["deployment"]["properties"])
    parameters = record["deployment"]["privacy_loss"]["privacy_parameters"]
    assert parameters == {"epsilon": 1.0, "delta": 1e-6, "rho": 0.02436}
    assert re.fullmatch(r"[a-z0-9-]+-2026", record["url_slug"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record.pop("status"),
        lambda record: record.update(extra=1),
        lambda record: record["deployment"]["basic"].update(publication_date="1/1/2026"),
        lambda record: record["deployment"]["privacy_loss"]["privacy_parameters"].update(
            epsilon="1.0"
        ),
    ],
)
def test_a_wrong_record_would_be_refused(spoil: Any) -> None:
    record = deepcopy(registry_record(public()))
    spoil(record)
    assert errors(to_yaml(record))


def test_what_was_not_declared_is_not_stated() -> None:
    e = public(
        release__recipient={"name": "", "jurisdiction": ""}, release__purpose="", data__codebook=""
    )
    basic = registry_record(e)["deployment"]["basic"]
    assert basic["data_product_region"] == "Not stated."
    assert basic["intended_use"].startswith("Not stated.")
    assert "data_product_sector" not in basic
    assert "Recipient: not stated." in registry_yaml(e)
    assert croissant(e)["rai:dataUseCases"] == "Not stated."
    assert "license" not in croissant(e)
    assert "| Where the domain of the data comes from | open |" in checklist_markdown(e)


def test_bounds_are_rounded_up() -> None:
    e = public(
        guarantee__right_guesses=0.54321, guarantee__hits_at_1_percent=0.0176401,
        guarantee__tail_probability=2.1301e-5,
    )  # fmt: skip
    text = registry_record(e)["deployment"]["privacy_loss"]["privacy_parameters_details"]
    assert "at most 54.4 %" in text and "at most 1.77 %" in text
    assert "probability of at most 0.0000214" in text


def test_a_price_at_one_renyi_order_is_no_rho() -> None:
    loss = registry_record(public(accounting__sampled=sample.STEPS))["deployment"]["privacy_loss"]
    assert set(loss["privacy_parameters"]) == {"epsilon", "delta"}
    told = loss["privacy_parameters_details"]
    assert "at order 22.18" in told and "400 training steps" in told and "zero-conc" not in told


# Croissant


def load(evidence: PublicEvidence) -> mlcroissant.Dataset:
    """Let the reference library read it; an error in the metadata raises."""
    logging.disable()
    try:
        return mlcroissant.Dataset(jsonld=json.loads(croissant_json(evidence)))
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("values", [sample.adult_values(), sample.diabetes_values()])
def test_mlcroissant_accepts_the_description(values: dict[str, Any]) -> None:
    evidence = sample.build(values).public()
    found = load(evidence).metadata
    assert not found.issues.errors
    warned = {re.findall(r"schema.org/(\w+)", str(w))[0] for w in found.issues.warnings}
    assert warned == {"license", "version"}, "nobody declared these"
    kept = found.to_json()
    assert kept["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert kept["dps:epsilon"] == "1.0" and kept["dps:privacyUnit"] == evidence["guarantee.unit"]
    assert kept["rai:dataBiases"].startswith("Not tested")
    (file,), (rows,) = found.file_objects, found.record_sets
    assert file.sha256 == evidence["files.synthetic"][0]["sha256"]
    assert len(rows.fields) == sum(c["treatment"] != "left_out" for c in evidence["data.columns"])


def test_a_wrong_description_would_be_refused() -> None:
    tree = croissant(public())
    tree["recordSet"][0]["field"][0]["source"]["fileObject"]["@id"] = "elsewhere.csv"
    with pytest.raises(Exception, match="elsewhere"):
        mlcroissant.Dataset(jsonld=tree)


@pytest.mark.parametrize(
    ("kind", "typed", "more", "found"),
    [
        ("integer", False, {}, "sc:Integer"),
        ("integer", False, {"missing": ["?"]}, "sc:Text"),
        ("integer", True, {"missing": ["?"]}, "sc:Integer"),
        ("integer", True, {"special": ["top"]}, "sc:Text"),
        ("integer", False, {"missing": ["-9", ""]}, "sc:Integer"),
        ("integer", False, {"missing": ["-9.5"]}, "sc:Text"),
        ("float", False, {"missing": ["-9.5"]}, "sc:Float"),
        ("float", False, {"missing": ["NaN"]}, "sc:Text"),
        ("date", False, {"format": "%Y-%m-%d"}, "sc:Date"),
        ("date", False, {"format": "%d/%m/%Y"}, "sc:Text"),
        ("date", True, {"format": "%d/%m/%Y"}, "sc:Date"),
        ("date", False, {"format": "%Y-%m-%d", "missing": ["0000"]}, "sc:Text"),
        ("categorical", False, {"missing": ["?"]}, "sc:Text"),
        ("id", True, {}, "sc:Text"),
    ],
)
def test_every_cell_can_be_read_as_its_type(
    kind: str, typed: bool, more: dict[str, Any], found: str
) -> None:
    column = {"kind": kind, "missing": [], "special": [], "format": ""} | more
    assert data_type(column, typed=typed) == found


# Checklist


def test_the_checklist_answers_by_fields_that_are_there() -> None:
    for values in (sample.adult_values(), sample.diabetes_values()):
        text = checklist_markdown(sample.build(values).public())
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        named = {n for row in rows for n in re.findall(r"`([a-z]+\.\w+)`", row)}
        assert len(named) > 20
        assert all(FIELDS[name].public for name in named)
        for hazard in values["hazards.items"]:
            assert f"| {hazard['hazard']} |" in text
        assert "| Correctness of the implementation | open |" in text
        assert text.count("| outside the program |") >= 6
    audited = public(audit__status={"status": "ok", "text": "It found nothing."})
    assert "implementation | partly handled | It found nothing. |" in checklist_markdown(audited)


# All of them


def test_raw_fields_change_no_byte() -> None:
    values, others = sample.adult_values(), sample.diabetes_values()
    swapped = values | {name: others[name] for name, field in FIELDS.items() if not field.public}
    for made in SHEETS.values():
        assert made(sample.build(values).public()) == made(sample.build(swapped).public())


def test_no_raw_number_is_printed() -> None:
    for made in SHEETS.values():
        text = made(sample.build(sample.adult_values()).public())
        for raw in ("32561", "32,561", "26049", "6512", "0.0121", "0.886", "leak found"):
            assert raw not in text


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_text_stays_text(kind: str) -> None:
    evidence = sample.build(hostile_values(HOSTILE[kind])).public()
    assert errors(registry_yaml(evidence)) == []
    record = yaml.safe_load(registry_yaml(evidence))
    for name in ("DATASHEET.md", "CHECKLIST.md"):
        no_markup(SHEETS[name](evidence))
    for text in strings(record["deployment"]):
        no_markup(text)
        assert not re.search(r"\\\\[^()]", text), "the registry reads this as wrong LaTeX"
    described = croissant(evidence)
    assert described["recordSet"][0]["field"][0]["name"] == HOSTILE[kind]
    ids = [described["distribution"][0]["@id"], described["recordSet"][0]["field"][0]["@id"]]
    assert all(re.fullmatch(r"[\w.~%/-]+", found) for found in ids)


def strings(tree: Any) -> list[str]:
    if isinstance(tree, dict | list):
        parts = tree.values() if isinstance(tree, dict) else tree
        return [text for part in parts for text in strings(part)]
    return [tree] if isinstance(tree, str) else []


def no_markup(text: str) -> None:
    """No tag, link, picture or address that Markdown would act on; nothing invisible."""
    bare = re.sub(r"\\[^\w\s]", "\x01", text)  # an escaped sign is no sign
    assert not re.search(r"<\w|\]\(|://|www\.", bare)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e\u2028\ufeff]", text)


def test_signs_are_escaped_one_by_one() -> None:
    assert literal("a|b <i> [x](y) `z` $1$ R&D") == (
        "a\\|b \\<i\\> \\[x\\](y) \\`z\\` \\$1\\$ R\\&D"
    )
    assert literal("http://x.org www.x.org me@x.org") == "http:\\//x.org www\\.x.org me\\@x.org"
    assert literal("C:\\new\nline") == "C:&#92;new line"
    assert literal("a\u202eb\u200db") == "a\\[U+202E\\]b\u200db"
    assert literal("x" * 400).endswith("…") and len(literal("x" * 400)) == 300


def test_yaml_reads_back_what_was_written() -> None:
    tree = {
        "a": ["- x\n- y\n\nz", "1.0", "yes", "2026-01-01", "x: y # z", "\u00e9", ""],
        "b": 1e-06,
    }
    assert yaml.safe_load(to_yaml(tree)) == tree
