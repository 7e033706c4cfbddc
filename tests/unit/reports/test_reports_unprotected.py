"""Documents of a release without a guarantee: they say so, and no number of one is in them."""

from __future__ import annotations

import io
import json
import re

import conformance
import jsonschema
import mlcroissant
import pikepdf
import pytest
import sample_evidence as sample
import sample_unprotected as bare
from dpsynth.reports import document
from dpsynth.reports.from_evidence import certificate_pdf, report_pdf
from dpsynth.reports.sheets import SHEETS, sheets_of

from dpsynth.errors import DisclosureError
from dpsynth.evidence import (
    UNPROTECTED,
    EvidenceBuilder,
    evidence_schema,
    is_protected,
    public_evidence,
)
from dpsynth.results import Disclosure
from dpsynth.signing.roles import Role
from dpsynth.verification.evidence import disagreement, evidence_problem, facts

#: A number of a guarantee in any spelling; the attacks' own "epsilon shown" is in the report alone.
NUMBER = re.compile(
    r"(?:ε|epsilon|eps|δ|delta|ρ|rho)\W{0,4}(?:=|:|of|is)?\W{0,4}[0-9]", re.IGNORECASE
)
WORDS = ("epsilon", "delta", "rho", "beliefs", "criteria", "curve", "tail_probability", "ε", "δ")


def sheets() -> dict[str, str]:
    public = bare.build().public()
    return {name: made(public) for name, made in sheets_of(protected=False).items()}


def test_no_number_of_a_guarantee_is_printed() -> None:
    evidence = bare.build()
    public = evidence.public()
    texts = {**sheets(), "certificate": document.certificate_html(public),
             "evidence": public.to_bytes().decode()}  # fmt: skip
    for name, text in texts.items():
        words = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
        assert not NUMBER.search(words), name
        assert not any(word in words.lower() for word in WORDS), name
    report = document.report_html(evidence)
    report = re.sub(r"<style>.*?</style>", "", report, flags=re.DOTALL)
    guarantee, attacks = report.split("Attacks on this release", 1)
    assert not NUMBER.search(guarantee)
    assert "NO DIFFERENTIAL-PRIVACY GUARANTEE" in guarantee and attacks


def test_the_search_finds_what_a_protected_release_prints() -> None:
    evidence = sample.build(sample.adult_values()).public()
    assert NUMBER.search(document.certificate_html(evidence))
    for name, made in SHEETS.items():
        text = made(evidence)
        assert NUMBER.search(text) or any(word in text.lower() for word in WORDS), name


def test_the_certificate_says_so_in_large_words_and_why() -> None:
    html = document.certificate_html(bare.build().public())
    assert '<div class="promise bare">\n<h2>NO DIFFERENTIAL-PRIVACY GUARANTEE</h2>' in html
    for reason in bare.values()["unprotected.reasons"]:
        assert reason in html
    for said in ("exact copies, linkability, control positive", "held in the internal report",
                 "smartnoise-synth dpctgan", "lineage “census-1994-compared”",
                 "Treat these rows as confidential"):  # fmt: skip
        assert said in html


@pytest.mark.parametrize("roles", [(Role.ISSUER,), (Role.ISSUER, Role.EXPERT, Role.DPO)])
def test_the_documents_conform(roles: tuple[Role, ...]) -> None:
    evidence = bare.build()
    rendered = certificate_pdf(evidence.public(), roles=roles)
    assert rendered.pages <= 2
    with pikepdf.open(io.BytesIO(rendered.pdf)) as pdf:
        assert "without a privacy guarantee" in str(pdf.docinfo["/Title"])
    assert not conformance.check(rendered.pdf).problems
    assert not conformance.check(report_pdf(evidence).pdf).problems


def test_both_data_sheets_say_why_a_column_is_left_out() -> None:
    column = {
        "name": "notes", "kind": "text", "domain": "any text", "treatment": "left_out",
        "reason": "Free text is never modelled.",
    }  # fmt: skip
    columns = [bare.values()["data.columns"][0] | column]
    built = bare.build(data__columns=columns)
    shown = sheets_of(protected=False)["DATASHEET.md"](built.public())
    row = "| notes | text | any text | left out: Free text is never modelled. |"
    assert row in shown
    values = sample.adult_values()
    values["data.columns"] = columns
    assert row in sheets_of(protected=True)["DATASHEET.md"](sample.build(values).public())


def test_a_long_certificate_keeps_to_two_pages() -> None:
    long = "It does one more thing that nobody should do with confidential rows. " * 6
    run = {**bare.values()["unprotected.runs"][0], "program": "p" * 80, "stage": "s" * 40}
    evidence = bare.build(
        unprotected__reasons=[long] * 12,
        unprotected__runs=[run] * 9,
        unprotected__attacks=[f"attack_number_{i}" for i in range(40)],
        fitness__poor_uses=[long] * 9,
        release__purpose=long,
    )
    assert certificate_pdf(evidence.public()).pages <= 2


def test_the_description_is_valid_croissant(tmp_path) -> None:
    found = json.loads(sheets()["croissant.json"])
    assert found["dps:guarantee"] == "none" and "dps:epsilon" not in found
    path = tmp_path / "croissant.json"
    path.write_text(json.dumps(found))
    assert mlcroissant.Dataset(jsonld=str(path)).metadata.name


@pytest.mark.parametrize("public", [True, False])
def test_the_evidence_is_that_of_its_schema(public: bool) -> None:
    evidence = bare.build()
    tree = json.loads((evidence.public() if public else evidence).to_bytes())
    schema = evidence_schema(public=public, protected=False)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(tree)
    assert evidence_problem(tree, public=public) == "" and not is_protected(tree)
    protected = sample.build(sample.adult_values())
    other = json.loads((protected.public() if public else protected).to_bytes())
    assert evidence_problem({**tree, "guarantee": other["guarantee"]}, public=public) != ""
    assert evidence_problem({**other, "unprotected": tree["unprotected"]}, public=public) != ""


def test_public_and_internal_evidence_are_of_one_kind() -> None:
    tree = json.loads(bare.build().to_bytes())
    other = json.loads(sample.build(sample.adult_values()).to_bytes())
    assert disagreement(tree, tree) == ""
    assert disagreement(tree, other) == disagreement(other, tree) == "unprotected.meaning"


def test_what_a_reader_is_told_first() -> None:
    told = facts(json.loads(bare.build().public().to_bytes()))
    assert told["guarantee"] == "none: assurance class N"
    assert told["unit"] == "person" and told["lineage"] == "census-1994-compared"
    assert not {"epsilon", "delta"} & set(told)


def test_evidence_of_one_kind_takes_no_field_of_the_other() -> None:
    with pytest.raises(DisclosureError, match="no field 'guarantee.epsilon'"):
        EvidenceBuilder(protected=False).add("guarantee.epsilon", "1", Disclosure.DECLARED)
    with pytest.raises(DisclosureError, match="no field 'unprotected.meaning'"):
        EvidenceBuilder().add("unprotected.meaning", "none", Disclosure.DECLARED)
    with pytest.raises(DisclosureError, match="lacks"):
        EvidenceBuilder(protected=False).build()
    assert not any(name.startswith(("guarantee", "budget", "accounting")) for name in UNPROTECTED)
    assert public_evidence(json.loads(bare.build().public().to_bytes())).protected is False
