"""All fidelity and utility measures of one release.

Never true here: that a table which is worse than independent columns passes without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dpsynth.fidelity import correlation, downstream
from dpsynth.fidelity.api import FidelityData, inconclusive, reference
from dpsynth.fidelity.correlation import association_difference
from dpsynth.fidelity.downstream import train_synthetic_test_real
from dpsynth.fidelity.marginals import marginal_distance
from dpsynth.results import FidelityResult

Progress = Callable[[str], None]
_WIDTHS = (1, 2, 3)
_MARGINALS = tuple(f"Fidelity: {width}-way marginals" for width in _WIDTHS)
_ASSOCIATIONS = "Fidelity: associations"
_UTILITY = "Utility: train on synthetic, test on real"
#: Names of all results, as policies name them.
NAMES = (*(f"tvd_{width}way" for width in _WIDTHS), correlation.NAME, downstream.NAME)


def run(data: FidelityData, *, seed: int, progress: Progress | None = None) -> list[FidelityResult]:
    """Run all measures.

    Args:
        data: The coarse tables.
        seed: Seed of the noise floor, the independent columns and every subsample.
        progress: Called with one sentence before each measure.

    Returns:
        `tvd_1way`, `tvd_2way`, `tvd_3way`, `association_difference` and `tstr_auc`, all raw.
    """
    say = progress or _silent
    reason = data.too_little()
    if reason is not None:
        for step in (*_MARGINALS, _ASSOCIATIONS, _UTILITY):  # progress may not tell how many rows
            say(step)
        named = [(f"tvd_{w}way", f"Mean {w}-way total variation distance") for w in _WIDTHS]
        named += [(correlation.NAME, correlation.TITLE), (downstream.NAME, downstream.TITLE)]
        return [inconclusive(name, title, reason) for name, title in named]
    tables = reference(data, seed)
    results = []
    for width, step in zip(_WIDTHS, _MARGINALS, strict=True):
        say(step)
        results.append(marginal_distance(data, tables, width, seed))
    say(_ASSOCIATIONS)
    results.append(association_difference(data, tables, seed))
    # One-way distances are left out: there independent columns are the noise floor itself.
    results[1:] = [_warned(result) for result in results[1:]]
    say(_UTILITY)
    return [*results, train_synthetic_test_real(data, seed)]


def _warned(result: FidelityResult) -> FidelityResult:
    """Say so where independent columns would have been at least as good."""
    if result.value is None or result.control is None or result.value < result.control:
        return result
    text = (
        "Worse than independent columns: the table is too small for this epsilon, so relations "
        "between columns cannot be relied on."
    )
    return replace(
        result,
        note=f"{text} {result.note}".strip(),
        details={**result.details, "worse_than_independent": 1},
    )


def _silent(message: str) -> None:
    """Report nothing."""
