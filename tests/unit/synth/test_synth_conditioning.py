"""A model under a condition is a model of the same protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpsynth.errors import InputError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth.api import Model
from dpsynth.synth.marginal_model import MarginalModel
from dpsynth.synth.pgm.model import GraphicalModel
from dpsynth.synth.registry import make


@pytest.fixture(scope="module")
def model() -> MarginalModel:
    rng = np.random.default_rng(0)
    domain = Domain.from_sizes({"a": 3, "b": 60, "c": 2, "d": 4}, ordered=["b"])
    a = rng.integers(0, 3, 3000)
    codes = [a, a * 20 + rng.integers(0, 20, 3000), rng.integers(0, 2, 3000), (a + 1) % 3]
    table = CodedTable.build(domain, np.array(codes, dtype=np.int32))
    with Curator(table, reservation=MemoryReservation(1), max_rows_per_unit=1, rho=1.0) as curator:
        fitted = make("mst", {}).fit(curator)
    assert isinstance(fitted, MarginalModel)
    return fitted


def test_its_marginals_are_slices_of_those_of_the_model(model: MarginalModel) -> None:
    code = int(np.argmax(model.fine[1]))
    given = model.given({"b": code, "c": 1})
    assert isinstance(given, Model)
    assert given.domain == model.domain
    whole = model.marginal(("a", "b", "c", "d"))
    part = given.marginal(("a", "b", "c", "d"))
    np.testing.assert_allclose(part[:, code, 1], whole[:, code, 1], rtol=1e-9)
    assert part.sum() == pytest.approx(part[:, code, 1].sum()) == pytest.approx(given.total)
    assert given.errors() == model.errors()


def test_all_its_rows_meet_the_condition_and_pass_the_self_test(model: MarginalModel) -> None:
    for code in np.flatnonzero(model.fine[1] > 0)[::7]:
        given = model.given({"b": int(code), "d": 2})
        for rows in (1, 500):
            drawn = given.sample(rows, seed=3)
            assert drawn.shape == (rows, 4)
            assert set(drawn[:, 1]) == {code} and set(drawn[:, 3]) == {2}
            assert all(check.passed for check in given.self_test(drawn, seed=0))
            drawn[0, 1] = (code + 1) % 60
            assert not all(check.passed for check in given.self_test(drawn, seed=0))


def test_conditions_add_up(model: MarginalModel) -> None:
    code = int(np.argmax(model.fine[1]))
    both = model.given({"b": code, "c": 0})
    again = model.given({"b": code}).given({"c": 0})
    assert again.fixed == both.fixed == {"b": code, "c": 0}
    assert again.total == pytest.approx(both.total)
    assert (again.sample(200, seed=1) == both.sample(200, seed=1)).all()
    assert both.given({"c": 0}).total == pytest.approx(both.total)
    with pytest.raises(InputError, match="impossible"):
        both.given({"c": 1})


def test_what_cannot_be_is_refused(model: MarginalModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column"):
        model.given({"z": 0})
    with pytest.raises(InputError, match="0 to 59"):
        model.given({"b": 60})
    with pytest.raises(InputError, match="0 to 1"):
        model.given({"c": -1})
    with pytest.raises(InputError, match="not saved"):
        model.given({"c": 1}).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_extreme_potentials_give_no_row_and_no_overflow() -> None:
    domain = Domain.from_sizes({"a": 2, "b": 3})
    potential = np.array([[0.0, -2000.0, 0.0], [0.0, -2000.0, 1500.0]])
    graph = GraphicalModel.build(domain, [("a", "b")], [potential])
    model = MarginalModel(
        method="mst",
        domain=domain,
        total=100.0,
        partitions={"a": np.arange(2), "b": np.arange(3)},
        graph=graph,
        fine=(np.ones(2), np.ones(3)),
        measurements=(),
    )
    with pytest.raises(InputError, match="impossible"):
        model.given({"b": 1})
    with pytest.raises(InputError, match="impossible"):
        model.given({"a": 0})
    assert model.given({"a": 1}).total == pytest.approx(100.0)
