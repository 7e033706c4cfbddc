"""Neighbouring files through the real path, and what a Curator computes exactly on each of them.

Texts are encoded, made into a table, bounded and split as a release does. The noise functions of
the Curator are replaced by recorders, so that the exact answers of both worlds can be compared with
the event that was charged for them.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from dpsynth.privacy import curator as curator_module
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import (
    Event,
    GaussianEvent,
    ScoresEvent,
    SelectionEvent,
    ThresholdEvent,
)
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.measurement import Candidate, MarginalQuery, SelectionQuery
from dpsynth.schema.codec import Codec
from dpsynth.schema.dictionary import load_dictionary
from dpsynth.sources.table import CodedTable
from dpsynth.sources.undeclared import TextColumn

DICTIONARY = """\
version: 1
title: Fuzz
privacy_unit: {kind: column, column: person}
columns:
- {name: person, kind: text, role: direct_identifier, meaning: person, domain: {max_length: 9}}
- {name: a, kind: categorical, role: other, meaning: a, domain: {categories: [x, y]}}
- {name: b, kind: integer, role: other, meaning: b,
   domain: {lower: 0, upper: 3, bins: {uniform: 2}}, special: {'9': refused}}
- {name: c, kind: categorical, role: other, meaning: c, domain: {categories: ['1', '2', '3'],
   numeric_equivalence: true}, missing: {'?': unknown}}
"""
NOBODY = ("-9",)  #: declared code of a person who is not known
NAMES = ("person", "a", "b", "c")
SETS = (("a",), ("c", "b"), ("a", "b", "c"))
RAW = "raw"  #: the texts of column c once more, as a column that nobody declared
TEXTS = ("1", "2.0", "3", "zzz", "1e9", "x", "9", "=1+1", "y", "0", "2")

Cell = bytes | None
Row = tuple[Cell, ...]  # label first


def _codec() -> Codec:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dictionary.yaml"
        path.write_text(DICTIONARY, encoding="utf-8")
        return Codec.from_dictionary(load_dictionary(path))


CODEC = _codec()
DOMAIN = CODEC.domain


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A file without and with one unit, and what is asked about it.

    Attributes:
        base: Rows of the others.
        unit: Rows of the unit, all of one label (or all blank: then nobody's).
        places: Where each row of the unit is put in.
        rows: Most rows of one unit, c.
        key: Key of bounding and split.
        holdout: Share of the split.
        labelled: Whether the first column names the unit; else each row is one.
        partitions: Public coarsening by attribute.
        references: Numbers that public references are made of.
        weights: Weight of each candidate.
    """

    base: Sequence[Row]
    unit: Sequence[Row]
    places: Sequence[int]
    rows: int
    key: bytes
    holdout: float
    labelled: bool
    partitions: dict[str, np.ndarray] = field(default_factory=dict)
    references: Sequence[int] = (0,)
    weights: Sequence[int] = (1, 1, 1)

    @property
    def joined(self) -> list[Row]:
        """The file with the unit: its rows keep their order and stand anywhere."""
        rows = list(self.base)
        for place, row in zip(sorted(self.places, reverse=True), reversed(self.unit), strict=True):
            rows.insert(min(place, len(self.base)), row)
        return rows

    @property
    def most(self) -> int:
        """The declared number of rows of one unit."""
        return self.rows if self.labelled else 1


def columns(rows: Sequence[Row]) -> dict[str, pa.Array]:
    """Return the columns of a file."""
    return {
        name: pa.array([row[place] for row in rows], type=pa.binary())
        for place, name in enumerate(NAMES)
    }


def parts(pair: Pair, rows: Sequence[Row]) -> tuple[CodedTable, CodedTable]:
    """Return training part and holdout of a file, by the steps of a release."""
    read = columns(rows)
    codes = CODEC.encode(read)
    texts = {RAW: TextColumn.of(read["c"], ("?",))}
    labels = read["person"] if pair.labelled else None
    table = CodedTable.build(DOMAIN, codes, labels, texts, nobody=NOBODY)
    return table.bounded(pair.most, pair.key).split(pair.holdout, pair.key)


def kept(table: CodedTable) -> Counter[tuple[bytes, bytes]]:
    """Return the rows of a part, each with the digest of its unit."""
    return Counter(
        (table.digests[unit].tobytes(), row.tobytes())
        for unit, row in zip(table.units, table.rows(), strict=True)
    )


def _of(pair: Pair, names: Sequence[str]) -> dict[str, np.ndarray]:
    return {name: part for name, part in pair.partitions.items() if name in names}


def ask_marginals(curator: Curator, pair: Pair) -> None:
    """Measure every marginal, coarsened or not."""
    queries = [MarginalQuery(attributes=s, rho=1.0, partitions=_of(pair, s)) for s in SETS]
    curator.measure(queries, stage="marginals")


