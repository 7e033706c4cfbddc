"""The data sheet that travels with the data: what it is, how it was made, how to use it.

Rendered from public evidence alone; Markdown, so that it reads well beside a table.
"""

from __future__ import annotations

from typing import Any

from dpsynth.evidence import PublicEvidence

_TEMPLATE = """# {title}: synthetic data

Release **{name}** ({id}), issued {created} by {issuer}. Review by {review_by}.

## What it is
{rows} rows and {columns} columns that a model generated. No row was copied; one may match somebody
by chance, and so may a made-up identifier. The model was fitted under differential privacy:
epsilon {epsilon}, delta {delta}, for one {unit} (neighbours: {relation}; rows kept of one unit: at
most {max_rows}).

## How it was made
Method `{method}`; every query of the confidential table was charged to a privacy ledger. Values
outside the declared domain share one bucket (`__out_of_domain__` in text columns, blank in
numeric ones). A few blanks and `__out_of_domain__` cells are noise, also in columns where the
source has none. In CSV a missing number is the code that the source uses; in Parquet it is null.

## How to use it
- Treat each count as uncertain: the table of measured marginals in `evidence.dsse.json`
  (`fitness.expected_error`) says by how many rows.
- Confirm a finding on the confidential table, under its own budget, before anybody relies on it.

## Poor uses
{poor_uses}

## Columns
| column | kind | domain | how it is treated |
| --- | --- | --- | --- |
{table}

## Check it
`dpsynth verify FOLDER --trust ROOT.pem`, with the issuer's root certificate got by another way.
"""


def datasheet_markdown(evidence: PublicEvidence) -> str:
    """Return the data sheet as Markdown; dictionary text is shown literally."""
    return _TEMPLATE.format(
        title=_line(evidence["release.title"]),
        name=_line(evidence["release.name"]),
        id=evidence["release.id"],
        created=str(evidence["release.created"])[:10],
        issuer=_line(evidence["release.issuer"]),
        review_by=evidence["release.review_by"],
        rows=evidence["release.rows"],
        columns=evidence["release.columns"],
        epsilon=evidence["guarantee.epsilon"],
        delta=evidence["guarantee.delta"],
        unit=_line(evidence["guarantee.unit"]),
        relation=str(evidence["guarantee.relation"]).replace("_", " or "),
        max_rows=evidence["guarantee.max_rows_per_unit"],
        method=_line(evidence["synthesizer.name"]),
        poor_uses="\n".join(f"- {_line(use)}" for use in evidence["fitness.poor_uses"]),
        table="\n".join(_row(column) for column in evidence["data.columns"]),
    )


def _row(column: dict[str, Any]) -> str:
    treatment = str(column["treatment"]).replace("_", " ")
    if column["reason"]:
        treatment = f"{treatment}: {column['reason']}"
    cells = (column["name"], column["kind"], column["domain"], treatment)
    return "| " + " | ".join(_line(cell) for cell in cells) + " |"


def _line(text: object) -> str:
    """Return text on one line with Markdown's own signs escaped."""
    flat = " ".join(str(text).split())
    return "".join(f"\\{c}" if c in r"\`*_[]<>#|" else c for c in flat[:300])
