"""Class N from end to end: a plugin that copies rows is released, convicted and kept apart."""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path

import pytest
import yaml
from dpsynth.reports.document import certificate_html, report_html
from plugin_package import write_package
from steward import Desk

from dpsynth.evidence import public_evidence, release_evidence
from dpsynth.pipeline.required import attack_names
from dpsynth.privacy.ledger import Kind, Ledger

NUMBER = re.compile(r"(?:ε|epsilon|δ|delta|ρ|rho)\W{0,4}(?:=|:|of|is)?\W{0,4}[0-9]", re.I)


@pytest.fixture
def lab(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with a copying plugin, and a policy of its own that allows class N."""
    site = desk.folder / "site"
    site.mkdir()
    write_package(site)
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "acme_synth", raising=False)
    tree = yaml.safe_load((desk.folder / "default.yaml").read_text())
    tree["limits"]["assurance_classes"]["limit"] = ["A", "B", "N"]
    (desk.folder / "lab.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    yield desk
    sys.modules.pop("acme_synth", None)


def bare(desk: Desk, *more: str, name: str = "copied", lineage: str = "compared"):
    """Release with the copier, without any privacy loss."""
    options = {
        "--data": "data.csv", "--dictionary": "dictionary.yaml", "--lineage": lineage,
        "--policy": "lab.yaml", "--name": name, "--out": name, "--ledger": "ledger.sqlite",
        "--key": "keys/signer.p12", "--passphrase-file": "passphrase", "--synthesizer": "acme:copy",
    }  # fmt: skip
    for option, value in zip(more[::2], more[1::2], strict=True):
        options[option] = value
    return desk.run("release", *(part for pair in options.items() for part in pair))


def predicate(folder: Path):
    """Return what the evidence of a folder states."""
    envelope = json.loads((folder / "evidence.dsse.json").read_text())
    return json.loads(base64.b64decode(envelope["payload"]))["predicate"]


def text(html: str) -> str:
    """Return a page without its style."""
    return re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)


def test_a_release_without_a_guarantee_says_so_and_prints_no_number_of_one(lab: Desk) -> None:
    answer = bare(lab)
    assert answer.code == 0, answer.text
    assert "no differential-privacy guarantee" in answer.text
    assert "guarantee    none" in answer.text and not NUMBER.search(answer.text)
    public = lab.folder / "copied" / "public"
    assert {p.name for p in public.iterdir()} == {
        "synthetic.csv", "certificate.pdf", "evidence.dsse.json", "DATASHEET.md", "croissant.json",
        "manifest.dsse.json",
    }  # fmt: skip
    # That the PDF is this page and nothing else is what --rebuild compares below.
    words = text(certificate_html(public_evidence(predicate(public))))
    assert "NO DIFFERENTIAL-PRIVACY GUARANTEE" in words
    assert "hands out rows of the table as they are" in words
    for said in (words, (public / "DATASHEET.md").read_text(),
                 (public / "croissant.json").read_text()):  # fmt: skip
        assert not NUMBER.search(said)
    root = str(lab.folder / "keys" / "root.pem")
    checked = lab.run("verify", "copied", "--trust", root, "--rebuild", "--ledger", str(lab.ledger))
    assert checked.code == 0, checked.text
    assert "none: assurance class N" in checked.text and not NUMBER.search(checked.text)
    with Ledger.open(lab.ledger) as book:
        assert book.status("compared").unprotected
        kinds = [entry.kind for entry in book.entries("compared")]
        assert kinds == [Kind.REGISTER, Kind.RESERVE, Kind.OPEN, Kind.RUN, Kind.COMMIT]
    told = bare(lab, "--name", "again", "--out", "again")
    assert told.code == 0
    drawn = lab.run("sample", "again", "--dictionary", "dictionary.yaml", "--rows", "7",
                    "--out", "more.csv")  # fmt: skip
    assert drawn.code == 0, drawn.text
    refused = lab.run("estimate", "again", "--dictionary", "dictionary.yaml", "--columns", "ward")
    assert refused.code == 2 and "keeps no noisy counts" in refused.text


def test_a_changed_byte_of_the_certificate_is_found(lab: Desk) -> None:
    assert bare(lab).code == 0
    path = lab.folder / "copied" / "public" / "certificate.pdf"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert lab.verify(lab.folder / "copied").code == 1


def test_the_attacks_that_are_named_are_those_that_ran(lab: Desk) -> None:
    answer = bare(lab)
    assert answer.code == 0, answer.text
    tree = predicate(lab.folder / "copied" / "internal")
    assert "leak found" in text(report_html(release_evidence(tree))), "the copier is convicted"
    ran = {result["name"] for result in tree["attacks"]["results"]["value"]}
    named = set(tree["unprotected"]["attacks"]["value"])
    assert named == ran == set(attack_names("quick"))
    assert any(r["verdict"] == "leak found" for r in tree["attacks"]["results"]["value"])
    assert tree["environment"]["versions"]["value"]["acme-synth"] == "1.2"


def test_every_shipped_policy_refuses_it(lab: Desk) -> None:
    for name in ("default", "research", "strict"):
        answer = bare(lab, "--policy", name)
        assert answer.code == 3 and "assurance class N is not among" in answer.text, answer.text
    assert not lab.ledger.exists() or not Ledger.open(lab.ledger).lineages()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--epsilon", "1"), "has no guarantee"),
        (("--delta", "1e-6"), "has no guarantee"),
    ],
)
def test_no_privacy_loss_can_be_asked_for(lab: Desk, more: tuple[str, ...], said: str) -> None:
    answer = bare(lab, *more)
    assert answer.code == 2 and said in answer.text
    assert not (lab.folder / "copied").exists()


def test_people_with_a_protected_lineage_are_not_handed_over(lab: Desk) -> None:
    assert lab.release().code == 0
    same = bare(lab, lineage="clinic")
    assert same.code == 4 and "promised a total" in same.text
    answer = bare(lab)
    assert answer.code == 4 and "promises them a total (clinic)" in answer.text, answer.text
    assert not (lab.folder / "copied").exists()
    with Ledger.open(lab.ledger) as book:
        assert Kind.RUN not in {entry.kind for entry in book.entries()}
    assert lab.release("--name", "second", "--out", "second", "--epsilon", "0.5").code == 0


def test_people_of_an_unprotected_lineage_get_no_protected_release(lab: Desk) -> None:
    assert bare(lab).code == 0
    answer = lab.release()
    assert answer.code == 4 and "without a guarantee (compared)" in answer.text


def test_a_check_says_that_there_is_nothing_to_price(lab: Desk) -> None:
    asked = ("check", "--data", "data.csv", "--dictionary", "dictionary.yaml", "--lineage",
             "compared", "--policy", "lab.yaml", "--name", "x", "--synthesizer", "acme:copy",
             "--ledger", str(lab.ledger))  # fmt: skip
    answer = lab.run(*asked)
    assert answer.code == 0 and "No guarantee" in answer.text and not NUMBER.search(answer.text)
    found = json.loads(lab.run(*asked, "--json").out)
    assert found["guarantee"] == "none" and found["refusal"] is None


@pytest.mark.slow
def test_a_third_partys_core_is_released_as_class_b(desk: Desk) -> None:
    """smartnoise's AIM core from end to end, on three columns: priced, argued, named."""
    pytest.importorskip("snsynth")
    tree = yaml.safe_load((desk.folder / "dictionary.yaml").read_text())
    tree["columns"] = [c for c in tree["columns"] if c["name"] in {"ward", "outcome", "number"}]
    tree["columns"].append(
        {"name": "age", "kind": "categorical", "role": "other", "meaning": "age in words",
         "domain": {"categories": ["young", "old"]}, "domain_source": "codebook"}
    )  # fmt: skip
    (desk.folder / "small.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    answer = desk.release(
        "--dictionary", "small.yaml", "--synthesizer", "smartnoise:aim", "--attacks", "quick"
    )
    assert answer.code == 0, answer.text
    assert desk.run("verify", "clinic", "--trust", "keys/root.pem", "--rebuild").code == 0
    tree = predicate(desk.folder / "clinic" / "public")
    assert tree["guarantee"]["assurance_class"]["value"] == "B"
    [call] = [c for c in tree["accounting"]["calls"]["value"] if "program" in c]
    assert call["program"] == "smartnoise-synth aim" and call["version"] == "1.0.8"
    assert float(call["rho"]) >= float(call["row_rho"])
    assert "Mersenne Twister" in tree["environment"]["entropy"]["value"]
    met = {h["hazard"]: h["status"] for h in tree["hazards"]["items"]["value"]}
    assert met["Floating-point noise"] == "accepted"
    assert tree["environment"]["versions"]["value"]["smartnoise-synth"] == "1.0.8"
    assert tree["fitness"]["expected_error"]["value"]
    with Ledger.open(desk.ledger) as book:
        assert not book.status("clinic").unprotected and book.verify().entries
