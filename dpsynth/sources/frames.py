"""A frame in memory as a source: pandas, polars, pyarrow, duckdb, through Arrow's C interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from dpsynth.errors import InputError
from dpsynth.schema.dictionary import Dictionary
from dpsynth.sources.files import RawColumns, check_types


class FrameSource:
    """A frame that speaks Arrow.

    Args:
        frame: Anything with ``__arrow_c_stream__``.

    Raises:
        InputError: The frame does not speak Arrow or has two columns of one name.
    """

    format = "parquet"

    def __init__(self, frame: Any) -> None:
        if not hasattr(frame, "__arrow_c_stream__"):
            raise InputError(
                "is not a frame that speaks Arrow.",
                where="frame",
                fix="Give a pandas (2.2 or newer), polars or pyarrow table.",
            )
        try:
            self._table: pa.Table = pa.table(frame)
        except (pa.ArrowException, TypeError, ValueError):
            # The text of the original error may quote a cell: it is dropped on purpose.
            raise InputError(
                "has a column that Arrow cannot hold.",
                where="frame",
                fix="Store each column as text, numbers or days.",
            ) from None
        if len(set(self._table.column_names)) != len(self._table.column_names):
            raise InputError("has two columns of the same name.", where="frame")

    def columns(self) -> tuple[str, ...]:
        """Return the column names."""
        return tuple(self._table.column_names)

    def check_against(self, dictionary: Dictionary) -> tuple[str, ...]:
        """Check that every declared column is there; return the names of the others.

        Raises:
            InputError: A declared column is absent, or has a type that cannot be read.
        """
        absent = [name for name in dictionary.names if name not in self.columns()]
        if absent:
            raise InputError(
                f"lacks the declared column {', '.join(absent[:10])}.",
                where="frame",
                fix="Names must agree letter by letter.",
            )
        check_types(self._table.schema, dictionary.names, where="frame")
        return tuple(name for name in self.columns() if name not in dictionary.names)

    def read(self, names: Sequence[str]) -> RawColumns:
        """Return whole columns."""
        return RawColumns(
            columns={name: self._table.column(name) for name in names}, malformed_rows=0
        )
