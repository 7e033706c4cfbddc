"""Reading what a PDF holds without trusting it: entries, name trees, streams of bounded size.

What is odd raises ValueError or what pyHanko's parser raises; :data:`BROKEN` names all of it.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError
from pyhanko_certvalidator.errors import PathError, ValidationError

MAX_ATTACHMENT = 64 * 2**20

#: What parsers and validators raise on broken input.
BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    PdfError,
    RecursionError,
    PathError,
    TypeError,
    UnsupportedAlgorithm,
    ValidationError,
    ValueError,
    struct.error,
    zlib.error,
)
_MAX_NODES = 64


def name_tree(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a PDF name tree."""
    waiting, seen = [node], 0
    while waiting:
        current, seen = waiting.pop(), seen + 1
        if seen > _MAX_NODES:
            raise ValueError("name tree is too large")
        names = items(entry(current, "/Names", []))
        for name, value in zip(names[::2], names[1::2], strict=True):
            yield str(name), value
        waiting += items(entry(current, "/Kids", []))


def attachments(root: Any) -> list[tuple[str, Any]]:
    """Return the name and the specification of every attached file of a catalog."""
    return list(name_tree(entry(entry(root, "/Names", {}), "/EmbeddedFiles", {})))


def entry(dictionary: Any, key: str, default: Any) -> Any:
    """Return an entry with references followed, which ``dict.get`` would not do."""
    return dictionary[key] if key in dictionary else default


def items(array: Any) -> list[Any]:
    """Return the items of an array with references followed."""
    return [array[index] for index in range(len(array))]


def decoded(stream: generic.StreamObject) -> bytes:
    """Return the content of a stream, never more than MAX_ATTACHMENT bytes."""
    filters = entry(stream, "/Filter", [])
    filters = items(filters) if isinstance(filters, list) else [filters]
    encoded = bytes(stream.encoded_data)
    if not filters:
        return encoded
    if filters != ["/FlateDecode"] or "/DecodeParms" in stream:
        raise ValueError("unusual stream filter")
    inflater = zlib.decompressobj()
    content = inflater.decompress(encoded, MAX_ATTACHMENT)
    if inflater.unconsumed_tail or not inflater.eof:
        raise ValueError("attachment is too large or cut off")
    return content


def written(value: Any) -> bytes:
    """Return an object as a file holds it: references stay references."""
    out = io.BytesIO()
    value.write_to_stream(out, None)
    return out.getvalue()


def has_prefix(content: bytes, digest: str) -> bool:
    """Say whether the bytes up to the end of one of the revisions have the SHA-256."""
    state, position = hashlib.sha256(), 0
    for end in re.finditer(rb"%%EOF(?:\r\n|\n|\r|)", content):
        for stop in {end.start() + 5, end.end()} - {position}:
            probe = state.copy()
            probe.update(content[position:stop])
            if probe.hexdigest() == digest:
                return True
        state.update(content[position : end.end()])
        position = end.end()
    return False
