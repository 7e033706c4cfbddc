"""Which places follow the unit: the same in every run of either table, and different across.

Noise makes many things differ from run to run, so one run a table shows nothing. A place that
never varied on either table and differs between them is suspicious; both tables are run again until
it varies or until chance is ruled out.

How many runs that takes: let p be the chance of a value v with the unit and q that of another value
w without it. (epsilon, delta) differential privacy (Dwork and Roth 2014, 2.3) gives
p <= e^epsilon (1 - q) + delta, and the same with p and q exchanged, so that
p + q <= 2 (e^epsilon + delta) / (1 + e^epsilon) and p q <= b^2, where b is half of that. The runs
are independent: m on either table all show v and w with probability (p q)^m, and some pair of
different values does with probability at most b^(2 (m - 1)) (all but one factor p q are bounded by
b^2; what is left adds up to at most 1). At epsilon 1 and m = 35 that is below 1e-9.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from dpsynth.preflight.observe import Observation

ALPHA = 1e-9  #: largest chance that noise alone makes a finding of one place
MOST_EPSILON = 1.0  #: a larger epsilon allows more by chance, and more runs than anybody waits for

Runs = Sequence[Observation]


def false_alarm(epsilon: float, delta: float, runs: int) -> float:
    """Return the bound on the chance that a private place is separated in all of `runs` pairs."""
    bound = (math.exp(epsilon) + delta) / (1.0 + math.exp(epsilon))
    return bound ** (2 * (runs - 1))


def runs_needed(epsilon: float, delta: float, alpha: float) -> int:
    """Return the smallest number of runs a table with a false alarm of at most `alpha`."""
    runs = 1
    while false_alarm(epsilon, delta, runs) > alpha:
        runs += 1
    return runs


def separated(without: Runs, with_unit: Runs) -> list[str]:
    """Return the places that never vary on a table and differ between the two."""
    places = {place for runs in (without, with_unit) for seen in runs for place in seen}
    found = []
    for place in sorted(places):
        left, right = values(without, place), values(with_unit, place)
        if len(left) == len(right) == 1 and left != right:
            found.append(place)
    return found


def values(runs: Runs, place: str) -> set[str | None]:
    """Return the values that a place took; None where it was absent."""
    return {seen.get(place) for seen in runs}


def pursue(
    without: list[Observation],
    with_unit: list[Observation],
    again: Callable[[], None],
    needed: int,
) -> list[str]:
    """Run both tables again until nothing is suspicious or `needed` runs confirm it.

    Args:
        without: Runs without the unit; `again` appends to it.
        with_unit: Runs with the unit; `again` appends to it.
        again: Adds a run to the shorter of both lists.
        needed: Runs a table that rule chance out.

    Returns:
        The places that follow the unit.
    """
    while suspects := separated(without, with_unit):
        if min(len(without), len(with_unit)) >= needed:
            return suspects
        again()
    return []
