"""The Curator: the only holder of private rows and noise together.

A synthesizer asks the Curator and sees nothing else. Each call is priced, charged in the ledger,
and only then answered, so whatever happens after the charge is spent. What is charged is what
runs: the scale is calibrated first, and the price is OpenDP's own map at that scale.

Sensitivity: the table holds at most `max_rows_per_unit` = c rows of a unit, all of which may fall
into one cell, so one unit moves the counts of any marginal by at most c in L1 and in L2 alike. A
score ``weight * L1(counts, reference) + offset`` is an exact integer and moves by at most
``weight * c``. Partitions, references, weights and offsets are public; no check below looks at a
count before the charge, and none has an outcome that depends on one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import BudgetError, InputError, SelfTestError
from dpsynth.privacy.accountant import total_loss
from dpsynth.privacy.calibrate import selection_scale_for, sigma_for
from dpsynth.privacy.events import Event, GaussianEvent, SelectionEvent
from dpsynth.privacy.measurement import (
    Candidate,
    MarginalQuery,
    Measurement,
    Partitions,
    Selection,
    SelectionQuery,
)
from dpsynth.privacy.mechanisms import gaussian_rho, noisy_max_rho
from dpsynth.privacy.noise import gaussian, noisy_max
from dpsynth.privacy.numbers import float_down
from dpsynth.privacy.unit import MAX_ROWS
from dpsynth.schema.domain import Domain

if TYPE_CHECKING:
    from dpsynth.sources.table import MarginalSource

Counts = NDArray[np.int64]

MAX_CELLS_PER_MARGINAL = 100_000
MAX_CELLS_PER_RUN = 1_000_000
MAX_WEIGHT = 2**20
MAX_REFERENCE_SUM = 2**40
MAX_OFFSET = 2**60


class ChargesEvents(Protocol):
    """What pays for events: a ledger's Reservation, or one in memory for public data."""

    def charge(self, events: Sequence[Event]) -> int:
        """Charge events durably and return the number of the entry; BudgetError if it cannot."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Marginal:
    """A checked request for exact counts."""

    attributes: tuple[str, ...]
    partitions: dict[str, Counts]
    shape: tuple[int, ...]

    @property
    def key(self) -> tuple[tuple[str, ...], tuple[tuple[str, bytes], ...]]:
        """What identifies the counts in the cache."""
        return self.attributes, tuple((n, p.tobytes()) for n, p in sorted(self.partitions.items()))


class Curator:
    """Answers queries about one table within one budget. A context manager that closes itself.

    Args:
        table: Coded rows, at most `max_rows_per_unit` of each unit.
        reservation: What pays.
        max_rows_per_unit: Sensitivity of every count, c.
        rho: Budget of this Curator in zCDP rho, at most what the reservation holds.

    Raises:
        InputError: rho or max_rows_per_unit is out of range, or the table is not bounded to it.
    """

    def __init__(
        self,
        table: MarginalSource,
        *,
        reservation: ChargesEvents,
        max_rows_per_unit: int,
        rho: float,
    ) -> None:
        if not (math.isfinite(rho) and rho > 0):
            raise InputError("must be finite and positive.", where="rho")
        if isinstance(max_rows_per_unit, bool) or not 1 <= max_rows_per_unit <= MAX_ROWS:
            raise InputError(f"must lie in [1, {MAX_ROWS}].", where="max_rows_per_unit")
        if table.max_rows is None or table.max_rows > max_rows_per_unit:
            raise InputError(
                "The table holds more rows of one unit than the sensitivity allows for.",
                where="max_rows_per_unit",
                fix="Bound the table to that number of rows per unit first.",
            )
        self._table: MarginalSource | None = table
        self._reservation = reservation
        self._rows = max_rows_per_unit
        self._domain = table.domain
        self._rho = rho
        self._spent = Fraction(0)
        self._cells = 0
        self._events: list[tuple[int, Event]] = []
        self._cache: dict[object, Counts] = {}

    def __enter__(self) -> Curator:
        """Return the Curator."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the Curator."""
        self.close()

    def close(self) -> None:
        """Let go of the table and of every count; queries raise from now on."""
        self._table = None
        self._cache = {}

    @property
    def domain(self) -> Domain:
        """The public domain of the table."""
        return self._domain

    @property
    def rho(self) -> float:
        """The budget of this Curator in zCDP rho."""
        return self._rho

    @property
    def remaining(self) -> float:
        """What is left of the budget, rounded down."""
        return float_down(Fraction(self._rho) - self._spent)

    @property
    def events(self) -> tuple[tuple[int, Event], ...]:
        """What was charged so far: (number of the ledger entry, event). Public."""
        return tuple(self._events)

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
        table = self._open_table()
        if not queries:
            raise InputError("There is nothing to measure.", where=stage)
        marginals = [self._checked(query.attributes, query.partitions) for query in queries]
        cells = [math.prod(marginal.shape) for marginal in marginals]
        self._check_cells(cells)
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
        seq = self._charge(events, stage)
        self._cells += sum(cells)
        answers = []
        exact = self._counts(table, marginals)
        for marginal, counts, event in zip(marginals, exact, events, strict=True):
            noisy, cost = gaussian(counts, event.sigma, event.sensitivity)
            _check_cost(cost, event)
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
        table = self._open_table()
        if not query.candidates:
            raise InputError("There is nothing to select from.", where=stage)
        marginals = [self._checked(c.attributes, c.partitions) for c in query.candidates]
        references = [
            _checked_reference(candidate, marginal.shape)
            for candidate, marginal in zip(query.candidates, marginals, strict=True)
        ]
        sensitivity = max(candidate.weight for candidate in query.candidates) * self._rows
        scale = selection_scale_for(query.rho, sensitivity)
        event = SelectionEvent(
            stage=stage,
            candidates=len(query.candidates),
            scale=scale,
            sensitivity=sensitivity,
            rho=noisy_max_rho(scale, sensitivity),
        )
        seq = self._charge([event], stage)
        exact = self._counts(table, marginals, keep=True)
        scores = np.array(
            [
                candidate.weight * int(np.abs(counts - reference).sum()) + candidate.offset
                for candidate, counts, reference in zip(
                    query.candidates, exact, references, strict=True
                )
            ],
            dtype=np.int64,
        )
        index, cost = noisy_max(scores, scale, sensitivity)
        _check_cost(cost, event)
        return Selection(index=index, rho=event.rho, ledger_seq=seq)

    def _open_table(self) -> MarginalSource:
        """Return the table unless the Curator is closed."""
        if self._table is None:
            raise InputError("The Curator is closed: its table is gone.")
        return self._table

    def _charge(self, events: Sequence[Event], stage: str) -> int:
        """Charge events here and in the ledger; returns the entry number."""
        spent = self._spent + total_loss(events).rho
        if spent > Fraction(self._rho):
            raise BudgetError(
                "The queries cost more than is left of the budget.",
                where=stage,
                fix="Nothing was charged. Ask fewer questions or at a lower price.",
            )
        self._spent = spent
        seq = self._reservation.charge(events)
        self._events += [(seq, event) for event in events]
        return seq

    def _checked(self, attributes: tuple[str, ...], partitions: Partitions) -> _Marginal:
        """Return a request that the source can answer, or refuse it."""
        names = ", ".join(attributes)
        if not attributes or len(set(attributes)) != len(attributes):
            raise InputError("A marginal needs distinct attributes.", where=names)
        for name in (*attributes, *partitions):
            if name not in self._domain.names:
                raise InputError("The domain has no such attribute.", where=name)
        if not set(partitions) <= set(attributes):
            raise InputError("A partition names an attribute outside its marginal.", where=names)
        checked = {
            name: _checked_partition(name, partition, self._domain[name].size)
            for name, partition in partitions.items()
        }
        shape = tuple(
            int(checked[name].max()) + 1 if name in checked else self._domain[name].size
            for name in attributes
        )
        return _Marginal(attributes=attributes, partitions=checked, shape=shape)

    def _check_cells(self, cells: Sequence[int]) -> None:
        """Refuse a request that would draw more noise than one run can afford in time."""
        if max(cells) > MAX_CELLS_PER_MARGINAL:
            raise InputError(
                f"A marginal of {max(cells)} cells exceeds the limit of {MAX_CELLS_PER_MARGINAL}.",
                fix="Coarsen its attributes first.",
            )
        if self._cells + sum(cells) > MAX_CELLS_PER_RUN:
            raise InputError(
                f"The run would measure more than {MAX_CELLS_PER_RUN} cells.",
                fix="Measure fewer or coarser marginals.",
            )

    def _counts(
        self, table: MarginalSource, marginals: Sequence[_Marginal], *, keep: bool = False
    ) -> list[Counts]:
        """Return exact counts, from the cache where they were asked for before."""
        missing = {m.key: m for m in marginals if m.key not in self._cache}
        answers = table.count([(m.attributes, m.partitions) for m in missing.values()])
        fresh: dict[object, Counts] = {}
        for (key, marginal), counts in zip(missing.items(), answers, strict=True):
            if counts.shape != marginal.shape or counts.dtype != np.int64:
                raise SelfTestError("The source returned counts of a wrong shape or type.")
            fresh[key] = counts
        if keep:
            self._cache |= fresh
        return [fresh[m.key] if m.key in fresh else self._cache[m.key] for m in marginals]


