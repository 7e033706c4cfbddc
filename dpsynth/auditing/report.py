"""What a mechanism audit found: measured against claimed, what it could have seen, and controls.

Everything here was computed on made-up tables: its class is INDEPENDENT, so it may be published.
Never true here: a sentence that says that a mechanism is private. An audit can only refute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import Any

from dpsynth.auditing.bound import ERROR, Hits
from dpsynth.auditing.claim import TradeOff
from dpsynth.auditing.runs import View
from dpsynth.privacy.sampled import SampledSteps
from dpsynth.results import Disclosure, decimal_string


class Verdict(StrEnum):
    """How the audit of one method ended."""

    CONSISTENT = "consistent with the claim"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How far two worlds were apart.

    Attributes:
        hits: What the threshold says about the runs that judge; of the second sample, if any.
        threshold: Fixed on pilot runs that judge nothing.
        samples: 1, or 2 where the first one refuted the claim and fresh runs were made to confirm.
        claimed: What was claimed.
        refuted: Whether every sample refuted it.
    """

    hits: Hits
    threshold: float
    samples: int
    claimed: TradeOff
    refuted: bool

    @property
    def mu_claimed(self) -> float:
        """The mu that the claim allows where it was tested, at the measured false alarm rate."""
        return self.claimed.mu(self.hits.alarm_rate)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "runs_judged": self.hits.runs,
            "threshold": self.threshold,
            "hits": self.hits.hits,
            "false_alarms": self.hits.false_alarms,
            "samples": self.samples,
            "mu_claimed": self.mu_claimed if math.isfinite(self.mu_claimed) else None,
            "mu_estimate": self.hits.mu,
            "mu_lower_bound": self.hits.mu_bound(),
            "confidence": 1.0 - ERROR,
            "p_value_of_claim": self.hits.p_value(self.claimed),
            "refuted": self.refuted,
        }


@dataclass(frozen=True, kw_only=True)
class Control:
    """A planted case whose outcome is known, through the same audit.

    Attributes:
        name: Machine name.
        title: What was planted.
        expected: Whether the claim is to be refuted.
        needed: Whether the verdict rests on it; others show what so many runs can see.
        finding: What was found.
    """

    name: str
    title: str
    expected: bool
    needed: bool
    finding: Finding

    @property
    def passed(self) -> bool:
        """Whether the audit found what it had to find."""
        return self.finding.refuted == self.expected

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "name": self.name,
            "title": self.title,
            "expected": "refuted" if self.expected else "not refuted",
            "needed": self.needed,
            "passed": self.passed,
            "finding": self.finding.to_json(),
        }


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What an audit could have seen with a probability of at least about 80 %.

    Attributes:
        sigma: Noise at this fraction of its scale would have been seen: the factor, above 1, by
            which its scale is overstated.
        epsilon: The factor by which epsilon is then understated.
    """

    sigma: float
    epsilon: float


@dataclass(frozen=True, kw_only=True)
class MethodAudit:
    """The audit of one method.

    Attributes:
        method: Registered name.
        pair: Name of the pair of tables; ``canaries`` where the trainer was audited.
        view: What the attacker saw.
        rho: Declared price in zCDP rho, of training at one Renyi order.
        selections: Share of it that selections were charged at most.
        finding: What was measured.
        epsilon_bound: Lower bound on the epsilon at the declared delta: that of the bound on mu;
            of training, which has no mu, that of one threshold.
        certified_hit_rate: Largest hit rate that a certificate of this rho promises at the false
            alarm rate that was measured; of training, that of its steps alone.
        limit: What could have been seen; None where nothing could.
        controls: Planted cases.
        verdict: How it ended.
        reason: Why, in a sentence.
        seconds: Wall time.
        training: The steps of the trainer; None of methods that do not train.
        candidates: Names of the methods that it tries, where it chooses one.
    """

    method: str
    pair: str
    view: View
    rho: float
    selections: float
    finding: Finding
    epsilon_bound: float
    certified_hit_rate: float
    limit: Limit | None
    controls: tuple[Control, ...]
    verdict: Verdict
    reason: str
    seconds: float
    training: SampledSteps | None = None
    candidates: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; rho is a decimal string."""
        return {
            "method": self.method,
            "pair": self.pair,
            "view": self.view.value,
            "rho": decimal_string(self.rho),
            "selections_share": self.selections,
            "candidates": list(self.candidates),
            "training": None if self.training is None else self.training.to_json(),
            "verdict": self.verdict.value,
            "reason": self.reason,
            "epsilon_lower_bound": self.epsilon_bound,
            "certified_hit_rate": self.certified_hit_rate,
            "detection_limit": None
            if self.limit is None
            else {
                "sigma_factor": self.limit.sigma,
                "epsilon_factor": self.limit.epsilon,
                "probability": 0.8,
            },
            "finding": self.finding.to_json(),
            "controls": [control.to_json() for control in self.controls],
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a mechanism audit came to.

    Attributes:
        audits: One a method.
        epsilon: Claimed epsilon.
        delta: Claimed delta.
        runs: Runs in each world.
        max_rows: Rows of the unit.
        columns: Columns of the tables.
        seed: Seed of the tables.
    """

    audits: tuple[MethodAudit, ...]
    epsilon: float
    delta: float
    runs: int
    max_rows: int
    columns: int
    seed: int

    @property
    def verdict(self) -> Verdict:
        """The worst verdict: one rejection rejects, one silence without a control is no answer."""
        found = {audit.verdict for audit in self.audits}
        for verdict in (Verdict.REJECTED, Verdict.INCONCLUSIVE):
            if verdict in found:
                return verdict
        return Verdict.CONSISTENT

    @property
    def disclosure(self) -> Disclosure:
        """Made-up tables only."""
        return Disclosure.INDEPENDENT

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; epsilon and delta are decimal strings."""
        return {
            "version": version("dpsynth"),
            "verdict": self.verdict.value,
            "disclosure": self.disclosure.value,
            "epsilon": decimal_string(self.epsilon),
            "delta": decimal_string(self.delta),
            "runs": self.runs,
            "max_rows_per_unit": self.max_rows,
            "columns": self.columns,
            "seed": str(self.seed),
            "false_alarm": ERROR**2,
            "audits": [audit.to_json() for audit in self.audits],
        }
