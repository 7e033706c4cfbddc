"""Mixtures of products: every answer is that of the one distribution that components add up to."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mixtures import decoder_of, joint_of, model_of

from dpsynth.errors import InputError
from dpsynth.synth.neural import mixture as mixture_module
from dpsynth.synth.neural.latents import MAX_COMPONENTS, NormalLatents, StoredLatents
from dpsynth.synth.neural.mixture_model import MixtureModel

NAMES = ("a", "b", "c", "d", "w")
BOTH = pytest.mark.parametrize("tied", [False, True], ids=["free", "tied"])


def summed(joint: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Return a marginal of a joint table over NAMES, axes in the order given."""
    places = [NAMES.index(name) for name in names]
    table = joint.sum(axis=tuple(set(range(5)) - set(places)))
    return table.transpose(np.argsort(np.argsort(places)))


@BOTH
def test_marginals_are_those_of_the_joint_table(tied: bool) -> None:
    model = model_of(tied=tied)
    joint = joint_of(model) * model.total
    for ways in range(1, 6):
        for names in itertools.permutations(NAMES, ways):
            np.testing.assert_allclose(model.marginal(names), summed(joint, names), atol=2e-3)
            assert model.marginal(names).sum() == pytest.approx(model.total)
    tables = model.bin_tables()
    assert tables.marginal(("c", "w")).shape == (5, 4)


@BOTH
def test_conditions_are_those_of_the_joint_table(tied: bool) -> None:
    model = model_of(tied=tied)
    joint = joint_of(model) * model.total
    for codes in ({"a": 1}, {"b": 3, "w": 4}, {"w": 8, "d": 0}, {"a": 2, "b": 1, "c": 4}):
        cut = joint.copy()
        for name, code in codes.items():
            axis = NAMES.index(name)
            other = np.arange(cut.shape[axis]) != code
            cut[(slice(None),) * axis + (other,)] = 0.0
        given = model.given(codes)
        assert given.total == pytest.approx(cut.sum(), rel=1e-5)
        for names in (("a", "b"), ("c", "w"), ("d",), ("b", "c", "a")):
            np.testing.assert_allclose(given.marginal(names), summed(cut, names), atol=2e-3)
        rows = given.sample(400, seed=1)
        for name, code in codes.items():
            assert (rows[:, NAMES.index(name)] == code).all()
        assert all(check.passed for check in given.self_test(rows, seed=1))
        again = given.given(dict(list(codes.items())[:1]))  # what is fixed stays
        assert again.total == pytest.approx(given.total)
    with pytest.raises(InputError, match="not saved"):
        model.given({"a": 1}).save(Path())
    with pytest.raises(InputError, match="no code 3"):
        model.given({"a": 3})


def test_what_is_ruled_out_has_no_mass_no_row_and_no_condition() -> None:
    model = model_of(tied=True)
    pairs = model.marginal(("a", "b"))
    assert (pairs[0, 1:3] == 0).all() and pairs[2, 0] == 0 and pairs.min(initial=1, where=pairs > 0)
    rows = model.sample(5000, seed=3)
    for zeros in model.domain.zeros:
        assert zeros.holds([rows[:, NAMES.index(name)] for name in zeros.names]).all()
    free = model_of().sample(5000, seed=3)
    assert not zeros.holds([free[:, NAMES.index(name)] for name in zeros.names]).all()
    with pytest.raises(InputError, match="impossible"):
        model.given({"a": 0, "b": 1})


def test_zeros_too_large_for_a_block_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture_module, "MAX_BLOCK_CELLS", 12)
    blocks = model_of(tied=True).mixture.blocks
    assert [block.columns for block in blocks] == [(0, 1), (2,), (3,), (4,)]


