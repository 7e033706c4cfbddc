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

Scope = tuple[int, ...]


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

    def home(self, scope: Iterable[int]) -> int:
        """Return the first clique that contains `scope`; KeyError if there is none."""
        wanted = set(scope)
        for number, clique in enumerate(self.cliques):
            if wanted <= set(clique):
                return number
        raise KeyError(tuple(sorted(wanted)))

    def cells(self, sizes: Sequence[int]) -> int:
        """Return the number of cells of all cliques together."""
        return sum(math.prod(sizes[a] for a in clique) for clique in self.cliques)


def junction_tree(sizes: Sequence[int], scopes: Iterable[Iterable[int]]) -> JunctionTree:
    """Build a junction tree that covers all attributes and contains every scope in a clique.

    Args:
        sizes: Number of codes of each attribute; at least one attribute.
        scopes: Sets of attribute numbers, in any order, with repeats, subsets and empty sets.
    """
    return _span(_maximal(_eliminate(sizes, scopes)))


def _eliminate(sizes: Sequence[int], scopes: Iterable[Iterable[int]]) -> list[frozenset[int]]:
    """Eliminate attributes by least fill-in, then least cells; return the cliques made."""
    near: list[set[int]] = [set() for _ in sizes]
    for scope in scopes:
        members = set(scope)
        for a in members:
            near[a] |= members - {a}
    left = set(range(len(sizes)))
    made = []
    while left:
        chosen = min(left, key=lambda a: (_fill(near, a), _cells(sizes, near[a] | {a}), a))
        made.append(frozenset(near[chosen] | {chosen}))
        for a in near[chosen]:
            near[a] |= near[chosen] - {a}
            near[a].discard(chosen)
        left.remove(chosen)
    return made


def _fill(near: Sequence[set[int]], attribute: int) -> int:
    """Count the edges missing between the neighbours of an attribute (each twice)."""
    around = near[attribute]
    return sum(len(around - near[a]) - 1 for a in around)


def _cells(sizes: Sequence[int], attributes: Iterable[int]) -> int:
    return math.prod(sizes[a] for a in attributes)


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
