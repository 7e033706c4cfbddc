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
    MIN_ROWS,
    AttackData,
    Generate,
    check_codes,
    inconclusive,
    too_little,
)
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.scores import p_of_counts
from dpsynth.attacks.two_worlds import run_worlds, too_few_runs, worlds_result

from dpsynth.arrays import Codes
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
        reason = too_little(data) or too_few_runs(self.runs)
        if reason is not None:
            return inconclusive(self, reason)
        rng = np.random.default_rng(seed)
        column, code = _rarest(data, rng)
        others = data.train[data.train[:, column] != code]
        if len(others) < MIN_ROWS:
            return inconclusive(self, "Every category is held by nearly all training rows.")
        row = others[[rng.integers(len(others))]]
        row[0, column] = code

        def occurs(table: Codes, own_seed: int) -> tuple[float, ...]:
            output = self.generate(table, own_seed)
            check_codes(data.domain, "generated", output)
            return (float((output[:, column] == code).any()),)

        larger = np.concatenate([others, row])
        seen = run_worlds(occurs, larger, others, runs=self.runs, seed=seed)
        hits = int(seen[0].sum()), int(seen[1].sum())
        return worlds_result(
            self,
            hits,
            self.runs,
            p_of_counts(self.claim, (hits[0], self.runs, hits[1], self.runs)),
            unit="share of outputs that hold the category of one row",
            baseline=0.0,
            baseline_title="the category never occurs",
            control_title="share of outputs without that row",
            detection_limit=f"A category that occurs in all {self.runs} outputs with its row and "
            "in none without would be found.",
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
