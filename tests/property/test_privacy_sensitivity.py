"""Sensitivity, fuzzed: what one unit changes is never more than what the event says.

Two runs of the Curator on neighbouring tables, with the noise replaced by a recorder of exact
values. A Curator that is told sqrt(c) for c, as if rows of a unit fell into distinct cells (the
L1/L2 mix-up), must be caught.
"""

from __future__ import annotations

import math
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.measurement import Candidate, MarginalQuery, SelectionQuery
from dpsynth.schema.domain import Domain

DOMAIN = Domain.from_sizes({"a": 2, "b": 3, "c": 5})
SETS = (("a",), ("c", "b"), ("a", "b", "c"))


class Rows:
    """Exact counts of coded rows."""

    domain = DOMAIN
    max_rows = 1

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def count(self, queries):
        answers = []
        for attributes, partitions in queries:
            parts = [partitions.get(name, np.arange(DOMAIN[name].size)) for name in attributes]
            counts = np.zeros([int(part.max()) + 1 for part in parts], dtype=np.int64)
            columns = [self.rows[:, DOMAIN.index(name)] for name in attributes]
            np.add.at(counts, tuple(p[c] for p, c in zip(parts, columns, strict=True)), 1)
            answers.append(counts)
        return answers


def run(rows, declared, partitions, references, weights):
    """Return (exact value, sensitivity in the event) for every answer of one Curator."""
    seen = []

    def keep(values, scale, sensitivity):
        seen.append((np.array(values), sensitivity))
        return values, 0.0

    def keep_scores(values, scale, sensitivity):
        seen.append((np.array(values), sensitivity))
        return 0, 0.0

    def of(names):
        return {name: part for name, part in partitions.items() if name in names}

    with (
        patch("dpsynth.privacy.curator.gaussian", keep),
        patch("dpsynth.privacy.curator.noisy_max", keep_scores),
        Curator(
            Rows(rows), reservation=MemoryReservation(9.0), max_rows_per_unit=declared, rho=9.0
        ) as curator,
    ):
        queries = [MarginalQuery(attributes=s, rho=1.0, partitions=of(s)) for s in SETS]
        shapes = [answer.values.shape for answer in curator.measure(queries, stage="x")]
        candidates = tuple(
            Candidate(
                attributes=s,
                partitions=of(s),
                reference=np.resize(references, shape),
                weight=weight,
                offset=-weight,
            )
            for s, shape, weight in zip(SETS, shapes, weights, strict=True)
        )
        curator.select(SelectionQuery(candidates=candidates, rho=1.0), stage="y")
        events = [event for _, event in curator.events]
    assert [sensitivity for _, sensitivity in seen] == [event.sensitivity for event in events]
    return seen


def excess(true_rows, declared, base, unit, partitions, references, weights) -> float:
    """Return by how much a unit moves an answer beyond its declared sensitivity (L1, L2, Linf)."""
    assert len(unit) <= true_rows
    arguments = (declared, partitions, references, weights)
    without = run(base, *arguments)
    with_unit = run(np.vstack([base, unit]), *arguments)
    worst = -math.inf
    for (x, sensitivity), (y, _) in zip(without[:-1], with_unit[:-1], strict=True):
        difference = np.abs(x - y)
        norm = max(float(difference.sum()), math.sqrt(float((difference**2).sum())))
        worst = max(worst, norm - sensitivity)
    (x, sensitivity), (y, _) = without[-1], with_unit[-1]
    return max(worst, float(np.abs(x - y).max()) - sensitivity)


row = st.tuples(*(st.integers(0, a.size - 1) for a in DOMAIN))
tables = st.lists(row, max_size=12).map(lambda rows: np.array(rows, dtype=np.int64).reshape(-1, 3))
partition = st.fixed_dictionaries(
    {}, optional={"c": st.lists(st.integers(0, 4), min_size=5, max_size=5).map(np.array)}
)
weights = st.lists(st.integers(1, 9), min_size=3, max_size=3)
references = st.lists(st.integers(-20, 20), min_size=1, max_size=30).map(np.array)


@given(st.data(), tables, partition, references, weights, st.integers(1, 6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_one_unit_moves_no_answer_beyond_its_event(
    data, base, parts, reference, weight, rows, same_cell
) -> None:
    if same_cell:
        unit = np.repeat(np.array([data.draw(row)]), rows, axis=0)
    else:
        drawn = data.draw(st.lists(row, min_size=1, max_size=rows))
        unit = np.array(drawn, dtype=np.int64)
    assert excess(rows, rows, base, unit, parts, reference, weight) <= 0


def test_the_bound_is_reached() -> None:
    unit = np.repeat([[1, 2, 3]], 4, axis=0)
    empty = np.empty((0, 3), dtype=np.int64)
    assert excess(4, 4, empty, unit, {}, np.array([0]), [1, 1, 1]) == 0


def test_the_l1_l2_mix_up_is_caught() -> None:
    same = np.repeat([[1, 2, 3]], 4, axis=0)
    distinct = np.array([[0, 0, 0], [0, 1, 1], [1, 2, 2], [1, 0, 3]])
    empty = np.empty((0, 3), dtype=np.int64)
    for unit in (same, distinct):  # 4 rows, a Curator that believes in sqrt(4)
        assert excess(4, 2, empty, unit, {}, np.array([0]), [1, 1, 1]) > 0
