"""Runs of the trainer on canaries, each boiled down to one score.

A canary is a unit whose gradient lies along a direction of its own at the full clipping norm: the
worst unit that the guarantee is about (Nasr et al. 2023, Tight auditing). Its direction is one
number of the gradient, on which noise is independent, and it takes part by a coin of its own. So
one training on many canaries is as many trainings on a table with one, and the numbers of as many
directions that nobody has are trainings without (Steinke, Nasr and Jagielski 2023 is the general
case). The score is the exact log-likelihood ratio of all steps of a direction.

Every training is that of the real Curator: its coins, clipping, noise and prices. Never true here:
a trainer that is told which direction is whose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
import torch

from dpsynth.arrays import Floats
from dpsynth.auditing.bound import Hits, choose_threshold, count_hits
from dpsynth.auditing.claim import TradeOff
from dpsynth.auditing.runs import Scores
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.meaning import Guarantee
from dpsynth.privacy.measurement import TrainingQuery
from dpsynth.privacy.sampled import LEAST_NOISE, SampledSteps
from dpsynth.privacy.training import Parameters
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable

_BATCH = 1000  # canaries of one training
_STEEP = 100.0  # times the clipping norm
_COLUMN = "canary"
_SIMULATED = 10_000_000  # draws of either world


@dataclass(frozen=True, kw_only=True)
class Canaries:
    """What is run.

    Attributes:
        steps: The training.
        claimed: The training that is claimed, which is what scores expect.
        order: Renyi order at which it is paid.
        max_rows: Rows of each unit.
        units: Units of each direction: 1; 0 or 2 to plant a fault.
    """

    steps: SampledSteps
    claimed: SampledSteps
    order: float
    max_rows: int = 1
    units: int = 1

    @classmethod
    def of(cls, steps: SampledSteps, order: float, *, max_rows: int = 1) -> Canaries:
        """Return canaries of an honest training."""
        return cls(steps=steps, claimed=steps, order=order, max_rows=max_rows)

    def claim(self) -> TradeOff:
        """Return what is promised about all steps."""
        return _claim(self.claimed, self.order)

    def sharper(self, factor: float) -> Canaries | None:
        """Return the same with noise divided by a factor; None where no training has so little."""
        noise = self.steps.noise_multiplier / factor
        if noise < LEAST_NOISE:
            return None
        return replace(self, steps=replace(self.steps, noise_multiplier=noise))

    def growth(self, factor: float) -> float:
        """Return by which factor worlds are seen further apart with noise divided by a factor.

        Simulated: such directions with the scores of the claim, each against what the claim allows
        at its false alarm rate.
        """
        claim = self.claim()

        def used(hits: Hits) -> float:
            return hits.mu / claim.mu(hits.alarm_rate)

        return used(_simulated(self.claimed, factor)) / used(_simulated(self.claimed, 1.0))

    def understated(self, factor: float, delta: float) -> float:
        """Return by which factor epsilon is understated where noise is overstated by one."""
        sharper = self.sharper(factor)
        if sharper is None:
            return math.inf
        return sharper.steps.epsilon(0.0, delta) / self.steps.epsilon(0.0, delta)


def train(
    canaries: Canaries,
    runs: int,
    *,
    pool: Executor | None = None,
    tell: Callable[[int], None] = lambda done: None,
) -> Scores:
    """Train until so many canaries have a score, and as many directions of nobody.

    Args:
        canaries: What is run.
        runs: Directions in either world.
        pool: Runs trainings in other processes; None for this one.
        tell: Called with the number of directions so far, of ``2 * runs``.
    """
    sizes = [min(_BATCH, runs - start) for start in range(0, runs, _BATCH)]
    tasks = [(canaries, size) for size in sizes]
    found = map(_scores, tasks) if pool is None else pool.map(_scores, tasks)
    scores: list[Floats] = []
    for size, ratios in zip(sizes, found, strict=True):
        scores.append(ratios.reshape(2, size))
        tell(2 * sum(s.shape[1] for s in scores))
    with_unit, without = np.concatenate(scores, axis=1)
    return Scores(without=without, with_unit=with_unit, selections=0.0)


def _scores(task: tuple[Canaries, int]) -> Floats:
    """Return the score of every direction of one training, shape (2 size,): canaries first."""
    canaries, size = task
    steps, rho = canaries.steps, canaries.steps.rho(canaries.order)
    units = np.repeat(np.arange(size * canaries.units), canaries.max_rows)
    directions = (units % size).astype(np.int32)
    table = CodedTable(
        domain=Domain.from_sizes({_COLUMN: 2 * size}),
        codes=directions[None],
        units=units,
        digests=np.zeros((size * canaries.units, 16), np.uint8),
        max_rows=canaries.max_rows,
    )
    asked = TrainingQuery(
        partitions={_COLUMN: np.arange(2 * size)},
        sampling_rate=steps.sampling_rate,
        steps=steps.steps,
        rho=rho,
        clip=1.0,
        divisor=1.0,
    )
    ratios = np.zeros(2 * size)
    with Curator(
        table,
        reservation=MemoryReservation(rho),
        max_rows_per_unit=canaries.max_rows,
        rho=rho,
        order=canaries.order,
        sampled=steps,
    ) as curator:
        gradients = curator.train(asked, stage="training")
        weights = {"w": torch.zeros(2 * size)}
        while gradients.steps_left:
            seen = gradients.step(_along, weights)["w"].double().numpy()
            ratios += _ratios(seen, canaries.claimed)
    return ratios


def _along(parameters: Parameters, bins: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
    """A loss with a gradient along the direction of its unit, far above the clipping norm."""
    return _STEEP * parameters["w"][bins[:1]].sum()


def _ratios(seen: Floats, steps: SampledSteps) -> Floats:
    """Return the log-likelihood ratios of one step, shape of `seen`, in clipping norms."""
    rate, noise = steps.sampling_rate, steps.noise_multiplier
    out = math.log1p(-rate) if rate < 1 else -math.inf
    ratios: Floats = np.logaddexp(out, math.log(rate) + (2.0 * seen - 1.0) / (2.0 * noise**2))
    return ratios


@cache
def _claim(steps: SampledSteps, order: float) -> TradeOff:
    guarantee = Guarantee.of(
        [steps.event("training", order)],
        rho=steps.rho(order),
        delta_own=0.0,
        fixed_plan=True,
        sampled=(steps, 0.0),
    )
    return TradeOff(hit_rates=guarantee.hit_rates)


@lru_cache(maxsize=64)
def _simulated(claimed: SampledSteps, factor: float) -> Hits:
    """Return what the middle threshold says about simulated directions with less noise.

    From a fixed seed, so that factors are compared on the same draws.
    """
    size = min(10_000, max(1_000, _SIMULATED // claimed.steps))
    rng = np.random.default_rng(0)
    noise = claimed.noise_multiplier / factor
    ratios = np.zeros((2, size))
    for _ in range(claimed.steps):
        taken = rng.random(size) < claimed.sampling_rate
        seen = noise * rng.standard_normal((2, size))
        seen[1] += taken
        ratios += _ratios(seen, claimed)
    without, with_unit = ratios
    return count_hits(without, with_unit, choose_threshold(without, with_unit))
