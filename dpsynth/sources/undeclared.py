"""Columns whose domain nobody declared: kept as texts until their domain is discovered.

Which texts could become categories is decided text by text, by a public rule, never by the other
rows. Counting is exact and therefore for the Curator only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.schema.texts import unique_bytes

MAX_CHARACTERS = 100  #: longer texts are notes and not categories
_DIGEST = 16
_UNREADABLE = "\ufffd"  # what a reader puts in place of bytes that are no text


@dataclass(frozen=True, kw_only=True, eq=False)
class TextColumn:
    """One column as different texts and the place of each row among them.

    Attributes:
        values: Different cells as stripped bytes.
        at: Place of each row, int64 (n,); -1 where the cell is blank.
        known: Texts that are declared, as known values or as codes; they need no discovery.
        encoding: Declared encoding; a text that it cannot write cannot become a category.
    """

    values: tuple[bytes, ...]
    at: NDArray[np.int64]
    known: frozenset[str]
    encoding: str = "utf-8"

    @classmethod
    def of(
        cls,
        column: pa.ChunkedArray | pa.Array,
        known: Collection[str],
        encoding: str = "utf-8",
    ) -> TextColumn:
        """Read a column; `known` are texts that are declared already."""
        values, at = unique_bytes(column)
        texts = frozenset(text.strip() for text in known)
        return cls(values=tuple(values), at=at, known=texts, encoding=encoding)

    def rows(self, keep: NDArray[np.bool_]) -> TextColumn:
        """Return the chosen rows; texts that none of them holds are forgotten."""
        used, at = np.unique(self.at[keep], return_inverse=True)
        shift = 1 if used.size and used[0] < 0 else 0
        return TextColumn(
            values=tuple(self.values[place] for place in used[shift:].tolist()),
            at=at.reshape(-1).astype(np.int64) - shift,
            known=self.known,
            encoding=self.encoding,
        )

    def counts(self) -> dict[str, int]:
        """Return how many rows hold each text that could become a category."""
        sizes = np.bincount(self.at[self.at >= 0], minlength=len(self.values))
        found: dict[str, int] = {}
        for value, size in zip(self.values, sizes.tolist(), strict=True):
            text = _category(value, self.encoding)
            if size and text is not None and text not in self.known:
                found[text] = size
        return found

    def cells(self) -> pa.Array:
        """Return the cells as binary, blank where they are blank, for a codec to read."""
        return pa.array([*self.values, b""], type=pa.large_binary()).take(
            pa.array(np.where(self.at < 0, len(self.values), self.at))
        )

    def digests(self) -> NDArray[np.uint8]:
        """Return a digest of each cell, uint8 (n, 16); it depends on the cell alone."""
        each = [hashlib.blake2b(v, digest_size=_DIGEST).digest() for v in (*self.values, b"")]
        table = np.frombuffer(b"".join(each), dtype=np.uint8).reshape(-1, _DIGEST)
        return table[self.at]  # a blank cell is at -1, the last


def _category(value: bytes, encoding: str) -> str | None:
    """Return a cell as the text of a category, or None where it cannot be one."""
    try:
        text = value.decode("utf-8")
        text.encode(encoding)
    except UnicodeError:
        return None
    plain = text.isprintable() and _UNREADABLE not in text and 0 < len(text) <= MAX_CHARACTERS
    return text if plain and text == text.strip() else None
