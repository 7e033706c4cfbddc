"""Made-up identifiers that follow a declared regular expression, each at most once.

The texts of a pattern are numbered, and a keyed permutation of the numbers says which comes next:
two blocks of rows that take different numbers never share a text, and nobody has to remember those
that were given out. No real identifier is ever seen; a seed is allowed because this is
post-processing. What may never be true: two numbers with one text.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Integers
from dpsynth.schema.automaton import State, automaton

_NUMBERED = 2**40  # of a larger pattern about so many texts are numbered, spread over all of them
_CELLS = 1 << 22  # characters that are laid out at once


@dataclass(frozen=True)
class PatternTexts:
    """The texts of a pattern, numbered; make it with :meth:`of`.

    Attributes:
        size: How many different texts can be made.
        longest: Length of the longest.
    """

    size: int
    longest: int
    _states: tuple[_Numbered, ...]

    @classmethod
    def of(cls, pattern: str) -> PatternTexts:
        """Number the texts of a pattern.

        Raises:
            InputError: The pattern uses something that cannot be generated.
        """
        states = automaton(pattern)
        after = {n: {target for _, target in s.moves} for n, s in enumerate(states)}
        order = list(TopologicalSorter(after).static_order())  # what follows comes first
        counts, lengths, sizes = ([0] * len(states) for _ in range(3))
        for n in order:
            counts[n] = states[n].ends + sum(len(c) * counts[t] for c, t in states[n].moves)
            lengths[n] = max((1 + lengths[t] for _, t in states[n].moves), default=0)
        for n in order:
            # Where one number in proportion is left, the rest of a text is drawn at random: its
            # beginning alone tells it from all others.
            alone = counts[0] > _NUMBERED and counts[n] * _NUMBERED <= counts[0]
            below = states[n].ends + sum(len(c) * sizes[t] for c, t in states[n].moves)
            sizes[n] = 1 if alone else below
        return cls(
            sizes[0],
            lengths[0],
            tuple(_Numbered.of(s, n, counts, sizes) for n, s in enumerate(states)),
        )

    def draw(self, n: int, *, seed: int, first: int = 0) -> list[str]:
        """Return `n` texts, all different as far as the pattern has so many.

        Args:
            n: How many.
            seed: Which order the texts come in.
            first: Place of the first one in that order: calls with the same seed and other places
                return other texts, up to place `size`, where the order begins again.
        """
        rng = np.random.default_rng([seed, first])
        texts: list[str] = []
        step = max(1, _CELLS // max(1, self.longest))
        for start in range(first, first + n, step):
            places = np.arange(start, min(start + step, first + n)) % self.size
            texts += self._texts(_permuted(places, self.size, seed), rng)
        return texts

    def _texts(self, numbers: Integers, rng: np.random.Generator) -> list[str]:
        if self.longest == 0:
            return [""] * len(numbers)
        letters = np.zeros((len(numbers), self.longest), dtype=np.uint32)
        here = {0: np.arange(len(numbers))}
        for place in range(self.longest):
            there: dict[int, list[Integers]] = {}
            for state, rows in here.items():
                for target, chosen, characters in self._states[state].step(numbers, rows, rng):
                    letters[chosen, place] = characters
                    there.setdefault(target, []).append(chosen)
            here = {target: np.concatenate(parts) for target, parts in there.items()}
        found: list[str] = letters.view(f"<U{self.longest}").ravel().tolist()
        return found


@dataclass(frozen=True)
class _Numbered:
    """A state with the numbers of what follows it.

    Attributes:
        bounds: First number of each way on, the end of the text first, and the end of the last.
        shares: Part of all texts that goes that way or an earlier one, where the rest is drawn.
        ways: Target, numbers below it, and code points of each way on that is no end.
        drawn: Whether the rest of the text is drawn at random.
    """

    bounds: Integers
    shares: NDArray[np.float64]
    ways: tuple[tuple[int, int, NDArray[np.uint32]], ...]
    drawn: bool

    @classmethod
    def of(cls, state: State, number: int, counts: list[int], sizes: list[int]) -> _Numbered:
        """Number one state, given how many texts follow each state and how many are numbered."""
        below = [int(state.ends), *(len(c) * sizes[t] for c, t in state.moves)]
        parts = [int(state.ends), *(len(c) * counts[t] for c, t in state.moves)]
        return cls(
            bounds=np.cumsum([0, *below], dtype=np.int64),
            shares=np.cumsum([part / counts[number] for part in parts]),
            ways=tuple(
                (t, sizes[t], np.array([ord(c) for c in characters], dtype=np.uint32))
                for characters, t in state.moves
            ),
            drawn=sizes[number] < int(sum(below)),
        )

    def step(
        self, numbers: Integers, rows: Integers, rng: np.random.Generator
    ) -> list[tuple[int, Integers, NDArray[np.uint32]]]:
        """Return target, rows and next characters of each way; `numbers` become those below."""
        if self.drawn:
            way = np.searchsorted(self.shares[:-1], rng.random(len(rows)), side="right")
        else:
            way = np.searchsorted(self.bounds[1:-1], numbers[rows], side="right")
        found = []
        for place, (target, size, characters) in enumerate(self.ways, 1):
            chosen = rows[way == place]
            if self.drawn:
                letter = rng.integers(len(characters), size=len(chosen))
                numbers[chosen] = 0
            else:
                letter, numbers[chosen] = np.divmod(numbers[chosen] - self.bounds[place], size)
            found.append((target, chosen, characters[letter]))
        return found


def _permuted(places: Integers, size: int, seed: int) -> Integers:
    """Return where a keyed permutation of ``range(size)`` takes each place.

    Four rounds of a Feistel network on the next even number of bits; what falls outside the range
    goes through it again (Black and Rogaway 2002, Ciphers with arbitrary finite domains).
    """
    half = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half)) - 1)
    keys = np.random.SeedSequence(seed).generate_state(4, np.uint64)
    found = places.astype(np.uint64)
    waiting = np.arange(len(found))
    while len(waiting):
        left, right = found[waiting] >> half, found[waiting] & mask
        for key in keys:
            left, right = right, left ^ (_mixed(right + key) & mask)
        found[waiting] = left << half | right
        waiting = waiting[found[waiting] >= size]
    return found.astype(np.int64)


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit words (the finaliser of SplitMix64; Steele, Lea and Flood 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
