"""``estimate``: counts, shares and means with error bars, from the noisy counts of a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, say, show_table
from dpsynth.cli.fitted import (
    DictionaryFile,
    ModelFolder,
    Opened,
    conditions,
    open_model,
    with_counts,
)
from dpsynth.errors import InputError
from dpsynth.pipeline.drawing import codes_of
from dpsynth.results import Interval
from dpsynth.schema.declared import Kind
from dpsynth.synth.uncertainty import (
    LEVEL,
    Cell,
    CountTable,
    Mean,
    Where,
    estimate,
    estimate_mean,
)

_NOT_MEASURED = (
    "These columns were not counted together. The number of rows is what the model expects: it "
    "rests on the relations that were measured, and on nothing else being related. The intervals "
    "follow from the columns by themselves and hold whatever the relation is."
)
_CUT = (
    "A value of the condition was counted only together with others: an interval reaches over all "
    "that these counts allow, and the number of rows is the middle of it."
)
_STAR = " *"
_STARRED = (
    "* with cells that are blank or outside the declared domain, as far as there are any: no count "
    "showed them, so they were counted with the most frequent value."
)


def estimate_counts(
    bundle: ModelFolder,
    dictionary: DictionaryFile,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="A,B", help="Columns of a table of counts.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="COLUMN=VALUE",
            help="Only rows with this value; a column that comes again may have any of its values.",
        ),
    ] = None,
    mean: Annotated[
        str | None, typer.Option("--mean", metavar="COLUMN", help="The mean of a number instead.")
    ] = None,
    level: Annotated[
        float, typer.Option("--level", min=0.5, max=0.9999, help="Probability of an interval.")
    ] = LEVEL,
    json: o.Json = False,
) -> None:
    """Estimate counts, shares or a mean with error bars. Costs no budget: the noise is known."""
    opened = open_model(bundle, dictionary)
    given = _given(opened, where or ())
    if mean is not None:
        if columns is not None:
            raise InputError("goes with --where, not with --columns.", where="--mean")
        _check_number(opened, mean)
        found = estimate_mean(with_counts(opened), mean, where=given, level=level)
        left = _left_out(opened, mean, given, level)
        if json:
            emit_json(_mean_json(opened, found, left, given, level))
        else:
            _show_mean(opened, found, left, given)
        return
    table = estimate(
        with_counts(opened),
        _columns(opened, columns),
        where=given,
        bins=opened.codec.coarse,
        level=level,
    )
    if json:
        emit_json(_table_json(opened, table, level))
    else:
        _show(opened, table, level)


def _columns(opened: Opened, text: str | None) -> tuple[str, ...]:
    """Return the columns of a list; a name that holds a comma is meant if it is given alone."""
    if text is None:
        return ()
    return (text,) if text in opened.dictionary.names else tuple(text.split(","))


def _given(opened: Opened, where: Sequence[str]) -> dict[str, set[int]]:
    """Return the codes of each column of a condition."""
    found: dict[str, set[int]] = {}
    for name, value in conditions(where, opened.dictionary.names):
        found.setdefault(name, set()).update(codes_of(opened.codec, {name: value}).values())
    return found


def _check_number(opened: Opened, name: str) -> None:
    """Raise InputError unless a column is one of numbers; the model refuses unknown ones."""
    kinds = {column.name: column.kind for column in opened.dictionary.columns}
    if kinds.get(name, Kind.FLOAT) not in (Kind.INTEGER, Kind.FLOAT):
        raise InputError("is no column of numbers.", where=f"--mean {name}")


def _left_out(opened: Opened, name: str, given: Where, level: float) -> Cell | None:
    """Return the rows whose cell has no place on the line of a column; None if none can be."""
    attribute = opened.model.domain[name]
    off = set(range(attribute.n_ordered, attribute.size))
    if not off:
        return None
    return estimate(with_counts(opened), where={**given, name: off}, level=level).cells[0]


def _condition(opened: Opened, where: Where) -> dict[str, list[str]]:
    """Return the values of each column of a condition in words."""
    return {
        name: [opened.codec.describe(name, code) for code in sorted(codes)]
        for name, codes in where.items()
    }


def _table_json(opened: Opened, table: CountTable, level: float) -> dict[str, Any]:
    """Return a table of counts for machines."""
    return {
        "columns": list(table.columns),
        "given": _condition(opened, table.where),
        "level": level,
        "measured": table.measured,
        "cut": table.cut,
        "sources": [list(names) for names in table.sources],
        "cells": [
            {
                "values": _words(opened, table.columns, cell),
                "count": cell.count,
                "rows": _ends(cell.rows),
                "share": cell.share,
                "share_of_table": _ends(cell.of_table),
                "share_of_population": _ends(cell.of_population),
            }
            for cell in table.cells
        ],
    }


def _mean_json(
    opened: Opened, mean: Mean, left: Cell | None, given: dict[str, set[int]], level: float
) -> dict[str, Any]:
    """Return a mean for machines."""
    return {
        "mean": mean.column,
        "given": _condition(opened, given),
        "level": level,
        "measured": mean.measured,
        "value": mean.value,
        "of_table": _ends(mean.of_table),
        "of_population": _ends(mean.of_population),
        "cell_width": mean.step,
        "rows_left_out": _ends(left.rows if left is not None else None),
    }


def _words(opened: Opened, columns: Sequence[str], cell: Cell) -> list[str]:
    """Return words for the values of a cell, one text a column."""
    return [
        opened.codec.describe_all(name, codes)
        for name, codes in zip(columns, cell.codes, strict=True)
    ]


def _short_words(opened: Opened, columns: Sequence[str], cell: Cell) -> list[str]:
    """Return words for people: a star stands for undeclared values beside declared ones."""
    shown = []
    for name, codes in zip(columns, cell.codes, strict=True):
        attribute = opened.model.domain[name]
        declared = [c for c in codes if c not in (attribute.blank, attribute.out_of_domain)]
        star = _STAR if 0 < len(declared) < len(codes) else ""
        shown.append(opened.codec.describe_all(name, declared or codes) + star)
    return shown


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _show(opened: Opened, table: CountTable, level: float) -> None:
    """Write a table of counts for people."""
    _say_condition(opened, table.where)
    words = [_short_words(opened, table.columns, cell) for cell in table.cells]
    percent = f"{100 * level:g} %"
    head = (*table.columns, "rows", f"{percent} noise", "share %", f"{percent} noise")
    show_table(
        (*head, f"{percent} population"),
        [
            (
                *named,
                f"{cell.count:,.0f}",
                f"{math.floor(cell.rows.low):,} to {math.ceil(cell.rows.high):,}",
                "unknown" if cell.share is None else f"{100 * cell.share:.2f}",
                _percents(cell.of_table),
                _percents(cell.of_population),
            )
            for named, cell in zip(words, table.cells, strict=True)
        ],
        right=range(len(table.columns), len(head) + 1),
    )
    if table.measured:
        say(f"Counted: {'; '.join(' x '.join(names) for names in table.sources)}.")
    else:
        say(_NOT_MEASURED)
    if table.cut:
        say(_CUT)
    if any(word.endswith(_STAR) for named in words for word in named):
        say(_STARRED)
    _say_how(table.unit_rows)


def _show_mean(opened: Opened, mean: Mean, left: Cell | None, given: Where) -> None:
    """Write a mean for people."""
    _say_condition(opened, given)
    say(f"Mean of {mean.column}: {mean.value:.6g}", "bold")
    if mean.of_table is None or mean.of_population is None:
        say("Not counted together: this is what the model expects, and no interval is known.")
        return
    for what, interval in (
        ("in the table (noise)", mean.of_table),
        ("in the population", mean.of_population),
    ):
        say(f"{100 * interval.level:g} % {what}: {interval.low:.6g} to {interval.high:.6g}")
    say(
        f"Values count at the middle of their cell; neighbouring cells are up to {mean.step:g} "
        "apart."
    )
    if left is not None:
        say(
            f"Left out, because missing, special or outside the declared domain: "
            f"{math.floor(left.rows.low):,} to {math.ceil(left.rows.high):,} rows."
        )
    _say_how(mean.unit_rows)


def _say_condition(opened: Opened, where: Where) -> None:
    """Write the condition, if there is one."""
    if where:
        words = (f"{n}: {' or '.join(v)}" for n, v in _condition(opened, where).items())
        say(f"Only rows with {', '.join(words)}.")


def _say_how(rows: int) -> None:
    """Write what the intervals are of, where a unit has up to so many rows."""
    most = f", at most {rows} of one unit" if rows > 1 else ""
    say(
        f"Rows are those of the training part{most}. Noise: for these rows. Population: for the "
        "one that they were drawn from. An interval holds for a question that was chosen without "
        "looking at the answers; of many, some miss."
    )


def _percents(interval: Interval | None) -> str:
    """Return an interval of a share in per cent, rounded outwards."""
    if interval is None:
        return "unknown"
    low, high = math.floor(1e4 * interval.low) / 100, math.ceil(1e4 * interval.high) / 100
    return f"{low:.2f} to {high:.2f}"
