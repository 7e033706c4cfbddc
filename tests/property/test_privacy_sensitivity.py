"""Sensitivity, fuzzed: what one unit changes is never more than what the event says.

Files are random and adversarial: c rows and more of one unit, in one cell or in distinct ones,
blank, null, undeclared, undecodable; labels that name nobody or differ by spaces. Each mutant at
the end breaks one rule of the path, among them the L1/L2 mix-up, and the same function must reject
it.
No noise is drawn and examples are the same in every run, so that nothing here fails by chance.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from neighbours import CODEC, DOMAIN, Pair, Row, answers, check, columns, kept, parts

from dpsynth.privacy.curator import Curator
from dpsynth.schema.codec import Codec
from dpsynth.sources import table as table_module
from dpsynth.sources.table import CodedTable

ODD = (b"", None, b"zzz", b"\xff\xfe", b"1e9", b" x ", b"?", b"9", b"=1+1")
UNDECLARED = (b"zzz", b"1e9", b"x", b"9", b"=1+1")
LABELS = (b"p1", b"p2", b" p2 ", b"p3", b"", b"  ", None, b"-9", b" -9.0", b"NA", b"\xc2\xa0")
FUZZ = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=250,
    report_multiple_bugs=False,
    phases=(Phase.explicit, Phase.generate),  # a mutant need not be explained, only caught
    suppress_health_check=list(HealthCheck),
)

cells = (
    st.sampled_from((b"x", b"y", *ODD)),
    st.sampled_from((b"0", b"1", b"2", b"3", *ODD)),
    st.sampled_from((b"1", b"2.0", b"3", *ODD)),
)
content = st.tuples(*cells)
partition = st.fixed_dictionaries(
    {},
    optional={
        name: st.lists(
            st.integers(0, DOMAIN[name].size - 1),
            min_size=DOMAIN[name].size,
            max_size=DOMAIN[name].size,
        ).map(np.array)
        for name in ("b", "c")
    },
)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Draw a file, a unit and questions."""
    most, labelled = draw(st.integers(1, 5)), draw(st.integers(0, 3)) < 3
    row = st.tuples(st.sampled_from(LABELS if labelled else (None,)), *cells)
    base: list[Row] = draw(
        st.one_of(st.lists(row, min_size=8, max_size=24), st.lists(row, max_size=8))
    )
    count = draw(st.integers(1, most + 2)) if labelled else 1
    one_cell = draw(st.booleans())
    own = [draw(content)] * count if one_cell else [draw(content) for _ in range(count)]
    if base and draw(st.booleans()):  # rows that others have too
        own = [base[draw(st.integers(0, len(base) - 1))][1:] for _ in own]
    others = (b"new", b"", None, b"-9", b"nan") if labelled else ()
    label = draw(st.sampled_from((b"new", *others)))
    if label != b"new":  # rows that name nobody: one of them is one person's
        own = own[:1]
    return Pair(
        base=base,
        unit=[(label, *row) for row in own],
        places=draw(st.lists(st.integers(0, 24), min_size=len(own), max_size=len(own))),
        rows=most,
        key=hashlib.sha256(draw(st.binary(max_size=4))).digest(),
        holdout=draw(st.sampled_from((0.0, 0.3))),
        labelled=labelled,
        partitions=draw(partition),
        references=draw(st.lists(st.integers(-9, 9), min_size=1, max_size=9)),
        weights=draw(st.lists(st.integers(1, 9), min_size=3, max_size=3)),
    )


# Rows alike but for texts that nobody declared.
ALIKE = Pair(
    base=[(None, b"x", b"0", text) for text in UNDECLARED * 4],
    unit=[(None, b"x", b"0", UNDECLARED[0])],
    places=[0],
    rows=1,
    key=b"k" * 16,
    holdout=0.3,
    labelled=False,
)