@BOTH
def test_chunks_change_nothing(tied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model_of(tied=tied)
    asked = [("a", "w"), ("a", "b"), ("c", "d", "w")]
    before = [whole.marginal(names) for names in asked]
    monkeypatch.setattr(mixture_module, "_CHUNK", 200)  # three components at once, or fewer
    for names, table in zip(asked, before, strict=True):
        np.testing.assert_allclose(model_of(tied=tied).marginal(names), table, rtol=1e-4)
    rows = whole.sample(2000, seed=0)
    assert all(check.passed for check in whole.self_test(rows, seed=0))
    given = whole.given({"b": 2})
    assert given.total == pytest.approx(before[1][:, 2].sum(), rel=1e-5)


def test_the_seed_alone_decides_the_sample_and_rows_are_in_no_order() -> None:
    model = model_of()
    rows = model.sample(3000, seed=5)
    assert (rows == model.sample(3000, seed=5)).all()
    assert (rows != model.sample(3000, seed=6)).any()
    assert model.sample(0, seed=5).shape == (0, 5)
    halves = [np.bincount(half[:, 2], minlength=5) for half in (rows[:1500], rows[1500:])]
    assert np.abs(halves[0] - halves[1]).max() < 150  # components lie far apart


def test_fewer_rows_than_components_follow_the_mixture_too() -> None:
    """One-way counts of 200 samples of 30 rows: 5 sigma of their mean, fixed seeds."""
    model = model_of(count=500)
    counts = sum(np.bincount(model.sample(30, seed=s)[:, 2], minlength=5) for s in range(200))
    share = model.marginal(("c",)) / model.total
    assert (np.abs(counts - 6000 * share) < 5 * np.sqrt(6000 * share * (1 - share))).all()


def test_points_of_a_seed_are_the_same_for_ever_and_in_any_part() -> None:
    latents = NormalLatents(seed=11, count=1000, dimension=3)
    whole = latents.points(np.arange(1000))
    assert (latents.points(np.array([3, 500, 999])) == whole[[3, 500, 999]]).all()
    assert latents.points(np.array([], dtype=np.int64)).shape == (0, 3)
    np.testing.assert_allclose(whole[0], [-1.1331758, -0.0018101, 0.2572273], atol=1e-6)
    assert abs(whole.mean()) < 0.1 and abs(whole.std() - 1) < 0.1


@pytest.mark.parametrize(
    ("count", "dimension", "seed"), [(0, 1, 0), (1, 0, 0), (MAX_COMPONENTS + 1, 1, 0), (1, 1, -1)]
)
def test_impossible_points_are_refused(count: int, dimension: int, seed: int) -> None:
    with pytest.raises(ValueError, match=r"points|seed"):
        NormalLatents(seed=seed, count=count, dimension=dimension)


def test_trained_points_are_taken_as_they_are() -> None:
    seeded = NormalLatents(seed=7, count=40, dimension=3)
    stored = StoredLatents(values=seeded.points(np.arange(40)))
    for names in (("a", "b"), ("w",)):
        left, right = (model_of(latents=points).marginal(names) for points in (seeded, stored))
        np.testing.assert_allclose(left, right, rtol=1e-6)


def test_layers_that_do_not_fit_are_refused() -> None:
    decoder = decoder_of([3, 2])
    with pytest.raises(ValueError, match="layers of shapes"):
        type(decoder)(sizes=(3, 3), layers=decoder.layers)
    with pytest.raises(ValueError, match="layers of shapes"):
        type(decoder)(sizes=(3, 2), layers=decoder.layers[:-2] + decoder.layers[-1:])


def test_torch_and_numpy_give_the_same_numbers() -> None:
    torch = pytest.importorskip("torch")
    from dpsynth.synth.neural.torch_decoder import TorchDecoder

    generator = torch.Generator().manual_seed(0)
    network = TorchDecoder([3, 1, 6], dimension=4, width=16, blocks=2, generator=generator)
    with torch.no_grad():  # residual blocks begin as the identity: give them something to do
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    points = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    with torch.no_grad():
        trained = network(torch.from_numpy(points)).numpy()
    exported = network.export().probabilities(points)
    np.testing.assert_allclose(exported, trained, rtol=2e-4, atol=1e-6)
    assert exported.std() > 0.05
    assert network.export().dimension == 4 and network.export().blocks == 2


def test_loading_and_sampling_need_no_torch(tmp_path: Path) -> None:
    model_of(tied=True).save(tmp_path)
    script = f"""
import sys
sys.modules["torch"] = None  # an import of it raises
import dpsynth.cli
from pathlib import Path
from dpsynth.synth.registry import METHODS, load_model
model = load_model(Path({str(tmp_path)!r}))
assert model.sample(100, seed=1).shape == (100, 5)
assert model.given({{"a": 1}}).marginal(("b", "c")).sum() > 0
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_model_of_another_decoder_is_another_distribution() -> None:
    model = model_of()
    assert isinstance(model, MixtureModel)
    assert np.abs(model.marginal(("a",)) - model_of(seed=1).marginal(("a",))).max() > 20
