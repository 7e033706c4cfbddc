"""Amounts of rho and delta as the ledger adds them up and writes them: exactly, in decimal.

A float is a whole number over a power of two and so has a finite decimal expansion. Sums of floats
are written out in full, so that a release's charge is the same number however it is read, and a run
that uses its reservation to the last digit is not refused for a rounding. Python's decimals are
exact up to a precision that holds every sum of floats below 1e300; beyond it they raise.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow
from fractions import Fraction

from dpsynth.errors import InputError

ZERO = Decimal(0)

_EXACT = Context(prec=1500, traps=[Clamped, Inexact, InvalidOperation, Overflow])
_PLAIN = re.compile(r"(0|[1-9][0-9]{0,299})(\.[0-9]{1,1100})?", re.ASCII)


def plus(one: Decimal, two: Decimal) -> Decimal:
    """Return the exact sum."""
    return _EXACT.add(one, two)


def minus(one: Decimal, two: Decimal) -> Decimal:
    """Return the exact difference."""
    return _EXACT.subtract(one, two)


def as_amount(value: Fraction) -> Decimal:
    """Return a fraction over a power of two exactly; InputError if it is none."""
    twos = value.denominator.bit_length() - 1
    if value.denominator != 1 << twos:
        raise InputError("An amount must be a sum of numbers of the machine.", where="ledger")
    return Decimal(value.numerator * 5**twos).scaleb(-twos, _EXACT)


def as_text(value: Decimal) -> str:
    """Return the one decimal text of an amount."""
    return format(_EXACT.normalize(value), "f") if value else "0"


def read_amount(text: object) -> Decimal:
    """Return the amount that a plain decimal text names.

    Raises:
        InputError: It is no text of that form.
    """
    if not (isinstance(text, str) and _PLAIN.fullmatch(text)):
        raise InputError("is not an exact decimal number.", where="ledger")
    return Decimal(text)


def shortened(text: str) -> str:
    """Return a decimal text of 17 digits that is not below the amount, for people."""
    context = Context(prec=17, rounding=ROUND_CEILING)
    return as_text(context.plus(read_amount(text)))
