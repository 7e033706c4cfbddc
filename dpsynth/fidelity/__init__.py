"""Fidelity and utility of a synthetic table: raw numbers for the internal report."""

from dpsynth.fidelity.api import FidelityData
from dpsynth.fidelity.suite import run

__all__ = ["FidelityData", "run"]
