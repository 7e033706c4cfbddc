"""Exact counts of many marginals of a coded table in one pass over blocks of rows.

The kernel adds, for each query, one looked-up offset per attribute (partition times stride), so
that coarsening costs nothing and columns stay in the cache for all queries of a block.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dpsynth.schema.domain import Domain

BLOCK = 16_384  #: rows per block: a block of uint8 columns stays in the second-level cache

Query = tuple[tuple[str, ...], Mapping[str, NDArray[np.int64]]]


def count_marginals(
    domain: Domain, codes: NDArray[np.integer[Any]], queries: Sequence[Query]
) -> list[NDArray[np.int64]]:
    """Return the exact counts of each query.

    Args:
        domain: Domain of the rows.
        codes: Coded columns, shape (d, n), C order, every code inside its attribute.
        queries: (attributes, partitions): a partition maps each fine code of an attribute to a
            coarse code 0..max, shape (size,).

    Returns:
        int64 arrays shaped by the (coarsened) sizes, in the axis order of the query.

    Raises:
        KeyError: An attribute is not in the domain.
        ValueError: A partition has another shape or a negative code, or an attribute is repeated.
    """
    columns: list[int] = []
    tables: list[NDArray[np.int64]] = []
    starts, shapes, offsets = [0], [], [0]
    for attributes, partitions in queries:
        maps = [_partition(domain, name, partitions) for name in attributes]
        if len(set(attributes)) != len(attributes) or not set(partitions) <= set(attributes):
            raise ValueError(f"attributes {attributes} with partitions of {sorted(partitions)}")
        shape = tuple(int(m.max()) + 1 for m in maps)
        for place, (name, partition) in enumerate(zip(attributes, maps, strict=True)):
            columns.append(domain.index(name))
            tables.append(partition * math.prod(shape[place + 1 :]))
        starts.append(len(columns))
        shapes.append(shape)
        offsets.append(offsets[-1] + math.prod(shape))
    counts = np.zeros(offsets[-1], dtype=np.int64)
    table_starts = np.cumsum([0, *(len(t) for t in tables)])
    _count(
        codes,
        np.array(starts, dtype=np.int64),
        np.array(columns, dtype=np.int64),
        np.concatenate(tables) if tables else np.zeros(0, dtype=np.int64),
        table_starts.astype(np.int64),
        np.array(offsets, dtype=np.int64),
        counts,
    )
    return [
        counts[a:b].reshape(shape)
        for a, b, shape in zip(offsets, offsets[1:], shapes, strict=False)
    ]


def _partition(
    domain: Domain, name: str, partitions: Mapping[str, NDArray[np.int64]]
) -> NDArray[np.int64]:
    size = domain[name].size
    if name not in partitions:
        return np.arange(size, dtype=np.int64)
    partition = np.asarray(partitions[name], dtype=np.int64)
    if partition.shape != (size,) or partition.min() < 0:
        raise ValueError(f"{name}: partition of shape {partition.shape} for size {size}")
    return partition


@njit(cache=True)
def _count(
    codes: NDArray[np.integer[Any]],
    starts: NDArray[np.int64],
    columns: NDArray[np.int64],
    tables: NDArray[np.int64],
    table_starts: NDArray[np.int64],
    offsets: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    n = codes.shape[1]
    index = np.empty(BLOCK, dtype=np.int64)
    for begin in range(0, n, BLOCK):
        end = min(begin + BLOCK, n)
        for q in range(len(starts) - 1):
            first, last = starts[q], starts[q + 1]
            out = counts[offsets[q] : offsets[q + 1]]
            if last - first == 2:
                a, b = codes[columns[first]], codes[columns[first + 1]]
                ta, tb = tables[table_starts[first] :], tables[table_starts[first + 1] :]
                for i in range(begin, end):
                    out[ta[a[i]] + tb[b[i]]] += 1
                continue
            index[: end - begin] = 0
            for c in range(first, last):
                column, table = codes[columns[c]], tables[table_starts[c] :]
                for i in range(begin, end):
                    index[i - begin] += table[column[i]]
            for i in range(end - begin):
                out[index[i]] += 1
