"""Worlds, witness and runs: with the noise taken out, the ratio is the price itself."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.stats import norm

from dpsynth.auditing import PAIRS, Setup, View, Worlds, make_worlds
from dpsynth.auditing.runs import draw
from dpsynth.auditing.witness import Witness, gaussian_ratio, selection_ratio
from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy import curator as curator_module
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.synth.registry import make

RHO = 0.1


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the noise out of every Gaussian answer; prices and scales stay as they are."""
    monkeypatch.setattr(curator_module, "gaussian", lambda counts, sigma, _: (counts.copy(), 0.0))


def run(worlds: Worlds, world: int, method: str, rho: float = RHO) -> tuple[float, float]:
    """Return the ratio of one fit and what was charged for it."""
    with Curator(
        worlds.tables[world],
        reservation=MemoryReservation(rho),
        max_rows_per_unit=worlds.max_rows,
        rho=rho,
    ) as curator:
        witness = Witness(curator, worlds.tables)
        make(method, {}).fit(witness)
        return witness.ratio, sum(event.rho for _, event in curator.events)


@pytest.mark.parametrize("method", ["independent", "cliquetree", "best"])
@pytest.mark.parametrize("pair", PAIRS)
def test_exact_answers_tell_what_was_charged_and_no_more(
    silent: None, method: str, pair: str
) -> None:
    """Every answer moves by all of its sensitivity, in each direction: sum d**2/2s**2 = rho."""
    worlds = make_worlds(pair, columns=3, seed=1)
    for world, sign in ((0, -1.0), (1, 1.0)):
        ratio, charged = run(worlds, world, method)
        assert charged > 0.4 * RHO
        assert ratio == pytest.approx(sign * charged, rel=1e-6)


def test_rows_of_one_unit_are_priced_together(silent: None) -> None:
    ratio, charged = run(make_worlds("lone", columns=4, seed=1, max_rows=5), 1, "independent")
    assert ratio == pytest.approx(charged, rel=1e-6)


def test_two_units_at_the_price_of_one_tell_four_times_as_much(silent: None) -> None:
    ratio, charged = run(make_worlds("lone", columns=3, seed=1, units=2), 1, "independent")
    assert ratio == pytest.approx(4.0 * charged, rel=1e-6)


def test_the_witness_knows_every_method_of_a_curator() -> None:
    """What it did not pass on would be an answer that nobody weighs."""
    public = {name for name in vars(Curator) if not name.startswith("_")}
    assert public <= set(vars(Witness))


def test_the_witness_weighs_no_discovery() -> None:
    worlds = make_worlds("lone", columns=1, seed=1)
    with Curator(
        worlds.tables[0], reservation=MemoryReservation(RHO), max_rows_per_unit=1, rho=RHO
    ) as curator:
        witness = Witness(curator, worlds.tables)
        with pytest.raises(SelfTestError):
            witness.discover("a", rho=0.01, delta=1e-6, stage="x")
        witness.close()
        with pytest.raises(InputError):
            curator.measure([], stage="x")


def test_the_ratio_of_noise_is_that_of_its_density() -> None:
    seen, without, with_unit = np.array([3, -4]), np.array([1, 2]), np.array([2, 0])
    exact = norm.logpdf(seen, with_unit, 2.5).sum() - norm.logpdf(seen, without, 2.5).sum()
    assert gaussian_ratio(seen, without, with_unit, 2.5) == pytest.approx(exact)


def test_the_ratio_of_a_choice_is_that_of_its_probability() -> None:
    without, with_unit, scale = np.array([4, 0, -2]), np.array([3, 1, -2]), 1.5
    first, second = (np.exp(s / scale) / np.exp(s / scale).sum() for s in (without, with_unit))
    for index in range(3):
        exact = math.log(second[index] / first[index])
        assert selection_ratio(index, without, with_unit, scale) == pytest.approx(exact)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("max_rows", [1, 3])
def test_worlds_differ_by_the_rows_of_one_unit(pair: str, max_rows: int) -> None:
    worlds = make_worlds(pair, columns=4, seed=2, max_rows=max_rows)
    without, with_unit = worlds.tables
    assert without.max_rows == with_unit.max_rows == worlds.max_rows == max_rows
    assert with_unit.n_units == without.n_units + 1
    for names in (["a"], ["a", "d"], ["a", "b", "c", "d"]):
        (change,) = (
            m - n
            for m, n in zip(
                with_unit.count([(tuple(names), {})]), without.count([(tuple(names), {})]),
                strict=True,
            )
        )  # fmt: skip
        cell = tuple(int(worlds.unit["abcd".index(name)]) for name in names)
        assert change[cell] == max_rows == change.sum()
        (others,) = without.count([(tuple(names), {})])
        assert (others[cell] == 0) == (pair != "crossed" or others.sum() == 0)


def test_a_crossed_unit_moves_two_scores_in_opposite_directions() -> None:
    without, with_unit = make_worlds("crossed", columns=3, seed=3).tables
    moves = []
    for pair in (("a", "b"), ("a", "c")):
        counts = [table.count([(pair, {})])[0] for table in (without, with_unit)]
        product = np.rint(np.outer(counts[0].sum(1), counts[0].sum(0)) / counts[0].sum())
        moves.append(np.abs(counts[1] - product).sum() - np.abs(counts[0] - product).sum())
    assert moves == [1.0, -1.0]


@pytest.mark.parametrize("arguments", [{"pair": "odd"}, {"columns": 0}, {"columns": 5}])
def test_what_cannot_be_made_up_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InputError):
        make_worlds(**({"pair": "lone", "columns": 2, "seed": 1} | arguments))  # type: ignore[arg-type]


def setup(view: View = View.TRANSCRIPT, method: str = "independent") -> Setup:
    worlds = make_worlds("lone", columns=1, seed=1)
    return Setup(synthesizer=make(method, {}), worlds=worlds, rho=RHO, view=view)


def test_runs_are_counted_in_each_world(silent: None) -> None:
    told: list[int] = []
    scores = draw(setup(), 60, tell=told.append)
    assert scores.without.shape == scores.with_unit.shape == (60,)
    assert told == [50, 100, 110, 120]
    assert scores.selections == 0.0
    assert np.all(scores.without < 0) and np.all(scores.with_unit > 0)


def test_other_workers_do_the_same_work(silent: None) -> None:
    sent = pickle.loads(pickle.dumps(setup()))  # what another process would get
    assert np.array_equal(sent.worlds.unit, setup().worlds.unit)
    with ThreadPoolExecutor(1) as pool:
        scores = draw(setup(), 60, pool=pool)
    assert np.all(scores.without < 0) and np.all(scores.with_unit > 0)


def test_the_view_of_a_table_counts_the_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    def louder(counts: np.ndarray, sigma: float, _: float) -> tuple[np.ndarray, float]:
        return counts * 1000, 0.0

    monkeypatch.setattr(curator_module, "gaussian", louder)
    scores = draw(setup(View.TABLE), 4)
    assert np.all(scores.without < 50.0) and np.all(scores.with_unit > 900.0)


def test_selections_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = make_worlds("crossed", columns=3, seed=1)
    scores = draw(Setup(synthesizer=make("mst", {}), worlds=worlds, rho=RHO), 1)
    assert scores.selections == pytest.approx(0.05, abs=1e-6)
