"""What is installed of the packages that dpsynth rests on, for the bill of materials.

The closure of what dpsynth declares that it needs, by the metadata of the distributions themselves
(the core metadata of PyPA). Packages of an extra count where they are installed: a release can use
them. Whatever else is on the machine does not, nor do tools of developers.

Never true here: that a distribution was loaded, or that its files are those of its publisher.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "dpsynth"
_DEVELOPERS = "dev"  #: the extra that no release uses


@cache
def installed() -> tuple[dict[str, Any], ...]:
    """Return the closure, dpsynth included: {name, version, needs}, sorted by name."""
    root = distribution(ROOT)
    extras = {e for e in root.metadata.get_all("Provides-Extra") or () if e != _DEVELOPERS}
    asked: dict[str, set[str]] = {}
    found: dict[str, Distribution] = {}
    needs: dict[str, set[str]] = {}
    todo = [(ROOT, frozenset(extras))]
    while todo:
        name, wanted = todo.pop()
        fresh = wanted - asked.get(name, set())
        if name in asked and not fresh:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # of an extra that is not installed
            continue
        asked.setdefault(name, set()).update(wanted)
        for requirement in _required(found[name], wanted):
            needed = canonicalize_name(requirement.name)
            needs.setdefault(name, set()).add(needed)
            todo.append((needed, frozenset(requirement.extras)))
    return tuple(
        {
            "name": name,
            "version": found[name].version,
            "needs": sorted((needs.get(name, set()) & found.keys()) - {name}),
        }
        for name in sorted(found)
    )


def lock_digest(packages: Sequence[dict[str, Any]]) -> str:
    """Return the SHA-256 (hex) over the sorted lines ``name==version`` of packages."""
    lines = sorted(f"{package['name']}=={package['version']}\n" for package in packages)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _required(held: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    """Yield what a distribution needs here, with these of its extras."""
    for text in held.requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": e}) for e in extras | {""}):
            yield requirement
