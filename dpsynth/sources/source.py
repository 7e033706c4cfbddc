"""What a release needs of the place where a table comes from: names first, rows only when asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dpsynth.schema.dictionary import Dictionary
from dpsynth.sources.files import RawColumns


class Source(Protocol):
    """A table somewhere: a file, a frame in memory, later a database."""

    @property
    def format(self) -> str:
        """Format in which the synthetic table is written by default: csv or parquet."""
        ...

    def columns(self) -> tuple[str, ...]:
        """Return the column names; no row is read."""
        ...

    def check_against(self, dictionary: Dictionary) -> tuple[str, ...]:
        """Check that every declared column is there; return the names of the others."""
        ...

    def read(self, names: Sequence[str]) -> RawColumns:
        """Read whole columns."""
        ...
