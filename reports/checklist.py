"""A checklist after NIST SP 800-226: what to ask of a guarantee, and where this release answers.

NIST SP 800-226 (March 2025) arranges the questions as a pyramid (the guarantee; algorithms and
their correctness; collection and access), names hazards, and treats bias apart. Items are named as
we read it; nothing is quoted. All answers are public evidence.

Never true here: a question about the world outside the program that is marked as met.
"""

from __future__ import annotations

from collections.abc import Sequence

from dpsynth.reports.markdown import literal
from dpsynth.reports.text import plain, word

from dpsynth.evidence import PublicEvidence

Item = tuple[str, str, str, tuple[str, ...]]  #: asked, status, answer in Markdown, evidence fields

_HEAD = """# Checklist after NIST SP 800-226

Certificate {id}: {title}, release {name}, by {issuer}.

What SP 800-226, Guidelines for Evaluating Differential Privacy Guarantees (NIST, March 2025), asks
of a guarantee, and where the signed evidence of this release answers. The items are named as the
makers of this program read that document; nothing is quoted, and NIST has not reviewed it. Fields
are those of `evidence.dsse.json`.

| status | meaning |
| --- | --- |
| stated | The evidence holds the answer. |
| handled | The program meets it. |
| partly handled | The program meets a part; the answer says which. |
| accepted | Known, and not covered by the guarantee. |
| open | Nothing in this release answers it. |
| outside the program | Only the people who run it can answer. |
"""
_ROWS = "| asked | status | answer | evidence |\n| --- | --- | --- | --- |"
_AUDIT = {"ok": "partly", "inconclusive": "open", "not_run": "open"}


def checklist_markdown(evidence: PublicEvidence) -> str:
    """Return the checklist as Markdown; text from dictionaries is shown literally."""
    head = _HEAD.format(
        id=literal(evidence["release.id"]),
        title=literal(evidence["release.title"]),
        name=literal(evidence["release.name"]),
        issuer=literal(evidence["release.issuer"]),
    )
    parts = (
        ("Top of the pyramid: the guarantee", _top(evidence)),
        ("Middle: algorithms and their correctness", _middle(evidence)),
        ("Hazards", _hazards(evidence)),
        ("Base: collection and access", _base(evidence)),
        ("Bias", _bias()),
    )
    return "\n".join([head, *(_section(title, items) for title, items in parts)])


def _section(title: str, items: Sequence[Item]) -> str:
    rows = [
        f"| {asked} | {word('status', status)} | {answer} "
        f"| {', '.join(f'`{name}`' for name in fields) or 'none'} |"
        for asked, status, answer, fields in items
    ]
    return "\n".join([f"## {title}\n", _ROWS, *rows, ""])


def _top(e: PublicEvidence) -> list[Item]:
    rows = e["guarantee.max_rows_per_unit"]
    groups = {group["size"]: group["epsilon"] for group in e["guarantee.groups"]}
    return [
        (
            "Privacy parameters",
            "stated",
            f"epsilon = {e['guarantee.epsilon']}, delta = {e['guarantee.delta']}",
            ("guarantee.epsilon", "guarantee.delta", "guarantee.rho"),
        ),
        (
            "Unit of privacy",
            "stated",
            f"one {literal(e['guarantee.unit'])}; rows kept of one: at most {rows}",
            ("guarantee.unit", "guarantee.unit_column", "guarantee.max_rows_per_unit"),
        ),
        (
            "Neighbouring data sets",
            "stated",
            literal(plain(f"terms.{e['guarantee.relation']}", unit=e["guarantee.unit"])),
            ("guarantee.relation", "data.unprotected"),
        ),
        (
            "Variant of differential privacy",
            "stated",
            literal(e["accounting.method"], 600),
            ("accounting.method", "accounting.cross_check"),
        ),
        (
            "What the parameters mean for a person",
            "stated",
            "the largest success of any attack: a trade-off curve, beliefs, a tail probability",
            ("guarantee.curve", "guarantee.beliefs", "guarantee.tail_probability"),
        ),
        (
            "Groups of units",
            "stated" if all(groups.values()) else "open",
            ", ".join(f"{size} together: epsilon {eps or 'open'}" for size, eps in groups.items()),
            ("guarantee.groups",),
        ),
    ]


def _middle(e: PublicEvidence) -> list[Item]:
    audit = e["audit.status"]
    return [
        (
            "Mechanisms, sensitivity and noise",
            "stated",
            f"{len(e['accounting.calls'])} calls, each with its noise and the entry that paid",
            ("accounting.calls", "environment.entropy"),
        ),
        (
            "Composition over this release and others",
            "handled",
            f"one ledger for the people, capped at epsilon {e['budget.total_epsilon']}; this is "
            f"reservation number {e['budget.release_number']}",
            ("budget.total_epsilon", "budget.stages", "ledger.head_digest"),
        ),
        (
            "Correctness of the implementation",
            _AUDIT[audit["status"]],
            literal(audit["text"], 600),
            ("audit.status", "environment.code", "environment.versions"),
        ),
        (
            "Trust model",
            "outside",
            "central: the issuer holds the table, and the recipient has to trust that the program "
            "was run as stated",
            ("release.issuer",),
        ),
        (
            "Utility of the output",
            "stated",
            "noise of every count, its interval, poor uses, and a measured distance where paid for",
            ("fitness.expected_error", "fitness.intervals", "fitness.measured_error"),
        ),
    ]


def _hazards(e: PublicEvidence) -> list[Item]:
    return [
        (literal(h["hazard"]), h["status"], literal(h["text"], 600), ("hazards.items",))
        for h in e["hazards.items"]
    ]


def _base(e: PublicEvidence) -> list[Item]:
    codebook = literal(e["data.codebook"]) if e["data.codebook"] else "not stated"
    return [
        (
            "Where the domain of the data comes from",
            "stated" if e["data.codebook"] else "open",
            f"codebook: {codebook}",
            ("data.codebook", "data.columns", "data.discovered"),
        ),
        ("How the data were collected, and with what consent", "outside", "not known here", ()),
        ("Who can reach the confidential table", "outside", "the issuer's own controls", ()),
        ("How long the confidential table is kept", "outside", "not known here", ()),
    ]


def _bias() -> list[Item]:
    return [
        (
            "Systemic bias",
            "outside",
            "whatever stands in the table stands in the model of it",
            (),
        ),
        ("Human bias", "outside", "choices of unit, bounds and bins are the issuer's", ()),
        (
            "Statistical bias",
            "open",
            "no panel by subgroup; noise of the same size weighs most on small groups, and "
            "relations that were not measured are pulled towards independence",
            ("fitness.poor_uses", "fitness.intervals"),
        ),
    ]
