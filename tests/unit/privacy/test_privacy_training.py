"""Noisy gradients: one unit moves the sum by the clipping norm at most, whatever the loss does."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from dpsynth.errors import BudgetError, InputError, SelfTestError
from dpsynth.privacy import noise
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import PoissonGaussianEvent
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.measurement import MarginalQuery, TrainingQuery
from dpsynth.privacy.sampled import SUM_BITS, SampledSteps
from dpsynth.privacy.training import Loss, NoisyGradients, Parameters, _whole_sum
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable

DOMAIN = Domain.from_sizes({"a": 4, "b": 3})
BINS = {a.name: np.arange(a.size) for a in DOMAIN}
RHO = 0.5


def query(**changes: object) -> TrainingQuery:
    """Return a request for three steps."""
    asked: dict[str, object] = {
        "partitions": BINS, "sampling_rate": 1.0, "steps": 3, "rho": 0.1, "clip": 1.0,
        "divisor": 1.0,
    }  # fmt: skip
    return TrainingQuery(**(asked | changes))  # type: ignore[arg-type]


def table(codes: list[list[int]], units: list[int] | None = None) -> CodedTable:
    """Return a table; `units` names the unit of each row."""
    array = np.array(codes, dtype=np.int32).reshape(-1, 2).T
    made = CodedTable.build(DOMAIN, array)
    if units is None:
        return made.bounded(1, b"no secret is here")
    dense = np.array(units, dtype=np.int64)
    return CodedTable(
        domain=DOMAIN, codes=made.codes, units=dense, digests=made.digests[: dense.max() + 1],
        max_rows=int(np.bincount(dense).max()),
    )  # fmt: skip


def curator(made: CodedTable, rho: float = RHO) -> Curator:
    """Return a Curator with a budget in memory."""
    return Curator(
        made, reservation=MemoryReservation(rho), max_rows_per_unit=made.max_rows or 1, rho=rho
    )


def bilinear(parameters: Parameters, bins: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
    """A loss whose gradient depends on the row."""
    first = parameters["w"][bins[:1]] * (1.0 + bins[1])
    return first.sum() + 0.5 * (parameters["v"] ** 2).sum() * bins[0] + 0.0 * normals.sum()


def weights() -> dict[str, torch.Tensor]:
    """Return parameters."""
    return {"w": torch.ones(4, 2), "v": torch.tensor([1.0, -2.0])}


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the noise away, so that sums can be looked at."""
    monkeypatch.setattr(noise, "on_sums", lambda sums: sums)


