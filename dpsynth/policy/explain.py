"""A policy in plain sentences: each rule with what it asks, why, and who says so.

Never true here: a sentence that calls a release anonymous, compliant or safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dpsynth.policy.declared import Policy, WaiverTerms
from dpsynth.policy.gates import Gate, GateStatus, Severity, Side
from dpsynth.policy.rules import LIMITS, REQUIREMENTS, Ground, Kind, Rule, grounds_json


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One rule for people.

    Attributes:
        rule: Its name, such as ``limits.max_epsilon`` or ``gates.tvd_1way``.
        text: What it asks.
        grounds: Why, and who says so.
        beforehand: Whether it is decided before data is opened.
    """

    rule: str
    text: str
    grounds: tuple[Ground, ...]
    beforehand: bool

    def to_json(self) -> dict[str, object]:
        """Return the sentence as plain values."""
        return {
            "rule": self.rule,
            "text": self.text,
            "grounds": grounds_json(self.grounds),
            "beforehand": self.beforehand,
        }


def sentences(policy: Policy) -> tuple[Sentence, ...]:
    """Return every rule of a policy in words: limits, requirements, transfers, gates, waivers."""
    return (
        *_rules("limits", LIMITS, policy.limits),
        *_rules("requirements", REQUIREMENTS, policy.requirements),
        *(
            Sentence(rule="transfers", text=t.sentence, grounds=(t.ground,), beforehand=True)
            for group in policy.transfers
            for t in group
        ),
        *(
            Sentence(
                rule=f"gates.{gate.id}", text=_gate(gate), grounds=gate.grounds, beforehand=False
            )
            for gate in policy.gates
        ),
        Sentence(
            rule="waivers",
            text=_waivers(policy.waivers),
            grounds=policy.waivers.grounds if policy.waivers else (),
            beforehand=True,
        ),
    )


def _rules(
    section: str, kinds: Mapping[str, Kind], rules: Mapping[str, Rule]
) -> tuple[Sentence, ...]:
    return tuple(
        Sentence(
            rule=f"{section}.{key}",
            text=kind.sentence(rules[key].value),
            grounds=rules[key].grounds,
            beforehand=True,
        )
        for key, kind in kinds.items()
        if key in rules
    )


def _gate(gate: Gate) -> str:
    blocks = gate.severity is Severity.BLOCK
    tolerant = gate.on_inconclusive is GateStatus.INCONCLUSIVE
    return (
        f"{gate.title}. {'The release is refused' if blocks else 'The report names it'} "
        f"{_missed(gate)} ({gate.metric}). "
        f"An inconclusive result {'is let pass' if tolerant else 'counts as missed'}."
    )


def _missed(gate: Gate) -> str:
    """Return when a gate is not kept, as a clause."""
    limit = f"{gate.condition.replace('_', ' ')} {gate.limit}"
    match gate.condition, gate.side:
        case "verdict_not", _:
            return f"if the test says “{gate.limit}”"
        case "verdict_is", _:
            return f"unless the test says “{gate.limit}”"
        case "is_true", _:
            return "unless that is so"
        case _, Side.LOWER | Side.UPPER:
            return f"unless the {gate.side} end of the interval is {limit}"
    return f"unless the value is {limit}"


def _waivers(terms: WaiverTerms | None) -> str:
    if terms is None or not terms.gates:
        return "No gate can be waived."
    return (
        f"One of {len(terms.signers)} named certificates may waive, for {terms.max_days} days at "
        f"most and for one release: {', '.join(terms.gates)}. Limits and requirements hold always."
    )
