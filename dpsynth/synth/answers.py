"""Unbiased answers to questions of counts, from the noisy tables that a model keeps.

A question gives each row a weight, the product of a weight of at least 0 of its code in each of
some columns; its answer is the sum over the rows. Of several independent tables that hold the
columns the mean is taken, with weights from the stated noise (inverse variances). All of it is
post-processing (Dwork and Roth 2014, Proposition 2.1). docs/uncertainty.md has the derivation.

Which tables a fit measures depends on the noise of earlier ones. So an answer uses the first entry
of the ledger that holds its columns: whether it does was settled before its noise was drawn.
Never true here: a table or a weight that is taken because of what was counted in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dpsynth.arrays import Floats, Integers
from dpsynth.privacy.measurement import Measurement, Partitions
from dpsynth.schema.domain import Domain
from dpsynth.synth.estimate import Estimate, mean_of
from dpsynth.synth.numeric import declared_codes
from dpsynth.synth.oneway import estimates_of

#: Weight of each fine code, at least 0, by column; rows weigh 1 in a column that is not named.
Question = Mapping[str, Floats]


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Noisy counts of one set of columns, independent of every other source.

    Attributes:
        attributes: The columns, in axis order.
        partitions: Cell of every fine code, for each of them.
        counts: The cells in row-major order, with their noise.
        entry: Ledger entry of the first count of them.
    """

    attributes: tuple[str, ...]
    partitions: Partitions
    counts: Estimate
    entry: int

    def weights(self, question: Question) -> tuple[Floats, Floats]:
        """Return the least and the largest weight of a row in each cell, each of shape (cells,).

        Where a cell holds codes of different weight, the answer lies between the two sums.
        """
        ends = [np.ones(1), np.ones(1)]
        for name in self.attributes:
            cell = self.partitions[name]
            weight = question.get(name, np.ones(cell.size))
            least, most = np.full(cell.max() + 1, np.inf), np.zeros(cell.max() + 1)
            np.minimum.at(least, cell, weight)
            np.maximum.at(most, cell, weight)
            ends = [
                np.outer(end, own).ravel() for end, own in zip(ends, (least, most), strict=True)
            ]
        return ends[0], ends[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """A weighted sum of noisy counts.

    Attributes:
        value: The sum; its expectation over the noise is the same sum of exact counts.
        terms: Weight of each cell, by number of the source.
    """

    value: float
    terms: Mapping[int, Floats]

    def is_that_of(self, other: Answer) -> bool:
        """Say whether both answers give every cell of the same sources the same weight."""
        return all(np.array_equal(w, other.terms[i]) for i, w in self.terms.items())


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisyCounts:
    """All sources of a model.

    Attributes:
        domain: The fine domain.
        sources: The columns in domain order, then the tables in the order of measuring.
    """

    domain: Domain
    sources: tuple[Source, ...]

    @classmethod
    def of(
        cls, domain: Domain, measurements: Sequence[Measurement], *, rounding: float = 0.0
    ) -> NoisyCounts:
        """Put together what was counted of the same cells.

        Args:
            domain: The fine domain.
            measurements: Every column by itself and any tables.
            rounding: Added to the standard deviation of every noisy count, in rows.
        """
        known = [replace(m, sigma=m.sigma + rounding) for m in measurements]
        sources = [
            Source(
                attributes=(a.name,),
                partitions={a.name: np.arange(a.size, dtype=np.int64)},
                counts=estimate,
                entry=min(m.ledger_seq for m in known if m.attributes == (a.name,)),
            )
            for a, estimate in zip(domain, estimates_of(domain, known), strict=True)
        ]
        tables: dict[object, list[Measurement]] = {}
        for m in known:
            if len(m.attributes) > 1:
                key = m.attributes, tuple(cells.tobytes() for cells in _cells(domain, m).values())
                tables.setdefault(key, []).append(m)
        sources += [_table(domain, same) for same in tables.values()]
        return cls(domain=domain, sources=tuple(sources))

    def used(self, columns: Sequence[str]) -> tuple[int, ...]:
        """Return the numbers of the sources that answer questions of some columns, if any do.

        All that were paid by the first entry in which the columns were counted; none named: all of
        the first entry.
        """
        held = [i for i, s in enumerate(self.sources) if set(columns) <= set(s.attributes)]
        first = min((self.sources[i].entry for i in held), default=0)
        return tuple(i for i in held if self.sources[i].entry == first)

    def joined(self, asked: Sequence[str], name: str) -> list[tuple[int, int]]:
        """Return undeclared codes of a column that were counted together with a declared one.

        Bins join blank and out-of-domain codes that no count shows to the heaviest value: to leave
        them out would cut its cell, for rows that are hardly there.

        Args:
            asked: Columns of a question.
            name: One of them.

        Returns:
            Each such code, and the first declared code of its cell.
        """
        used = self.used(asked)
        if not used:
            return []
        cell = self.sources[used[0]].partitions[name]
        declared = declared_codes(self.domain[name])
        first = {int(cell[c]): c for c in reversed(np.flatnonzero(declared).tolist())}
        others = np.flatnonzero(~declared).tolist()
        return [(code, first[int(cell[code])]) for code in others if int(cell[code]) in first]

    def with_joined(
        self, columns: Sequence[str], where: Mapping[str, tuple[int, ...]]
    ) -> dict[str, tuple[int, ...]]:
        """Return a condition with the codes that were counted together with its values."""
        asked = (*columns, *where)
        found = {}
        for name, codes in where.items():
            beside = [code for code, declared in self.joined(asked, name) if declared in codes]
            found[name] = tuple(sorted({*codes, *beside}))
        return found

    def answer(self, question: Question) -> tuple[Answer, Answer] | None:
        """Return a lower and an upper answer; the same where no cell is cut, None if not measured.

        Args:
            question: Weights in one or more columns.
        """
        numbers = self.used(tuple(question))
        return self._mean(numbers, question) if numbers else None

    def total(self) -> Answer:
        """Return the number of rows, from all tables of the first entry."""
        return self._mean(self.used(()), {})[1]

    def _mean(self, numbers: Sequence[int], question: Question) -> tuple[Answer, Answer]:
        """Return the lower and the upper answer of some sources, by inverse variances."""
        ends = {i: self.sources[i].weights(question) for i in numbers}
        variance = {i: self.sources[i].counts.covariance(w, w) for i, (_, w) in ends.items()}
        precision = {i: 1.0 / v if v > 0 else 1.0 for i, v in variance.items()}
        share = {i: p / sum(precision.values()) for i, p in precision.items()}
        low, high = (
            self._sum({i: share[i] * both[end] for i, both in ends.items()}) for end in (0, 1)
        )
        return low, high

    def combined(self, answers: Sequence[Answer], factors: Sequence[float]) -> Answer:
        """Return the sum of answers times factors."""
        terms: dict[int, Floats] = {}
        for answer, factor in zip(answers, factors, strict=True):
            for i, weights in answer.terms.items():
                terms[i] = terms.get(i, np.zeros_like(weights)) + factor * weights
        return self._sum(terms)

    def covariance(self, left: Answer, right: Answer) -> float:
        """Return the noise covariance of two answers."""
        both = left.terms.keys() & right.terms.keys()
        return sum(self.sources[i].counts.covariance(left.terms[i], right.terms[i]) for i in both)

    def _sum(self, terms: Mapping[int, Floats]) -> Answer:
        """Return the answer that has these weights."""
        value = sum(float(w @ self.sources[i].counts.values) for i, w in terms.items())
        return Answer(value=value, terms=terms)


def _cells(domain: Domain, measurement: Measurement) -> dict[str, Integers]:
    """Return the cell of every fine code of the columns of a measurement."""
    return {
        name: measurement.partitions.get(name, np.arange(domain[name].size, dtype=np.int64))
        for name in measurement.attributes
    }


def _table(domain: Domain, same: Sequence[Measurement]) -> Source:
    """Return the source of one table that was counted once or more."""
    values, variance = mean_of(same)
    return Source(
        attributes=same[0].attributes,
        partitions=_cells(domain, same[0]),
        counts=Estimate(
            values=values.ravel(),
            blocks=np.arange(values.size, dtype=np.int64),
            cell_variance=variance,
            block_variance=np.full(values.size, variance),
        ),
        entry=min(m.ledger_seq for m in same),
    )


def indicator(size: int, codes: Sequence[int]) -> Floats:
    """Return the weights, shape (size,), that count the rows of some codes."""
    weights = np.zeros(size)
    weights[list(codes)] = 1.0
    return weights


def groups(partition: Integers) -> list[tuple[int, ...]]:
    """Return the fine codes of each cell of a partition."""
    order = np.argsort(partition, kind="stable")
    ends = np.cumsum(np.bincount(partition))
    return [tuple(map(int, order[a:b])) for a, b in itertools.pairwise((0, *ends))]
