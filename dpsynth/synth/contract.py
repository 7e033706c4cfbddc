"""The contract of a synthesizer as a check that its author can run: made-up rows, no budget.

``faults_of("acme:gan")`` fits the method several times on small made-up tables and says in
sentences what does not hold. An empty answer is no proof: it looks at what a release relies on, and
not at whether a price is right.

Never true here: a private row.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.errors import DpsynthError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.foreign import UnboundedEvent
from dpsynth.privacy.handover import CodedRows
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.losses import total_loss
from dpsynth.privacy.unprotected import UnprotectedCurator
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth import registry
from dpsynth.synth.api import Model, Synthesizer

_RHO = 0.5
_SIZES = {"a": 2, "b": 5, "c": 3}
_ROWS = 400
_DRAWN = 50
_PRIVATE = (Curator, CodedTable, CodedRows)
_DEPTH = 6


@dataclass
class _Book(MemoryReservation):
    """Pays, and writes down programs without a guarantee."""

    unbounded: list[UnboundedEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(_RHO)

    def record_unbounded(self, events: Sequence[UnboundedEvent]) -> int:
        """Write events down."""
        self.unbounded += events
        return len(self.unbounded)


def faults_of(name: str, options: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Return what a method does not keep of the contract, in sentences; empty if nothing.

    Args:
        name: Its registered name; a plugin is found by its entry point.
        options: Options to make it with.

    Raises:
        InputError: There is no such method, or it cannot be made.
    """
    method = registry.find(name)
    synthesizer = registry.make(name, options or {})
    return tuple(dict.fromkeys(_faults(name, synthesizer, protected=method.protected)))


def _faults(name: str, synthesizer: Synthesizer, *, protected: bool) -> Iterator[str]:
    domain = Domain.from_sizes(_SIZES)
    if synthesizer.name != name:
        yield "Its name is not the one that it is registered under."
    try:
        json.dumps(dict(synthesizer.options()), allow_nan=False)
    except (TypeError, ValueError):
        yield "Its options cannot be written as JSON."
    stages = synthesizer.plan(domain, _RHO if protected else 0.0)
    planned = sum((Fraction(stage.rho) for stage in stages), Fraction(0))
    if not stages:
        yield "Its plan names no stage."
    if planned > Fraction(_RHO) * (1 + Fraction(1, 10**9)):
        yield "Its plan costs more than the budget."
    if not protected and planned:
        yield "Its plan has a price, and the method no guarantee."
    rng = np.random.default_rng(0)
    common = rng.integers(0, [2, 4, 3], size=(_ROWS, 3), dtype=np.int64)  # one code never occurs
    models = list(_fitted(synthesizer, domain, common, protected))
    for model in models:
        if isinstance(model, str):
            yield model
            continue
        yield from _of_model(name, model, domain)
    edges = {"no row": common[:0], "one row": common[:1], "one value": common[:1].repeat(60, 0)}
    for what, rows in edges.items() if protected else ():
        for found in _fitted(synthesizer, domain, rows, protected):
            if isinstance(found, str):
                yield f"On a table of {what}: {found}"
    if protected:
        again = list(_fitted(synthesizer, domain, common, protected))
        pairs = [(one, two) for one in models for two in again]
        if any(not isinstance(m, str) and not isinstance(n, str) and _same(m, n) for m, n in pairs):
            yield "Two fits to the same rows are the same: its noise looks seeded."


def _fitted(
    synthesizer: Synthesizer, domain: Domain, rows: np.ndarray[Any, Any], protected: bool
) -> Iterator[Model | str]:
    """Yield the model of a fit, and what was wrong with the fit."""
    table = CodedTable.build(domain, np.ascontiguousarray(rows.T, dtype=np.int32))
    book = _Book()
    curator: Curator
    if protected:
        curator = Curator(table, reservation=book, max_rows_per_unit=1, rho=_RHO)
    else:
        curator = UnprotectedCurator(table, reservation=book, max_rows_per_unit=1)
    failed = ""
    try:
        with curator:
            model = synthesizer.fit(curator)
    except DpsynthError as error:
        failed = f"The fit failed: {error.what}"
    except Exception as error:  # noqa: BLE001 (somebody else's method can fail in any way)
        failed = f"The fit crashed ({type(error).__name__})."
    if failed:
        yield failed
        return
    charged = [event for _, event in curator.events]
    if not (charged if protected else book.unbounded):
        yield "It asked the Curator for nothing: where does its model come from?"
    if protected and total_loss(charged).rho > Fraction(_RHO):
        yield "It charged more than its budget."
    yield model


def _of_model(name: str, model: Model, domain: Domain) -> Iterator[str]:
    if model.method != name or model.domain != domain:
        yield "Its model has another name or another domain."
    if _reaches(model, _PRIVATE):
        yield "Its model still holds the Curator or the table."
    for rows in (0, 1, _DRAWN, 3 * _ROWS):
        codes = model.sample(rows, seed=1)
        sizes = np.array(list(_SIZES.values()))
        if codes.shape != (rows, len(domain)) or codes.dtype != np.int32:
            yield "Its sample has another shape or type than was asked for."
        elif not bool(((codes >= 0) & (codes < sizes)).all()):
            yield "Its sample leaves the declared domain."
        elif not np.array_equal(codes, model.sample(rows, seed=1)):
            yield "One seed gives two samples."
    table = model.marginal(("a", "b"))
    if table.shape != (2, 5) or not bool((table >= 0).all()):
        yield "Its marginals have another shape, or negative counts."
    if not model.total > 0:
        yield "Its number of rows is not positive."
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            model.save(folder)
            loaded = registry.load_model(folder)
            if not np.array_equal(loaded.sample(_DRAWN, seed=3), model.sample(_DRAWN, seed=3)):
                yield "Its model is another one after it was saved and read."
        except (DpsynthError, OSError):
            yield "Its model cannot be saved and read as a model of dpsynth."
        if {path.name for path in folder.iterdir()} - {"model.json", "arrays.npz"}:
            yield "It saves files that belong to no model."


def _same(one: Model, other: Model) -> bool:
    """Say whether two models are the same to whoever draws from them."""
    return one.total == other.total and np.array_equal(
        one.sample(_DRAWN, seed=5), other.sample(_DRAWN, seed=5)
    )


def _reaches(thing: object, kinds: tuple[type, ...], depth: int = _DEPTH) -> bool:
    """Say whether an object of some kinds can be reached from another."""
    if isinstance(thing, kinds):
        return True
    if depth == 0 or isinstance(thing, str | bytes | int | float | np.ndarray | Domain):
        return False
    parts: list[object] = []
    if isinstance(thing, Mapping):
        parts += [*thing.keys(), *thing.values()]
    elif isinstance(thing, list | tuple | set | frozenset):
        parts += thing
    parts += list(getattr(thing, "__dict__", {}).values())
    return any(_reaches(part, kinds, depth - 1) for part in parts)
