"""What people see of a ledger: tables, a burn-down in block characters, states in words.

Names come from the ledger, which may be somebody else's: characters that a terminal would obey are
replaced.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor

from rich.cells import set_cell_size

from dpsynth.cli.console import say, show_table, width
from dpsynth.cli.ledger_figures import (
    Step,
    burn_down,
    check_joint,
    is_copy,
    joint,
    left_share,
    states,
)
from dpsynth.privacy.ledger import Entry, Head, Ledger, LineageStatus, Party, ReleaseState
from dpsynth.privacy.numbers import float_down, float_up

SHOWN = 30  #: releases of a burn-down; those before are told in one line
UNNAMED = "(unnamed)"

_WORDS = {
    ReleaseState.COMMITTED: "committed",
    ReleaseState.OPEN: "open (running, or lost: spent)",
    ReleaseState.RESERVED: "reserved (never opened, counts until given back)",
    ReleaseState.VOID: "void (given back)",
}


def plain(text: str) -> str:
    """Return a text without characters that a terminal would obey."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def fit(text: str, cells: int) -> str:
    """Return a text as so many cells of a terminal, cut with an ellipsis or filled up."""
    shown = plain(text)
    cut = set_cell_size(shown, cells)
    if cut.rstrip() == shown.rstrip():
        return cut
    return set_cell_size(set_cell_size(shown, cells - 1).rstrip() + "…", cells)


def short(text: str, cells: int) -> str:
    """Return a text of so many cells at most."""
    return fit(text, cells).rstrip()


def percent(share: Fraction, *, up: bool) -> str:
    """Return a share in per cent with one digit, rounded up or down."""
    if 0 < share < Fraction(1, 1000):
        return "< 0.1 %"
    tenths = ceil(share * 1000) if up else floor(share * 1000)
    return f"{tenths / 10:.1f} %"


def decimals(value: float, digits: int = 3) -> str:
    """Return what is spent with a few digits, rounded up."""
    scale = 10**digits
    return f"{ceil(value * scale) / scale:.{digits}f}"


def say_place(ledger: Ledger) -> None:
    """Say which ledger this is, and where."""
    head = ledger.head()
    say(f"Ledger {ledger.ledger_id[:16]} at {plain(ledger.place.text)}", "bold")
    say(f"Entry {head.seq}, sha256 {head.digest}")
    if ledger.moved:
        say("It was moved: it is closed here for ever, and can only be read.", "yellow")
    else:
        say_copy(is_copy(ledger))


def say_copy(copy: bool | None) -> None:
    """Say what a copy does not show."""
    if copy is None:
        say("Whether this is a copy cannot be told with the rights of this user.", "yellow")
    elif copy:
        say(
            "This is a copy: it can only be read, and does not show what the original spent since.",
            "yellow",
        )


def show_lineages(rows: Sequence[LineageStatus]) -> None:
    """Show one line a lineage."""
    if not rows:
        say("No lineage has been registered.")
        return
    show_table(
        ("lineage", "cap", "at delta", "spent", "left", "discovery left", "releases", "open"),
        [
            (
                short(row.terms.lineage, max(16, width() - 84)),
                *_cells(row),
                row.releases,
                len(row.open_reservations),
            )
            for row in rows
        ],
        right=(1, 2, 3, 4, 5, 6, 7),
    )
    say(
        "Cap and spent are epsilon; left is in rho, which adds up; discovery is delta. Open "
        "releases count in full."
    )
    if any(row.unprotected for row in rows):
        say("Cap none: no guarantee, for programs without differential privacy ran on these rows.")


def _cells(row: LineageStatus) -> tuple[str, ...]:
    """Return cap, delta, spent, left and what is left for discovery."""
    spent = row.epsilon_spent
    if spent is None:
        return "none", "", "none", "", ""
    return (
        f"{row.terms.total.epsilon:g}",
        f"{row.terms.total.delta:g}",
        decimals(spent),
        percent(left_share(row), up=False),
        _discovery(row),
    )


def show_lineage(row: LineageStatus, together: Sequence[str]) -> None:
    """Show everything about one lineage.

    Raises:
        InputError: What recipients know together is asked of a lineage without a guarantee.
    """
    check_joint(row, together)
    terms = row.terms
    say("")
    say(
        f"Lineage {plain(terms.lineage)}: unit {plain(terms.unit)}, "
        f"{terms.relation.value.replace('_', ' or ')}",
        "bold",
    )
    spent = row.epsilon_spent
    say(
        f"Cap epsilon {terms.total.epsilon:g} at delta {terms.total.delta:g}; spent epsilon "
        f"{decimals(spent)}; left {percent(left_share(row), up=False)} of rho "
        f"{terms.total_rho:.6f}; delta for discovery left: {_discovery(row)}"
        if spent is not None
        else "No guarantee: programs without differential privacy ran on these people's rows, so "
        "nothing bounds what their releases give away, and no protected release can follow."
    )
    count = states(row)
    say(
        "Releases: "
        + (", ".join(f"{count[s]} {words}" for s, words in _WORDS.items() if count[s]) or "none")
    )
    _say_pending(row)
    if row.unprotected:
        _show_unprotected(row)
        return
    if not row.records:
        return
    say("")
    _say_burn_down(burn_down(row))
    delta = f"{terms.total.delta:g}"
    _show_parties("recipient", row.recipients)
    _show_parties("jurisdiction", row.jurisdictions)
    say(f"Epsilon at delta {delta}: what each would know alone. Spellings of one name are one.")
    if together:
        _say_joint(joint(row, together), delta)


