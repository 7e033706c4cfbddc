"""What tests of the methods share: a small table with known relations, and a fit of it."""

from __future__ import annotations

import numpy as np

from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth.api import Synthesizer
from dpsynth.synth.marginal_model import MarginalModel

DOMAIN = Domain.from_sizes({"a": 4, "b": 4, "c": 4, "d": 3, "y": 2})


def rows(count: int, seed: int = 0, *, joint: bool = True) -> np.ndarray:
    """Return columns with a -> b -> c in a chain and d alone.

    y is the parity of a and b together, which no pair shows, or, if not `joint`, that of a.
    """
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 4, count)
    b = np.where(rng.random(count) < 0.7, a, rng.integers(0, 4, count))
    c = np.where(rng.random(count) < 0.7, b, rng.integers(0, 4, count))
    d = rng.integers(0, 3, count)
    parity = (a + b) % 2 if joint else a % 2
    y = np.where(rng.random(count) < 0.9, parity, rng.integers(0, 2, count))
    return np.array([a, b, c, d, y], dtype=np.int32)


def run(
    synthesizer: Synthesizer, codes: np.ndarray, rho: float, domain: Domain, unit_rows: int = 1
) -> tuple[MarginalModel, Curator]:
    """Fit a table and return the model and the closed Curator."""
    with Curator(
        CodedTable.build(domain, codes),
        reservation=MemoryReservation(rho),
        max_rows_per_unit=unit_rows,
        rho=rho,
    ) as curator:
        return synthesizer.fit(curator), curator


def measured(model: MarginalModel) -> list[frozenset[str]]:
    """Return the sets of two or more columns that were measured, in order."""
    return [frozenset(m.attributes) for m in model.measurements if len(m.attributes) > 1]


def spent(curator: Curator) -> float:
    """Return what was charged, in rho."""
    return sum(event.rho for _, event in curator.events)
