"""The best of several methods or settings, chosen privately: every trial and the choice are paid.

Each candidate is fitted at an equal share of the budget. A sample of each is compared with the real
rows by noisy distances over pairs of columns, all in one vector, and the candidate with the
smallest mean distance is kept. zCDP adds up, so the price is the sum (Bun & Steinke 2016): k trials
cost k fits. It pays where nobody can say beforehand which method suits, for example whether a table
is large enough for relations between columns at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dpsynth.arrays import Integers
from dpsynth.privacy.curator import Curator
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Assumption, ExpectedNoise, Model, PlannedStage, Synthesizer
from dpsynth.synth.distances import distance_questions, pairs_of
from dpsynth.synth.estimate import block_partition
from dpsynth.synth.oneway import coarse_domain

CHOICE = "choice"
_CHOICE_SHARE = 0.1
_MAX_PAIRS = 200
_MAX_CELLS = 20_000_000  #: of all distances of the choice together


@dataclass(frozen=True, kw_only=True)
class BestSynthesizer:
    """Configuration of the choice.

    Attributes:
        candidates: Methods to try, at least two.
        names: What each is called, in the same order.
    """

    candidates: tuple[Synthesizer, ...]
    names: tuple[str, ...]
    name = "best"

    def options(self) -> Mapping[str, Any]:
        """Return the declared options."""
        return {
            "candidates": [
                {"name": name, **candidate.options()}
                for name, candidate in zip(self.names, self.candidates, strict=True)
            ]
        }

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what a fit would ask and cost at most.

        Raises:
            InputError: A candidate cannot work at its share.
        """
        share, choice = self._shares(rho)
        stages = [
            replace(stage, stage=f"{label}: {stage.stage}")
            for label, candidate in zip(self._labels(), self.candidates, strict=True)
            for stage in candidate.plan(domain, share)
        ]
        description = "Noisy distances of every candidate's sample from the real rows."
        queries = len(self.candidates) * len(_sets(domain, len(self.candidates)))
        return (
            *stages,
            PlannedStage(stage=CHOICE, description=description, queries=queries, rho=choice),
        )

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption
    ) -> tuple[ExpectedNoise, ...]:
        """Forecast the noise of the first candidate at its share."""
        return self.candidates[0].forecast(domain, self._shares(rho)[0], assumption)

    def fit(self, curator: Curator) -> Model:
        """Fit every candidate through the Curator, and keep the one that is noisily closest."""
        share, _ = self._shares(curator.rho)
        models = []
        for label, candidate in zip(self._labels(), self.candidates, strict=True):
            with curator.part(share, label) as part:
                models.append(candidate.fit(part))
        sets, partitions = _sets(curator.domain, len(models)), _partitions(curator.domain)
        questions = [
            question
            for model in models
            for question in distance_questions(
                curator.domain,
                partitions,
                model.sample(max(1, round(model.total)), seed=secrets.randbits(63)),
                model.total,
                sets,
            )
        ]
        scores = curator.score(questions, rho=curator.remaining, stage=CHOICE)
        means = scores.values.reshape(len(models), len(sets)).mean(axis=1)
        return models[int(np.argmin(means))]

    def _labels(self) -> list[str]:
        """Return the names with a number where one comes again, for the ledger."""
        times = [self.names[: place + 1].count(name) for place, name in enumerate(self.names)]
        return [
            name if time == 1 else f"{name} {time}"
            for name, time in zip(self.names, times, strict=True)
        ]

    def _shares(self, rho: float) -> tuple[float, float]:
        """Return the price of each trial and of the choice."""
        choice = _CHOICE_SHARE * rho
        return (rho - choice) / len(self.candidates), choice


def _partitions(domain: Domain) -> dict[str, Integers]:
    """Return public blocks of wide columns."""
    blocks = {attribute.name: block_partition(attribute) for attribute in domain}
    return {name: partition for name, partition in blocks.items() if partition is not None}


def _sets(domain: Domain, candidates: int) -> list[tuple[str, ...]]:
    """Return the pairs that are compared, or the columns where no pair is small enough."""
    partitions = _partitions(domain)
    whole = {a.name: partitions.get(a.name, np.arange(a.size)) for a in domain}
    coarse = coarse_domain(whole)
    pairs = pairs_of(coarse, _MAX_PAIRS)
    most = _MAX_CELLS // (candidates * max(1, len(pairs)))
    return [pair for pair in pairs if coarse.cells(pair) <= most] or [(n,) for n in domain.names]
