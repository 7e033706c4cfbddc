"""Evidence that rests on noisy answers or on the guarantee: how sharp it is, what may undo it."""

from __future__ import annotations

import math
from typing import Any

from dpsynth.evidence import EvidenceBuilder
from dpsynth.pipeline import published, wording
from dpsynth.pipeline.state import Run
from dpsynth.privacy.foreign import ThirdPartyEvent
from dpsynth.results import Disclosure, Status, decimal_string, plain, rounded_up
from dpsynth.synth.api import HalfWidth
from dpsynth.synth.uncertainty import LEVEL

DECLARED, DP, POST = Disclosure.DECLARED, Disclosure.DP, Disclosure.POST

MOST_TABLES = 40  #: measured tables whose noise the evidence lists
_WARNING_SIGMAS = 6.0


def noise_facts(b: EvidenceBuilder, run: Run) -> None:
    """Add what was seen in noisy answers, how certain they are, audit and hazards."""
    plan, fitted, audit = run.plan, run.fitted, run.plan.audit
    b.add(
        "data.discovered",
        [
            {
                "column": found.column,
                "found": found.found,
                "sigma": found.sigma,
                "threshold": found.threshold,
                "rho": decimal_string(found.rho),
                "delta": decimal_string(found.delta),
                "seq": found.ledger_seq,
            }
            for found in run.discovered
        ],
        DP if run.discovered else DECLARED,
    )
    b.add("data.warnings", noisy_warnings(run), POST)
    b.add("fitness.measured_error", _measured_error(run), DP if run.published else DECLARED)
    b.add("fitness.expected_error", [plain(dict(e)) for e in fitted.model.errors()], POST)
    b.add("fitness.intervals", _intervals(run), POST)
    drawn = {
        "sampled": plan.sampled is not None,
        "third_party": any(isinstance(event, ThirdPartyEvent) for _, event in run.charged),
    }
    b.add("environment.entropy", wording.entropy(**drawn), DECLARED)
    b.add("hazards.items", wording.hazards(audit.status, **drawn), DECLARED)


def noisy_warnings(run: Run) -> list[dict[str, str]]:
    """Name the columns whose noisy out-of-domain count stands clearly above its noise.

    A function of noisy counts only, so one person changes the chance of a warning by no more than
    the guarantee allows. The threshold of six standard deviations and one row in a hundred keeps
    chance warnings below one in a million runs.
    """
    found = []
    for name, count, sigma in run.fitted.model.out_of_domain_counts():
        if count > max(_WARNING_SIGMAS * sigma, 0.01 * run.fitted.model.total):
            found.append(
                {
                    "column": name,
                    "text": "holds values that its dictionary does not declare; they share one "
                    "out-of-domain bucket. Extend the dictionary from the codebook if they mean "
                    "something; numbers need a decimal point and no thousands separator.",
                }
            )
    return found


def _measured_error(run: Run) -> dict[str, Any]:
    """Return the error that was measured for publication, or that none was."""
    if run.published is None:
        return {
            "status": Status.NOT_RUN.value,
            "reason": "No share of the budget was set aside for it.",
        }
    return {
        "status": Status.OK.value,
        "reason": "",
        "level": published.LEVEL,
        "share": run.plan.settings.fidelity_share,
        "means": [
            {
                "ways": mean.ways,
                "tables": mean.tables,
                "value": round(mean.value, 6),
                "half_width": rounded_up(mean.half_width),
                "seq": mean.ledger_seq,
            }
            for mean in run.published.means
        ],
        "columns": [[name, round(value, 6)] for name, value in run.published.columns],
        "column_half_width": rounded_up(run.published.column_half_width),
    }


def _intervals(run: Run) -> dict[str, Any]:
    """Return half of the interval of one count of each column and of the first tables."""
    found = run.fitted.model.half_widths(run.plan.codec.coarse)
    tables = [width for width in found if len(width.attributes) > 1]
    return {
        "level": LEVEL,
        "columns": [_width(width) for width in found if len(width.attributes) == 1],
        "tables": [_width(width) for width in tables[:MOST_TABLES]],
        "more_tables": len(tables[MOST_TABLES:]),
    }


def _width(width: HalfWidth) -> dict[str, Any]:
    """Return half of an interval, rounded up."""
    return {
        "attributes": list(width.attributes),
        "cells": width.cells,
        "rows": math.ceil(10.0 * width.rows) / 10.0,
        "share": rounded_up(width.share),
    }
