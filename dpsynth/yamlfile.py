"""Hardened reading of a small YAML file, and a cursor that names what is wrong and where.

Follows YAML 1.1 as PyYAML's safe loader reads it, with three refusals on top: files past 5 MB,
merge keys (``<<`` can be nested into exponential size) and keys written twice (the last would
silently win).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from unicodedata import category

import yaml

from dpsynth.errors import InputError

MAX_BYTES = 5_000_000
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, direction marks, stray surrogates
_ALLOWED = "\n\t\u200c\u200d"  # the joiners are part of some scripts
_QUOTE = "YAML read it as {kind}: write it in quotes, for example '{example}'."


class _Loader(yaml.SafeLoader):
    """The safe loader without merge keys and without silent duplicate keys."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse merge keys and duplicate keys before a mapping is built."""
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(
                    problem="merge keys (<<) are not supported", problem_mark=key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem="a key is written twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file.

    Raises:
        InputError: The file is absent, too large, not UTF-8 or not YAML.
    """
    return parse_yaml(read_content(path), str(path))


def read_content(path: Path) -> bytes:
    """Return the bytes of a file, at most one more than `parse_yaml` accepts.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror or 'input error'}).",
            where=str(path),
            fix="Check the path and the permissions.",
        ) from None


def parse_yaml(content: bytes, where: str) -> Any:
    """Return what YAML text holds.

    Args:
        content: The text in UTF-8.
        where: What messages call it.

    Raises:
        InputError: The text is too large, not UTF-8 or not YAML.
    """
    if len(content) > MAX_BYTES:
        raise InputError("is larger than 5 MB.", where=where, fix="Give a short text file.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text.", where=where, fix="Save it as UTF-8.") from None
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise InputError(
            f"is not valid YAML: {_problem(error)}.", where=where, fix="Mend that line."
        ) from None
    except (RecursionError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError):
        # PyYAML lets these escape for deep nesting and for tags that do not suit their value.
        raise InputError(
            "is not valid YAML: it is nested too deeply or holds an impossible number or date.",
            where=where,
            fix="Simplify it.",
        ) from None


def _problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        return f"{error.problem or error.context or 'cannot be parsed'}{mark}"
    return "it holds characters that YAML does not allow"


@dataclass(frozen=True)
class Cursor:
    """A mapping in a YAML file, with the words that say where it stands.

    Every getter raises InputError that names the place and says how to mend it.
    """

    content: Mapping[str, Any]
    where: str

    @classmethod
    def of(cls, value: object, where: str) -> Cursor:
        """Wrap a value that must be a mapping with text keys."""
        if not isinstance(value, dict):
            raise InputError("must be a mapping of keys to values.", where=where)
        for key in value:
            if not isinstance(key, str):
                raise InputError(
                    f"has a key that is not text ({quoted(key)}).",
                    where=where,
                    fix=_QUOTE.format(kind=kind_of(key), example=quoted(key)),
                )
        return cls(value, where)

    def fail(self, what: str, fix: str | None = None) -> NoReturn:
        """Raise InputError at this place."""
        raise InputError(what, where=self.where, fix=fix)

    def only(self, known: Sequence[str]) -> None:
        """Refuse keys outside `known`."""
        for key in self.content:
            if key not in known:
                self.fail(f"has an unknown key {quoted(key)}.", f"Known keys: {', '.join(known)}.")

    def require(self, key: str, example: str) -> Any:
        """Return the value of a key that must be there."""
        if self.content.get(key) is None:
            self.fail(f"lacks the key {key!r}.", f"Add a line such as `{key}: {example}`.")
        return self.content[key]

    def text(self, key: str, default: str = "", *, limit: int = 4000) -> str:
        """Return a line or paragraph for people."""
        value = self.content.get(key)
        return default if value is None else self.check_text(key, value, limit=limit)

    def check_text(self, key: str, value: object, *, limit: int = 4000) -> str:
        """Return `value` as printable text of at most `limit` characters."""
        if not isinstance(value, str):
            self.fail(
                f"{key}: {quoted(value)} is not text.",
                _QUOTE.format(kind=kind_of(value), example=quoted(value)),
            )
        if len(value) > limit:
            self.fail(f"{key}: is longer than {limit} characters.", "Shorten it.")
        if any(category(c) in _UNPRINTABLE and c not in _ALLOWED for c in value):
            self.fail(f"{key}: holds control characters.", "Remove them.")
        return value

    def token(self, key: str, value: object, *, limit: int = 500) -> str:
        """Return `value` as one printable line: a name, a code or a category."""
        text = self.check_text(key, value, limit=limit)
        if "\n" in text or "\t" in text:
            self.fail(f"{key}: holds a line break or a tab.", "Write it on one line.")
        return text

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of one-line texts without repetition; empty if the key is absent."""
        value = self.content.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.fail(f"{key}: must be a list.", f"Write `{key}:` and one `- 'item'` a line.")
        items = tuple(self.token(key, item) for item in value)
        seen: set[str] = set()
        for item in items:
            if item.strip() in seen:
                self.fail(f"{key}: {quoted(item)} is listed twice.", "Remove one.")
            seen.add(item.strip())
        return items

    def text_map(self, key: str) -> dict[str, str]:
        """Return a mapping of one-line texts to texts; empty if the key is absent."""
        value = self.content.get(key)
        if value is None:
            return {}
        inner = Cursor.of(value, f"{self.where}, {key}")
        return {
            inner.token(quoted(name), name): inner.check_text(quoted(name), content)
            for name, content in inner.content.items()
        }

    def number(self, key: str, example: str = "0") -> float:
        """Return a finite number of at most 15 digits before the point."""
        return self.check_number(key, self.require(key, example))

    def check_number(self, key: str, value: object) -> float:
        """Return `value` as a finite float within 1e15."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.fail(f"{key}: {quoted(value)} is not a number.", "Write a number without quotes.")
        if abs(value) > 1e15 or not math.isfinite(value):
            self.fail(f"{key}: must be finite and at most 1e15 in size.")
        return float(value)

    def each(self, key: str, example: str) -> Iterator[tuple[int, object]]:
        """Yield (1-based place, item) of a list that must be there and not be empty."""
        value = self.require(key, example)
        if not isinstance(value, list) or not value:
            self.fail(f"{key}: must be a list with at least one item.")
        yield from enumerate(value, 1)


def quoted(value: object) -> str:
    """Return a short, printable form of a value of the dictionary for a message."""
    huge = isinstance(value, int) and abs(value) > 1e15
    text = str(value) if isinstance(value, (str, int, float)) and not huge else kind_of(value)
    return "".join(c if c.isprintable() else "?" for c in text[:60]) + "..." * (len(text) > 60)


def kind_of(value: object) -> str:
    """Return what YAML made of a value, in words."""
    match value:
        case bool():
            return "a yes/no value"
        case int() | float():
            return "a number"
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return "a date"


class _Dumper(yaml.SafeDumper):
    """The safe dumper, with text of several lines as a literal block."""


def _block(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


_Dumper.add_representer(str, _block)


def to_yaml(tree: Any) -> str:
    """Return YAML text of plain values, in their order; no line is folded."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)
