"""Plugins: found by name, loaded when asked for, bound by the contract, never of class A."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from plugin_package import write_package

from dpsynth.errors import InputError
from dpsynth.synth import plugins, registry
from dpsynth.synth.contract import faults_of
from dpsynth.synth.method import Method


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    write_package(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "acme_synth", raising=False)
    yield folder
    sys.modules.pop("acme_synth", None)


def test_listing_imports_nothing_and_a_name_loads_one(installed: Path) -> None:
    names = [name for name, distribution, version in plugins.offered()
             if (distribution, version) == ("acme-synth", "1.2")]  # fmt: skip
    assert "acme:copy" in names and "acme_synth" not in sys.modules
    assert registry.find("mst").assurance == "A", "a built-in name is never that of a plugin"
    assert "acme_synth" not in sys.modules
    found = registry.find("acme:copy")
    assert found.assurance == "N" and found.distributions == ("acme-synth",)
    assert registry.make("acme:counts", {}).name == "acme:counts"
    with pytest.raises(InputError, match="has no option degree"):
        registry.make("acme:counts", {"degree": 2})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("acme:first", "claims class A"),
        ("acme:none", "is no dpsynth.synth.method.Method"),
        ("acme:gone", r"cannot be loaded \(AttributeError\)"),
        ("acme:unknown", "no synthesizer called acme:unknown.*acme:copy"),
    ],
)
def test_what_is_no_plugin_is_refused(installed: Path, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        registry.find(name)


def test_two_packages_with_one_name_are_refused(installed: Path, tmp_path: Path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    write_package(other, name="copycat")
    monkeypatch.syspath_prepend(other)
    with pytest.raises(InputError, match="several packages: acme-synth, copycat"):
        registry.find("acme:copy")


def test_a_choice_of_class_a_takes_no_others(installed: Path) -> None:
    for other in ("acme:counts", "smartnoise:aim"):
        with pytest.raises(InputError, match="own methods only"):
            registry.make("best", {"candidates": ["mst", other]})


@pytest.mark.parametrize("change", [
    {"assurance": "C"}, {"assurance": "B"}, {"assurance": "N"}, {"argument": "see there"},
    {"reasons": ("it leaks",)}, {"assurance": "N", "reasons": (" ",)},
])  # fmt: skip
def test_a_class_needs_what_stands_behind_it(change) -> None:
    plain = {"make": lambda: None, "options": (), "assurance": "A", "fixed_plan": True,
             "summary": "x"}  # fmt: skip
    Method(**plain)
    with pytest.raises(InputError):
        Method(**plain | change)


@pytest.mark.parametrize("name", ["acme:copy", "acme:counts"])
def test_a_good_plugin_keeps_the_contract(installed: Path, name: str) -> None:
    assert faults_of(name) == ()


@pytest.mark.parametrize("name", ["independent", "mst"])
def test_methods_of_our_own_keep_the_contract(name: str) -> None:
    assert faults_of(name) == ()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("options", "options cannot be written"),
        ("plan", "costs more than the budget"),
        ("nothing asked", "asked the Curator for nothing"),
        ("overspends", "cost more than is left"),
        ("outside", "outside of the declared domain"),
        ("name", "another name"),
        ("keeps the curator", "still holds the Curator"),
        ("seeded", "noise looks seeded"),
        ("crashes on few rows", "On a table of no row: The fit crashed (ValueError)"),
    ],
)
def test_a_planted_fault_of_a_plugin_is_found(installed: Path, fault: str, said: str) -> None:
    found = faults_of("acme:counts", {"fault": fault})
    assert any(said in sentence for sentence in found), found
    assert not any("secret" in sentence for sentence in found)
