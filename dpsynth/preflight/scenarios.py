"""Pairs of neighbouring tables: the same table without and with one privacy unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dpsynth.preflight.tables import CANARY, Maker, Row, Table, Unit

_UNDECODABLE = b"\xff\xfe\x80\xc3\x28".decode("utf-8", "surrogateescape")
_MARKUP = "<script>alert(1)</script> &lt;b&gt; {{ 7*7 }} %s%n '; DROP TABLE t; --"
_ADDED = 10**6
_UNKNOWN = 10


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One pair of neighbours.

    Attributes:
        name: Machine name.
        title: What the unit is, for people.
        without: The table without the unit.
        with_unit: The same table with it.
        documents: Whether whole releases are compared too, with signed documents.
    """

    name: str
    title: str
    without: Table
    with_unit: Table
    documents: bool = False


def scenarios(maker: Maker, rows: int) -> tuple[Scenario, ...]:
    """Return every pair.

    Args:
        maker: Draws the tables.
        rows: Rows of the table that most pairs share.
    """
    base = maker.table(rows, 0)
    return (
        *_sizes(maker, base, rows),
        *_monotone(maker, rows),
        *_values(maker, base, rows),
        *_several_rows(maker, base),
        *_duplicates(maker, rows),
    )


def _added(maker: Maker, rows: list[Row], number: int = 0) -> Unit:
    return maker.unit(rows, maker.label(_ADDED + number))


def _sizes(maker: Maker, base: Table, rows: int) -> Iterator[Scenario]:
    """Tables around round numbers of rows, an empty one, and the plainest pair."""
    one = _added(maker, maker.rows(1, 1))
    yield Scenario(
        name="random",
        title="a random unit",
        without=base,
        with_unit=(*base, one),
    )
    for size in (100, 1000):
        around = base if size == rows else maker.table(size, size)
        if around is not base:  # else it is the pair above
            yield Scenario(
                name=f"rows-{size}-{size + 1}",
                title=f"{size} rows and one more",
                without=around,
                with_unit=(*around, one),
            )
        yield Scenario(
            name=f"rows-{size - 1}-{size}",
            title=f"{size - 1} rows and one more",
            without=around[:-1],
            with_unit=around,
        )
    yield Scenario(
        name="empty",
        title="an empty table and one unit",
        without=(),
        with_unit=(one,),
        documents=True,
    )


def _monotone(maker: Maker, rows: int) -> Iterator[Scenario]:
    """Tables in which every row is the same."""
    blank = tuple(maker.unit([maker.all_cells("")], maker.label(i)) for i in range(rows))
    yield Scenario(
        name="all-blank",
        title="every cell blank, and one more such unit",
        without=blank,
        with_unit=(*blank, _added(maker, [maker.all_cells("")])),
    )
    sizes = [attribute.size for attribute in maker.plan.codec.domain]
    last = np.array([max(0, size - 3) for size in sizes])  # before the blank or missing cell
    same, other = maker.decoded(np.array([np.zeros_like(last), last]), 2)
    single = tuple(maker.unit([same], maker.label(i)) for i in range(rows))
    yield Scenario(
        name="one-category",
        title="one value a column, and a unit with another",
        without=single,
        with_unit=(*single, _added(maker, [other])),
    )


def _values(maker: Maker, base: Table, rows: int) -> Iterator[Scenario]:
    """Units with unusual cells."""
    yield Scenario(
        name="out-of-domain",
        title="a unit whose every cell is declared nowhere",
        without=base,
        with_unit=(*base, (maker.all_cells(CANARY),)),
        documents=True,
    )
    others = maker.table(rows, 3, without_first=True)
    first = np.zeros((1, len(maker.plan.codec.domain)), dtype=np.int64)
    yield Scenario(
        name="unique-value",
        title="a unit with declared values that nobody else has",
        without=others,
        with_unit=(*others, _added(maker, maker.decoded(first, 4))),
    )
    for name, title, cell in (
        ("undecodable", "a unit with bytes that are no text", _UNDECODABLE),
        ("long-cell", "a unit with very long cells", CANARY * 10_000),
        ("far-number", "a unit with numbers far outside their range", "-987654321.125"),
        ("formula", "a unit whose cells are formulas of a spreadsheet", "=HYPERLINK(1)"),
        ("markup", "a unit whose cells are markup, templates and SQL", _MARKUP),
        ("blank-unit", "a unit with blank cells only", ""),
    ):
        unit = _added(maker, [maker.all_cells(cell)])
        yield Scenario(name=name, title=title, without=base, with_unit=(*base, unit))
    if maker.plan.unit.column is not None:
        nameless = maker.unit(maker.rows(2, 5), "")
        yield Scenario(
            name="no-label",
            title="rows that name no unit",
            without=base,
            with_unit=(*base, nameless),
        )
        named_by = maker.plan.dictionary[maker.plan.unit.column]
        for code in (*named_by.missing, *named_by.special):
            unknown = [maker.unit(maker.rows(1, 6 + k), code) for k in range(_UNKNOWN)]
            yield Scenario(
                name=f"not-known-{code}",
                title=f"people who are not known ({code}), and one more",
                without=(*base, *unknown[:-1]),
                with_unit=(*base, *unknown),
            )


def _several_rows(maker: Maker, base: Table) -> Iterator[Scenario]:
    """Units with as many rows as are kept of one, and one more."""
    if maker.plan.unit.column is None:
        return
    most = maker.plan.unit.max_rows
    distinct = maker.rows(most + 1, 6)
    for count, words in ((most, "all rows that are kept"), (most + 1, "one row more than is kept")):
        for kind, rows in (
            ("same", [distinct[0]] * count),
            ("distinct", distinct[:count]),
        ):
            yield Scenario(
                name=f"{'c' if count == most else 'c-plus-1'}-rows-{kind}",
                title=f"a unit with {words}, in {'one cell' if kind == 'same' else 'many cells'}",
                without=base,
                with_unit=(*base, _added(maker, rows)),
            )


def _duplicates(maker: Maker, rows: int) -> Iterator[Scenario]:
    """A table of pairs of equal rows, and a third of one of them."""
    drawn = maker.rows(max(1, rows // 2), 7)
    twice = tuple(maker.unit([row], maker.label(i)) for i, row in enumerate([*drawn, *drawn]))
    yield Scenario(
        name="duplicates",
        title="every row twice, and a third copy of one",
        without=twice,
        with_unit=(*twice, _added(maker, [drawn[0]])),
    )
