"""What a file keeps of private rows: a scan for planted texts and planted rows of codes.

What nobody else has is planted in a table, everything is run, and whatever was written is searched
for it: file by file, and inside what a file packs (archives and arrays, compressed streams of a
PDF, payloads of signed envelopes, columns of Parquet). A saved array with one entry a row is found
without any planted value: after a fit nothing may have the length of the table.

Never true here: that a file in which nothing was found holds nothing. Only what was planted is
looked for, in the forms named above.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dpsynth.arrays import Codes

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\n?endstream", re.DOTALL)
_KINDS = (np.uint8, np.int16, np.int32, np.int64)
_CODES_AT_LEAST = 5  # a shorter row of codes occurs in files by chance


def holding(folder: Path, *, texts: Sequence[str] = (), rows: Codes | None = None) -> list[Path]:
    """Return the files below a folder that hold something of what was planted, sorted.

    Args:
        folder: Where to look, at any depth.
        texts: Planted texts.
        rows: The whole private table as codes, shape (n, d), d at least 5; found are its last row
            as bytes of integers, and arrays with an axis of n entries.

    Raises:
        ValueError: There is nothing to look for, a row of codes is too short to be told from
            chance, or a file holds an array of objects.
    """
    if not texts and rows is None:
        raise ValueError("nothing was planted")
    if rows is not None and rows.shape[1] < _CODES_AT_LEAST:
        raise ValueError(f"rows of {rows.shape[1]} codes occur by chance")
    words = [text.encode() for text in texts]
    if rows is not None:
        words += [rows[-1].astype(kind).tobytes() for kind in _KINDS]
    length = None if rows is None else len(rows)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if _holds(path.read_bytes(), words, length)]


def _holds(content: bytes, words: Sequence[bytes], length: int | None) -> bool:
    if any(word in content for word in words):
        return True
    if length is not None and any(length in shape for shape in _shapes(content)):
        return True
    return any(_holds(inside, words, length) for inside in _unpacked(content))


def _shapes(content: bytes) -> Iterator[tuple[int, ...]]:
    """Yield the shapes of the arrays of a file: one of npy, all that a safetensors header lists."""
    if content.startswith(b"\x93NUMPY"):
        yield np.load(io.BytesIO(content), allow_pickle=False).shape
    elif content[8:9] == b"{":
        header = content[8 : 8 + int.from_bytes(content[:8], "little")]
        for name, entry in json.loads(header).items():
            if name != "__metadata__":
                yield tuple(entry["shape"])


def _unpacked(content: bytes) -> Iterator[bytes]:
    """Yield what a file packs, one level deep."""
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif content.startswith(b"PAR1"):
        for column in pq.read_table(io.BytesIO(content)).columns:
            yield "\n".join(map(str, pa.chunked_array(column).to_pylist())).encode()
    elif content.startswith(b"%PDF"):
        for found in _STREAM.finditer(content):
            try:
                yield zlib.decompressobj().decompress(found.group(1))
            except zlib.error:  # an image, say: its bytes were searched as they are
                continue
    elif content.startswith(b"{"):
        yield from _payload(content)


def _payload(content: bytes) -> Iterator[bytes]:
    """Yield the payload of a signed envelope (DSSE)."""
    try:
        tree = json.loads(content)
        if isinstance(tree, dict) and isinstance(tree.get("payload"), str):
            yield base64.b64decode(tree["payload"], validate=True)
    except (ValueError, binascii.Error):
        return
