"""Gates: conditions on the results of a run, which of two is tighter, and how they are judged.

A gate is tighter than another where it lets through nothing that the other stops: a smaller
`at_most`, a larger `at_least`, fewer verdicts, the more careful end of the interval, `block` in
place of `attention`, no tolerance for an inconclusive result. These parts are compared one by one,
so two gates on one metric have a loosest gate that is as tight as both, unless nothing could keep
both. A metric that is missing is a gate that failed. Never true here: a gate that is kept because
nothing was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from dpsynth.policy.rules import Contradiction, Ground, merged
from dpsynth.results import AttackResult, AttackVerdict, Interval, Result, Status

Metric = Result | float | bool | str
Value = float | str | bool | None

#: Verdicts that say something; the others are the business of `on_inconclusive`.
VERDICTS = (
    AttackVerdict.LEAK_FOUND.value,
    AttackVerdict.WITHIN_CLAIM.value,
    AttackVerdict.NO_LEAK_DETECTED.value,
)
CONDITIONS = ("at_most", "at_least", "verdict_is", "verdict_not", "is_true")
NUMERIC = ("at_most", "at_least")
SELF_TEST = "selftest."  #: metrics that say whether dpsynth itself worked


class Side(StrEnum):
    """Which number of a result is compared."""

    LOWER = "lower"  #: lower end of its interval
    POINT = "point"  #: the value itself
    UPPER = "upper"  #: upper end of its interval


class Severity(StrEnum):
    """What a gate that is not kept does."""

    BLOCK = "block"  #: refuses the release
    ATTENTION = "attention"  #: is reported, and refuses nothing


class GateStatus(StrEnum):
    """How one gate ended."""

    PASS = "pass"  # noqa: S105 (a gate that passes)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"  #: no verdict, and the policy lets that pass
    ATTENTION = "attention"  #: not kept, and the policy only asks to report it
    WAIVED = "waived"  #: not kept, and a signed waiver was in force before the data was opened


_SIDES = (Side.LOWER, Side.POINT, Side.UPPER)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One condition on one metric.

    Attributes:
        id: Unique name within the policy.
        title: What is judged, for people.
        metric: Name of the metric, for example ``fidelity.tvd_1way.value``; the last part says
            what of a result is read: ``value`` or, for attacks, ``verdict``.
        condition: ``at_most``, ``at_least``, ``verdict_is``, ``verdict_not`` or ``is_true``.
        limit: What the condition compares with.
        grounds: Why the gate exists, and who says so.
        side: Which end of the interval is compared; None unless numbers are.
        severity: Whether it refuses the release or is only reported.
        on_inconclusive: How the gate ends on an inconclusive result; one that was not run fails.
    """

    id: str
    title: str
    metric: str
    condition: str
    limit: float | str | bool
    grounds: tuple[Ground, ...]
    side: Side | None = None
    severity: Severity = Severity.BLOCK
    on_inconclusive: GateStatus = GateStatus.FAIL

    @property
    def limit_text(self) -> str:
        """The condition in words, for example ``at most 0.3``."""
        words = self.condition.replace("_", " ")
        if self.condition == "is_true":
            return words
        if self.side in {None, Side.POINT}:
            return f"{words} {self.limit}"
        return f"{self.side} end {words} {self.limit}"

    @property
    def reason(self) -> str:
        """All reasons, as one text."""
        return " ".join(ground.reason for ground in self.grounds)

    @property
    def accepted(self) -> tuple[str, ...]:
        """Verdicts that keep a gate on verdicts."""
        wanted = self.condition == "verdict_is"
        return tuple(v for v in VERDICTS if (v == self.limit) is wanted)


@dataclass(frozen=True, kw_only=True)
class GateOutcome:
    """One evaluated gate: id, title and condition in words, what was found, how it ended and why.

    Internal: the value may be raw. It is None where nothing was found.
    """

    gate: str
    title: str
    limit: str
    value: Value
    status: GateStatus
    reason: str

    @property
    def passed(self) -> bool:
        """Whether the gate does not stand in the way of the release."""
        return self.status is not GateStatus.FAIL


def careful_side(condition: str) -> Side | None:
    """Return the end of an interval that a careful reader compares; None where there is none."""
    return {"at_most": Side.UPPER, "at_least": Side.LOWER}.get(condition)


def tightest(one: Gate, other: Gate) -> Gate:
    """Return the loosest gate that is as tight as both.

    Raises:
        Contradiction: They judge different things, or nothing could keep both.
    """
    if one.metric != other.metric:
        raise Contradiction(f"one reads {one.metric}, another {other.metric}")
    condition, limit = _condition(one, other)
    both: dict[str, Any] = {
        "condition": condition,
        "limit": limit,
        "side": _side(condition, one, other),
        "severity": max(one.severity, other.severity, key=lambda s: s is Severity.BLOCK),
        "on_inconclusive": max(
            one.on_inconclusive, other.on_inconclusive, key=lambda s: s is GateStatus.FAIL
        ),
    }
    deciding = [g for g in (one, other) if replace(g, **both) == g] or [one, other]
    return replace(
        min(deciding, key=lambda gate: gate.title),
        **both,
        grounds=merged(*(gate.grounds for gate in deciding)),
    )


