"""Unique-category probe: does a value that only one person has turn up because of that person?

A generator that takes its domain from private rows can only write categories that it has seen, at
any epsilon. Two worlds: the training rows less those that hold the rarest category, if any, and the
same with one row that holds it. Every run is asked whether the category occurs in its output;
Fisher's exact test compares the worlds. A declared domain writes such a category as often in one
world as in the other, up to its epsilon.

Never true here: a result about the released table. The generator is run anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dpsynth.attacks.api import (
    ALPHA,
    LEVEL,
    MIN_ROWS,
    AttackData,
    Generate,
    check_codes,
    inconclusive,
    too_little,
    verdict_of,
)
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.scores import p_of_counts
from dpsynth.attacks.stats import fisher_smallest

from dpsynth.exact import clopper_pearson
from dpsynth.results import AttackResult


@dataclass(frozen=True, kw_only=True)
class UniqueCategory:
    """Outputs with the one row against outputs without it, by "the category occurs".

    Attributes:
        generate: Runs the generator on coded rows with a seed; returns coded rows.
        runs: Runs in each world; fewer than 7 cannot reach `ALPHA`.
        claim: The claim to test, where one is known; "no difference" is tested without.
    """

    generate: Generate
    runs: int = 10
    name: str = "unique_category_probe"
    title: str = "Unique category: a value of one person in the output"
    all_rows: bool = False
    claim: Claim | None = None

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Run both worlds.

        Args:
            data: The tables; only training rows are generated from.
            seed: Draws the category, the row and the seeds of the generator.
        """
        reason = too_little(data)
        if reason is not None:
            return inconclusive(self, reason)
        if fisher_smallest(self.runs, self.runs, self.runs, ALPHA) is None:
            return inconclusive(self, f"{self.runs} runs in each world could not reject.")
        rng = np.random.default_rng(seed)
        column, code = _rarest(data, rng)
        others = data.train[data.train[:, column] != code]
        if len(others) < MIN_ROWS:
            return inconclusive(self, "Every category is held by nearly all training rows.")
        row = others[[rng.integers(len(others))]]
        row[0, column] = code
        seeds = np.random.SeedSequence(seed).generate_state(2 * self.runs).reshape(2, self.runs)
        hits = [0, 0]
        for world, table in enumerate((np.concatenate([others, row]), others)):
            for own_seed in seeds[world]:
                output = self.generate(table, int(own_seed))
                check_codes(data.domain, "generated", output)
                hits[world] += int((output[:, column] == code).any())
        counts = (hits[0], self.runs, hits[1], self.runs)
        p_value = p_of_counts(self.claim, counts)
        return AttackResult(
            name=self.name,
            title=self.title,
            value=hits[0] / self.runs,
            unit="share of outputs that hold the category of one row",
            interval=clopper_pearson(hits[0], self.runs, LEVEL),
            n=2 * self.runs,
            baseline=0.0,
            baseline_title="the category never occurs",
            control=hits[1] / self.runs,
            control_title="share of outputs without that row",
            members=self.runs,
            non_members=self.runs,
            p_value=p_value,
            alpha=ALPHA,
            detection_limit=f"A category that occurs in all {self.runs} outputs with its row and "
            "in none without would be found.",
            verdict=verdict_of(p_value),
            details={
                "hits_with": hits[0],
                "hits_without": hits[1],
                "test": "Fisher's exact test, one-sided"
                if self.claim is None
                else "against the claimed epsilon and delta, one-sided",
            },
            note="A category that a single person has must not depend on that person.",
        )


def _rarest(data: AttackData, rng: np.random.Generator) -> tuple[int, int]:
    """Return (column, code) of a category that the fewest training rows hold; ties at random."""
    found: list[tuple[int, int, int]] = []
    for j, attribute in enumerate(data.domain):
        counts = np.bincount(data.train[:, j], minlength=attribute.size)
        found += [
            (int(counts[code]), j, code)
            for code in range(attribute.size)
            if code not in (attribute.out_of_domain, attribute.blank)
        ]
    fewest = min(count for count, _, _ in found)
    ties = [(j, code) for count, j, code in found if count == fewest]
    return ties[int(rng.integers(len(ties)))]
