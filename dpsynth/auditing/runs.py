"""Runs of a real fit in both worlds, each boiled down to one score.

Every run goes through a real Curator with real noise, so no run can be repeated: there is no seed.
Never true here: a fit that is told which world it is in.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from dpsynth.arrays import Floats
from dpsynth.auditing.witness import Witness
from dpsynth.auditing.worlds import Worlds
from dpsynth.privacy.calibrate import MAX_RHO
from dpsynth.privacy.cross_check import epsilon as epsilon_of
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import SelectionEvent
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.synth.api import Synthesizer

_BATCH = 50


class View(StrEnum):
    """What the attacker sees of a run."""

    TRANSCRIPT = "transcript"  #: every answer of the Curator; the score is their likelihood ratio
    TABLE = "table"  #: one synthetic table; the score is how many of its cells are the unit's


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is run.

    Attributes:
        synthesizer: The method.
        worlds: The pair of tables.
        rho: What the Curator may spend, in zCDP rho.
        view: What the score is made of.
    """

    synthesizer: Synthesizer
    worlds: Worlds
    rho: float
    view: View = View.TRANSCRIPT

    def sharper(self, factor: float) -> Setup | None:
        """Return the same fit at ``factor**2`` times its rho: every scale is divided by the factor.

        None where so much cannot be spent.
        """
        rho = factor**2 * self.rho
        return replace(self, rho=rho) if rho <= MAX_RHO else None

    def growth(self, factor: float) -> float:
        """Return by which factor the worlds are further apart then: Gaussian noise, the same."""
        return factor

    def understated(self, factor: float, delta: float) -> float:
        """Return by which factor epsilon is understated where every scale is overstated by one."""
        return epsilon_of(factor**2 * self.rho, delta) / epsilon_of(self.rho, delta)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """Scores of independent runs.

    Attributes:
        without: Scores in world 0, shape (runs,).
        with_unit: Scores in world 1, as many.
        selections: Largest share of the budget that selections were charged in a run.
    """

    without: Floats
    with_unit: Floats
    selections: float


def draw(
    setup: Setup,
    runs: int,
    *,
    pool: Executor | None = None,
    tell: Callable[[int], None] = lambda done: None,
) -> Scores:
    """Fit so many times in either world.

    Args:
        setup: What is run.
        runs: Fits in each world.
        pool: Runs batches in other processes; None for this one.
        tell: Called with the number of fits so far, of ``2 * runs``.
    """
    sizes = [min(_BATCH, runs - start) for start in range(0, runs, _BATCH)]
    batches = [(setup, world, size) for size in sizes for world in (0, 1)]
    found: Iterable[tuple[Floats, float]]
    found = map(_batch, batches) if pool is None else pool.map(_batch, batches)
    scores: tuple[list[Floats], list[Floats]] = ([], [])
    selections, done = 0.0, 0
    for (_, world, size), (values, share) in zip(batches, found, strict=True):
        scores[world].append(values)
        selections = max(selections, share)
        done += size
        tell(done)
    return Scores(
        without=np.concatenate(scores[0]),
        with_unit=np.concatenate(scores[1]),
        selections=selections,
    )


def _batch(task: tuple[Setup, int, int]) -> tuple[Floats, float]:
    """Return the scores of some runs in one world, and the largest share of selections."""
    setup, world, runs = task
    found = [_run(setup, world) for _ in range(runs)]
    return np.array([score for score, _ in found]), max(share for _, share in found)


def _run(setup: Setup, world: int) -> tuple[float, float]:
    """Return the score of one run, and the share of the budget that selections were charged."""
    worlds = setup.worlds
    with Curator(
        worlds.tables[world],
        reservation=MemoryReservation(setup.rho),
        max_rows_per_unit=worlds.max_rows,
        rho=setup.rho,
    ) as curator:
        witness = Witness(curator, worlds.tables)
        model = setup.synthesizer.fit(witness)
        chosen = sum(e.rho for _, e in curator.events if isinstance(e, SelectionEvent))
    if setup.view is View.TRANSCRIPT:
        return witness.ratio, chosen / setup.rho
    rows = model.sample(max(1, round(model.total)), seed=secrets.randbits(63))
    return float((rows == worlds.unit).sum()), chosen / setup.rho
