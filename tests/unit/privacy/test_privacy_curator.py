"""The Curator: charges first, answers second, refuses before it charges."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.errors import BudgetError, InputError, SelfTestError
from dpsynth.privacy import curator as module
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import Event, GaussianEvent, ScoresEvent, SelectionEvent
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.measurement import Candidate, MarginalQuery, SelectionQuery
from dpsynth.schema.domain import Domain

DOMAIN = Domain.from_sizes({"a": 2, "b": 3, "c": 1000, "d": 1000})
ROWS = np.array([[0, 1, 5, 7], [1, 2, 5, 9], [0, 1, 6, 7], [0, 0, 999, 7]])


class Source:
    """Exact counts of a few rows, with a list of what was asked."""

    domain = DOMAIN
    max_rows = 1

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def count(self, queries):
        answers = []
        for attributes, partitions in queries:
            self.asked.append(attributes)
            codes, shape = [], []
            for name in attributes:
                column = ROWS[:, DOMAIN.index(name)]
                part = partitions.get(name)
                codes.append(column if part is None else part[column])
                shape.append(DOMAIN[name].size if part is None else int(part.max()) + 1)
            counts = np.zeros(shape, dtype=np.int64)
            np.add.at(counts, tuple(codes), 1)
            answers.append(counts)
        return answers


class Recorder(MemoryReservation):
    """Keeps what was charged, and whether the source had been asked by then."""

    def __init__(self, rho: float, source: Source) -> None:
        super().__init__(rho)
        self.source = source
        self.charges: list[Sequence[Event]] = []

    def charge(self, events: Sequence[Event]) -> int:
        seq = super().charge(events)
        self.charges.append((len(self.source.asked), events))  # type: ignore[arg-type]
        return seq


def held(thing: object) -> list[object]:
    """Everything reachable from the Curator's own fields, the test's reservation left out."""
    if isinstance(thing, dict):
        return [found for value in thing.values() for found in held(value)]
    if isinstance(thing, list | tuple):
        return [found for value in thing for found in held(value)]
    if isinstance(thing, Curator):
        return held({k: v for k, v in vars(thing).items() if k != "_reservation"})
    return [thing]


def make(rho: float = 1.0, rows: int = 2, cap: float = 10.0) -> tuple[Curator, Recorder, Source]:
    source = Source()
    paying = Recorder(cap, source)
    return Curator(source, reservation=paying, max_rows_per_unit=rows, rho=rho), paying, source


def pair(weight: int = 1, offset: int = 0, value: int = 0) -> Candidate:
    return Candidate(
        attributes=("a", "b"), reference=np.full((2, 3), value), weight=weight, offset=offset
    )


def test_measure_charges_what_runs_before_it_counts() -> None:
    curator, paying, source = make()
    first, second = curator.measure(
        [MarginalQuery(attributes=("b", "a"), rho=0.5), MarginalQuery(attributes=("a",), rho=0.25)],
        stage="one",
    )
    ((asked, events),) = paying.charges
    assert asked == 0 and source.asked == [("b", "a"), ("a",)]
    assert first.values.shape == (3, 2) and first.values.dtype == np.int64
    assert (first.ledger_seq, second.ledger_seq) == (1, 1)
    event = events[0]
    assert event == GaussianEvent(
        stage="one", attributes=("b", "a"), cells=6, sigma=first.sigma, sensitivity=2, rho=first.rho
    )
    assert Fraction(first.rho) >= Fraction(4) / (2 * Fraction(first.sigma) ** 2)
    assert first.rho < 0.5 and curator.events == ((1, events[0]), (1, events[1]))
    assert curator.remaining == pytest.approx(0.25, rel=1e-9)
    assert curator.remaining <= 1.0 - first.rho - second.rho


def test_answers_are_noisy_counts() -> None:
    curator, _, _ = make(rho=5000.0, rows=1, cap=1e4)
    (answer,) = curator.measure([MarginalQuery(attributes=("a", "b"), rho=4000.0)], stage="x")
    assert answer.values.tolist() == [[1, 2, 0], [0, 0, 1]]  # sigma 0.011: noise is always 0


def test_partitions_coarsen_before_the_noise() -> None:
    curator, _, _ = make(rho=5000.0, rows=1, cap=1e4)
    part = np.where(np.arange(1000) < 6, 0, 1)
    (answer,) = curator.measure(
        [MarginalQuery(attributes=("c",), rho=4000.0, partitions={"c": part})], stage="x"
    )
    assert answer.values.tolist() == [2, 2]
    part[:] = 0  # the caller's array is not ours
    assert answer.partitions["c"].max() == 1


def test_select_scores_are_exact_and_charged() -> None:
    curator, paying, source = make(rho=5000.0, rows=3, cap=1e4)
    query = SelectionQuery(
        candidates=(pair(), pair(weight=2, value=5), pair(offset=-100)), rho=4000.0
    )
    chosen = curator.select(query, stage="pick")
    assert chosen.index == 1  # scores 4, 2 * 26, -96
    event = paying.charges[0][1][0]
    assert isinstance(event, SelectionEvent)
    assert (event.sensitivity, event.candidates, event.stage) == (6, 3, "pick")
    assert source.asked == [("a", "b")], "equal candidates are counted once"
    curator.select(SelectionQuery(candidates=(pair(),), rho=1.0), stage="again")
    assert source.asked == [("a", "b")], "and only once in a run"


def test_an_empty_budget_refuses_before_charging() -> None:
    curator, paying, source = make(rho=0.1)
    query = MarginalQuery(attributes=("a",), rho=0.06)
    curator.measure([query], stage="x")
    with pytest.raises(BudgetError):
        curator.measure([query], stage="x")
    with pytest.raises(BudgetError):
        curator.select(SelectionQuery(candidates=(pair(),), rho=0.06), stage="x")
    assert len(paying.charges) == 1 and len(source.asked) == 1
    curator.measure([MarginalQuery(attributes=("a",), rho=curator.remaining)], stage="rest")


def test_the_reservation_has_the_last_word() -> None:
    curator, paying, source = make(rho=1.0, cap=0.05)
    with pytest.raises(BudgetError):
        curator.measure([MarginalQuery(attributes=("a",), rho=0.06)], stage="x")
    assert not source.asked and not paying.charges


@pytest.mark.parametrize(
    "query",
    [
        MarginalQuery(attributes=(), rho=0.1),
        MarginalQuery(attributes=("a", "a"), rho=0.1),
        MarginalQuery(attributes=("z",), rho=0.1),
        MarginalQuery(attributes=("a",), rho=0.0),
        MarginalQuery(attributes=("a",), rho=float("nan")),
        MarginalQuery(attributes=("a",), rho=-1.0),
        MarginalQuery(attributes=("c", "d"), rho=0.1),  # a million cells
        MarginalQuery(attributes=("a",), rho=0.1, partitions={"b": np.zeros(3, dtype=np.int64)}),
        MarginalQuery(attributes=("a",), rho=0.1, partitions={"z": np.zeros(2, dtype=np.int64)}),
        MarginalQuery(attributes=("a",), rho=0.1, partitions={"a": np.zeros(3, dtype=np.int64)}),
        MarginalQuery(attributes=("a",), rho=0.1, partitions={"a": np.array([0, -1])}),
        MarginalQuery(attributes=("a",), rho=0.1, partitions={"a": np.array([0, 2])}),
        MarginalQuery(attributes=("a",), rho=0.1, partitions={"a": np.array([0.0, 1.0])}),
    ],
    ids=repr,
)
def test_malformed_queries_cost_nothing(query: MarginalQuery) -> None:
    curator, paying, source = make()
    with pytest.raises(InputError):
        curator.measure([query], stage="x")
    assert not paying.charges and not source.asked and curator.remaining == 1.0


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate(attributes=("a", "b"), reference=np.zeros((3, 2), dtype=np.int64)),
        Candidate(attributes=("a", "b"), reference=np.zeros((2, 3))),
        Candidate(attributes=("a", "b"), reference=np.full((2, 3), 2**50)),
        pair(weight=0),
        pair(weight=2**21),
        pair(weight=True),
        pair(offset=2**61),
    ],
)
def test_malformed_candidates_cost_nothing(candidate: Candidate) -> None:
    curator, paying, _ = make()
    with pytest.raises(InputError):
        curator.select(SelectionQuery(candidates=(pair(), candidate), rho=0.1), stage="x")
    assert not paying.charges


def test_nothing_asked_is_refused() -> None:
    curator, _, _ = make()
    with pytest.raises(InputError):
        curator.measure([], stage="x")
    with pytest.raises(InputError):
        curator.select(SelectionQuery(candidates=(), rho=0.1), stage="x")


def test_the_cells_of_a_run_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CELLS_PER_RUN", 5)
    curator, paying, _ = make()
    query = MarginalQuery(attributes=("b",), rho=0.1)
    curator.measure([query], stage="x")
    with pytest.raises(InputError, match="cells"):
        curator.measure([query], stage="x")
    assert len(paying.charges) == 1


def test_closed_means_closed() -> None:
    curator, _, _ = make()
    with curator:
        curator.measure([MarginalQuery(attributes=("a",), rho=0.1)], stage="x")
        curator.select(SelectionQuery(candidates=(pair(),), rho=0.1), stage="x")
        assert any(isinstance(thing, np.ndarray) for thing in held(curator)), "counts are kept"
        assert any(isinstance(thing, Source) for thing in held(curator))
    assert not any(isinstance(thing, np.ndarray | Source) for thing in held(curator))
    assert len(curator.events) == 2
    with pytest.raises(InputError, match="closed"):
        curator.measure([MarginalQuery(attributes=("a",), rho=0.1)], stage="x")
    with pytest.raises(InputError, match="closed"):
        curator.select(SelectionQuery(candidates=(pair(),), rho=0.1), stage="x")


def test_noise_dearer_than_its_charge_stops_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "gaussian", lambda counts, sigma, c: (counts, 99.0))
    curator, _, _ = make()
    with pytest.raises(SelfTestError):
        curator.measure([MarginalQuery(attributes=("a",), rho=0.1)], stage="x")
    assert curator.remaining < 1.0, "what was charged stays charged"


@pytest.mark.parametrize("rho", [0.0, -1.0, float("nan"), float("inf")])
def test_a_curator_needs_a_budget(rho: float) -> None:
    with pytest.raises(InputError):
        make(rho=rho)
    with pytest.raises(InputError):
        MemoryReservation(rho)
    with pytest.raises(InputError):
        make(rows=0)


@pytest.mark.parametrize("stamp", [None, 2])
def test_a_table_that_is_not_bounded_to_the_sensitivity_is_refused(stamp: int | None) -> None:
    table = Source()
    table.max_rows = stamp
    with pytest.raises(InputError, match="more rows of one unit"):
        Curator(table, reservation=MemoryReservation(1.0), max_rows_per_unit=1, rho=1.0)
    assert not table.asked


def test_scores_are_charged_as_one_vector_and_answered_exactly_but_for_noise() -> None:
    curator, paying, source = make(rho=2.0, rows=3)
    answer = curator.score([pair(weight=2), pair(offset=5)], rho=0.5, stage="s")
    ((asked, (event,)),) = paying.charges
    assert asked == 0 and isinstance(event, ScoresEvent)
    assert event.squared_sensitivity == 3**2 * (2**2 + 1) and event.scores == 2
    assert Fraction(event.rho) >= Fraction(45) / (2 * Fraction(event.sigma) ** 2)
    assert event.rho <= 0.5 and answer.rho == event.rho and answer.sigma == event.sigma
    sharp, _, _ = make(rho=9000.0, rows=1, cap=1e4)
    exact = sharp.score([pair(weight=2), pair(offset=5)], rho=8000.0, stage="s")
    assert exact.values.tolist() == [8, 9]  # sigma 0.018: noise is always 0


@pytest.mark.parametrize("candidates", [[], [pair(weight=0)], [pair(offset=2**61)]])
def test_scores_of_malformed_candidates_are_refused_before_a_charge(
    candidates: list[Candidate],
) -> None:
    curator, paying, _ = make()
    with pytest.raises(InputError):
        curator.score(candidates, rho=0.1, stage="s")
    assert not paying.charges
