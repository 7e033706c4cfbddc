"""Controls without chance: what objects, books and files say of themselves.

An inspection looks at one run and answers whether it found the fault; nothing in it is a test that
could err. Each twin here is made by hand after a fault of another program (docs/attacks_peers.md).
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.tree import DecisionTreeClassifier

from benchmarks import own
from dpsynth.arrays import Codes
from dpsynth.auditing.artifacts import holding
from dpsynth.errors import SelfTestError
from dpsynth.privacy.books import Account
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import Event
from dpsynth.privacy.measurement import MarginalQuery
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth import registry

_BUDGET = Budget(epsilon=1.0, delta=1e-9)
_RHO = 0.5
_TEACHERS = 10
_ROWS = 997  # no column of a table has so many codes
_TOKEN = "Zanzibar-Quux-7731"


def fewer_objects(claimed: Sequence[object]) -> bool:
    """Return whether fewer objects exist than are claimed, such as teachers of an ensemble."""
    return len({id(one) for one in claimed}) < len(claimed)


def aliased_teachers(domain: Domain, rows: Codes, seed: int) -> bool:
    """Inspect an ensemble whose teachers are one object, trained on all rows."""
    del domain
    one = DecisionTreeClassifier(max_depth=2, random_state=seed)
    teachers = [one.fit(part[:, 1:], part[:, 0]) for part in np.array_split(rows, _TEACHERS)]
    return fewer_objects(teachers)


def own_teachers(domain: Domain, rows: Codes, seed: int) -> bool:
    """Inspect an ensemble of as many objects as teachers."""
    del domain
    parts = np.array_split(rows, _TEACHERS)
    trees = [DecisionTreeClassifier(max_depth=2, random_state=seed) for _ in parts]
    fits = [tree.fit(part[:, 1:], part[:, 0]) for tree, part in zip(trees, parts, strict=True)]
    return fewer_objects(fits)


class _Unlimited:
    """A reservation that pays whatever is asked."""

    def charge(self, events: Sequence[Event]) -> int:
        return len(events)


class _StopsLate(Account):
    """Tests the budget before a step and never after it."""

    def charge(self, events: Sequence[Event]) -> int:
        self._events += [(0, event) for event in events]
        return 0


class _ChargesOnce(_StopsLate):
    """Charges the first step only."""

    def charge(self, events: Sequence[Event]) -> int:
        return 0 if self._events else super().charge(events)


def unsettled(domain: Domain, rows: Codes, books: type[Account], steps: int, price: float) -> bool:
    """Return whether the books of a run of equal steps do not close at its end.

    Args:
        domain: Domain of the columns.
        rows: Codes, shape (n, d).
        books: Where it is charged.
        steps: Marginals of one column that are measured, one after the other.
        price: Of each, as a share of the budget.
    """
    table = CodedTable.build(domain, np.ascontiguousarray(rows.T, dtype=np.int32))
    try:
        account = books(_Unlimited(), rho=_RHO)
        with Curator(table, reservation=account, max_rows_per_unit=1, rho=_RHO) as asked:
            for step in range(steps):
                name = domain.names[step % len(domain)]
                query = MarginalQuery(attributes=(name,), rho=price * _RHO)
                asked.measure([query], stage=f"step {step}")
    except SelfTestError:
        return True
    return False


def stops_late(domain: Domain, rows: Codes, seed: int) -> bool:
    """Inspect the books of a run whose last step goes beyond its budget."""
    steps = 2 + seed % 5
    return unsettled(domain, rows, _StopsLate, steps, 1.0 / (steps - 0.5))


def charges_once(domain: Domain, rows: Codes, seed: int) -> bool:
    """Inspect the books of a run that draws in a loop and charges its first step."""
    steps = 2 + seed % 5
    return unsettled(domain, rows, _ChargesOnce, steps, 1.0 / (steps + 1))


def settles(domain: Domain, rows: Codes, seed: int) -> bool:
    """Inspect the books of our own Curator."""
    steps = 2 + seed % 5
    return unsettled(domain, rows, Account, steps, 1.0 / (steps + 1))


def rows_in_saved_state(domain: Domain, rows: Codes, seed: int) -> bool:
    """Inspect three saved states that hold rows; returns whether all three were found."""
    planted = _planted(domain, rows, seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez_compressed(folder / "arrays.npz", state=planted.astype(np.float32))
        (folder / "model.pkl").write_bytes(pickle.dumps({"state": planted.astype(np.int64)}))
        texts = pa.table({"x": [*map(str, planted[:, 0]), _TOKEN]})
        pq.write_table(texts, folder / "texts.parquet", compression="zstd")
        return len(holding(folder, texts=[_TOKEN], rows=planted)) == 3


def own_saved_state(domain: Domain, rows: Codes, seed: int) -> bool:
    """Inspect what every method of ours saves; returns whether anything was found."""
    planted = _planted(domain, rows, seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for method in set(registry.METHODS) - {"best"}:  # which keeps the model of one of them
            (folder / method).mkdir()
            own.fitted(domain, method, _BUDGET, planted).save(folder / method)
        return bool(holding(folder, rows=planted))


def _planted(domain: Domain, rows: Codes, seed: int) -> Codes:
    """Return some rows and, at their end, one that is drawn uniformly from the domain."""
    rng = np.random.default_rng(seed)
    new = np.array([[rng.integers(attribute.size) for attribute in domain]])
    return np.concatenate([rows[: _ROWS - 1], new])
