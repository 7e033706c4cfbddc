"""CodedTable: exact counts, bounded contributions, and a split that no other unit can move."""

from __future__ import annotations

import itertools
import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from marginal_source_contract import MarginalSourceContract

from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable, MarginalSource

KEY = bytes(range(32))
DOMAIN = Domain.from_sizes({"a": 50, "b": 4})


class TestCodedTable(MarginalSourceContract):
    def make(self, domain: Domain, rows: np.ndarray) -> MarginalSource:
        return CodedTable.build(domain, rows.T.astype(np.uint16))


def table(n: int = 400, units: int | None = 120, seed: int = 0):
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, 50, n), rng.integers(0, 4, n)]).astype(np.uint8)
    labels = None if units is None else [f"p{u}" for u in rng.integers(0, units, n)]
    return codes, labels


def build(codes, labels) -> CodedTable:
    return CodedTable.build(DOMAIN, codes, None if labels is None else pa.array(labels))


def bag(coded: CodedTable) -> list[tuple[int, ...]]:
    return sorted(map(tuple, coded.rows().tolist()))


def test_bounded_keeps_all_of_small_units_and_c_of_large_ones() -> None:
    codes, labels = table()
    whole = build(codes, labels)
    sizes = np.bincount(whole.units)
    for c in (1, 2, 5, 1000):
        kept = whole.bounded(c, KEY)
        assert np.bincount(kept.units).tolist() == np.minimum(sizes, c).tolist()
        assert kept.n_units == whole.n_units
    assert bag(whole.bounded(int(sizes.max()), KEY)) == bag(whole)
    assert bag(whole.bounded(2, KEY)) == bag(whole.bounded(2, KEY))
    assert bag(whole.bounded(2, KEY)) != bag(whole.bounded(2, KEY[::-1]))
    with pytest.raises(ValueError, match="max_rows"):
        whole.bounded(0, KEY)


def test_bounded_chooses_every_row_of_a_unit_alike() -> None:
    # 3 of 10 rows for 600 keys: each row's count is Binomial(600, 0.3). A fair choice leaves
    # [115, 245] with probability below 1e-6 per row (1e-5 in all); keeping the first three does.
    codes = np.stack([np.arange(10), np.zeros(10)]).astype(np.uint8)
    whole = build(codes, ["p"] * 10)
    hits = np.zeros(10)
    for i in range(600):
        hits[whole.bounded(3, i.to_bytes(16, "big")).codes[0]] += 1
    assert hits.sum() == 1800
    assert hits.min() >= 115
    assert hits.max() <= 245


def test_removing_one_unit_changes_nothing_else() -> None:
    codes, labels = table()
    whole = build(codes, labels)
    train, holdout = whole.bounded(2, KEY).split(0.3, KEY)
    for gone in ("p3", "p78", "p119"):
        keep = np.array([label != gone for label in labels])
        less = build(codes[:, keep], [label for label in labels if label != gone])
        less_train, less_holdout = less.bounded(2, KEY).split(0.3, KEY)
        lost = [
            len(bag(x)) - len(bag(y)) for x, y in ((train, less_train), (holdout, less_holdout))
        ]
        assert sorted(lost)[0] == 0
        assert 1 <= sorted(lost)[1] <= 2
        for before, after in ((train, less_train), (holdout, less_holdout)):
            rest = bag(before)
            for row in bag(after):
                rest.remove(row)


def test_removing_one_row_moves_no_other_row() -> None:
    rng = np.random.default_rng(1)
    codes = np.stack([rng.integers(0, 5, 300), rng.integers(0, 2, 300)]).astype(np.uint8)
    train, holdout = build(codes, None).split(0.25, KEY)
    for gone in range(0, 300, 17):
        less = build(np.delete(codes, gone, axis=1), None)
        less_train, less_holdout = less.split(0.25, KEY)
        lost = 0
        for before, after in ((train, less_train), (holdout, less_holdout)):
            rest = bag(before)
            for row in bag(after):
                rest.remove(row)
            lost += len(rest)
        assert lost == 1


def test_order_of_the_file_does_not_matter_for_the_split() -> None:
    codes, _ = table(units=None)
    train, _ = build(codes, None).split(0.25, KEY)
    shuffled, _ = build(codes[:, ::-1], None).split(0.25, KEY)
    assert bag(train) == bag(shuffled)


def test_split_has_the_declared_share_and_never_cuts_a_unit() -> None:
    codes, labels = table(n=30_000, units=10_000)
    whole = build(codes, labels)
    train, holdout = whole.split(0.2, KEY)
    assert train.n_rows + holdout.n_rows == 30_000
    assert train.n_units + holdout.n_units == whole.n_units
    # Binomial(about 9500, 0.2) leaves 6 standard deviations (0.0246) with probability 2e-9.
    assert abs(holdout.n_units / whole.n_units - 0.2) < 0.0246
    ours = {bytes(d) for d in train.digests}
    assert not ours & {bytes(d) for d in holdout.digests}
    assert [x.n_rows for x in whole.split(0.0, KEY)] == [30_000, 0]
    assert [x.n_rows for x in whole.split(1.0, KEY)] == [0, 30_000]
    assert bag(whole.split(0.2, KEY[::-1])[1]) != bag(holdout)
    with pytest.raises(ValueError, match="fraction"):
        whole.split(1.5, KEY)
    with pytest.raises(ValueError, match="16 bytes"):
        whole.split(0.5, b"short")


