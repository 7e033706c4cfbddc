"""The main job: release a table, verify the bundle, and find every fault planted in it."""

from __future__ import annotations

import base64
import csv
import json
import math
import re
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pikepdf
import pyarrow as pa
import pytest
from pyarrow import parquet
from steward import HEADER, Desk, rows_of, write_csv

from dpsynth.privacy.ledger import Ledger
from dpsynth.results import FALSE_POSITIVE_RATES


def test_a_release_is_verified_by_a_stranger(desk: Desk) -> None:
    answer = desk.release()
    assert answer.code == 0, answer.text
    bundle = desk.folder / "clinic"
    with (bundle / "public" / "synthetic.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == HEADER
    assert 2000 < len(rows) < 4400
    assert len({row["number"] for row in rows}) == len(rows)
    assert {row["ward"] for row in rows} <= {
        "north",
        "south",
        "east",
        "west",
        "?",
        "__out_of_domain__",
    }
    checked = desk.verify(bundle)
    assert checked.code == 0, checked.text
    shutil.copytree(bundle / "public", desk.folder / "received")
    assert desk.verify(desk.folder / "received").code == 0
    root = str(desk.folder / "keys" / "root.pem")
    against = desk.run("verify", str(bundle), "--trust", root, "--ledger", str(desk.ledger))
    assert against.code == 0, against.text
    typo = desk.run("verify", str(bundle), "--trust", root, "--ledger", "typo.sqlite")
    assert typo.code == 2
    assert not (desk.folder / "typo.sqlite").exists()
    with Ledger.open(desk.ledger) as book:
        status = book.status("clinic")
        assert status.releases == 1
        assert status.open_reservations == ()
        assert 0 < status.spent_rho < status.terms.total_rho


def predicate(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what an evidence file of a bundle states."""
    told = json.loads((folder / "evidence.dsse.json").read_text())
    return json.loads(base64.b64decode(told["payload"]))["predicate"]


def test_the_ceiling_of_low_rates_and_the_curves_of_the_attacks_are_evidence(desk: Desk) -> None:
    assert desk.release().code == 0
    public, inside = (predicate(desk.folder / "clinic" / part) for part in ("public", "internal"))
    promise = public["guarantee"]
    assert promise["curve_low"]["provenance"] == "post"
    ceiling = dict(promise["curve_low"]["value"])
    assert tuple(ceiling) == FALSE_POSITIVE_RATES
    assert list(ceiling.values()) == sorted(ceiling.values()) and ceiling[1.0] == 1.0
    for rate, key in ((0.01, "hits_at_1_percent"), (0.001, "hits_at_01_percent")):
        assert promise[key]["value"] <= ceiling[rate] <= promise[key]["value"] + 1e-6
    assert 1e-4 < ceiling[1e-4] <= 1.02 * (math.e * 1e-4 + 1e-6)  # e to the epsilon, and delta
    results = {r["name"]: r for r in inside["attacks"]["results"]["value"]}
    drawn = [name for name, result in results.items() if result["roc"]]
    assert {"closest_distance_membership", "density_ratio_membership"} < set(drawn)
    for name in drawn:
        rates = [point[0] for point in results[name]["roc"]["points"]]
        assert len(rates) > 20 and rates == list(FALSE_POSITIVE_RATES[-len(rates) :])
    assert "attacks" not in public or "results" not in public["attacks"]


def test_json_answers(desk: Desk) -> None:
    answer = desk.run(
        *"release --json --epsilon 1 --delta 1e-6 --lineage clinic --name clinic".split(),
        "--data", "data.csv", "--dictionary", "dictionary.yaml", "--passphrase-file", "passphrase",
        "--policy", "default.yaml",
    )  # fmt: skip
    assert answer.code == 0, answer.text
    told = json.loads(answer.out)
    assert told["passed"] is True
    assert told["epsilon"] == "1.0"
    assert Path(told["certificate"]).is_file()
    checked = desk.run("verify", told["bundle"], "--trust", "keys/root.pem", "--json")
    assert json.loads(checked.out)["verdict"] == "VALID"


def test_every_flipped_byte_is_found_and_named(desk: Desk) -> None:
    assert desk.release().code == 0
    bundle = desk.folder / "clinic"
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    assert len(files) >= 9
    for path in files:
        honest = path.read_bytes()
        spoiled = bytearray(honest)
        spoiled[len(spoiled) // 2] ^= 1
        path.write_bytes(bytes(spoiled))
        answer = desk.verify(bundle)
        assert answer.code == 1, path
        assert path.name in answer.out, path
        path.write_bytes(honest)
    assert desk.verify(bundle).code == 0


def test_a_second_release_cannot_exceed_the_total(desk: Desk) -> None:
    assert desk.release("--total-epsilon", "1.2", "--total-delta", "1e-6").code == 0
    answer = desk.release("--total-epsilon", "1.2", "--total-delta", "1e-6", name="second")
    assert answer.code == 4, answer.text
    assert not (desk.folder / "second").exists()


def test_a_refused_release_writes_no_data_and_stays_spent(desk: Desk) -> None:
    policy = desk.folder / "hard.yaml"
    strict = desk.run("policy", "show", "strict", "--json")
    assert strict.code == 0
    text = (Path(__file__).parents[2] / "policies" / "default.yaml").read_text()
    gate = """
  - id: impossible
    title: Synthetic rows equal real ones
    metric: fidelity.tvd_1way.value
    at_most: 0.0
    side: point
    reason: planted by a test
    source: a test
"""
    policy.write_text(text.rstrip() + gate)
    answer = desk.release("--policy", str(policy))
    assert answer.code == 3, answer.text
    bundle = desk.folder / "clinic"
    assert not (bundle / "public").exists()
    assert (bundle / "internal" / "report.pdf").is_file()
    with Ledger.open(desk.ledger) as book:
        assert book.status("clinic").spent_rho > 0
    assert desk.verify(bundle).code == 0
    assert not (bundle / "internal" / "model").exists()
    assert "Synthetic rows equal real ones" in answer.out
    assert not re.search(r"found|0\.0", answer.text.split("Refused", 1)[1].split("budget")[0])


def test_a_corrupt_table_says_that_the_budget_is_spent(desk: Desk) -> None:
    table = pa.table({name: [row[i] for row in rows_of(500)] for i, name in enumerate(HEADER)})
    path = desk.folder / "data.parquet"
    parquet.write_table(table, path)
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    path.write_bytes(bytes(content))
    answer = desk.release("--data", str(path))
    assert answer.code == 2, answer.text
    assert "stays spent" in answer.err
    with Ledger.open(desk.ledger) as book:
        assert book.status("clinic").spent_rho > 0


def test_households_are_bounded_and_split_whole(desk: Desk) -> None:
    dictionary = (desk.folder / "dictionary.yaml").read_text()
    unit = "privacy_unit: {kind: column, column: number}"
    old = "privacy_unit: {kind: row, note: one row is one person}"
    (desk.folder / "dictionary.yaml").write_text(dictionary.replace(old, unit))
    rows = [(f"P{i // 3:06d}", *row[1:]) for i, row in enumerate(rows_of(6000))]
    write_csv(desk.folder / "data.csv", rows)
    asked = desk.release()
    assert asked.code == 2
    assert "must be declared" in asked.err
    answer = desk.release("--max-rows-per-unit", "2", "--unit-name", "household")
    assert answer.code == 0, answer.text
    with Ledger.open(desk.ledger) as book:
        events = [e for entry in book.entries() for e in entry.payload.get("events", ())]
    assert {e["sensitivity"] for e in events if "scores" not in e} <= {2, 4}
    assert all(e["squared_sensitivity"] == 4 * e["scores"] for e in events if "scores" in e)
    other = desk.release("--max-rows-per-unit", "1", "--unit-name", "person", name="other")
    assert other.code == 2, "the unit of a lineage is fixed"


def test_more_rows_from_a_model_cost_nothing(desk: Desk) -> None:
    assert desk.release().code == 0
    with Ledger.open(desk.ledger) as book:
        before = book.head()
    answer = desk.run(
        *"sample clinic/internal/model --dictionary dictionary.yaml --rows 500".split(),
        "--out", "more.csv", "--seed", "1",
    )  # fmt: skip
    assert answer.code == 0, answer.text
    assert len((desk.folder / "more.csv").read_text().splitlines()) == 501
    with Ledger.open(desk.ledger) as book:
        assert book.head() == before


@pytest.mark.parametrize("command", ["attack", "evaluate"])
def test_a_vendor_table_can_be_tested_alone(desk: Desk, command: str) -> None:
    rows = rows_of(3000, seed=5)
    write_csv(desk.folder / "train.csv", rows[:1000])
    write_csv(desk.folder / "holdout.csv", rows[1000:2000])
    write_csv(desk.folder / "fresh.csv", rows[2000:])
    write_csv(desk.folder / "leaky.csv", rows[:500] + rows[2000:2500])
    arguments = "--train train.csv --holdout holdout.csv --dictionary dictionary.yaml --seed 3"
    honest = desk.run(command, *arguments.split(), "--synthetic", "fresh.csv", "--json")
    assert honest.code == 0, honest.text
    assert json.loads(honest.out)["results"]
    leaky = desk.run(command, *arguments.split(), "--synthetic", "leaky.csv")
    assert leaky.code == (1 if command == "attack" else 0), leaky.text


def test_the_report_of_an_attack_holds_its_results_and_its_signature(desk: Desk) -> None:
    rows = rows_of(2000, seed=6)
    write_csv(desk.folder / "train.csv", rows[:800])
    write_csv(desk.folder / "holdout.csv", rows[800:1600])
    write_csv(desk.folder / "leaky.csv", rows[:400] + rows[1600:])
    asked = "attack --train train.csv --holdout holdout.csv --synthetic leaky.csv --seed 3".split()
    asked += ["--dictionary", "dictionary.yaml", "--report"]
    signed = desk.run(
        *asked,
        "signed.pdf",
        "--key",
        "keys/signer.p12",
        "--passphrase-file",
        "passphrase",
        "--json",
    )
    assert signed.code == 1, signed.text
    told = json.loads(signed.out)["results"]
    with pikepdf.open(desk.folder / "signed.pdf") as pdf:
        held = json.loads(pdf.attachments["attack.json"].get_file().read_bytes())
        assert "/Sig" in {str(f.FT) for f in pdf.Root.AcroForm.Fields}
    assert [r["p_value"] for r in held["results"]] == [r["p_value"] for r in told]
    assert (
        held["files"][2]["sha256"] == sha256((desk.folder / "leaky.csv").read_bytes()).hexdigest()
    )
    assert desk.run(*asked, "plain.pdf").code == 1
    with pikepdf.open(desk.folder / "plain.pdf") as pdf:
        assert "/AcroForm" not in pdf.Root
    again = desk.run(*asked, "plain.pdf")
    assert again.code == 2 and "exists already" in again.text
    no_report = desk.run(*asked[:-1], "--key", "keys/signer.p12")
    assert no_report.code == 2, no_report.text


def test_a_release_carries_the_audit_of_its_method(desk: Desk) -> None:
    """An audit that is quick and blunt: 100 runs. Its verdict is what the certificate prints."""
    asked = "audit mechanism --method cliquetree --runs 100 --columns 1 --json".split()
    answer = desk.run(*asked)
    assert answer.code in {0, 6}, answer.text  # a sound method is rejected once in 10,000 audits
    (desk.folder / "audit.json").write_text(answer.out, encoding="utf-8")
    assert desk.release("--audit", "audit.json").code == 0
    fact = predicate(desk.folder / "clinic" / "public")["audit"]["status"]["value"]
    assert fact["status"] == ("ok" if answer.code == 0 else "inconclusive")
    assert "100 fits of each" in fact["text"]
    wrong = desk.release("--audit", "audit.json", "--synthesizer", "mst", name="second")
    assert wrong.code == 2 and "does not audit the method mst" in wrong.text
