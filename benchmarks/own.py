"""Our own methods as targets: fits of coded rows through a real Curator, without a ledger."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from dpsynth.attacks.api import Generate
from dpsynth.attacks.sizes import Keep

from dpsynth.arrays import Codes
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth import registry
from dpsynth.synth.api import Model


def fitted(domain: Domain, method: str, budget: Budget, rows: Codes) -> Model:
    """Return a fitted model; its noise has no seed."""
    rho = rho_for(budget)
    table = CodedTable.build(domain, np.ascontiguousarray(rows.T, dtype=np.int32))
    with Curator(
        table, reservation=MemoryReservation(rho), max_rows_per_unit=1, rho=rho
    ) as curator:
        return registry.make(method, {}).fit(curator)


def own_generator(domain: Domain, method: str, budget: Budget) -> Generate:
    """Return one of our own methods as a generator of coded rows; the seed is of the drawing."""
    keep = own_keeper(domain, method, budget)
    return lambda rows, seed: keep(rows, seed)[0]


def own_keeper(domain: Domain, method: str, budget: Budget) -> Keep:
    """Return the same with the bytes of the saved model."""

    def keep(rows: Codes, seed: int) -> tuple[Codes, int]:
        model = fitted(domain, method, budget, rows)
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder))
            size = sum(path.stat().st_size for path in Path(folder).iterdir())
        return model.sample(max(1, round(model.total)), seed=seed), size

    return keep
