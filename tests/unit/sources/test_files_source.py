"""CSV and Parquet sources: clear refusals, raw cells, and never a cell in a message."""

from __future__ import annotations

import gzip
import traceback
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpsynth.errors import InputError
from dpsynth.schema.dictionary import Column, Dictionary, Kind, PrivacyUnitSpec, Role, TextDomain
from dpsynth.sources.files import open_source

CANARY = "Zephyrine-Quartermain-7741"


def dictionary(*names: str) -> Dictionary:
    return Dictionary(
        title="t",
        columns=tuple(
            Column(name=n, kind=Kind.TEXT, role=Role.OTHER, meaning="", domain=TextDomain())
            for n in names
        ),
        privacy_unit=PrivacyUnitSpec(kind="row"),
    )


def csv_file(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def cells(path: Path, name: str, **options: str) -> list[bytes]:
    return open_source(path, **options).read([name]).columns[name].to_pylist()


def test_cells_come_back_as_written(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        b'\xef\xbb\xbfa, b ,c\r\n1,"x, ""y""\r\nz",NA\r\n 2 ,,null\r\n\r\n\xff,NaN,"None"\r\n'
        b"too,few\r\nfar,too,many,cells\r\n3,last,",
    )
    source = open_source(path)
    assert source.format == "csv"
    assert source.columns() == ("a", "b", "c")
    raw = source.read(["c", "a", "b"])
    assert list(raw.columns) == ["c", "a", "b"]
    assert raw.malformed_rows == 2
    assert raw.columns["a"].to_pylist() == [b"1", b" 2 ", b"\xff", b"3"]
    assert raw.columns["b"].to_pylist() == [b'x, "y"\r\nz', b"", b"NaN", b"last"]
    assert raw.columns["c"].to_pylist() == [b"NA", b"null", b"None", b""]
    assert all(column.null_count == 0 for column in raw.columns.values())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    path = csv_file(tmp_path, end.join(["a;b", "1;2", "3;4"]))
    assert cells(path, "b", delimiter=";") == [b"2", b"4"]


def test_other_encodings_arrive_as_utf8(tmp_path: Path) -> None:
    text = "naïve,b\nétude,1\n日,2\n"
    for encoding in ("latin-1", "utf-16", "cp1252", "utf-8"):
        path = csv_file(tmp_path, text.encode(encoding, "replace"))
        source = open_source(path, encoding=encoding)
        assert source.columns() == ("naïve", "b")
        assert source.read(["naïve"]).columns["naïve"].to_pylist()[0].decode() == "étude"
    broken = csv_file(tmp_path, b"a,b\n\x81,1\n")
    assert cells(broken, "a", encoding="cp1252") == ["\ufffd".encode()]


def test_one_column_keeps_its_blank_rows(tmp_path: Path) -> None:
    assert cells(csv_file(tmp_path, "a\n1\n\n2\n"), "a") == [b"1", b"", b"2"]


def test_header_without_rows(tmp_path: Path) -> None:
    for content in ("a,b", "a,b\n", "a,b\r\n"):
        assert cells(csv_file(tmp_path, content), "b") == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\na,b\n", "empty line"),
        (b"a,b,a\n1,2,3\n", "columns 1 and 3 have the same name"),
        (b"a,,b\n1,2,3\n", "column 2 has no name"),
        (b"a;b;c\n1;2;3\n", "semicolon"),
        (b"a\tb\n1\t2\n", 'delimiter: "\\\\t"'),
        (b"a|b|c\n", "vertical bar"),
        (b'"a,b\n1,2\n', "header"),
        (b"\x00\x01,\x02\n", "not plain text"),
        (b"PK\x03\x04....", "spreadsheet"),
        (gzip.compress(b"a,b\n", mtime=0), "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b"x" * 300_000 + b",b\n", "header"),
    ],
    ids=lambda v: repr(v[:10]) if isinstance(v, bytes) else "",
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = csv_file(tmp_path, content)
    with pytest.raises(InputError, match=words) as caught:
        open_source(path).columns()
    assert "data.csv" in str(caught.value)


def test_absent_file_folder_and_false_parquet(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        open_source(tmp_path / "no.csv")
    with pytest.raises(InputError, match="is a folder"):
        open_source(tmp_path)
    path = tmp_path / "x.parquet"
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(InputError, match="not a Parquet file"):
        open_source(path)
    path.write_bytes(b"PAR1" + b"\x00" * 100)
    with pytest.raises(InputError, match="not a readable Parquet"):
        open_source(path).columns()


def test_check_against_names_what_is_absent_and_what_is_more(tmp_path: Path) -> None:
    source = open_source(csv_file(tmp_path, "a,b,more\n1,2,3\n"))
    assert source.check_against(dictionary("b", "a")) == ("more",)
    with pytest.raises(InputError, match="lacks the declared column c, d"):
        source.check_against(dictionary("a", "c", "d"))
    with pytest.raises(InputError, match="begin with a header"):
        source.check_against(dictionary("c", "d"))
    with pytest.raises(InputError, match="delimiter looks wrong"):
        open_source(csv_file(tmp_path, "a;b,c;d\n")).check_against(dictionary("a", "b", "d"))


def test_a_file_without_header_shows_no_cell(tmp_path: Path) -> None:
    path = csv_file(tmp_path, f"{CANARY},{CANARY},x\n{CANARY},y,z\n")
    for call in (
        lambda s: s.columns(),
        lambda s: s.check_against(dictionary("a", "b")),
        lambda s: s.read(["a"]),
    ):
        with pytest.raises(InputError) as caught:
            call(open_source(path))
        assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_damaged_rows_show_no_cell(tmp_path: Path) -> None:
    huge = csv_file(tmp_path, b'a,b\n1,2\n"' + CANARY.encode() + b"x" * (40 << 20) + b'",2\n' * 2)
    try:
        open_source(huge).read(["a"])
    except InputError as error:
        assert CANARY not in "".join(traceback.format_exception(error))
    with pytest.raises(InputError, match="lacks the column 'c'"):
        open_source(huge).read(["c"])


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table(
        {
            "a.b": ["x", None],
            "n": [1, 2],
            "l": [[1], [2]],
            "d": pa.array(["u", "u"]).dictionary_encode(),
        }
    )
    pq.write_table(table, path)
    source = open_source(path)
    assert source.format == "parquet"
    assert source.columns() == ("a.b", "n", "l", "d")
    assert source.check_against(dictionary("n", "a.b")) == ("l", "d")
    raw = source.read(["n", "a.b", "d"])
    assert raw.columns["a.b"].to_pylist() == ["x", None]
    assert raw.columns["n"].to_pylist() == [1, 2]
    with pytest.raises(InputError, match="'l' has a type that is not supported"):
        source.check_against(dictionary("l"))
    content = bytearray(path.read_bytes())
    content[20:60] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        open_source(path).read(["n", "a.b"])
