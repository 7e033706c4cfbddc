from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpsynth.errors import InputError
from dpsynth.sources.files import open_source
from dpsynth.sources.writer import TableWriter, write_table

TABLE = pa.table(
    {
        "a b": ["x", "y;z", 'q"r', "", "two\nlines"],
        "n": pa.array([1, None, 3, 4, 5]),
        "é": [0.5, 1.0, 2.25, -1e-9, 1e15],
    }
).replace_schema_metadata({"pandas": "{}"})


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_same_table_same_bytes(tmp_path: Path, form: str) -> None:
    paths = [tmp_path / f"{i}.{form}" for i in range(2)]
    for path in paths:
        write_table(TABLE, path, form, delimiter=";")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b"pandas" not in paths[0].read_bytes()


def test_csv_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_table(TABLE, path, "csv", delimiter=";")
    source = open_source(path, delimiter=";")
    assert source.columns() == ("a b", "n", "é")
    raw = source.read(["a b", "n"]).columns
    assert raw["a b"].to_pylist() == [b"x", b"y;z", b'q"r', b"", b"two\nlines"]
    assert raw["n"].to_pylist() == [b"1", b"", b"3", b"4", b"5"]
    assert b"\r" not in path.read_bytes()


def test_parquet_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(TABLE, path, "parquet")
    assert pq.read_table(path).to_pydict() == TABLE.to_pydict()
    assert pq.read_metadata(path).metadata is None


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_parts_are_one_table(tmp_path: Path, encoding: str) -> None:
    """One header and one byte order mark; a part with quotes may follow one without."""
    path = tmp_path / "t.csv"
    parts = [pa.table({"a": ["x", "é"], "b": ["1", "2"]}), pa.table({"a": ['y,"'], "b": ["3"]})]
    with path.open("wb") as file, TableWriter(file, "csv", encoding=encoding) as writer:
        for part in parts:
            writer.append(part)
    assert path.read_text(encoding) == 'a,b\nx,1\né,2\n"y,""","3"\n'
    assert open_source(path, encoding=encoding).read(["a"]).columns["a"].to_pylist() == [
        b"x", "é".encode(), b'y,"',
    ]  # fmt: skip


def test_parts_of_parquet_are_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with path.open("wb") as file:
        with TableWriter(file, "parquet") as writer:
            for _ in range(3):
                writer.append(TABLE)
        assert not file.closed
    assert pq.read_metadata(path).num_row_groups == 3
    assert pq.read_table(path).to_pydict() == pa.concat_tables([TABLE] * 3).to_pydict()


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown"):
        write_table(TABLE, tmp_path / "t.xls", "xls")
    with pytest.raises(InputError, match="cannot be written"):
        write_table(TABLE, tmp_path / "no" / "t.csv", "csv")
