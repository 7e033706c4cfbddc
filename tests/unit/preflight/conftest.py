"""Fixtures of the preflight's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_release import ALPHA, DICTIONARY, Check

from dpsynth.pipeline import ReleaseSettings
from dpsynth.preflight import Report, preflight


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
