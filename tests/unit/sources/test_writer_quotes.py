"""CSV output: plain where plain is enough, quoted where a reader would otherwise go wrong."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pytest

from dpsynth.sources.writer import write_table


def test_plain_text_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    write_table(pa.table({"a": ["1", ""], "b": ["x y", "?"]}), path, "csv")
    assert path.read_text() == "a,b\n1,x y\n,?\n"


@pytest.mark.parametrize("text", ["a,b", 'say "so"', "two\nlines", " edge", "edge ", "a\rb"])
def test_what_needs_quotes_reads_back(tmp_path: Path, text: str) -> None:
    path = tmp_path / "quoted.csv"
    write_table(pa.table({"a": [text, "1"], "b": ["2", text]}), path, "csv")
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["a", "b"], [text, "2"], ["1", text]]


def test_a_column_name_that_needs_quotes_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    write_table(pa.table({"a,b": ["1"], "c": ["2"]}), path, "csv")
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["a,b", "c"], ["1", "2"]]


def test_blank_cells_of_a_single_column_are_rows(tmp_path: Path) -> None:
    path = tmp_path / "single.csv"
    write_table(pa.table({"a": ["", "1", ""]}), path, "csv")
    with path.open(newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 4
