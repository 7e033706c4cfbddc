"""A policy: limits, requirements, rules of transfer and gates that a person declares beforehand.

Everything but the gates is checked before anything is spent; gates are checked on the results of a
run. Never true here: a privacy limit that can be waived.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from dpsynth.errors import PolicyRefusal
from dpsynth.policy.gates import Gate, GateOutcome, Metric, judge, judge_attack
from dpsynth.policy.rules import Ground, Rule, Total, Unmet, grounds_json, value_json
from dpsynth.policy.transfers import Group


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the policy says of one run: whether every gate lets the data out, and each outcome."""

    passed: bool
    outcomes: tuple[GateOutcome, ...]


@dataclass(frozen=True, kw_only=True)
class WaiverTerms:
    """Who may waive what, for how long. No limit and no requirement can be waived.

    Attributes:
        gates: Ids of gates that may be waived; empty: none.
        signers: SHA-256 of the certificates that may sign a waiver.
        max_days: Longest time from signature to expiry.
        grounds: Why, and who says so.
    """

    gates: tuple[str, ...]
    signers: tuple[str, ...]
    max_days: int
    grounds: tuple[Ground, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the terms as plain values."""
        return {
            "allowed_gates": list(self.gates),
            "signers": list(self.signers),
            "max_days": self.max_days,
            "grounds": grounds_json(self.grounds),
        }


@dataclass(frozen=True, kw_only=True)
class PolicyFile:
    """One file that a policy was composed from: the name that it gives itself, and its SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Declared rules; made by :func:`dpsynth.policy.load_policy`.

    Attributes:
        name: Name of the policy.
        title: One line.
        description: Who it is for and what it weighs.
        digest: SHA-256 of the canonical JSON of everything that it asks, lower-case hexadecimal.
        files: The files that it was composed from, by name.
        limits: What a release may ask for, by key (:data:`dpsynth.policy.rules.LIMITS`).
        requirements: What must stand beside it (:data:`dpsynth.policy.rules.REQUIREMENTS`).
        transfers: Rules of transfer, a group a file that has some.
        waivers: Who may waive gates; None: nobody.
        gates: Conditions on the results; never empty.
    """

    name: str
    title: str
    description: str
    digest: str
    files: tuple[PolicyFile, ...]
    limits: Mapping[str, Rule]
    requirements: Mapping[str, Rule]
    transfers: tuple[Group, ...]
    waivers: WaiverTerms | None
    gates: tuple[Gate, ...]

    @property
    def max_epsilon(self) -> float:
        """Largest epsilon of one release."""
        return float(self.limits["max_epsilon"].value)

    @property
    def lineage_total(self) -> Total:
        """Largest total of all releases about the same people."""
        total: Total = self.limits["lineage_total"].value
        return total

    @property
    def recipient_total(self) -> Total | None:
        """Largest total of all of them to any one recipient, or None."""
        return self._total("recipient_total")

    @property
    def jurisdiction_total(self) -> Total | None:
        """Largest total of all of them into any one jurisdiction, or None."""
        return self._total("jurisdiction_total")

    @property
    def review_months(self) -> int:
        """Months after which a release is to be reviewed."""
        return int(self.limits["review_months"].value)

    @property
    def retention_months(self) -> int | None:
        """Months for which report and evidence are to be kept; None: nothing is said."""
        rule = self.requirements.get("retention_months")
        return None if rule is None else int(rule.value)

    def required(self, key: str) -> tuple[str, ...]:
        """Return the names that a requirement lists; empty where there is none."""
        rule = self.requirements.get(key)
        return () if rule is None else tuple(rule.value)

    def _total(self, key: str) -> Total | None:
        rule = self.limits.get(key)
        total: Total | None = None if rule is None else rule.value
        return total

    def request_refusals(
        self,
        *,
        epsilon: float | None,
        delta: float | None,
        total_epsilon: float,
        total_delta: float,
        assurance_class: str,
        attacks: str,
        holdout: float,
        today: date,
    ) -> tuple[Unmet, ...]:
        """Return every limit that a request does not keep; empty if it keeps all.

        Epsilon and delta are this release's, None where it has no guarantee; the totals are the
        caps of its lineage, the assurance class is the synthesizer's, and the holdout is the share
        of units sealed for the tests.
        """
        total = self.lineage_total
        unmet = [
            Unmet(rule=f"limits.{key}", text=f"{what} {asked:g} is more than {limit:g}")
            for key, what, asked, limit in (
                ("max_epsilon", "epsilon", epsilon, self.max_epsilon),
                ("max_delta", "delta", delta, float(self.limits["max_delta"].value)),
                ("lineage_total", "the lineage's total epsilon", total_epsilon, total.epsilon),
                ("lineage_total", "the lineage's total delta", total_delta, total.delta),
            )
            if asked is not None and not asked <= limit
        ]
        for key, what, asked in (
            ("assurance_classes", "assurance class", assurance_class),
            ("attacks", "attack profile", attacks),
        ):
            allowed = self.limits[key].value
            if asked not in allowed:
                text = f"{what} {asked} is not among {', '.join(allowed)}"
                unmet.append(Unmet(rule=f"limits.{key}", text=text))
        least = float(self.limits["min_holdout"].value)
        if not holdout >= least:
            text = f"holdout {holdout:g} is less than {least:g}"
            unmet.append(Unmet(rule="limits.min_holdout", text=text))
        until = self.limits.get("valid_until")
        if until is not None and today > until.value:
            text = f"the policy was to be reviewed by {until.value.isoformat()}"
            unmet.append(Unmet(rule="limits.valid_until", text=text))
        return tuple(unmet)

    def refuse(self, unmet: Collection[Unmet]) -> None:
        """Refuse a request that does not keep these rules; do nothing where there is none.

        Raises:
            PolicyRefusal: Lists every reason.
        """
        if unmet:
            reasons = dict.fromkeys(rule.text for rule in unmet)
            raise PolicyRefusal(
                f"The request is refused: {'; '.join(reasons)}.",
                where=f"policy {self.name}",
                fix="Nothing was spent. Change the request, or choose a policy that allows it.",
            )

    def evaluate(self, metrics: Mapping[str, Metric], *, waived: Collection[str] = ()) -> Verdict:
        """Judge a run. A metric that is missing fails its gate.

        Args:
            metrics: Results by name: ``attacks.<name>`` and ``fidelity.<name>`` to a Result,
                ``selftest.passed`` to a bool.
            waived: Ids of gates for which a waiver was in force before the data was opened.
        """
        ran = [judge_attack(name, metrics) for name in self.required("attacks")]
        judged = [judge(gate, metrics, waived=gate.id in waived) for gate in self.gates]
        outcomes = (*ran, *judged)
        return Verdict(passed=all(outcome.passed for outcome in outcomes), outcomes=outcomes)

    def content(self) -> dict[str, Any]:
        """Return everything that the policy asks as plain values: what the digest is of."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "limits": _rules_json(self.limits),
            "requirements": _rules_json(self.requirements),
            "transfers": [[rule.to_json() for rule in group] for group in self.transfers],
            "waivers": None if self.waivers is None else self.waivers.to_json(),
            "gates": [_gate_json(gate) for gate in self.gates],
        }

    def to_json(self) -> dict[str, Any]:
        """Return the policy as plain values, with its digest and those of its files."""
        files = [{"name": file.name, "sha256": file.sha256} for file in self.files]
        return {**self.content(), "digest": self.digest, "files": files}


def _rules_json(rules: Mapping[str, Rule]) -> dict[str, Any]:
    return {
        key: {"limit": value_json(rule.value), "grounds": grounds_json(rule.grounds)}
        for key, rule in sorted(rules.items())
    }


def _gate_json(gate: Gate) -> dict[str, Any]:
    return {
        "id": gate.id,
        "title": gate.title,
        "metric": gate.metric,
        "condition": gate.condition,
        "limit": value_json(gate.limit),
        "side": None if gate.side is None else gate.side.value,
        "severity": gate.severity.value,
        "on_inconclusive": "fail" if gate.on_inconclusive.value == "fail" else "pass",
        "grounds": grounds_json(gate.grounds),
    }
