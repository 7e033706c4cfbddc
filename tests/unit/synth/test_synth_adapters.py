"""Adapters of smartnoise-synth: the declared domain, true prices, fresh randomness, no rows kept.

A code that never occurs is planted in every table: a program that learned its domain from rows
could not know it. Noise has no seed here; each random statement says how often it fails by chance.
"""

from __future__ import annotations

import json
import math
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dpsynth.errors import InputError, MissingExtraError, SelfTestError, ThirdPartyError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.foreign import ThirdPartyEvent
from dpsynth.privacy.handover import CodedRows
from dpsynth.privacy.unprotected import UnprotectedCurator
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth import registry
from dpsynth.synth.adapters import ADAPTERS, extra
from dpsynth.synth.adapters import aim as aim_module
from dpsynth.synth.adapters import unbounded as unbounded_module
from dpsynth.synth.contract import _Book
from dpsynth.synth.empirical import EmpiricalModel, NoisyTable, load_empirical

DOMAIN = Domain.from_sizes({"a": 5, "b": 3, "c": 4})
N = 300
UNBOUNDED = tuple(name for name, method in ADAPTERS.items() if method.assurance == "N")
FAST = {
    "smartnoise:dpctgan": {"epochs": 1, "batch_size": 100},
    "smartnoise:patectgan": {"batch_size": 100},
}


def rows(n: int = N) -> np.ndarray:
    """Rows in which the last code of every column never occurs, and c follows a."""
    rng = np.random.default_rng(1)
    a = rng.integers(0, 4, n)
    return np.stack([a, rng.integers(0, 2, n), np.minimum(a, 2)], axis=1)


def table(codes: np.ndarray, units: int = 1) -> CodedTable:
    return CodedTable.build(DOMAIN, codes.T).bounded(units, b"a key of sixteen")


def test_the_class_of_each_is_declared_with_its_ground() -> None:
    assert {name: method.assurance for name, method in ADAPTERS.items()} == {
        "smartnoise:aim": "B", "smartnoise:mst": "N", "smartnoise:mwem": "N",
        "smartnoise:dpctgan": "N", "smartnoise:patectgan": "N",
    }  # fmt: skip
    for name in UNBOUNDED:
        for reason in ADAPTERS[name].reasons:
            assert "smartnoise-synth 1.0.8" in reason and "source" in reason
    text = (Path(__file__).parents[3] / "docs" / "adapters.md").read_text(encoding="utf-8")
    assert "## smartnoise:aim" in text
    assert all(f"`{name}`" in text for name in ADAPTERS)


def test_nothing_of_theirs_is_imported_by_a_declaration() -> None:
    import subprocess

    probe = (
        "import sys; from dpsynth.synth import registry; registry.make('smartnoise:mst', {});"
        "print([m for m in ('snsynth', 'torch', 'jax', 'mbi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "PROGRAM", "no-such-package-of-ours")
    with pytest.raises(MissingExtraError, match=r"dpsynth\[smartnoise\]"):
        extra.installed_version()


@pytest.mark.parametrize("name", ["smartnoise:aim", "smartnoise:mst"])
def test_another_version_than_the_one_that_was_read_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extra, "version", lambda _: "1.0.9")
    with pytest.raises(InputError, match=r"1\.0\.8 and not 1\.0\.9"):
        registry.make(name, {}).plan(Domain.from_sizes({"a": 3, "b": 4}), 0.1)


def test_a_seed_that_a_notebook_chose_is_gone() -> None:
    drawn = []
    for _ in range(2):
        np.random.seed(0)
        with extra.fresh_randomness():
            drawn.append(np.random.random())
        drawn.append(np.random.random())
    assert len(set(drawn)) == 4


@pytest.mark.parametrize("name", UNBOUNDED)
def test_the_declared_domain_is_imposed_on_every_program(name: str) -> None:
    pytest.importorskip("snsynth")
    book = _Book()
    synthesizer = registry.make(name, {"rows": 150, **FAST.get(name, {})})
    assert sum(stage.rho for stage in synthesizer.plan(DOMAIN, 0.0)) == 0.0
    with UnprotectedCurator(table(rows()), reservation=book, max_rows_per_unit=1) as curator:
        model = synthesizer.fit(curator)
    assert model.codes.shape == (150, 3) and model.total == 150.0, "a public number, never n"
    assert isinstance(model, EmpiricalModel) and model.method == name
    [event] = book.unbounded
    assert event.version == "1.0.8" and event.reason == ADAPTERS[name].reasons[0]


