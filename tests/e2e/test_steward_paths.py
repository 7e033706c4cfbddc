"""What a steward meets on the way: drafts, checks, odd files, odd release files, Ctrl-C."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from steward import DICTIONARY, Desk, rows_of, write_csv

from dpsynth.cli import release as release_command
from dpsynth.privacy.ledger import Ledger
from dpsynth.schema.dictionary import load_dictionary


def test_a_draft_keeps_delimiter_and_encoding(desk: Desk) -> None:
    source = desk.folder / "europe.csv"
    source.write_bytes("Name;Größe\nx;1\n".encode("latin-1"))
    wrong = desk.run("init", str(source), "--delimiter", ";", "--out", "a.yaml")
    assert wrong.code == 2
    assert "--encoding" in wrong.err
    right = desk.run(
        "init", str(source), "--delimiter", ";", "--encoding", "latin-1", "--out", "b.yaml"
    )
    assert right.code == 0, right.text
    draft = load_dictionary(desk.folder / "b.yaml")
    assert (draft.delimiter, draft.encoding, draft.names) == (";", "latin-1", ("Name", "Größe"))
    assert draft.is_draft


def test_a_file_without_a_header_is_not_drafted(desk: Desk) -> None:
    source = desk.folder / "bare.csv"
    source.write_text("39,77516,13,2174\n50,83311,13,0\n")
    answer = desk.run("init", str(source), "--out", "c.yaml")
    assert answer.code == 2
    assert "77516" not in answer.text
    assert not (desk.folder / "c.yaml").exists()


def test_a_table_in_latin_1_comes_back_in_latin_1(desk: Desk) -> None:
    text = DICTIONARY.replace("north, south", "nörd, south").replace("utf-8", "latin-1")
    (desk.folder / "dictionary.yaml").write_text(text, encoding="utf-8")
    rows = [tuple(cell.replace("north", "nörd") for cell in row) for row in rows_of(3000)]
    write_csv(desk.folder / "plain.csv", rows)
    plain = (desk.folder / "plain.csv").read_text(encoding="utf-8")
    (desk.folder / "data.csv").write_bytes(plain.encode("latin-1"))
    assert desk.release().code == 0
    synthetic = (desk.folder / "clinic" / "public" / "synthetic.csv").read_bytes()
    assert "nörd".encode("latin-1") in synthetic
    assert "nörd".encode() not in synthetic
    assert desk.verify(desk.folder / "clinic").code == 0


def test_check_tells_what_release_would(desk: Desk) -> None:
    options = [
        "--data", "data.csv", "--dictionary", "dictionary.yaml", "--epsilon", "1",
        "--delta", "1e-6", "--lineage", "clinic", "--name", "x",
    ]  # fmt: skip
    fresh = desk.run("check", *options)
    assert fresh.code == 0, fresh.text
    assert "decimal point" in fresh.out
    assert not desk.ledger.exists(), "a check writes nothing"
    assert desk.release("--total-epsilon", "1.2", "--total-delta", "1e-6").code == 0
    other = desk.run("check", *options)
    assert other.code == 2, "the lineage is registered with another total"
    poor = desk.run("check", *options, "--total-epsilon", "1.2", "--total-delta", "1e-6", "--json")
    assert poor.code == 4
    assert json.loads(poor.out)["affordable"] is False


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("synthesizer: {name: mst}", "synthesizer: [mst]", "synthesizer"),
        ("privacy: {epsilon: 1.0, delta: 1.0e-6}", "privacy: {total: 3}", "total"),
        ("privacy: {epsilon: 1.0, delta: 1.0e-6}", "privacy: {unit_name: 5}", "unit_name"),
        ("name: x", "name: x\nname: y", "twice"),
        ("name: x", "nmae: x", "nmae"),
        ("holdout: 0.2", "holdout: much", "holdout"),
    ],
)
def test_odd_release_files_are_input_errors(desk: Desk, old: str, new: str, words: str) -> None:
    text = (
        "name: x\nlineage: clinic\ndata: {source: data.csv, dictionary: dictionary.yaml}\n"
        "privacy: {epsilon: 1.0, delta: 1.0e-6}\nsynthesizer: {name: mst}\nholdout: 0.2\n"
    )
    path = desk.folder / "release.yaml"
    path.write_text(text)
    assert desk.run("check", str(path)).code == 0
    path.write_text(text.replace("{name: mst}", "mst"))
    assert desk.run("check", str(path)).code == 0, "a plain name is the natural spelling"
    path.write_text(text.replace(old, new))
    answer = desk.run("check", str(path))
    assert answer.code == 2, answer.text
    assert words in answer.err


def test_a_stopped_release_says_that_its_budget_is_spent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = release_command.run

    def stopped(*arguments: object, **named: object) -> object:
        def press(text: str) -> None:
            if "Fitting" in text:
                raise KeyboardInterrupt

        return real(*arguments, **{**named, "progress": press})

    monkeypatch.setattr(release_command, "run", stopped)
    answer = desk.release()
    assert answer.code == 130
    assert "stays spent" in answer.err
    with Ledger.open(desk.ledger) as book:
        assert book.status("clinic").spent_rho > 0
    assert not (desk.folder / "clinic").exists()
    assert not list(Path(desk.folder).glob(".dpsynth-partial*"))


def test_the_version_is_told(desk: Desk) -> None:
    answer = desk.run("--version")
    assert answer.code == 0
    assert answer.out.startswith("dpsynth ")
