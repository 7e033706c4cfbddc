"""Requests to the Curator, checked against the public domain before anything is charged.

A request is public: no check here looks at a row or at a count. What passes cannot overflow, round
or fail later, so that a charge is never followed by an error that depends on the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Integers
from dpsynth.errors import InputError
from dpsynth.privacy.measurement import Candidate, Partitions
from dpsynth.privacy.unit import MAX_ROWS
from dpsynth.schema.domain import Domain

MAX_WEIGHT = 2**20
MAX_REFERENCE_SUM = 2**40
MAX_OFFSET = 2**60
MAX_CELLS_PER_MARGINAL = 100_000
MAX_CELLS_PER_RUN = 1_000_000


@dataclass(frozen=True, kw_only=True)
class MarginalRequest:
    """A checked request for exact counts of one marginal."""

    attributes: tuple[str, ...]
    partitions: dict[str, Integers]
    shape: tuple[int, ...]

    @property
    def cells(self) -> int:
        """Number of cells."""
        return math.prod(self.shape)

    @property
    def key(self) -> tuple[tuple[str, ...], tuple[tuple[str, bytes], ...]]:
        """What identifies the counts in a cache."""
        return self.attributes, tuple((n, p.tobytes()) for n, p in sorted(self.partitions.items()))


@dataclass(frozen=True, kw_only=True)
class ScoreRequest:
    """A checked request for exact scores ``weight * L1(counts, reference) + offset``."""

    marginals: tuple[MarginalRequest, ...]
    references: tuple[Integers, ...]
    weights: tuple[int, ...]
    offsets: tuple[int, ...]

    def scores(self, counts: Sequence[Integers]) -> Integers:
        """Return the scores of exact counts, one array a marginal, as int64."""
        return np.array(
            [
                weight * int(np.abs(found - reference).sum()) + offset
                for found, reference, weight, offset in zip(
                    counts, self.references, self.weights, self.offsets, strict=True
                )
            ],
            dtype=np.int64,
        )


def check_budget(rho: float, delta: float) -> None:
    """Refuse a budget that is none.

    Raises:
        InputError: rho is not finite and positive, or delta lies outside of [0, 1).
    """
    if not (math.isfinite(rho) and rho > 0):
        raise InputError("must be finite and positive.", where="rho")
    if not 0.0 <= delta < 1.0:
        raise InputError("must lie in [0, 1).", where="delta")


def check_bounded(held: int | None, max_rows_per_unit: int) -> None:
    """Refuse a table that may hold more rows of one unit than the sensitivity allows for.

    Args:
        held: Rows of one unit that the table holds at most; None if nobody has bounded them.
        max_rows_per_unit: Sensitivity of every count.
    """
    if isinstance(max_rows_per_unit, bool) or not 1 <= max_rows_per_unit <= MAX_ROWS:
        raise InputError(f"must lie in [1, {MAX_ROWS}].", where="max_rows_per_unit")
    if held is None or held > max_rows_per_unit:
        raise InputError(
            "The table holds more rows of one unit than the sensitivity allows for.",
            where="max_rows_per_unit",
            fix="Bound the table to that number of rows per unit first.",
        )


def check_cells(cells: Sequence[int], left: int) -> None:
    """Refuse a request that would draw more noise than one run can afford in time.

    Args:
        cells: Cells of each marginal that is asked for.
        left: Cells that the run may still measure.
    """
    if max(cells) > MAX_CELLS_PER_MARGINAL:
        raise InputError(
            f"A marginal of {max(cells)} cells exceeds the limit of {MAX_CELLS_PER_MARGINAL}.",
            fix="Coarsen its attributes first.",
        )
    if sum(cells) > left:
        raise InputError(
            f"The run would measure more than {MAX_CELLS_PER_RUN} cells.",
            fix="Measure fewer or coarser marginals.",
        )


def marginal_request(
    domain: Domain, attributes: tuple[str, ...], partitions: Partitions
) -> MarginalRequest:
    """Return a request that a source can answer.

    Raises:
        InputError: An attribute is unknown or repeated, or a partition is malformed.
    """
    names = ", ".join(attributes)
    if not attributes or len(set(attributes)) != len(attributes):
        raise InputError("A marginal needs distinct attributes.", where=names)
    for name in (*attributes, *partitions):
        if name not in domain.names:
            raise InputError("The domain has no such attribute.", where=name)
    if not set(partitions) <= set(attributes):
        raise InputError("A partition names an attribute outside its marginal.", where=names)
    checked = {
        name: _partition(name, partition, domain[name].size)
        for name, partition in partitions.items()
    }
    shape = tuple(
        int(checked[name].max()) + 1 if name in checked else domain[name].size
        for name in attributes
    )
    return MarginalRequest(attributes=attributes, partitions=checked, shape=shape)


def score_request(domain: Domain, candidates: Sequence[Candidate], stage: str) -> ScoreRequest:
    """Return a request for the scores of candidates.

    Raises:
        InputError: There is no candidate, or one is malformed.
    """
    if not candidates:
        raise InputError("There is nothing to score.", where=stage)
    marginals = tuple(marginal_request(domain, c.attributes, c.partitions) for c in candidates)
    for candidate in candidates:
        names = ", ".join(candidate.attributes)
        _check_integer(candidate.weight, 1, MAX_WEIGHT, "weight", names)
        _check_integer(candidate.offset, -MAX_OFFSET, MAX_OFFSET, "offset", names)
    return ScoreRequest(
        marginals=marginals,
        references=tuple(
            _reference(c, m.shape) for c, m in zip(candidates, marginals, strict=True)
        ),
        weights=tuple(c.weight for c in candidates),
        offsets=tuple(c.offset for c in candidates),
    )


def _partition(name: str, partition: NDArray[np.int64], size: int) -> Integers:
    """Return a private copy of a partition that maps every code to a coarse code."""
    array = np.asarray(partition)
    if not np.issubdtype(array.dtype, np.integer) or array.shape != (size,):
        raise InputError(f"A partition must hold {size} integers.", where=name)
    if int(array.min()) < 0 or int(array.max()) >= size:
        raise InputError("A partition must map to codes from 0, no more than it has.", where=name)
    copy = array.astype(np.int64, copy=True)
    copy.setflags(write=False)
    return copy


def _reference(candidate: Candidate, shape: tuple[int, ...]) -> Integers:
    """Return the reference of a candidate as int64; refuse what could overflow or round."""
    names = ", ".join(candidate.attributes)
    reference = np.asarray(candidate.reference)
    if not np.issubdtype(reference.dtype, np.integer) or reference.shape != shape:
        raise InputError(f"A reference must hold integers of shape {shape}.", where=names)
    if np.abs(reference.astype(np.float64)).sum() > MAX_REFERENCE_SUM:
        raise InputError("A reference is too large for exact scores.", where=names)
    return reference.astype(np.int64)


def _check_integer(value: object, low: int, high: int, label: str, where: str) -> None:
    """Refuse what is no integer in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"The {label} must be an integer in [{low}, {high}].", where=where)
