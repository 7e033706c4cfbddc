r"""Made-up identifiers that follow a declared regular expression.

A small generator over Python's regex parse tree: literals, classes, ``\d \w \s .``, groups,
alternation and repeats. It never sees a real identifier; a seed is allowed because this is
post-processing.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from dpsynth.errors import InputError

UNBOUNDED = 9  #: ``*`` and ``+`` repeat this often (or their minimum, where that is larger)
MAX_LENGTH = 400  #: longest text that a pattern may ask for
_ROUNDS = 20
_SPARE = 64  # so that the last few of a small pattern are found too
_PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "
_CATEGORIES = {
    "CATEGORY_DIGIT": string.digits,
    "CATEGORY_WORD": string.ascii_letters + string.digits + "_",
    "CATEGORY_SPACE": " ",
}

Draw = Callable[[int, np.random.Generator], list[str]]


def pattern_generator(pattern: str) -> Draw:
    """Return a function ``(n, rng) -> n texts`` that draws texts of a pattern.

    Raises:
        InputError: The pattern uses something that cannot be generated (look-around, back
            references, an empty class) or asks for very long texts.
    """
    parser: Any = re._parser  # type: ignore[attr-defined]  # no public access to the parse tree
    try:
        tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError):
        raise InputError("the pattern is not a regular expression.") from None
    draw, _ = _sequence(tree)
    return draw


def unique_texts(pattern: str, n: int, *, seed: int) -> list[str]:
    """Return `n` texts of a pattern, all different as far as the pattern has so many.

    Args:
        pattern: Regular expression.
        n: How many.
        seed: Seed of the draw.
    """
    draw, rng = pattern_generator(pattern), np.random.default_rng(seed)
    found: dict[str, None] = {}
    for _ in range(_ROUNDS):
        if len(found) >= n:
            break
        found.update(dict.fromkeys(draw(n - len(found) + _SPARE, rng)))
    texts = list(found)[:n]
    return texts + draw(n - len(texts), rng)


def _sequence(nodes: Iterable[Any]) -> tuple[Draw, int]:
    parts = [part for part in map(_node, nodes) if part is not None]
    draws, length = [draw for draw, _ in parts], sum(size for _, size in parts)
    if length > MAX_LENGTH:
        raise InputError(f"the pattern asks for texts of more than {MAX_LENGTH} characters.")

    def draw(n: int, rng: np.random.Generator) -> list[str]:
        if not draws:
            return [""] * n
        return ["".join(row) for row in zip(*(part(n, rng) for part in draws), strict=True)]

    return draw, length


def _node(node: Any) -> tuple[Draw, int] | None:
    operation, argument = str(node[0]), node[1]
    match operation:
        case "AT":
            return None
        case "LITERAL":
            return _choice(chr(argument)), 1
        case "NOT_LITERAL":
            return _choice(_PRINTABLE.replace(chr(argument), "")), 1
        case "ANY":
            return _choice(string.ascii_letters + string.digits), 1
        case "IN":
            return _choice(_members(argument)), 1
        case "SUBPATTERN":
            return _sequence(argument[-1])
        case "BRANCH":
            return _branch([_sequence(option) for option in argument[1]])
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            low, high, inner = argument
            return _repeat(int(low), int(high), _sequence(inner), str(high) == "MAXREPEAT")
        case "ATOMIC_GROUP":
            return _sequence(argument)
    raise InputError(
        "the pattern uses what cannot be generated (look-around or back references).",
        fix="Write it with classes, groups and repeats only.",
    )


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


def _choice(characters: str) -> Draw:
    if not characters:
        raise InputError("the pattern has a class with no printable character.")
    options = np.array(list(characters), dtype=object)

    def draw(n: int, rng: np.random.Generator) -> list[str]:
        chosen: list[str] = options[rng.integers(len(options), size=n)].tolist()
        return chosen

    return draw


def _branch(options: list[tuple[Draw, int]]) -> tuple[Draw, int]:
    def draw(n: int, rng: np.random.Generator) -> list[str]:
        which = rng.integers(len(options), size=n)
        texts = np.empty(n, dtype=object)
        for index, (option, _) in enumerate(options):
            mine = np.flatnonzero(which == index)
            texts[mine] = option(len(mine), rng)
        return list(texts)

    return draw, max(length for _, length in options)


def _repeat(low: int, high: int, inner: tuple[Draw, int], unbounded: bool) -> tuple[Draw, int]:
    if unbounded:
        low = high = max(low, UNBOUNDED)
    item, length = inner
    if high * max(length, 1) > MAX_LENGTH:
        raise InputError(f"the pattern asks for texts of more than {MAX_LENGTH} characters.")

    def draw(n: int, rng: np.random.Generator) -> list[str]:
        counts = rng.integers(low, high + 1, size=n)
        stops = np.cumsum(counts)
        items = item(int(stops[-1]) if n else 0, rng)
        starts = (stops - counts).tolist()
        return ["".join(items[a:b]) for a, b in zip(starts, stops.tolist(), strict=True)]

    return draw, high * length
