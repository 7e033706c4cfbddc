"""What every fidelity measure is given: three coarse coded tables and the label.

The caller has merged fine cells into the bins that the dictionary declares, so that distances are
between declared cells and not between bins somebody chose after looking.

Never true here: that a number may be published. Everything is computed on private rows: raw.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.errors import InputError
from dpsynth.results import FidelityResult, Status
from dpsynth.schema.domain import Domain


@dataclass(frozen=True, kw_only=True)
class FidelityData:
    """The coarse tables of one release.

    Attributes:
        domain: Coarse domain; its attributes are the columns.
        train: Coarse codes of the rows that the synthesizer was fitted on, shape (n, d).
        holdout: Coarse codes of the sealed real rows, (m, d); may be empty.
        synthetic: Coarse codes of the synthetic rows, (k, d).
        label: Column that an analyst would predict, or None.

    Raises:
        InputError: A table has another shape or codes outside the domain; the label is no column.
    """

    domain: Domain
    train: Codes
    holdout: Codes
    synthetic: Codes
    label: str | None = None

    def __post_init__(self) -> None:
        """Check shapes, codes and label."""
        sizes = np.array([attribute.size for attribute in self.domain], dtype=np.int64)
        for name in ("train", "holdout", "synthetic"):
            codes = getattr(self, name)
            if (
                not isinstance(codes, np.ndarray)
                or codes.ndim != 2
                or codes.dtype.kind not in "iu"
                or codes.shape[1] != len(sizes)
            ):
                raise InputError(
                    f"The {name} table is not an array of codes with the domain's columns.",
                    where="fidelity data",
                    fix="Encode and coarsen all tables with the same dictionary.",
                )
            if codes.size and ((codes.min(axis=0) < 0) | (codes.max(axis=0) >= sizes)).any():
                raise InputError(
                    f"The {name} table has codes outside the coarse domain.",
                    where="fidelity data",
                    fix="Encode and coarsen all tables with the same dictionary.",
                )
        if self.label is not None and self.label not in self.domain.names:
            raise InputError(
                "The label is not a column of the coarse domain.",
                where=self.label,
                fix="Name a modelled column as label, or none.",
            )

    def too_little(self) -> str | None:
        """Return why the training and synthetic tables cannot be compared, or None."""
        if not len(self.domain):
            return "The domain has no columns."
        if not len(self.train) or not len(self.synthetic):
            return "The training or the synthetic table has no rows."
        return None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The four tables that are compared, column by column (shape (d, rows), int32).

    Attributes:
        train: The training rows.
        synthetic: The synthetic rows.
        floor: As many real rows as there are synthetic ones, drawn with replacement from the
            training rows: what sampling alone costs.
        independent: As many rows, every column drawn by itself from its exact distribution: what a
            synthesizer without any relation between columns would reach.
    """

    train: NDArray[np.int32]
    synthetic: NDArray[np.int32]
    floor: NDArray[np.int32]
    independent: NDArray[np.int32]


def reference(data: FidelityData, seed: int) -> Reference:
    """Return the tables to compare; `seed` draws the floor and the independent columns."""
    rng = np.random.default_rng(seed)
    train = _columns(data.train)
    count = len(data.synthetic)
    floor = np.ascontiguousarray(train[:, rng.integers(0, train.shape[1], count)])
    independent = np.stack([column[rng.integers(0, len(column), count)] for column in train])
    return Reference(
        train=train, synthetic=_columns(data.synthetic), floor=floor, independent=independent
    )


def column_sets(columns: int, width: int, limit: int, seed: int) -> list[tuple[int, ...]]:
    """Return all sets of `width` of the columns, or `limit` of them drawn with `seed`."""
    total = math.comb(columns, width)
    if total <= limit:
        return list(itertools.combinations(range(columns), width))
    rng = np.random.default_rng(seed)
    chosen: set[tuple[int, ...]] = set()
    while len(chosen) < limit:
        chosen.add(tuple(sorted(rng.choice(columns, width, replace=False).tolist())))
    return sorted(chosen)


def inconclusive(name: str, title: str, reason: str) -> FidelityResult:
    """Return a result that says why there is no number."""
    return FidelityResult(name=name, title=title, status=Status.INCONCLUSIVE, reason=reason)


def named(domain: Domain, columns: Sequence[int]) -> str:
    """Return column names for a reader, joined by a multiplication sign."""
    return " × ".join(domain.names[j] for j in columns)


def _columns(codes: Codes) -> NDArray[np.int32]:
    return np.ascontiguousarray(codes.T.astype(np.int32))
