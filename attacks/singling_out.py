"""Singling out: does the synthetic table yield predicates that isolate one real row?

Article 29 Working Party, Opinion 05/2014 (WP 216): to isolate some records of an individual in the
data set. A predicate is read off the synthetic table, where it holds exactly once, and succeeds if
it holds for exactly one training row; the control is the same question to as many held-out rows.
Any predicate of weight w isolates one of n rows with probability n w (1 - w)^(n - 1), up to 37 %
(Cohen and Nissim, "Towards formalizing the GDPR's notion of singling out", PNAS 2020): a success is
no leak unless members succeed more often.

The test looks at rows, not at predicates: the real rows that some predicate isolates among members
and non-members together. Which of them are members is hypergeometric if the split was random, also
where many predicates isolate the same row; a test that counted predicates would raise false alarms.

Never true here: that a predicate was built with a look at a real row.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from dpsynth.attacks.api import Attack, AttackData, inconclusive, too_little
from dpsynth.attacks.criteria import Hits, LabelTest, conclude
from numba import njit

from dpsynth.arrays import Codes, Integers
from dpsynth.results import AttackResult
from dpsynth.schema.domain import Attribute, Domain

_TRIES = 8  # sets of columns that are tried around one synthetic row
_BATCH = 2_000  # synthetic rows that are tried at once


class Around(Enum):
    """What a multivariate predicate says about an ordered cell of its synthetic row."""

    WINDOW = "window"  #: the value lies within `window` of the declared range
    TAIL = "tail"  #: at least as far from the synthetic median, on the same side


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicates:
    """Conjunctions over codes: low <= code <= high in every column named.

    Attributes:
        columns: Column numbers, shape (p, c); -1 where a predicate has fewer columns.
        low: Smallest code that fits, shape (p, c).
        high: Largest code that fits, shape (p, c).
    """

    columns: Integers
    low: Integers
    high: Integers

    def __len__(self) -> int:
        """Return the number of predicates."""
        return len(self.columns)

    def take(self, which: Integers) -> Predicates:
        """Return the predicates of these numbers."""
        return Predicates(columns=self.columns[which], low=self.low[which], high=self.high[which])

    def isolate(self, rows: Codes) -> Integers:
        """Return for each predicate the one row that fits, -1 if none does, -2 if several do.

        Args:
            rows: Codes, shape (n, d).
        """
        found = np.empty(len(self), np.int64)
        order = np.argsort(self._weights(rows), axis=1)  # the rarest condition first: it ends most
        columns, low, high = (
            np.take_along_axis(part, order, axis=1) for part in (self.columns, self.low, self.high)
        )
        _isolate(np.ascontiguousarray(rows.T, dtype=np.int32), columns, low, high, found)
        return found

    def _weights(self, rows: Codes) -> Integers:
        """Return how many rows fit each single condition, shape (p, c)."""
        weights = np.full(self.columns.shape, len(rows) + 1, np.int64)
        for j in range(rows.shape[1]):
            here = self.columns == j
            if here.any():
                low, high = self.low[here], self.high[here]
                counts = np.bincount(rows[:, j], minlength=int(high.max()) + 1)
                below = np.concatenate([[0], np.cumsum(counts)])
                weights[here] = below[high + 1] - below[low]
        return weights


@dataclass(frozen=True, kw_only=True)
class SinglingOutUnivariate:
    """Predicates on one column: values that occur once, and unique extremes of ordered columns.

    Attributes:
        name: Machine name.
        title: Human title.
        attacks: Largest number of predicates.
    """

    name: str = "singling_out_univariate"
    title: str = "Singling out by one attribute"
    all_rows: bool = True
    attacks: int = 10_000

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Build predicates on the synthetic table and count what they isolate.

        Args:
            data: The tables; members and non-members are cut to equal numbers.
            seed: Draws the rows that are kept, the predicates and the baseline.
        """
        reason = too_little(data)
        if reason is not None:
            return inconclusive(self, reason)
        data = data.balanced(seed)
        rng = np.random.default_rng(seed)
        found = unique_values(data.domain, data.synthetic)
        found = found.take(rng.permutation(len(found))[: self.attacks])
        return _judge(self, data, found, _random(data.domain, rng, len(found), 1), {})


