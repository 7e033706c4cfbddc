"""The report of an attack run on its own, for example on what a supplier delivered.

Unlike the documents of a release it has no ledger and no policy behind it: three tables, one
dictionary, and what the suite found. Every number in it is raw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dpsynth.reports import numbers
from dpsynth.reports.attack_sections import attack_sections
from dpsynth.reports.text import say
from markupsafe import Markup

from dpsynth.results import AttackVerdict


@dataclass(frozen=True, kw_only=True)
class AttackedFile:
    """One table of the run: its role in words, file name, SHA-256 and number of rows."""

    role: str
    name: str
    sha256: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class StatedClaim:
    """What the supplier claims of one row.

    Attributes:
        epsilon: Claimed epsilon.
        delta: Claimed delta.
        ceiling: [[false-positive rate, largest true-positive rate], ...], rounded up.
    """

    epsilon: float
    delta: float
    ceiling: Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class AttackRun:
    """What an attack run was, and what it found.

    Attributes:
        title: Title of the dictionary.
        dictionary: SHA-256 of the declaration.
        columns: Number of columns that were compared.
        files: The tables.
        profile: Profile of the suite.
        seed: Seed of the tests.
        created: When it was run; aware.
        version: Version of dpsynth.
        signed: Whether the document gets a signature.
        claim: What the supplier claims, or None.
        results: Results of the suite, as plain mappings.
    """

    title: str
    dictionary: str
    columns: int
    files: Sequence[AttackedFile]
    profile: str
    seed: int
    created: datetime
    version: str
    signed: bool
    claim: StatedClaim | None
    results: Sequence[Mapping[str, Any]]


def attack_report(run: AttackRun) -> dict[str, Any]:
    """Return what the template needs beside the run."""
    claim = run.claim
    sections = attack_sections(
        run.results,
        ceiling={} if claim is None else {rate: most for rate, most in claim.ceiling},
        claim=None if claim is None else _claimed(claim),
    )
    findings = [*sections["attacks"], *sections["diagnostics"]]
    verdicts = [r["verdict"] for r in findings]
    leaks = [r["title"] for r in findings if r["verdict"] == AttackVerdict.LEAK_FOUND.value]
    quiet = verdicts.count(AttackVerdict.NO_LEAK_DETECTED.value)
    within = verdicts.count(AttackVerdict.WITHIN_CLAIM.value)
    other = len(findings) - len(leaks) - quiet - within
    if leaks:
        stamp, text = "leak", say("attacked.leak_text", n=len(leaks), list="; ".join(leaks))
    elif quiet + within:
        text = say("attacked.quiet_text", quiet=quiet, within=within, other=other)
        stamp = "quiet"
    else:
        stamp, text = "inconclusive", say("attacked.inconclusive_text", n=len(findings))
    return {
        **sections,
        "identity": _identity(run),
        "stamp": stamp,
        "outcome_text": text,
    }


def _identity(run: AttackRun) -> list[tuple[Markup, str | Markup]]:
    return [
        (say("attacked.when"), numbers.day(run.created.isoformat())),
        (say("attacked.profile"), run.profile),
        (say("attacked.seed"), str(run.seed)),
        (say("attacked.columns"), str(run.columns)),
        (
            say("attacked.claim"),
            say("attacked.no_claim") if run.claim is None else _claimed(run.claim),
        ),
    ]


def _claimed(claim: StatedClaim) -> Markup:
    """Return a claim in words."""
    return say(
        "attacked.stated",
        epsilon=numbers.setting(claim.epsilon),
        delta=numbers.setting(claim.delta),
    )
