"""Error bars: intervals for counts, shares and means from the noisy counts that a model keeps.

Everything here is post-processing of measurements that are paid for: it costs no budget and may be
published. An interval of the table is for the rows that were fitted (the training part, at most the
declared number of rows of a unit); an interval of the population also counts the chance by which
units came into the table. docs/uncertainty.md says where they hold. Never true here: an interval
that rests on the fitted distribution, or one that nothing measured bounds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from dpsynth.arrays import Floats
from dpsynth.errors import InputError
from dpsynth.privacy.measurement import Partitions
from dpsynth.results import Interval
from dpsynth.synth.answers import Answer, Question, groups, indicator
from dpsynth.synth.api import HalfWidth, KeepsCounts
from dpsynth.synth.intervals import Chance, Reader, Rows

Codes = tuple[int, ...]
Where = Mapping[str, Collection[int]]

LEVEL = 0.95
MAX_CELLS = 10_000  #: cells that one call answers


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is known of the rows of one cell.

    Attributes:
        codes: Fine codes that the cell holds, for each column of the table.
        count: Number of rows: the unbiased estimate, which may be negative; where the condition
            cuts measured cells, the middle of two bounds; where nothing was measured, what the
            model expects.
        rows: Interval of that number.
        share: Their share of all rows that meet the condition (of a table of no columns: of all
            rows); None where that number is unknown, and for all rows.
        of_table: Interval of the share in the table.
        of_population: Interval of the share in the population; None where nothing was measured.
    """

    codes: tuple[Codes, ...]
    count: float
    rows: Interval
    share: float | None
    of_table: Interval | None
    of_population: Interval | None


@dataclass(frozen=True, kw_only=True)
class CountTable:
    """Cells of a table of counts.

    Attributes:
        columns: Its columns; none for one cell of all rows that meet the condition.
        where: Fine codes of which a row has one, in other columns: those asked for, and undeclared
            ones that were counted together with them.
        measured: Whether the columns were counted together. If not, the intervals of rows and of
            shares of the table follow from the columns by themselves, and hold whatever the
            relation between them is.
        cut: Whether a value of the condition was counted only together with others, so that the
            intervals span what the measured cells allow.
        sources: Columns of the measured tables behind it.
        unit_rows: Rows of one unit at most; intervals of the population allow for so many.
        cells: The cells, the last column fastest.
    """

    columns: tuple[str, ...]
    where: Mapping[str, Codes]
    measured: bool
    cut: bool
    sources: tuple[tuple[str, ...], ...]
    unit_rows: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Mean:
    """The mean of a column over its ordered cells, each value counted at the middle of its cell.

    Attributes:
        column: The column.
        measured: Whether it was counted together with the columns of the condition.
        value: The estimate; where nothing was measured, what the model expects.
        of_table: Interval in the table; None where nothing was measured.
        of_population: Interval in the population; None likewise.
        step: Largest distance between the middles of neighbouring cells, in the column's unit.
        unit_rows: Rows of one unit at most; the interval of the population allows for so many.
    """

    column: str
    measured: bool
    value: float
    of_table: Interval | None
    of_population: Interval | None
    step: float
    unit_rows: int


def estimate(
    model: KeepsCounts,
    columns: Sequence[str] = (),
    *,
    where: Where | None = None,
    bins: Partitions | None = None,
    level: float = LEVEL,
) -> CountTable:
    """Return the counts and shares of the cells of some columns, with intervals.

    A table of several columns has the cells in which it was measured. One column, and a table that
    was not measured, has one cell for each of `bins`, or for each fine code of a column that is not
    named there.

    Args:
        model: A model as it was fitted or loaded.
        columns: Columns of the table; none for one cell.
        where: Fine codes of which a row has one, by column.
        bins: Public partition of the fine codes, by column.
        level: Probability of each interval, for a question that was chosen without a look at the
            noisy counts that answer it.

    Raises:
        InputError: A column or code is unknown, the model stands under a condition, or there are
            more than :data:`MAX_CELLS` cells.
    """
    reader, domain = _reader(model, level), model.domain
    given = reader.counts.with_joined(columns, _checked(model, columns, where or {}))
    fixed = {name: indicator(domain[name].size, codes) for name, codes in given.items()}
    asked = (*columns, *given)
    used = reader.counts.used(asked)
    partitions = dict(bins or {})
    if used and len(asked) > 1:
        partitions = dict(reader.counts.sources[used[0]].partitions)
    parts = [groups(partitions.get(name, np.arange(domain[name].size))) for name in columns]
    if math.prod(map(len, parts)) > MAX_CELLS:
        raise InputError(
            f"The table would have more than {MAX_CELLS} cells.",
            where=", ".join(columns),
            fix="Ask for fewer columns, or put a value of one into the condition.",
        )
    whole = reader.rows(fixed) if columns and fixed else reader.all_rows if asked else None
    expected = np.zeros(()) if used else _expected(model, columns, fixed)
    cells, cut = [], False
    for place in np.ndindex(*map(len, parts)):
        codes = tuple(part[i] for part, i in zip(parts, place, strict=True))
        question = fixed | {
            name: indicator(domain[name].size, own)
            for name, own in zip(columns, codes, strict=True)
        }
        ends = reader.counts.answer(question)
        if ends is not None:
            cut |= not ends[0].is_that_of(ends[1])
            cells.append(_counted(reader, codes, ends, whole))
        else:
            held = float(expected[np.ix_(*codes)].sum())
            cells.append(_bounded(reader, codes, question, whole, held))
    return CountTable(
        columns=tuple(columns),
        where=given,
        measured=bool(used),
        cut=cut,
        sources=tuple(reader.counts.sources[i].attributes for i in used),
        unit_rows=reader.unit_rows,
        cells=tuple(cells),
    )


