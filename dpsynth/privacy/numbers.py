"""Exact numbers: floats as the fractions they are, rounded outward, written as decimal strings.

A float is an exact binary fraction, so sums and comparisons of rho are made in `Fraction` and no
rounding error can open a budget. What leaves as a float is rounded against the spender: costs up,
what remains down. A decimal string reads back to the very float it was written from.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from dpsynth.errors import InputError

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?")


def float_up(value: Fraction) -> float:
    """Return the smallest float that is not below `value`."""
    nearest = float(value)
    return nearest if Fraction(nearest) >= value else math.nextafter(nearest, math.inf)


def float_down(value: Fraction) -> float:
    """Return the largest float that is not above `value`."""
    nearest = float(value)
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, -math.inf)


def root_up(square: int) -> float:
    """Return the smallest float whose square is not below a whole number."""
    root = math.sqrt(square)
    while Fraction(root) ** 2 < square:
        root = math.nextafter(root, math.inf)
    return root


def parse_decimal(text: str, *, where: str) -> float:
    """Return the float that a decimal string names.

    Raises:
        InputError: The text is not a decimal number.
    """
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text.strip()):
        raise InputError("is not a decimal number.", where=where)
    return float(text.strip())
