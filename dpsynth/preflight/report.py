"""What a preflight found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dpsynth.results import decimal_string

COMPARED = (
    "how the run ends: published or which error, with message and exit code",
    "every word that is printed, warned, logged or shown as progress",
    "names of files, schema of the synthetic file, and whether a file holds an undeclared text",
    "kinds of ledger entries, their fields, and every parameter of every event",
    "class and type of every field of the evidence, and the values of those that may be public",
)
NOT_COMPARED = (
    "attack and fidelity results, raw counts and gates of the policy: exact by design, internal; "
    "that a policy lets a release pass is one bit outside the budget (SECURITY.md)",
    "how often a noisy value takes which value: the noise protects it, tests of the mechanism "
    "judge it",
    "an exact value that varies on one table all the same, such as a count of the training part, "
    "whose split is random: it cannot be told from noise here",
    "the number of synthetic rows where it is a noisy estimate",
    "cells of the synthetic table, text inside compressed PDF files, running time, memory and "
    "sizes of files",
    "typed columns of a Parquet source: its made-up columns hold text",
)


class Verdict(StrEnum):
    """How one pair of neighbours ended."""

    PASS = "pass"  # noqa: S105 (a pair that passes)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One place whose value follows the unit.

    Attributes:
        where: The place, in words; never a value.
        runs: Runs a table in which it was the same every time, and another one across tables.
    """

    where: str
    runs: int


@dataclass(frozen=True, kw_only=True)
class ScenarioResult:
    """What one pair came to.

    Attributes:
        name: Machine name of the pair.
        title: What the unit is.
        verdict: How it ended.
        reason: Why, in a sentence.
        findings: Places that follow the unit.
        places: How many places were compared.
        varying: How many of them differ between runs on one and the same table: noise, or the
            clock.
        runs: Runs a table.
    """

    name: str
    title: str
    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...]
    places: int
    varying: int
    runs: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "name": self.name,
            "title": self.title,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "findings": [{"where": f.where, "runs": f.runs} for f in self.findings],
            "places": self.places,
            "varying": self.varying,
            "runs": self.runs,
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a preflight came to.

    Attributes:
        results: One a pair.
        epsilon: Epsilon of the runs: the release's, at most 1.
        runs_to_fail: Runs a table that a finding needs.
        false_alarm: Bound on the chance that noise alone makes a finding of one place.
        seed: Seed of the made-up tables.
        rows: Rows of the table that most pairs share.
    """

    results: tuple[ScenarioResult, ...]
    epsilon: float
    runs_to_fail: int
    false_alarm: float
    seed: int
    rows: int

    @property
    def passed(self) -> bool:
        """Whether every pair passed."""
        return all(result.verdict is Verdict.PASS for result in self.results)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; epsilon is a decimal string."""
        return {
            "passed": self.passed,
            "epsilon": decimal_string(self.epsilon),
            "runs_to_fail": self.runs_to_fail,
            "false_alarm_per_place": self.false_alarm,
            "seed": str(self.seed),
            "rows": self.rows,
            "compared": list(COMPARED),
            "not_compared": list(NOT_COMPARED),
            "scenarios": [result.to_json() for result in self.results],
        }