def test_labels_compare_as_text_and_rows_without_one_are_left_out() -> None:
    codes = np.zeros((2, 7), dtype=np.uint8)
    labels = pa.chunked_array([pa.array(["p", " p ", None, ""]), pa.array([" ", "q", "p"])])
    table = CodedTable.build(DOMAIN, codes, labels)
    assert (table.n_units, table.n_rows) == (2, 4)
    table = CodedTable.build(DOMAIN, codes, pa.array([1, 1, 2, None, None, 3, 3]))
    assert (table.n_units, table.n_rows) == (3, 5)


def test_labels_that_are_no_text_stay_different_units() -> None:
    codes = np.zeros((2, 3), dtype=np.uint8)
    labels = pa.array([b"M\xfcller", b"M\xf6ller", b"M\xfcller"], pa.binary())
    assert CodedTable.build(DOMAIN, codes, labels).n_units == 2


def test_only_bounding_stamps_a_table_with_units() -> None:
    codes = np.zeros((2, 3), dtype=np.uint8)
    assert CodedTable.build(DOMAIN, codes).max_rows == 1
    table = CodedTable.build(DOMAIN, codes, pa.array(["p", "p", "q"]))
    assert table.max_rows is None
    assert table.bounded(2, KEY).max_rows == 2
    assert table.bounded(1, KEY).split(0.5, KEY)[0].max_rows == 1


@pytest.mark.parametrize("kept", [1, 2, 5])
def test_removing_one_person_changes_only_their_rows(kept: int) -> None:
    """Also among people whose label is blank or no text: the kept rows of others stay the same."""
    rng = np.random.default_rng(3)
    names = rng.choice(["", "a", "b", "c", "d"], 200).tolist()
    raw = [n.encode() + (b"\xfc" if i % 3 == 0 and n else b"") for i, n in enumerate(names)]
    codes = np.stack([np.arange(200) % 50, np.arange(200) % 4]).astype(np.uint8)

    def kept_of(stay: np.ndarray) -> Counter[tuple[int, ...]]:
        labels = pa.array([raw[i] for i in np.flatnonzero(stay)], pa.binary())
        return Counter(bag(CodedTable.build(DOMAIN, codes[:, stay], labels).bounded(kept, KEY)))

    whole = kept_of(np.ones(200, dtype=bool))
    for person in sorted(set(raw)):
        fewer = kept_of(np.array([label != person for label in raw]))
        assert not fewer - whole, "rows of others appear"
        assert sum((whole - fewer).values()) == (0 if not person else kept)
    empty = CodedTable.build(DOMAIN, codes[:, :0], pa.array([], pa.string()))
    assert (empty.n_rows, empty.n_units) == (0, 0)
    assert [x.n_rows for x in empty.split(0.5, KEY)] == [0, 0]


def test_same_label_in_text_bytes_and_numbers_splits_alike() -> None:
    codes = np.stack([np.arange(40), np.zeros(40)]).astype(np.uint8)
    sides = [
        bag(CodedTable.build(DOMAIN, codes, labels).split(0.5, KEY)[0])
        for labels in (
            pa.array([str(i) for i in range(40)]),
            pa.array([str(i).encode() for i in range(40)]),
            pa.array(list(range(40)), pa.int64()),
        )
    ]
    assert sides[0] == sides[1] == sides[2]


def test_codes_outside_the_domain_are_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        CodedTable.build(DOMAIN, np.array([[50], [0]], dtype=np.uint8))
    with pytest.raises(ValueError, match="outside"):
        CodedTable.build(DOMAIN, np.array([[-1], [0]], dtype=np.int32))
    with pytest.raises(ValueError, match="shape"):
        CodedTable.build(DOMAIN, np.zeros((3, 2), dtype=np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_all_pairs_of_a_large_table_are_fast(dtype: type) -> None:
    rng = np.random.default_rng(0)
    domain = Domain.from_sizes({f"a{i}": 20 + i for i in range(14)})
    codes = np.array([rng.integers(0, 20 + i, 39_000) for i in range(14)], dtype=dtype)
    coded = CodedTable.build(domain, codes)
    queries = [(pair, {}) for pair in itertools.combinations(domain.names, 2)]
    took = []
    for _ in range(6):  # the first compiles; the best of the rest is what the kernel needs
        start = time.process_time()
        assert len(coded.count(queries)) == 91
        took.append(time.process_time() - start)
    assert min(took[1:]) < 0.05
