"""Policies: YAML files with limits and gates that a person declares before a release."""

from dpsynth.policy.declared import (
    Gate,
    GateOutcome,
    GateStatus,
    Metric,
    Policy,
    Total,
    Value,
    Verdict,
)
from dpsynth.policy.reading import load_policy, shipped_policies

__all__ = [
    "Gate",
    "GateOutcome",
    "GateStatus",
    "Metric",
    "Policy",
    "Total",
    "Value",
    "Verdict",
    "load_policy",
    "shipped_policies",
]