def test_a_transformer_knows_codes_that_no_row_has() -> None:
    pytest.importorskip("snsynth")
    known = unbounded_module._transformer(DOMAIN, "cube")
    assert known.cardinality == [5, 3, 4]
    assert known.transform([(4, 2, 3), (0, 0, 0)]) == [(4, 2, 3), (0, 0, 0)]


def aim(budget: float, units: int = 1, n: int = N, **options) -> tuple[EmpiricalModel, Curator]:
    synthesizer = registry.make("smartnoise:aim", {"rounds": 3, **options})
    book = _Book()
    with Curator(
        table(rows(n), units), reservation=book, max_rows_per_unit=units, rho=budget
    ) as curator:
        return synthesizer.fit(curator), curator


@pytest.mark.parametrize("units", [1, 3])
def test_the_aim_core_pays_for_what_it_draws(units: int) -> None:
    pytest.importorskip("snsynth")
    model, curator = aim(0.4, units)
    [(_, event)] = curator.events
    assert isinstance(event, ThirdPartyEvent) and event.sensitivity == units
    assert Fraction(event.row_rho) * units**2 <= Fraction(event.rho) <= Fraction(0.4)
    assert event.rho == pytest.approx(0.4)
    # What was measured, at the noise of one row's price: c times as much as one row would need.
    first = math.sqrt(3 / (2 * 0.9 * event.row_rho))
    single = [t for t in model.tables if len(t.attributes) == 1][:3]
    assert [t.sigma for t in single] == pytest.approx([first] * 3)
    spent = sum(0.5 / t.sigma**2 for t in model.tables)
    assert spent <= event.row_rho * (1 + 1e-9)
    assert spent >= 0.8 * event.row_rho, "a tenth goes to choices"
    # Noise is continuous: it hits the exact number in less than 1e-9 of runs.
    assert model.total != N and len(model.codes) == round(model.total)


def test_the_aim_core_takes_relations_and_knows_absent_codes() -> None:
    """20,000 rows at rho 0.5: noise is three rows a cell; fails in less than 1e-9 of runs."""
    pytest.importorskip("snsynth")
    model, _ = aim(0.5, n=20_000)
    share = model.marginal(("a", "c")) / model.total
    assert share[0, 0] > 0.15 and share[0, 1:].sum() < 0.05
    assert model.domain["a"].size == 5 and model.marginal(("a",)).shape == (5,)


def test_a_core_that_draws_more_than_it_was_paid_for_stops(monkeypatch) -> None:
    real = aim_module._run

    def greedy(options, given: CodedRows, price: float):
        return real(options, given, 1.01 * price)

    pytest.importorskip("snsynth")
    monkeypatch.setattr(aim_module, "_run", greedy)
    with pytest.raises(SelfTestError, match="more than it was paid for"):
        aim(0.4)


@pytest.mark.parametrize("name", ["smartnoise:aim", "smartnoise:mst"])
def test_a_failing_program_is_not_quoted(name: str, monkeypatch) -> None:
    pytest.importorskip("snsynth")

    def broken(*given: object) -> None:
        raise ValueError(f"row 17 is {given}")

    monkeypatch.setattr(aim_module, "_run", broken)
    monkeypatch.setattr(unbounded_module, "_transformer", broken)
    book = _Book()
    synthesizer = registry.make(name, {})
    curator = (
        Curator(table(rows()), reservation=book, max_rows_per_unit=1, rho=0.1)
        if name == "smartnoise:aim"
        else UnprotectedCurator(table(rows()), reservation=book, max_rows_per_unit=1)
    )
    with pytest.raises(ThirdPartyError) as caught, curator:
        synthesizer.fit(curator)
    assert "row 17" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("smartnoise:aim", {"rounds": 2}, "at least the number of columns"),
        ("smartnoise:aim", {"max_cells": 10}, "without any pair"),
        ("smartnoise:aim", {"label": "z"}, "z"),
        ("smartnoise:mst", {"setting": 0.0}, "positive numbers"),
        ("smartnoise:mst", {"rows": 10**7}, "at most 1000000 rows"),
        ("smartnoise:dpctgan", {"epochs": 0}, "positive numbers"),
        ("smartnoise:patectgan", {"batch_size": 3}, "even"),
    ],
)
def test_what_cannot_work_is_said_before_data_is_opened(name: str, options, said: str) -> None:
    with pytest.raises(InputError, match=said):
        registry.make(name, options).plan(DOMAIN, 0.1)
    with pytest.raises(InputError):
        registry.make(name, {}).plan(Domain.from_sizes({"a": 2}), 0.1)


