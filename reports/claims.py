"""The claim register: what each sentence of the certificate rests on, and the code behind it.

``claims.toml`` maps each sentence to fields of the evidence, to modules and to tests. Two digests
go into the evidence of every release, so that an auditor can compare what ran with what he has
installed: that of the register with the words that it is about, and that of all modules it names.

Never true here: a digest that depends on where or how the package is installed.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dpsynth.reports.text import LANGUAGE, resource

from dpsynth.errors import SelfTestError

REGISTER = "claims.toml"
#: What the certificate can say: the register, its sentences and how they are arranged.
_WORDS = (
    ("", REGISTER),
    ("templates", f"text.{LANGUAGE}.toml"),
    ("templates", "certificate.html"),
    ("templates", "certificate_unprotected.html"),
)


@dataclass(frozen=True, kw_only=True)
class RegisteredClaim:
    """What some sentences of the certificate rest on.

    Attributes:
        sentences: Keys of the catalogue, ``section.key``.
        values: Fields of the evidence that hold a sentence themselves.
        fields: Fields of the evidence whose values are stated.
        code: Modules that compute or enforce them.
        tests: Tests that fail where they are not so, as ``path::function``.
        because: Why there is nothing to compute or to test; empty where there is.
    """

    sentences: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    because: str = ""


@cache
def claims() -> tuple[RegisteredClaim, ...]:
    """Return the register, in the order of the certificate."""
    lists = ("sentences", "values", "fields", "code", "tests")
    return tuple(
        RegisteredClaim(
            **{name: tuple(claim.pop(name, ())) for name in lists},
            because=claim.pop("because", ""),
            **claim,  # an unknown key is refused here
        )
        for claim in map(dict, _tree()["claim"])
    )


@cache
def labels() -> frozenset[str]:
    """Return the keys of the catalogue that state nothing by themselves."""
    return frozenset(_tree()["labels"])


def register_digest() -> str:
    """Return the SHA-256 (hex) of the register, of its sentences and of their arrangement."""
    return _digest((name, resource(folder, name)) for folder, name in _WORDS)


def code_digest(modules: Iterable[str] | None = None) -> str:
    """Return the SHA-256 (hex) of the source of modules; by default of all that claims name.

    Raises:
        SelfTestError: A module is not installed.
    """
    if modules is None:
        modules = (module for claim in claims() for module in claim.code)
    return _digest((module, _source(module)) for module in sorted(set(modules)))


def digests() -> dict[str, str]:
    """Return both digests of what is installed, as the evidence holds them."""
    return {"register_sha256": register_digest(), "code_sha256": code_digest()}


def _digest(parts: Iterable[tuple[str, bytes]]) -> str:
    """Return the SHA-256 of lines of digest and name, as ``sha256sum`` writes them."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in parts]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _source(module: str) -> bytes:
    """Return the bytes of a module's source file."""
    spec = _located(module)
    if spec is None or spec.origin is None:
        raise SelfTestError(f"The claim register names a module that is not there: {module}.")
    return Path(spec.origin).read_bytes()


def _located(module: str) -> ModuleSpec | None:
    """Return where a module is, without importing any package but the outermost."""
    parent, _, _ = module.rpartition(".")
    if "." not in parent:
        try:
            return find_spec(module)
        except ModuleNotFoundError:
            return None
    package = _located(parent)
    if package is None or package.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(module, package.submodule_search_locations)


@cache
def _tree() -> dict[str, Any]:
    return tomllib.loads(resource("", REGISTER).decode("utf-8"))
