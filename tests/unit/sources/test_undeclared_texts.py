"""Undeclared columns: texts are counted by a public rule, and they are part of a row's identity."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.sources.undeclared import MAX_CHARACTERS, TextColumn

KEY = bytes(range(32))
CELLS = [
    b"red", b" red ", b"blue", None, b"", b"?", b"\xff\xfe", b"a\x00b", b"x" * 101, b"y" * 100,
    b"known", b"line\nbreak",
]  # fmt: skip


def column(cells: list[bytes | None], known: tuple[str, ...] = ()) -> TextColumn:
    return TextColumn.of(pa.array(cells, type=pa.binary()), known)


def test_only_plain_short_unknown_texts_are_counted() -> None:
    found = column(CELLS, ("?", " known "))
    assert MAX_CHARACTERS == 100
    assert found.counts() == {"red": 2, "blue": 1, "y" * 100: 1}


def test_rows_forget_texts_that_nobody_holds() -> None:
    kept = column(CELLS).rows(np.array([c in (b"blue", None) for c in CELLS]))
    assert kept.values == (b"blue",) and kept.at.tolist() == [0, -1]
    assert kept.cells().to_pylist() == [b"blue", b""]
    nobody = column(CELLS).rows(np.zeros(len(CELLS), dtype=bool))
    assert nobody.values == () and nobody.counts() == {} and nobody.cells().to_pylist() == []


def test_digests_depend_on_the_cell_alone() -> None:
    one = column([b"a", b"b", None]).digests()
    other = column([b"z", None, b"b", b"a"]).digests()
    assert one[0].tolist() == other[3].tolist() and one[1].tolist() == other[2].tolist()
    assert one[2].tolist() == other[1].tolist()
    assert len({bytes(row) for row in one}) == 3


def split_of(names: list[str]) -> dict[str, bool]:
    """Say which of these rows, alike in their coded column, are in the training part."""
    table = CodedTable.build(
        Domain.from_sizes({"a": 2}),
        np.zeros((1, len(names)), dtype=np.uint8),
        None,
        {"name": TextColumn.of(pa.array([n.encode() for n in names]), ())},
    )
    train, _ = table.bounded(1, KEY).split(0.5, KEY)
    kept = set(train.count_texts("name"))
    return {name: name in kept for name in names}


def test_a_row_that_leaves_moves_no_other_row_that_differs_only_in_its_texts() -> None:
    names = [f"n{i}" for i in range(200)]
    before, after = split_of(names), split_of(names[1:])
    assert {k: v for k, v in before.items() if k != "n0"} == after
    assert 0 < sum(after.values()) < len(after)


def test_without_texts_in_the_digest_the_same_test_would_fail() -> None:
    """The planted fault: rows numbered among those alike in their coded columns only."""
    names = [f"n{i}" for i in range(200)]

    def faulty(kept: list[str]) -> dict[str, bool]:
        table = CodedTable.build(
            Domain.from_sizes({"a": 2}), np.zeros((1, len(kept)), dtype=np.uint8)
        )
        train, _ = table.split(0.5, KEY)
        sides = {bytes(d) for d in train.digests}
        return {n: bytes(d) in sides for n, d in zip(kept, table.digests, strict=True)}

    before, after = faulty(names), faulty(names[1:])
    assert {k: v for k, v in before.items() if k != "n0"} != after


def test_what_the_declared_encoding_cannot_write_is_no_category() -> None:
    cells = ["caf\u00e9", "\u0141\u00f3d\u017a", "\ufffd", "plain"]
    array = pa.array([c.encode() for c in cells], type=pa.binary())
    assert TextColumn.of(array, (), "latin-1").counts() == {"caf\u00e9": 1, "plain": 1}
    assert set(TextColumn.of(array, ()).counts()) == {cells[0], cells[1], "plain"}