def total(made: CodedTable, loss: Loss = bilinear, **changes: object) -> torch.Tensor:
    """Return the sum of one step as one vector."""
    with curator(made) as asked:
        found = asked.train(query(**changes), stage="training").step(loss, weights())
    return torch.cat([part.reshape(-1) for part in found.values()])


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("clip", [0.01, 1.0, 50.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_a_unit_moves_the_sum_by_the_norm_at_most(clip: float, scale: float) -> None:
    def loss(p: Parameters, bins: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
        return scale * bilinear(p, bins, normals)

    rows = [[0, 0], [1, 2], [3, 1], [2, 2], [3, 2]]
    rng = np.random.default_rng(0)
    for _ in range(5):
        units = [0, 0, 1, 1, 2]
        rng.shuffle(rows)
        whole = total(table(rows, units), loss, clip=clip)
        for unit in range(3):
            kept = [row for row, u in zip(rows, units, strict=True) if u != unit]
            names = [u - (u > unit) for u in units if u != unit]
            change = whole - total(table(kept, names), loss, clip=clip)
            assert float(change.norm()) <= clip * (1 + 1e-4)
            if scale == 1e6:
                assert float(change.norm()) == pytest.approx(clip, rel=1e-3)


@pytest.mark.usefixtures("silent")
def test_a_unit_moves_a_sum_of_many_by_no_more_than_the_norm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sums in 32 bits are off by a part of the sum: by a tenth of the norm at this many units."""
    places = 0.3 * torch.arange(256)
    sums: list[torch.Tensor] = []
    clipped = NoisyGradients._clipped

    def spied(self: NoisyGradients, *given: Any) -> torch.Tensor:
        sums.append(clipped(self, *given))
        return sums[-1].clone()

    def loss(p: Parameters, bins: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
        return 50.0 * (p["w"] * torch.cos(places + 0.01 * bins[0] + 0.02 * bins[1])).sum()

    monkeypatch.setattr(NoisyGradients, "_clipped", spied)
    rows = np.random.default_rng(0).integers(0, 3, (100_000, 2)).tolist()
    for kept in (rows, rows[1:]):
        with curator(table(kept)) as asked:
            training = asked.train(query(steps=1), stage="training")
            training.step(loss, {"w": torch.zeros(256)})
        sums = [torch.stack(sums).sum(dim=0)] if kept is rows else sums
    whole, *rest = sums
    change = (whole - torch.stack(rest).sum(dim=0)).to(torch.int64)
    assert int((change**2).sum()) <= training._planned.squared_sensitivity


@pytest.mark.usefixtures("silent")
def test_a_cast_to_fewer_bits_does_not_stretch_what_was_cut_down() -> None:
    """Products in bfloat16, as autocast makes them, are off by up to 4 in 1,000."""
    places = torch.arange(256)
    with curator(table([[3, 2]])) as asked, torch.autocast("cpu", dtype=torch.bfloat16):
        training = asked.train(query(steps=20), stage="training")
        for turn in range(20):
            found = training.step(
                lambda p, bins, normals, turn=turn: (
                    100.0 * (p["w"] * torch.cos(places * (1.0 + turn + bins[0]))).sum()
                ),
                {"w": torch.zeros(256)},
            )
            assert float(found["w"].double().norm()) <= 1.0 + 1e-6


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, torch.int64])
@pytest.mark.parametrize("units", [None, [0, 0]])
def test_parameters_of_other_bits_are_refused_whatever_the_sample_holds(
    kind: torch.dtype, units: list[int] | None
) -> None:
    for made in (table([[3, 2], [3, 2]], units), table([])):
        with curator(made) as asked:
            training = asked.train(query(), stage="training")
            for parameters in (
                {"w": torch.zeros(4, 2, dtype=kind)}, {}, {"w": torch.zeros(0)},
            ):  # fmt: skip
                with pytest.raises(InputError, match="float32 parameters"):
                    training.step(bilinear, parameters)
            assert training.steps_left == 3


def test_the_words_of_a_loss_that_fails_are_not_repeated() -> None:
    """An index out of range would be the bin of a person."""
    with curator(table([[3, 2]])) as asked:
        training = asked.train(query(), stage="training")
        with pytest.raises(SelfTestError, match="IndexError") as caught:
            training.step(lambda p, bins, normals: p["w"][bins[:1]].sum(), {"w": torch.zeros(2)})
    assert "3" not in str(caught.value)
    assert caught.value.__context__ is None and caught.value.__cause__ is None


def test_bins_that_a_loss_keeps_are_wiped() -> None:
    kept: list[torch.Tensor] = []

    def loss(p: Parameters, bins: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
        kept.append(bins)
        return p["w"][bins[:1]].sum()

    with curator(table([[3, 2], [1, 1]])) as asked:
        asked.train(query(), stage="training").step(loss, {"w": torch.zeros(4, 2)})
    (held,) = kept
    while torch._C._functorch.is_functorch_wrapped_tensor(held):
        held = torch._C._functorch.get_unwrapped(held)
    assert held.shape == (64, 2) and not held.any()


@pytest.mark.usefixtures("silent")
def test_a_unit_is_clipped_whole_and_not_row_by_row() -> None:
    alone = total(table([[3, 2]]))
    assert float(alone.norm()) == pytest.approx(1.0, rel=1e-4)
    both = total(table([[3, 2], [3, 2]], [0, 0]))
    apart = total(table([[3, 2], [3, 2]]))
    assert torch.allclose(both, alone, atol=1e-4) and torch.allclose(apart, 2 * alone, atol=1e-4)


@pytest.mark.usefixtures("silent")
def test_small_gradients_are_summed_as_they_are_and_divided() -> None:
    rows = [[0, 0], [1, 2], [3, 1]]
    exact = torch.zeros(4, 2)
    for a, b in rows:
        exact[a] += 1 + b
    found = total(table(rows), clip=100.0, divisor=4.0)
    assert torch.allclose(found[:8], exact.reshape(-1) / 4.0, atol=1e-3)


@pytest.mark.usefixtures("silent")
def test_many_parameters_lose_no_gradient_to_rounding() -> None:
    """A norm in 32 bits would be off by more than the margin, and the check would drop the unit."""
    with curator(table([[0, 0]])) as asked:
        training = asked.train(query(rho=0.4), stage="training")
        found = training.step(lambda p, bins, normals: p["w"].sum(), {"w": torch.zeros(3_000_000)})
    assert float(found["w"].double().norm()) == pytest.approx(1.0, rel=2e-2)


@pytest.mark.parametrize("share", [1.2, 1e30, float("nan")])
def test_what_is_too_long_on_the_grid_counts_as_none(share: float) -> None:
    """Whatever computed and cut down a gradient, the check in whole numbers decides."""
    units = [torch.tensor([[3.0], [0.6]]), torch.tensor([[4.0], [0.0]])]
    assert _whole_sum(torch.tensor([share, 1.0]), units, 25).tolist() == [1.0, 0.0]
    assert _whole_sum(torch.tensor([1.0, 1.0]), units, 25).tolist() == [4.0, 4.0]
    assert _whole_sum(torch.tensor([1.0, 1.0]), units, 24).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("multiplier", [0.3, 1.0, 3.26, 49.4, 1e6])
def test_what_a_unit_may_add_is_what_the_noise_is_a_multiple_of(multiplier: float) -> None:
    planned = SampledSteps(sampling_rate=0.1, noise_multiplier=multiplier, steps=1)
    square = planned.squared_sensitivity
    assert square * Fraction(multiplier) ** 2 <= 2 ** (2 * SUM_BITS)
    assert (square + 1) * Fraction(multiplier) ** 2 > 2 ** (2 * SUM_BITS)
    assert square < 2**53


def test_noise_is_discrete_gaussian_on_the_grid() -> None:
    """Every answer is a whole number of grid units; the spread is that of the plan.

    False-alarm rate: 1e-9, by the normal law of a mean square of 60,000 draws. Answers in 32 bits
    are off by 0.02 of a unit on average; continuous noise would be by 0.25.
    """
    with curator(table([])) as asked:
        training = asked.train(query(clip=3.0, divisor=7.0), stage="training")
        found = training.step(lambda p, bins, normals: p["w"].sum(), {"w": torch.zeros(60_000)})
        unit = 3.0 / training._norm(60_000) / 7.0
    whole = found["w"].double() / unit
    assert float((whole - whole.round()).abs().mean()) < 0.05
    variance = float((found["w"].double() ** 2).mean()) / training.sigma**2
    assert variance == pytest.approx(1.0, abs=6.2 * math.sqrt(2 / 60_000) + 0.003)


def test_noise_too_coarse_for_the_parameters_is_refused_before_a_coin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thrown: list[int] = []
    monkeypatch.setattr(noise, "coins", lambda size, rate: thrown.append(size))
    with curator(table([[0, 0]])) as asked:
        training = asked.train(query(rho=1e-9), stage="training")
        with pytest.raises(InputError, match="4000 parameters are too many"):
            training.step(bilinear, {"w": torch.zeros(2000), "v": torch.zeros(2000)})
        assert training.steps_left == 3 and not thrown


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_no_number_counts_as_none(bad: float) -> None:
    def loss(p: Parameters, bins: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
        return torch.where(bins[0] == 3, bad, 1.0) * bilinear(p, bins, normals)

    assert torch.equal(total(table([[0, 1], [3, 1]]), loss), total(table([[0, 1]]), loss))


@pytest.mark.usefixtures("silent")
def test_blocks_of_units_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[a, b] for a in range(4) for b in range(3)] * 5
    units = [i // 2 for i in range(60)]
    whole = total(table(rows, units))
    monkeypatch.setattr("dpsynth.privacy.training._AT_ONCE", 45)
    assert torch.allclose(total(table(rows, units)), whole, atol=1e-4)


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("rows", [[], [[0, 1]]])
def test_an_empty_sample_is_a_step_like_any_other(
    rows: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noise, "coins", lambda size, rate: np.zeros(size, dtype=bool))
    assert not total(table(rows)).any()


def test_bins_are_what_the_loss_sees() -> None:
    seen = []

    def loss(p: Parameters, bins: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
        seen.append((bins.shape, normals.shape))
        return p["w"][bins[:1]].sum() + normals.sum()

    merged = {"a": np.array([0, 0, 1, 1]), "b": np.array([0, 0, 0])}
    with curator(table([[3, 2], [2, 1]])) as asked:
        steps = asked.train(query(partitions=merged, normals=5, clip=9.0), stage="training")
        found = steps.step(loss, {"w": torch.zeros(2, 1)})
    assert seen == [(torch.Size([2]), torch.Size([5]))]
    assert found["w"].shape == (2, 1)


def test_all_steps_are_charged_before_the_first() -> None:
    with curator(table([[0, 1]])) as asked:
        steps = asked.train(query(sampling_rate=0.5), stage="training")
        (_, event), = asked.events  # fmt: skip
        assert isinstance(event, PoissonGaussianEvent)
        assert (event.steps, event.sampling_rate, event.stage) == (3, 0.5, "training")
        assert event.noise_multiplier == steps.noise_multiplier and event.rho <= 0.1
        assert asked.remaining == pytest.approx(RHO - event.rho)
        steps.step(bilinear, weights())
    # Stopped after one step of three: paid for all, and the books close.
    assert asked.events == ((1, event),)


def test_training_again_pays_again() -> None:
    with curator(table([[0, 1]]), rho=0.25) as asked:
        asked.train(query(), stage="training").step(bilinear, weights())
        asked.train(query(), stage="training").step(bilinear, weights())
        with pytest.raises(BudgetError):
            asked.train(query(), stage="training")
        assert len(asked.events) == 2


def test_no_step_more_than_was_paid_for() -> None:
    with curator(table([[0, 1]])) as asked:
        steps = asked.train(query(), stage="training")
        for left in (3, 2, 1):
            assert steps.steps_left == left
            steps.step(bilinear, weights())
        with pytest.raises(InputError, match="were taken"):
            steps.step(bilinear, weights())


def test_a_closed_curator_gives_no_gradient_and_holds_no_row() -> None:
    with curator(table([[0, 1], [3, 2]])) as asked:
        steps = asked.train(query(), stage="training")
    with pytest.raises(InputError, match="closed"):
        steps.step(bilinear, weights())
    assert all(
        not isinstance(value, np.ndarray) or not value.size for value in vars(steps).values()
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"partitions": {"a": BINS["a"]}},
        {"clip": 0.0},
        {"clip": float("nan")},
        {"clip": 1e39},
        {"divisor": -1.0},
        {"normals": -1},
        {"steps": 0},
        {"sampling_rate": 0.0},
        {"partitions": {**BINS, "a": np.array([0, 1])}},
        {"partitions": {**BINS, "a": np.array([0, 1, 2, 9])}},
    ],
)
def test_a_malformed_request_is_refused_before_a_charge(changes: dict[str, object]) -> None:
    with curator(table([[0, 1]])) as asked:
        with pytest.raises(InputError):
            asked.train(query(**changes), stage="training")
        assert not asked.events


@pytest.mark.parametrize("budget", [RHO, 0.11])
def test_more_noise_where_the_price_is_lower(budget: float) -> None:
    multipliers = []
    price: Callable[[int], float] = lambda n: budget * 0.9 / n  # noqa: E731
    for n in (1, 2, 4):
        with curator(table([[0, 1]]), rho=budget) as asked:
            asked.measure([MarginalQuery(attributes=("a",), rho=0.05 * budget)], stage="x")
            multipliers.append(asked.train(query(rho=price(n)), stage="t").noise_multiplier)
    assert multipliers == sorted(multipliers) and multipliers[0] < 0.6 * multipliers[2]
