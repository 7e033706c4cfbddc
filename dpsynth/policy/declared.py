"""Policies: limits and gates that a person declares before a release, and their evaluation.

`limits` are checked before anything is spent, `gates` are checked on the results of a run. A metric
that is missing is a gate that failed. What may never be true here: that a gate passes because
nothing was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from dpsynth.errors import PolicyRefusal
from dpsynth.results import AttackResult, AttackVerdict, Result, Status

Metric = Result | float | bool | str
Value = float | str | bool | None

VERDICTS = frozenset(verdict.value for verdict in AttackVerdict)


class GateStatus(StrEnum):
    """How one gate ended."""

    PASS = "pass"  # noqa: S105 (a gate that passes)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"  #: no verdict, and the policy lets that pass


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
        reason: Why the gate exists.
        on_inconclusive: How the gate ends on an inconclusive result; one that was not run fails.
    """

    id: str
    title: str
    metric: str
    condition: str
    limit: float | str | bool
    reason: str
    on_inconclusive: GateStatus = GateStatus.FAIL

    @property
    def limit_text(self) -> str:
        """The condition in words, for example ``at most 0.3``."""
        words = self.condition.replace("_", " ")
        return words if self.condition == "is_true" else f"{words} {self.limit}"


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


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the policy says of one run: whether every gate lets the data out, and each outcome."""

    passed: bool
    outcomes: tuple[GateOutcome, ...]


@dataclass(frozen=True, kw_only=True)
class Total:
    """A largest (epsilon, delta) of several releases together."""

    epsilon: float
    delta: float


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Declared limits and gates; made by :func:`dpsynth.policy.load_policy`.

    Attributes:
        name: Name of the policy.
        title: One line.
        description: Who it is for and what it weighs.
        digest: SHA-256 of the file's bytes, lower-case hexadecimal.
        max_epsilon, max_delta: Largest of one release.
        lineage_total: Largest of all releases about the same people.
        recipient_total: Largest of all of them to any one recipient, or None.
        jurisdiction_total: Largest of all of them into any one jurisdiction, or None.
        assurance_classes: Assurance classes that may be released.
        attacks: Attack profiles that suffice.
        min_holdout: Smallest share of units sealed for the tests.
        review_months: Months after which a release is to be reviewed.
        gates: Conditions on the results; never empty.
    """

    name: str
    title: str
    description: str
    digest: str
    max_epsilon: float
    max_delta: float
    lineage_total: Total
    recipient_total: Total | None
    jurisdiction_total: Total | None
    assurance_classes: tuple[str, ...]
    attacks: tuple[str, ...]
    min_holdout: float
    review_months: int
    gates: tuple[Gate, ...]

    def check_request(
        self,
        *,
        epsilon: float,
        delta: float,
        total_epsilon: float,
        total_delta: float,
        assurance_class: str,
        attacks: str,
        holdout: float,
    ) -> None:
        """Check a request against the limits, before anything is spent.

        Epsilon and delta are this release's, the totals are the caps of its lineage, the assurance
        class is the synthesizer's, and the holdout is the share of units sealed for the tests.

        Raises:
            PolicyRefusal: Lists every limit that is not kept.
        """
        reasons = [
            f"{what} {asked:g} is more than {limit:g}"
            for what, asked, limit in (
                ("epsilon", epsilon, self.max_epsilon),
                ("delta", delta, self.max_delta),
                ("the lineage's total epsilon", total_epsilon, self.lineage_total.epsilon),
                ("the lineage's total delta", total_delta, self.lineage_total.delta),
            )
            if not asked <= limit
        ]
        if assurance_class not in self.assurance_classes:
            reasons.append(
                f"assurance class {assurance_class} is not among "
                f"{', '.join(self.assurance_classes)}"
            )
        if attacks not in self.attacks:
            reasons.append(
                f"attack profile {attacks!r} is not among {', '.join(map(repr, self.attacks))}"
            )
        if not holdout >= self.min_holdout:
            reasons.append(f"holdout {holdout:g} is less than {self.min_holdout:g}")
        if reasons:
            raise PolicyRefusal(
                f"The request is refused: {'; '.join(reasons)}.",
                where=f"policy {self.name}",
                fix="Nothing was spent. Change the request, or choose a policy that allows it.",
            )

    def evaluate(self, metrics: Mapping[str, Metric]) -> Verdict:
        """Judge a run. A metric that is missing fails its gate.

        Args:
            metrics: Results by name: ``attacks.<name>`` and ``fidelity.<name>`` to a Result,
                ``selftest.passed`` to a bool.
        """
        outcomes = tuple(_judge(gate, metrics) for gate in self.gates)
        return Verdict(passed=all(outcome.passed for outcome in outcomes), outcomes=outcomes)

    def to_json(self) -> dict[str, Any]:
        """Return the policy as plain values: name and words, limits, gates."""
        tree = asdict(self)
        words = {key: tree.pop(key) for key in ("name", "title", "description", "digest")}
        return {**words, "gates": tree.pop("gates"), "limits": tree}


def _judge(gate: Gate, metrics: Mapping[str, Metric]) -> GateOutcome:
    status, value, reason = _find(gate, metrics)
    words = {"gate": gate.id, "title": gate.title, "limit": gate.limit_text, "reason": reason}
    return GateOutcome(value=value, status=status, **words)


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
            value = found.value
        elif part == "verdict" and verdict is not None:
            value = verdict.value
    if _holds(gate, value):
        return GateStatus.PASS, value, "kept"
    shown = f"{value:.4g}" if isinstance(value, float) else value
    return GateStatus.FAIL, value, f"found {shown}, must be {gate.limit_text}: {gate.reason}"


def _holds(gate: Gate, value: Value) -> bool:
    """Compare; a value of the wrong type never holds."""
    if gate.condition == "is_true":
        return value is True
    if gate.condition in {"verdict_is", "verdict_not"}:
        if value not in VERDICTS:
            return False
        return (value == gate.limit) is (gate.condition == "verdict_is")
    if isinstance(value, bool | str) or value is None or not isinstance(gate.limit, float):
        return False
    return value <= gate.limit if gate.condition == "at_most" else value >= gate.limit
