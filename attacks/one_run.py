"""A lower bound on epsilon from one run: Steinke, Nasr and Jagielski (NeurIPS 2023).

Each of m canaries is in the table by an independent fair coin. The auditor guesses the coins of r
of them, abstaining elsewhere, after seeing the output. If the generator is (epsilon, delta)-DP for
each canary, the number of correct guesses is stochastically no larger than Binomial(r, q), where
q = e^eps / (1 + e^eps), up to delta (their Theorem 5.2):

    P[correct >= v] <= beta + 2 m delta max over i in 1..v of P[v > Binomial(r, q) >= v - i] / i,

beta = P[Binomial(r, q) >= v]. The bound on epsilon is the largest epsilon that this refutes.

Where the trade-off curve is Gaussian (mu-GDP), the whole curve bounds more (Mahloujifar, Melis and
Chaudhuri, "Auditing f-differential privacy in one run", 2024). Swapping the coin of one canary and
averaging over all of them gives, for T correct guesses of r and every j,

    sum over t >= j of (t / m) P[T = t] <= g(sum over t >= j - 1 of ((r - t) / m) P[T = t]),

g(x) = Phi(Phi^-1(x) + mu). Probability p at v correct guesses then forces a least probability on
v - 1, v - 2, ... 0; if all of it exceeds 1, P[T >= v] is below p.

Never true here: a tight bound. A perfect distinguisher of a Gaussian mechanism of epsilon 1
(delta 1e-6) is right in 54 % of its guesses only; for 1,000 canaries the theorem then gives about
0.1 at 95 %, for 5,000 about 0.3 (of epsilon 8: 2.3 and 3.0). A small bound says nothing about the
real epsilon.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dpsynth.exact import bisect

#: Guesses that are tried, as (share guessed in, share guessed out) of all canaries; the rest is
#: abstained from. Fixed in advance; the confidence is shared among them, for every score, and one
#: rule more, which guesses "in" where the output holds a copy. Not the half: coins seldom put
#: exactly half of the canaries in, and then even who knows them all would guess some wrong.
GUESSES = ((0.01, 0.0), (0.05, 0.0), (0.25, 0.0), (0.05, 0.05), (0.25, 0.25), (0.45, 0.45))
_HIGHEST, _HIGHEST_MU = 50.0, 20.0  # where the search for a bound stops
_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True)
class OneRun:
    """What the guesses of one run show.

    Attributes:
        epsilon: Lower bound at the confidence asked for, all rules together.
        guesses: Guesses made by the rule that gave it.
        correct: Those that were right.
        p_value: Of the claim that was asked about, all rules together, or None.
        mu: Lower bound on mu, if the trade-off curve is Gaussian, all rules together.
    """

    epsilon: float
    guesses: int
    correct: int
    p_value: float | None
    mu: float


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

    def stands(epsilon: float) -> bool:
        return one_run_p(canaries, guesses, correct, epsilon=epsilon, delta=delta) >= error

    return 0.0 if stands(0.0) else bisect(0.0, _HIGHEST, stands, 1e-4)[0]


def one_run_mu(canaries: int, guesses: int, correct: int, *, confidence: float) -> float:
    """Return the largest mu of a Gaussian trade-off curve that the guesses refute; 0 if none.

    Args:
        canaries: Coins that were thrown.
        guesses: Guesses that were made.
        correct: Right ones.
        confidence: Confidence of the bound.
    """
    error = 1.0 - confidence

    def stands(mu: float) -> bool:
        return _least_mass(canaries, guesses, correct, error, mu) <= guesses / canaries

    return 0.0 if not guesses or stands(0.0) else bisect(0.0, _HIGHEST_MU, stands, 1e-3)[0]


def _least_mass(canaries: int, guesses: int, correct: int, p: float, mu: float) -> float:
    """Return the least total mass, times guesses / canaries, if `correct` or more has mass `p`."""
    right = p * correct / canaries
    wrong = p * (guesses - correct) / canaries
    for t in range(correct - 1, -1, -1):
        if right >= 1.0:
            return math.inf
        needed = _NORMAL.cdf(_NORMAL.inv_cdf(right) - mu) if right > 0.0 else 0.0
        if needed > wrong:
            right += t / (guesses - t) * (needed - wrong)
            wrong = needed
    return right + wrong


def judge_guesses(
    scores: NDArray[np.floating[Any]],
    included: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    copied: int,
    delta: float,
    confidence: float,
    claimed: Sequence[tuple[float, float]] = (),
) -> OneRun:
    """Guess by score and bound epsilon; Bonferroni over all rules.

    Args:
        scores: Score of each canary, higher for "in the table", shape (m,); several scores, each
            with guesses of its own, have the shape (scores, m).
        included: Its coin, shape (m,).
        rng: Breaks ties among scores. Not the seed of the coins again: equal streams would tell.
        copied: Number of canaries that the output holds identically; they are first by the first
            score.
        delta: Delta of the bound.
        confidence: Confidence of the bound.
        claimed: The (epsilon, delta) of one canary whose p-value is wanted. All hold at once: each
            bounds the chance of so many right guesses, and so does the least of the bounds.
    """
    m = len(included)
    orders = [np.lexsort((rng.random(m), -score)) for score in np.atleast_2d(scores)]
    rules = [
        (included[order], int(share_in * m), int(share_out * m))
        for order in orders
        for share_in, share_out in GUESSES
    ]
    rules.append((included[orders[0]], copied, 0))
    shared = 1.0 - (1.0 - confidence) / len(rules)
    best = OneRun(epsilon=0.0, guesses=0, correct=0, p_value=None, mu=0.0)
    p_values, mus = [], []
    for ordered, first, last in rules:
        correct = int(ordered[:first].sum()) + int((~ordered[m - last :]).sum())
        made = first + last
        bound = one_run_epsilon(m, made, correct, delta=delta, confidence=shared)
        if bound > best.epsilon:
            best = replace(best, epsilon=bound, guesses=made, correct=correct)
        mus.append(one_run_mu(m, made, correct, confidence=shared))
        p_values += [one_run_p(m, made, correct, epsilon=e, delta=d) for e, d in claimed]
    p_value = min(1.0, len(rules) * min(p_values)) if p_values else None
    return replace(best, p_value=p_value, mu=max(mus))