@given(pairs())
@example(ALIKE)
@FUZZ
def fuzz(pair: Pair) -> None:
    """Check random pairs; a test below calls it as it is, and once for each mutant."""
    check(pair)


def test_one_unit_moves_no_answer_beyond_its_event() -> None:
    fuzz()


@given(pairs(), st.randoms(use_true_random=False))
@settings(FUZZ, max_examples=100)
def test_the_order_of_other_units_does_not_matter(pair: Pair, rng: random.Random) -> None:
    rows = pair.joined
    units = sorted({row[0] or b"" for row in rows}, key=lambda _: rng.random())
    moved = [row for unit in units for row in rows if (row[0] or b"") == unit]
    if pair.labelled and {b"p2", b" p2 "} <= set(units):
        return  # two spellings of one unit: its own order changed
    for left, right in zip(parts(pair, rows), parts(pair, moved), strict=True):
        assert kept(left) == kept(right)


@given(pairs())
@settings(FUZZ, max_examples=60)
def test_encoding_is_row_wise(pair: Pair) -> None:
    rows = pair.joined
    together = CODEC.encode(columns(rows))
    alone = [CODEC.encode(columns([row]))[:, 0] for row in rows]
    assert np.array_equal(together, np.stack(alone, axis=1))


@pytest.mark.parametrize("same", [True, False])
def test_the_bound_is_reached(same: bool) -> None:
    """All c rows in one cell move a marginal by c in L1 and L2, and a score by weight times c."""
    kinds = [(b"x", b"0", b"1"), (b"y", b"1", b"2"), (b"x", b"2", b"3"), (b"y", b"3", b"?")]
    own = [(b"new", *kinds[0 if same else k]) for k in range(4)]
    pair = Pair(
        base=[], unit=own, places=[0] * 4, rows=4, key=b"k" * 16, holdout=0.0, labelled=True
    )
    empty, full = (answers(pair, parts(pair, rows)[0]) for rows in ((), own))
    changes = [np.abs(x - y) for (x, _), (y, _) in zip(empty, full, strict=True)]
    marginals, scores = changes[:3], changes[3]
    assert all(change.sum() == 4 for change in marginals)
    assert math.isclose(np.sqrt((marginals[2] ** 2).sum()), 4 if same else 2)
    assert scores.max() == 4


Patch = pytest.MonkeyPatch


def _root(rows: int) -> int:
    return math.isqrt(rows - 1) + 1


def l2_map_for_scores(patch: Patch) -> None:
    """What opendp.extras.mbi does: the sensitivity of an L1 score from the map of L2."""
    select = Curator.select

    def mixed(self: Any, query: Any, *, stage: str) -> Any:
        self._rows, rows = _root(self._rows), self._rows
        try:
            return select(self, query, stage=stage)
        finally:
            self._rows = rows

    patch.setattr(Curator, "select", mixed)


def root_of_rows_everywhere(patch: Patch) -> None:
    """Rows of a unit are taken to fall into distinct cells, and sqrt(c) for their L2 norm."""
    start = Curator.__init__

    def mixed(self: Any, table: Any, **options: Any) -> None:
        start(self, table, **options)
        self._rows = _root(self._rows)

    patch.setattr(Curator, "__init__", mixed)


def no_bounding(patch: Patch) -> None:
    """The table says that it is bounded and is not."""
    patch.setattr(CodedTable, "bounded", lambda self, most, key: replace(self, max_rows=most))


def global_reservoir(patch: Patch) -> None:
    """One shuffle of all rows decides which of a unit stay."""

    def shuffled(self: CodedTable, most: int, key: bytes) -> CodedTable:
        seen: dict[int, int] = {}
        keep = np.zeros(self.n_rows, dtype=bool)
        order = np.random.default_rng(list(key)).permutation(self.n_rows)
        for row in order.tolist():
            unit = int(self.units[row])
            seen[unit] = seen.get(unit, 0) + 1
            keep[row] = seen[unit] <= most
        return replace(self._rows(keep), max_rows=most)

    patch.setattr(CodedTable, "bounded", shuffled)


