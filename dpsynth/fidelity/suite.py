"""All fidelity and utility measures of one release.

Never true here: that a table which is worse than independent columns passes without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dpsynth.fidelity import correlation, downstream
from dpsynth.fidelity.api import FidelityData, inconclusive, reference
from dpsynth.fidelity.correlation import association_difference
from dpsynth.fidelity.downstream import predictions, train_synthetic_test_real
from dpsynth.fidelity.marginals import marginal_distance
from dpsynth.fidelity.subgroups import GroupError, group_columns, group_errors
from dpsynth.results import FidelityResult

Progress = Callable[[str], None]
_WIDTHS = (1, 2, 3)
_MARGINALS = tuple(f"Fidelity: {width}-way marginals" for width in _WIDTHS)
_ASSOCIATIONS = "Fidelity: associations"
_UTILITY = "Utility: train on synthetic, test on real"
_GROUPS = "Fidelity: groups"
#: Names of all results, as policies name them.
NAMES = (*(f"tvd_{width}way" for width in _WIDTHS), correlation.NAME, downstream.NAME)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured: numbers about the whole table, and errors within groups; all raw."""

    results: tuple[FidelityResult, ...]
    groups: tuple[GroupError, ...]


def run(
    data: FidelityData,
    *,
    seed: int,
    groups: Sequence[str] = (),
    progress: Progress | None = None,
) -> Measured:
    """Run all measures.

    Args:
        data: The coarse tables.
        seed: Seed of the noise floor, the independent columns and every subsample.
        groups: Columns that may name groups of people, by declaration.
        progress: Called with one sentence before each measure.

    Returns:
        `tvd_1way`, `tvd_2way`, `tvd_3way`, `association_difference` and `tstr_auc`, and the groups.
    """
    say = progress or _silent
    reason = data.too_little()
    if reason is not None:
        for step in (
            *_MARGINALS,
            _ASSOCIATIONS,
            _UTILITY,
            _GROUPS,
        ):  # progress may not tell how many rows
            say(step)
        named = [(f"tvd_{w}way", f"Mean {w}-way total variation distance") for w in _WIDTHS]
        named += [(correlation.NAME, correlation.TITLE), (downstream.NAME, downstream.TITLE)]
        none = tuple(inconclusive(name, title, reason) for name, title in named)
        return Measured(results=none, groups=())
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
    made = predictions(data, seed)
    results.append(train_synthetic_test_real(data, made))
    say(_GROUPS)
    columns = group_columns(data, groups)
    return Measured(results=tuple(results), groups=tuple(group_errors(data, tables, columns, made)))


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
