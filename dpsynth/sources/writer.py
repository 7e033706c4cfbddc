"""Write a table so that the same table gives the same bytes, and the bytes are on the disk."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from dpsynth.errors import InputError


def write_table(
    table: pa.Table, path: Path, format: str, *, delimiter: str = ",", encoding: str = "utf-8"
) -> None:
    """Write a table to a new file and flush it to the disk.

    CSV: a header, LF line ends, no quotes unless some text needs them. Parquet: no metadata
    of a writer program, no time stamps. Null cells of CSV are blank.

    Args:
        table: What to write.
        path: The file; it is overwritten.
        format: ``csv`` or ``parquet``.
        delimiter: One character, for CSV.
        encoding: Of CSV; text that it cannot hold is refused, never replaced.

    Raises:
        InputError: The format is unknown or the file cannot be written.
    """
    plain = table.replace_schema_metadata(None)
    buffer = io.BytesIO()
    match format:
        case "csv":
            pa_csv.write_csv(
                plain,
                buffer,
                pa_csv.WriteOptions(
                    include_header=True,
                    delimiter=delimiter,
                    quoting_style="needed" if _needs_quotes(plain, delimiter) else "none",
                    quoting_header="needed" if _needs_quotes(plain, delimiter) else "none",
                ),
            )
        case "parquet":
            pa_parquet.write_table(plain, buffer, compression="zstd", store_schema=False)
        case _:
            raise InputError(f"The format {format!r} is unknown.", fix="Choose `csv` or `parquet`.")
    content: bytes | memoryview = buffer.getbuffer()
    if format == "csv" and encoding.lower().replace("_", "-") not in {"utf-8", "utf8"}:
        try:
            content = buffer.getvalue().decode("utf-8").encode(encoding)
        except UnicodeEncodeError:
            raise InputError(
                f"The encoding {encoding} cannot hold a category of the dictionary.",
                fix="Declare `encoding: utf-8` and save the source in it, or write Parquet.",
            ) from None
    try:
        with path.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or 'output error'}).",
            where=str(path),
            fix="Check the folder, its permissions and the free space.",
        ) from None


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
