"""The shipped JSON Schema is the layout that the reader reads, held against another validator."""

from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from dpsynth.errors import InputError
from dpsynth.policy.layout import POLICY, schema_text

FOLDER = Path(__file__).resolve().parents[3] / "policies"
SCHEMA = json.loads((FOLDER / "policy.schema.json").read_text())
FILES = sorted(FOLDER.rglob("*.yaml"))
STRICT = yaml.safe_load((FOLDER / "strict.yaml").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def objects(tree: Any) -> list[dict[str, Any]]:
    if isinstance(tree, dict):
        return [tree, *(found for value in tree.values() for found in objects(value))]
    if isinstance(tree, list):
        return [found for value in tree for found in objects(value)]
    return []


def test_the_shipped_schema_is_the_layout() -> None:
    """After a change, write what `dpsynth.policy.layout.schema_text()` returns to that file."""
    assert (FOLDER / "policy.schema.json").read_text() == schema_text()
    Draft202012Validator.check_schema(SCHEMA)


def test_no_object_takes_unknown_keys() -> None:
    found = [tree for tree in objects(SCHEMA) if tree.get("type") == "object"]
    assert len(found) > 20
    assert all(tree["additionalProperties"] is False for tree in found)


def test_the_shipped_files_are_valid() -> None:
    assert len(FILES) == 9
    for path in FILES:
        VALIDATOR.validate(yaml.safe_load(path.read_text()))


def test_the_wheel_takes_every_file_of_the_folder() -> None:
    settings = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["dpsynth.policies"]
    listed = {path for pattern in patterns for path in FOLDER.glob(pattern)}
    assert listed == {
        path for path in FOLDER.rglob("*") if path.suffix in {".yaml", ".json"} and path.is_file()
    }
    assert len(listed) == 10


def paths(tree: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every value inside a tree."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(tree, dict):
        inner = list(tree.items())
    elif isinstance(tree, list):
        inner = list(enumerate(tree))
    return [before, *(found for key, value in inner for found in paths(value, (*before, key)))]


BAD: tuple[Any, ...] = (
    None,
    "",
    "x y",
    "a\u202eb",
    "\x1b[2J",
    "x\ny",
    -1,
    0,
    1.5,
    True,
    [],
    ["x"],
    {},
    {"x": 1},
    "remove it",
)


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_reader_and_schema_agree_on_every_spoiled_place(bad: Any) -> None:
    """Each place of a policy, replaced by something else: both take it, or both refuse it."""
    refused = 0
    for path in paths(STRICT):
        if not path:
            continue
        tree = copy.deepcopy(STRICT)
        place = tree
        for key in path[:-1]:
            place = place[key]
        if bad == "remove it":
            del place[path[-1]]
        else:
            place[path[-1]] = bad
        try:
            POLICY.read(tree, "policy")
            read = True
        except InputError:
            read = False
        assert VALIDATOR.is_valid(tree) is read, (path, bad)
        refused += not read
    assert refused > 20
