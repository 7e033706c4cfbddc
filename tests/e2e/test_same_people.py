"""The same people under a second lineage: the issuer is warned, nobody outside learns of it."""

from __future__ import annotations

from steward import DICTIONARY, Desk, public_evidence, rows_of, write_csv

WORDS = "already have a budget under another name (clinic)"


def test_the_same_people_under_a_second_lineage_are_noticed(desk: Desk) -> None:
    unit = "privacy_unit: {kind: column, column: number}"
    old = "privacy_unit: {kind: row, note: one row is one person}"
    (desk.folder / "dictionary.yaml").write_text(DICTIONARY.replace(old, unit))
    rows = rows_of(4000)
    rows_cap = ("--max-rows-per-unit", "1")
    write_csv(desk.folder / "data.csv", rows)
    first = desk.release(*rows_cap)
    assert first.code == 0 and "already have a budget" not in first.text, first.text

    # Half of them and 1,500 others: still most of the first lineage's people among the new ones.
    others = [(f"Q{i:06d}", *row[1:]) for i, row in enumerate(rows_of(1500, seed=9))]
    write_csv(desk.folder / "data.csv", [*rows[:2000], *others])
    second = desk.release("--lineage", "renamed", *rows_cap, name="second")
    assert second.code == 0 and WORDS in second.err, second.text
    public = b"".join(p.read_bytes() for p in (desk.folder / "second" / "public").iterdir())
    assert b"already have a budget" not in public and b"same_people" not in public

    write_csv(desk.folder / "data.csv", others)
    third = desk.release("--lineage", "strangers", *rows_cap, name="third")
    assert third.code == 0 and "already have a budget" in third.err, "they were in the second one"

    strangers = [(f"R{i:06d}", *row[1:]) for i, row in enumerate(rows_of(3000, seed=3))]
    write_csv(desk.folder / "data.csv", strangers)
    fourth = desk.release("--lineage", "others", *rows_cap, name="fourth")
    assert fourth.code == 0 and "already have a budget" not in fourth.text, fourth.text


def test_the_ledger_is_named_in_the_evidence(desk: Desk) -> None:
    answer = desk.release()
    assert answer.code == 0, answer.text
    ledger = public_evidence(desk.folder / "clinic")["ledger"]
    assert len(ledger["id"]["value"]) == 32 and len(ledger["public_key"]["value"]) == 64
