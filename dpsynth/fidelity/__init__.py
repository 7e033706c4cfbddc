"""Fidelity and utility of a synthetic table: raw numbers for the internal report."""

from dpsynth.fidelity.api import FidelityData
from dpsynth.fidelity.subgroups import GroupError
from dpsynth.fidelity.suite import NAMES, Measured, run

__all__ = ["NAMES", "FidelityData", "GroupError", "Measured", "run"]
