"""`dpsynth ledger status` and `show`: figures, words, widths and what a hostile name can do."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from fractions import Fraction

import pytest
from ledger_books import UNIT, Books, spend
from rich.cells import cell_len

from dpsynth.cli.ledger_figures import burn_down, joint
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.conversion import tight_epsilon
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.foreign import UnboundedEvent
from dpsynth.privacy.ledger import Currency, Ledger, LineageTerms, ReservationRequest
from dpsynth.privacy.unit import PrivacyUnit, Relation

SPENT = Fraction(0.015) + Fraction(0.01) + Fraction(0.005) + 2 * Fraction(0.02)


def test_all_lineages(books: Books, terms: LineageTerms) -> None:
    answer = books.call("ledger", "status", "--json")
    assert answer.code == 0
    assert set(answer.json) == {"ledger", "lineages"}
    assert answer.json["ledger"]["copy"] is False and answer.json["ledger"]["moved"] is False
    [row] = answer.json["lineages"]
    assert set(row) == {
        "lineage", "unit", "unit_column", "relation", "protected", "cap", "spent", "left",
        "releases", "states",
    }  # fmt: skip
    assert Fraction(float(row["spent"]["rho"])) >= SPENT
    assert float(row["spent"]["rho"]) == pytest.approx(float(SPENT), rel=1e-12)
    assert Fraction(float(row["left"]["rho"])) <= Fraction(terms.total_rho) - SPENT
    assert float(row["spent"]["epsilon"]) >= tight_epsilon(float(SPENT), 8e-7) * (1 - 1e-12)
    assert row["left"]["discovery_delta"] == "0.0000002"
    assert row["states"] == {"reserved": 1, "open": 1, "committed": 3, "void": 1}
    shown = books.call("ledger", "status").out
    assert "clinic" in shown and "88.8 %" in shown


def test_details_add_up(books: Books) -> None:
    told = books.call("ledger", "status", "clinic", "--json").json["lineage"]
    steps = told["burn_down"]
    assert [s["release"] for s in steps] == [
        "first", "second", "third", "lost", "waiting", "returned",
    ]  # fmt: skip
    assert float(steps[-1]["left"]) == float(told["left"]["share"])
    assert steps[-1]["took"] == "0.0" and steps[3]["state"] == "open"
    assert [(p["name"], p["releases"]) for p in told["recipients"]] == [
        ("Hospital Basel", 2), ("Institut Curie", 1), ("", 1), ("Acme", 1),
    ]  # fmt: skip
    assert [p["name"] for p in told["jurisdictions"]] == ["CH", "EU", "US"]
    total = sum(float(p["rho"]) for p in told["recipients"])
    assert total == pytest.approx(float(told["spent"]["rho"]), rel=1e-12)
    assert told["recipients"][0]["cap"]["epsilon"] == "3.0"
    assert 0 < float(told["recipients"][0]["cap_left"]) < 1 and told["joint"] is None


def test_joint_is_the_sum_and_at_least_each_alone(books: Books) -> None:
    with Ledger.open(books.path) as ledger:
        row = ledger.status("clinic")
    together = joint(row, ["hospital basel", "ACME"])
    alone = {party.name: party for party in row.recipients}
    assert together.rho == alone["Hospital Basel"].rho + alone["Acme"].rho
    assert together.epsilon > max(alone["Hospital Basel"].epsilon, alone["Acme"].epsilon)
    assert together.epsilon == tight_epsilon(float(together.rho), row.terms.conversion_delta)
    assert joint(row, ["Acme", "acme"]).rho == alone["Acme"].rho
    answer = books.call(
        "ledger", "status", "clinic", "--joint", "Acme", "--joint", "Hospital Basel"
    )
    assert "Together, Acme + Hospital Basel" in answer.out


@pytest.mark.parametrize("name", ["Hospital Bern", ""])
def test_a_mistyped_recipient_is_no_zero(books: Books, name: str) -> None:
    answer = books.call("ledger", "status", "clinic", "--joint", name or "Acmee", "--json")
    assert answer.code == 2 and "is no recipient" in answer.json["error"]["message"]


def test_joint_needs_a_lineage_and_the_lineage_must_exist(books: Books) -> None:
    assert books.call("ledger", "status", "--joint", "Acme").code == 2
    assert books.call("ledger", "status", "clinik").code == 2
    assert books.call("ledger", "show", "clinik").code == 2


def test_states_in_words_with_the_command_that_helps(books: Books) -> None:
    shown = books.call("ledger", "status", "clinic").out
    assert "3 committed" in shown and "1 open (running, or lost: spent)" in shown
    assert "1 reserved (never opened" in shown and "1 void (given back)" in shown
    command = re.search(r"dpsynth (ledger void clinic \d+)", shown)
    assert command is not None
    assert books.call(*command[1].split()).code == 0
    assert "reserved" not in books.call("ledger", "status", "clinic").out


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_tables_and_bars_fit_the_terminal(
    books: Books, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with books.open() as ledger:
        spend(ledger, "日本" * 30, "An organisation with quite a long name " * 3, "EU")
    monkeypatch.setenv("COLUMNS", str(columns))
    for command in (["status"], ["status", "clinic"], ["show"], ["show", "clinic"]):
        lines = books.call("ledger", *command).out.splitlines()
        drawn = [line for line in lines if any(c in line for c in "│┃█░")]
        assert drawn
        assert max(cell_len(line) for line in drawn) <= columns + len(" reserved")
        assert not any("\x1b" in line for line in lines)


def test_a_long_ledger_is_folded_and_says_so(books: Books) -> None:
    with books.open() as ledger:
        for number in range(40):
            spend(ledger, f"r{number}", rho=0.0001)
    shown = books.call("ledger", "status", "clinic").out
    bars = [line for line in shown.splitlines() if "█" in line]
    assert len(bars) == 30 and "r39" in bars[-1] and "r10" in bars[0]
    assert "16 earlier releases are folded" in shown
    told = books.call("ledger", "status", "clinic", "--json").json
    assert len(told["lineage"]["burn_down"]) == 46


def test_names_cannot_steer_the_terminal(books: Books) -> None:
    with books.open() as ledger:
        ledger.register(
            LineageTerms.of(
                "evil\x1b[2J",
                unit=PrivacyUnit(relation=Relation.ADD_REMOVE, name="x", column=None, max_rows=1),
                total=Budget(epsilon=1, delta=1e-6),
            )
        )
        spend(ledger, "\x1b]0;owned\x07", "\x1b[1A\u202e", "\x9b2J")
    for command in (["status"], ["status", "clinic"], ["status", "evil\x1b[2J"], ["show"]):
        shown = books.call("ledger", *command).out
        assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e"}


def test_show(books: Books) -> None:
    whole = books.call("ledger", "show", "--json").json["entries"]
    assert [entry["seq"] for entry in whole] == list(range(1, len(whole) + 1))
    assert set(whole[0]) == {
        "seq", "created", "kind", "lineage", "payload", "prev", "digest", "signature",
    }  # fmt: skip
    assert all(
        one["prev"] == before["digest"] for before, one in zip(whole, whole[1:], strict=False)
    )
    some = books.call("ledger", "show", "clinic", "--kind", "charge", "--last", "2", "--json").json
    assert [e["payload"]["release"] for e in some["entries"]] == ["second", "third"]
    shown = books.call("ledger", "show", "--last", "2").out
    assert f"{len(whole) - 2} older entries are not shown" in shown
    assert books.call("ledger", "show", "--kind", "nonsense").code == 2


def test_a_read_only_copy_says_that_it_is_one(books: Books) -> None:
    copy = books.folder / "copy.sqlite"
    shutil.copy(books.path, copy)
    copy.chmod(0o400)
    assert "This is a copy" in books.call("ledger", "status", "--ledger", str(copy)).out
    answer = books.call("ledger", "status", "clinic", "--ledger", str(copy), "--json")
    assert answer.code == 0 and answer.json["ledger"]["copy"] is True


def test_burn_down_ends_where_the_ledger_does(books: Books) -> None:
    with Ledger.open(books.path) as ledger:
        row = ledger.status("clinic")
    steps = burn_down(row)
    assert steps[-1].left * Fraction(row.terms.total_rho) == row.remaining_rho


def test_a_lineage_without_a_guarantee_shows_no_number_of_one(books: Books) -> None:
    event = UnboundedEvent(stage="fit", program="Smith's GAN", version="1", reason="It copies.")
    with books.open() as ledger:
        total = Budget(epsilon=7.7, delta=1e-6)
        ledger.register(LineageTerms.of("bare", unit=UNIT, total=total))
        asked = ReservationRequest(
            release="made", budget=None, rho=0.0, unit=UNIT, plan=[], recipient="Acme",
            currency=Currency.NONE,
        )  # fmt: skip
        held = ledger.reserve("bare", asked)
        held.open_data()
        held.record_unbounded([event])
        held.commit({})
    rows = books.call("ledger", "status", "--json").json["lineages"]
    row = next(row for row in rows if row["lineage"] == "bare")
    assert row["protected"] is False and row["cap"] is row["spent"] is row["left"] is None
    detailed = books.call("ledger", "status", "bare", "--json").json["lineage"]
    assert [run["release"] for run in detailed["burn_down"]] == ["made"]
    assert "epsilon" not in json.dumps(detailed) and "rho" not in json.dumps(detailed)
    shown = books.call("ledger", "status", "bare")
    assert "No guarantee" in shown.out + shown.err and "made" in shown.out + shown.err
    assert "epsilon" not in shown.out + shown.err and "7.7" not in shown.out + shown.err
    table = books.call("ledger", "status")
    assert "no guarantee" in table.out + table.err and "7.7" not in table.out + table.err
    asked = books.call("ledger", "status", "bare", "--joint", "Acme")
    assert asked.code == 2 and "nothing bounds" in asked.err


@pytest.mark.parametrize("given_back", [False, True])
def test_what_is_shown_of_a_cap_is_what_the_ledger_admits(books: Books, given_back: bool) -> None:
    """A reservation that was given back leaves no trace: neither in the filter nor in a figure."""
    budget = Budget(epsilon=0.5, delta=1e-6)
    total, cap = Budget(epsilon=3.0, delta=1e-6), Budget(epsilon=2.5, delta=1e-6)
    rho = rho_for(budget)

    def asked(release: str, rho: float, epsilon: float = 0.5) -> ReservationRequest:
        return ReservationRequest(
            release=release, rho=rho, unit=UNIT, plan=[], recipient="Acme",
            budget=Budget(epsilon=epsilon, delta=1e-6),
        )  # fmt: skip

    with books.open() as ledger:
        ledger.register(LineageTerms.of("new", unit=UNIT, total=total, recipient=cap))
        if given_back:
            wide = replace(asked("trained", 0.02, 2.4), currency=Currency.RENYI)
            ledger.reserve("new", wide).void()
        ledger.reserve("new", asked("counted", rho))
    [party] = books.call("ledger", "status", "new", "--json").json["lineage"]["recipients"]
    assert (party["releases"], float(party["rho"])) == (1, rho)
    assert float(party["epsilon"]) == pytest.approx(0.5, rel=1e-6)
    rest = float(party["cap_left"]) * float(party["cap"]["rho"])
    with books.open() as ledger:
        for share, refused in ((1 - 1e-9, False), (1 + 1e-9, True)):
            found = ledger.refusal("new", asked("more", share * rest, 2.9))
            assert (found is not None) is refused
