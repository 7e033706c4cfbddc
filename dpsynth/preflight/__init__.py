"""Neighbour preflight: does anything that a release shows follow one unit of its table?

Two runs of the real pipeline, with and without one unit, on tables that are made up from the
dictionary. The steward's rows are never opened and no budget is spent.
"""

from dpsynth.preflight.report import Finding, Report, ScenarioResult, Verdict
from dpsynth.preflight.suite import preflight

__all__ = ["Finding", "Report", "ScenarioResult", "Verdict", "preflight"]
