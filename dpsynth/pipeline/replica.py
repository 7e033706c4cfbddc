"""Replicas: the generator of a release as a function of coded rows, for attacks that run it.

A replica fits the method of the plan with the options, the price, the domain with its structural
zeros and the rows per unit of the plan, through a Curator and with noise of the operating system,
and draws as many rows as the model holds. What differs are the rows: an attack plants records that
nobody has (canaries), or leaves real ones out (shadows).

Why nothing is charged for it. A replica is a measurement on raw rows, as every attack is: its rows
are scored inside this process and dropped, no model, noisy count or sampled row of it is kept,
written or printed, and what the scores come to is raw and internal. It is thus no release, and a
charge would pay for nothing that anybody gets. What does leave is the outcome: whether the gates of
the policy let the data out. It depends on the rows by way of replicas as it does by way of every
other attack, and is as little covered by epsilon.

Never true here: a replica, or anything of it, in a bundle, a ledger or a message; nor a second way
to release without paying, for what a replica returns goes to attacks alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks import Generator
from dpsynth.attacks.generators import SHADOW_COLUMNS
from dpsynth.pipeline.plan import Plan
from dpsynth.pipeline.prepare import synthesizer_for
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.foreign import UnboundedEvent
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.sampled import SampledSteps
from dpsynth.privacy.unprotected import UnprotectedCurator
from dpsynth.schema.declared import Dictionary, Role
from dpsynth.schema.domain import Domain
from dpsynth.schema.inside import Dependency
from dpsynth.sources.table import CodedTable
from dpsynth.synth.api import Synthesizer
from dpsynth.synth.dependent import functions_of, hold

_FIRST = (Role.LABEL, Role.SENSITIVE, Role.QUASI_IDENTIFIER)
_NO_SECRET = b"every row is kept"


@dataclass(frozen=True, kw_only=True)
class Replica:
    """A generator: coded rows in, coded rows out.

    Attributes:
        synthesizer: The method with its options.
        domain: The columns, with their structural zeros.
        dependencies: Columns that others determine.
        max_rows_per_unit: Sensitivity of every count, c.
        rho: What the Curator may spend, in zCDP rho or at `order`; None where the method has no
            guarantee.
        order: Renyi order of the lineage.
        sampled: Steps on Poisson samples that were reserved, or None.
    """

    synthesizer: Synthesizer
    domain: Domain
    dependencies: tuple[Dependency, ...]
    max_rows_per_unit: int
    rho: float | None
    order: float | None = None
    sampled: SampledSteps | None = None

    @classmethod
    def of(cls, plan: Plan, columns: Sequence[str] | None = None) -> Replica:
        """Return the generator of a plan, on all columns or on some of them.

        On some, the same price buys fewer answers; facts that other columns take part in are left
        out, and so are sets of a workload.

        Args:
            plan: The release, with discovered domains if it has any.
            columns: Names of modelled columns, in the order of the rows; None for all.
        """
        names = plan.codec.domain.names if columns is None else tuple(columns)
        settings = replace(plan.settings, options=_inside(plan.settings.options, names))
        return cls(
            synthesizer=synthesizer_for(settings, plan.dictionary, plan.codec),
            domain=plan.codec.domain if columns is None else plan.codec.domain.project(names),
            dependencies=tuple(
                d for d in plan.codec.dependencies if {*d.determinant, d.dependent} <= set(names)
            ),
            max_rows_per_unit=plan.unit.max_rows,
            rho=plan.price.fit if plan.protected else None,
            order=plan.terms.order,
            sampled=plan.sampled,
        )

    def __call__(self, rows: NDArray[np.integer[Any]], seed: int) -> NDArray[np.int32]:
        """Fit to rows and draw as many as the model holds; the fit is dropped.

        Args:
            rows: Codes of the domain, shape (n, d); at most `max_rows_per_unit` of one unit.
            seed: Seed of the drawing; noise takes none.

        Returns:
            Codes, shape (k, d); k follows from noisy counts.
        """
        # Counts do not look at units: each row is its own, and the stamp says how many of them the
        # caller gave one person. Training does, so there a person has one row (generator_of).
        table = CodedTable.build(self.domain, rows.T).bounded(self.max_rows_per_unit, _NO_SECRET)
        with self._curator(table) as curator:
            model = self.synthesizer.fit(curator)
        codes = model.sample(max(1, round(model.total)), seed=seed)
        hold(functions_of(model, self.dependencies), self.domain, codes)
        return codes

    def _curator(self, table: CodedTable) -> Curator:
        """Return the Curator of the replica."""
        rows = self.max_rows_per_unit
        if self.rho is None:
            return UnprotectedCurator(table, reservation=_NoLedger(), max_rows_per_unit=rows)
        return Curator(
            table,
            reservation=MemoryReservation(self.rho),
            max_rows_per_unit=rows,
            rho=self.rho,
            order=self.order,
            sampled=self.sampled,
        )


class _NoLedger:
    """Where the programs of a replica without a guarantee are written down: nowhere."""

    def record_unbounded(self, events: Sequence[UnboundedEvent]) -> int:
        """Return a number."""
        return len(events)


def generator_of(plan: Plan) -> Generator:
    """Return the generator of a plan as the attack suite wants it.

    Replicas are made when an attack asks for one: what fails there fails the attack alone.
    """
    columns = foremost(
        plan.dictionary,
        plan.codec.domain,
        plan.settings.options.get("label", plan.dictionary.label),
        SHADOW_COLUMNS,
    )
    return Generator(
        whole=lambda rows, seed: Replica.of(plan)(rows, seed),
        part=lambda rows, seed: Replica.of(plan, columns)(rows, seed),
        columns=columns,
        # Rows come without units. A unit that trains is clipped whole, so several rows of one would
        # be cut down one by one, which nobody claims; a unit of one row is what the claim covers.
        rows_per_unit=1 if plan.sampled else plan.unit.max_rows,
    )


def foremost(
    dictionary: Dictionary, domain: Domain, label: str | None, most: int
) -> tuple[str, ...]:
    """Return the columns that matter most to a person, by declaration and never by rows.

    The label, then sensitive columns, quasi-identifiers and the others, each in dictionary order.

    Args:
        dictionary: Declares roles.
        domain: The modelled columns.
        label: Label of the method, if it has one.
        most: Largest number of columns.

    Returns:
        Names in the order of the domain.
    """
    roles = {column.name: column.role for column in dictionary.columns}

    def rank(name: str) -> int:
        if name == label:
            return 0
        return _FIRST.index(roles[name]) + 1 if roles[name] in _FIRST else len(_FIRST) + 1

    chosen = sorted(domain.names, key=rank)[:most]
    return tuple(name for name in domain.names if name in chosen)


def _inside(options: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return options of a method on some columns: without the sets of a workload that leave them.

    Candidates of the method `best` have options of their own.
    """
    inside = dict(options)
    if isinstance(options.get("workload"), list | tuple):
        inside["workload"] = [scope for scope in options["workload"] if set(scope) <= set(names)]
    if isinstance(options.get("candidates"), list | tuple):
        inside["candidates"] = [
            c if isinstance(c, str) else _inside(c, names) for c in options["candidates"]
        ]
    return inside
