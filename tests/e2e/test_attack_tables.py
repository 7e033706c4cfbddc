"""`dpsynth attack` on odd tables: inconclusive with a reason or a clear error, never a number."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from steward import HEADER, Desk, rows_of, write_csv

from dpsynth import attacks

Table = list[tuple[str, ...]]
Tables = dict[str, Table]
ROWS = rows_of(1800, seed=8)
REAL = {"train": ROWS[:600], "holdout": ROWS[600:1200], "synthetic": ROWS[1200:]}


def write_parquet(path: Path, rows: Table, header: tuple[str, ...] = HEADER) -> None:
    """Write rows as a Parquet file of texts, empty ones as null."""
    columns = list(zip(*rows, strict=True)) or [()] * len(header)
    arrays = [pa.array([cell or None for cell in column], pa.string()) for column in columns]
    pq.write_table(pa.Table.from_arrays(arrays, names=list(header)), path)


def attacked(
    desk: Desk,
    tables: Tables,
    kind: str,
    *more: str,
    headers: dict[str, tuple[str, ...]] | None = None,
) -> object:
    """Write three tables in a format and attack them."""
    write = write_csv if kind == "csv" else write_parquet
    asked = []
    for name, rows in tables.items():
        path = desk.folder / f"{name}.{kind}"
        write(path, rows, (headers or {}).get(name, HEADER))
        asked += [f"--{name}", str(path)]
    return desk.run("attack", *asked, "--dictionary", "dictionary.yaml", "--seed", "3", *more)


def each(change: Callable[[tuple[str, ...]], tuple[str, ...]], *names: str) -> Tables:
    """Change every row of some of the tables."""
    return REAL | {name: [change(row) for row in REAL[name]] for name in names}


def check(results: list[dict[str, object]]) -> None:
    """Most attacks have a number; of so few rows some say why they have none."""
    told = [r for r in results if r["status"] == "ok"]
    assert len(told) >= 10 and all(np.isfinite(r["value"]) for r in told)
    assert all(r["reason"] for r in results if r not in told)


EVERY = tuple(REAL)
INCONCLUSIVE = {
    "one row each": ({name: rows[:1] for name, rows in REAL.items()}, "Fewer than 100"),
    "one training row": (REAL | {"train": ROWS[:1]}, "Fewer than 100"),
    "a holdout that is too small": (REAL | {"holdout": ROWS[600:650]}, "Fewer than 100"),
    "an empty holdout": (REAL | {"holdout": []}, "Fewer than 100"),
    "one synthetic row": (REAL | {"synthetic": ROWS[1200:1201]}, "synthetic rows are the same"),
    "no synthetic rows": (REAL | {"synthetic": []}, "no rows"),
    "all rows the same": (each(lambda row: ROWS[0], *EVERY), "real rows are the same"),
    "all missing": (each(lambda row: ("",) * 5, *EVERY), "real rows are the same"),
    "synthetic rows all missing": (each(lambda row: ("",) * 5, "synthetic"), "are the same"),
}


def by_generator(results: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], ...]:
    """Part the attacks that would need the generator, and were not run, from those that ran."""
    names = attacks.generator_attack_names("full")
    without = [r for r in results if r["name"] in names]
    assert all(r["status"] == "not_run" and "generator" in r["reason"] for r in without)
    return without, [r for r in results if r["name"] not in names]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(("tables", "words"), INCONCLUSIVE.values(), ids=INCONCLUSIVE)
def test_tables_that_say_nothing_are_inconclusive(
    desk: Desk, kind: str, tables: Tables, words: str
) -> None:
    answer = attacked(desk, tables, kind, "--json", "--claimed-epsilon", "1")
    assert answer.code == 6, "nothing was tested: a machine must not take that for a pass"
    results = json.loads(answer.out)["results"]
    without, tested = by_generator(results)
    assert len(tested) == 14 and len(without) == 5
    for result in tested:
        assert (result["status"], result["verdict"]) == ("inconclusive", "inconclusive")
        assert words in result["reason"]
        assert (result["value"], result["p_value"], result["roc"]) == (None, None, None)


def test_the_screen_shows_reasons_and_no_number_that_means_nothing(desk: Desk) -> None:
    """In two columns of two values every row exists everywhere: planted copies are not found."""
    tables = each(lambda row: ("", "30", "north", str(10 * (row[1] > "50")), row[4]), *EVERY)
    answer = attacked(desk, tables, "csv", "--json")
    (copies,) = (r for r in json.loads(answer.out)["results"] if r["name"] == "exact_copies")
    assert copies["status"] == "inconclusive"
    shown = attacked(desk, tables, "csv")
    assert shown.code == answer.code == 0, shown.text
    line = next(text for text in shown.out.splitlines() if "Exact copies" in text)
    assert "inconclusive" in line and not any(c.isdigit() for c in line)
    assert f"Exact copies of training rows: {copies['reason']}" in " ".join(shown.out.split())


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("where", EVERY)
def test_a_table_that_spells_its_categories_otherwise_is_an_error(
    desk: Desk, kind: str, where: str
) -> None:
    """Nothing of it could equal anything: silence about it would be worth nothing."""
    tables = each(lambda row: (*row[:2], row[2] and row[2].upper(), *row[3:]), where)
    answer = attacked(desk, tables, kind)
    assert answer.code == 2, answer.text
    assert f"{where}.{kind}" in answer.err and "'ward'" in answer.err
    assert "declares" in answer.err and "NORTH" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_some_unknown_categories_count_as_one_value(desk: Desk, kind: str) -> None:
    rng = np.random.default_rng(1)
    tables = REAL | {
        "synthetic": [
            (*row[:2], "mars" if odd else row[2], *row[3:])
            for row, odd in zip(REAL["synthetic"], rng.random(600) < 0.2, strict=True)
        ]
    }
    answer = attacked(desk, tables, kind, "--json")
    assert answer.code == 0, answer.text
    assert "mars" not in answer.text
    check(json.loads(answer.out)["results"])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_constant_column_leaves_the_others_to_be_attacked(desk: Desk, kind: str) -> None:
    tables = each(lambda row: (*row[:2], "north", *row[3:]), *EVERY)
    leak = tables | {"synthetic": tables["train"][:300] + tables["synthetic"][:300]}
    quiet, loud = (attacked(desk, t, kind, "--json") for t in (tables, leak))
    assert (quiet.code, loud.code) == (0, 1), quiet.text + loud.text
    for answer in (quiet, loud):
        check(json.loads(answer.out)["results"])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_order_of_columns_does_not_matter(desk: Desk, kind: str) -> None:
    order = (3, 0, 4, 2, 1)
    moved = REAL | {"synthetic": [tuple(row[i] for i in order) for row in REAL["synthetic"]]}
    header = {"synthetic": tuple(HEADER[i] for i in order)}
    straight = attacked(desk, REAL, kind, "--json")
    mixed = attacked(desk, moved, kind, "--json", headers=header)
    assert straight.code == mixed.code == 0, mixed.text
    assert json.loads(straight.out)["results"] == json.loads(mixed.out)["results"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_that_is_not_there_is_an_error(desk: Desk, kind: str) -> None:
    tables = REAL | {"synthetic": [row[:4] for row in REAL["synthetic"]]}
    answer = attacked(desk, tables, kind, headers={"synthetic": HEADER[:4]})
    assert answer.code == 2, answer.text
    assert f"synthetic.{kind}" in answer.err and "'outcome'" in answer.err


@pytest.mark.parametrize("command", ["attack", "evaluate"])
def test_a_seed_that_nobody_gave_is_told(desk: Desk, command: str) -> None:
    """With it the same numbers come again; a machine may read it as a double."""
    for name, rows in REAL.items():
        write_csv(desk.folder / f"{name}.csv", rows[:300])
    asked = [word for name in REAL for word in (f"--{name}", f"{name}.csv")]
    asked += ["--dictionary", "dictionary.yaml"]
    drawn = json.loads(desk.run(command, *asked, "--json").out)
    assert drawn["seed"] == int(float(drawn["seed"])) < 2**53
    again = desk.run(command, *asked, "--seed", str(drawn["seed"]), "--json")
    assert json.loads(again.out) == drawn
    shown = desk.run(command, *asked, "--seed", "77")
    assert "Seed: 77" in shown.out


def test_a_report_says_that_nothing_could_be_said(desk: Desk) -> None:
    """From start to end: the report is written, stamped inconclusive, and holds no curve."""
    tables, words = INCONCLUSIVE["a holdout that is too small"]
    answer = attacked(desk, tables, "csv", "--report", "few.pdf", "--claimed-epsilon", "1")
    assert answer.code == 6, answer.text
    with pikepdf.open(desk.folder / "few.pdf") as pdf:
        held = json.loads(pdf.attachments["attack.json"].get_file().read_bytes())
    assert held["claim"]["epsilon"] == 1.0
    assert held["claim"]["ceiling"][0] == [0.0001, 0.000273]  # e times it, and delta, rounded up
    _, tested = by_generator(held["results"])
    assert all(words in r["reason"] and r["roc"] is None for r in tested)
