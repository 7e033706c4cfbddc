"""Discovery: what enough people share is found, what one person has is not, all of it is paid."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.errors import BudgetError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import GaussianEvent, ThresholdEvent
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.losses import total_loss
from dpsynth.schema.declared import (
    CategoryDomain,
    Column,
    Kind,
    NumericDomain,
    OpenDomain,
    OpenRange,
    Role,
)
from dpsynth.schema.domain import Domain
from dpsynth.schema.undeclared import grid_attribute, grid_codes
from dpsynth.sources.table import CodedTable
from dpsynth.sources.undeclared import TextColumn
from dpsynth.synth import discovery
from dpsynth.synth.discovery import STAGE, Discovered, discover

RHO, DELTA = 0.0024, 1e-7


def texts(known: tuple[str, ...] = ()) -> Column:
    return Column(
        name="t", kind=Kind.CATEGORICAL, role=Role.OTHER, meaning="",
        domain=OpenDomain(known_values=known),
    )  # fmt: skip


def numbers(kind: Kind = Kind.INTEGER, **domain: float) -> Column:
    return Column(name="x", kind=kind, role=Role.OTHER, meaning="", domain=OpenRange(**domain))


def ask(
    columns: list[Column], cells: dict[str, list[str]], rho: float = RHO, delta: float = DELTA
) -> tuple[dict[str, Discovered], Curator]:
    kept = {name: TextColumn.of(pa.array(values), ()) for name, values in cells.items()}
    ranges = [c for c in columns if isinstance(c.domain, OpenRange)]
    count = len(next(iter(cells.values())))
    codes = np.zeros((len(ranges), count), dtype=np.int64)
    for place, column in enumerate(ranges):
        codes[place] = grid_codes(column, pa.array(cells[column.name]))
    domain = Domain(tuple(grid_attribute(c) for c in ranges))
    table = CodedTable.build(domain, codes, None, kept)
    with Curator(
        table, reservation=MemoryReservation(1.0, delta), max_rows_per_unit=1, rho=rho, delta=delta
    ) as curator:
        found = discover(curator, columns, delta=delta)
    return {f.column: f for f in found}, curator


def test_categories_that_many_share_are_found_and_rare_ones_are_not() -> None:
    cells = ["a"] * 3000 + ["b"] * 1000 + [f"only-{i}" for i in range(500)] + ["few"] * 3
    for _ in range(20):  # a rare text shows with probability below 20 * 503 * 1e-7 in all
        found, curator = ask([texts(known=("k",))], {"t": cells})
        assert found["t"].domain == CategoryDomain(categories=("k", "a", "b"))
        ((_, event),) = curator.events
        assert isinstance(event, ThresholdEvent) and event.stage == STAGE
        assert event.threshold > 50 and 0 < event.delta <= DELTA and event.rho <= RHO


def test_a_budget_without_delta_refuses_categories_before_it_charges() -> None:
    table = CodedTable.build(
        Domain.from_sizes({"one": 1}),
        np.zeros((1, 3), dtype=np.int64),
        None,
        {"t": TextColumn.of(pa.array(["a", "b", "c"]), ())},
    )
    curator = Curator(table, reservation=MemoryReservation(1.0), max_rows_per_unit=1, rho=0.1)
    with pytest.raises(BudgetError, match="left of the budget"):
        curator.discover("t", rho=0.05, delta=1e-9, stage="s")
    assert curator.events == () and curator.remaining == 0.1


@pytest.mark.parametrize("kind", [Kind.INTEGER, Kind.FLOAT])
def test_bounds_hold_nearly_everybody_and_bins_are_about_equal(kind: Kind) -> None:
    rng = np.random.default_rng(1)
    ages = rng.integers(18, 90, 20_000)
    values = ages if kind is Kind.INTEGER else ages + rng.random(20_000)
    found, curator = ask([numbers(kind, bins=10)], {"x": [str(v) for v in values]})
    domain = found["x"].domain
    assert isinstance(domain, NumericDomain)
    assert 13 <= domain.lower <= 20 and 88 <= domain.upper <= 128
    edges = np.array(domain.edges)
    assert domain.lower == edges[0] and (np.diff(edges) > 0).all() and len(edges) - 1 <= 11
    shares = np.histogram(values, edges)[0] / len(values)
    assert shares.max() < 0.35 and found["x"].found == len(edges) - 1
    assert all(isinstance(event, GaussianEvent) for _, event in curator.events)


def test_one_person_far_out_moves_no_bound() -> None:
    """Noise alone stretches the bounds once in 10,000 columns; 4 of 30 never happen (1e-11)."""
    cells = ["5"] * 5000 + ["1000000000"]
    stretched = 0
    for _ in range(30):
        domain = ask([numbers()], {"x": cells})[0]["x"].domain
        assert isinstance(domain, NumericDomain)
        stretched += domain.upper >= 100 or domain.lower < -100
    assert stretched <= 3


def test_a_range_of_codes_alone_is_no_range() -> None:
    column = Column(
        name="x", kind=Kind.INTEGER, role=Role.OTHER, meaning="", domain=OpenRange(),
        missing={"1": "no", "2": "yes"},
    )  # fmt: skip
    edges = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    counts = np.array([0.0, 500.0, 500.0, 0.0])
    assert discovery._bounds_and_bins(column, edges, counts, 100.0) is None
    found = discovery._bounds_and_bins(column, edges, counts + [0, 0, 0, 500], 100.0)
    assert found is not None and (found.lower, found.upper) == (1.0, 4.0)


def test_nothing_is_made_of_noise() -> None:
    """In a table without numbers a domain appears once in 10,000 columns; 4 of 30 never do."""
    found = sum(ask([numbers()], {"x": ["?"] * 50})[0]["x"].domain is not None for _ in range(30))
    assert found <= 3


def test_columns_share_one_budget_exactly() -> None:
    cells = {"t": ["a"] * 4000, "x": ["1"] * 4000}
    _, curator = ask([texts(), numbers()], cells)
    loss = total_loss(event for _, event in curator.events)
    assert loss.rho <= Fraction(RHO) and 0 < loss.delta <= Fraction(DELTA)
    assert float(loss.rho) == pytest.approx(RHO, rel=1e-6)
