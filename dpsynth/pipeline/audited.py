"""What a mechanism audit says about the method of a release, read from the file that it wrote.

The audit runs on made-up tables (``dpsynth audit mechanism --json``), takes minutes, and holds for
a method, a version and a number of rows kept of a unit, not for a table: so it is run once and its
file is named in every release.
The file is a statement of whoever signs the release. Never true here: an audit of another version
or method that counts, or one that rejected its claim and lets a release run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dpsynth.errors import InputError, PolicyRefusal
from dpsynth.results import Status
from dpsynth.yamlfile import read_content

#: An audit counts for assurance class A where it would have seen epsilon understated so often.
SHARP_ENOUGH = 2.0


@dataclass(frozen=True, kw_only=True)
class AuditFact:
    """What the evidence says about an audit.

    Attributes:
        status: OK, INCONCLUSIVE, or NOT_RUN.
        text: The sentence.
        sharp: Whether it would have seen epsilon understated by `SHARP_ENOUGH`.
    """

    status: Status
    text: str
    sharp: bool = False


NO_AUDIT = AuditFact(
    status=Status.NOT_RUN,
    text="No two-world audit of the mechanism is part of this release (the command dpsynth audit "
    "mechanism makes one). The test suite checks noise, sensitivity and accounting.",
)


def read_audit(
    path: Path, method: str, *, candidates: Sequence[str], max_rows: int | None
) -> AuditFact:
    """Return what an audit file says about a method.

    Args:
        path: The file.
        method: The method of the release.
        candidates: Methods that it tries, where it chooses one.
        max_rows: Rows that are kept of a unit; None where that is not declared yet.

    Raises:
        InputError: The file cannot be read, is no audit of this version, or leaves the method out.
        PolicyRefusal: The audit rejected the claim of the method.
    """
    where = str(path)
    try:
        tree = json.loads(read_content(path))
        if tree["version"] != version("dpsynth"):
            raise InputError(
                f"is an audit of dpsynth {tree['version']}, not of {version('dpsynth')}.",
                where=where,
                fix="Run `dpsynth audit mechanism --json` again.",
            )
        found = next((a for a in tree["audits"] if a["method"] == method), None)
        if found is None:
            raise InputError(
                f"does not audit the method {method}.",
                where=where,
                fix=f"Run `dpsynth audit mechanism --method {method} --json`.",
            )
        return _fact(tree, found, _other(tree, found, candidates, max_rows))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "is no answer of `dpsynth audit mechanism --json`.", where=where
        ) from error


def _other(
    tree: Mapping[str, Any], found: Mapping[str, Any], candidates: Sequence[str], rows: int | None
) -> str:
    """Say in what an audit is not one of this release, or of the weakest attacker; empty if it is.

    Such an audit is told as it is and does not count.
    """
    if list(found["candidates"]) != list(candidates):
        return "it is of other candidates"
    if rows is not None and rows != int(tree["max_rows_per_unit"]):
        return f"{rows} rows are kept here"
    return "" if found["view"] == "transcript" else "it saw synthetic tables alone"


def _audited(tree: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return what was audited, for the beginning of a sentence."""
    runs, training = int(tree["runs"]), found["training"]
    if training is None:
        return f"Two made-up tables one unit{_of_rows(tree)} apart, {runs:,} fits of each"
    return (
        f"{int(training['steps']):,} steps of its trainer, {runs:,} made-up units{_of_rows(tree)} "
        f"with the largest gradient and {runs:,} not there"
    )


def _of_rows(tree: Mapping[str, Any]) -> str:
    rows = int(tree["max_rows_per_unit"])
    return "" if rows == 1 else f" of {rows} rows"


def _fact(tree: Mapping[str, Any], found: Mapping[str, Any], other: str) -> AuditFact:
    """Return the fact of one audited method; KeyError or TypeError where something is missing."""
    finding, limit = found["finding"], found["detection_limit"]
    factor = float(limit["epsilon_factor"]) if limit else None
    seen = f"{math.ceil(100.0 * factor) / 100.0:g} times" if factor else "by any factor"
    mu = finding["mu_claimed"]
    claimed = "any, so large is epsilon," if mu is None else f"{float(mu):.3f}"
    whose = "Epsilon" if found["training"] is None else "Its epsilon"
    text = (
        f"{_audited(tree, found)}, at epsilon {float(tree['epsilon']):g}, delta "
        f"{float(tree['delta']):g}: told apart by mu "
        f"{float(finding['mu_estimate']):.3f} (at least "
        f"{float(finding['mu_lower_bound']):.3f} at 99 %) of {claimed} "
        f"claimed. {whose} understated {seen} would {'' if factor else 'not '}be seen."
        + (f" It does not count: {other}." if other else "")
    )
    match found["verdict"]:
        case "rejected":
            raise PolicyRefusal(
                "The mechanism audit rejected what the method claims; nothing was spent. "
                "Please report this as a defect."
            )
        case "consistent with the claim":
            sharp = factor is not None and factor <= SHARP_ENOUGH and not other
            return AuditFact(status=Status.OK, text=text, sharp=sharp)
        case "inconclusive":
            return AuditFact(status=Status.INCONCLUSIVE, text=text)
    raise ValueError("unknown verdict")
