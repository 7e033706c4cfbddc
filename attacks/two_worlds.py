"""Two worlds: a generator runs on a table with one row, and as often on the same without it.

What a probe looks at in every output is its own matter; here are the runs and their result. As many
runs stand on either side, so hits with the row against hits without it are a 2 x 2 table: of
Fisher's exact test, or of a claim.

Never true here: a result about the released table, or a seed that both worlds share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from dpsynth.attacks.api import ALPHA, LEVEL, Attack, verdict_of
from dpsynth.attacks.stats import fisher_smallest
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.exact import clopper_pearson
from dpsynth.results import AttackResult


def too_few_runs(runs: int, tests: int = 1) -> str | None:
    """Return why so many runs in each world cannot reject, in the most striking of tests; or None.

    Args:
        runs: Runs in each world.
        tests: Number of tests of which the most striking is reported.
    """
    if fisher_smallest(runs, runs, runs, ALPHA / tests) is not None:
        return None
    return f"{runs} runs in each world could not reject."


def run_worlds(
    look: Callable[[Codes, int], tuple[float, ...]],
    with_row: Codes,
    without: Codes,
    *,
    runs: int,
    seed: int,
) -> NDArray[np.float64]:
    """Return what is seen in every run: world (with the row first), run, number that is seen.

    Args:
        look: Runs the generator on a table with a seed and returns what it sees.
        with_row: Codes of the larger table, shape (n + 1, d).
        without: Codes of the other, shape (n, d).
        runs: Runs in each world.
        seed: Seed from which each run gets its own.
    """
    seeds = np.random.SeedSequence(seed).generate_state(2 * runs).reshape(2, runs)
    return np.array(
        [
            [look(table, int(own_seed)) for own_seed in seeds[world]]
            for world, table in enumerate((with_row, without))
        ],
        dtype=np.float64,
    )


def worlds_result(
    attack: Attack,
    hits: tuple[int, int],
    runs: int,
    p_value: float,
    *,
    unit: str,
    baseline: float,
    baseline_title: str,
    control_title: str,
    detection_limit: str,
    details: Mapping[str, float | int | str | None],
    note: str,
) -> AttackResult:
    """Return the result of a probe.

    Args:
        attack: The probe, for its name and title.
        hits: Runs that hit, with the row and without it.
        runs: Runs in each world.
        p_value: One-sided, corrected where the probe had several tests.
        unit: What the share of hits with the row counts.
        baseline: The share that a generator without the fault has.
        baseline_title: What that is.
        control_title: What the share of hits without the row counts.
        detection_limit: What so many runs would find.
        details: Further facts of the probe.
        note: For the reader of the report.
    """
    return AttackResult(
        name=attack.name,
        title=attack.title,
        value=hits[0] / runs,
        unit=unit,
        interval=clopper_pearson(hits[0], runs, LEVEL),
        n=2 * runs,
        baseline=baseline,
        baseline_title=baseline_title,
        control=hits[1] / runs,
        control_title=control_title,
        members=runs,
        non_members=runs,
        p_value=p_value,
        alpha=ALPHA,
        detection_limit=detection_limit,
        verdict=verdict_of(p_value),
        details=details,
        note=note,
    )
