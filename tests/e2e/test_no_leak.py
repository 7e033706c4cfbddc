"""Nothing observable follows one person's values: not a file, a message, a schema or a count."""

from __future__ import annotations

import json
import re

import numpy as np
from steward import Desk, public_evidence, rows_of, write_csv

from dpsynth.auditing.artifacts import holding

TOKEN = "Zanzibar-Quux-7731"


def _observe(desk: Desk, name: str) -> tuple[str, dict[str, object]]:
    """Return the messages with numbers blanked, and what the files look like."""
    answer = desk.release("--ledger", str(desk.folder / f"{name}.sqlite"), name=name)
    assert answer.code == 0, answer.text
    bundle = desk.folder / name
    words = re.sub(r"[0-9A-F]{10}|\d[\d.]*", "#", answer.text.replace(name, "NAME"))
    words = re.sub(r"\[ +#", "[#", words)  # a step that begins after ten seconds is one wider
    with np.load(next((bundle / "internal" / "model").glob("*.npz")), allow_pickle=False) as arrays:
        one_ways = sorted(key for key in arrays.files if arrays[key].ndim == 1)
    evidence = public_evidence(bundle)
    return words, {
        "files": sorted(str(path.relative_to(bundle)) for path in bundle.rglob("*")),
        "header": (bundle / "public" / "synthetic.csv").read_text().splitlines()[0],
        "columns": evidence["data"]["columns"],
        "described": json.loads((bundle / "public" / "croissant.json").read_text())["recordSet"],
        "warnings": evidence["data"]["warnings"],
        "arrays": bool(one_ways),
    }


def test_a_person_with_a_unique_value_changes_nothing_observable(desk: Desk) -> None:
    rows = rows_of(4000)
    write_csv(desk.folder / "data.csv", rows)
    without = _observe(desk, "first-run")
    unusual = ("P999999", TOKEN, TOKEN, TOKEN, TOKEN)
    write_csv(desk.folder / "data.csv", [*rows, unusual])
    with_them = _observe(desk, "second-run")
    assert without == with_them


def test_a_planted_token_is_found_nowhere(desk: Desk) -> None:
    rows = rows_of(4000)
    planted = [
        (f"{TOKEN}{i}", r[1], TOKEN if i % 2 else r[2], r[3], r[4]) for i, r in enumerate(rows)
    ]
    write_csv(desk.folder / "data.csv", planted)
    answer = desk.release()
    assert answer.code == 0, answer.text
    assert TOKEN not in answer.text
    found = holding(desk.folder, texts=[TOKEN])
    assert [path.name for path in found] == ["data.csv"]
    assert "ward" in answer.err, "half of the column lies outside its domain: that is worth a note"
