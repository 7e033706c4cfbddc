r"""The texts of a regular expression as a finite automaton, so that they can be counted.

From Python's regex parse tree: literals, classes, ``\d \w \s .``, groups, alternation and repeats.
The subset construction (Rabin and Scott 1959) leaves one path for each text, so that a text which
the expression reads in two ways is one text all the same. What may never be true: a loop, so that
the texts are finitely many; repeats without an end are cut at `UNBOUNDED`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dpsynth.errors import InputError

UNBOUNDED = 9  #: ``*`` and ``+`` repeat this often at most (or their minimum, if that is larger)
MAX_LENGTH = 400  #: longest text that a pattern may ask for
_MAX_STATES = 20_000
_PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "
_CATEGORIES = {
    "CATEGORY_DIGIT": string.digits,
    "CATEGORY_WORD": string.ascii_letters + string.digits + "_",
    "CATEGORY_SPACE": " ",
}


@dataclass(frozen=True)
class State:
    """What may follow a beginning of a text.

    Attributes:
        ends: Whether the text may end here.
        moves: Different characters, and the number of the state that each of them leads to.
    """

    ends: bool
    moves: tuple[tuple[str, int], ...]


def automaton(pattern: str) -> tuple[State, ...]:
    """Return the states of a pattern: the first is the start, and each text is one path.

    Raises:
        InputError: The pattern uses something that cannot be generated (look-around, back
            references, an empty class), asks for very long texts, or is too involved.
    """
    parser: Any = re._parser  # type: ignore[attr-defined]  # no public access to the parse tree
    try:
        tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError):
        raise InputError("the pattern is not a regular expression.") from None
    paths = _Paths()
    end, _ = paths.sequence(tree, paths.state())
    return _one_path_a_text(paths, end)


class _Paths:
    """States and moves in which a text may have several paths.

    Attributes:
        moves: Characters and next state of every move, by state.
        free: States that are reached without a character, by state.
    """

    def __init__(self) -> None:
        self.moves: list[list[tuple[str, int]]] = []
        self.free: list[list[int]] = []

    def state(self) -> int:
        """Add a state and return its number."""
        _limit(len(self.moves))
        self.moves.append([])
        self.free.append([])
        return len(self.moves) - 1

    def sequence(self, nodes: Iterable[Any], start: int) -> tuple[int, int]:
        """Add what reads the nodes one after the other; return its end and greatest length."""
        length = 0
        for node in nodes:
            start, more = self._node(node, start)
            length += more
            _short(length)
        return start, length

    def _node(self, node: Any, start: int) -> tuple[int, int]:
        operation, argument = str(node[0]), node[1]
        match operation:
            case "AT":
                return start, 0
            case "LITERAL":
                return self._choice(chr(argument), start)
            case "NOT_LITERAL":
                return self._choice(_PRINTABLE.replace(chr(argument), ""), start)
            case "ANY":
                return self._choice(string.ascii_letters + string.digits, start)
            case "IN":
                return self._choice(_members(argument), start)
            case "SUBPATTERN":
                return self.sequence(argument[-1], start)
            case "BRANCH":
                return self._join([self.sequence(option, start) for option in argument[1]])
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                low, high, inner = argument
                last = max(int(low), UNBOUNDED) if str(high) == "MAXREPEAT" else int(high)
                return self._repeat(int(low), last, inner, start)
            case "ATOMIC_GROUP":
                return self.sequence(argument, start)
        raise InputError(
            "the pattern uses what cannot be generated (look-around or back references).",
            fix="Write it with classes, groups and repeats only.",
        )

    def _choice(self, characters: str, start: int) -> tuple[int, int]:
        if not characters or "\0" in characters:
            raise InputError("the pattern has a class with no printable character.")
        end = self.state()
        self.moves[start].append((characters, end))
        return end, 1

    def _join(self, ends: Sequence[tuple[int, int]]) -> tuple[int, int]:
        end = self.state()
        for other, _ in ends:
            self.free[other].append(end)
        return end, max(length for _, length in ends)

    def _repeat(self, low: int, high: int, inner: Any, start: int) -> tuple[int, int]:
        ends = [(start, 0)] if low == 0 else []
        length = 0
        for times in range(1, high + 1):
            start, more = self.sequence(inner, start)
            length += more
            _short(max(length, times), high * max(more, 1))
            if times >= low:
                ends.append((start, length))
        return self._join(ends)


def _short(*lengths: int) -> None:
    if max(lengths) > MAX_LENGTH:
        raise InputError(f"the pattern asks for texts of more than {MAX_LENGTH} characters.")


def _limit(states: int) -> None:
    if states >= _MAX_STATES:
        raise InputError(
            "the pattern is too involved to count its texts.",
            fix="Write it with fewer alternatives and repeats.",
        )


def _one_path_a_text(paths: _Paths, end: int) -> tuple[State, ...]:
    """Return states that are sets of states, so that each character has one move."""
    start = _reached(paths, [0])
    numbers = {start: 0}
    waiting = [start]
    states = []
    for states_of in waiting:  # grows while it is read
        targets: dict[str, list[int]] = {}
        for state in states_of:
            for characters, target in paths.moves[state]:
                for character in characters:
                    targets.setdefault(character, []).append(target)
        grouped: dict[tuple[int, ...], str] = {}
        for character, followers in sorted(targets.items()):
            grouped[tuple(followers)] = grouped.get(tuple(followers), "") + character
        moves: dict[int, str] = {}
        for key, characters in grouped.items():
            following = _reached(paths, key)
            if following not in numbers:
                _limit(len(numbers))
                numbers[following] = len(numbers)
                waiting.append(following)
            moves[numbers[following]] = moves.get(numbers[following], "") + characters
        states.append(State(end in states_of, tuple((c, s) for s, c in moves.items())))
    return tuple(states)


def _reached(paths: _Paths, states: Iterable[int]) -> frozenset[int]:
    """Return the states and all that are reached from them without a character."""
    found = set(states)
    waiting = list(found)
    while waiting:
        new = set(paths.free[waiting.pop()]) - found
        found |= new
        waiting.extend(new)
    return frozenset(found)


def _members(items: list[Any]) -> str:
    negate = str(items[0][0]) == "NEGATE"
    chosen = "".join(_expand(items[1:] if negate else items))
    if negate:
        chosen = "".join(c for c in _PRINTABLE if c not in set(chosen))
    return "".join(dict.fromkeys(c for c in chosen if c.isprintable()))


def _expand(items: list[Any]) -> Iterator[str]:
    for operation, argument in items:
        match str(operation):
            case "LITERAL":
                yield chr(argument)
            case "RANGE":
                yield from map(chr, range(argument[0], min(argument[1], argument[0] + 5000) + 1))
            case _:
                name = str(argument)
                plain = _CATEGORIES.get(name.replace("_NOT_", "_"), "")
                yield "".join(c for c in _PRINTABLE if c not in plain) if "_NOT_" in name else plain
