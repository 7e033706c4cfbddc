"""The methods behind the real Curator: budgets, degenerate tables, and what they may depend on."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from method_runs import run

from dpsynth.errors import InputError
from dpsynth.privacy.curator import Curator
from dpsynth.schema.domain import Attribute, Domain
from dpsynth.synth import registry
from dpsynth.synth.api import Model, Synthesizer
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.selftest import check_sample

METHODS = tuple(registry.METHODS)


def fitted(
    method: str, domain: Domain, codes: np.ndarray, rho: float, rows_per_unit: int = 1, **options
) -> tuple[MarginalModel, Curator]:
    synthesizer = registry.make(method, {**registry.find(method).quick, **options})
    return run(synthesizer, codes.astype(np.int32), rho, domain, rows_per_unit)


def chain(rows: int, seed: int) -> tuple[Domain, np.ndarray]:
    """a -> b -> c strongly, d and e on their own, e with a spike and a tail."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 4, rows)
    b = np.where(rng.random(rows) < 0.9, a, rng.integers(0, 4, rows))
    c = np.where(rng.random(rows) < 0.9, b % 2, rng.integers(0, 3, rows))
    d = rng.integers(0, 5, rows)
    e = np.where(rng.random(rows) < 0.7, 0, rng.integers(0, 200, rows))
    domain = Domain.from_sizes({"a": 4, "b": 4, "c": 3, "d": 5, "e": 200}, ordered=["e"])
    return domain, np.array([a, b, c, d, e])


def test_mst_finds_the_dependent_pairs_and_reproduces_them() -> None:
    domain, codes = chain(20_000, 0)
    model, _ = fitted("mst", domain, codes, 0.05)
    pairs = {frozenset(m.attributes) for m in model.measured if len(m.attributes) == 2}
    assert {frozenset("ab"), frozenset("bc")} <= pairs and len(pairs) == 4
    exact = np.bincount(codes[0] * 4 + codes[1], minlength=16).reshape(4, 4)
    assert np.abs(model.marginal(("a", "b")) - exact).sum() / 2 / 20_000 < 0.03
    rows = model.sample(20_000, seed=1)
    drawn = np.bincount(rows[:, 0] * 4 + rows[:, 1], minlength=16).reshape(4, 4)
    assert np.abs(drawn - exact).sum() / 2 / 20_000 < 0.03
    assert abs(np.mean(rows[:, 4] == 0) - np.mean(codes[4] == 0)) < 0.02


def test_independent_keeps_columns_and_loses_relations() -> None:
    domain, codes = chain(20_000, 0)
    model, _ = fitted("independent", domain, codes, 0.05)
    table = model.marginal(("a", "b")) / model.total
    product = np.outer(table.sum(1), table.sum(0))
    np.testing.assert_allclose(table, product, atol=1e-9)
    assert np.abs(table.sum(1) - np.bincount(codes[0]) / 20_000).sum() < 0.02


@pytest.mark.parametrize("rho", [1e-6, 0.015, 1.09])
@pytest.mark.parametrize("method", METHODS)
def test_the_whole_budget_is_spent_and_never_more(method: str, rho: float) -> None:
    domain, codes = chain(500, 1)
    model, curator = fitted(method, domain, codes, rho, rows_per_unit=2)
    spent = sum((Fraction(event.rho) for _, event in curator.events), Fraction(0))
    assert Fraction(rho) * (1 - Fraction(1, 10**6)) < spent <= Fraction(rho)
    stages = registry.make(method, {}).plan(domain, rho)
    assert sum(Fraction(s.rho) for s in stages) <= Fraction(rho) * (1 + Fraction(1, 10**12))
    assert {event.stage for _, event in curator.events} == {s.stage for s in stages}
    assert sum(Fraction(m.rho) for m in model.measurements) <= spent


