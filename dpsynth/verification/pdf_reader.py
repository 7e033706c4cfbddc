"""pyHanko's reader with an index of each object stream.

Its own reader looks through the whole head of an object stream for every object in it, and a tagged
document has thousands in one: the difference analysis of a report then takes a minute. What is read
is the same; an object that is not where the cross-reference says is refused, as in strict mode.
"""

from __future__ import annotations

import io
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.misc import PdfStrictReadError
from pyhanko.pdf_utils.reader import PdfFileReader


class IndexedReader(PdfFileReader):
    """Reads the bytes of one PDF."""

    def __init__(self, content: bytes) -> None:
        self._indexes: dict[int, tuple[Any, io.BytesIO, list[tuple[int, int]]]] = {}
        super().__init__(io.BytesIO(content))

    def _get_object_from_stream(self, idnum: int, stmnum: int, idx: int) -> Any:
        """Return an object of an object stream."""
        stream = generic.Reference(stmnum, 0, self).get_object()
        known = self._indexes.get(stmnum)
        if known is None or known[0] is not stream:
            known = self._indexes[stmnum] = (stream, *_indexed(stream))
        _, data, index = known
        if not (0 <= idx < len(index) and index[idx][0] == idnum):
            raise PdfStrictReadError("Object is not where the cross-reference says.")
        data.seek(index[idx][1])
        found = generic.read_object(data, generic.Reference(idnum, 0, self))
        if isinstance(found, generic.StreamObject | generic.IndirectObject):
            raise PdfStrictReadError("Encountered forbidden object type in object stream.")
        return found


def _indexed(stream: Any) -> tuple[io.BytesIO, list[tuple[int, int]]]:
    """Return the content of an object stream, and (number, position) of each object in it."""
    if not isinstance(stream, generic.StreamObject) or stream["/Type"] != "/ObjStm":
        raise PdfStrictReadError("Not an object stream.")
    content = bytes(stream.read_data(DecodePurpose.OBJECT_STREAM))
    first, count = int(stream["/First"]), int(stream["/N"])
    numbers = [int(text) for text in content[:first].split()]
    if len(numbers) != 2 * count or min(numbers, default=0) < 0:
        raise PdfStrictReadError("Object stream header possibly corrupted.")
    positions = [first + offset for offset in numbers[1::2]]
    return io.BytesIO(content), list(zip(numbers[::2], positions, strict=True))