def model(k: int = 40, **more) -> EmpiricalModel:
    return EmpiricalModel(
        method="smartnoise:mst", domain=DOMAIN, codes=rows(k).astype(np.int32), total=80.0,
        total_sigma=2.0, tables=(NoisyTable(attributes=("a",), cells=5, sigma=2.0),), **more,
    )  # fmt: skip


def test_rows_as_a_model(tmp_path: Path) -> None:
    found = model()
    assert found.marginal(("a", "b")).sum() == pytest.approx(80.0)
    drawn = found.sample(100, seed=3)
    assert all(check.passed for check in found.self_test(drawn, seed=0))
    assert len(found.sample(0, seed=1)) == 0
    spoilt = np.repeat(drawn[:1], 100, axis=0)
    assert not all(check.passed for check in found.self_test(spoilt, seed=0))
    absent = drawn.copy()
    absent[0] = [4, 2, 3]
    assert not all(check.passed for check in found.self_test(absent, seed=0))
    part = found.given({"a": 2})
    assert set(part.sample(30, seed=1)[:, 0]) == {2} and part.total < 80.0
    for codes in ({"a": 4}, {"z": 0}):
        with pytest.raises(InputError):
            found.given(codes)
    with pytest.raises(InputError, match="not saved"):
        part.save(tmp_path)
    found.save(tmp_path)
    loaded = registry.load_model(tmp_path)
    assert loaded.domain == DOMAIN and loaded.errors() == found.errors()
    assert loaded.noise_share == pytest.approx(0.5 * 5 * 2.0 * math.sqrt(2 / math.pi) / 80)
    assert np.array_equal(loaded.sample(9, seed=1), found.sample(9, seed=1))


@pytest.mark.parametrize("fault", ["more", "outside", "key", "text"])
def test_a_file_that_holds_more_or_less_than_a_model_is_refused(tmp_path: Path, fault: str) -> None:
    model().save(tmp_path)
    head = (tmp_path / "model.json").read_text()
    arrays = dict(np.load(tmp_path / "arrays.npz"))
    match fault:
        case "more":
            arrays["rows_of_the_table"] = arrays["codes"]
        case "outside":
            arrays["codes"] = arrays["codes"] + 9
        case "key":
            head = head.replace('"total":', '"secret": 1, "total":', 1)
        case "text":
            arrays["codes"] = arrays["codes"].astype(str)
    (tmp_path / "model.json").write_text(head)
    np.savez(tmp_path / "arrays.npz", **arrays)
    with pytest.raises(InputError, match="not a readable model"):
        registry.load_model(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "dpsynth-marginal-model"), ("version", 2), ("method", 5), ("total", 0.0),
        ("total", True), ("total", "80"), ("total_sigma", -1.0), ("total_sigma", False),
        ("zeros", [["z"]]), ("tables", [{"attributes": ["a"], "cells": 5}]),
        ("tables", [{"attributes": ["z"], "cells": 5, "sigma": 1.0}]),
        ("tables", [{"attributes": ["a"], "cells": 6, "sigma": 1.0}]),
        ("tables", [{"attributes": ["a"], "cells": 5, "sigma": -1.0}]),
        ("tables", [{"attributes": ["a"], "cells": 5.0, "sigma": 1.0}]),
        ("domain", [{"name": "a", "size": 0, "positions": []}]), ("domain", 3),
    ],
)  # fmt: skip
def test_a_head_of_another_shape_is_refused(tmp_path: Path, key: str, value: object) -> None:
    model().save(tmp_path)
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(InputError, match="not a readable model"):
        load_empirical(tmp_path)


def test_a_model_of_the_first_version_still_loads(tmp_path: Path) -> None:
    """As dpsynth wrote it before readers shared their checks: these bytes may not change."""
    head = """{
 "format": "dpsynth-empirical-model",
 "version": 1,
 "method": "smartnoise:aim",
 "total": 3.5,
 "total_sigma": 0.0,
 "domain": [
  {
   "name": "a",
   "size": 3,
   "n_ordered": 0,
   "positions": [],
   "out_of_domain": null,
   "blank": null
  }
 ],
 "zeros": [],
 "tables": [
  {
   "attributes": [
    "a"
   ],
   "cells": 3,
   "sigma": 2.0
  }
 ]
}
"""
    codes = np.array([[0], [2], [1]], dtype=np.int32)
    (tmp_path / "model.json").write_text(head)
    np.savez_compressed(tmp_path / "arrays.npz", codes=codes)
    loaded = load_empirical(tmp_path)
    assert np.array_equal(loaded.codes, codes) and loaded.total == 3.5
    (tmp_path / "again").mkdir()
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / "model.json").read_text() == head
