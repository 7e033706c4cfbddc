"""The claim that an attack tries to refute: (epsilon, delta), or a whole trade-off curve.

Under (epsilon, delta)-DP no test of "this row was in the table" has a true-positive rate above
min(exp(epsilon) FPR + delta, 1 - exp(-epsilon) (1 - delta - FPR)) (Kairouz, Oh and Viswanath, ICML
2015); a trade-off function f (Dong, Roth and Su, JRSS B 2022) gives the ceiling 1 - f(FPR).

Never true here: an accountant. The numbers are handed in; an attack does not know where they come
from, and a rate below the ceiling proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from dpsynth.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What the maker of a synthetic table claims about one row of its training table.

    Attributes:
        epsilon: Claimed epsilon for one row, above 0.
        delta: Claimed delta for one row, in [0, 1).
        points: Further (epsilon, delta) that are claimed of the same table, where known. A test
            whose bound grows with delta, such as that of canaries, can refute a point with a larger
            epsilon and a smaller delta where it could never refute the first one.
        ceiling: Claimed trade-off curve, where one is known: largest true-positive rate at a
            false-positive rate, 1 - f(FPR). It must not decrease.

    Raises:
        InputError: Epsilon or delta is no such number.
    """

    epsilon: float
    delta: float
    points: tuple[tuple[float, float], ...] = ()
    ceiling: Callable[[float], float] | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that claim nothing."""
        for epsilon, delta in self.pairs:
            if not (math.isfinite(epsilon) and epsilon > 0 and 0 <= delta < 1):
                raise InputError(
                    "A claim needs a finite epsilon above 0 and a delta in [0, 1).",
                    where="claim",
                    fix="Pass the claimed epsilon and delta, or no claim.",
                )

    @property
    def pairs(self) -> tuple[tuple[float, float], ...]:
        """Every (epsilon, delta) that is claimed; all of them hold at once."""
        return ((self.epsilon, self.delta), *self.points)

    def highest_tpr(self, fpr: float) -> float:
        """Return the largest true-positive rate that the claim allows at a false-positive rate.

        >>> round(Claim(epsilon=1.0, delta=0.0).highest_tpr(0.1), 4)
        0.2718
        """
        allowed = 1.0
        for epsilon, delta in self.pairs:
            grown = math.exp(epsilon) * fpr + delta
            mirrored = 1.0 - math.exp(-epsilon) * (1.0 - delta - fpr)
            allowed = min(allowed, grown, mirrored)
        return allowed if self.ceiling is None else min(allowed, self.ceiling(fpr))
