"""Sentences of the evidence that do not depend on data: hazards, limits, poor uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from dpsynth.privacy.unit import PrivacyUnit
from dpsynth.results import Status
from dpsynth.schema.codec import Treatment
from dpsynth.schema.declared import (
    CategoryDomain,
    Column,
    DateDomain,
    Kind,
    NumericDomain,
    OpenDomain,
    OpenRange,
    PatternDomain,
    TextDomain,
)

_CLASS_A = "Exact integer arithmetic, domains declared or paid for, every item in the ledger"
_TRAINED_B = (
    "As class A but for one thing: gradients are computed in floating point in batches, and that "
    "the last digits of one do not depend on others is argued, not proved."
)
_ACCOUNTING = (
    "Zero-concentrated differential privacy (Bun and Steinke 2016): the rho of every mechanism "
    "call is added up, a delta of its own apart, and converted to (epsilon, delta) by three "
    "accountants; the largest is reported."
)
_ACCOUNTING_SAMPLED = (
    "Training steps on Poisson samples count at many Renyi orders (Mironov, Talwar and Zhang "
    "2019), all else in zero-concentrated differential privacy; both are fixed before data is "
    "opened. The lineage adds up at one order."
)
_ENTROPY = (
    "OpenDP's discrete Gaussian, noisy-max and threshold mechanisms on integers, fed by a "
    "cryptographic generator that the operating system seeds; nobody can set a seed."
)
_ENTROPY_SAMPLED = (
    "Discrete Gaussian noise on integers, from OpenDP for counts and from an exact sampler of "
    "dpsynth for sums of gradients; and coins for samples. All are fed by the operating system; "
    "nobody can set a seed."
)
#: How the hazards are met where gradients got the noise.
_SAMPLED_HAZARDS = {
    "Floating-point noise": (
        "partly",
        "Noise is on integers, for counts and for sums of gradients. What is left open is named at "
        "the assurance class.",
    ),
}
_THIRD_PARTY_ENTROPY = (
    "The noise of a third party's core: OpenDP's Gaussian mechanism in floating point, from a "
    "cryptographic generator; what the core chooses is drawn from a Mersenne Twister whose whole "
    "state the operating system seeds afresh for the run."
)
#: How the hazards are met where a third party's core drew the noise.
_THIRD_PARTY_HAZARDS = {
    "Floating-point noise": (
        "accepted",
        "A third party's core adds floating-point noise to counts; the price holds for idealised "
        "arithmetic.",
    ),
    "Random number source": (
        "partly",
        "Noise comes from a cryptographic generator; choices come from one that is seeded by the "
        "operating system and is not cryptographic.",
    ),
    "Selection and tuning": (
        "partly",
        "The core's choices are part of its price, which was argued from its source and is not "
        "enforced call by call.",
    ),
}
_HAZARDS = (
    ("Floating-point noise", "handled", "Noise is integer noise inside the measurement."),
    (
        "Random number source",
        "handled",
        "Noise comes from a cryptographic generator that the operating system seeds.",
    ),
    (
        "Domain taken from the data",
        "handled",
        "Categories, bounds and bins come from the dictionary, or are asked of the rows with noise "
        "and paid for; other values share one bucket.",
    ),
    (
        "Several rows of one unit",
        "handled",
        "Rows beyond the declared maximum are dropped before anything is counted.",
    ),
    ("Row count", "handled", "The number of rows is private; a noisy estimate is used."),
    (
        "Budget over several releases",
        "handled",
        "One ledger for the people; a run that ends early counts as spent in full.",
    ),
    (
        "Selection and tuning",
        "partly",
        "Selected marginals are charged and dpsynth tunes nothing on the data; what the operator "
        "learns from internal reports and then changes is not covered.",
    ),
    (
        "Release decided by internal tests",
        "accepted",
        "That this release passed its internal policy, and how many earlier runs did not, is "
        "decided on real rows and covered by no budget.",
    ),
    (
        "Malformed source file",
        "partly",
        "Neighbours are tables as they were read: a stray quote in a CSV file can join rows.",
    ),
    (
        "Running time and resource use",
        "accepted",
        "Time, memory and warnings of the machine are visible to its operator; the documents carry "
        "only the time of issue and of signing, both after the last look at the rows.",
    ),
    (
        "Rollback of the ledger",
        "partly",
        "Entries are chained and signed, this machine remembers the newest, and each document "
        "prints it. Whoever holds the key of the ledger and every such memory could rebuild it.",
    ),
    (
        "The same people under another name",
        "partly",
        "Keyed fingerprints warn the issuer when most people of a new lineage have a budget "
        "already; another ledger, or another column that names the unit, hides them.",
    ),
    (
        "Access to the private table and the keys",
        "outside",
        "Belongs to the operator's own controls.",
    ),
)


def assurance(letter: str, *, audited: bool, sampled: bool = False) -> tuple[str, str]:
    """Return the assurance class as it is printed, and what it means.

    Args:
        letter: Class of the method: A, B or N.
        audited: Whether a sharp enough audit of the mechanism is part of the release.
        sampled: Whether there is training on samples, whose gradients are floating point.
    """
    if letter == "N":
        return "N", "No differential-privacy guarantee: for comparison and tests only."
    if letter == "B":
        return "B", _TRAINED_B if sampled else "A third-party core that could not be taken apart."
    if audited:
        return "A", f"{_CLASS_A}, audit of the mechanism on neighbouring inputs passed."
    return "A, audit open", (
        f"{_CLASS_A}. Class A also asks for an audit of the mechanism on neighbouring inputs: "
        "none in this release is of this mechanism and sharp enough."
    )


def accounting(*, sampled: bool) -> str:
    """Return how privacy loss is added up; `sampled` says whether there is training on samples."""
    return _ACCOUNTING_SAMPLED if sampled else _ACCOUNTING


def entropy(*, sampled: bool = False, third_party: bool = False) -> str:
    """Return where the noise of a release comes from.

    Args:
        sampled: Whether there is training on samples.
        third_party: Whether a third party's core drew the noise of the fit.
    """
    if third_party:
        return _THIRD_PARTY_ENTROPY
    return _ENTROPY_SAMPLED if sampled else _ENTROPY


def hazards(
    status: Status, *, sampled: bool = False, third_party: bool = False
) -> list[dict[str, str]]:
    """Return the hazards, with how each is met.

    Args:
        status: That of the mechanism audit.
        sampled: Whether there is training on samples, whose gradients are floating point.
        third_party: Whether a third party's core drew the noise of the fit.
    """
    audit = {
        Status.OK: ("partly", "An audit on made-up tables found nothing; it can only refute."),
        Status.INCONCLUSIVE: ("open", "The audit of the mechanism was inconclusive."),
        Status.NOT_RUN: ("open", "No empirical audit of the mechanism is part of this release."),
    }
    changed = _THIRD_PARTY_HAZARDS if third_party else _SAMPLED_HAZARDS if sampled else {}
    met = [(name, *changed.get(name, (how, text))) for name, how, text in _HAZARDS]
    listed = [*met[:-1], ("Implementation audit", *audit[status]), met[-1]]
    return [{"hazard": h, "status": s, "text": t} for h, s, t in listed]


def domain_words(column: Column) -> str:
    """Return a declared domain in a few words."""
    match column.domain:
        case CategoryDomain(categories=categories):
            shown = ", ".join(categories[:6])
            return f"{len(categories)} categories: {shown}{', ...' if len(categories) > 6 else ''}"
        case NumericDomain(lower=lower, upper=upper, edges=edges):
            return f"{lower:g} to {upper:g}, {len(edges) - 1} bins"
        case DateDomain(lower=lower, upper=upper):
            return f"{lower} to {upper}"
        case PatternDomain(public_groups=groups) if groups:
            return f"{len(groups)} public groups: {', '.join(groups)}"
        case PatternDomain(pattern=pattern):
            return f"pattern {pattern}"
        case OpenDomain():
            return "open: no published list"
        case OpenRange(lower=lower, upper=upper):
            ends = [f"{end:g}" if end is not None else "unknown" for end in (lower, upper)]
            return f"open: {ends[0]} to {ends[1]}"
        case TextDomain():
            return "free text"
    assert_never(column.domain)


def date_format(column: Column) -> str:
    """Return how the days of a column are written (strftime); empty for other columns."""
    return column.domain.format if isinstance(column.domain, DateDomain) else ""


def cells_look_like(column: Column) -> str:
    """Return how a cell of a column must be written to be read, in a few words."""
    match column.domain:
        case NumericDomain(lower=lower, upper=upper):
            kind = "whole number" if column.kind is Kind.INTEGER else "number with decimal point"
            shape = f"{kind}, {lower:g} to {upper:g}, no thousands separator"
        case DateDomain(format=written):
            shape = f"date as {written}, {domain_words(column)}"
        case _:
            shape = domain_words(column)
    codes = ", ".join((*column.missing, *column.special))
    return f"{shape}; codes: {codes}" if codes else shape


def same_people(lineages: Sequence[str]) -> str:
    """Return the warning that a new lineage has the people of others."""
    return (
        "At least half of the people of this new lineage already have a budget under another "
        f"name ({', '.join(lineages[:5])}{', ...' if len(lineages) > 5 else ''}). One budget "
        "belongs to the same people: use that lineage, and count what was just released on both."
    )


def unprotected(unit: PrivacyUnit) -> list[str]:
    """Return the facts that the owner declares public."""
    return [
        "Names, kinds, domains and bounds of the columns, as the data owner declared them.",
        f"That one unit is one {unit.name} and that at most {unit.max_rows} "
        f"{'row is' if unit.max_rows == 1 else 'rows are'} kept of it.",
        "That this release was made, that its internal checks did not refuse it, and how many "
        "earlier runs of the lineage there were.",
        "How the source file divides into rows: the guarantee is about rows as they were read.",
    ]


#: Noise that moves a column by more than these shares of the rows is said in words.
_SMALL_TABLE, _MOSTLY_NOISE = 0.02, 0.5


def unprotected_uses(unit: PrivacyUnit, treatments: tuple[Treatment, ...]) -> list[str]:
    """Return what data without a guarantee are not good for."""
    uses = [
        f"Anything that the confidential rows may not be used for: a {unit.name} may stand in "
        "these rows, as it is or nearly so.",
        "Publication, and recipients who may not see the confidential rows.",
        "Figures that anybody relies on: nothing says how far they are from the real ones.",
    ]
    left_out = [t.column for t in treatments if t.treatment == "left_out"]
    if left_out:
        uses.append(f"Anything about columns that were left out: {', '.join(left_out)}.")
    return uses


def poor_uses(
    unit: PrivacyUnit, treatments: tuple[Treatment, ...], noise_share: float
) -> list[str]:
    """Return what the data are not good for.

    Args:
        unit: The privacy unit.
        treatments: What happens to every declared column.
        noise_share: How far noise alone moves a column, as a share of the rows.
    """
    uses = []
    if noise_share > _MOSTLY_NOISE:
        uses.append(
            "Any figure: noise alone moves a column by half of the rows or more. The table is far "
            "too small for this epsilon, and the data are mostly noise."
        )
    elif noise_share > _SMALL_TABLE:
        uses.append(
            f"Fine detail: noise alone moves a column by about {100 * noise_share:.0f} % of the "
            "rows; trust large differences only."
        )
    uses += [
        "Decisions about a single person: no row was copied; one may match somebody by chance.",
        "Small groups: counts near the noise in the table above mean nothing.",
        "Significance tests as if the rows were real: they ignore the noise.",
        "Relations among three or more columns beyond what the measured tables imply.",
    ]
    if unit.column is not None:
        uses.append(
            f"Questions about several rows of one {unit.name}: rows are drawn one by one and "
            "identifiers are made up."
        )
    left_out = [t.column for t in treatments if t.treatment == "left_out"]
    if left_out:
        uses.append(f"Anything about columns that were left out: {', '.join(left_out)}.")
    return uses