def _checked_partition(name: str, partition: NDArray[np.int64], size: int) -> Counts:
    """Return a private copy of a partition that maps every code to a coarse code."""
    array = np.asarray(partition)
    if not np.issubdtype(array.dtype, np.integer) or array.shape != (size,):
        raise InputError(f"A partition must hold {size} integers.", where=name)
    if int(array.min()) < 0 or int(array.max()) >= size:
        raise InputError("A partition must map to codes from 0, no more than it has.", where=name)
    copy = array.astype(np.int64, copy=True)
    copy.setflags(write=False)
    return copy


def _checked_reference(candidate: Candidate, shape: tuple[int, ...]) -> Counts:
    """Return the reference of a candidate as int64; refuse what could overflow or round."""
    names = ", ".join(candidate.attributes)
    reference = np.asarray(candidate.reference)
    if not np.issubdtype(reference.dtype, np.integer) or reference.shape != shape:
        raise InputError(f"A reference must hold integers of shape {shape}.", where=names)
    if np.abs(reference.astype(np.float64)).sum() > MAX_REFERENCE_SUM:
        raise InputError("A reference is too large for exact scores.", where=names)
    for label, value, low, high in (
        ("weight", candidate.weight, 1, MAX_WEIGHT),
        ("offset", candidate.offset, -MAX_OFFSET, MAX_OFFSET),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"The {label} must be an integer in [{low}, {high}].", where=names)
    return reference.astype(np.int64)


def _check_cost(cost: float, event: Event) -> None:
    """Stop if the noise that was drawn costs more than was charged for it."""
    if cost > event.rho:
        raise SelfTestError(
            "The noise that was drawn costs more than was charged.",
            where=event.stage,
            fix="The release stops. Please report this as a defect.",
        )
