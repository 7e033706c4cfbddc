"""Which labels name a unit, and which name nobody."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.schema.domain import Domain
from dpsynth.sources.labels import named_units
from dpsynth.sources.table import CodedTable

NAN = float("nan")


@pytest.mark.parametrize(
    ("cells", "codes", "named"),
    [
        (pa.array(["P1", " P1\u00a0", "P2"]), (), [True, True, True]),
        (pa.array(["", "  ", "\u00a0", "\u2003", None]), (), [False] * 5),
        (pa.array(["NA", "n/a", "NaN", "NULL", "None", "<NA>", "?"]), (), [False] * 7),
        (pa.array(["-9", "-9.0", "-9e0", "P-9", "9"]), ("-9",), [False, False, False, True, True]),
        (pa.array(["9", "09", "0009", "0"]), ("9",), [False, True, True, True]),
        (pa.array(["0009"]), ("0009",), [False]),
        (pa.array(["gone", "P1"]), (" gone ",), [False, True]),
        (pa.array(["none given", "P1"]), ("none given",), [False, True]),
        (pa.array([1.0, NAN, -9.0, None]), ("-9",), [True, False, False, False]),
        (pa.array(np.array([1, NAN, -9], dtype=np.float16)), ("-9",), [True, False, False]),
        (pa.array([1, -9, 3]), ("-9.0",), [True, False, True]),
        (pa.array([b"\xff", b"\xfe", b"-9"]), ("-9",), [True, True, False]),
        (pa.array(["a", "-9", None]).dictionary_encode(), ("-9",), [True, False, False]),
        (pa.chunked_array([["a"], ["-9"], []], type=pa.string()), ("-9",), [True, False]),
        (pa.array([None, None]), ("-9",), [False, False]),
    ],
)
def test_what_names_nobody(cells: pa.Array, codes: tuple[str, ...], named: list[bool]) -> None:
    labels, places = named_units(cells, codes)
    assert (places >= 0).tolist() == named
    assert places.max(initial=-1) < len(labels)


def test_labels_that_only_blanks_tell_apart_are_one_unit() -> None:
    labels, places = named_units(pa.array(["P1", "\u00a0P1 ", b"P1".decode()]), ())
    assert labels == [b"P1"] and places.tolist() == [0, 0, 0]


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_people_who_are_not_known_are_left_out_one_by_one(rows: int) -> None:
    """Without one of them, what is kept of everybody else is the same."""
    domain, key = Domain.from_sizes({"x": 60}), b"k" * 16
    names = [f"P{i % 20}" for i in range(40)] + ["-9"] * 10 + ["NaN"] * 10

    def kept(stay: np.ndarray) -> list[int]:
        codes = np.arange(60, dtype=np.uint8)[None, stay]
        labels = pa.array([names[i] for i in np.flatnonzero(stay)])
        table = CodedTable.build(domain, codes, labels, nobody=("-9",)).bounded(rows, key)
        return sorted(table.codes[0].tolist())

    whole = kept(np.ones(60, dtype=bool))
    assert len(whole) == 20 * min(rows, 2)
    for person in range(40, 60):
        assert kept(np.arange(60) != person) == whole
