"""Synthesizers of third parties: entry points, found by name and loaded when they are asked for.

A package declares in the group `GROUP` a name and a :class:`~dpsynth.synth.method.Method`. Listing
reads the metadata of installed packages and imports nothing; only the one that was asked for is
loaded. `dpsynth.synth.contract` checks what it promises.

Never true here: a class A for code that dpsynth did not write, a name of a built-in method, or a
plugin that is imported because it is installed.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points

from dpsynth.errors import InputError
from dpsynth.results import AssuranceClass
from dpsynth.synth.method import Method

GROUP = "dpsynth.synthesizers"


def offered() -> tuple[tuple[str, str, str], ...]:
    """Return (name, distribution, version) of every plugin that is installed; imports none."""
    found = [(p.name, *_origin(p)) for p in entry_points(group=GROUP)]
    return tuple(sorted(found))


def load(name: str) -> Method | None:
    """Return the method that a package offers under a name; None if none does.

    Raises:
        InputError: Two packages offer it, it cannot be loaded, or it claims class A.
    """
    points = tuple(entry_points(group=GROUP, name=name))
    if not points:
        return None
    where = f"synthesizer {name}"
    if len(points) > 1:
        makers = ", ".join(sorted(_origin(point)[0] for point in points))
        raise InputError(f"is offered by several packages: {makers}.", where=where)
    distribution, _ = _origin(points[0])
    failed = ""
    try:
        method = points[0].load()
    except Exception as error:  # noqa: BLE001 (somebody else's module can fail in any way)
        failed = type(error).__name__
    if failed:
        raise InputError(f"of {distribution} cannot be loaded ({failed}).", where=where)
    if not isinstance(method, Method):
        raise InputError(f"of {distribution} is no dpsynth.synth.method.Method.", where=where)
    if method.assurance == AssuranceClass.A:
        raise InputError(
            f"of {distribution} claims class A, which only dpsynth's own methods can have.",
            where=where,
            fix="A plugin is of class B where its price is argued in writing, else of class N.",
        )
    return replace(
        method, distributions=tuple(dict.fromkeys((distribution, *method.distributions)))
    )


def _origin(point: EntryPoint) -> tuple[str, str]:
    """Return distribution and version of an entry point."""
    if point.dist is None:
        return "unknown", "unknown"
    return point.dist.name, point.dist.version
