"""The forecast of noise against fits with real noise, on generated tables it was not fitted to.

False-alarm rate: over 15 single fits the mean of nine would stand nine or more of its standard
deviations inside each limit, so below 1e-15 were it normal. The pairs of correlated bell curves are
a known weakness: forecast at half of what they are. A forecast of columns for three rows of a unit
where one is kept, and of pairs for thirty times the rows, must fail.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.privacy.budget import Budget
from dpsynth.privacy.cross_check import rho_for
from dpsynth.synth import registry
from dpsynth.synth.api import Assumption

ROOT = Path(__file__).resolve().parents[2]
FACTOR = (1 / 1.5, 1.5)
LIMITS = {"chain": FACTOR, "skewed": FACTOR, "normal": (1 / 3, 2 / 3)}


@pytest.mark.parametrize("kind", LIMITS)
def test_forecast_and_measured_noise_agree(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import forecast

    case, rho = forecast.generated(kind), rho_for(Budget(epsilon=1.0, delta=1e-6))
    columns, pairs = forecast.ratios(case, "mst", rho, 9)
    assert (columns.columns, pairs.columns) == (1, 2)
    assert FACTOR[0] < columns.ratio < FACTOR[1]
    assert LIMITS[kind][0] < pairs.ratio < LIMITS[kind][1]
    for column, fault in ((0, {"max_rows": 3}), (1, {"rows": 30 * case.table.n_rows})):
        assumption = Assumption(**{"rows": case.table.n_rows, "max_rows": 1, "bins": {}, **fault})
        wrong = registry.make("mst", {}).forecast(case.table.domain, rho, assumption)[column]
        low, high = (FACTOR, LIMITS[kind])[column]
        assert not low < wrong.distance / (columns, pairs)[column].measured < high
