"""Marginal net: what it measures and pays, what its fit finds, and what it leaves behind."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from method_runs import DOMAIN, rows, run, spent

from dpsynth.auditing.artifacts import holding
from dpsynth.errors import InputError, MissingExtraError
from dpsynth.privacy.events import GaussianEvent, ScoresEvent
from dpsynth.schema.domain import Domain
from dpsynth.synth.neural import extra
from dpsynth.synth.neural.decoder import Decoder
from dpsynth.synth.neural.evening import even_out
from dpsynth.synth.neural.marginal_net import MarginalNetSynthesizer, _steps_for
from dpsynth.synth.neural.mixture import Block, Mixture
from dpsynth.synth.neural.mixture_model import MixtureModel
from dpsynth.synth.pgm.fit import Observation, fit, log_prior
from dpsynth.synth.registry import load_model, make
from dpsynth.synth.structure import SIZES

BRIEF: dict[str, Any] = {"components": 60, "steps": 150}


def fitted(codes: np.ndarray, rho: float, domain: Domain = DOMAIN, **options: Any) -> Any:
    return run(MarginalNetSynthesizer(**(BRIEF | options)), codes, rho, domain)


def measured(model: MixtureModel, columns: int) -> set[frozenset[str]]:
    return {frozenset(m.attributes) for m in model.measurements if len(m.attributes) == columns}


def test_strong_pairs_are_measured_kept_and_the_whole_budget_is_spent() -> None:
    codes = rows(20_000)
    model, curator = fitted(codes, 0.01, label="y")
    assert {frozenset("ab"), frozenset("bc")} <= measured(model, 2)
    assert {frozenset((name, "y")) for name in "abcd"} <= measured(model, 2)
    assert 0.01 * (1 - 1e-6) <= spent(curator) <= 0.01
    assert {type(event) for _, event in curator.events} == {GaussianEvent, ScoresEvent}
    drawn = model.sample(20_000, seed=1).T
    for left, right in ((0, 1), (1, 2), (0, 2)):
        exact, made = (np.bincount(t[left] * 4 + t[right], minlength=16) for t in (codes, drawn))
        assert np.abs(exact - made).sum() / 40_000 < 0.05
    assert all(check.passed for check in model.self_test(drawn.T.copy(), seed=1))


def test_triples_are_bought_where_the_budget_leaves_little_noise() -> None:
    poor, _ = fitted(rows(20_000), 0.0005, label="y")
    rich, curator = fitted(rows(20_000), 2.0, label="y", steps=300)
    assert not measured(poor, 3)
    assert frozenset("aby") in measured(rich, 3), "parity: no pair shows it"
    assert 2.0 * (1 - 1e-6) <= spent(curator) <= 2.0
    exact = np.zeros((4, 4, 2))
    a, b, _, _, y = rows(20_000)
    np.add.at(exact, (a, b, y), 1)
    distance = np.abs(rich.marginal(("a", "b", "y")) - exact).sum() / (2 * exact.sum())
    assert distance < 0.05
    apart = np.abs(poor.marginal(("a", "b", "y")) - exact).sum() / (2 * exact.sum())
    assert apart > 0.1, "the same figure without the triple"


def test_no_tree_limits_the_pairs() -> None:
    """Eight columns that all depend: a tree cannot hold all of their pairs, a mixture can."""
    rng = np.random.default_rng(3)
    domain = Domain.from_sizes({f"c{i}": 16 for i in range(8)})
    hidden = rng.integers(0, 16, 30_000)
    codes = np.array(
        [np.where(rng.random(30_000) < 0.6, hidden, rng.integers(0, 16, 30_000)) for _ in range(8)],
        dtype=np.int32,
    )
    net, _ = fitted(codes, 0.05, domain, steps=20)
    tree, _ = run(make("cliquetree", {}), codes, 0.05, domain)
    assert len(measured(net, 2)) == 28 > len(measured(tree, 2))
    assert max(belief.size for belief in tree.graph.beliefs) <= SIZES["default"]


def small() -> tuple[Domain, list[Observation], list[np.ndarray], np.ndarray]:
    """Return two overlapping noisy pairs of three columns, and the optimum over all tables."""
    rng = np.random.default_rng(0)
    domain = Domain.from_sizes({"a": 3, "b": 2, "c": 3})
    exact = rng.dirichlet(np.ones(18)).reshape(3, 2, 3) * 5000
    seen = [
        Observation(attributes=names, values=table, variance=np.full((3, 2), 900.0))
        for names, table in ((("a", "b"), exact.sum(axis=2)), (("c", "b"), exact.sum(axis=0).T))
    ]
    prior = [log_prior(np.ones(size)) for size in (3, 2, 3)]
    best = fit(domain, seen, prior=prior, total=5000.0, shrinkage=0.1)
    return domain, seen, prior, best.marginal(("a", "b", "c"))


def mixture_of(search: Any, domain: Domain, blocks: tuple[Block, ...]) -> Mixture:
    decoder, latents = search.decoder(), search.latents()
    assert isinstance(decoder, Decoder)
    weights = np.full(latents.count, 1.0 / latents.count)
    return Mixture(domain=domain, decoder=decoder, latents=latents, blocks=blocks, weights=weights)


def test_the_fit_comes_close_to_the_optimum_over_all_distributions() -> None:
    """The unobserved pair too: without the entropy term nothing would hold it in place."""
    pytest.importorskip("torch")
    from dpsynth.synth.neural.fitting import MixtureFit

    domain, seen, prior, best = small()
    blocks = tuple(Block(columns=(number,)) for number in range(3))
    search = MixtureFit(
        domain, blocks, prior=prior, total=5000.0, shrinkage=0.1, components=60, seed=1
    )
    start = mixture_of(search, domain, blocks).marginal(("a", "b", "c"))
    search.run(seen, 400)
    found = mixture_of(search, domain, blocks).marginal(("a", "b", "c"))
    assert np.abs(start - best).sum() / 2 > 0.15
    assert np.abs(found - best).sum() / 2 < 0.02


def test_the_fit_holds_structural_zeros_of_blocks() -> None:
    """Two columns tied, observed with each other and with a third one."""
    pytest.importorskip("torch")
    from dpsynth.synth.neural.fitting import MixtureFit

    rng = np.random.default_rng(2)
    domain = Domain.from_sizes({"a": 3, "b": 2, "c": 3})
    exact = rng.dirichlet(np.ones(18)).reshape(3, 2, 3)
    exact[0, 1] = exact[2, 0] = 0.0
    exact *= 5000 / exact.sum()
    allowed = exact.sum(axis=2) > 0
    blocks = (Block(columns=(0, 1), share=allowed.astype(np.float32)), Block(columns=(2,)))
    scopes = [("b", "a"), ("c", "a"), ("c",), ("b", "c", "a")]
    seen = []
    for scope in scopes:
        places = ["abc".index(name) for name in scope]
        table = exact.sum(axis=tuple(set(range(3)) - set(places)))
        table = table.transpose(np.argsort(np.argsort(places)))
        seen.append(Observation(attributes=scope, values=table, variance=np.full(table.shape, 25)))
    search = MixtureFit(
        domain,
        blocks,
        prior=[log_prior(np.ones(size)) for size in (3, 2, 3)],
        total=5000.0,
        shrinkage=0.05,
        components=40,
        seed=1,
    )
    search.run(seen, 400)
    found = mixture_of(search, domain, blocks).marginal(("a", "b", "c")) * 5000
    assert found[~allowed].sum() == 0
    assert np.abs(found - exact).sum() / 10_000 < 0.03


def test_a_seed_decides_the_training() -> None:
    pytest.importorskip("torch")
    from dpsynth.synth.neural.fitting import MixtureFit

    domain, seen, prior, _ = small()
    blocks = tuple(Block(columns=(number,)) for number in range(3))
    points = []
    for seed in (1, 1, 2):
        search = MixtureFit(
            domain, blocks, prior=prior, total=5000.0, shrinkage=0.1, components=20, seed=seed
        )
        search.run(seen, 20)
        points.append(search.latents().values)
    assert (points[0] == points[1]).all() and (points[0] != points[2]).any()


def test_steps_follow_from_the_size_of_the_tables() -> None:
    few, many = (
        [Observation(attributes=("a",), values=np.zeros(k), variance=np.ones(k))]
        for k in (10, 10**6)
    )
    assert 300 < _steps_for(few) < 350 and _steps_for(many) == 1500


def test_evened_rows_keep_columns_and_components_and_are_closer_in_pairs() -> None:
    rng = np.random.default_rng(0)
    sizes, allotted = np.array([4, 5, 3]), np.array([300, 0, 1, 199])
    starts = np.array([0, 4, 9])
    group = np.repeat(np.arange(4), allotted)
    codes = np.stack([rng.integers(0, size - group % 2) for size in sizes], axis=1)
    mean = np.zeros((4, 12))  # of each component, as it is
    for column in range(3):
        np.add.at(mean, (group, starts[column] + codes[:, column]), 1)
    mean /= np.maximum(allotted, 1)[:, None]
    expected = ((mean * (allotted / 500)[:, None]).T @ mean).astype(np.float32)
    cells = codes + starts
    even_out(cells, allotted, np.arange(3), expected, rng)

    def excess(table: np.ndarray) -> float:
        total = 0.0
        for i, j in itertools.combinations(range(3), 2):
            seen = np.zeros((12, 12))
            np.add.at(seen, (table[:, i], table[:, j]), 1)
            part = np.s_[starts[i] : starts[i] + sizes[i], starts[j] : starts[j] + sizes[j]]
            total += np.abs(seen - 500 * expected)[part].sum()
        return total

    assert excess(cells) < 0.5 * excess(codes + starts)
    for component in range(4):
        for column in range(3):
            before, after = (t[group == component, column] for t in (codes + starts, cells))
            assert (np.sort(before) == np.sort(after)).all()


def test_tied_columns_are_swapped_together() -> None:
    """The second column repeats the first: of a block, no swap may take them apart."""
    rng = np.random.default_rng(1)
    first, third = rng.integers(0, 4, 400), rng.integers(0, 3, 400)
    cells = np.stack([first, first + 4, third + 8], axis=1)
    expected = np.full((11, 11), 1 / 12, dtype=np.float32)
    before = cells.copy()
    even_out(cells, np.array([400]), np.array([0, 0, 1]), expected, rng)
    assert (cells[:, 1] == cells[:, 0] + 4).all() and (cells != before).any()


def test_no_row_is_left_in_a_saved_generator(tmp_path: Path) -> None:
    """A planted row, the length of the table, and a scan that finds what is planted."""
    count = 5003
    codes = rows(count)
    codes[:, -1] = 3, 0, 3, 2, 1
    model, _ = fitted(codes, 0.5, label="y", steps=30)
    model.save(tmp_path)
    assert holding(tmp_path, rows=codes.T) == []
    loaded = load_model(tmp_path)
    assert (loaded.sample(100, seed=1) == model.sample(100, seed=1)).all()
    np.savez(tmp_path / "rows.npz", rows=codes)
    assert [path.name for path in holding(tmp_path, rows=codes.T)] == ["rows.npz"]


def test_one_column_and_independent_columns_need_no_training() -> None:
    single = Domain.from_sizes({"a": 4})
    model, curator = fitted(rows(500)[:1], 0.02, single)
    assert len(curator.events) == 1 and model.mixture.latents.count == 1
    assert model.sample(10, seed=0).shape == (10, 1)


def test_without_torch_nothing_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"dpsynth\[neural\]"):
        MarginalNetSynthesizer().plan(DOMAIN, 0.1)
    with pytest.raises(MissingExtraError):
        fitted(rows(100), 0.1)


@pytest.mark.parametrize(
    "options",
    [{"components": 0}, {"components": 4097}, {"components": True}, {"steps": 0},
     {"steps": 100_001}, {"steps": 2.0}, {"bins": 1}, {"workload": "ab"}],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="marginal-net"):
        MarginalNetSynthesizer(**options)