def _condition(one: Gate, other: Gate) -> tuple[str, float | str | bool]:
    if {one.condition, other.condition} <= {"verdict_is", "verdict_not"}:
        accepted = [verdict for verdict in one.accepted if verdict in other.accepted]
        if not accepted:
            raise Contradiction(f"one asks for {one.limit_text}, another for {other.limit_text}")
        if len(accepted) == 1:
            return "verdict_is", accepted[0]
        return "verdict_not", next(v for v in VERDICTS if v not in accepted)
    if one.condition != other.condition:
        raise Contradiction(f"one asks for {one.limit_text}, another for {other.limit_text}")
    if one.condition not in NUMERIC:
        return one.condition, one.limit
    stricter = min if one.condition == "at_most" else max
    return one.condition, stricter(float(one.limit), float(other.limit))


def _side(condition: str, one: Gate, other: Gate) -> Side | None:
    if one.side is None or other.side is None:
        return None
    stricter = max if condition == "at_most" else min
    return stricter(one.side, other.side, key=_SIDES.index)


def judge(gate: Gate, metrics: Mapping[str, Metric], *, waived: bool) -> GateOutcome:
    """Judge one gate; `waived` says that a waiver for it was in force before the data."""
    status, value, reason = _find(gate, metrics)
    if status is GateStatus.FAIL and gate.severity is Severity.ATTENTION:
        status = GateStatus.ATTENTION
    elif status is GateStatus.FAIL and waived:
        status = GateStatus.WAIVED
    return GateOutcome(
        gate=gate.id,
        title=gate.title,
        limit=gate.limit_text,
        value=value,
        status=status,
        reason=reason,
    )


def judge_attack(name: str, metrics: Mapping[str, Metric]) -> GateOutcome:
    """Judge whether a required attack ran, whatever it found."""
    found = metrics.get(f"attacks.{name}")
    status, reason = GateStatus.PASS, "it ran"
    if not isinstance(found, AttackResult):
        status, reason = GateStatus.FAIL, f"the result attacks.{name} is missing"
    elif Status.NOT_RUN is found.status or found.verdict is AttackVerdict.NOT_RUN:
        status, reason = GateStatus.FAIL, f"not run: {found.reason}"
    return GateOutcome(
        gate=f"ran:{name}",
        title=f"The attack {name} ran",
        limit="ran",
        value=None,
        status=status,
        reason=reason,
    )


def _find(gate: Gate, metrics: Mapping[str, Metric]) -> tuple[GateStatus, Value, str]:
    """Return how a gate ends, the value that was found, and why."""
    name, _, part = gate.metric.rpartition(".")
    found = metrics.get(gate.metric, metrics.get(name))
    if found is None:
        return GateStatus.FAIL, None, f"the metric {gate.metric} is missing"
    value: Value = None
    if not isinstance(found, Result):
        value = found
    else:
        verdict = found.verdict if isinstance(found, AttackResult) else None
        if found.status is Status.NOT_RUN or verdict is AttackVerdict.NOT_RUN:
            return GateStatus.FAIL, None, f"not run: {found.reason}"
        if found.status is Status.INCONCLUSIVE or verdict is AttackVerdict.INCONCLUSIVE:
            return gate.on_inconclusive, found.value, f"inconclusive: {found.reason}"
        if part == "value":
            if gate.side in {Side.LOWER, Side.UPPER} and found.interval is None:
                return GateStatus.FAIL, found.value, "the result has no interval to compare"
            value = _end(gate.side, found.value, found.interval)
        elif part == "verdict" and verdict is not None:
            value = verdict.value
    if _holds(gate, value):
        return GateStatus.PASS, value, "kept"
    shown = f"{value:.4g}" if isinstance(value, float) else value
    return GateStatus.FAIL, value, f"found {shown}, must be {gate.limit_text}: {gate.reason}"


def _end(side: Side | None, value: float | None, interval: Interval | None) -> float | None:
    if interval is None or side not in {Side.LOWER, Side.UPPER}:
        return value
    return interval.low if side is Side.LOWER else interval.high


def _holds(gate: Gate, value: Value) -> bool:
    """Compare; a value of the wrong type never holds."""
    if gate.condition == "is_true":
        return value is True
    if gate.condition in {"verdict_is", "verdict_not"}:
        return value in gate.accepted
    if isinstance(value, bool | str) or value is None or not isinstance(gate.limit, float):
        return False
    return value <= gate.limit if gate.condition == "at_most" else value >= gate.limit
