"""A small release for the preflight: four columns, units of several rows, a small epsilon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dpsynth.pipeline import ReleaseSettings
from dpsynth.preflight import Report, preflight

DICTIONARY = """\
version: 1
title: Visits
file: visits.csv
privacy_unit: {kind: column, column: person}
columns:
- {name: person, kind: id, role: direct_identifier, meaning: person, domain: {pattern: 'P\\d{6}'}}
- {name: age, kind: integer, role: quasi_identifier, meaning: age,
   domain: {lower: 0, upper: 99, bins: {uniform: 10}}}
- {name: ward, kind: categorical, role: other, meaning: ward,
   domain: {categories: [north, south, east, west]}, missing: {'?': unknown}}
- {name: cost, kind: float, role: sensitive, meaning: cost,
   domain: {lower: 0, upper: 1000, bins: {uniform: 10}}}
"""

# At epsilon 0.1 ten runs a table rule chance out: noise alone makes a finding of one place with
# probability below 1e-5. Each test looks at a few hundred places, most of which never vary.
ALPHA = 1e-5

Check = Callable[..., Report]


@pytest.fixture
def settings(tmp_path: Path) -> ReleaseSettings:
    """A release whose source does not exist."""
    (tmp_path / "dictionary.yaml").write_text(DICTIONARY, encoding="utf-8")
    return ReleaseSettings(
        name="visits",
        lineage="visits",
        source=tmp_path / "visits.csv",
        dictionary=tmp_path / "dictionary.yaml",
        epsilon=0.1,
        delta=1e-6,
        max_rows_per_unit=2,
    )


@pytest.fixture
def check(settings: ReleaseSettings) -> Check:
    """Run the named pairs of tables."""

    def run(*only: str, **changes: object) -> Report:
        return preflight(
            settings.override(**changes),
            rows=40,
            seed=7,
            only=only,
            alpha=ALPHA,
            progress=lambda text: None,
            tell=lambda outcome: None,
        )

    return run
