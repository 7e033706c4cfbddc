"""A graphical model: log potentials over small sets of attributes, with exact marginals.

Follows McKenna, Sheldon and Miklau (2019), Graphical-model based estimation and inference for
differential privacy. What may never be true: a marginal that is not that of the one distribution
proportional to exp(sum of the potentials), or a table larger than the stated limit.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.arrays import Floats
from dpsynth.errors import InputError
from dpsynth.schema.domain import Domain
from dpsynth.synth.pgm.junction_tree import JunctionTree, Scope, junction_tree
from dpsynth.synth.pgm.messages import Calibrated, MessagePasser

#: Largest table that a marginal may need on the way, in cells (160 MB).
MAX_TABLE_CELLS = 20_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphicalModel:
    """A distribution over a domain, proportional to exp(sum of log potentials).

    Attributes:
        domain: The (coarse) domain.
        scopes: Attribute names of each potential, in axis order.
        potentials: Finite log potentials, each shaped by its scope.
        tree: Junction tree that contains every scope.
        beliefs: Marginal probabilities of each clique of the tree, shaped.
        log_z: Logarithm of the normalising constant.
    """

    domain: Domain
    scopes: tuple[tuple[str, ...], ...]
    potentials: tuple[Floats, ...]
    tree: JunctionTree
    beliefs: tuple[Floats, ...]
    log_z: float

    @classmethod
    def build(
        cls,
        domain: Domain,
        scopes: Sequence[Sequence[str]],
        potentials: Sequence[Floats],
    ) -> GraphicalModel:
        """Calibrate the model of the given potentials.

        Args:
            domain: The domain; attributes without a potential are uniform.
            scopes: Names of each potential; repeats, subsets and empty scopes are fine.
            potentials: Finite log potentials, each of shape ``domain.shape(scope)``.
        """
        for scope, potential in zip(scopes, potentials, strict=True):
            if potential.shape != domain.shape(scope) or not np.isfinite(potential).all():
                raise ValueError(f"potential over {tuple(scope)} is not finite of that shape")
        sizes = [a.size for a in domain]
        numbers = [tuple(domain.index(name) for name in scope) for scope in scopes]
        tree = junction_tree(sizes, numbers)
        passer = MessagePasser(sizes, tree, numbers)
        calibrated = passer.calibrate([np.ascontiguousarray(p).ravel() for p in potentials])
        return cls.calibrated(domain, scopes, potentials, passer, calibrated)

    @classmethod
    def calibrated(
        cls,
        domain: Domain,
        scopes: Sequence[Sequence[str]],
        potentials: Sequence[Floats],
        passer: MessagePasser,
        calibrated: Calibrated,
    ) -> GraphicalModel:
        """Wrap the result of a message pass that has been done already."""
        return cls(
            domain=domain,
            scopes=tuple(tuple(scope) for scope in scopes),
            potentials=tuple(potentials),
            tree=passer.tree,
            beliefs=passer.beliefs(calibrated),
            log_z=calibrated.log_z,
        )

    def marginal(self, attributes: Sequence[str]) -> Floats:
        """Return the probabilities over `attributes`, shape ``domain.shape(attributes)``.

        Any set of attributes, also across cliques: the cliques between them are multiplied and
        summed out from the leaves to the root.

        Raises:
            InputError: A table on the way would have more than MAX_TABLE_CELLS cells.
        """
        wanted = tuple(self.domain.index(name) for name in attributes)
        if len(set(wanted)) != len(wanted):
            raise ValueError("attributes are named twice")
        if not wanted:
            return np.ones(())
        for number, clique in enumerate(self.tree.cliques):
            if set(wanted) <= set(clique):
                return sum_to(self.beliefs[number], clique, wanted)
        return self._eliminate(wanted)

    def _eliminate(self, wanted: Scope) -> Floats:
        """Multiply p(clique | separator) up the part of the tree that holds the attributes."""
        used, root = self._between(set(wanted))
        waiting: dict[int, list[tuple[Scope, Floats]]] = {}
        for c in sorted(used - {root}, reverse=True):
            clique, separator = self.tree.cliques[c], self.tree.separators[c]
            given = _conditional(self.beliefs[c], clique, separator)
            parts = [(clique, given), *waiting.pop(c, ())]
            held = {a for scope, _ in parts for a in scope}
            scope = tuple(sorted((set(wanted) & held) | set(separator)))
            message = (scope, _join(parts, scope, self._guard))
            waiting.setdefault(self.tree.parents[c], []).append(message)
        parts = [(self.tree.cliques[root], self.beliefs[root]), *waiting.pop(root, ())]
        return _join(parts, wanted, self._guard)

    def _between(self, wanted: set[int]) -> tuple[set[int], int]:
        """Return the smallest connected part of the tree that covers `wanted`, and its root."""
        highest = {
            a: next(n for n, clique in enumerate(self.tree.cliques) if a in clique) for a in wanted
        }
        paths = []
        for c in set(highest.values()):
            path = [c]
            while self.tree.parents[path[-1]] >= 0:
                path.append(self.tree.parents[path[-1]])
            paths.append(path)
        shared = set(paths[0]).intersection(*map(set, paths[1:]))
        root = max(shared)  # parents stand before children: the deepest shared one
        return {c for path in paths for c in path if c not in shared or c == root}, root

    def _guard(self, scope: Sequence[int]) -> None:
        cells = math.prod(self.domain.attributes[a].size for a in scope)
        if cells > MAX_TABLE_CELLS:
            raise InputError(
                f"A marginal needs a table of more than {MAX_TABLE_CELLS} cells.",
                where="marginal of the model",
                fix="Ask for fewer attributes at once.",
            )


def sum_to(table: Floats, axes: Sequence[int], scope: Sequence[int]) -> Floats:
    """Sum a table over the axes outside `scope`; axes of the result in the order of `scope`."""
    kept = [a for a in axes if a in scope]
    summed: Floats = table.sum(axis=tuple(i for i, a in enumerate(axes) if a not in scope))
    return np.ascontiguousarray(np.transpose(summed, [kept.index(a) for a in scope]))


def _conditional(table: Floats, clique: Scope, separator: Scope) -> Floats:
    """Return p(clique | separator); zero where the separator has no mass."""
    axes = tuple(i for i, a in enumerate(clique) if a not in separator)
    below = np.broadcast_to(table.sum(axis=axes, keepdims=True), table.shape)
    given: Floats = np.divide(table, below, out=np.zeros_like(table), where=below > 0)
    return given


def _join(
    parts: Sequence[tuple[Scope, Floats]], scope: Scope, guard: Callable[[Sequence[int]], None]
) -> Floats:
    """Multiply tables one after the other, summing out what no later part or `scope` needs."""
    held, table = parts[0]
    for number in range(1, len(parts)):
        other, factor = parts[number]
        needed = set(scope).union(*(s for s, _ in parts[number + 1 :]))
        kept = tuple(a for a in dict.fromkeys(held + other) if a in needed)
        guard(kept)
        letter = dict(zip(dict.fromkeys(held + other), string.ascii_letters, strict=False))
        terms = ["".join(letter[a] for a in axes) for axes in (held, other, kept)]
        table = np.einsum(f"{terms[0]},{terms[1]}->{terms[2]}", table, factor, optimize=True)
        held = kept
    guard(scope)
    return sum_to(table, held, scope)
