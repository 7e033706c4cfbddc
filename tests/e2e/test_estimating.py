"""``dpsynth estimate``: what it shows of a bundle's model, what machines read, what it refuses."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from steward import Desk

from dpsynth.pipeline.package import DOMAINS
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.schema.codec import Codec
from dpsynth.schema.dictionary import load_dictionary
from dpsynth.sources.files import open_source
from dpsynth.sources.table import CodedTable
from dpsynth.synth.registry import make

RHO = 0.5


@pytest.fixture(scope="module")
def bundle(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A folder with the model where a bundle has it, and the number of rows that were fitted."""
    folder = tmp_path_factory.mktemp("bundle")
    model = folder / "internal" / "model"
    model.mkdir(parents=True)
    codec = Codec.from_dictionary(load_dictionary(furnished / "dictionary.yaml"))
    codes = codec.encode(open_source(furnished / "data.csv").read(codec.domain.names).columns)
    table = CodedTable.build(codec.domain, codes)
    with Curator(
        table, reservation=MemoryReservation(RHO), max_rows_per_unit=1, rho=RHO
    ) as curator:
        make("mst", {}).fit(curator).save(model)
    (model / DOMAINS).write_text("{}")
    return folder, codes.shape[1]


def test_a_column_in_its_declared_bins(desk: Desk, bundle: tuple[Path, int]) -> None:
    folder, rows = bundle
    command = ["estimate", str(folder), "--dictionary", "dictionary.yaml"]
    answer = desk.run(*command, "--columns", "age", "--json")
    assert answer.code == 0, answer.text
    told = json.loads(answer.out)
    assert told["measured"] and told["sources"] == [["age"]] and told["level"] == 0.95
    words = [cell["values"][0] for cell in told["cells"]]
    assert words[:2] == ["0 to 9", "10 to 19"]
    assert words[-1] == "outside the declared domain"
    assert sum(cell["count"] for cell in told["cells"]) == pytest.approx(rows, abs=200)
    for cell in told["cells"]:
        assert cell["rows"][0] <= max(0.0, cell["count"]) <= cell["rows"][1]
        assert cell["share_of_population"][0] <= cell["share_of_table"][0]
    shown = desk.run(*command, "--columns", "age")
    assert "0 to 9" in shown.out and "Counted: age." in shown.out
    inside = desk.run("estimate", str(folder / "internal" / "model"), *command[2:],
                      "--columns", "age", "--json")  # fmt: skip
    assert inside.out == answer.out


def test_conditions_pairs_and_what_was_not_measured(desk: Desk, bundle: tuple[Path, int]) -> None:
    """A tree of four columns has three pairs, so three of the six were not counted together."""
    folder, _ = bundle
    names = ("age", "ward", "cost", "outcome")
    measured = []
    for i, left in enumerate(names):
        for right in names[i + 1 :]:
            answer = desk.run(
                "estimate", str(folder), "--dictionary", "dictionary.yaml",
                "--columns", f"{left},{right}", "--json",
            )  # fmt: skip
            told = json.loads(answer.out)
            measured.append(told["measured"])
            if told["measured"]:
                pair = left, right
            else:
                missing = left, right
                assert told["cells"][0]["share_of_population"] is None
    assert sum(measured) == 3
    shown = desk.run("estimate", str(folder), "--dictionary", "dictionary.yaml",
                     "--columns", ",".join(missing))  # fmt: skip
    assert "not counted together" in shown.out
    shown = desk.run("estimate", str(folder), "--dictionary", "dictionary.yaml",
                     "--columns", ",".join(pair))  # fmt: skip
    assert "Counted: " in shown.out and "not counted" not in shown.out
    either = desk.run("estimate", str(folder), "--dictionary", "dictionary.yaml", "--where",
                      "ward=north", "--where", "ward=south", "--json")  # fmt: skip
    told = json.loads(either.out)
    assert told["given"] == {"ward": ["north", "south"]} and told["columns"] == []
    assert 0.4 < told["cells"][0]["share"] < 1.0


def test_a_mean(desk: Desk, bundle: tuple[Path, int]) -> None:
    folder, _ = bundle
    command = ["estimate", str(folder), "--dictionary", "dictionary.yaml", "--mean"]
    told = json.loads(desk.run(*command, "age", "--json").out)
    low, high = told["of_table"]
    assert low < told["value"] < high and 50 < low and high < 63
    assert told["cell_width"] == 1.0 and told["rows_left_out"][0] == 0.0
    shown = desk.run(*command, "age", "--level", "0.99").out
    assert "Mean of age" in shown and "99 % in the population" in shown and "Left out" in shown
    told = json.loads(desk.run(*command, "cost", "--where", "outcome=1", "--json").out)
    assert told["given"] == {"outcome": ["1"]}
    assert (told["of_table"] is not None) == told["measured"]


def test_the_data_card_of_a_release_says_how_certain_counts_are(desk: Desk) -> None:
    """The half-widths of the evidence are those of the model that lies beside it."""
    assert desk.release().code == 0
    bundle = desk.folder / "clinic"
    envelope = json.loads((bundle / "public" / "evidence.dsse.json").read_bytes())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    fact = statement["predicate"]["fitness"]["intervals"]
    assert fact["provenance"] == "post"
    columns = {width["attributes"][0]: width for width in fact["value"]["columns"]}
    assert list(columns) == ["age", "ward", "cost", "outcome"]
    sheet = (bundle / "public" / "DATASHEET.md").read_text(encoding="utf-8")
    assert f"| ward | 6 | ± {columns['ward']['rows']:,.1f} |" in sheet
    told = json.loads(
        desk.run("estimate", str(bundle), "--dictionary", "dictionary.yaml", "--columns", "ward",
                 "--json").out
    )  # fmt: skip
    high = max(told["cells"], key=lambda cell: cell["count"])
    half = (high["rows"][1] - high["rows"][0]) / 2.0
    assert half <= columns["ward"]["rows"] <= half + 0.1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--columns", "floor"], "no column of the model"),
        (["--columns", "ward,ward"], "once"),
        (["--columns", "ward", "--where", "ward=north"], "once"),
        (["--where", "ward=attic"], "not a declared value"),
        (["--where", "ward"], "COLUMN=VALUE"),
        (["--mean", "ward"], "no column of numbers"),
        (["--mean", "outcome"], "no column of numbers"),
        (["--mean", "floor"], "no column of the model"),
        (["--mean", "age", "--columns", "ward"], "not with --columns"),
    ],
    ids=str,
)
def test_what_cannot_be_asked(
    desk: Desk, bundle: tuple[Path, int], options: list[str], words: str
) -> None:
    answer = desk.run(
        "estimate", str(bundle[0]), "--dictionary", "dictionary.yaml", *options
    )  # fmt: skip
    assert answer.code == 2, answer.text
    assert words in answer.err and "Traceback" not in answer.text
