"""From the scores of two worlds to a lower confidence bound on mu, and what it can see.

A threshold is fixed on a part of the runs; on the others it has some false alarms and some hits.
The exact binomial tails of both (Clopper and Pearson 1934) are p-values of "the false alarm rate is
at least p0" and "the hit rate is at most what the claim allows at p0". They are independent, so
their product w has ``P <= w (1 - ln w)`` (Fisher 1932). A claim is refuted if that is at most the
error at every p0. Two one-sided limits of half the error each are as valid, but need twice the
runs.

Never true here: a threshold that was chosen on the runs that it is judged by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, ndtr, ndtri
from scipy.stats import norm

from dpsynth.arrays import Floats
from dpsynth.auditing.claim import TradeOff
from dpsynth.exact import bisect, epsilon_lower_bound, first

ERROR = 0.01  #: one minus the confidence of a bound
_MOST_MU = 40.0
_POINTS = 201


@dataclass(frozen=True, kw_only=True)
class Hits:
    """What a fixed threshold says about runs in either world.

    Attributes:
        runs: Runs in each world.
        false_alarms: Runs of world 0 above the threshold.
        hits: Runs of world 1 above it.
    """

    runs: int
    false_alarms: int
    hits: int

    def p_value(self, claim: TradeOff) -> float:
        """Return the p-value of "the mechanism is as claimed", exact or too large."""
        if self.false_alarms == self.runs or self.hits == 0:
            return 1.0
        # The logarithm of the product is concave in the false alarm rate: both tails are
        # log-concave and monotone, and the curve is concave. So ever finer grids find its top.
        low, high = 0.0, 1.0
        best = -math.inf
        for _ in range(4):
            at = np.linspace(low, high, _POINTS)
            logs = self._log_product(at, claim)
            top = int(np.argmax(logs))
            best = max(best, float(logs[top]))
            low, high = at[max(top - 1, 0)], at[min(top + 1, _POINTS - 1)]
        return min(1.0, math.exp(best) * (1.0 - best)) if best < 0 else 1.0

    def mu_bound(self, error: float = ERROR) -> float:
        """Return the largest mu for which mu-GDP is refuted at this error, 0 if none."""

        def stands(mu: float) -> bool:
            return self.p_value(TradeOff.gaussian(mu)) > error

        return 0.0 if stands(0.0) else bisect(0.0, _MOST_MU, stands, 1e-6)[0]

    def epsilon_bound(self, delta: float) -> float:
        """Return a lower bound at 99 % on the epsilon at delta of any mechanism, 0 if none.

        By one threshold, with exact limits of both rates at half the error each.
        """
        return epsilon_lower_bound(
            self.hits, self.runs, self.false_alarms, self.runs, delta=delta, confidence=1.0 - ERROR
        )

    @property
    def mu(self) -> float:
        """The estimate of mu at the threshold, half a run added to each count."""
        hit_rate = (self.hits + 0.5) / (self.runs + 1.0)
        return float(ndtri(hit_rate) - ndtri(self.alarm_rate))

    @property
    def alarm_rate(self) -> float:
        """The false alarm rate, half a run added."""
        return (self.false_alarms + 0.5) / (self.runs + 1.0)

    def _log_product(self, alarm_rates: Floats, claim: TradeOff) -> Floats:
        """Return the logarithm of the product of both p-values at each false alarm rate."""
        n, alarms, hits = self.runs, self.false_alarms, self.hits
        few = betainc(n - alarms, alarms + 1, 1.0 - alarm_rates)
        many = betainc(hits, n - hits + 1, claim.hit_rates(alarm_rates))
        # What underflows is taken for the least number there is, which is too large.
        least = np.finfo(np.float64).tiny
        logs: Floats = np.log(np.maximum(few, least)) + np.log(np.maximum(many, least))
        return logs


def count_hits(without: Floats, with_unit: Floats, threshold: float) -> Hits:
    """Return what a threshold says about scores, shape (runs,) each."""
    return Hits(
        runs=len(without),
        false_alarms=int((without > threshold).sum()),
        hits=int((with_unit > threshold).sum()),
    )


def pilot_runs(runs: int) -> int:
    """Return how many of the runs fix the threshold: a twentieth, 50 to 500."""
    return min(max(runs // 20, 50), 500)


def choose_threshold(without: Floats, with_unit: Floats) -> float:
    """Return the middle between the mean scores of pilot runs in either world.

    It is the best threshold for normal scores of one spread, which sums of many answers nearly are.
    A search over all thresholds follows chance: at 20,000 runs the bound fell by 3 %.
    """
    return float(0.5 * (without.mean() + with_unit.mean()))


def detectable_mu(claimed: float, runs: int, power: float, times: int) -> float:
    """Return about the smallest mu that is refuted with some probability.

    The tails of a threshold halfway between the worlds are taken for normal.

    Args:
        claimed: The mu that is to be refuted.
        runs: Runs that are judged in each world, each time.
        power: Probability that all times refute it.
        times: How often it is refuted, on fresh runs.

    Returns:
        The mu, to within 0.001; infinity where so few runs refute none.
    """
    if not math.isfinite(claimed):  # everything was claimed
        return math.inf
    tail = float(norm.isf(_each_tail(ERROR)))
    chance = float(norm.isf(1.0 - power ** (1.0 / times)))
    mu = claimed + np.linspace(0.0, 6.0, 6001)
    alarm = ndtr(-mu / 2.0)
    error = np.sqrt(alarm * (1.0 - alarm) / runs) / norm.pdf(mu / 2.0)
    # By how much two rates must differ: the tail of each, and sqrt(2) of chance.
    seen = mu - claimed >= (2.0 * tail + math.sqrt(2.0) * chance) * error
    return float(mu[np.argmax(seen)]) if seen.any() else math.inf


def needed_runs(claimed: float, mu: float, power: float, times: int) -> int:
    """Return about the smallest number of runs whose :func:`detectable_mu` is `mu` or less."""

    def suffice(runs: int) -> bool:
        return detectable_mu(claimed, runs, power, times) <= mu

    runs = 64
    while not suffice(runs) and runs < 2**30:
        runs *= 2
    return first(runs // 2 + 1, runs, suffice) or runs


def _each_tail(error: float) -> float:
    """Return u with ``u**2 (1 - ln u**2) = error``: two such p-values refute together."""

    def exceeds(tail: float) -> bool:
        return tail**2 * (1.0 - 2.0 * math.log(tail)) > error

    return bisect(0.0, math.sqrt(error), exceeds, 1e-12)[0]
