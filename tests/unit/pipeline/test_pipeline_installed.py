"""The bill of materials: the closure of what dpsynth needs, and nothing else that is installed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dpsynth.pipeline import installed as module
from dpsynth.pipeline.installed import installed, lock_digest

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]


def test_every_package_of_the_base_is_there_and_no_tool_of_developers() -> None:
    found = {package["name"]: package for package in installed()}
    base = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    assert base <= found.keys() and base <= set(found["dpsynth"]["needs"])
    assert not {"pytest", "hypothesis", "ruff", "mypy", "pip"} & found.keys()
    assert "certifi" not in base and "numpy" in found["scipy"]["needs"]
    for package in found.values():
        assert package["version"] == importlib.metadata.version(package["name"])
        assert set(package["needs"]) <= found.keys() - {package["name"]}
    assert list(found) == sorted(found)


class Held:
    """A distribution that is installed, as far as the closure looks at it."""

    def __init__(self, version: str, *requires: str, extras: tuple[str, ...] = ()) -> None:
        self.version, self.requires, self.metadata = version, requires, self
        self._extras = extras

    def get_all(self, name: str) -> list[str]:
        assert name == "Provides-Extra"
        return list(self._extras)


def closure(monkeypatch: pytest.MonkeyPatch, world: dict[str, Held]) -> dict[str, Any]:
    def distribution(name: str) -> Held:
        if name not in world:
            raise PackageNotFoundError(name)
        return world[name]

    monkeypatch.setattr(module, "distribution", distribution)
    installed.cache_clear()
    try:
        return {package["name"]: package for package in installed()}
    finally:
        installed.cache_clear()


def test_extras_markers_circles_and_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    world = {
        "dpsynth": Held(
            "1", "A_b[fast]>=1", "gone; extra == 'gan'", "torch; extra == 'gan'",
            "tester; extra == 'dev'", "old; python_version < '3'", extras=("gan", "dev"),
        ),
        "a-b": Held("2", "c", "quick; extra == 'fast'", "never; extra == 'slow'"),
        "c": Held("3", "a.b[more]"),
        "quick": Held("4"), "never": Held("5"), "torch": Held("6"), "tester": Held("7"),
        "old": Held("8"), "stranger": Held("9"),
    }  # fmt: skip
    found = closure(monkeypatch, world)
    assert {name: package["needs"] for name, package in found.items()} == {
        "dpsynth": ["a-b", "torch"], "a-b": ["c", "quick"], "c": ["a-b"], "quick": [], "torch": [],
    }  # fmt: skip
    assert [package["version"] for package in found.values()] == ["2", "3", "1", "4", "6"]
    world["a-b"].requires += ("late; extra == 'more'",)
    world["late"] = Held("10")
    assert "late" in closure(monkeypatch, world), "an extra that is asked for later counts too"


def test_the_digest_is_of_sorted_lines() -> None:
    one, two = {"name": "a", "version": "1"}, {"name": "B", "version": "2"}
    assert lock_digest([one, two]) == hashlib.sha256(b"B==2\na==1\n").hexdigest()
    assert lock_digest([two, one]) == lock_digest([one, two])
    assert lock_digest([one, two | {"version": "3"}]) != lock_digest([one, two])
