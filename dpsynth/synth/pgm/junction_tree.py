"""Junction trees: which small tables are enough to hold a graphical model exactly.

Follows Koller and Friedman, Probabilistic Graphical Models, chapter 10: min-fill triangulation,
maximal cliques, a spanning tree of largest separators. What may never be true of the result: an
attribute without a clique, a given clique without a home, or an attribute whose cliques do not
hang together (the running-intersection property).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Scope = tuple[int, ...]
Near = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class JunctionTree:
    """A rooted tree of cliques; every parent stands before its children.

    Independent parts are joined by empty separators, so that there is always one tree.

    Attributes:
        cliques: Attribute numbers of each clique, increasing.
        parents: Number of the parent clique, -1 for the root (clique 0).
        separators: Attributes shared with the parent, increasing; empty for the root.
    """

    cliques: tuple[Scope, ...]
    parents: tuple[int, ...]
    separators: tuple[Scope, ...]

    def home(self, scope: Iterable[int], sizes: Sequence[int]) -> int:
        """Return the smallest clique that contains `scope`; ValueError if there is none."""
        wanted = set(scope)
        holding = [n for n, clique in enumerate(self.cliques) if wanted <= set(clique)]
        return min(holding, key=lambda n: math.prod(sizes[a] for a in self.cliques[n]))


def junction_tree(sizes: Sequence[int], scopes: Iterable[Iterable[int]]) -> JunctionTree:
    """Build a junction tree that covers all attributes and contains every scope in a clique.

    Args:
        sizes: Number of codes of each attribute; at least one attribute.
        scopes: Sets of attribute numbers, in any order, with repeats, subsets and empty sets.
    """
    near = neighbours(len(sizes), scopes)
    made, _, _ = _eliminate(near, np.asarray(sizes, dtype=np.float64), math.inf, math.inf)
    return _span(_maximal([frozenset(np.flatnonzero(clique).tolist()) for clique in made]))


def neighbours(attributes: int, scopes: Iterable[Iterable[int]]) -> Near:
    """Return which attributes share a scope, shape (attributes, attributes)."""
    near = np.zeros((attributes, attributes), dtype=np.bool_)
    for scope in scopes:
        members = list(scope)
        near[np.ix_(members, members)] = True
    np.fill_diagonal(near, False)
    return near


def fits(near: Near, sizes: Sequence[int], most: float, most_together: float) -> bool:
    """Say whether the junction tree of a graph keeps to a size.

    Args:
        near: Which attributes share a scope, see :func:`neighbours`.
        sizes: Number of codes of each attribute.
        most: Cells that a clique may have.
        most_together: Cells that all cliques may have.
    """
    lengths = np.asarray(sizes, dtype=np.float64)
    _, largest, together = _eliminate(near, lengths, most, most_together)
    return bool(largest <= most and together <= most_together)


@njit(cache=True)
def _eliminate(
    near: Near, sizes: NDArray[np.float64], most: float, most_together: float
) -> tuple[Near, float, float]:
    """Eliminate attributes by least fill-in, then least cells, then lowest number.

    Stops early where a limit is exceeded.

    Returns:
        The clique that each step makes, shape (steps, attributes); cells of the largest; cells of
        all together, those that others contain included.
    """
    count = sizes.size
    near = near.copy()
    left = np.ones(count, dtype=np.bool_)
    stale = np.ones(count, dtype=np.bool_)
    fill = np.zeros(count, dtype=np.int64)
    cells = np.zeros(count)
    made = np.zeros((count, count), dtype=np.bool_)
    around = np.zeros(count, dtype=np.int64)
    largest = together = 0.0
    for step in range(count):
        chosen = -1
        for a in range(count):
            if not left[a]:
                continue
            if stale[a]:
                degree = 0
                cells[a] = sizes[a]
                for b in range(count):
                    if near[a, b]:
                        around[degree] = b
                        degree += 1
                        cells[a] *= sizes[b]
                fill[a] = 0
                for i in range(degree):
                    for j in range(i):
                        if not near[around[i], around[j]]:
                            fill[a] += 1
                stale[a] = False
            if (
                chosen < 0
                or fill[a] < fill[chosen]
                or (fill[a] == fill[chosen] and cells[a] < cells[chosen])
            ):
                chosen = a
        largest = max(largest, cells[chosen])
        together += cells[chosen]
        if largest > most or together > most_together:
            return made, largest, together
        made[step] = near[chosen]
        made[step, chosen] = True
        left[chosen] = False
        for a in range(count):
            if not near[chosen, a]:
                continue
            for b in range(count):
                if near[chosen, b] and a != b:
                    near[a, b] = True
                stale[b] |= near[a, b]  # its neighbours' edges may have changed
            near[a, chosen] = False
            stale[a] = True
        near[chosen] = False
    return made, largest, together


def _maximal(cliques: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """Drop the cliques that another one contains."""
    kept: list[frozenset[int]] = []
    for clique in sorted(set(cliques), key=lambda c: (-len(c), sorted(c))):
        if not any(clique <= other for other in kept):
            kept.append(clique)
    return kept


def _span(cliques: Sequence[frozenset[int]]) -> JunctionTree:
    """Join the cliques by a spanning tree of largest separators (Prim), parents first."""
    order, parents = [0], [-1]
    outside = set(range(1, len(cliques)))
    # best[c] = (size of the separator, place in `order` of the clique inside the tree)
    best = {c: (len(cliques[c] & cliques[0]), 0) for c in outside}
    while outside:
        chosen = max(outside, key=lambda c: (best[c][0], -c))
        place = len(order)
        order.append(chosen)
        parents.append(best[chosen][1])
        outside.remove(chosen)
        for c in outside:
            shared = len(cliques[c] & cliques[chosen])
            if shared > best[c][0]:
                best[c] = (shared, place)
    placed = [cliques[c] for c in order]
    return JunctionTree(
        cliques=tuple(tuple(sorted(c)) for c in placed),
        parents=tuple(parents),
        separators=tuple(
            () if p < 0 else tuple(sorted(c & placed[p]))
            for c, p in zip(placed, parents, strict=True)
        ),
    )
