"""Offline verification of a bundle: what a recipient runs before relying on it."""

from dpsynth.verification.bundle import verify_bundle
from dpsynth.verification.report import Finding, Severity, VerificationReport, VerificationVerdict

__all__ = ["Finding", "Severity", "VerificationReport", "VerificationVerdict", "verify_bundle"]
