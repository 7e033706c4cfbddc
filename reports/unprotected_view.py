"""What the documents of a release without a guarantee show: that there is none, why, and what ran.

Never true here: an epsilon, a delta, a rho, a curve, or a sentence from which one could be read.
"""

from __future__ import annotations

from typing import Any

from dpsynth.reports import charts
from dpsynth.reports.markdown import bullets, column_row, literal
from dpsynth.reports.text import plain, printable, say
from dpsynth.reports.views import (
    Evidence,
    Pairs,
    certificate_name,
    columns_text,
    identity,
    policy_text,
)
from markupsafe import Markup

from dpsynth.evidence import PublicEvidence

TERM_LINES = (2, 2, 2, 2, 2)  #: most lines of each term on the certificate
_REASONS_SHOWN = 5
_RUNS_SHOWN = 4
_ATTACKS_SHOWN = 14
_USES_SHOWN = 5

_DATASHEET = """# {title}: synthetic data without a privacy guarantee

Release **{name}** ({id}), issued {created} by {issuer}. Review by {review_by}.

## No guarantee
{none} {treat}

{reasons}

## What it is
{rows} rows and {columns} columns that method `{method}` generated. It got the coded rows of the
confidential table, at most {max_rows} of one {unit}, with the declared categories of every column.
Values outside the declared domain share one bucket (`__out_of_domain__` in text columns, blank in
numeric ones).

## Poor uses
{poor_uses}

## Columns
| column | kind | domain | how it is treated |
| --- | --- | --- | --- |
{table}

## Check it
`dpsynth verify FOLDER --trust ROOT.pem`, with the issuer's root certificate got by another way.
"""


def unprotected_certificate(e: PublicEvidence) -> dict[str, Any]:
    """Return what the certificate's template needs beside the evidence."""
    return {
        **unprotected_shared(e),
        "identity": identity(e),
        "square": charts.square_code(certificate_name(e)),
        "files": list(e["files.synthetic"])[:1],
        "more_files": max(0, len(e["files.synthetic"]) - 1),
        "columns_text": columns_text(e["data.columns"]),
        "term_lines": TERM_LINES,
        "poor_uses": list(e["fitness.poor_uses"])[:_USES_SHOWN],
        "more_uses": max(0, len(e["fitness.poor_uses"]) - _USES_SHOWN),
    }


def unprotected_shared(e: Evidence) -> dict[str, Any]:
    """Return what both documents show: unit, reasons, programs, attacks and terms."""
    reasons, runs = list(e["unprotected.reasons"]), list(e["unprotected.runs"])
    return {
        "unit": printable(str(e["unprotected.unit"]), 28),
        "reasons": reasons[:_REASONS_SHOWN],
        "more_reasons": max(0, len(reasons) - _REASONS_SHOWN),
        "runs": runs[:_RUNS_SHOWN],
        "more_runs": max(0, len(runs) - _RUNS_SHOWN),
        "attacked": _attacked(e),
        "terms": _terms(e),
    }


def unprotected_datasheet(evidence: PublicEvidence) -> str:
    """Return the data sheet as Markdown; dictionary text is shown literally."""
    return _DATASHEET.format(
        title=literal(evidence["release.title"]),
        name=literal(evidence["release.name"]),
        id=evidence["release.id"],
        created=str(evidence["release.created"])[:10],
        issuer=literal(evidence["release.issuer"]),
        review_by=evidence["release.review_by"],
        none=plain("unprotected.none"),
        treat=plain("unprotected.treat"),
        reasons=bullets([literal(reason, 600) for reason in evidence["unprotected.reasons"]]),
        rows=evidence["release.rows"],
        columns=evidence["release.columns"],
        method=literal(evidence["synthesizer.name"]),
        max_rows=evidence["unprotected.max_rows_per_unit"],
        unit=literal(evidence["unprotected.unit"]),
        poor_uses=bullets([literal(use) for use in evidence["fitness.poor_uses"]]),
        table="\n".join(column_row(column) for column in evidence["data.columns"]),
    )


def _attacked(e: Evidence) -> Markup:
    """Return which attacks ran inside, and that their results stay there."""
    names = [name.replace("_", " ") for name in e["unprotected.attacks"]]
    if not names:
        return say("unprotected.attacks_off")
    shown = ", ".join(names[:_ATTACKS_SHOWN])
    hidden = len(names) - _ATTACKS_SHOWN
    if hidden > 0:
        shown = f"{shown} {plain('common.more', n=hidden)}"
    return say("unprotected.attacks_run", n=len(names), list=shown)


def _terms(e: Evidence) -> Pairs:
    """Return what holds all the same, as (item, value) rows."""
    unit, column = printable(str(e["unprotected.unit"]), 28), e["unprotected.unit_column"]
    return [
        (
            say("terms.assurance"),
            say(
                "terms.assurance_value",
                letter=e["unprotected.assurance_class"],
                meaning=e["unprotected.meaning"],
            ),
        ),
        (
            say("unprotected.unit"),
            say(
                "unprotected.unit_value",
                unit=unit,
                column=printable(str(column), 40),
                n=e["unprotected.max_rows_per_unit"],
            )
            if column
            else say("terms.unit_row", unit=unit),
        ),
        (
            say("unprotected.lineage"),
            say(
                "unprotected.lineage_value",
                lineage=printable(e["unprotected.lineage"], 40),
                n=e["unprotected.release_number"],
            ),
        ),
        (
            say("terms.domain"),
            say("terms.domain_value", codebook=e["data.codebook"] or plain("common.not_stated")),
        ),
        (say("terms.policy"), policy_text(e)),
    ]
