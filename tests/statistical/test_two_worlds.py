"""Two worlds: what all noisy outputs of a fit tell together about one row, against the claim.

A method is fitted many times on a table and on the same table with one row more. The log-likelihood
ratio of everything that the Curator answered, each answer given those before it, is the best test
that anybody has between the two. For Gaussian answers it is normal with the same spread in both
worlds, and its means are d' = mu spreads apart, where mu = sqrt(2 rho) for the rho charged if no
answer moves by more than its sensitivity. The added row shares its values with others, so every
marginal moves by one and nearly every score, too: the bound is almost reached.

False-alarm rate: with RUNS fits a world d' is known to a standard error of .106; the limits of four
of them raise a false alarm in fewer than 1 of 15,000 runs. Noise at half its scale doubles d': the
test then misses it in fewer than 1 of 10,000.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from dpsynth.privacy import curator as curator_module
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.measurement import Candidate, MarginalQuery, Measurement, Scores
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth import registry

RUNS = 200
RHO = 0.5
DOMAIN = Domain.from_sizes({"a": 4, "b": 3, "c": 3, "y": 2})


class Witness(Curator):
    """A Curator that adds up the log-likelihood ratio of its answers."""

    worlds: tuple[CodedTable, CodedTable]
    ratio: float = 0.0

    def measure(self, queries: Sequence[MarginalQuery], *, stage: str) -> list[Measurement]:
        answers = super().measure(queries, stage=stage)
        asked = [(a.attributes, a.partitions) for a in answers]
        pairs = zip(*(world.count(asked) for world in self.worlds), strict=True)
        for answer, (without, with_row) in zip(answers, pairs, strict=True):
            self._add(answer.values, without, with_row, answer.sigma)
        return answers

    def score(self, candidates: Sequence[Candidate], *, rho: float, stage: str) -> Scores:
        answer = super().score(candidates, rho=rho, stage=stage)
        exact = []
        for world in self.worlds:
            counts = world.count([(c.attributes, c.partitions) for c in candidates])
            exact.append(
                np.array(
                    [
                        c.weight * np.abs(x - c.reference).sum() + c.offset
                        for x, c in zip(counts, candidates, strict=True)
                    ]
                )
            )
        self._add(answer.values, *exact, answer.sigma)
        return answer

    def _add(
        self, seen: np.ndarray, without: np.ndarray, with_row: np.ndarray, sigma: float
    ) -> None:
        change = (seen - without) ** 2 - (seen - with_row) ** 2
        self.ratio += float(change.sum()) / (2.0 * sigma**2)


def table(extra: int) -> CodedTable:
    rng = np.random.default_rng(5)
    a = rng.integers(0, 4, 3000)
    b = np.minimum(a, 2)
    c = np.where(rng.random(3000) < 0.5, b, rng.integers(0, 3, 3000))
    y = (rng.random(3000) < 0.2 + 0.5 * (a > 1)).astype(np.int64)
    codes = np.array([a, b, c, y], dtype=np.int32)
    return CodedTable.build(DOMAIN, np.hstack([codes, codes[:, :1]])[:, : 3000 + extra])


def separation(method: str) -> float:
    """Return d' between the two worlds: distance of the means over the pooled spread."""
    worlds = table(0), table(1)
    synthesizer = registry.make(method, {"label": "y"})
    ratios = np.empty((2, RUNS))
    for world in (0, 1):
        for run in range(RUNS):
            with Witness(
                worlds[world],
                reservation=MemoryReservation(RHO),
                max_rows_per_unit=1,
                rho=RHO,
            ) as curator:
                curator.worlds = worlds
                synthesizer.fit(curator)
                ratios[world, run] = curator.ratio
    spread = math.sqrt(ratios.var(axis=1, ddof=1).mean())
    return float((ratios[1].mean() - ratios[0].mean()) / spread)


def limit() -> float:
    claimed = math.sqrt(2.0 * RHO)
    return claimed + 4.0 * math.sqrt(2.0 / RUNS + claimed**2 / (4.0 * RUNS))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cliquetree", "independent"])
def test_all_answers_together_stay_below_the_claim(method: str) -> None:
    found = separation(method)
    assert found <= limit()
    assert found >= 0.5 * math.sqrt(2.0 * RHO), "the test itself would see a leak"


@pytest.mark.slow
def test_noise_at_half_its_scale_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest: Callable[..., tuple[np.ndarray, float]] = curator_module.gaussian

    def halved(counts: np.ndarray, sigma: float, sensitivity: float) -> tuple[np.ndarray, float]:
        noisy, _ = honest(counts, sigma / 2.0, sensitivity)
        return noisy, 0.0

    monkeypatch.setattr(curator_module, "gaussian", halved)
    assert separation("cliquetree") > limit() + 0.1
