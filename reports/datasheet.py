"""The data sheet that travels with the data: what it is, how it was made, how to use it.

Rendered from public evidence alone; Markdown, so that it reads well beside a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dpsynth.reports.markdown import bullets, column_row, literal

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
numeric ones). Such a cell, or a blank one that nobody declared, comes out only where a noisy count
stood out of its noise, which happens by chance once in several hundred columns. In CSV a missing
number is the code that the source uses; in Parquet it is null.

## How to use it
- Treat each count as uncertain: "How certain counts are" says by how many rows.
- Confirm a finding on the confidential table, under its own budget, before anybody relies on it.

## Poor uses
{poor_uses}

## How certain counts are
Half of the {level} interval that the noisy counts give for one real count, of the rows that the
model was fitted to. Of a column it is that of its least certain declared bin; the share is that of
a rare value. Counts of these rows are off by noise of this size, and by what the model leaves out;
what was not counted together rests on the model alone. `dpsynth estimate` gives the steward the
interval of any other count, share or mean, at no cost. An analysis that takes these rows for real
ones gives intervals that are too narrow.

| counted | cells | rows | share |
| --- | --- | --- | --- |
{widths}

## Facts that hold
{constraints}

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
        title=literal(evidence["release.title"]),
        name=literal(evidence["release.name"]),
        id=evidence["release.id"],
        created=str(evidence["release.created"])[:10],
        issuer=literal(evidence["release.issuer"]),
        review_by=evidence["release.review_by"],
        rows=evidence["release.rows"],
        columns=evidence["release.columns"],
        epsilon=evidence["guarantee.epsilon"],
        delta=evidence["guarantee.delta"],
        unit=literal(evidence["guarantee.unit"]),
        relation=str(evidence["guarantee.relation"]).replace("_", " or "),
        max_rows=evidence["guarantee.max_rows_per_unit"],
        method=literal(evidence["synthesizer.name"]),
        level=f"{100 * evidence['fitness.intervals']['level']:g} %",
        widths=_widths(evidence["fitness.intervals"]),
        poor_uses=bullets([literal(use) for use in evidence["fitness.poor_uses"]]),
        constraints=_constraints(evidence["fitness.constraints"]),
        table="\n".join(column_row(column) for column in evidence["data.columns"]),
    )


def _constraints(constraints: Sequence[Mapping[str, Any]]) -> str:
    """Return one line for each declared constraint, with the share of rows that break it."""
    if not constraints:
        return "The dictionary declares no facts over several columns."
    lines = []
    for constraint in constraints:
        rate = constraint["rate"]
        found = (
            "applies to no row"
            if rate is None
            else "no row breaks it"
            if rate == 0
            else f"{100 * float(rate):.3g} % of the rows that it applies to break it"
        )
        lines.append(f"- {literal(constraint['constraint'])}: {found}.")
    return "\n".join(lines)


def _widths(intervals: dict[str, Any]) -> str:
    """Return one row for each column and each table that is listed, and how many are not."""
    rows = [
        f"| {' x '.join(map(literal, width['attributes']))} | {width['cells']} "
        f"| ± {width['rows']:,.1f} | ± {100 * width['share']:.2f} % |"
        for width in (*intervals["columns"], *intervals["tables"])
    ]
    if not rows:
        rows.append("| not stated by this method | | | |")
    if intervals["more_tables"]:
        rows.append(f"| and {intervals['more_tables']} more tables, in the model | | | |")
    return "\n".join(rows)
