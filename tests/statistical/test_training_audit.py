"""Audit of the trainer: what the best test tells about a unit from its noisy gradients.

Each canary is a unit whose gradient lies along a direction of its own, at the full clipping norm:
the worst unit that the guarantee is about (Nasr et al. 2023). Noise is independent between the
directions, and clipping, coins and noise are those of the trainer, so one training on many canaries
is as many trainings on a table with one, and as many directions that nobody has are trainings
without it (Steinke, Nasr and Jagielski 2023 is the general case). The likelihood ratio of a step on
a Poisson sample is exact, so by Neyman and Pearson the test is the best there is.

Hits and false alarms are bounded by Clopper and Pearson at 1 - 1e-6 each, at two thresholds that
were chosen beforehand: an honest trainer is accused with a probability of at most 4e-6 in a test.
On the first plan the honest hit rate is 0.47 at 0.20 false alarms, and the claim 0.48: the test and
the accountant are both close to the truth.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from dpsynth.privacy import noise
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.meaning import Guarantee
from dpsynth.privacy.measurement import TrainingQuery
from dpsynth.privacy.sampled import SampledSteps
from dpsynth.privacy.training import Parameters
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable

ALARM = 1e-6
CANARIES = 4_000
ORDER = 8.0
PLANS = {
    "many steps": SampledSteps(sampling_rate=0.5, noise_multiplier=2.0, steps=10),
    "one epoch": SampledSteps(sampling_rate=0.1, noise_multiplier=0.3, steps=10),
}
# False alarms of an honest trainer at the two thresholds.
FALSE_ALARMS = (0.2, 0.01)


def along(parameters: Parameters, bins: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
    """A loss with a gradient along the direction of its unit, far above the clipping norm."""
    return 100.0 * parameters["w"][bins[:1]].sum()


def train(plan: SampledSteps, *, rows_of_one: int = 1) -> np.ndarray:
    """Return every noisy gradient, in clipping norms, shape (steps, 2 * CANARIES).

    The first half are directions of canaries, the others of nobody.
    """
    domain = Domain.from_sizes({"who": 2 * CANARIES})
    who = np.repeat(np.arange(CANARIES), rows_of_one)
    table = CodedTable(
        domain=domain, codes=who[None].astype(np.int32), units=who,
        digests=np.zeros((CANARIES, 16), np.uint8), max_rows=rows_of_one,
    )  # fmt: skip
    rho = 1.01 * plan.rho(ORDER)
    asked = TrainingQuery(
        partitions={"who": np.arange(2 * CANARIES)}, sampling_rate=plan.sampling_rate,
        steps=plan.steps, rho=rho, clip=3.0, divisor=3.0,
    )  # fmt: skip
    with Curator(
        table, reservation=MemoryReservation(rho), max_rows_per_unit=rows_of_one, rho=rho,
        order=ORDER, sampled=plan,
    ) as curator:  # fmt: skip
        steps = curator.train(asked, stage="training")
        weights = {"w": torch.zeros(2 * CANARIES)}
        return np.array([steps.step(along, weights)["w"].numpy() for _ in range(plan.steps)])


def ratios(seen: np.ndarray, plan: SampledSteps) -> np.ndarray:
    """Return the log-likelihood ratio of each direction, shape (2 * CANARIES,)."""
    rate, sigma = plan.sampling_rate, plan.noise_multiplier
    each = np.logaddexp(np.log1p(-rate), np.log(rate) + (2 * seen - 1) / (2 * sigma**2))
    return each.sum(0)


def accused(plan: SampledSteps, seen: np.ndarray) -> bool:
    """Say whether the gradients tell more than the claim allows, at one of two thresholds."""
    halves = np.split(ratios(seen, plan), 2)
    # The thresholds are those of an honest trainer, from a simulation of its own.
    rng = np.random.default_rng(0)
    honest = ratios(rng.normal(0, plan.noise_multiplier, (plan.steps, 100_000)), plan)
    claim = Guarantee.of(
        [plan.event("training", ORDER)], rho=plan.rho(ORDER), delta_own=0.0, fixed_plan=True,
        sampled=(plan, 0.0),
    )  # fmt: skip
    for rate in FALSE_ALARMS:
        threshold = np.quantile(honest, 1 - rate)
        hits, alarms = (int((half > threshold).sum()) for half in halves)
        least_hits = float(stats.beta.ppf(ALARM, hits, CANARIES - hits + 1)) if hits else 0.0
        most_alarms = float(stats.beta.ppf(1 - ALARM, alarms + 1, CANARIES - alarms))
        if least_hits > claim.hit_rate(most_alarms):
            return True
    return False


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("rows_of_one", [1, 2])
def test_an_honest_trainer_stays_within_its_claim(plan: str, rows_of_one: int) -> None:
    """False-alarm rate: 4e-6 a case. The test does tell the two halves apart."""
    seen = train(PLANS[plan], rows_of_one=rows_of_one)
    assert not accused(PLANS[plan], seen)
    hits, alarms = (half > 0 for half in np.split(ratios(seen, PLANS[plan]), 2))
    assert hits.mean() > 1.5 * alarms.mean()


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
    assert accused(PLANS[plan], train(PLANS[plan]))


def test_a_trainer_that_does_not_cut_down_drops_what_is_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check in whole numbers does not rely on the clipping. False-alarm rate: 4e-6."""
    monkeypatch.setattr("dpsynth.privacy.training._ROUNDING", 1e-3)
    assert not accused(PLANS["many steps"], train(PLANS["many steps"]))


def test_a_trainer_that_neither_cuts_down_nor_checks_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gradient of a unit is then a hundred clipping norms long."""
    monkeypatch.setattr("dpsynth.privacy.training._ROUNDING", 1e-3)
    monkeypatch.setattr(
        "dpsynth.privacy.training._whole_sum",
        lambda share, parts, most: (share[:, None].double() * parts[0]).round().sum(dim=0),
    )
    assert accused(PLANS["many steps"], train(PLANS["many steps"]))
