"""The privacy loss of everything that a Curator answers, each answer given those before it.

A witness stands between a method and its Curator, passes every question on, and adds up the
log-likelihood ratio of the answers between two worlds whose tables it knows. The questions are the
method's own, functions of earlier answers and of its own coins, so they have the same probability
in both worlds and cancel. By Neyman and Pearson (1933) the sum is the best test between the worlds.

The exact answers are counted afresh from the tables, and the scales are those of the events that
were charged. If the noise is not what its event says, the ratio is no longer the best test, but it
is still a test, and what it separates is really separated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn, TypeVar

from scipy.special import log_softmax

from dpsynth.arrays import Integers
from dpsynth.errors import SelfTestError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import Event, SelectionEvent
from dpsynth.privacy.foreign import ThirdPartyEvent, UnboundedEvent
from dpsynth.privacy.handover import Core
from dpsynth.privacy.measurement import (
    Candidate,
    MarginalQuery,
    Measurement,
    Scores,
    Selection,
    SelectionQuery,
    TrainingQuery,
)
from dpsynth.privacy.requests import score_request
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import MarginalSource, Query

T = TypeVar("T")


class Witness(Curator):
    """A Curator that asks another one and adds up the log-likelihood ratio of its answers.

    It holds no table and no noise of its own: what it does not pass on fails.

    Args:
        curator: Who answers, about either table.
        tables: Table of world 0 and of world 1.
    """

    def __init__(self, curator: Curator, tables: tuple[MarginalSource, MarginalSource]) -> None:
        self._curator = curator
        self._tables = tables
        self._witnesses: list[Witness] = []
        self._ratio = 0.0

    @property
    def ratio(self) -> float:
        """Log-likelihood ratio of all answers so far, world 1 against world 0, parts included."""
        return self._ratio + sum(part.ratio for part in self._witnesses)

    @property
    def domain(self) -> Domain:
        """See :class:`Curator`."""
        return self._curator.domain

    @property
    def rho(self) -> float:
        """See :class:`Curator`."""
        return self._curator.rho

    @property
    def remaining(self) -> float:
        """See :class:`Curator`."""
        return self._curator.remaining

    @property
    def unit_rows(self) -> int:
        """See :class:`Curator`."""
        return self._curator.unit_rows

    @property
    def cells_left(self) -> int:
        """See :class:`Curator`."""
        return self._curator.cells_left

    @property
    def events(self) -> tuple[tuple[int, Event], ...]:
        """See :class:`Curator`."""
        return self._curator.events

    def close(self) -> None:
        """See :class:`Curator`."""
        self._curator.close()

    def settle(self) -> None:
        """See :class:`Curator`."""
        self._curator.settle()

    def part(self, rho: float, label: str) -> Witness:
        """See :class:`Curator`; what the part answers is added up, too."""
        part = Witness(self._curator.part(rho, label), self._tables)
        self._witnesses.append(part)
        return part

    def measure(self, queries: Sequence[MarginalQuery], *, stage: str) -> list[Measurement]:
        """See :class:`Curator`."""
        answers = self._curator.measure(queries, stage=stage)
        exact = self._exact([(q.attributes, q.partitions) for q in queries])
        for answer, (without, with_unit) in zip(answers, exact, strict=True):
            self._ratio += gaussian_ratio(answer.values, without, with_unit, answer.sigma)
        return answers

    def score(self, candidates: Sequence[Candidate], *, rho: float, stage: str) -> Scores:
        """See :class:`Curator`."""
        answer = self._curator.score(candidates, rho=rho, stage=stage)
        without, with_unit = self._scores(candidates, stage)
        self._ratio += gaussian_ratio(answer.values, without, with_unit, answer.sigma)
        return answer

    def select(self, query: SelectionQuery, *, stage: str) -> Selection:
        """See :class:`Curator`."""
        answer = self._curator.select(query, stage=stage)
        _, event = self._curator.events[-1]
        if not isinstance(event, SelectionEvent):
            raise SelfTestError("A selection was charged as something else.", where=stage)
        without, with_unit = self._scores(query.candidates, stage)
        self._ratio += selection_ratio(answer.index, without, with_unit, event.scale)
        return answer

    def discover(self, attribute: str, *, rho: float, delta: float, stage: str) -> NoReturn:
        """Refuse: a threshold has a delta of its own, which this audit does not weigh."""
        raise SelfTestError("The mechanism audit does not weigh discoveries.", where=stage)

    def train(self, query: TrainingQuery, *, stage: str) -> NoReturn:
        """Refuse: steps on samples have no ratio that this audit weighs."""
        raise SelfTestError("The mechanism audit does not weigh training.", where=stage)

    def hand_over(self, core: Core[T], event: ThirdPartyEvent | UnboundedEvent) -> NoReturn:
        """Refuse: a program that gets rows gives no answer that could be weighed."""
        raise SelfTestError("The mechanism audit does not weigh programs of others.")

    def _exact(self, asked: Sequence[Query]) -> list[tuple[Integers, Integers]]:
        """Return exact counts in both worlds, one pair a query."""
        without, with_unit = (table.count(asked) for table in self._tables)
        return list(zip(without, with_unit, strict=True))

    def _scores(self, candidates: Sequence[Candidate], stage: str) -> tuple[Integers, Integers]:
        """Return exact scores in both worlds."""
        request = score_request(self.domain, candidates, stage)
        exact = self._exact([(m.attributes, m.partitions) for m in request.marginals])
        return request.scores([w for w, _ in exact]), request.scores([w for _, w in exact])


def gaussian_ratio(seen: Integers, without: Integers, with_unit: Integers, sigma: float) -> float:
    """Return the log-likelihood ratio of discrete Gaussian answers.

    The normalising constant of the noise is the same around every integer, so it cancels, and the
    ratio is exact: the sum of ``((x - c0)**2 - (x - c1)**2) / (2 sigma**2)``.

    Args:
        seen: Noisy values, any shape.
        without: Exact values in world 0.
        with_unit: Exact values in world 1.
        sigma: Scale of the noise.
    """
    change = with_unit - without
    return float((change * (2 * seen - with_unit - without)).sum()) / (2.0 * sigma**2)


def selection_ratio(index: int, without: Integers, with_unit: Integers, scale: float) -> float:
    """Return the log-likelihood ratio of a choice by the exponential mechanism.

    A candidate of score s is chosen with a probability in proportion to ``exp(s / scale)``.

    Args:
        index: Which candidate was chosen.
        without: Exact scores in world 0.
        with_unit: Exact scores in world 1.
        scale: Scale of the Gumbel noise.
    """
    logs = [log_softmax(scores / scale)[index] for scores in (with_unit, without)]
    return float(logs[0] - logs[1])