def partition_from_exact_counts(patch: Patch) -> None:
    """Codes that occur get bins of their own, the others share one."""
    measure = Curator.measure

    def fitted(self: Any, queries: Any, *, stage: str) -> Any:
        changed = []
        for query in queries:
            name = query.attributes[0]
            present = self._table.count([((name,), {})])[0] > 0
            part = np.where(present, np.cumsum(present) - 1, 0).astype(np.int64)
            changed.append(replace(query, partitions={**query.partitions, name: part}))
        return measure(self, changed, stage=stage)

    patch.setattr(Curator, "measure", fitted)


def declared_codes_name_a_unit(patch: Patch) -> None:
    """Everybody who is not known becomes one person."""
    labels = table_module.named_units
    patch.setattr(table_module, "named_units", lambda column, _: labels(column, ()))


def blank_labels_are_one_unit(patch: Patch) -> None:
    """Everybody without a name becomes one person."""
    labels = table_module.named_units

    def joined(column: Any, codes: Any) -> Any:
        found, places = labels(column, codes)
        return [*found, b""], np.where(places < 0, len(found), places)

    patch.setattr(table_module, "named_units", joined)


def duplicates_are_dropped(patch: Patch) -> None:
    """Of equal rows, whoever they belong to, the first one stays."""
    build = CodedTable.build.__func__  # type: ignore[attr-defined]

    def unique(
        cls: Any, domain: Any, codes: Any, labels: Any, texts: Any, *, nobody: Any = ()
    ) -> Any:
        first = np.sort(np.unique(codes, axis=1, return_index=True)[1])
        keep = np.isin(np.arange(codes.shape[1]), first)
        return build(
            cls,
            domain,
            codes[:, first],
            None if labels is None else labels.take(first),
            {name: column.rows(keep) for name, column in texts.items()},
            nobody=nobody,
        )

    patch.setattr(CodedTable, "build", classmethod(unique))


def texts_are_no_part_of_a_row(patch: Patch) -> None:
    """Rows that differ only in an undeclared column pass for identical ones."""
    digests = table_module._row_digests
    patch.setattr(table_module, "_row_digests", lambda codes, texts: digests(codes, ()))


def split_by_place(patch: Patch) -> None:
    """The place in the file decides the side."""

    def by_place(self: CodedTable, fraction: float, key: bytes) -> Any:
        held = (self.units % 3 == 0) & (fraction > 0)
        return self._rows(~held), self._rows(held)

    patch.setattr(CodedTable, "split", by_place)


def codes_by_rank(patch: Patch) -> None:
    """Categories are numbered as they occur."""
    encode = Codec.encode

    def ranked(self: Codec, read: Any) -> Any:
        codes = encode(self, read)
        return np.stack([np.unique(c, return_inverse=True)[1] for c in codes]).astype(codes.dtype)

    patch.setattr(Codec, "encode", ranked)


EXCESS, OTHERS = "more than a", "a unit changed what is kept of another"
MUTANTS: dict[Callable[[Patch], None], str] = {  # and what the fuzz must say about each
    l2_map_for_scores: f"{EXCESS} SelectionEvent",
    root_of_rows_everywhere: f"{EXCESS} GaussianEvent",
    no_bounding: f"{EXCESS} GaussianEvent",
    global_reservoir: OTHERS,
    partition_from_exact_counts: "an event follows the rows",
    declared_codes_name_a_unit: OTHERS,
    blank_labels_are_one_unit: OTHERS,
    duplicates_are_dropped: OTHERS,
    texts_are_no_part_of_a_row: f"{EXCESS} ThresholdEvent",
    split_by_place: OTHERS,
    codes_by_rank: "encoding a row depends on another row",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_rejected(mutant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mutant(monkeypatch)
    with pytest.raises(AssertionError, match=MUTANTS[mutant]):
        fuzz()
