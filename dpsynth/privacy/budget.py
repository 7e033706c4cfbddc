"""Epsilon and delta, as a person decides them. There is no default for either.

delta is an input and never a function of the number of rows, which is private. It is at most 1e-6
unless a policy states another maximum. Nothing here switches privacy off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dpsynth.errors import InputError
from dpsynth.privacy.numbers import parse_decimal

MIN_EPSILON = 1e-4
MAX_EPSILON = 100.0
MIN_DELTA = 1e-30
MAX_DELTA = 1e-6
CEILING_DELTA = 1e-2


@dataclass(frozen=True, kw_only=True)
class Budget:
    """An (epsilon, delta) bound on privacy loss.

    Attributes:
        epsilon: In [1e-4, 100].
        delta: In [1e-30, 0.01]; :meth:`checked` also applies the maximum of a policy.

    Raises:
        InputError: A value is not a number or out of range.
    """

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        """Refuse what no policy could allow."""
        _check_epsilon(self.epsilon)
        _check_delta(self.delta)

    @classmethod
    def checked(cls, epsilon: object, delta: object, max_delta: float = MAX_DELTA) -> Budget:
        """Return the budget that a person wrote down, as numbers or as text.

        Args:
            epsilon: Number, or text such as ``"1.0"``.
            delta: Number, or text such as ``"1e-6"`` (which YAML reads as text).
            max_delta: Largest delta that the policy allows.

        Raises:
            InputError: A value is missing, not a number, or out of range.

        >>> Budget.checked("1", "1e-6")
        Budget(epsilon=1.0, delta=1e-06)
        """
        budget = cls(epsilon=_number(epsilon, "epsilon"), delta=_number(delta, "delta"))
        if budget.delta > max_delta:
            raise InputError(
                f"is {budget.delta:g}, more than the {max_delta:g} that is allowed.",
                where="delta",
                fix="Delta bounds the chance that the promise fails: choose a smaller one.",
            )
        return budget


def _number(value: object, where: str) -> float:
    """Return a number given as int, float or text."""
    if isinstance(value, str):
        text = value.strip().lower().lstrip("+-")
        if text in {"nan", ".nan", "inf", ".inf", "infinity"}:
            return math.nan if "nan" in text else math.inf
        return parse_decimal(value, where=where)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(
            "is not a number.", where=where, fix="There is no default: a person decides it."
        )
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _check_epsilon(epsilon: float) -> None:
    """Refuse an epsilon that is no bound, each case in its own words."""
    if math.isnan(epsilon):
        raise InputError("is not a number (NaN).", where="epsilon", fix="Give a number such as 1.")
    if math.isinf(epsilon):
        raise InputError(
            "is infinite: that would be no privacy at all.",
            where="epsilon",
            fix="Give a number such as 1.",
        )
    if epsilon == 0:
        raise InputError(
            "is 0: that allows no use of the data at all.",
            where="epsilon",
            fix="Give a number above 0, such as 1.",
        )
    if epsilon < 0:
        raise InputError("is negative.", where="epsilon", fix="Give a number above 0, such as 1.")
    if epsilon < MIN_EPSILON:
        raise InputError(
            f"is below {MIN_EPSILON:g}: nothing useful could be released.", where="epsilon"
        )
    if epsilon > MAX_EPSILON:
        raise InputError(
            f"is above {MAX_EPSILON:g}: that promises nothing worth signing.", where="epsilon"
        )


def _check_delta(delta: float) -> None:
    """Refuse a delta that is no bound, each case in its own words."""
    fix = "Give a small number such as 1e-6."
    if math.isnan(delta):
        raise InputError("is not a number (NaN).", where="delta", fix=fix)
    if math.isinf(delta):
        raise InputError("is infinite.", where="delta", fix=fix)
    if delta == 0:
        raise InputError("is 0: the noise used here needs a delta above 0.", where="delta", fix=fix)
    if delta < 0:
        raise InputError("is negative.", where="delta", fix=fix)
    if delta >= 1:
        raise InputError(
            "is 1 or more: that would allow the whole table to be published.",
            where="delta",
            fix=fix,
        )
    if delta > CEILING_DELTA:
        raise InputError(
            f"is above {CEILING_DELTA:g}, which no policy may allow.", where="delta", fix=fix
        )
    if delta < MIN_DELTA:
        raise InputError(f"is below {MIN_DELTA:g}.", where="delta", fix=fix)
