"""Columns whose domain is declared open: how they are looked at, and what a domain makes of them.

The grid on which an open range is first counted is the same for every table, so it says nothing
about the rows: each power of two in four steps, both signs. What is found on it, with
noise, becomes bounds and bins. Categories that are found join those that are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from dpsynth.arrays import Floats, Integers
from dpsynth.errors import InputError
from dpsynth.schema.declared import (
    OUT_OF_DOMAIN,
    REAL_BITS,
    WHOLE_BITS,
    CategoryDomain,
    Column,
    ColumnDomain,
    Dictionary,
    Kind,
    NumericDomain,
    OpenDomain,
    OpenRange,
    Role,
)
from dpsynth.schema.domain import Attribute
from dpsynth.schema.texts import to_numbers, unique_texts

SOURCE = "discovered in the rows under differential privacy, paid from the budget"
_STEPS = 4  #: grid steps for each power of two


def open_columns(dictionary: Dictionary) -> tuple[Column, ...]:
    """Return the columns whose domain could be discovered, in dictionary order."""
    return tuple(
        column
        for column in dictionary.columns
        if isinstance(column.domain, (OpenDomain, OpenRange))
        and column.role is not Role.DIRECT_IDENTIFIER
    )


def declared_texts(column: Column) -> tuple[str, ...]:
    """Return the texts of an open column that are public: known values and codes."""
    known = column.domain.known_values if isinstance(column.domain, OpenDomain) else ()
    return (*known, *column.missing, *column.special, OUT_OF_DOMAIN)


def grid_edges(column: Column) -> Floats:
    """Return the ends of the cells on which an open range is first counted, rising.

    Cell i holds numbers from ``edges[i]`` to below ``edges[i + 1]``, the last one also its end.
    """
    domain = column.domain
    if not isinstance(domain, OpenRange):
        raise ValueError(f"{column.name}: no open range")
    marks = _WHOLE_GRID if column.kind is Kind.INTEGER else _REAL_GRID
    lower = marks[0] if domain.lower is None else domain.lower
    upper = marks[-1] if domain.upper is None else domain.upper
    return np.array([lower, *(mark for mark in marks if lower < mark < upper), upper])


def grid_attribute(column: Column) -> Attribute:
    """Return the coded attribute of an open range on its grid; the last code is everything else."""
    edges = grid_edges(column)
    cells = len(edges) - 1
    return Attribute(
        name=column.name,
        size=cells + 1,
        n_ordered=cells,
        positions=tuple(float(middle) for middle in (edges[:-1] + edges[1:]) / 2),
        out_of_domain=cells,
    )


def grid_codes(column: Column, values: pa.ChunkedArray | pa.Array) -> Integers:
    """Return the code of each cell on the grid, shape (rows,); total and row by row."""
    edges = grid_edges(column)
    other = len(edges) - 1
    codes_of = {text.strip() for text in (*column.missing, *column.special)}
    numbers_of = code_numbers(column)
    parts = [np.zeros(0, dtype=np.int64)]
    for texts, places in unique_texts(values, date_format=None, truth=("true", "false")):
        numbers = to_numbers(texts)
        inside = (numbers >= edges[0]) & (numbers <= edges[-1])
        if column.kind is Kind.INTEGER:
            inside &= numbers == np.floor(numbers)
        inside &= np.array([text not in codes_of for text in texts.to_pylist()], dtype=bool)
        inside &= ~np.isin(numbers, numbers_of)  # a code is a code however it is written
        at = np.searchsorted(edges, np.where(inside, numbers, edges[0]), side="right") - 1
        codes = np.where(inside, np.minimum(at, other - 1), other)
        parts.append(np.append(codes, other)[places])
    return np.concatenate(parts)


def code_numbers(column: Column) -> Floats:
    """Return the numbers among the missing and special codes of a column."""
    texts = [text.strip() for text in (*column.missing, *column.special)]
    numbers = to_numbers(pa.array(texts, type=pa.string()))
    found: Floats = numbers[~np.isnan(numbers)]
    return found


def with_categories(column: Column, found: Sequence[str]) -> ColumnDomain | None:
    """Return the closed list of known and found categories; None where there is none."""
    known = column.domain.known_values if isinstance(column.domain, OpenDomain) else ()
    categories = (*known, *(text for text in found if text not in known))
    return CategoryDomain(categories=categories) if categories else None


def completed(dictionary: Dictionary, domains: Mapping[str, ColumnDomain]) -> Dictionary:
    """Return the dictionary with discovered domains in place of open ones."""
    return replace(
        dictionary,
        columns=tuple(
            replace(column, domain=domains[column.name], domain_source=SOURCE)
            if column.name in domains
            else column
            for column in dictionary.columns
        ),
    )


def domains_to_json(dictionary: Dictionary) -> dict[str, Any]:
    """Return the discovered domains of a completed dictionary, by column."""
    found: dict[str, Any] = {}
    for column in dictionary.columns:
        if column.domain_source != SOURCE:
            continue
        if isinstance(column.domain, CategoryDomain):
            found[column.name] = {"categories": list(column.domain.categories)}
        elif isinstance(column.domain, NumericDomain):
            domain = column.domain
            ends = {"lower": domain.lower, "upper": domain.upper}
            found[column.name] = {**ends, "edges": list(domain.edges)}
    return found


def domains_from_json(tree: Any, where: str) -> dict[str, ColumnDomain]:
    """Return the domains that :func:`domains_to_json` wrote.

    Raises:
        InputError: The content is anything else.
    """
    try:
        return {
            str(name): CategoryDomain(categories=tuple(map(str, item["categories"])))
            if "categories" in item
            else NumericDomain(
                lower=float(item["lower"]),
                upper=float(item["upper"]),
                edges=tuple(map(float, item["edges"])),
            )
            for name, item in tree.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError("does not hold discovered domains.", where=where) from None


def _grid(low: int, high: int) -> tuple[float, ...]:
    sizes = [float(2.0 ** (k / _STEPS)) for k in range(low * _STEPS, high * _STEPS + 1)]
    return (*(-size for size in reversed(sizes)), 0.0, *sizes)


_REAL_GRID = _grid(-14, REAL_BITS)  # from 2**-14 in size, and what lies below in one cell
_WHOLE_GRID = tuple(sorted({float(round(mark)) for mark in _grid(0, WHOLE_BITS)}))
