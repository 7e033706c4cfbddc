"""Functional dependencies in drawn rows: one value of a column for each value of those before it.

Which one, the dictionary does not say. So it is read from the fitted model, once: the value that
has more than half of the mass of its row of the model's table, else one drawn from that row, which
keeps the column's own distribution where the model knows little. Post-processing of noisy values.
What may never be true: two rows, of one table or of two of the same model, that disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Rows
from dpsynth.schema.domain import Domain
from dpsynth.schema.inside import Dependency
from dpsynth.synth.api import Model
from dpsynth.synth.pgm.model import MAX_TABLE_CELLS


@dataclass(frozen=True, kw_only=True, eq=False)
class Function:
    """A column as a function of others.

    Attributes:
        dependency: The columns.
        codes: Code of the dependent column for each combination of codes of the others, C order.
    """

    dependency: Dependency
    codes: Rows


def functions_of(model: Model, dependencies: Sequence[Dependency]) -> tuple[Function, ...]:
    """Return the function of each dependency whose table a model can give."""
    found = []
    for dependency in dependencies:
        names = (*dependency.determinant, dependency.dependent)
        if model.domain.cells(names) <= MAX_TABLE_CELLS:
            table = model.marginal(names)
            found.append(Function(dependency=dependency, codes=_choose(table)))
    return tuple(found)


def hold(functions: Sequence[Function], domain: Domain, codes: Rows) -> None:
    """Write the values of functions into drawn rows, in place and in the order given.

    Args:
        functions: The functions.
        domain: The columns of the rows.
        codes: Rows, shape (n, d).
    """
    for function in functions:
        places = [domain.index(name) for name in function.dependency.determinant]
        at = np.ravel_multi_index(
            tuple(codes[:, place] for place in places),
            domain.shape(function.dependency.determinant),
        )
        codes[:, domain.index(function.dependency.dependent)] = function.codes[at]


def _choose(table: NDArray[np.float64]) -> Rows:
    """Return a code of the last axis for each combination of the others."""
    rows = table.reshape(-1, table.shape[-1])
    mass = rows.sum(axis=1)
    rows = np.where(mass[:, None] > 0, rows, rows.sum(axis=0))
    ends = np.cumsum(rows, axis=1)
    coins = np.random.default_rng(0).random(len(rows)) * ends[:, -1]
    drawn = (ends <= coins[:, None]).sum(axis=1)
    most = rows.argmax(axis=1)
    majority = rows.max(axis=1) > 0.5 * ends[:, -1]
    chosen: Rows = np.where(majority, most, np.minimum(drawn, table.shape[-1] - 1)).astype(np.int32)
    return chosen
