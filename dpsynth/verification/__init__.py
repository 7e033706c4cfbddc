"""Offline verification of a bundle: what a recipient runs before relying on it.

The names below are resolved on first use: an anchor of a ledger is read without the PDF tools.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpsynth.verification.bundle import verify_bundle
    from dpsynth.verification.report import (
        Finding,
        Severity,
        VerificationReport,
        VerificationVerdict,
    )

__all__ = ["Finding", "Severity", "VerificationReport", "VerificationVerdict", "verify_bundle"]


def __getattr__(name: str) -> Any:
    """Resolve the public names on first use."""
    if name not in __all__:
        raise AttributeError(f"module 'dpsynth.verification' has no attribute {name!r}")
    room = "bundle" if name == "verify_bundle" else "report"
    return getattr(import_module(f"dpsynth.verification.{room}"), name)