@dataclass(frozen=True, kw_only=True)
class SinglingOutMultivariate:
    """Predicates on a few random columns around a synthetic row, which hold for it alone.

    Attributes:
        name: Machine name.
        title: Human title.
        attacks: Largest number of predicates, each around another synthetic row.
        columns: Smallest and largest number of columns of a predicate.
        around: What is said about ordered cells.
        window: Half width of the window, as a share of the declared range.
    """

    name: str = "singling_out_multivariate"
    title: str = "Singling out by several attributes"
    all_rows: bool = False
    attacks: int = 10_000
    columns: tuple[int, int] = (4, 8)
    around: Around = Around.WINDOW
    window: float = 0.01

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Build predicates on the synthetic table and count what they isolate.

        Args:
            data: The tables; members and non-members are cut to equal numbers.
            seed: Draws the rows that are kept, the predicates and the baseline.
        """
        reason = too_little(data)
        if reason is None and len(data.domain) < 2:
            reason = "A conjunction needs two columns."
        if reason is not None:
            return inconclusive(self, reason)
        data = data.balanced(seed)
        rng = np.random.default_rng(seed)
        few, many = (min(limit, max(2, len(data.domain) - 1)) for limit in self.columns)
        found = self._alone(data, rng, few, many)
        details: dict[str, float | int | str | None] = {
            "columns_at_least": few,
            "columns_at_most": many,
            "ordered_cells": self.around.value,
        }
        baseline = _random(data.domain, rng, len(found), many)
        return _judge(self, data, found, baseline, details)

    def _alone(self, data: AttackData, rng: np.random.Generator, few: int, many: int) -> Predicates:
        """Return predicates that hold for one synthetic row each, every one for another row."""
        low, high = self._bounds(data.domain, data.synthetic)
        waiting, missing = np.arange(len(data.synthetic)), self.attacks
        kept: list[Predicates] = []
        for _ in range(_TRIES):
            failed = []
            for start in range(0, len(waiting), _BATCH):
                rows = waiting[start : start + _BATCH]
                columns = _some_columns(rng, len(rows), len(data.domain), few, many)
                tried = Predicates(
                    columns=columns,
                    low=np.take_along_axis(low[rows], columns, axis=1),
                    high=np.take_along_axis(high[rows], columns, axis=1),
                )
                alone = tried.isolate(data.synthetic) >= 0
                kept.append(tried.take(np.flatnonzero(alone)[:missing]))
                failed.append(rows[~alone])
                missing -= len(kept[-1])
                if not missing:
                    break
            waiting = np.concatenate(failed)
            if not missing or not len(waiting):
                break
        return Predicates(
            columns=np.concatenate([part.columns for part in kept]),
            low=np.concatenate([part.low for part in kept]),
            high=np.concatenate([part.high for part in kept]),
        )

    def _bounds(self, domain: Domain, rows: Codes) -> tuple[Integers, Integers]:
        """Return the lowest and highest code that fits around each cell, both (n, d)."""
        low, high = rows.astype(np.int64), rows.astype(np.int64)
        for j, attribute in enumerate(domain):
            if not attribute.n_ordered:
                continue
            codes = np.arange(attribute.n_ordered)
            if self.around is Around.WINDOW:
                at = np.asarray(attribute.positions)
                reach = self.window * float(at[-1] - at[0])
                first = np.searchsorted(at, at - reach, side="left")
                last = np.searchsorted(at, at + reach, side="right") - 1
            else:
                line = rows[:, j][rows[:, j] < attribute.n_ordered]
                above = codes >= (np.median(line) if len(line) else 0)
                first = np.where(above, codes, 0)
                last = np.where(above, attribute.n_ordered - 1, codes)
            on_line = low[:, j] < attribute.n_ordered
            low[on_line, j], high[on_line, j] = first[low[on_line, j]], last[high[on_line, j]]
        return low, high


def unique_values(domain: Domain, synthetic: Codes) -> Predicates:
    """Return the predicates on one column that hold for exactly one synthetic row.

    They are "the value is v", and for ordered columns "the value is at most v" and "at least v"
    where v is a smallest or largest value that occurs once.

    Args:
        domain: Domain of the columns.
        synthetic: Codes, shape (n, d).
    """
    found: list[tuple[int, int, int]] = []
    for j, attribute in enumerate(domain):
        counts = np.bincount(synthetic[:, j], minlength=attribute.size)
        found += [(j, int(code), int(code)) for code in np.flatnonzero(counts == 1)]
        occupied = np.flatnonzero(counts[: attribute.n_ordered])
        if len(occupied) and counts[occupied[0]] == 1:
            found.append((j, 0, int(occupied[0])))
        if len(occupied) and counts[occupied[-1]] == 1:
            found.append((j, int(occupied[-1]), attribute.n_ordered - 1))
    table = np.array(found, np.int64).reshape(-1, 3)
    return Predicates(columns=table[:, :1], low=table[:, 1:2], high=table[:, 2:])


def _judge(
    attack: Attack,
    data: AttackData,
    predicates: Predicates,
    random: Predicates,
    details: dict[str, float | int | str | None],
) -> AttackResult:
    """Count isolated rows and conclude."""
    if not len(predicates):
        return inconclusive(attack, "No predicate holds for exactly one synthetic row.")
    size = len(data.train)
    train, holdout = predicates.isolate(data.train), predicates.isolate(data.holdout)
    hits = Hits(
        members=int((train >= 0).sum()),
        non_members=int((holdout >= 0).sum()),
        baseline=int((random.isolate(data.train) >= 0).sum()),
        trials=len(predicates),
    )
    test = LabelTest(
        hits=len(np.unique(train[(train >= 0) & (holdout == -1)])),
        members=size,
        control_hits=len(np.unique(holdout[(holdout >= 0) & (train == -1)])),
        non_members=size,
        most=min(size, len(predicates)),
    )
    return conclude(
        attack,
        hits,
        test,
        unit="share of predicates that isolate one training row",
        size=size,
        baseline_title="random predicates, made without the synthetic table",
        control_title="the same predicates among as many held-out rows",
        happens="isolated",
        details={
            **details,
            "synthetic_rows": len(data.synthetic),
            "test": "Fisher's exact test on rows isolated among members and non-members together",
        },
        note="A predicate can isolate a row by chance; only an excess over held-out rows counts.",
    )


def _some_columns(
    rng: np.random.Generator, count: int, width: int, few: int, many: int
) -> Integers:
    """Return sets of `few` to `many` columns, -1 where a set is smaller, shape (count, many)."""
    columns = np.argsort(rng.random((count, width)), axis=1)[:, :many].astype(np.int64)
    sizes = rng.integers(few, many + 1, count)
    columns[np.arange(many)[None] >= sizes[:, None]] = -1
    return columns


def _random(domain: Domain, rng: np.random.Generator, count: int, width: int) -> Predicates:
    """Return predicates of `width` random columns; ordered cells get a random half line."""
    columns = _some_columns(rng, count, len(domain), width, width)
    low, high = np.empty_like(columns), np.empty_like(columns)
    for j, attribute in enumerate(domain):
        here = columns == j
        low[here], high[here] = _random_bounds(attribute, rng, int(here.sum()))
    return Predicates(columns=columns, low=low, high=high)


def _random_bounds(
    attribute: Attribute, rng: np.random.Generator, count: int
) -> tuple[Integers, Integers]:
    if not attribute.n_ordered:
        codes = rng.integers(0, attribute.size, count)
        return codes, codes
    codes, upwards = rng.integers(0, attribute.n_ordered, count), rng.random(count) < 0.5
    return np.where(upwards, codes, 0), np.where(upwards, attribute.n_ordered - 1, codes)


@njit(cache=True)
def _isolate(table, columns, low, high, found):  # type: ignore[no-untyped-def]
    """Write for each predicate the only row that fits, -1 for none, -2 for several."""
    for p in range(columns.shape[0]):
        found[p] = -1
        for i in range(table.shape[1]):
            fits = True
            for c in range(columns.shape[1]):
                j = columns[p, c]
                if j >= 0:
                    code = table[j, i]
                    if code < low[p, c] or code > high[p, c]:
                        fits = False
                        break
            if fits:
                if found[p] == -1:
                    found[p] = i
                else:
                    found[p] = -2
                    break
