"""CSV and Parquet files: names first, rows only when asked, and never a cell in a message.

Opening a file and reading its header happens before any budget is spent; :meth:`FileSource.read` is
the one place where rows are read. Every cell comes back as the file holds it: nothing is inferred.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from dpsynth.errors import InputError
from dpsynth.schema.dictionary import Dictionary
from dpsynth.schema.texts import is_readable

_DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
_HEADER_LIMIT = 1 << 20
_BLOCK = 16 << 20
_LARGEST_BLOCK = 2**31 - 1
_MOST_GROWTH = 3  # bytes of UTF-8 that one byte of another encoding may become
_UTF8 = {"utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii"}
_FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or zip archive",
    b"\x1f\x8b": "compressed with gzip",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"%PDF": "a PDF",
    b"SQLi": "an SQLite database",
}


@dataclass(frozen=True, kw_only=True)
class RawColumns:
    """Columns as the file holds them, and how many malformed rows were skipped.

    Attributes:
        columns: Arrow columns by name; binary for CSV, the stored type for Parquet.
        malformed_rows: CSV rows with a wrong number of cells; private, internal evidence only.
    """

    columns: Mapping[str, pa.ChunkedArray]
    malformed_rows: int


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """One CSV or Parquet file; make it with :func:`open_source`.

    Attributes:
        path: The file.
        format: ``csv`` or ``parquet``.
        delimiter: Delimiter of a CSV file.
        encoding: Text encoding of a CSV file.
    """

    path: Path
    format: Literal["csv", "parquet"]
    delimiter: str = ","
    encoding: str = "utf-8"

    def columns(self) -> tuple[str, ...]:
        """Return the column names from the header or schema; no row is read.

        Raises:
            InputError: The header cannot be read, is blank, repeats a name or looks like another
                delimiter. Names are not shown: a file without header has private cells there.
        """
        names = self._parquet_names() if self.format == "parquet" else self._csv_names()
        for place, name in enumerate(names):
            if name in names[:place]:
                raise self._error(
                    f"columns {names.index(name) + 1} and {place + 1} have the same name.",
                    "Rename one; check that the first line is a header.",
                )
        if len(names) == 1 and (other := self._better_delimiter(names)):
            raise self._error(
                f"the header looks as if the delimiter were {_NAMES[other]}.",
                f"Declare `delimiter: {json.dumps(other)}` in the dictionary.",
            )
        return names

    def check_against(self, dictionary: Dictionary) -> tuple[str, ...]:
        """Check that every declared column is there; no row is read.

        Returns:
            Names of columns that the file has and the dictionary does not; they are ignored.

        Raises:
            InputError: A declared column is absent, or has a type that cannot be read.
        """
        names = self.columns()
        absent = [name for name in dictionary.names if name not in names]
        if absent:
            listed = ", ".join(absent[:10]) + (" and others" if len(absent) > 10 else "")
            fix = "Correct the header or the dictionary; names must agree letter by letter."
            if len(absent) == len(dictionary.names):
                fix = "None of the declared columns is there: does the file begin with a header?"
            if self._splits_better(names, dictionary):
                fix = "The delimiter looks wrong: correct `delimiter` in the dictionary."
            raise self._error(f"lacks the declared column {listed}.", fix)
        if self.format == "parquet":
            check_types(self._parquet_schema(), dictionary.names, where=str(self.path))
        return tuple(name for name in names if name not in dictionary.names)

    def read(self, names: Sequence[str]) -> RawColumns:
        """Read whole columns.

        Malformed CSV rows (wrong number of cells) are skipped and counted. Quoted cells may hold
        delimiters and line breaks.

        Args:
            names: Columns to read; each must be in the file.

        Raises:
            InputError: The file cannot be read or a column is absent. No cell is shown.
        """
        present = self.columns()
        for name in names:
            if name not in present:
                raise self._error(f"lacks the column {name!r}.", "Check it against the dictionary.")
        try:
            table, malformed = (
                (self._read_parquet(names), 0)
                if self.format == "parquet"
                else self._read_csv(present, names)
            )
        except (pa.ArrowException, OSError, UnicodeError, ValueError):
            # The text of the original error may quote a row: it is dropped on purpose.
            raise self._error(
                "is damaged or not in the declared form; rows could not be read.",
                "Check delimiter, encoding and quotes, or export the file again.",
            ) from None
        return RawColumns(
            columns={name: table.column(name) for name in names}, malformed_rows=malformed
        )

    def _error(self, what: str, fix: str | None = None) -> InputError:
        return InputError(what, where=str(self.path), fix=fix)

    def _parquet_schema(self) -> pa.Schema:
        try:
            return pa_parquet.read_schema(self.path)
        except (pa.ArrowException, OSError):
            raise self._error(
                "is not a readable Parquet file.", "Export it again, without encryption."
            ) from None

    def _parquet_names(self) -> tuple[str, ...]:
        names = tuple(self._parquet_schema().names)
        if not names:
            raise self._error("has no column.")
        return names

    def _csv_names(self) -> tuple[str, ...]:
        try:
            with self._text() as handle:
                names = next(
                    csv.reader(
                        iter(lambda: handle.readline(_HEADER_LIMIT), ""),
                        delimiter=self.delimiter,
                        strict=True,
                    ),
                    [],
                )
        except (OSError, csv.Error, UnicodeError):
            raise self._error(
                "has a first line that cannot be read as a header.",
                "Check that it is a CSV file with one header line.",
            ) from None
        names = [name.strip() for name in names]
        for place, name in enumerate(names, 1):
            if not name:
                raise self._error(
                    f"column {place} has no name.", "Give every column of the header a name."
                )
            if not name.replace("\t", "").isprintable():
                raise self._error(
                    f"column {place} has a name that is not plain text.",
                    "Check that it is a CSV file and that the encoding is declared right.",
                )
        if not names:
            raise self._error("begins with an empty line.", "The first line must be the header.")
        return tuple(names)

    def _text(self) -> TextIO:
        encoding = "utf-8-sig" if self.encoding.lower() in _UTF8 else self.encoding
        return self.path.open(encoding=encoding, errors="replace", newline="")

    def _has_one_line(self) -> bool:
        with self._text() as handle:
            line = handle.readline(_HEADER_LIMIT)
            return len(line) < _HEADER_LIMIT and not line.endswith(("\n", "\r"))

    def _better_delimiter(self, names: Sequence[str]) -> str | None:
        if self.format == "parquet":
            return None
        others = [d for d in _DELIMITERS if d != self.delimiter and d in names[0]]
        return max(others, key=names[0].count) if others else None

    def _splits_better(self, names: Sequence[str], dictionary: Dictionary) -> bool:
        if self.format == "parquet":
            return False
        joined = self.delimiter.join(names)
        parts = [{p.strip() for p in joined.split(d)} for d in _DELIMITERS if d != self.delimiter]
        found = len(set(names) & set(dictionary.names))
        return any(len(part & set(dictionary.names)) > found for part in parts)

    def _read_parquet(self, names: Sequence[str]) -> pa.Table:
        with pa_parquet.ParquetFile(self.path) as file:
            return file.read(columns=list(names))

    def _read_csv(self, present: Sequence[str], names: Sequence[str]) -> tuple[pa.Table, int]:
        if self._has_one_line():  # pyarrow refuses a header without a line end
            return pa.table({name: pa.array([], type=pa.binary()) for name in names}), 0
        try:
            return self._parse_csv(present, names, _BLOCK)
        except pa.ArrowInvalid:
            # Among other reasons, because a row is longer than two blocks.
            whole = min(_MOST_GROWTH * self.path.stat().st_size + _BLOCK, _LARGEST_BLOCK)
            return self._parse_csv(present, names, whole)

    def _parse_csv(
        self, present: Sequence[str], names: Sequence[str], block: int
    ) -> tuple[pa.Table, int]:
        """Read columns in blocks of so many bytes; no row may be longer than two of them."""
        skipped: list[None] = []

        def skip(_: pa_csv.InvalidRow) -> str:
            skipped.append(None)
            return "skip"

        with self.path.open("rb") as binary:
            table = pa_csv.read_csv(
                binary if self.encoding.lower() in _UTF8 else _Recoded(binary, self.encoding),
                read_options=pa_csv.ReadOptions(
                    column_names=list(present), skip_rows_after_names=1, block_size=block
                ),
                parse_options=pa_csv.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=len(present) > 1,
                    invalid_row_handler=skip,
                ),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=list(names),
                    column_types={name: pa.binary() for name in names},
                    null_values=[],
                    strings_can_be_null=False,
                    quoted_strings_can_be_null=False,
                    check_utf8=False,
                ),
            )
        return table, len(skipped)


def check_types(schema: pa.Schema, names: Sequence[str], *, where: str) -> None:
    """Refuse declared columns of a type that cannot be read, before a row is.

    Raises:
        InputError: There is such a column.
    """
    for name in names:
        if not is_readable(schema.field(name).type):
            raise InputError(
                f"the column {name!r} has a type that is not supported (a list, a record or the "
                "like).",
                where=where,
                fix="Store it as text, numbers or days.",
            )


class _Recoded(io.RawIOBase):
    """A text file in some encoding, read as UTF-8 bytes; unreadable bytes become U+FFFD."""

    def __init__(self, binary: io.BufferedReader, encoding: str) -> None:
        self._text = io.TextIOWrapper(binary, encoding=encoding, errors="replace", newline="")
        self._rest = b""

    def readable(self) -> bool:
        """It can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes (the caller's buffer is no larger), empty at the end."""
        while size < 0 or len(self._rest) < size:
            chunk = self._text.read(size)
            if not chunk:
                break
            self._rest += chunk.encode("utf-8", "replace")
        end = len(self._rest) if size < 0 else size
        found, self._rest = self._rest[:end], self._rest[end:]
        return found


def open_source(path: Path | str, *, delimiter: str = ",", encoding: str = "utf-8") -> FileSource:
    """Return the source of a CSV or Parquet file; reads its first bytes only.

    Args:
        path: The file. Parquet is known by its first bytes, everything else is read as CSV.
        delimiter: One character, for CSV.
        encoding: Text encoding, for CSV.

    Raises:
        InputError: The file is absent, empty, unreadable or of another kind.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError("is a folder.", where=str(path), fix="Name one CSV or Parquet file.")
    try:
        with path.open("rb") as handle:
            start = handle.read(4)
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror or 'input error'}).",
            where=str(path),
            fix="Check the path and the permissions.",
        ) from None
    if not start:
        raise InputError("is empty.", where=str(path), fix="Export the table again.")
    if start == b"PAR1":
        return FileSource(path=path, format="parquet")
    for magic, words in _FOREIGN.items():
        if start.startswith(magic):
            raise InputError(
                f"looks like {words}.", where=str(path), fix="Save it as CSV or Parquet."
            )
    if path.suffix.lower() in {".parquet", ".pq"}:
        raise InputError(
            "is not a Parquet file.", where=str(path), fix="Export it again or rename it."
        )
    return FileSource(path=path, format="csv", delimiter=delimiter, encoding=encoding)
