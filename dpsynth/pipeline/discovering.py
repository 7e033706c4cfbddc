"""Find the domains of open columns through the Curator, then code those columns with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dpsynth.errors import InputError
from dpsynth.pipeline.examine import Progress
from dpsynth.pipeline.plan import Plan
from dpsynth.pipeline.prepare import synthesizer_for
from dpsynth.pipeline.state import OpenData
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import Charged
from dpsynth.privacy.ledger import Reservation
from dpsynth.schema.codec import Codec
from dpsynth.schema.declared import Column, OpenRange
from dpsynth.schema.domain import Domain
from dpsynth.schema.undeclared import completed, grid_attribute, grid_codes
from dpsynth.sources.table import CodedTable
from dpsynth.synth.discovery import Discovered, discover


def discover_domains(
    plan: Plan, data: OpenData, reservation: Reservation, progress: Progress
) -> tuple[Plan, OpenData, tuple[Discovered, ...], Charged]:
    """Spend the discovery share of a plan on its open columns; nothing happens without any.

    Only training rows are asked. What is found is public from here on.

    Returns:
        The plan and the tables in the completed domain, what was found, and what was charged.

    Raises:
        InputError: No column has a domain.
    """
    if not plan.open_columns:
        return plan, data, (), ()
    progress("Finding the domains of open columns under the budget")
    with Curator(
        _on_the_grid(data.train, plan.open_columns),
        reservation=reservation,
        max_rows_per_unit=plan.unit.max_rows,
        rho=plan.price.discovery,
        delta=plan.price.discovery_delta,
    ) as curator:
        found = discover(curator, plan.open_columns, delta=plan.price.discovery_delta)
        charged = curator.events
    dictionary = completed(
        plan.dictionary, {f.column: f.domain for f in found if f.domain is not None}
    )
    codec = Codec.from_dictionary(dictionary)
    if not len(codec.domain):
        raise InputError(
            "Nothing of the open columns is visible under this budget, and no other is declared.",
            where="the dictionary",
            fix="Declare the domain of at least one column, or spend more: a larger epsilon or "
            "discovery share.",
        )
    plan = replace(
        plan,
        dictionary=dictionary,
        codec=codec,
        synthesizer=synthesizer_for(plan.settings, dictionary, codec),
    )
    data = replace(data, train=_coded(data.train, codec), holdout=_coded(data.holdout, codec))
    return plan, data, tuple(found), charged


def _on_the_grid(table: CodedTable, columns: Sequence[Column]) -> CodedTable:
    """Return the open ranges of a table on their grids, and its open texts as they are."""
    ranges = [column for column in columns if isinstance(column.domain, OpenRange)]
    codes = np.zeros((len(ranges), table.n_rows), dtype=np.int32)
    for place, column in enumerate(ranges):
        codes[place] = grid_codes(column, table.texts[column.name].cells())
    domain = Domain(tuple(grid_attribute(column) for column in ranges))
    return replace(table, domain=domain, codes=codes)


def _coded(table: CodedTable, codec: Codec) -> CodedTable:
    """Return a table in a wider domain: known columns as they are coded, the others coded now."""
    codes = np.empty((len(codec.domain), table.n_rows), dtype=np.int32)
    for place, name in enumerate(codec.domain.names):
        codes[place] = (
            table.codes[table.domain.index(name)]
            if name in table.domain.names
            else codec.encode_column(name, table.texts[name].cells())
        )
    return table.coded(codec.domain, codes)
