"""Fidelity and utility of a synthetic table: raw numbers for the internal report."""

from dpsynth.fidelity.api import FidelityData
from dpsynth.fidelity.subgroups import GroupError
from dpsynth.fidelity.suite import Measured, run

__all__ = ["FidelityData", "GroupError", "Measured", "run"]
