"""A release with open columns, from the command line: found, charged, published, sampled again."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pa_csv
from steward import DICTIONARY, HEADER, Desk, public_evidence, rows_of, write_csv

OPEN = """\
- {name: clinic, kind: categorical, role: other, meaning: clinic,
   domain: {open: true, known_values: [main]}, missing: {'-': none}}
- {name: weight, kind: float, role: other, meaning: kg, domain: {open: true, lower: 0, bins: 8}}
"""
CLINICS = ("main", "old town", "=harbour", "<b>hill</b>", "Überlingen")


def furnish_open(desk: Desk, extra: list[tuple[str, ...]] | None = None) -> None:
    """Add two open columns to the table of the desk."""
    rng = np.random.default_rng(5)
    rows = [(*row, str(rng.choice(CLINICS)), f"{rng.normal(75, 12):.1f}") for row in rows_of(6000)]
    write_csv(desk.folder / "data.csv", [*rows, *(extra or [])], (*HEADER, "clinic", "weight"))
    (desk.folder / "dictionary.yaml").write_text(DICTIONARY + OPEN, encoding="utf-8")


def facts(bundle: Path) -> dict[str, Any]:
    return {
        f"{section}.{key}": leaf["value"]
        for section, leaves in public_evidence(bundle).items()
        if section != "schemaVersion"
        for key, leaf in leaves.items()
    }


def test_open_columns_are_found_paid_for_and_published(desk: Desk) -> None:
    furnish_open(desk, [("P999999", "50", "north", "1", "1", "Atlantis", "99999")])
    answer = desk.release()
    assert answer.code == 0, answer.text
    bundle = desk.folder / "clinic"
    shown = facts(bundle)
    found = {item["column"]: item for item in shown["data.discovered"]}
    assert found["clinic"]["found"] == 4 and found["weight"]["found"] >= 2
    domains = json.loads((bundle / "internal" / "model" / "domains.json").read_text())
    assert set(domains["clinic"]["categories"]) == set(CLINICS)
    assert domains["weight"]["upper"] < 300, "one person far out moves no bound"
    assert b"Atlantis" not in b"".join(p.read_bytes() for p in bundle.rglob("*") if p.is_file())
    table = pa_csv.read_csv(bundle / "public" / "synthetic.csv").to_pandas()
    assert set(table["clinic"].dropna()) <= {*CLINICS, "-", "__out_of_domain__"}
    assert abs(table["weight"].median() - 75) < 8

    # Every stage is charged, within the reservation, in rho and in delta.
    stages = {item["stage"] for item in shown["budget.stages"]}
    assert {"discovery", "one-way", "scores", "tables", "published error"} == stages
    charged = sum(Fraction(call["rho"]) for call in shown["accounting.calls"])
    assert charged <= Fraction(shown["guarantee.rho"])
    own = sum(Fraction(call.get("delta", "0")) for call in shown["accounting.calls"])
    assert 0 < own <= Fraction(shown["guarantee.delta"]) / 10

    error = shown["fitness.measured_error"]
    assert [mean["ways"] for mean in error["means"]] == [1, 2]
    assert [name for name, _ in error["columns"]] == [
        "age", "ward", "cost", "outcome", "clinic", "weight",
    ]  # fmt: skip
    assert desk.verify(bundle).code == 0

    # The model knows the domains that were found for it.
    out = desk.folder / "more.csv"
    drawn = desk.run(
        "sample", str(bundle / "internal" / "model"), "--rows", "50", "--out", str(out),
        "--dictionary", str(desk.folder / "dictionary.yaml"),
    )  # fmt: skip
    assert drawn.code == 0, drawn.text
    assert len(out.read_text(encoding="utf-8").splitlines()) == 51


def test_shares_of_zero_leave_open_columns_out_and_publish_no_error(desk: Desk) -> None:
    furnish_open(desk)
    answer = desk.release("--discovery-share", "0", "--fidelity-share", "0")
    assert answer.code == 0, answer.text
    assert "clinic is left out" in answer.err
    shown = facts(desk.folder / "clinic")
    assert shown["data.discovered"] == []
    assert shown["fitness.measured_error"]["status"] == "not_run"
    assert {item["stage"] for item in shown["budget.stages"]} == {"one-way", "scores", "tables"}


def test_a_share_that_makes_no_sense_spends_nothing(desk: Desk) -> None:
    for share in ("-0.1", "0.9", "nan"):
        answer = desk.release("--fidelity-share", share)
        assert answer.code == 2 and "fidelity_share" in answer.err, answer.text
    assert not desk.ledger.exists()


def open_only(desk: Desk, rows: int) -> None:
    """Give the desk a table whose every column is open."""
    rng = np.random.default_rng(6)
    ward = rng.choice(["north", "south"], rows)
    clinic = np.where(rng.random(rows) < 0.9, ward, "old town")
    weight = (rng.normal(75, 12, rows)).round(1)
    text = [(str(w), str(c), str(x)) for w, c, x in zip(ward, clinic, weight, strict=True)]
    write_csv(desk.folder / "data.csv", text, ("ward", "clinic", "weight"))
    head, _, _ = DICTIONARY.partition("columns:")
    columns = "".join(
        f"- {{name: {name}, kind: {kind}, role: other, meaning: m, domain: {{open: true}}}}\n"
        for name, kind in (("ward", "categorical"), ("clinic", "categorical"), ("weight", "float"))
    )
    text_of = head.replace("label: outcome\n", "") + "columns:\n" + columns
    (desk.folder / "dictionary.yaml").write_text(text_of, encoding="utf-8")


def test_a_table_of_which_nothing_is_declared_is_released(desk: Desk) -> None:
    open_only(desk, 6000)
    checked = desk.run(
        "check", "--data", str(desk.folder / "data.csv"), "--name", "clinic", "--lineage", "clinic",
        "--dictionary", str(desk.folder / "dictionary.yaml"), "--epsilon", "1", "--delta", "1e-6",
        "--assume-rows", "6000", "--target-error", ".05", "--ledger", str(desk.ledger),
    )  # fmt: skip
    assert checked.code == 0, checked.text
    assert "ward is open: its domain is looked for" in checked.err, "not called left out"
    assert "Not in this forecast" in checked.err and "ward, clinic, weight" in checked.err
    answer = desk.release()
    assert answer.code == 0, answer.text
    table = pa_csv.read_csv(desk.folder / "clinic" / "public" / "synthetic.csv").to_pandas()
    assert set(table) == {"ward", "clinic", "weight"}
    same = (table["ward"] == table["clinic"]).mean()
    assert 0.7 < same < 1, "nine in ten rows agree; independent columns would in 0.45"
    assert desk.verify(desk.folder / "clinic").code == 0


def test_a_table_of_which_nothing_is_visible_stops_with_the_reason(desk: Desk) -> None:
    """Six rows at epsilon 1: a threshold of some 60 rows hides them but in one run of 1e9."""
    open_only(desk, 6)
    answer = desk.release()
    assert answer.code == 2, answer.text
    assert "Nothing of the open columns is visible" in answer.err
    assert "stays spent" in answer.err
    assert not (desk.folder / "clinic").exists()
