"""Long rows and rare types: read, or refused before a row is read."""

from __future__ import annotations

import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from dpsynth.errors import InputError
from dpsynth.schema.dictionary import load_dictionary
from dpsynth.schema.texts import is_readable, unique_bytes
from dpsynth.sources import files
from dpsynth.sources.files import open_source
from dpsynth.sources.frames import FrameSource

DICTIONARY = """
version: 1
title: t
privacy_unit: {kind: column, column: id}
columns:
- {name: id, kind: id, role: direct_identifier, meaning: m, domain: {pattern: '[0-9a-f]{8}'}}
- {name: x, kind: categorical, role: other, meaning: m, domain: {categories: [a, b]}}
"""


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_a_row_longer_than_two_blocks_is_read(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One person's long cell must not decide whether there is a release."""
    monkeypatch.setattr(files, "_BLOCK", 1 << 10)
    short = [f"{i},a,b" for i in range(500)]
    lines = ["id,x,note", *short, "9,a," + "z" * 5000, "too,few", *short]
    path = tmp_path / "data.csv"
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    read = open_source(path, encoding=encoding).read(["id", "x"])
    assert len(read.columns["id"]) == 1001 and read.malformed_rows == 1


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.int8()), pa.struct([("a", pa.int8())]), pa.map_(pa.int8(), pa.int8()),
        pa.month_day_nano_interval(), pa.run_end_encoded(pa.int32(), pa.string()),
        pa.dictionary(pa.int8(), pa.list_(pa.int8())),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_before_a_row_is(kind: pa.DataType, tmp_path: Path) -> None:
    assert not is_readable(kind)
    (tmp_path / "d.yaml").write_text(DICTIONARY, encoding="utf-8")
    table = pa.table({"id": pa.nulls(2, kind), "x": ["a", "b"]})
    with pytest.raises(InputError, match="'id' has a type that is not supported"):
        FrameSource(table).check_against(load_dictionary(tmp_path / "d.yaml"))


def test_universally_unique_numbers_name_units(tmp_path: Path) -> None:
    """Arrow stores them as a type of its own, built on 16 bytes."""
    numbers = [uuid.UUID(int=i << 64).bytes for i in range(1, 4)]
    table = pa.table(
        {
            "id": pa.array([*numbers, numbers[0], None], pa.uuid()),
            "x": pa.array(["a", "b", "a", "b", "a"]),
        }
    )
    pa_parquet.write_table(table, tmp_path / "u.parquet")
    (tmp_path / "d.yaml").write_text(DICTIONARY, encoding="utf-8")
    source = open_source(tmp_path / "u.parquet")
    assert source.check_against(load_dictionary(tmp_path / "d.yaml")) == ()
    labels, places = unique_bytes(source.read(["id"]).columns["id"])
    assert len(labels) == 3 and places.tolist() == [0, 1, 2, 0, -1]