@pytest.mark.parametrize("rows", [0, 1, 2, 300])
@pytest.mark.parametrize(
    "sizes",
    [
        {"a": 1},
        {"a": 7},
        {"a": 3, "b": 2},
        {"a": 1, "b": 1},
        {"a": 1, "b": 4, "c": 50},
        {"a": 2, "b": 300, "c": 1, "d": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", METHODS)
def test_degenerate_tables_work(method: str, sizes: dict[str, int], rows: int) -> None:
    rng = np.random.default_rng(0)
    domain = Domain.from_sizes(sizes, ordered=["b"] if "b" in sizes else [])
    codes = np.array([rng.integers(0, size, rows) for size in sizes.values()])
    model, _ = fitted(method, domain, codes, 0.02)
    assert isinstance(model, Model)
    assert model.total >= 1.0
    count = round(model.total)
    drawn = model.sample(count, seed=3)
    assert drawn.shape == (count, len(sizes)) and drawn.dtype == np.int32
    assert (drawn >= 0).all() and (drawn < np.array(list(sizes.values()))).all()
    assert model.sample(0, seed=3).shape == (0, len(sizes))
    assert all(check.passed for check in check_sample(model, drawn, seed=3))
    for name in sizes:
        assert model.marginal((name,)).sum() == pytest.approx(model.total)


def test_large_columns_are_coarsened_and_redrawn() -> None:
    rng = np.random.default_rng(0)
    size, rows = 20_000, 30_000
    domain = Domain.from_sizes({"amount": size, "group": 3}, ordered=["amount"])
    group = rng.integers(0, 3, rows)
    amount = np.minimum(rng.exponential(1500, rows) * (1 + group), size - 1).astype(np.int64)
    model, _ = fitted("mst", domain, np.array([amount, group]), 1.0)
    assert model.graph.domain["amount"].size <= 33
    drawn = model.sample(rows, seed=0)
    for g in range(3):
        real, made = amount[group == g], drawn[drawn[:, 1] == g, 0]
        assert abs(np.median(made) / np.median(real) - 1) < 0.15


def test_out_of_domain_counts_come_from_the_noisy_one_ways() -> None:
    domain = Domain((Attribute(name="a", size=3, out_of_domain=2), Attribute(name="b", size=2)))
    codes = np.array([np.repeat([0, 1, 2], [500, 300, 200]), np.tile([0, 1], 500)])
    model, _ = fitted("mst", domain, codes, 1.0)
    [(name, count, sigma)] = model.out_of_domain_counts()
    assert name == "a" and abs(count - 200) < 9 * sigma
    entry = next(e for e in model.errors() if e["attributes"] == ["a"])
    assert entry["cells"] == 3 and entry["typical_error"] == pytest.approx(sigma * 0.7979, rel=1e-3)


def test_a_wide_column_is_charged_planned_and_listed_at_both_levels() -> None:
    size = 300
    wide = Attribute(
        name="w",
        size=size + 2,
        n_ordered=size,
        positions=tuple(map(float, range(size))),
        blank=size,
        out_of_domain=size + 1,
    )
    domain = Domain((wide, Attribute(name="b", size=2)))
    codes = np.array([np.arange(20_000) % size, np.tile([0, 1], 10_000)])
    codes[0, :3000] = size + 1
    for method in set(METHODS) - {"best"}:  # whose models are those of the others
        model, curator = fitted(method, domain, codes, 0.5)
        events = [e for _, e in curator.events if e.stage == "one-way"]
        assert [(e.attributes, e.cells) for e in events] == [
            (("w",), 302), (("w",), 18), (("b",), 2),
        ]  # fmt: skip
        [stage, *_] = registry.make(method, {}).plan(domain, 0.5)
        assert stage.queries == len(events)
        listed = [e for e in model.errors() if len(e["attributes"]) == 1]
        for entry, event in zip(listed, events, strict=True):
            assert (entry["cells"], entry["sigma"]) == (event.cells, event.sigma)
            assert entry["typical_error"] == pytest.approx(event.sigma * 0.7979, rel=1e-3)
        [(_, count, sigma)] = model.out_of_domain_counts()
        assert count == pytest.approx(model.measurements[0].values[size + 1])
        assert sigma == pytest.approx(events[0].sigma)
        assert abs(count - 3000) < 9 * sigma


def test_the_seed_alone_decides_the_sample() -> None:
    domain, codes = chain(2000, 2)
    model, _ = fitted("mst", domain, codes, 0.05)
    first = model.sample(1000, seed=5)
    assert (first == model.sample(1000, seed=5)).all()
    assert (first != model.sample(1000, seed=6)).any()


def test_the_registry_is_explicit() -> None:
    for name in METHODS:
        synthesizer = registry.make(name, {"label": "x"})
        assert isinstance(synthesizer, Synthesizer)
        assert synthesizer.name == name
        own = {"label": "x"}
        tree = own | {"size": "default", "bins": 32, "workload": []}
        tried = {"candidates": [{"name": "cliquetree", **tree}, {"name": "independent", **own}]}
        rounds = own | {"rounds": None, "size": "default", "workload": []}
        net = own | {"components": 400, "steps": None, "bins": 32, "workload": []}
        options = {
            "best": tried, "cliquetree": tree, "mwem": rounds, "aim": rounds | {"degree": 2},
            "marginal-net": net,
        }  # fmt: skip
        trained = {"gan": 200, "vae": 1000, "diffusion": 500}
        if name in trained:
            options[name] = own | {"steps": trained[name], "sampling_rate": 0.02}
        assert synthesizer.options() == options.get(name, own)
        assert registry.find(name).assurance == ("B" if name in trained else "A")
    with pytest.raises(InputError, match="cliquetree, diffusion, gan, independent, marginal-net"):
        registry.make("ctgan", {})
    with pytest.raises(InputError, match="no option degree"):
        registry.make("mst", {"degree": 2})
    with pytest.raises(InputError, match="name of a column"):
        registry.make("mst", {"label": 3})


def test_a_plan_refuses_what_cannot_work() -> None:
    domain = Domain.from_sizes({"a": 2, "b": 3})
    for method in METHODS:
        for rho in (0.0, -1.0, float("nan"), float("inf"), 1e-15):
            with pytest.raises(InputError, match="rho"):
                registry.make(method, {}).plan(domain, rho)
        with pytest.raises(InputError, match="label z"):
            registry.make(method, {"label": "z"}).plan(domain, 1.0)
        with pytest.raises(InputError, match="no column"):
            registry.make(method, {}).plan(Domain(()), 1.0)
        with pytest.raises(InputError, match="wide"):
            wide = Domain.from_sizes({"wide": 100_001})
            registry.make(method, {}).plan(wide, 1.0)
