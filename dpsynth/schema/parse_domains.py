"""Read the ``domain`` of one column of a dictionary, by the column's kind."""

from __future__ import annotations

import re
from datetime import date, datetime
from itertools import pairwise

from dpsynth.schema.declared import (
    REAL_BITS,
    WHOLE_BITS,
    CategoryDomain,
    ColumnDomain,
    DateDomain,
    Kind,
    NumericDomain,
    OpenDomain,
    OpenRange,
    PatternDomain,
    TextDomain,
)
from dpsynth.yamlfile import Cursor, quoted

_MAX_BINS = 10_000
_MAX_OPEN_BINS = 100
_MAX_PATTERN = 500


def read_domain(column: Cursor, kind: Kind) -> ColumnDomain:
    """Return the declared domain of a column.

    Args:
        column: The column's entry.
        kind: Its kind.

    Raises:
        InputError: The domain is absent, malformed or does not suit the kind.
    """
    if kind is Kind.TEXT and column.content.get("domain") is None:
        return TextDomain()
    cursor = Cursor.of(column.require("domain", "{...}"), f"{column.where}, domain")
    match kind:
        case Kind.CATEGORICAL | Kind.ORDINAL:
            return _categories(cursor, kind)
        case Kind.INTEGER | Kind.FLOAT:
            return _numeric(cursor, kind)
        case Kind.DATE:
            return _dates(cursor)
        case Kind.ID:
            cursor.only(("pattern", "note"))
            return PatternDomain(pattern=_pattern(cursor))
        case Kind.TEXT:
            cursor.only(("max_length", "note"))
            length = cursor.content.get("max_length")
            if length is not None and (type(length) is not int or length < 1):
                cursor.fail("max_length: must be a whole number of at least 1.")
            return TextDomain(max_length=length)


def _categories(cursor: Cursor, kind: Kind) -> ColumnDomain:
    if kind is Kind.CATEGORICAL and "open" in cursor.content:
        cursor.only(("open", "known_values", "note"))
        if cursor.content["open"] is not True:
            cursor.fail("open: can only be true.", "Leave it out and list `categories`.")
        return OpenDomain(known_values=cursor.texts("known_values"))
    if kind is Kind.CATEGORICAL and "pattern" in cursor.content:
        cursor.only(("pattern", "public_groups", "note"))
        return PatternDomain(
            pattern=_pattern(cursor), public_groups=cursor.text_map("public_groups")
        )
    cursor.only(("categories", "labels", "numeric_equivalence", "note"))
    cursor.require("categories", "['a', 'b']")
    categories = cursor.texts("categories")
    if not categories:
        cursor.fail("categories: is empty.", "List every category that the codebook gives.")
    labels = cursor.text_map("labels")
    for label in labels:
        if label not in categories:
            cursor.fail(f"labels: {quoted(label)} is not one of the categories.", "Correct it.")
    same = cursor.content.get("numeric_equivalence", False)
    if not isinstance(same, bool):
        cursor.fail("numeric_equivalence: must be true or false.")
    return CategoryDomain(categories=categories, labels=labels, numeric_equivalence=same)


def _open_range(cursor: Cursor, kind: Kind) -> OpenRange:
    cursor.only(("open", "lower", "upper", "bins", "note"))
    if cursor.content["open"] is not True:
        cursor.fail("open: can only be true.", "Leave it out and declare lower and upper.")
    ends: dict[str, float | None] = {}
    for key in ("lower", "upper"):
        value = cursor.content.get(key)
        ends[key] = None if value is None else cursor.check_number(key, value)
    lower, upper = ends["lower"], ends["upper"]
    if lower is not None and upper is not None and lower >= upper:
        cursor.fail("lower must be smaller than upper.", "Declare the bounds of the codebook.")
    most = 2.0 ** (WHOLE_BITS if kind is Kind.INTEGER else REAL_BITS)
    if any(end is not None and abs(end) >= most for end in (lower, upper)):
        cursor.fail(
            f"lower and upper of an open range must be below {most:g} in size.",
            "Declare both bounds and the bins.",
        )
    whole = all(end is None or end.is_integer() for end in (lower, upper))
    if kind is Kind.INTEGER and not whole:
        cursor.fail("lower and upper of a column of whole numbers must be whole numbers.")
    bins = cursor.content.get("bins", OpenRange.bins)
    if type(bins) is not int or not 2 <= bins <= _MAX_OPEN_BINS:
        cursor.fail(f"bins: must be a whole number from 2 to {_MAX_OPEN_BINS}.")
    return OpenRange(lower=lower, upper=upper, bins=bins)


