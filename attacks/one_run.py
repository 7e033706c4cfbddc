"""A lower bound on epsilon from one run: Steinke, Nasr and Jagielski (NeurIPS 2023).

Each of m canaries is in the table by an independent fair coin. The auditor guesses the coins of r
of them, abstaining elsewhere, after seeing the output. If the generator is (epsilon, delta)-DP for
each canary, the number of correct guesses is stochastically no larger than Binomial(r, q), where
q = e^eps / (1 + e^eps), up to delta (their Theorem 5.2):

    P[correct >= v] <= beta + 2 m delta max over i in 1..v of P[v > Binomial(r, q) >= v - i] / i,

beta = P[Binomial(r, q) >= v]. The bound on epsilon is the largest epsilon that this refutes.

Never true here: a tight bound. A perfect distinguisher of a Gaussian mechanism of epsilon 1
(delta 1e-6) is right in 54 % of its guesses only; for 1,000 canaries the theorem then gives about
0.1 at 95 %, for 5,000 about 0.3 (of epsilon 8: 2.4 and 3.1). A small bound says nothing about the
real epsilon.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

#: Guesses that are tried, as (share guessed in, share guessed out) of all canaries; the rest is
#: abstained from. Fixed in advance; the confidence is shared among them and one rule more, which
#: guesses "in" where the output holds a copy.
GUESSES = ((0.01, 0.0), (0.05, 0.0), (0.25, 0.0), (0.05, 0.05), (0.25, 0.25), (0.5, 0.5))
_RULES = len(GUESSES) + 1
_HIGHEST = 50.0  # epsilon at which the search for a bound stops


@dataclass(frozen=True, kw_only=True)
class OneRun:
    """What the guesses of one run show.

    Attributes:
        epsilon: Lower bound at the confidence asked for, all rules together.
        guesses: Guesses made by the rule that gave it.
        correct: Those that were right.
        p_value: Of the claim that was asked about, all rules together, or None.
    """

    epsilon: float
    guesses: int
    correct: int
    p_value: float | None


def one_run_p(canaries: int, guesses: int, correct: int, *, epsilon: float, delta: float) -> float:
    """Return the largest probability of so many correct guesses under (epsilon, delta)-DP.

    Args:
        canaries: Coins that were thrown, m.
        guesses: Guesses that were made, r.
        correct: Right ones, v.
        epsilon: Claimed epsilon of one canary, at least 0.
        delta: Claimed delta of one canary.

    >>> round(one_run_p(10, 10, 10, epsilon=0.0, delta=0.0), 6)
    0.000977
    """
    if not 0 <= correct <= guesses <= canaries:
        raise ValueError(f"{correct} of {guesses} guesses about {canaries} canaries")
    if correct == 0:
        return 1.0
    rate = 1.0 / (1.0 + math.exp(-epsilon))
    beta = float(stats.binom.sf(correct - 1, guesses, rate))
    if delta == 0.0:
        return beta
    steps = np.arange(1, correct + 1)
    below = np.cumsum(stats.binom.pmf(correct - steps, guesses, rate))
    return min(1.0, beta + 2.0 * canaries * delta * float((below / steps).max()))


def one_run_epsilon(
    canaries: int, guesses: int, correct: int, *, delta: float, confidence: float
) -> float:
    """Return the largest epsilon that the guesses refute at a confidence; 0 if none.

    Args:
        canaries: Coins that were thrown.
        guesses: Guesses that were made.
        correct: Right ones.
        delta: Delta of the bound.
        confidence: Confidence of the bound.
    """
    error = 1.0 - confidence

    def refuted(epsilon: float) -> bool:
        return one_run_p(canaries, guesses, correct, epsilon=epsilon, delta=delta) < error

    if not refuted(0.0):
        return 0.0
    low, high = 0.0, _HIGHEST
    while high - low > 1e-4:
        middle = (low + high) / 2.0
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low


def judge_guesses(
    scores: NDArray[np.floating[Any]],
    included: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    copied: int,
    delta: float,
    confidence: float,
    claimed_epsilon: float | None = None,
) -> OneRun:
    """Guess by score and bound epsilon; Bonferroni over all rules.

    Args:
        scores: Score of each canary, higher for "in the table", shape (m,).
        included: Its coin, shape (m,).
        rng: Breaks ties among scores. Not the seed of the coins again: equal streams would tell.
        copied: Number of canaries that the output holds identically; they have the highest scores.
        delta: Delta of the bound and of the claim.
        confidence: Confidence of the bound.
        claimed_epsilon: Epsilon whose p-value is wanted.
    """
    m = len(scores)
    order = np.lexsort((rng.random(m), -scores))
    ordered = included[order]
    shared = 1.0 - (1.0 - confidence) / _RULES
    rules = [(int(share_in * m), int(share_out * m)) for share_in, share_out in GUESSES]
    best = OneRun(epsilon=0.0, guesses=0, correct=0, p_value=None)
    p_values = []
    for first, last in [*rules, (copied, 0)]:
        correct = int(ordered[:first].sum()) + int((~ordered[m - last :]).sum())
        bound = one_run_epsilon(m, first + last, correct, delta=delta, confidence=shared)
        if bound > best.epsilon:
            best = OneRun(epsilon=bound, guesses=first + last, correct=correct, p_value=None)
        if claimed_epsilon is not None:
            p_values.append(
                one_run_p(m, first + last, correct, epsilon=claimed_epsilon, delta=delta)
            )
    p_value = min(1.0, _RULES * min(p_values)) if p_values else None
    return OneRun(epsilon=best.epsilon, guesses=best.guesses, correct=best.correct, p_value=p_value)
