"""The replica of a release: the plan's fit on other rows, and nothing of it left behind."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dpsynth.attacks.generators import SHADOW_COLUMNS

from dpsynth.errors import InputError
from dpsynth.pipeline.plan import Plan
from dpsynth.pipeline.prepare import prepare
from dpsynth.pipeline.replica import Replica, foremost, generator_of
from dpsynth.pipeline.settings import ReleaseSettings
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.measurement import MarginalQuery
from dpsynth.privacy.sampled import SampledSteps
from dpsynth.synth.api import Model, Synthesizer

DICTIONARY = r"""version: 1
title: Visits
codebook: made for tests
file: data.csv
label: outcome
privacy_unit: {kind: column, column: person, max_rows_per_unit_declared: 3}
constraints:
- {type: implies, if: {ward: [none]}, then: {cost: ['0']}}
- {type: functional_dependency, determinant: [town], dependent: [county]}
columns:
- {name: person, kind: id, role: direct_identifier, meaning: person,
   domain: {pattern: 'P\d{6}'}, domain_source: codebook}
- {name: town, kind: categorical, role: other, meaning: town,
   domain: {categories: [a, b, c, d]}, domain_source: codebook}
- {name: county, kind: categorical, role: other, meaning: county,
   domain: {categories: [x, y]}, domain_source: codebook}
- {name: ward, kind: categorical, role: sensitive, meaning: ward,
   domain: {categories: [none, north, south]}, domain_source: codebook}
- {name: age, kind: integer, role: quasi_identifier, meaning: age,
   domain: {lower: 0, upper: 99, bins: {uniform: 10}}, domain_source: policy}
- {name: cost, kind: ordinal, role: other, meaning: cost,
   domain: {categories: ['0', '1', '2']}, domain_source: codebook}
- {name: outcome, kind: categorical, role: label, meaning: outcome,
   domain: {categories: ['0', '1']}, domain_source: codebook}
"""
HEADER = "person,town,county,ward,age,cost,outcome\n"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A priced plan; no row of it is ever read."""
    (tmp_path / "dictionary.yaml").write_text(DICTIONARY, encoding="utf-8")
    (tmp_path / "data.csv").write_text(HEADER, encoding="utf-8")
    return prepare(
        ReleaseSettings(
            name="visits",
            lineage="visits",
            source=tmp_path / "data.csv",
            dictionary=tmp_path / "dictionary.yaml",
            epsilon=1.0,
            delta=1e-6,
            fidelity_share=0.1,
            synthesizer="cliquetree",
            options={"size": "fast", "workload": [["town", "cost"], ["ward", "age", "outcome"]]},
        )
    )


def coded(plan: Plan, rows: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.stack([rng.integers(0, a.size, rows) for a in plan.codec.domain], axis=1)


@dataclass(frozen=True, kw_only=True)
class Watching:
    """Fits with another method, and remembers what it was given, weakly where that is private."""

    method: Synthesizer
    curators: list[Curator] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)
    private: list[weakref.ref[Any]] = field(default_factory=list)

    def fit(self, curator: Curator) -> Model:
        model = self.method.fit(curator)
        self.curators.append(curator)
        self.seen.append((curator.domain, curator.rho, curator.unit_rows))
        self.seen.append(sum(event.rho for _, event in curator.events))
        self.private.extend([weakref.ref(curator._table), weakref.ref(model)])
        return model


def test_a_replica_fits_what_the_plan_would_fit(plan: Plan) -> None:
    replica = Replica.of(plan)
    assert replica.synthesizer == plan.synthesizer
    watching = Watching(method=replica.synthesizer)
    made = replace(replica, synthesizer=watching)(coded(plan, 500), 1)
    (domain, rho, unit_rows), charged = watching.seen
    assert domain == plan.codec.domain and len(domain.zeros) == 1
    assert rho == plan.price.fit < plan.price.rho
    assert 0.9 * rho < charged <= rho
    assert unit_rows == plan.unit.max_rows == 3
    assert made.shape[1] == len(domain) and made.flags.owndata
    town, county = domain.index("town"), domain.index("county")
    for code in np.unique(made[:, town]):  # what a release writes is what attacks see
        assert len(np.unique(made[made[:, town] == code, county])) == 1
    for zeros in domain.zeros:
        assert zeros.holds([made[:, domain.index(name)] for name in zeros.names]).all()


def test_nothing_of_a_replica_is_left(plan: Plan) -> None:
    watching = Watching(method=plan.synthesizer)
    replace(Replica.of(plan), synthesizer=watching)(coded(plan, 300), 1)
    with pytest.raises(InputError, match="closed"):
        watching.curators[0].measure([MarginalQuery(attributes=("age",), rho=1e-6)], stage="more")
    assert [kept() for kept in watching.private] == [None, None]


def test_noise_takes_no_seed(plan: Plan) -> None:
    """Equal by chance: far below 1e-9, since hundreds of noisy counts would have to agree."""
    replica, rows = Replica.of(plan), coded(plan, 300)
    first, second = replica(rows, 1), replica(rows, 1)
    assert first.shape != second.shape or (first != second).any()


def test_on_some_columns_only_what_they_have_is_left(plan: Plan) -> None:
    columns = ("town", "ward", "cost", "outcome")
    replica = Replica.of(plan, columns)
    assert replica.domain.names == columns
    assert [z.names for z in replica.domain.zeros] == [z.names for z in plan.codec.domain.zeros]
    assert replica.dependencies == ()
    options: Mapping[str, Any] = replica.synthesizer.options()
    assert options["workload"] == [["town", "cost"]]
    assert options["label"] == "outcome" and options["size"] == "fast"
    rows = coded(plan, 300)[:, [plan.codec.domain.index(name) for name in columns]]
    assert replica(rows, 1).shape[1] == 4


def test_candidates_lose_their_sets_too(plan: Plan) -> None:
    candidates = ["independent", {"name": "mwem", "workload": [["town", "age"], ["ward", "cost"]]}]
    settings = replace(plan.settings, synthesizer="best", options={"candidates": candidates})
    replica = Replica.of(replace(plan, settings=settings), ("ward", "cost", "outcome"))
    second = replica.synthesizer.options()["candidates"][1]
    assert second["name"] == "mwem" and second["workload"] == [["ward", "cost"]]


def test_columns_of_shadows_follow_from_declarations(plan: Plan) -> None:
    def chosen(most: int) -> set[str]:
        return set(foremost(plan.dictionary, plan.codec.domain, "outcome", most))

    assert chosen(1) == {"outcome"}
    assert chosen(3) == {"outcome", "ward", "age"}
    assert chosen(4) == {"outcome", "ward", "age", "town"}
    names = generator_of(plan).columns
    assert names == plan.codec.domain.names and len(names) <= SHADOW_COLUMNS  # in their order
    assert generator_of(plan).rows_per_unit == 3


def test_canaries_have_one_row_where_units_are_clipped_whole(plan: Plan) -> None:
    """Two rows of one person, each a unit of its own, would move a sum by twice the norm."""
    steps = SampledSteps(sampling_rate=0.1, noise_multiplier=2.0, steps=10)
    trains = replace(plan, stated_price=replace(plan.price, sampled=steps))
    assert generator_of(trains).rows_per_unit == 1
    assert Replica.of(trains).max_rows_per_unit == 3  # the noise of counts is the release's
