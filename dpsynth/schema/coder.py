"""The codec of one column: texts to codes and back, from its declaration alone.

Code layout (see ``domain.py``): cells on a line or categories; one code for each special code; one
for each meaning of a missing code; the blank cell; last the out-of-domain bucket. Encoding is
total: what has no other place gets the out-of-domain code, row by row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.arrays import Integers
from dpsynth.errors import InputError
from dpsynth.schema.declared import (
    OUT_OF_DOMAIN,
    CategoryDomain,
    Column,
    DateDomain,
    Kind,
    NumericDomain,
    PatternDomain,
)
from dpsynth.schema.domain import Attribute
from dpsynth.schema.grid import Grid, day_texts, number_texts, plain
from dpsynth.schema.groups import Groups
from dpsynth.schema.line import Line, date_line, float_line, integer_line
from dpsynth.schema.texts import to_days, to_numbers, unique_texts

_TRUTH = (("true", "false"), ("True", "False"), ("TRUE", "FALSE"), ("1", "0"), ("yes", "no"))
_EPOCH = date(1970, 1, 1).toordinal()
_SHOWN = 4  #: ranges or values of a cell that its words name


@dataclass(frozen=True, kw_only=True)
class ColumnCoder:
    """Encoder and decoder of one modelled column; made by :func:`column_coder`.

    Attributes:
        column: The declaration.
        attribute: The fine attribute of the coded domain.
        coarse_attribute: The same column in its declared bins.
        coarse: Coarse code of each fine code, shape (attribute.size,).
        known: Code of each exact (stripped) text, the blank text included.
        numbers: Code of each number or day that is a declared code, where numbers are compared.
        texts: Text of each code; None for a cell of several values.
        labels: Words for each code.
        line: Cells on a line, or None for categories.
        grid: Values of the cells on a line, or None.
        groups: Public groups, or None.
    """

    column: Column
    attribute: Attribute
    coarse_attribute: Attribute
    coarse: Integers
    known: Mapping[str, int]
    numbers: Mapping[float, int]
    texts: tuple[str | None, ...]
    labels: tuple[str, ...]
    line: Line | None
    grid: Grid | None
    groups: Groups | None

    @property
    def arrow_type(self) -> pa.DataType:
        """Type of the decoded column when typed: int64, float64 or date32, else text."""
        if not _all_read(self.column, self.column.special):
            return pa.string()
        kinds = {Kind.INTEGER: pa.int64(), Kind.FLOAT: pa.float64(), Kind.DATE: pa.date32()}
        return kinds.get(self.column.kind, pa.string())

    def encode(self, values: pa.ChunkedArray | pa.Array) -> Integers:
        """Return the code of each cell, shape (rows,); never raises on content."""
        form = self.column.domain.format if isinstance(self.column.domain, DateDomain) else None
        truth = next((t for t in _TRUTH if t[0] in self.known or t[1] in self.known), _TRUTH[0])
        parts = []
        for texts, places in unique_texts(values, date_format=form, truth=truth):
            codes = np.append(self._encode_texts(texts), self.known[""])
            parts.append(codes[places])
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def _encode_texts(self, texts: pa.Array) -> Integers:
        keys = pa.array(list(self.known), type=pa.string())
        at = pc.index_in(texts, value_set=keys).fill_null(-1).to_numpy(zero_copy_only=False)
        codes = np.append(np.fromiter(self.known.values(), np.int64), -1)[at]
        rest = np.flatnonzero(codes < 0)
        if len(rest):
            codes[rest] = self._encode_unknown(texts.take(pa.array(rest)))
        return np.where(codes < 0, self.attribute.size - 1, codes)

    def _encode_unknown(self, texts: pa.Array) -> Integers:
        if self.groups is not None:
            return self.groups.encode(texts)
        if self.line is None and not self.numbers:
            return np.full(len(texts), -1, dtype=np.int64)
        values = _parse(self.column, texts)
        codes = (
            self.line.encode(values)
            if self.line is not None
            else np.full(len(values), -1, dtype=np.int64)
        )
        for number, code in self.numbers.items():
            codes[values == number] = code
        return codes

    def decode(self, codes: Integers, coins: NDArray[np.float64] | None) -> pa.Array:
        """Return the text of each code as a string array of shape (rows,).

        Args:
            codes: The codes.
            coins: A number in [0, 1) for each, that picks a value of its cell; None for categories.
        """
        fixed = pa.array(self.texts, type=pa.string()).take(pa.array(codes))
        if self.grid is None or coins is None:
            return fixed
        wide = np.array([text is None for text in self.texts])[codes]
        picked = self.grid.pick(codes[wide], coins[wide])
        multiples, back = np.unique(picked, return_inverse=True)
        drawn = (
            day_texts(multiples, self.column.domain.format)
            if isinstance(self.column.domain, DateDomain)
            else number_texts(multiples, self.grid.decimals)
        )
        texts = pa.array(drawn, type=pa.string()).take(pa.array(back.reshape(-1)))
        return pc.replace_with_mask(fixed, pa.array(wide), texts)

    def typed(self, values: pa.ChunkedArray | pa.Array) -> pa.Array:
        """Return decoded text as :attr:`arrow_type`; missing and out-of-domain cells are null."""
        target = self.arrow_type
        if target == pa.string():
            return values.cast(pa.string())
        missing = {text.strip() for text in self.column.missing}
        parts = []
        for texts, places in unique_texts(values, date_format=None, truth=_TRUTH[0]):
            numbers = _parse(self.column, texts)
            gone = np.array([text in missing for text in texts.to_pylist()], dtype=bool)
            parts.append(np.append(np.where(gone, np.nan, numbers), np.nan)[places])
        numbers = np.concatenate(parts) if parts else np.zeros(0)
        null = np.isnan(numbers)
        if target == pa.date32():
            days = np.where(null, 0, numbers - _EPOCH).astype(np.int32)
            return pa.array(days, mask=null).cast(target)
        if target == pa.int64():
            return pa.array(np.where(null, 0, numbers).astype(np.int64), mask=null)
        return pa.array(numbers, mask=null)

    def values(
        self, codes: NDArray[np.integer[Any]], coins: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the number or day that :meth:`decode` writes for each code; NaN off the line."""
        found = np.full(len(codes), np.nan)
        if self.line is not None and self.grid is not None:
            cells = np.flatnonzero(codes < self.line.size)
            own = codes[cells]
            picked = self.grid.pick(own, coins[cells]) / 10.0**self.grid.decimals
            found[cells] = np.where(self.grid.single[own], self.line.lows[own], picked)
        return found

    def value_range(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the smallest and largest value that each code is decoded to; NaN off the line."""
        lows = np.full(self.attribute.size, np.nan)
        highs = lows.copy()
        if self.line is not None and self.grid is not None:
            cells, scale = self.line.size, 10.0**self.grid.decimals
            lows[:cells] = np.where(self.grid.single, self.line.lows, self.grid.low / scale)
            highs[:cells] = np.where(self.grid.single, self.line.lows, self.grid.high / scale)
        return lows, highs

    def describe(self, code: int) -> str:
        """Return words for a code; IndexError outside the attribute."""
        if not 0 <= code < self.attribute.size:
            raise IndexError(code)
        return self.labels[code]

    def describe_all(self, codes: Sequence[int]) -> str:
        """Return words for rising codes: runs on the line as one range, long lists in short."""
        on_line = self.line.size if self.line is not None else 0
        runs: list[tuple[int, int]] = []
        for code in codes:
            if runs and runs[-1][1] == code - 1 and code < on_line:
                runs[-1] = runs[-1][0], code
            else:
                runs.append((code, code))
        words = [self._describe_run(first, last) for first, last in runs]
        more = len(words) - _SHOWN
        return "; ".join(words[:_SHOWN]) + (f"; {more} more" if more > 0 else "")

    def _describe_run(self, first: int, last: int) -> str:
        """Return words for neighbouring cells of a line."""
        if first == last or self.line is None:
            return self.labels[first]
        start = self.labels[first].partition(" to ")[0]
        return f"{start} to {self.labels[last].rpartition(' to ')[2]}"


def column_coder(column: Column, where: str) -> ColumnCoder:
    """Make the codec of a column with a category, number, date or grouped domain.

    Args:
        column: The declaration.
        where: File and column, for messages.

    Raises:
        InputError: Two codes are the same number, bins are too narrow, or groups cannot be read.
    """
    cells: list[str | None]
    line, grid, groups = None, None, None
    own = {text.strip() for text in (*column.special, *column.missing)}
    match column.domain:
        case CategoryDomain(categories=categories, labels=words):
            cells = list(categories)
            labels = [f"{c} ({words[c]})" if c in words else c for c in categories]
        case PatternDomain(public_groups=ranges) as domain:
            groups = Groups.from_domain(domain, where)
            cells = list(groups.names)
            labels = [f"{name} ({ranges[name]})" for name in groups.names]
        case NumericDomain() | DateDomain() as domain:
            taken = _read_all(column, own)
            line = _line(column, domain, taken)
            grid = Grid.of(line, taken, where)
            cells = [
                plain(float(value)) if one and not line.whole else None
                for value, one in zip(line.lows, grid.single, strict=True)
            ]
            labels = _cell_labels(line, domain)
        case _:
            raise ValueError(f"{column.name}: no closed domain")
    size = len(cells)
    known = {text.strip(): code for code, text in enumerate(cells) if text and line is None}
    texts = list(cells)
    for text, meaning in column.special.items():
        known[text.strip()] = len(texts)
        texts.append(text)
        labels.append(f"special code {text} ({meaning})")
    meanings: dict[str, int] = {}
    for text, meaning in column.missing.items():
        if meaning not in meanings:
            meanings[meaning] = len(texts)
            texts.append(text)
            labels.append(f"missing ({meaning})")
        known[text.strip()] = meanings[meaning]
    blank = None
    if not column.missing:
        blank = len(texts)
        texts.append("")
        labels.append("blank")
    known.setdefault("", blank if blank is not None else next(iter(meanings.values())))
    if line is None:
        known[OUT_OF_DOMAIN] = len(texts)
    texts.append("" if line else OUT_OF_DOMAIN)
    labels.append("outside the declared domain")
    attribute = _attribute(column, size, len(texts), line.positions if line else None, blank)
    coarse_attribute, coarse = _coarse(column, attribute, line)
    return ColumnCoder(
        column=column,
        attribute=attribute,
        coarse_attribute=coarse_attribute,
        coarse=coarse,
        known=known,
        numbers=_numeric_codes(column, known, where),
        texts=tuple(texts),
        labels=tuple(labels),
        line=line,
        grid=grid,
        groups=groups,
    )


def _line(column: Column, domain: NumericDomain | DateDomain, taken: Collection[float]) -> Line:
    if isinstance(domain, DateDomain):
        return date_line(domain.lower, domain.upper, taken)
    return (integer_line if column.kind is Kind.INTEGER else float_line)(domain, taken)


def _parse(column: Column, texts: pa.Array) -> NDArray[np.float64]:
    if isinstance(column.domain, DateDomain):
        return to_days(texts, column.domain.format)
    return to_numbers(texts)


def _compares_numbers(column: Column) -> bool:
    if isinstance(column.domain, CategoryDomain):
        return column.domain.numeric_equivalence
    return isinstance(column.domain, (NumericDomain, DateDomain))


def _read_all(column: Column, texts: Iterable[str]) -> set[float]:
    """Return the numbers (or days) among texts."""
    values = _parse(column, pa.array([t.strip() for t in texts], type=pa.string()))
    return {float(v) for v in values[~np.isnan(values)]}


def _all_read(column: Column, texts: Collection[str]) -> bool:
    values = _parse(column, pa.array([t.strip() for t in texts], type=pa.string()))
    return not np.isnan(values).any()


def _numeric_codes(column: Column, known: Mapping[str, int], where: str) -> dict[float, int]:
    if not _compares_numbers(column):
        return {}
    found: dict[float, int] = {}
    texts = list(known)
    for text, value in zip(
        texts, _parse(column, pa.array(texts, type=pa.string())).tolist(), strict=True
    ):
        if value == value and found.setdefault(value, known[text]) != known[text]:
            raise InputError(
                f"the number {plain(value)} is declared with two readings.",
                where=where,
                fix="Keep one of the two spellings.",
            )
    return found


def _attribute(
    column: Column,
    cells: int,
    size: int,
    positions: tuple[float, ...] | None,
    blank: int | None,
) -> Attribute:
    if positions is None and column.kind is Kind.ORDINAL:
        positions = tuple(float(i) for i in range(cells))
    return Attribute(
        name=column.name,
        size=size,
        n_ordered=0 if positions is None else cells,
        positions=positions or (),
        out_of_domain=size - 1,
        blank=blank,
    )


def _coarse(column: Column, fine: Attribute, line: Line | None) -> tuple[Attribute, Integers]:
    """Return the attribute in declared bins; codes after the line keep a cell each."""
    if line is None:
        return fine, np.arange(fine.size, dtype=np.int64)
    shift = line.size - len(line.bin_positions)
    coarse = np.concatenate([line.bins, np.arange(line.size, fine.size) - shift]).astype(np.int64)
    blank = None if fine.blank is None else fine.blank - shift
    size = fine.size - shift
    return _attribute(column, size - (fine.size - line.size), size, line.bin_positions, blank), (
        coarse
    )


def _cell_labels(line: Line, domain: NumericDomain | DateDomain) -> list[str]:
    def show(value: float) -> str:
        if isinstance(domain, DateDomain):
            return date.fromordinal(int(value)).isoformat()
        return plain(float(value))

    join = " to " if line.whole else " to below "
    return [
        show(a) if a == b else f"{show(a)}{join}{show(b)}"
        for a, b in zip(line.lows, line.highs, strict=True)
    ]