def _show_unprotected(row: LineageStatus) -> None:
    """Show the releases of a lineage without a guarantee: what ran, for whom, and no number."""
    say("")
    shown = row.records[-SHOWN:]
    show_table(
        ("date", "release", "recipient", "state", "guarantee"),
        [
            (
                record.created[:10],
                short(record.release, 30),
                short(record.recipient or UNNAMED, 30),
                record.state.value,
                "none",
            )
            for record in shown
        ],
    )
    if len(shown) < len(row.records):
        say(f"{len(row.records) - len(shown):,} earlier releases are not shown (--json has all).")


def show_entries(entries: Sequence[Entry], *, lineage: bool) -> None:
    """Show entries, oldest first; `lineage` names each one's."""
    narrow = width() < 100
    columns = ["entry", "date" if narrow else "time (UTC)", "kind", "lineage", "release", "rho",
               "sha256"]  # fmt: skip
    names = max(width() - (60 if narrow else 66), 20)
    first = names * 2 // 5 if lineage else 0
    rows = []
    for entry in entries:
        known = entry.summary()
        time = entry.created[: 10 if narrow else 16].replace("T", " ")
        rho = f"{float(known['rho']):.6f}" if known["rho"] else ""
        release = short(str(known["release"]), names - first)
        row = [entry.seq, time, entry.kind.value, short(entry.lineage, first), release, rho]
        rows.append([*row, entry.digest[:8]])
    if not lineage:
        del columns[3]
        for row in rows:
            del row[3]
    show_table(columns, rows, right=(0, columns.index("rho")))


def head_text(head: Head) -> str:
    """Return a head as documents and options write it."""
    return f"{head.seq}:{head.digest}"


def _discovery(row: LineageStatus) -> str:
    total = row.terms.discovery_delta
    return f"{float_down(row.remaining_delta):.3g}" if total else "none set"


def _say_pending(row: LineageStatus) -> None:
    """Name each release that is neither committed nor void, and what can be done."""
    for record in row.open_reservations:
        line = f"  entry {record.seq}, release {short(record.release, 30)}, {record.created[:16]}: "
        if record.state is ReleaseState.RESERVED:
            # A name that a terminal would obey is not offered for copying.
            name = plain(row.terms.lineage)
            line += "if no run is at work: dpsynth ledger void "
            say(line + f"{shlex.quote(name)} {record.seq}")
        else:
            say(line + "its whole reservation stays spent unless the run commits")


def _say_burn_down(steps: Sequence[Step]) -> None:
    """Draw one bar a release: what is left of the whole after it."""
    columns = min(max(width(), 72), 120)
    bar = columns // 6
    names = columns - bar - 44
    first, second = (names + 1) // 2, names // 2
    say(
        f"{'date':<10}  {fit('release', first)}  {fit('recipient', second)}  "
        f"{'took':>7}  {'left':>7}  {'left after it':<{bar}}",
        "bold",
    )
    hidden = steps[:-SHOWN]
    if hidden:
        took = sum((step.took for step in hidden), Fraction(0))
        say(
            f"{len(hidden):,} earlier releases are folded: they took {percent(took, up=True)}, "
            f"{percent(hidden[-1].left, up=False)} was left (--json lists all)"
        )
    for step in steps[-SHOWN:]:
        record = step.record
        full = floor(step.left * bar)
        state = "" if record.state is ReleaseState.COMMITTED else f" {record.state.value}"
        say(
            f"{record.created[:10]:<10}  {fit(record.release, first)}  "
            f"{fit(record.recipient or UNNAMED, second)}  "
            f"{percent(step.took, up=True):>7}  {percent(step.left, up=False):>7}  "
            f"{'█' * full}{'░' * (bar - full)}{state}"
        )


def _show_parties(label: str, parties: Sequence[Party]) -> None:
    """Show what each recipient or jurisdiction got, and its cap."""
    say("")
    show_table(
        (label, "releases", "rho", "epsilon", "cap (delta)", "cap left"),
        [
            (
                short(party.name or UNNAMED, max(20, width() - 60)),
                party.releases,
                decimals(float_up(party.rho), 6),
                decimals(party.epsilon),
                f"{party.cap.budget.epsilon:g} ({party.cap.budget.delta:g})"
                if party.cap
                else "none",
                percent(party.left, up=False) if party.left is not None else "",
            )
            for party in parties
        ],
        right=(1, 2, 3, 4, 5),
    )


def _say_joint(party: Party, delta: str) -> None:
    """Say what several recipients know together."""
    say("")
    say(
        f"Together, {plain(party.name)}: rho {decimals(float_up(party.rho), 6)}, epsilon "
        f"{decimals(party.epsilon)} at delta {delta} ({party.releases} releases)",
        "bold",
    )
    say(
        "This holds if nothing that they got was asked because of what others got. Without that, "
        "only the total of the lineage holds."
    )
