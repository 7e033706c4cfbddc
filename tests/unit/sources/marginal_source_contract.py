"""The contract of every MarginalSource: inherit it and say how to make a source from coded rows."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import pytest

from dpsynth.schema.domain import Domain
from dpsynth.sources.table import MarginalSource


def brute_force(rows, domain, attributes, partitions):
    maps = [np.asarray(partitions.get(a, np.arange(domain[a].size))) for a in attributes]
    counts = np.zeros([int(m.max()) + 1 for m in maps], dtype=np.int64)
    for row in rows:
        counts[tuple(m[row[domain.index(a)]] for a, m in zip(attributes, maps, strict=True))] += 1
    return counts


class MarginalSourceContract(ABC):
    """Subclass with `make`; pytest runs every test of the contract."""

    domain = Domain.from_sizes({"a": 3, "b": 300, "c": 2, "d": 7})

    @abstractmethod
    def make(self, domain: Domain, rows: np.ndarray) -> MarginalSource:
        """Return a source of coded rows, shape (n, d)."""

    def rows(self, n: int = 500) -> np.ndarray:
        rng = np.random.default_rng(7)
        sizes = [a.size for a in self.domain]
        return np.stack([rng.integers(0, s, n) for s in sizes], axis=1).astype(np.int32)

    def test_it_is_a_source(self) -> None:
        source = self.make(self.domain, self.rows())
        assert isinstance(source, MarginalSource)
        assert source.domain == self.domain

    def test_rows_come_back(self) -> None:
        rows = self.rows()
        found = self.make(self.domain, rows).rows()
        assert found.dtype == np.int32
        assert np.array_equal(found[np.lexsort(found.T)], rows[np.lexsort(rows.T)])

    @pytest.mark.parametrize(
        "attributes", [("a",), ("b", "a"), ("a", "b"), ("d", "c", "a"), ("d", "a", "b", "c"), ()]
    )
    def test_counts_equal_brute_force(self, attributes: tuple[str, ...]) -> None:
        rows = self.rows()
        (found,) = self.make(self.domain, rows).count([(attributes, {})])
        assert found.dtype == np.int64
        assert found.shape == self.domain.shape(attributes)
        assert np.array_equal(found, brute_force(rows, self.domain, attributes, {}))

    def test_partitions_and_many_queries(self) -> None:
        rows = self.rows()
        halves, one = np.arange(300) // 150, np.zeros(7, dtype=np.int64)
        queries = [
            (("b",), {"b": halves}),
            (("a", "b"), {"b": halves}),
            (("b", "d", "c"), {"b": halves, "d": one}),
            (("a",), {}),
        ]
        found = self.make(self.domain, rows).count(queries)
        for (attributes, partitions), counts in zip(queries, found, strict=True):
            assert np.array_equal(counts, brute_force(rows, self.domain, attributes, partitions))
            assert counts.sum() == len(rows)
        assert found[2].shape == (2, 1, 2)

    def test_no_rows_and_no_queries(self) -> None:
        empty = self.make(self.domain, self.rows(0))
        assert empty.count([(("a", "c"), {})])[0].tolist() == [[0, 0]] * 3
        assert empty.rows().shape == (0, 4)
        assert self.make(self.domain, self.rows()).count([]) == []

    def test_more_rows_than_a_block(self) -> None:
        rows = self.rows(40_000)
        (found,) = self.make(self.domain, rows).count([(("b", "d"), {})])
        flat = np.bincount(rows[:, 1] * 7 + rows[:, 3], minlength=2100)
        assert np.array_equal(found.ravel(), flat)

    def test_malformed_queries_are_refused(self) -> None:
        source = self.make(self.domain, self.rows())
        with pytest.raises(KeyError):
            source.count([(("nobody",), {})])
        for query in (
            (("a", "a"), {}),
            (("a",), {"a": np.zeros(2, dtype=np.int64)}),
            (("a",), {"a": np.array([0, -1, 1])}),
            (("a",), {"c": np.zeros(2, dtype=np.int64)}),
        ):
            with pytest.raises(ValueError):
                source.count([query])