def candidates(pair: Pair) -> tuple[Candidate, ...]:
    """Return one candidate for each marginal."""
    found = []
    for names, weight in zip(SETS, pair.weights, strict=True):
        part = _of(pair, names)
        shape = [int(part[n].max()) + 1 if n in part else DOMAIN[n].size for n in names]
        found.append(
            Candidate(
                attributes=names,
                partitions=part,
                reference=np.resize(np.array(pair.references), shape),
                weight=weight,
                offset=-weight,
            )
        )
    return tuple(found)


def ask_selection(curator: Curator, pair: Pair) -> None:
    """Select one of the marginals by its score."""
    curator.select(SelectionQuery(candidates=candidates(pair), rho=1.0), stage="selection")


def ask_scores(curator: Curator, pair: Pair) -> None:
    """Ask for the scores of all marginals."""
    curator.score(candidates(pair), rho=1.0, stage="scores")


def ask_discovery(curator: Curator, pair: Pair) -> None:
    """Discover the texts of the undeclared column."""
    curator.discover(RAW, rho=1.0, delta=1e-4, stage="discovery")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One method of the Curator.

    Attributes:
        noise: Name of the noise function that it calls in the Curator's module.
        answer: What the recorder returns for exact values, beside the price.
        ask: Calls the method.
    """

    noise: str
    answer: Callable[[np.ndarray], Any]
    ask: Callable[[Curator, Pair], None]


# A new method of the Curator is one more row here, and its event one more branch of `excess_of`.
CASES = {
    "marginals": Case(noise="gaussian", answer=lambda exact: exact, ask=ask_marginals),
    "selection": Case(noise="noisy_max", answer=lambda exact: 0, ask=ask_selection),
    "scores": Case(noise="gaussian", answer=lambda exact: exact, ask=ask_scores),
    "discovery": Case(noise="threshold", answer=lambda exact: {}, ask=ask_discovery),
}


def answers(pair: Pair, table: CodedTable) -> list[tuple[np.ndarray, Event]]:
    """Return (exact values, event that was charged) of every answer, case by case."""
    seen: list[np.ndarray] = []
    with ExitStack() as stack:
        for case in CASES.values():
            stack.enter_context(_recording(case, seen))
        curator = stack.enter_context(
            Curator(
                table,
                reservation=MemoryReservation(99.0, discovery_delta=1e-3),
                max_rows_per_unit=pair.most,
                rho=99.0,
                delta=1e-3,
            )
        )
        for case in CASES.values():
            case.ask(curator, pair)
        events = [event for _, event in curator.events]
    return list(zip(seen, events, strict=True))


@contextmanager
def _recording(case: Case, seen: list[np.ndarray]) -> Iterator[None]:
    def record(exact: Any, *parameters: object) -> tuple[Any, float]:
        if isinstance(exact, dict):
            assert set(exact) <= set(TEXTS), "a text that cannot be a category is counted"
            exact = [exact.get(text, 0) for text in TEXTS]
        seen.append(np.array(exact))
        return case.answer(exact), 0.0

    with patch.object(curator_module, case.noise, record):
        yield


def excess_of(event: Event, left: np.ndarray, right: np.ndarray) -> float:
    """Return by how much two exact answers differ beyond what an event declares."""
    if left.shape != right.shape:
        return float("inf")
    change = np.abs(left - right).reshape(-1)
    l1, squares = int(change.sum()), int((change**2).sum())
    largest, touched = int(change.max(initial=0)), int(np.count_nonzero(change))
    match event:
        case GaussianEvent(sensitivity=declared):
            return max(l1 - declared, squares - declared**2)
        case SelectionEvent(sensitivity=declared):
            return largest - declared
        case ScoresEvent(squared_sensitivity=declared):
            return squares - declared
        case ThresholdEvent(sensitivity=declared):
            return max(touched - declared, squares - declared**2, largest - declared)
    raise TypeError(f"no norm is stated for {type(event).__name__}")


def check(pair: Pair) -> None:
    """Assert everything that neighbours may not do to each other."""
    assert len(pair.joined) == len(pair.base) + len(pair.unit)
    alone, beside = CODEC.encode(columns(pair.base)), CODEC.encode(columns(pair.joined))
    expected = Counter(map(bytes, np.ascontiguousarray(alone.T)))
    found = Counter(map(bytes, np.ascontiguousarray(beside.T)))
    assert not expected - found, "encoding a row depends on another row"
    without, with_unit = parts(pair, pair.base), parts(pair, pair.joined)
    gained = 0
    for left, right in zip(without, with_unit, strict=True):
        others, everybody = kept(left), kept(right)
        assert not others - everybody, "a unit changed what is kept of another, or its side"
        gained += (everybody - others).total()
        for (x, event), (y, same) in zip(answers(pair, left), answers(pair, right), strict=True):
            assert event == same, "an event follows the rows"
            assert excess_of(event, x, y) <= 0, f"more than a {type(event).__name__} declares"
    assert gained <= pair.most, "more rows of a unit are kept than declared"
