"""Reading cells is total: no content of any layout raises, and no message can hold a cell."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dpsynth.schema.texts import unique_texts

BAD = b"M\xfcller"


def unchecked_text(kind: pa.DataType) -> pa.Array:
    """Return a text array with a cell that is no UTF-8, as a Parquet file can hold one."""
    wide = kind == pa.large_string()
    layout = pa.large_binary() if wide else pa.binary()
    return pa.array([BAD, b"ok"], type=layout).view(kind)


@pytest.mark.parametrize(
    "column",
    [
        unchecked_text(pa.string()),
        unchecked_text(pa.large_string()),
        pa.array([BAD, b"ok"], pa.binary()),
        pa.array([BAD, b"ok"], pa.large_binary()),
        pa.array([BAD, b"ok"], pa.binary_view()),
        pa.array([BAD, b"ok"], pa.binary()).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_bytes_that_are_no_text_are_replaced(column: pa.Array) -> None:
    found = list(unique_texts(column, date_format=None, truth=("1", "0")))
    assert [texts.to_pylist() for texts, _ in found] == [["M\ufffdller", "ok"]]


@pytest.mark.parametrize("date_format", [None, "%Y-%m-%d"])
def test_a_day_with_a_time_in_it_is_floored(date_format: str | None) -> None:
    milliseconds = (1581120012345).to_bytes(8, "little")
    column = pa.Array.from_buffers(pa.date64(), 1, [None, pa.py_buffer(milliseconds)])
    found = list(unique_texts(column, date_format=date_format, truth=("1", "0")))
    assert [texts.to_pylist() for texts, _ in found] == [["2020-02-08"]]
