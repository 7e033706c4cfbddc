"""The release file: what it leaves out stands once, as the defaults of ReleaseSettings."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.errors import InputError
from dpsynth.pipeline.settings import ReleaseSettings, load_settings

REQUIRED = """\
name: of-may
lineage: people
data: {source: data.csv, dictionary: dictionary.yaml}
privacy: {epsilon: 1.0, delta: 1.0e-6}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "release.yaml"
    file.write_text(text)
    return file


def test_a_file_of_required_keys_is_the_defaults(tmp_path: Path) -> None:
    loaded = load_settings(written(tmp_path, REQUIRED))
    assert loaded == ReleaseSettings(
        name="of-may",
        lineage="people",
        source=tmp_path / "data.csv",
        dictionary=tmp_path / "dictionary.yaml",
        epsilon=1.0,
        delta=1e-6,
    )
    assert load_settings(written(tmp_path, "{}")) == ReleaseSettings()


def test_what_a_file_says_replaces_the_defaults(tmp_path: Path) -> None:
    more = """\
privacy: {epsilon: "1", discovery_share: 0, fidelity_share: 0.2}
synthesizer: {name: mst, label: y}
output: {rows: 10, format: csv, paper: letter}
holdout: 0.3
attacks: off
policy: own.yaml
sign: {certificates: [a.pem], roles: [issuer, dpo]}
"""
    loaded = load_settings(written(tmp_path, more))
    assert (loaded.discovery_share, loaded.fidelity_share) == (0.0, 0.2)
    assert (loaded.synthesizer, loaded.options) == ("mst", {"label": "y"})
    assert (loaded.rows, loaded.format, loaded.paper) == (10, "csv", "letter")
    assert (loaded.holdout, loaded.attacks) == (0.3, "off")
    assert loaded.policy == str(tmp_path / "own.yaml")
    assert list(loaded.certificates) == [tmp_path / "a.pem"]
    assert list(loaded.roles) == ["issuer", "dpo"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("holdout:", "holdout"),
        ("privacy: {discovery_share: }", "discovery_share"),
        ("privacy: {fidelity_share: much}", "fidelity_share"),
        ("output: {rows: 1.5}", "output.rows"),
        ("sign: {roles: issuer}", "sign.roles"),
    ],
)
def test_a_key_of_another_kind_is_no_default(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(InputError, match=where):
        load_settings(written(tmp_path, text))


@pytest.mark.parametrize("text", ["attacks:", "attacks: slow"])
def test_an_unknown_profile_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="must be quick, full or off"):
        load_settings(written(tmp_path, f"{REQUIRED}{text}\n")).checked()
