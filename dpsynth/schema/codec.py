"""The codec: tables of text or numbers to integer codes and back, from the dictionary alone.

Made from a :class:`~dpsynth.schema.declared.Dictionary`, never fitted: two tables with the same
dictionary have the same domain, whatever their rows hold. Encoding is total and works row by row,
so that one row of the source changes one row of codes and nothing else (stability 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.errors import InputError
from dpsynth.schema.automaton import automaton
from dpsynth.schema.coder import ColumnCoder, column_coder
from dpsynth.schema.constraints import LessThan
from dpsynth.schema.declared import (
    OUT_OF_DOMAIN,
    Column,
    Dictionary,
    Kind,
    OpenDomain,
    OpenRange,
    PatternDomain,
    Role,
)
from dpsynth.schema.domain import Domain
from dpsynth.schema.inside import Dependency, dependencies, draw_coins, orders
from dpsynth.schema.patterns import PatternTexts
from dpsynth.schema.ruled_out import structural_zeros

__all__ = ["OUT_OF_DOMAIN", "Codec", "Treatment"]

_MAX_CELLS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """What happens to one declared column, and why in one sentence."""

    column: str
    treatment: Literal["modelled", "generalised", "regenerated", "open", "left_out"]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Codec:
    """Encoder and decoder of a table; make it with :meth:`from_dictionary`.

    Attributes:
        domain: The modelled columns at fine resolution, in dictionary order.
        coarse: For each modelled column the coarse code of each fine code, int64 (size,): the
            declared bins for numbers, itself otherwise; special, missing, blank and out-of-domain
            codes keep a cell each.
        coarse_domain: The modelled columns at the resolution of `coarse`.
        treatments: What happens to every declared column, in dictionary order.
        columns_out: Names of the decoded columns: modelled, generalised and regenerated ones.
        dependencies: Modelled columns that others determine.
    """

    domain: Domain
    coarse: Mapping[str, NDArray[np.int64]]
    coarse_domain: Domain
    treatments: tuple[Treatment, ...]
    columns_out: tuple[str, ...]
    dependencies: tuple[Dependency, ...]
    _ordered: tuple[LessThan, ...]
    _coders: Mapping[str, ColumnCoder]
    _patterns: Mapping[str, PatternTexts]

    @classmethod
    def from_dictionary(cls, dictionary: Dictionary) -> Codec:
        """Make the codec of a dictionary.

        Raises:
            InputError: A declaration that was readable cannot be coded; the message names the
                column.
        """
        treatments = tuple(_treat(column) for column in dictionary.columns)
        modelled = {t.column for t in treatments if t.treatment in {"modelled", "generalised"}}
        made_up = {t.column for t in treatments if t.treatment == "regenerated"}
        coders = {
            column.name: column_coder(column, f"dictionary, column {column.name!r}")
            for column in dictionary.columns
            if column.name in modelled
        }
        for name, coder in coders.items():
            if coder.attribute.size > _MAX_CELLS:
                raise InputError(f"the column {name!r} has more than {_MAX_CELLS} cells.")
        return cls(
            domain=Domain(
                tuple(c.attribute for c in coders.values()),
                zeros=structural_zeros(dictionary.constraints, coders),
            ),
            coarse={name: coder.coarse for name, coder in coders.items()},
            coarse_domain=Domain(tuple(c.coarse_attribute for c in coders.values())),
            treatments=treatments,
            columns_out=tuple(n for n in dictionary.names if n in modelled | made_up),
            dependencies=dependencies(dictionary.constraints, tuple(coders)),
            _ordered=orders(dictionary.constraints, [n for n, c in coders.items() if c.grid]),
            _coders=coders,
            _patterns={
                column.name: PatternTexts.of(column.domain.pattern)
                for column in dictionary.columns
                if column.name in made_up and isinstance(column.domain, PatternDomain)
            },
        )

    def columns_in(self, unit_column: str | None = None) -> tuple[str, ...]:
        """Return the columns that must be read: the modelled ones, and the privacy unit's."""
        extra = () if unit_column is None or unit_column in self._coders else (unit_column,)
        return (*self.domain.names, *extra)

    def encode(
        self, columns: Mapping[str, pa.ChunkedArray | pa.Array]
    ) -> NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.int32]:
        """Return the codes of a table, shape (d, n), in the smallest type that holds them.

        Never raises on content: text that is not declared, unreadable bytes and values out of
        bounds get the out-of-domain code of their column.

        Args:
            columns: Flat Arrow columns of one length by name; of other names the length counts.

        Raises:
            InputError: A modelled column is absent or of a nested type.
        """
        size = max((a.size for a in self.domain), default=1)
        dtype = np.uint8 if size <= 256 else np.uint16 if size <= 65536 else np.int32
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            raise InputError("The columns of the table have different lengths.")
        codes = np.empty((len(self.domain), lengths.pop() if lengths else 0), dtype=dtype)
        for place, (name, coder) in enumerate(self._coders.items()):
            if name not in columns:
                raise InputError(f"The column {name!r} is absent.", fix="Give every modelled one.")
            try:
                codes[place] = coder.encode(columns[name])
            except InputError as error:
                raise InputError(error.what, where=f"column {name!r}", fix=error.fix) from None
        return codes

    def encode_column(self, name: str, values: pa.ChunkedArray | pa.Array) -> NDArray[np.int64]:
        """Return the codes of one modelled column, shape (n,); see :meth:`encode`."""
        return self._coders[name].encode(values)

    def identifiers(self) -> dict[str, int]:
        """Return how many different identifiers can be made up, by name of their column."""
        return {name: texts.size for name, texts in self._patterns.items()}

    def decode(
        self,
        codes: Codes,
        *,
        seed: int,
        typed: bool = False,
        first: int = 0,
        table_seed: int | None = None,
    ) -> pa.Table:
        """Return coded rows as a table of text, as the source would write them.

        A cell of several values is decoded to one of them at random; identifiers are made up from
        their patterns. Post-processing: a seed is allowed. Reading the table back gives the same
        codes, with one exception: an out-of-domain number or date is written as blank text, which
        reads as the column's first missing cell, or as its blank cell where none is declared.

        Args:
            codes: Rows, shape (n, d), in the order of `domain`.
            seed: Seed of the draw.
            typed: Return numbers and dates as :meth:`typed` does.
            first: Number of rows of the same table that were decoded before, for identifiers.
            table_seed: Seed of what holds over all rows of a table, from `seed` by default.
                Parts of a table that share it, each with its own `first`, have different
                identifiers, as far as :meth:`identifiers` says that there are so many, and the
                same value wherever a column is determined by others.
        """
        if codes.ndim != 2 or codes.shape[1] != len(self.domain):
            raise ValueError(f"codes of shape {codes.shape} for {len(self.domain)} attributes")
        shared = seed if table_seed is None else table_seed
        keys = np.random.SeedSequence(shared).generate_state(len(self.columns_out) + 1, np.uint64)
        coins = draw_coins(
            self.domain,
            self._coders,
            codes,
            np.random.default_rng(seed),
            dependent=self.dependencies,
            ordered=self._ordered,
            key=int(keys[-1]),
        )
        found: dict[str, pa.Array] = {}
        for name, key in zip(self.columns_out, keys[:-1], strict=True):
            if name in self._patterns:
                drawn = self._patterns[name].draw(len(codes), seed=int(key), first=first)
                found[name] = pa.array(drawn, type=pa.string())
            else:
                column = codes[:, self.domain.index(name)].astype(np.int64)
                found[name] = self._coders[name].decode(column, coins.get(name))
        table = pa.table(found)
        return self.typed(table) if typed else table

    def typed(self, table: pa.Table) -> pa.Table:
        """Return a decoded table with numbers as int64 or float64 and dates as date32.

        Missing, blank and out-of-domain cells of such columns become null. A column with a special
        code that is no number (or date) stays text, and so does every other column.
        """
        return pa.table(
            {
                name: self._coders[name].typed(table.column(name))
                if name in self._coders
                else table.column(name)
                for name in table.column_names
            }
        )

    def coarsen(self, codes: Codes) -> NDArray[np.int32]:
        """Return coded rows, shape (n, d), at the resolution of `coarse_domain`."""
        result = np.empty(codes.shape, dtype=np.int32)
        for place, name in enumerate(self.domain.names):
            result[:, place] = self.coarse[name][codes[:, place]]
        return result

    def describe(self, attribute: str, code: int) -> str:
        """Return words for one fine code of a modelled column, for tables and reports."""
        return self._coders[attribute].describe(code)

    def describe_all(self, attribute: str, codes: Sequence[int]) -> str:
        """Return words for a cell of several fine codes, which rise; runs on a line in one."""
        return self._coders[attribute].describe_all(codes)


def _treat(column: Column) -> Treatment:
    """Decide what happens to a column; declared facts only."""

    def treat(
        treatment: Literal["modelled", "generalised", "regenerated", "left_out"], reason: str
    ) -> Treatment:
        return Treatment(column=column.name, treatment=treatment, reason=reason)

    if column.kind is Kind.ID and isinstance(column.domain, PatternDomain):
        try:
            automaton(column.domain.pattern)
        except InputError as error:
            return treat("left_out", f"identifier: {error.what.rstrip('.')}")
        return treat("regenerated", "identifier: made up from its pattern, never modelled")
    if column.role is Role.DIRECT_IDENTIFIER:
        return treat("left_out", "direct identifier: never modelled")
    if column.kind is Kind.TEXT:
        return treat("left_out", "free text: never modelled")
    match column.domain:
        case OpenDomain() | OpenRange():
            return treat(
                "left_out",
                "open domain: nothing is declared, and nothing was discovered in the rows under "
                "differential privacy",
            )
        case PatternDomain(public_groups=groups) if groups:
            return treat("generalised", "codes of a pattern: replaced by their public groups")
        case PatternDomain():
            return treat("left_out", "codes of a pattern without public groups: no closed domain")
        case _:
            return treat("modelled", "closed declared domain")
