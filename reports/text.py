"""Words of the documents: one catalogue per language, and what may be printed at all.

Every sentence of the documents stands in ``templates/text.<language>.toml``; templates and charts
name it by its key. Text that comes from a dictionary or a release file is untrusted. It is printed
as text, with glyphs of the bundled fonts only: a character that the fonts lack would silently pull
in a font of the machine, and an invisible one could reorder what the reader sees. Such characters
are printed by their code point, for example ``[U+202E]``.
"""

from __future__ import annotations

import tomllib
import unicodedata
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any

from fontTools.ttLib import TTFont
from markupsafe import Markup

LANGUAGE = "en"
LIMIT = 600  #: characters of one untrusted text that are ever printed; the attached JSON has all
_SANS = ("IBMPlexSans-Regular", "IBMPlexSans-SemiBold", "IBMPlexSans-Italic")
_NOT_PRINTED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me", "Mc", "Zl", "Zp"})


def resource(folder: str, name: str) -> bytes:
    """Return the bytes of one packaged file of this package."""
    return (files("dpsynth.reports") / folder / name).read_bytes()


@cache
def glyphs() -> frozenset[int]:
    """Return the code points that every cut of the bundled text font can draw."""
    sets = []
    for name in _SANS:
        font = TTFont(BytesIO(resource("fonts", f"{name}.woff2")), lazy=True)
        sets.append(frozenset(font.getBestCmap()))
    common = frozenset.intersection(*sets)
    return frozenset(c for c in common if unicodedata.category(chr(c)) not in _NOT_PRINTED)


def printable(text: str, limit: int = LIMIT) -> str:
    """Return text as one line of glyphs that the bundled fonts have, shortened visibly.

    White space becomes one blank, a missing or invisible character its code point in brackets, and
    what stands past `limit` characters an ellipsis.
    """
    known = glyphs()
    line = " ".join(unicodedata.normalize("NFC", text[: 2 * limit]).split())
    pieces = [c if ord(c) in known else f"[U+{ord(c):04X}]" for c in line]
    if len(text) <= 2 * limit and sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    room = limit - 1
    kept = []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + "…"


@cache
def catalogue(language: str = LANGUAGE) -> dict[str, Any]:
    """Return the catalogue of one language: section -> key -> sentence."""
    return tomllib.loads(resource("templates", f"text.{language}.toml").decode("utf-8"))


def sentence(key: str) -> str:
    """Return the sentence ``section.key`` as the catalogue has it, with places for its values."""
    section, name = key.split(".")
    return str(catalogue()[section][name])


def say(key: str, **values: Any) -> Markup:
    """Return the sentence ``section.key`` with its values filled in and escaped.

    Raises:
        KeyError: The catalogue lacks the key or the sentence needs another value.
    """
    clean = {k: v if isinstance(v, Markup) else printable(str(v)) for k, v in values.items()}
    return Markup(sentence(key)).format(**clean)  # noqa: S704 (our own catalogue)


def plain(key: str, **values: Any) -> str:
    """Return a sentence for use outside HTML, for example in the title of a chart: unescaped."""
    clean = {k: printable(str(v)) for k, v in values.items()}
    return sentence(key).format(**clean)


def words(section: str) -> tuple[str, ...]:
    """Return the machine values that a section of the catalogue has words for, in its order."""
    return tuple(catalogue()[section])


def word(section: str, value: str) -> str:
    """Return the catalogue's word for a machine value, or the value itself with blanks."""
    return str(catalogue()[section].get(value, value.replace("_", " ")))
