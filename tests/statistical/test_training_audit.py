"""Audit of the trainer with faults that no argument of the audit can plant.

The canaries, scores and thresholds are those of `dpsynth audit mechanism`; the level is 1e-6, so
that an honest trainer is accused once in a million tests at most.
"""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.auditing.bound import Hits, choose_threshold, count_hits, pilot_runs
from dpsynth.auditing.trainer import Canaries, train
from dpsynth.privacy import noise
from dpsynth.privacy.sampled import SampledSteps

LEVEL = 1e-6
CANARIES = 4_000
PLANS = {
    "many steps": SampledSteps(sampling_rate=0.5, noise_multiplier=2.0, steps=10),
    "one epoch": SampledSteps(sampling_rate=0.1, noise_multiplier=0.3, steps=10),
}


def trained(plan: str, *, max_rows: int = 1) -> Hits:
    """Train on canaries and count what a threshold, fixed on a twentieth of them, says."""
    canaries = Canaries.of(PLANS[plan], 8.0, max_rows=max_rows)
    scores = train(canaries, CANARIES)
    pilot = pilot_runs(CANARIES)
    threshold = choose_threshold(scores.without[:pilot], scores.with_unit[:pilot])
    return count_hits(scores.without[pilot:], scores.with_unit[pilot:], threshold)


def accused(plan: str, hits: Hits) -> bool:
    """Say whether the gradients tell more than the claim allows."""
    return hits.p_value(Canaries.of(PLANS[plan], 8.0).claim()) <= LEVEL


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("max_rows", [1, 2])
def test_an_honest_trainer_stays_within_its_claim(plan: str, max_rows: int) -> None:
    """False-alarm rate: 1e-6 a case. The worlds are nearly as far apart as they may be."""
    hits = trained(plan, max_rows=max_rows)
    assert not accused(plan, hits)
    claim = Canaries.of(PLANS[plan], 8.0).claim()
    assert hits.mu_bound() > 0.75 * claim.mu(hits.alarm_rate)


def halved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw noise at half of its scale."""
    honest = noise.on_sums
    monkeypatch.setattr(noise, "on_sums", lambda sums: (sums + honest(sums)) // 2)


def shuffled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take batches of a shuffled table in turn, and book them as Poisson samples."""
    left: list[np.ndarray] = []

    def batch(size: int, rate: float) -> np.ndarray:
        if not left:
            order = np.random.default_rng().permutation(size)
            left.extend(np.array_split(order, round(1 / rate)))
        taken = np.zeros(size, dtype=bool)
        taken[left.pop()] = True
        return taken

    monkeypatch.setattr(noise, "coins", batch)


def oversampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take each unit twice as often as was paid for."""
    honest = noise.coins
    monkeypatch.setattr(noise, "coins", lambda size, rate: honest(size, 2 * rate))


@pytest.mark.parametrize(
    ("plan", "fault"),
    [("many steps", halved), ("one epoch", shuffled), ("many steps", oversampled)],
)
def test_a_planted_fault_is_caught(plan: str, fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missed in fewer than one of 1e4 runs."""
    fault(monkeypatch)
    assert accused(plan, trained(plan))


def test_a_trainer_that_does_not_cut_down_drops_what_is_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check in whole numbers does not rely on the clipping. False-alarm rate: 1e-6."""
    monkeypatch.setattr("dpsynth.privacy.training._ROUNDING", 1e-3)
    assert not accused("many steps", trained("many steps"))


def test_a_trainer_that_neither_cuts_down_nor_checks_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gradient of a unit is then a hundred clipping norms long."""
    monkeypatch.setattr("dpsynth.privacy.training._ROUNDING", 1e-3)
    monkeypatch.setattr(
        "dpsynth.privacy.training._whole_sum",
        lambda share, parts, most: (share[:, None].double() * parts[0]).round().sum(dim=0),
    )
    assert accused("many steps", trained("many steps"))
