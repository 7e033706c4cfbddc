"""Two worlds, real fits, real noise: sound methods stay within their claim, planted faults do not.

The audit of the product (``dpsynth.auditing``) is used as it is. Every verdict rests on two samples
that each refute at 99 %, so a sound method is refuted in fewer than 1 of 10,000 runs of a test. The
runs are so many that a planted fault is missed in fewer than 1 of 10,000 (``needed_runs``), and
that an honest method whose answers tell less than half of what they may is one in 10,000, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dpsynth.auditing import Finding, Setup, View, make_worlds
from dpsynth.auditing.bound import needed_runs, pilot_runs
from dpsynth.auditing.claim import TradeOff, claimed_mu
from dpsynth.auditing.judge import SAMPLES, judge
from dpsynth.auditing.runs import Scores, draw
from dpsynth.privacy import curator as curator_module
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.cross_check import rho_for
from dpsynth.synth.registry import make

BUDGET = Budget(epsilon=3.0, delta=1e-2)
RHO = rho_for(BUDGET)
MU = claimed_mu(RHO, 0.0)
RUNS = needed_runs(MU, 2.0 * math.sqrt(2.0 * RHO), 0.9999, SAMPLES) + pilot_runs(250)


def run(setup: Setup, runs: int, _: str) -> Scores:
    return draw(setup, runs)


def setup(method: str, columns: int = 1, units: int = 1, rho: float = RHO) -> Setup:
    worlds = make_worlds("crossed", columns=columns, seed=5, units=units)
    return Setup(synthesizer=make(method, {}), worlds=worlds, rho=rho)


def found(what: Setup, claimed: float = MU, runs: int = RUNS) -> Finding:
    return judge(what, draw(what, runs), TradeOff.gaussian(claimed), run)


def halve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw noise at half the scale that is charged for."""
    honest: Callable[..., tuple[np.ndarray, float]] = curator_module.gaussian

    def halved(counts: np.ndarray, sigma: float, sensitivity: float) -> tuple[np.ndarray, float]:
        noisy, _ = honest(counts, sigma / 2.0, sensitivity)
        return noisy, 0.0

    monkeypatch.setattr(curator_module, "gaussian", halved)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "columns"), [("independent", 1), ("cliquetree", 2)])
def test_all_answers_together_stay_within_the_claim(method: str, columns: int) -> None:
    finding = found(setup(method, columns))
    assert not finding.refuted
    assert finding.hits.mu >= 0.5 * MU, "the test itself would see a leak"


def test_noise_at_half_its_scale_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    halve(monkeypatch)
    finding = found(setup("independent"))
    assert finding.refuted and finding.samples == SAMPLES
    assert finding.hits.mu_bound() > MU


@pytest.mark.slow
def test_one_sample_of_an_adaptive_method_catches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    halve(monkeypatch)
    scores = draw(setup("cliquetree", columns=2), RUNS)
    finding = judge(
        setup("cliquetree", columns=2), scores, TradeOff.gaussian(MU), lambda *_: scores
    )
    assert finding.refuted


def test_a_sensitivity_that_is_half_of_the_true_one_is_caught() -> None:
    assert found(setup("independent", units=2)).refuted


def test_an_understated_epsilon_is_caught() -> None:
    """Epsilon 1 is claimed and 4 is spent; 500 runs miss it in far fewer than 1 of 10,000."""
    claim = Budget(epsilon=1.0, delta=1e-2)
    true = rho_for(replace(claim, epsilon=4.0))
    assert found(setup("independent", rho=true), claimed_mu(rho_for(claim), 0.0), 500).refuted


def test_tables_that_are_alike_are_not_told_apart() -> None:
    finding = found(setup("independent", units=0))
    assert not finding.refuted
    assert finding.hits.hits + finding.hits.false_alarms < 2 * finding.hits.runs


def test_one_synthetic_table_alone_shows_missing_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = make_worlds("lone", columns=1, seed=5)
    seen = replace(setup("independent"), worlds=worlds, view=View.TABLE)
    assert not found(seen).refuted
    monkeypatch.setattr(curator_module, "gaussian", lambda counts, sigma, _: (counts, 0.0))
    assert found(seen).refuted
