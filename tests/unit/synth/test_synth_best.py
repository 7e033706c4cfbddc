"""The choice among methods: every trial and the choice are charged, and the better one is kept."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dpsynth.errors import BudgetError, InputError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.privacy.losses import total_loss
from dpsynth.privacy.measurement import MarginalQuery
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth import registry

RHO = 0.0241
DOMAIN = Domain.from_sizes({"a": 4, "b": 4, "c": 3})


def table(rows: int, dependent: bool) -> CodedTable:
    rng = np.random.default_rng(1)
    codes = np.stack([rng.integers(0, a.size, rows) for a in DOMAIN]).astype(np.uint8)
    if dependent:
        codes[1] = codes[0]
    return CodedTable.build(DOMAIN, codes)


def fit(rows: int, dependent: bool, names: tuple[str, ...] = ("mst", "independent")):
    synthesizer = registry.make("best", {"candidates": list(names)})
    paying = MemoryReservation(RHO)
    with Curator(
        table(rows, dependent), reservation=paying, max_rows_per_unit=1, rho=RHO
    ) as curator:
        model = synthesizer.fit(curator)
        return model, curator.events, synthesizer


def test_every_trial_and_the_choice_are_charged_as_planned() -> None:
    _, events, synthesizer = fit(4000, dependent=True)
    stages = {s.stage: s.rho for s in synthesizer.plan(DOMAIN, RHO)}
    assert set(stages) == {
        "mst: one-way", "mst: select", "mst: pairs", "independent: one-way", "choice",
    }  # fmt: skip
    assert sum(map(Fraction, stages.values())) == pytest.approx(Fraction(RHO), rel=1e-9)
    assert total_loss(event for _, event in events).rho <= Fraction(RHO)
    for name, price in stages.items():
        spent = float(sum(Fraction(event.rho) for _, event in events if event.stage == name))
        assert 0 < spent <= price * (1 + 1e-9), name
    assert [seq for seq, _ in events] == sorted(seq for seq, _ in events)


@pytest.mark.parametrize("names", [("mst", "independent"), ("independent", "mst")])
def test_the_better_one_is_kept(names: tuple[str, ...], tmp_path: Path) -> None:
    """Independent columns lose a half of the rows of one pair in three; noise moves the mean
    distance by about 1 % here, so that no run of ten can choose them by chance (below 1e-9)."""
    chosen = [fit(8000, dependent=True, names=names)[0] for _ in range(10)]
    assert {model.method for model in chosen} == {"mst"}
    chosen[0].save(tmp_path)
    assert registry.load_model(tmp_path).method == "mst"


def test_like_candidates_are_told_apart_and_the_noise_of_the_total_is_of_the_chosen_one() -> None:
    """Over 100 fits the squared standard errors sum to a chi-square of 100: outside (40, 185)
    with probability below 1e-5. The events of all three together would make it three times that,
    which passes once in 500 runs.
    """
    names = ("independent",) * 3
    _, events, _ = fit(300, dependent=False, names=names)
    assert {event.stage for _, event in events} == {
        "independent: one-way", "independent 2: one-way", "independent 3: one-way", "choice",
    }  # fmt: skip
    models = [fit(300, dependent=False, names=names)[0] for _ in range(100)]
    squares = sum(((model.total - 300) / model.total_sigma) ** 2 for model in models)
    assert 40 < squares < 185


def test_one_column_is_compared_by_itself() -> None:
    domain = Domain.from_sizes({"a": 4})
    rows = CodedTable.build(domain, np.zeros((1, 500), dtype=np.uint8))
    with Curator(rows, reservation=MemoryReservation(RHO), max_rows_per_unit=1, rho=RHO) as curator:
        assert registry.make("best", {}).fit(curator).domain == domain


@pytest.mark.parametrize(
    "candidates",
    [[], ["mst"], "mst", None, ["mst", 3], ["mst", "best"], ["mst"] * 11, ["mst", "nobody"],
     ["mst", {"name": "mst", "colour": "blue"}], ["mst", {"name": "mst", 1: 2, "x": 3}],
     ["mst", {"name": "mst", "label": "a"}]],
)  # fmt: skip
def test_candidates_that_are_none_are_refused(candidates: object) -> None:
    with pytest.raises(InputError):
        registry.make("best", {"candidates": candidates})


def test_a_part_pays_from_the_whole_and_never_more() -> None:
    query = [MarginalQuery(attributes=("a",), rho=0.4)]
    whole = Curator(
        table(100, dependent=False),
        reservation=MemoryReservation(1.0),
        max_rows_per_unit=1,
        rho=0.5,
    )
    part = whole.part(0.4, "trial")
    part.measure(query, stage="one")
    assert [event.stage for _, event in whole.events] == ["trial: one"]
    assert whole.remaining == pytest.approx(0.1, rel=1e-6)
    with pytest.raises(BudgetError):  # the part is spent
        part.measure(query, stage="two")
    with pytest.raises(BudgetError, match="Nothing was charged"):  # a part may be promised more
        whole.part(0.4, "more").measure(query, stage="one")
    other = whole.part(0.05, "other").part(0.02, "inner")
    whole.measure([MarginalQuery(attributes=("a",), rho=0.09)], stage="own")
    small = [MarginalQuery(attributes=("a",), rho=0.02)]
    with pytest.raises(BudgetError):  # what the part may spend is gone from the whole
        whole.part(0.02, "late").measure(small, stage="one")
    whole.part(0.003, "last").measure([MarginalQuery(attributes=("a",), rho=0.003)], stage="one")
    other.measure([MarginalQuery(attributes=("a",), rho=0.001)], stage="one")
    stages = [event.stage for _, event in whole.events]
    assert stages == ["trial: one", "own", "last: one", "other: inner: one"]
    whole.close()
    with pytest.raises(InputError, match="closed"):  # a part dies with the whole
        other.measure(small, stage="late")
    with pytest.raises(InputError, match="closed"):
        whole.part(0.001, "late")
