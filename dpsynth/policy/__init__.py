"""Policies: YAML files with limits, requirements and gates that a person declares beforehand."""

from dpsynth.policy.declared import Policy, PolicyFile, Verdict, WaiverTerms
from dpsynth.policy.gates import Gate, GateOutcome, GateStatus, Metric, Severity, Side, Value
from dpsynth.policy.reading import load_policy, shipped_policies
from dpsynth.policy.rules import Ground, Rule, Total, Unmet
from dpsynth.policy.transfers import transfer_refusals

__all__ = [
    "Gate",
    "GateOutcome",
    "GateStatus",
    "Ground",
    "Metric",
    "Policy",
    "PolicyFile",
    "Rule",
    "Severity",
    "Side",
    "Total",
    "Unmet",
    "Value",
    "Verdict",
    "WaiverTerms",
    "load_policy",
    "shipped_policies",
    "transfer_refusals",
]
