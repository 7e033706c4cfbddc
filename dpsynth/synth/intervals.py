"""Intervals of counts and of quotients of counts, from the noise that is known of them.

A quotient has the interval of Fieller (1954): all values t for which x - t n is within its noise of
zero. With the chance of sampling added to that noise it is, for a share, the interval of Wilson
(1927). docs/uncertainty.md has the derivations. Never true here: a variance that was estimated from
the noise itself, or an interval that is narrower because of what was counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtri

from dpsynth.errors import InputError
from dpsynth.privacy.measurement import Measurement
from dpsynth.results import Interval
from dpsynth.schema.domain import Domain
from dpsynth.synth.answers import Answer, NoisyCounts, Question


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """What shares are shares of: a number of rows, and the variance of its noise."""

    answer: Answer
    variance: float


@dataclass(frozen=True, kw_only=True)
class Chance:
    """Variance by sampling of x - t n, as a polynomial in t: constant + linear t + square t^2."""

    constant: float = 0.0
    linear: float = 0.0
    square: float = 0.0


NOISE_ALONE = Chance()


@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """Reads intervals off noisy counts.

    Attributes:
        counts: The counts. Their noise is whole numbers, so each standard deviation is taken
            larger by 1 / (2 quantile): the interval of one count is wider by half a row a side.
        level: Probability of each interval.
        quantile: Of the normal distribution at (1 + level) / 2.
        unit_rows: Rows of one unit at most, c, from what was charged:  rho = c^2 / (2 sigma^2).
        all_rows: All rows of the table.
    """

    counts: NoisyCounts
    level: float
    quantile: float
    unit_rows: int
    all_rows: Rows

    @classmethod
    def of(cls, domain: Domain, measurements: Sequence[Measurement], level: float) -> Reader:
        """Return the reader of everything that was measured.

        Raises:
            InputError: The level is not in [0.5, 1).
        """
        if not 0.5 <= level < 1.0:
            raise InputError("must lie in [0.5, 1).", where="level")
        quantile = float(ndtri((1.0 + level) / 2.0))
        counts = NoisyCounts.of(domain, measurements, rounding=0.5 / quantile)
        total = counts.total()
        return cls(
            counts=counts,
            level=level,
            quantile=quantile,
            unit_rows=max(1, *(round(m.sigma * math.sqrt(2.0 * m.rho)) for m in measurements)),
            all_rows=Rows(answer=total, variance=counts.covariance(total, total)),
        )

    def rows(self, question: Question) -> Rows | None:
        """Return the rows that a question counts; None if not measured, or only with others."""
        found = self.counts.answer(question)
        if found is None or not found[0].is_that_of(found[1]):
            return None
        answer = found[1]
        return Rows(answer=answer, variance=self.counts.covariance(answer, answer))

    def half(self, answer: Answer, quantile: float | None = None) -> float:
        """Return half of the interval of an answer from noise alone.

        Args:
            answer: The answer.
            quantile: In place of :attr:`quantile`.
        """
        variance = self.counts.covariance(answer, answer)
        return (quantile or self.quantile) * math.sqrt(max(0.0, variance))

    def counted(self, low: Answer, high: Answer) -> Interval:
        """Return the interval of a sum of rows that lies between two answers; at least 0."""
        return self.interval(
            max(0.0, low.value - self.half(low)), max(0.0, high.value + self.half(high))
        )

    def ratio(
        self,
        part: Answer,
        whole: Rows,
        *,
        most: float = 1.0,
        chance: Chance = NOISE_ALONE,
        quantile: float | None = None,
    ) -> tuple[float, float]:
        """Return the ends of the interval of a quotient x / n, within [0, most].

        All t with  (x - t n)^2 <= q^2 (Var x - 2 t Cov + t^2 Var n + chance);  all of [0, most]
        where n is not above 0 by its own noise.

        Args:
            part: x.
            whole: n.
            most: Largest value that the quotient of exact counts can have.
            chance: Variance by sampling.
            quantile: q, in place of :attr:`quantile`.
        """
        x, n = part.value, whole.answer.value
        q2 = (quantile or self.quantile) ** 2
        both = self.counts.covariance(part, whole.answer)
        a = n**2 - q2 * (whole.variance + chance.square)
        b = -2.0 * x * n + q2 * (2.0 * both - chance.linear)
        c = x**2 - q2 * (self.counts.covariance(part, part) + chance.constant)
        if n <= 0 or n**2 <= q2 * whole.variance or a <= 0:
            return 0.0, most
        middle, root = -b / (2.0 * a), math.sqrt(max(0.0, b * b - 4.0 * a * c)) / (2.0 * a)
        return min(most, max(0.0, middle - root)), min(most, max(0.0, middle + root))

    def interval(self, low: float, high: float) -> Interval:
        """Return an interval at the level; ends of two answers that cross become one point."""
        return Interval(low=min(low, high), high=high, level=self.level)
