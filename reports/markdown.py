"""Untrusted text inside Markdown: it stays text, on one line.

Titles, names and codes come from dictionaries and release files. Every sign that Markdown, LaTeX
inside Markdown or a forge would read is escaped, invisible characters are named by code point.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from dpsynth.reports.text import word

LIMIT = 300  #: characters of one untrusted text that are ever printed
_SIGNS = frozenset("`*_[]<>#|$&~@")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")  # part of some scripts


def literal(text: object, limit: int = LIMIT) -> str:
    """Return text as one line of Markdown that shows it literally, shortened visibly.

    A backslash is written as an entity, and the signs that make a bare address a link are parted.
    """
    flat = " ".join(str(text).split())
    kept = flat if len(flat) <= limit else f"{flat[: limit - 1].rstrip()}…"
    shown = "".join(map(_escaped, kept))
    return shown.replace("://", ":\\//").replace("www.", "www\\.")


def bullets(texts: list[str]) -> str:
    """Return a list, one line an item; the items are Markdown already."""
    return "\n".join(f"- {text}" for text in texts)


def column_row(column: Mapping[str, Any]) -> str:
    """Return the row of a column: name, kind, domain, and how it was treated, with the reason."""
    treatment = word("treatment", str(column["treatment"]))
    if column["reason"]:
        treatment = f"{treatment}: {column['reason']}"
    cells = (column["name"], column["kind"], column["domain"], treatment)
    return "| " + " | ".join(literal(cell) for cell in cells) + " |"


def _escaped(sign: str) -> str:
    if sign == "\\":
        return "&#92;"
    if unicodedata.category(sign) in _UNSEEN and sign not in _JOINERS:
        return f"\\[U+{ord(sign):04X}\\]"
    return f"\\{sign}" if sign in _SIGNS else sign