def estimate_mean(
    model: KeepsCounts, column: str, *, where: Where | None = None, level: float = LEVEL
) -> Mean:
    """Return the mean of a column with intervals, codes off its line (missing, others) left out.

    Under a condition the column was counted in bins: the interval then reaches from the least to
    the largest mean that the counts of these bins allow.

    Args:
        model: A model as it was fitted or loaded.
        column: A column with ordered cells.
        where: Fine codes of which a row has one, by column.
        level: Probability of each interval.

    Raises:
        InputError: A column or code is unknown, the column has no ordered cells, a value of the
            condition was counted only together with others, or the model stands under a condition.
    """
    reader, domain = _reader(model, level), model.domain
    given = reader.counts.with_joined((column,), _checked(model, (column,), where or {}))
    attribute = domain[column]
    if not attribute.n_ordered:
        raise InputError("has no order, so it has no mean.", where=column)
    fixed = {name: indicator(domain[name].size, codes) for name, codes in given.items()}
    line = np.array(attribute.positions)
    inside = indicator(attribute.size, range(attribute.n_ordered))
    above = np.zeros(attribute.size)  # of each middle above the lowest one: weights are at least 0
    above[: line.size] = line - line[0]
    for code, beside in reader.counts.joined((column, *given), column):
        if beside < attribute.n_ordered:  # as a value that it was counted with: no cell is cut
            inside[code], above[code] = 1.0, above[beside]
    step = float(np.diff(line).max(initial=0.0))
    ends = reader.counts.answer({column: above, **fixed})
    if ends is None:
        table = _expected(model, (column,), fixed)
        rows = float(table @ inside)
        value = float(table @ above) / rows if rows > 0 else math.nan
        return Mean(
            column=column,
            measured=False,
            value=line[0] + value,
            of_table=None,
            of_population=None,
            step=step,
            unit_rows=reader.unit_rows,
        )
    whole = reader.rows({column: inside, **fixed})
    if whole is None:
        raise InputError(
            "A value of the condition was counted only together with others.",
            where=", ".join(fixed),
            fix="`estimate` of these columns shows which values share a cell.",
        )
    top = float(above.max())
    value = (ends[0].value + ends[1].value) / 2.0 / max(whole.answer.value, 1.0)
    value = min(top, max(0.0, value))
    chance = _chance_of_mean(reader, {column: np.abs(above - value) * inside}, fixed, whole)
    table_low, table_high = (reader.ratio(end, whole, most=top) for end in ends)
    low, high = (reader.ratio(end, whole, most=top, chance=chance) for end in ends)
    return Mean(
        column=column,
        measured=True,
        value=line[0] + value,
        of_table=reader.interval(line[0] + table_low[0], line[0] + table_high[1]),
        of_population=reader.interval(
            line[0] + min(low[0], table_low[0]), line[0] + max(high[1], table_high[1])
        ),
        step=step,
        unit_rows=reader.unit_rows,
    )


def half_widths(model: KeepsCounts, bins: Partitions) -> list[HalfWidth]:
    """Return half of the interval of one count, of every column and then of every table.

    Args:
        model: A model as it was fitted or loaded.
        bins: Public partition of the fine codes, by column; a column not named stays fine.
    """
    reader = _reader(model, LEVEL)
    found = []
    for source in reader.counts.sources:
        variance = source.counts.block_variance
        if len(source.attributes) == 1:
            (name,) = source.attributes
            variance = source.counts.bin_variance(bins.get(name, source.partitions[name]))
        rows = reader.quantile * math.sqrt(float(variance.max()))
        found.append(
            HalfWidth(
                attributes=source.attributes,
                cells=variance.size,
                rows=rows,
                share=min(1.0, rows / model.total),
            )
        )
    return found