def _numeric(cursor: Cursor, kind: Kind) -> NumericDomain | OpenRange:
    if "open" in cursor.content:
        return _open_range(cursor, kind)
    cursor.only(("lower", "upper", "bins", "note"))
    lower, upper = cursor.number("lower", "0"), cursor.number("upper", "100")
    if lower >= upper:
        cursor.fail("lower must be smaller than upper.", "Declare the bounds of the codebook.")
    if upper - lower < 1e-6 * max(abs(lower), abs(upper)):
        cursor.fail("lower and upper are too close to each other for their size.")
    if kind is Kind.INTEGER and not (lower.is_integer() and upper.is_integer()):
        cursor.fail("lower and upper of a column of whole numbers must be whole numbers.")
    bins = Cursor.of(cursor.require("bins", "{uniform: 20}"), f"{cursor.where}, bins")
    bins.only(("edges", "uniform"))
    if ("edges" in bins.content) == ("uniform" in bins.content):
        bins.fail("needs either `edges` or `uniform`.", "Write for example `uniform: 20`.")
    if "uniform" in bins.content:
        count = bins.content["uniform"]
        if type(count) is not int or not 1 <= count <= _MAX_BINS:
            bins.fail(f"uniform: must be a whole number from 1 to {_MAX_BINS}.")
        edges = [lower + (upper - lower) * i / count for i in range(count)] + [upper]
    else:
        edges = [bins.check_number("edges", item) for _, item in bins.each("edges", "[0, 10]")]
        _check_edges(bins, edges, lower, upper)
    return NumericDomain(lower=lower, upper=upper, edges=tuple(edges))


def _check_edges(bins: Cursor, edges: list[float], lower: float, upper: float) -> None:
    """Edges rise, cover the bounds, and no bin lies wholly outside them."""
    if not 2 <= len(edges) <= _MAX_BINS + 1:
        bins.fail(f"edges: needs 2 to {_MAX_BINS + 1} numbers.")
    if any(a >= b for a, b in pairwise(edges)):
        bins.fail("edges: must rise strictly.", "Sort them and remove repeated ones.")
    if edges[0] > lower or edges[-1] < upper:
        bins.fail(
            "edges: do not cover the range from lower to upper.",
            "The first may not be above lower, the last not below upper.",
        )
    if edges[1] <= lower or edges[-2] > upper:
        bins.fail("edges: one bin lies wholly outside lower and upper.", "Remove it.")


def _dates(cursor: Cursor) -> DateDomain:
    cursor.only(("format", "lower", "upper", "note"))
    form = cursor.token("format", cursor.require("format", "'%Y-%m-%d'"), limit=60)
    lower, upper = _day(cursor, "lower", form), _day(cursor, "upper", form)
    if lower >= upper:
        cursor.fail("lower must be before upper.", "Declare the first and the last day.")
    for day in (lower, upper):
        try:
            again = datetime.strptime(day.strftime(form), form).date()
        except (ValueError, re.error):
            again = None
        if again != day:
            cursor.fail(
                f"format: {quoted(form)} does not hold the whole day within the bounds.",
                "Use day, month and year, for example '%Y-%m-%d' or '%d.%m.%Y'.",
            )
    return DateDomain(format=form, lower=lower, upper=upper)


def _day(cursor: Cursor, key: str, form: str) -> date:
    value = cursor.require(key, "'2020-12-31'")
    if isinstance(value, date):
        return value.date() if isinstance(value, datetime) else value
    text = cursor.token(key, value, limit=60)
    for candidate in ("%Y-%m-%d", form):
        try:
            return datetime.strptime(text, candidate).date()
        except (ValueError, re.error):
            continue
    cursor.fail(f"{key}: {quoted(text)} is not a day.", "Write it as '2020-12-31'.")


def _pattern(cursor: Cursor) -> str:
    pattern = cursor.token("pattern", cursor.require("pattern", r"'\d+'"), limit=_MAX_PATTERN)
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        cursor.fail("pattern: is not a regular expression.", r"Write for example '[A-Z]{2}\d{6}'.")
    return pattern
