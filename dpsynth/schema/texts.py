"""Arrow columns to short, stripped texts: the one form in which cells are compared with codes.

Total on content: no cell can raise. Bytes that are not text become replacement characters, which no
declared code holds, so that such a cell ends in the out-of-domain bucket.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.errors import InputError

MAX_NUMBER_TEXT = 40  #: no number of the domain needs more characters
_NUMBER = r"\A[+-]?(\d+(\.\d*)?|\.\d+)([eE](\+?\d{1,2}|-\d{1,3}))?\z"
_EPOCH = date(1970, 1, 1).toordinal()


def unique_texts(
    column: pa.ChunkedArray | pa.Array, *, date_format: str | None, truth: tuple[str, str]
) -> Iterator[tuple[pa.Array, NDArray[np.int64]]]:
    """Yield (different texts, place of each row among them) for each chunk of a column.

    Args:
        column: Any flat Arrow column.
        date_format: strftime format for columns of days or times, None for ISO texts.
        truth: Texts of true and of false for columns of bits.

    Yields:
        Stripped texts as a string array, and int64 places of shape (rows,); -1 stands for null, and
        for NaN in a column of numbers.

    Raises:
        InputError: The column's type is nested or otherwise not flat.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    for chunk in chunks:
        chunk = _plain(chunk)
        if pa.types.is_floating(chunk.type):
            chunk = pc.if_else(pc.is_nan(chunk), pa.scalar(None, type=chunk.type), chunk)
        if pa.types.is_null(chunk.type):
            yield pa.array([], type=pa.string()), np.full(len(chunk), -1, dtype=np.int64)
            continue
        try:
            coded = bytes_of(chunk).dictionary_encode()
            texts = _to_text(coded.dictionary, date_format, truth)
        except (pa.ArrowNotImplementedError, pa.ArrowTypeError):
            raise InputError(
                "has a type that is not supported (a list, a record or the like).",
                fix="Store it as text, numbers or days.",
            ) from None
        places = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        yield pc.utf8_trim_whitespace(texts), places.astype(np.int64)


def unique_bytes(column: pa.ChunkedArray | pa.Array) -> tuple[list[bytes], NDArray[np.int64]]:
    """Return the different cells as stripped bytes, and the place of each row among them.

    Cells are compared byte by byte, so that two that cannot be decoded stay two; blanks around a
    text are those of :func:`unique_texts`, also beyond ASCII.

    Returns:
        Bytes of each different cell that is not blank, and int64 (rows,); -1 stands for blank.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    places: dict[bytes, int] = {}
    parts = [np.zeros(0, dtype=np.int64)]
    for chunk in chunks:
        raw = bytes_of(_plain(chunk))
        if pa.types.is_large_binary(raw.type):
            coded = raw.dictionary_encode()
            texts, at = coded.dictionary.to_pylist(), coded.indices.fill_null(-1).to_numpy()
            found = [(texts, at.astype(np.int64))]
        else:
            found = [
                ([text.encode() for text in texts.to_pylist()], at)
                for texts, at in unique_texts(raw, date_format=None, truth=("true", "false"))
            ]
        for texts, at in found:
            stripped = [_stripped(text) for text in texts]
            seen = [places.setdefault(t, len(places)) if t else -1 for t in stripped]
            parts.append(np.array([*seen, -1], dtype=np.int64)[at])
    return list(places), np.concatenate(parts)


def is_readable(kind: pa.DataType) -> bool:
    """Return whether columns of an Arrow type can be read; tried on a column without rows.

    To be asked before a table is opened: whether a type can be read is public.
    """
    try:
        empty = pa.array([], type=kind)
        unique_bytes(empty)
        for form in (None, "%Y"):
            list(unique_texts(empty, date_format=form, truth=("true", "false")))
    except (pa.ArrowException, InputError):
        return False
    return not pa.types.is_nested(kind)


def _plain(values: pa.Array) -> pa.Array:
    """Return an array without a dictionary, and without a type that was built on another."""
    while True:
        if isinstance(values.type, pa.BaseExtensionType):
            values = values.storage
        elif pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        else:
            return values


def _stripped(text: bytes) -> bytes:
    try:
        return text.decode().strip().encode()
    except UnicodeDecodeError:
        return text.strip()


def bytes_of(values: pa.Array) -> pa.Array:
    """Return text and bytes of every layout as large binary, other columns as they are.

    Arrow does not check the text of a file: a cell that is no UTF-8 must not raise anywhere.
    """
    kind = values.type
    if pa.types.is_fixed_size_binary(kind):
        return values.cast(pa.binary()).cast(pa.large_binary())
    if (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    ):  # fmt: skip
        plain = pa.binary_view() if pa.types.is_string_view(kind) else pa.binary()
        wide = pa.large_binary() if pa.types.is_large_string(kind) else plain
        return values.view(wide).cast(pa.large_binary())
    if pa.types.is_binary(kind) or pa.types.is_binary_view(kind):
        return values.cast(pa.large_binary())
    return values


def _to_text(values: pa.Array, date_format: str | None, truth: tuple[str, str]) -> pa.Array:
    kind = values.type
    if pa.types.is_boolean(kind):
        return pa.array([truth[0] if v else truth[1] for v in values.to_pylist()], type=pa.string())
    if date_format is not None and (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return _days_to_text(values, date_format)
    if pa.types.is_large_binary(kind):
        try:
            return values.cast(pa.string())
        except pa.ArrowInvalid:
            texts = [v.decode("utf-8", "replace") for v in values.to_pylist()]
            return pa.array(texts, type=pa.string())
    return values.cast(pa.string())


def _days_to_text(values: pa.Array, date_format: str) -> pa.Array:
    if pa.types.is_timestamp(values.type):
        if values.type.tz is not None:
            values = pc.local_timestamp(values)
        values = pc.floor_temporal(values, unit="day").cast(pa.timestamp("s"), safe=False)
        days = values.cast(pa.int64()).to_numpy(zero_copy_only=False) // 86400
    else:
        days = values.cast(pa.date32(), safe=False).cast(pa.int32())
        days = days.to_numpy(zero_copy_only=False)
    texts = []
    for day in (np.asarray(days, dtype=np.int64) + _EPOCH).tolist():
        inside = 1 <= day <= date.max.toordinal()
        texts.append(date.fromordinal(day).strftime(date_format) if inside else "out of calendar")
    return pa.array(texts, type=pa.string())


def to_numbers(texts: pa.Array) -> NDArray[np.float64]:
    """Return stripped decimal texts as float64, NaN for everything else.

    ``nan``, ``inf``, underscores, hexadecimal and digits of other scripts are not numbers here.
    """
    good = pc.and_(
        pc.match_substring_regex(texts, pattern=_NUMBER),
        pc.less_equal(pc.binary_length(texts), MAX_NUMBER_TEXT),
    )
    numbers = pc.if_else(good, texts, pa.scalar(None, type=pa.string())).cast(pa.float64())
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)


def to_days(texts: pa.Array, date_format: str) -> NDArray[np.float64]:
    """Return texts in a strftime format as proleptic day numbers, NaN for everything else."""
    days = np.full(len(texts), np.nan)
    for i, text in enumerate(texts.to_pylist()):
        try:
            days[i] = datetime.strptime(text, date_format).toordinal()
        except ValueError:
            continue
    return days
