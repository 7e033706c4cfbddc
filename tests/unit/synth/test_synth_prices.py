"""What MST, AIM and MWEM ask and pay on two domains, as written down before they shared code."""

from __future__ import annotations

import pytest

from dpsynth.schema.domain import Domain
from dpsynth.synth.aim import AimSynthesizer
from dpsynth.synth.api import Synthesizer
from dpsynth.synth.mst import MstSynthesizer
from dpsynth.synth.mwem import MwemSynthesizer

NARROW = Domain.from_sizes({"a": 3, "b": 200, "c": 7, "d": 2, "e": 1500})
WIDE = Domain.from_sizes({f"x{i}": 2 + i * 3 for i in range(14)})
RHO, FIRST, SELECT, TABLES = 0.0244, 0.0122, 0.0012200000000000002, 0.01098
#: Method, queries of every stage, cells of the largest table at most, price of one of them.
PLANS: list[tuple[Domain, Synthesizer, tuple[int, int, int], int, float]] = [
    (NARROW, AimSynthesizer(), (5, 80, 80), 1024, 0.00013725),
    (NARROW, AimSynthesizer(rounds=5, degree=3), (5, 5, 5), 7168, 0.002196),
    (NARROW, MstSynthesizer(label="a"), (5, 4, 4), 1024, 0.002745),
    (NARROW, MwemSynthesizer(), (5, 10, 10), 1024, 0.001098),
    (WIDE, AimSynthesizer(), (14, 224, 224), 1024, 4.901785714285714e-05),
    (WIDE, AimSynthesizer(rounds=5, degree=3), (14, 5, 5), 32768, 0.002196),
    (WIDE, MstSynthesizer(label="x0"), (14, 13, 13), 1024, 0.0008446153846153846),
    (WIDE, MwemSynthesizer(), (14, 28, 28), 1024, 0.0003921428571428571),
]


@pytest.mark.parametrize(("domain", "method", "queries", "cells", "price"), PLANS)
def test_no_price_has_changed(
    domain: Domain,
    method: Synthesizer,
    queries: tuple[int, int, int],
    cells: int,
    price: float,
) -> None:
    stages = method.plan(domain, RHO)
    assert tuple(stage.queries for stage in stages) == queries
    assert tuple(stage.rho for stage in stages) == (FIRST, SELECT, TABLES)
    (largest,) = stages[-1].marginals
    assert (largest.cells, largest.rho) == (cells, price)
    dearest = {NARROW: 0.009264145484458412, WIDE: 0.00140126254915742}[domain]
    assert max(m.rho for m in stages[0].marginals) == dearest


@pytest.mark.parametrize("method", [AimSynthesizer(), MstSynthesizer(), MwemSynthesizer()])
def test_a_single_column_gets_everything(method: Synthesizer) -> None:
    (stage,) = method.plan(Domain.from_sizes({"one": 4}), RHO)
    assert stage.rho == RHO
