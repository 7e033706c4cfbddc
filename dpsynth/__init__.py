"""Synthetic tables under differential privacy, with a ledger and signed evidence.

Importing dpsynth has no effects and loads nothing heavy: the names below are resolved on first use.

    dpsynth.release("release.yaml", out=...)      one release, as on the command line
    dpsynth.verify("bundle", trust=["root.pem"])  what a recipient runs
    dpsynth.Synthesizer("cliquetree", epsilon=..., ...)   a frame in, a model out, all charged
    dpsynth.attacks.run(...)                      attacks on any generator's output
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpsynth.pipeline.api import Synthesizer, release, verify

__all__ = ["Synthesizer", "release", "verify"]


def __getattr__(name: str) -> Any:
    """Resolve the public names on first use."""
    if name == "attacks":
        return import_module("dpsynth.attacks")
    if name in __all__:
        return getattr(import_module("dpsynth.pipeline.api"), name)
    raise AttributeError(f"module 'dpsynth' has no attribute {name!r}")
