"""Write a table so that the same table gives the same bytes, and the bytes are on the disk."""

from __future__ import annotations

import codecs
import io
import os
import re
from pathlib import Path
from typing import IO, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from dpsynth.errors import InputError


def write_table(
    table: pa.Table, path: Path, format: str, *, delimiter: str = ",", encoding: str = "utf-8"
) -> None:
    """Write a table to a new file and flush it to the disk.

    Args:
        table: What to write.
        path: The file; it is overwritten.
        format: ``csv`` or ``parquet``.
        delimiter: One character, for CSV.
        encoding: Of CSV; text that it cannot hold is refused, never replaced.

    Raises:
        InputError: The format is unknown or the file cannot be written.
    """
    buffer = io.BytesIO()
    with TableWriter(buffer, format, delimiter=delimiter, encoding=encoding) as writer:
        writer.append(table)
    try:
        with path.open("wb") as handle:
            handle.write(buffer.getbuffer())
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or 'output error'}).",
            where=str(path),
            fix="Check the folder, its permissions and the free space.",
        ) from None


class TableWriter:
    """Appends parts of one table to an open file; use it as a context manager.

    CSV: a header, LF line ends, no quotes in a part unless some text of it needs them. Parquet: no
    metadata of a writer program, no time stamps. Null cells of CSV are blank.
    """

    def __init__(
        self, file: IO[bytes], format: str, *, delimiter: str = ",", encoding: str = "utf-8"
    ) -> None:
        """Prepare the file; nothing is written before the first part.

        Args:
            file: Open for writing; it stays open.
            format: ``csv`` or ``parquet``.
            delimiter: One character, for CSV.
            encoding: Of CSV; text that it cannot hold is refused, never replaced.

        Raises:
            InputError: The format is unknown.
        """
        if format not in {"csv", "parquet"}:
            raise InputError(f"The format {format!r} is unknown.", fix="Choose `csv` or `parquet`.")
        self._file = file
        self._csv = format == "csv"
        self._delimiter = delimiter
        self._encoding = encoding
        # One encoder for all parts: a byte order mark belongs at the beginning of the file only.
        self._encoder = codecs.getincrementalencoder(encoding)()
        self._parquet: Any = None
        self._empty = True

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, *error: object) -> None:
        """Complete the file."""
        if self._parquet is not None:
            self._parquet.close()

    def append(self, table: pa.Table) -> None:
        """Write one more part; its columns and their types are those of the first.

        Raises:
            InputError: The encoding cannot hold some text.
        """
        plain = table.replace_schema_metadata(None)
        if self._csv:
            self._append_csv(plain)
        else:
            if self._parquet is None:
                self._parquet = pa_parquet.ParquetWriter(
                    self._file, plain.schema, compression="zstd", store_schema=False
                )
            self._parquet.write_table(plain)
        self._empty = False

    def _append_csv(self, plain: pa.Table) -> None:
        buffer = io.BytesIO()
        style = "needed" if _needs_quotes(plain, self._delimiter) else "none"
        pa_csv.write_csv(
            plain,
            buffer,
            pa_csv.WriteOptions(
                include_header=self._empty,
                delimiter=self._delimiter,
                quoting_style=style,
                quoting_header=style,
            ),
        )
        content: bytes | memoryview = buffer.getbuffer()
        if self._encoding.lower().replace("_", "-") not in {"utf-8", "utf8"}:
            try:
                content = self._encoder.encode(buffer.getvalue().decode("utf-8"))
            except UnicodeEncodeError:
                raise InputError(
                    f"The encoding {self._encoding} cannot hold a category of the dictionary.",
                    fix="Declare `encoding: utf-8` and save the source in it, or write Parquet.",
                ) from None
        self._file.write(content)


def _needs_quotes(table: pa.Table, delimiter: str) -> bool:
    """Say whether any text holds the delimiter, a quote, a line break or an outer space.

    A single column is quoted too: its blank cells would be blank lines, which readers skip.
    """
    if table.num_columns == 1:
        return True
    special = re.compile(f'["\\r\\n{re.escape(delimiter)}]|^\\s|\\s$')
    if any(special.search(name) for name in table.column_names):
        return True
    return any(
        pc.any(pc.match_substring_regex(column, special.pattern)).as_py() or False
        for column in table.columns
        if pa.types.is_string(column.type)
    )
