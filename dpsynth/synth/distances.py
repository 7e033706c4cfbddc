"""How far a synthetic table is from the real one, as questions that a Curator can answer.

Each question is the L1 distance between the counts of the two tables over one set of columns, with
the synthetic counts, scaled to the estimated number of rows, as the public reference.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.privacy.measurement import Candidate, Partitions
from dpsynth.schema.domain import Domain
from dpsynth.sources.counting import count_marginals

MAX_PAIRS = 1000
_MAX_CELLS = 250_000  #: of one pair

Sets = list[tuple[str, ...]]


def pairs_of(coarse: Domain, most: int = MAX_PAIRS) -> Sets:
    """Return the pairs of columns that are not too large; evenly spaced ones where there are many.

    Args:
        coarse: The domain at whose resolution the pairs would be counted.
        most: Largest number of pairs.
    """
    pairs = [
        pair for pair in itertools.combinations(coarse.names, 2) if coarse.cells(pair) <= _MAX_CELLS
    ]
    step = max(1, math.ceil(len(pairs) / most))
    return list(pairs[::step])


def distance_questions(
    domain: Domain,
    partitions: Partitions,
    synthetic: NDArray[np.int32],
    total: float,
    sets: Sequence[tuple[str, ...]],
) -> list[Candidate]:
    """Return one question for each set of columns; its score is the L1 distance in rows.

    Args:
        domain: The fine domain.
        partitions: Public coarsening by attribute name; an attribute that is not named stays fine.
        synthetic: Synthetic rows, (n, d) fine codes.
        total: Estimated number of real rows.
        sets: Sets of columns.
    """
    queries = [
        (names, {name: partitions[name] for name in names if name in partitions}) for names in sets
    ]
    counts = count_marginals(domain, np.ascontiguousarray(synthetic.T), queries)
    scale = total / len(synthetic)
    return [
        Candidate(
            attributes=names,
            reference=np.rint(found * scale).astype(np.int64),
            partitions=coarse,
        )
        for (names, coarse), found in zip(queries, counts, strict=True)
    ]
