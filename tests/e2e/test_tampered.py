"""Real releases that somebody tampered with, each named as docs/verification.md says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hospital import opened
from tampered import PARTS, TABLE, Scene, outcome


@pytest.mark.slow
def test_every_tamper_with_a_release_of_one_signer_is_named(tmp_path: Path) -> None:
    """The rest, with three signers and archive stamps, is `python -m benchmarks tampered`."""
    asked = [each for each in TABLE if each.on != "three"]
    assert len(asked) >= 60 and {each.part for each in asked} >= set(PARTS) - {"attachment"}
    (tmp_path / "hospital").mkdir()
    with opened(tmp_path / "hospital", "Hospital") as hospital:
        scene = Scene.make(hospital, alone=True)
        assert hospital.verify(scene.first, "--ledger", str(hospital.ledger)).exit_code == 0
        assert hospital.verify(scene.second / "public").exit_code == 0
        for number, each in enumerate(asked):
            (tmp_path / str(number)).mkdir()
            exit_code, codes = outcome(scene, each, tmp_path / str(number))
            assert exit_code == each.exit_code and each.code in codes, (each.name, codes)
