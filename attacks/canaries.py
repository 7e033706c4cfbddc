"""One-run canary audit: records that nobody has are planted, and guessed from one output.

Records drawn uniformly from the domain are put among the training rows, each by an independent fair
coin; the generator runs once; all records, also those left out, are ordered by targeted queries
(too little noise shows) and by the distance to the nearest row (a memoriser shows); the right
guesses bound epsilon from below (`one_run`). One fit is enough, and the bound needs no assumption
about rows, because the coins are the auditor's own.

A canary is one privacy unit. Where a unit may have c rows, it has c rows, all alike: the guarantee
covers such a unit, nothing shows more of it, and noise that was scaled for fewer rows shows.
Canaries respect the structural zeros of the domain. A generator that holds them writes no row that
breaks them, so half of such a canary would be invisible; the bound holds for either.

Never true here: a table that may be released. Canaries change the training table, so the output is
an audit replica: it is scored and dropped. Nor is a small bound good news: with 1,000 canaries even
a perfect distinguisher of a Gaussian mechanism shows 0.1 of an epsilon of 1, with 5,000 about 0.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dpsynth.attacks.api import LEVEL, AttackData, Generate, check_codes, inconclusive, too_little
from dpsynth.attacks.cells import count_cells
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.neighbours import nearest_two
from dpsynth.attacks.one_run import judge_guesses, one_run_epsilon
from dpsynth.attacks.queries import query_scores, targeted_queries
from dpsynth.attacks.scores import AUDIT_DELTA, membership_result
from dpsynth.attacks.streams import Stream, rng_of
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.exact import gdp_epsilon
from dpsynth.results import AttackResult
from dpsynth.schema.domain import Domain

MIN_CANARIES = 100  #: fewer say nothing at the confidence of the bound
NOTE = (
    "Random records planted in a replica that is never released. The bound on epsilon holds at its "
    "confidence for a generator with independent coins; it is loose: with 1,000 canaries a perfect "
    "distinguisher of epsilon 1 shows about 0.1. Silence is not evidence of privacy."
)
_REDRAWS = 100  # of a record that breaks structural zeros; what is left then stays as it is


@dataclass(frozen=True, kw_only=True)
class OneRunCanaries:
    """Canaries in the table against canaries left out, in one run of the generator.

    Attributes:
        generate: Runs the generator on coded rows with a seed; returns coded rows.
        canaries: Number of records drawn, half of which are planted on average.
        rows_per_unit: Rows of one unit at most by the claim, so many has each canary.
        claim: The claim to hold the guesses against, where one is known.
    """

    generate: Generate
    canaries: int = 1000
    rows_per_unit: int = 1
    name: str = "one_run_canaries"
    title: str = "One-run audit with random canaries"
    all_rows: bool = True
    claim: Claim | None = None

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Plant, generate once, guess.

        Args:
            data: The tables; training rows surround the canaries, held-out rows are the reference,
                synthetic rows are not looked at.
            seed: Draws canaries, coins, queries and ties; the generator gets a seed derived from
                it, whose stream has nothing in common with the coins.
        """
        reason = too_little(data)
        if reason is not None:
            return inconclusive(self, reason)
        if self.canaries < MIN_CANARIES:
            return inconclusive(self, f"Fewer than {MIN_CANARIES} canaries.")
        queries = targeted_queries(data.domain, seed)
        if not queries:
            return inconclusive(self, "A marginal of two columns needs two columns.")
        rng = rng_of(seed, Stream.CANARIES)
        canaries = random_records(data.domain, self.canaries, rng)
        included = rng.random(self.canaries) < 0.5
        planted = np.repeat(canaries[included], self.rows_per_unit, axis=0)
        table = np.concatenate([data.train, planted])
        own_seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
        output = self.generate(table[rng.permutation(len(table))], own_seed)
        check_codes(data.domain, "generated", output)
        if not len(output):
            return inconclusive(self, "The generator returned no rows.")
        scores = query_scores(data.domain, queries, canaries, output, data.holdout)
        whole = count_cells(data.domain, tuple(range(len(data.domain))), canaries, (output,))
        copied = whole.counts[0][whole.at] > 0
        scores += np.where(copied, 1.0 + np.ptp(scores), 0.0)  # above all others
        delta = AUDIT_DELTA if self.claim is None else self.claim.delta
        closeness = -nearest_two(data.domain, canaries, output).first
        judged = judge_guesses(
            np.stack([scores, closeness]),
            included,
            rng,
            copied=int(copied.sum()),
            delta=delta,
            confidence=LEVEL,
            claimed=() if self.claim is None else self.claim.pairs,
        )
        return membership_result(
            self,
            scores[included],
            scores[~included],
            seed=seed,
            control_title="one half of the canaries left out against the other",
            claim=self.claim,
            audit=True,
            claim_p=judged.p_value,
            details={
                "canaries": self.canaries,
                "rows_per_canary": self.rows_per_unit,
                "training_rows": len(data.train),
                "generated_rows": len(output),
                "copied_canaries": int(copied.sum()),
                "one_run_epsilon": judged.epsilon,
                "one_run_epsilon_if_all_guesses_were_right": one_run_epsilon(
                    self.canaries,
                    self.canaries,
                    self.canaries,
                    delta=delta,
                    confidence=LEVEL,
                ),
                "one_run_mu_if_gaussian": judged.mu,
                "one_run_epsilon_if_gaussian": gdp_epsilon(judged.mu, delta, side="below")
                if delta > 0.0
                else None,
                "one_run_guesses": judged.guesses,
                "one_run_correct": judged.correct,
            },
            note=NOTE,
        )


def random_records(domain: Domain, count: int, rng: np.random.Generator) -> Codes:
    """Return records drawn uniformly from what the declared domain allows, shape (count, d).

    Where nearly everything is ruled out, some records break structural zeros all the same.
    """
    records = _uniform(domain, count, rng)
    for _ in range(_REDRAWS):
        broken = ~_allowed(domain, records)
        if not broken.any():
            break
        records[broken] = _uniform(domain, int(broken.sum()), rng)
    return records


def _uniform(domain: Domain, count: int, rng: np.random.Generator) -> Codes:
    return np.stack([rng.integers(0, attribute.size, count) for attribute in domain], axis=1)


def _allowed(domain: Domain, records: Codes) -> NDArray[np.bool_]:
    """Return which records keep all structural zeros."""
    held = np.ones(len(records), dtype=bool)
    for zeros in domain.zeros:
        held &= zeros.holds([records[:, domain.index(name)] for name in zeros.names])
    return held