def _reader(model: KeepsCounts, level: float) -> Reader:
    """Return the reader of a model; InputError if it stands under a condition."""
    if model.fixed:
        raise InputError(
            "A model under a condition has no intervals.",
            fix="Take the model that it came from, and give the condition as `where`.",
        )
    return Reader.of(model.domain, model.measurements, level)


def _checked(model: KeepsCounts, columns: Sequence[str], where: Where) -> dict[str, Codes]:
    """Return the condition with sorted codes; InputError for what is unknown or named twice."""
    named = (*columns, *where)
    for name in named:
        if name not in model.domain.names:
            raise InputError("is no column of the model.", where=name)
    if len(set(named)) < len(named):
        raise InputError("Each column may be named once.", where=", ".join(named))
    for name, codes in where.items():
        size = model.domain[name].size
        if not codes or not all(0 <= code < size for code in codes):
            raise InputError(
                "needs one code or more of the column.",
                where=f"condition on {name!r}",
                fix=f"Its codes are 0 to {size - 1}.",
            )
    return {name: tuple(sorted(set(codes))) for name, codes in where.items()}


def _expected(model: KeepsCounts, columns: Sequence[str], fixed: Question) -> Floats:
    """Return what the model expects over columns, of the rows that meet a condition."""
    table = model.marginal((*columns, *fixed))
    for weights in reversed(list(fixed.values())):
        table = table @ weights
    return table


def _counted(
    reader: Reader, codes: tuple[Codes, ...], ends: tuple[Answer, Answer], whole: Rows | None
) -> Cell:
    """Return a cell whose columns were counted together."""
    low, high = ends
    count = (low.value + high.value) / 2.0
    of_table = of_population = None
    if whole is not None:
        # Of n rows, each of a kind with probability t, the sum of (1 or 0) - t has variance
        # n t (1 - t); at most c times that where a unit has up to c rows.
        rows = reader.unit_rows * max(0.0, whole.answer.value)
        chance = Chance(linear=rows, square=-rows)
        least, most = reader.ratio(low, whole)[0], reader.ratio(high, whole)[1]
        of_table = reader.interval(least, most)
        of_population = reader.interval(
            min(least, reader.ratio(low, whole, chance=chance)[0]),
            max(most, reader.ratio(high, whole, chance=chance)[1]),
        )
    return Cell(
        codes=codes,
        count=count,
        rows=reader.counted(low, high),
        share=_share(count, whole),
        of_table=of_table,
        of_population=of_population,
    )


def _bounded(
    reader: Reader,
    codes: tuple[Codes, ...],
    question: Question,
    whole: Rows | None,
    expected: float,
) -> Cell:
    """Return a cell whose columns were not counted together (Frechet 1951).

    Of n rows, x_1 ... x_k of which meet one of k conditions each, at most the least of them and at
    least their sum less (k - 1) n meet all. The upper end has k chances to miss.
    """
    counts = reader.counts
    each = [row.answer for n, w in question.items() if (row := reader.rows({n: w})) is not None]
    factors = [1.0] * len(each) + [1.0 - len(each)]
    least = counts.combined([*each, counts.total()], factors)
    far = float(ndtri(1.0 - (1.0 - reader.level) / (2.0 * len(each))))
    of_table = None
    if whole is not None:
        of_table = reader.interval(
            reader.ratio(least, whole)[0],
            min(reader.ratio(x, whole, quantile=far)[1] for x in each),
        )
    return Cell(
        codes=codes,
        count=expected,
        rows=reader.interval(
            max(0.0, least.value - reader.half(least)),
            min(max(0.0, x.value + reader.half(x, far)) for x in each),
        ),
        share=_share(expected, whole),
        of_table=of_table,
        of_population=None,
    )


def _chance_of_mean(reader: Reader, distance: Question, fixed: Question, whole: Rows) -> Chance:
    """Return the variance by sampling of the sum of distances from a mean.

    The sum of their squares, from above: the upper end of its interval, and no more than the
    largest distance allows; at most c times that where a unit has up to c rows.
    """
    squares = {name: weights**2 for name, weights in distance.items()}
    (largest,) = (float(weights.max()) for weights in squares.values())
    rows = max(0.0, whole.answer.value + reader.quantile * math.sqrt(whole.variance))
    found = reader.counts.answer({**squares, **fixed})
    most = found[1].value + reader.half(found[1]) if found else math.inf
    return Chance(constant=reader.unit_rows * min(largest * rows, max(0.0, most)))


def _share(count: float, whole: Rows | None) -> float | None:
    """Return a count as a share, None where the whole is not above 0."""
    if whole is None or whole.answer.value <= 0:
        return None
    return min(1.0, max(0.0, count / whole.answer.value))
