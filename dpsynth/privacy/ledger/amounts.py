"""Amounts of rho and delta as the ledger writes them: exact decimal texts of binary fractions.

A sum of floats is a whole number over a power of two and so has a finite decimal expansion. It is
written out in full, so that a release's charge adds up to the same fraction however it is read, and
a run that uses its reservation to the last digit is not refused for a rounding.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction

from dpsynth.errors import InputError

_PLAIN = re.compile(r"(0|[1-9][0-9]{0,15})(\.[0-9]{1,1100})?", re.ASCII)


def as_text(value: Fraction) -> str:
    """Return the exact decimal text of a fraction of at least 0 over a power of two."""
    twos = value.denominator.bit_length() - 1
    if value < 0 or value.denominator != 1 << twos:
        raise InputError("An amount must be a sum of numbers of the machine.", where="ledger")
    if not twos:
        return str(value.numerator)
    digits = str(value.numerator * 5**twos).rjust(twos + 1, "0")
    return f"{digits[:-twos]}.{digits[-twos:]}"


def as_fraction(text: object) -> Fraction:
    """Return the fraction that a plain decimal text names.

    Raises:
        InputError: It is no text of that form.
    """
    if not (isinstance(text, str) and _PLAIN.fullmatch(text)):
        raise InputError("is not an exact decimal number.", where="ledger")
    whole, _, digits = text.partition(".")
    return Fraction(int(whole + digits), 10 ** len(digits))


def as_decimal(value: Fraction, *, digits: int) -> str:
    """Return a short decimal text that is not below the fraction, for people."""
    context = Context(prec=digits, rounding=ROUND_CEILING)
    found = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    return format(found.normalize(context), "f") if found else "0"
