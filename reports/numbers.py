"""How numbers look: formatting only. Limits are rounded to the honest side.

An upper bound is rounded up and what is left of a budget is rounded down, so that no printed number
promises more than the evidence.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Context, Decimal

from markupsafe import Markup

_TINY = 1e-4
_SLACK = 1e-9


def grouped(value: float) -> str:
    """Return a whole number with commas between thousands."""
    return f"{round(value):,}"


def _rounded(text: str, digits: int, rounding: str) -> str:
    value = Context(prec=digits, rounding=rounding).plus(Decimal(text))
    shown = format(value, "f")
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def up(text: str, digits: int = 5) -> str:
    """Return a decimal string at `digits` significant digits, rounded away from zero."""
    return _rounded(text, digits, ROUND_UP)


def down(text: str, digits: int = 5) -> str:
    """Return a decimal string at `digits` significant digits, rounded towards zero."""
    return _rounded(text, digits, ROUND_DOWN)


def share(part: str, whole: str) -> str:
    """Return part of whole as a percentage with one decimal, or a dash where whole is zero."""
    total = Decimal(whole)
    return "–" if total == 0 else f"{100 * Decimal(part) / total:.1f} %"


def one_in(probability: float) -> str:
    """Return "1 in n" with n rounded down to two significant digits; the bound stays a bound."""
    if probability <= 0:
        return "0"
    n = _rounded(
        str(Decimal(1) / Decimal(repr(float(probability))) * (1 + Decimal("1e-12"))), 2, ROUND_DOWN
    )
    return f"1 in {int(Decimal(n)):,}"


def out_of(probability: float, whole: int = 100) -> int:
    """Return how many in `whole` a probability is at most: rounded up."""
    return min(whole, math.ceil(probability * whole - _SLACK))


def hundredths(share: float, rounding: str = ROUND_HALF_EVEN) -> str:
    """Return a share in hundredths: one decimal, two where it is below one."""
    value = 100 * Decimal(repr(float(share)))
    return str(value.quantize(Decimal("0.01" if value < 1 else "0.1"), rounding=rounding))


def number(value: float | int | str | None, digits: int = 3) -> str | Markup:
    """Return a measured number at `digits` significant digits, small ones as a power of ten."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0:
        return "0"
    if abs(value) < _TINY:
        mantissa, exponent = f"{value:.1e}".split("e")
        return Markup("{} × 10<sup>{}</sup>").format(
            mantissa.replace("-", "−"), str(int(exponent)).replace("-", "−")
        )
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}".replace("-", "−")


def p_value(value: float | None) -> str | Markup:
    """Return a p-value; one that a float cannot hold is below a power of ten, never 0."""
    return Markup("&lt; 10<sup>−300</sup>") if value == 0 else number(value)


def setting(value: float) -> str | Markup:
    """Return a declared number as it was declared, without padding: 0.001."""
    return f"{value:g}" if abs(value) >= _TINY else number(value)


def ceiling(value: float) -> str:
    """Return a positive typical size as a whole number, rounded up."""
    return f"{int(Decimal(repr(float(value))).to_integral_value(ROUND_CEILING)):,}"


def blocks(digest: str) -> str:
    """Return a hexadecimal digest in groups of eight, which people can compare."""
    return " ".join(digest[i : i + 8] for i in range(0, len(digest), 8))


def day(timestamp: str) -> str:
    """Return an ISO 8601 time as ``2026-01-31 12:00 UTC``, a date as it is."""
    if "T" not in timestamp:
        return timestamp
    date, time = timestamp.split("T")
    return f"{date} {time[:5]} UTC"
