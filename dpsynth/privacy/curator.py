"""The Curator: the only holder of private rows and noise together.

A synthesizer asks the Curator and sees nothing else. Each call is priced, charged in the ledger,
and only then answered, so whatever happens after the charge is spent. What is charged is what
runs: the scale is calibrated first, and the price is OpenDP's own map at that scale.

Sensitivity: the table holds at most `max_rows_per_unit` = c rows of a unit, all of which may fall
into one cell, so one unit moves the counts of any marginal by at most c in L1 and in L2 alike. A
score ``weight * L1(counts, reference) + offset`` is an exact integer and moves by at most
``weight * c``. Requests are public and are checked before the charge (``requests.py``); nothing
that follows a charge has an outcome that depends on a count.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

from dpsynth.arrays import Integers
from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy import noise
from dpsynth.privacy.books import Account
from dpsynth.privacy.calibrate import selection_scale_for, sigma_for, threshold_for
from dpsynth.privacy.conversion import renyi_order
from dpsynth.privacy.events import (
    ChargesEvents,
    Event,
    GaussianEvent,
    ScoresEvent,
    SelectionEvent,
    ThresholdEvent,
)
from dpsynth.privacy.foreign import ThirdPartyEvent, UnboundedEvent
from dpsynth.privacy.handover import Core, priced_event, run_core
from dpsynth.privacy.losses import threshold_delta
from dpsynth.privacy.measurement import (
    Candidate,
    Discovery,
    MarginalQuery,
    Measurement,
    Scores,
    Selection,
    SelectionQuery,
    TrainingQuery,
)
from dpsynth.privacy.mechanisms import gaussian_rho, noisy_max_rho
from dpsynth.privacy.noise import gaussian, noisy_max, threshold
from dpsynth.privacy.numbers import root_up
from dpsynth.privacy.requests import (
    MAX_CELLS_PER_RUN,
    MarginalRequest,
    check_bounded,
    check_cells,
    marginal_request,
    score_request,
)
from dpsynth.privacy.sampled import SampledSteps
from dpsynth.schema.domain import Domain

if TYPE_CHECKING:
    from dpsynth.privacy.training import NoisyGradients
    from dpsynth.sources.table import MarginalSource

T = TypeVar("T")

_USUAL_DELTA = 1e-6


class Curator:
    """Answers queries about one table within one budget. A context manager that closes itself.

    Args:
        table: Coded rows, at most `max_rows_per_unit` of each unit.
        reservation: What pays: a reservation, or the books of a part of one.
        max_rows_per_unit: Sensitivity of every count, c.
        rho: Budget of this Curator in zCDP rho, at most what the reservation holds.
        delta: Budget for mechanisms with a delta of their own; 0 refuses them.
        order: Renyi order at which training is priced: the lineage's, else the best at delta 1e-6.
        sampled: Training that was reserved; None calibrates it from its price.

    Raises:
        InputError: rho, delta or max_rows_per_unit is out of range, or the table is not bounded
            to it.
    """

    def __init__(
        self,
        table: MarginalSource,
        *,
        reservation: ChargesEvents,
        max_rows_per_unit: int,
        rho: float,
        delta: float = 0.0,
        order: float | None = None,
        sampled: SampledSteps | None = None,
    ) -> None:
        check_bounded(table.max_rows, max_rows_per_unit)
        self._table: MarginalSource | None = table
        self._account = Account.of(reservation, rho=rho, delta=delta)
        self._rows = max_rows_per_unit
        self._domain = table.domain
        self._order = order
        self._sampled = sampled
        self._held: list[Curator | NoisyGradients] = []
        self._cells = 0
        self._cache: dict[object, Integers] = {}

    def __enter__(self) -> Self:
        """Return the Curator."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the Curator; a run that went through must settle."""
        self.close()
        if kind is None:
            self.settle()

    def settle(self) -> None:
        """Raise SelfTestError if more was drawn than charged, or charged than the budget holds."""
        self._account.settle()

    def close(self) -> None:
        """Let go of the table and of every count, in parts too; queries raise from now on."""
        for holder in self._held:
            holder.close()
        self._table = None
        self._cache = {}

    @property
    def domain(self) -> Domain:
        """The public domain of the table."""
        return self._domain

    @property
    def rho(self) -> float:
        """The budget of this Curator in zCDP rho."""
        return self._account.rho

    @property
    def remaining(self) -> float:
        """What is left of the budget, rounded down."""
        return self._account.remaining

    @property
    def unit_rows(self) -> int:
        """Rows of one unit at most. Public."""
        return self._rows

    @property
    def cells_left(self) -> int:
        """Cells that may still be measured."""
        return MAX_CELLS_PER_RUN - self._cells

    @property
    def events(self) -> tuple[tuple[int, Event], ...]:
        """What was charged so far: (number of the ledger entry, event). Public."""
        return self._account.events

    def part(self, rho: float, label: str) -> Curator:
        """Return a Curator for a part of this budget; what it charges is charged here, too.

        Args:
            rho: Budget of the part in zCDP rho.
            label: Stands before the stages of the part in the ledger.
        """
        part = Curator(
            self._open_table(),
            reservation=self._account.part(rho, label),
            max_rows_per_unit=self._rows,
            rho=rho,
            order=self._order,
        )
        self._held.append(part)
        return part

    def measure(self, queries: Sequence[MarginalQuery], *, stage: str) -> list[Measurement]:
        """Return noisy counts of marginals, all paid by one ledger entry.

        Args:
            queries: What to count, each at its own price.
            stage: Label for the ledger.

        Returns:
            One Measurement a query, in order.

        Raises:
            InputError: A query is malformed or too large, or the Curator is closed.
            BudgetError: The budget cannot pay. Nothing was charged.
        """
        table, stage = self._open_table(), self._account.prefix + stage
        if not queries:
            raise InputError("There is nothing to measure.", where=stage)
        marginals = [
            marginal_request(self._domain, query.attributes, query.partitions) for query in queries
        ]
        cells = [marginal.cells for marginal in marginals]
        check_cells(cells, self.cells_left)
        events = []
        for query, marginal, count in zip(queries, marginals, cells, strict=True):
            sigma = sigma_for(query.rho, self._rows)
            events.append(
                GaussianEvent(
                    stage=stage,
                    attributes=marginal.attributes,
                    cells=count,
                    sigma=sigma,
                    sensitivity=self._rows,
                    rho=gaussian_rho(sigma, self._rows),
                )
            )
        seq = self._account.charge(events)
        self._cells += sum(cells)
        answers = []
        exact = self._counts(table, marginals)
        for marginal, counts, event in zip(marginals, exact, events, strict=True):
            noisy, cost = gaussian(counts, event.sigma, event.sensitivity)
            self._account.drawn.add(cost, event)
            answers.append(
                Measurement(
                    attributes=marginal.attributes,
                    values=noisy,
                    sigma=event.sigma,
                    rho=event.rho,
                    ledger_seq=seq,
                    partitions=marginal.partitions,
                )
            )
        return answers

    def select(self, query: SelectionQuery, *, stage: str) -> Selection:
        """Return the candidate with the (noisily) highest score, by the exponential mechanism.

        Args:
            query: Candidates and price.
            stage: Label for the ledger.

        Raises:
            InputError: A candidate is malformed, or the Curator is closed.
            BudgetError: The budget cannot pay. Nothing was charged.
        """
        table, stage = self._open_table(), self._account.prefix + stage
        request = score_request(self._domain, query.candidates, stage)
        sensitivity = max(request.weights) * self._rows
        scale = selection_scale_for(query.rho, sensitivity)
        event = SelectionEvent(
            stage=stage,
            candidates=len(query.candidates),
            scale=scale,
            sensitivity=sensitivity,
            rho=noisy_max_rho(scale, sensitivity),
        )
        seq = self._account.charge([event])
        scores = request.scores(self._counts(table, request.marginals, keep=True))
        index, cost = noisy_max(scores, scale, sensitivity)
        self._account.drawn.add(cost, event)
        return Selection(index=index, rho=event.rho, ledger_seq=seq)

    def score(self, candidates: Sequence[Candidate], *, rho: float, stage: str) -> Scores:
        """Return the noisy scores of all candidates, at one price for the whole vector.

        One unit of c rows moves the score of weight w by at most ``w * c``, so the vector moves by
        at most ``c * sqrt(sum(w**2))`` in L2.

        Args:
            candidates: What to score.
            rho: Price in zCDP rho.
            stage: Label for the ledger.

        Raises:
            InputError: A candidate is malformed, or the Curator is closed.
            BudgetError: The budget cannot pay. Nothing was charged.
        """
        table, stage = self._open_table(), self._account.prefix + stage
        request = score_request(self._domain, candidates, stage)
        square = self._rows**2 * sum(weight**2 for weight in request.weights)
        distance = root_up(square)
        sigma = sigma_for(rho, distance)
        event = ScoresEvent(
            stage=stage,
            scores=len(candidates),
            sigma=sigma,
            squared_sensitivity=square,
            rho=gaussian_rho(sigma, distance),
        )
        seq = self._account.charge([event])
        scores = request.scores(self._counts(table, request.marginals, keep=True))
        noisy, cost = gaussian(scores, sigma, distance)
        self._account.drawn.add(cost, event)
        return Scores(values=noisy, sigma=sigma, rho=event.rho, ledger_seq=seq)

    def discover(self, attribute: str, *, rho: float, delta: float, stage: str) -> Discovery:
        """Return the texts of an undeclared column that enough units share, with noisy counts.

        One unit of c rows changes the counts of at most c texts, by c rows in all. A text that only
        this unit has stays hidden except with probability `delta`, which is charged.

        Args:
            attribute: A column of undeclared texts that the table keeps.
            rho: Price in zCDP rho.
            delta: Price in delta.
            stage: Label for the ledger.

        Raises:
            InputError: The table keeps no texts of that column, or the Curator is closed.
            BudgetError: The budget cannot pay. Nothing was charged.
        """
        table, stage = self._open_table(), self._account.prefix + stage
        if attribute not in table.text_columns:
            raise InputError("The table keeps no undeclared texts of this column.", where=attribute)
        sigma = sigma_for(rho, self._rows)
        smallest = threshold_for(sigma, self._rows, delta)
        event = ThresholdEvent(
            stage=stage,
            attribute=attribute,
            sigma=sigma,
            threshold=smallest,
            sensitivity=self._rows,
            rho=gaussian_rho(sigma, self._rows),
            delta=threshold_delta(sigma, smallest, self._rows),
        )
        seq = self._account.charge([event])
        counts, cost = threshold(table.count_texts(attribute), sigma, smallest, self._rows)
        self._account.drawn.add(cost, event)
        return Discovery(
            attribute=attribute,
            counts=counts,
            sigma=sigma,
            threshold=smallest,
            rho=event.rho,
            delta=event.delta,
            ledger_seq=seq,
        )

    def train(self, query: TrainingQuery, *, stage: str) -> NoisyGradients:
        """Return the right to noisy gradients, all of them paid by one ledger entry.

        A unit is clipped as a whole, so the price holds for any number of rows per unit.

        Raises:
            InputError: The query is malformed or not what was reserved, or the Curator is closed.
            BudgetError: The budget cannot pay. Nothing was charged.
        """
        from dpsynth.privacy.training import NoisyGradients, planned_steps

        table, stage = self._open_table(), self._account.prefix + stage
        order = self._order or renyi_order(self.rho, _USUAL_DELTA)
        planned = planned_steps(query, self._domain, order=order, reserved=self._sampled)
        event = planned.event(stage, order)
        self._account.charge([event])
        training = NoisyGradients(
            table, query=query, planned=planned, entropy=noise,
            drawn=lambda: self._account.drawn.add(planned.rho(order), event),
        )  # fmt: skip
        self._held.append(training)
        return training

    def hand_over(self, core: Core[T], event: ThirdPartyEvent | UnboundedEvent) -> T:
        """Charge for a third party's core, run it on the rows and return what it returns.

        Args:
            core: Gets the coded rows, at most c of one unit; see ``handover.py``.
            event: The price that was argued for it.

        Raises:
            InputError: The event has no price, or that of smaller units; or this is closed.
            BudgetError: The budget cannot pay. Nothing was charged, and no row handed over.
        """
        table = self._open_table()
        self._account.charge([priced_event(event, self._rows, self._account.prefix)])
        return run_core(core, table, self._rows)

    def _open_table(self) -> MarginalSource:
        """Return the table unless the Curator is closed."""
        if self._table is None:
            raise InputError("The Curator is closed: its table is gone.")
        return self._table

    def _counts(
        self, table: MarginalSource, marginals: Sequence[MarginalRequest], *, keep: bool = False
    ) -> list[Integers]:
        """Return exact counts, from the cache where they were asked for before."""
        missing = {m.key: m for m in marginals if m.key not in self._cache}
        answers = table.count([(m.attributes, m.partitions) for m in missing.values()])
        fresh: dict[object, Integers] = {}
        for (key, marginal), counts in zip(missing.items(), answers, strict=True):
            if counts.shape != marginal.shape or counts.dtype != np.int64:
                raise SelfTestError("The source returned counts of a wrong shape or type.")
            fresh[key] = counts
        if keep:
            self._cache |= fresh
        return [fresh[m.key] if m.key in fresh else self._cache[m.key] for m in marginals]
