"""More rows from a fitted model: under a condition, in blocks, as several sets; what is refused.

The model is fitted through a Curator without a ledger; ``test_discovery.py`` samples from a bundle.
"""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from steward import DICTIONARY, Desk

from dpsynth.errors import InputError
from dpsynth.pipeline import drawing
from dpsynth.pipeline.package import DOMAINS
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.schema.codec import Codec
from dpsynth.schema.dictionary import Dictionary, load_dictionary
from dpsynth.sources.files import open_source
from dpsynth.sources.table import CodedTable
from dpsynth.synth.registry import load_model, make

BLOCK = 5000


@pytest.fixture(scope="module")
def fitted(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as a release leaves it."""
    folder = tmp_path_factory.mktemp("model")
    dictionary = load_dictionary(furnished / "dictionary.yaml")
    codec = Codec.from_dictionary(dictionary)
    codes = codec.encode(open_source(furnished / "data.csv").read(codec.domain.names).columns)
    table = CodedTable.build(codec.domain, codes)
    with Curator(
        table, reservation=MemoryReservation(0.5), max_rows_per_unit=1, rho=0.5
    ) as curator:
        make("mst", {}).fit(curator).save(folder)
    (folder / DOMAINS).write_text("{}")
    return folder


def parts(folder: Path) -> tuple[Codec, Dictionary]:
    dictionary = load_dictionary(folder / "dictionary.yaml")
    return Codec.from_dictionary(dictionary), dictionary


def test_rows_under_a_condition(desk: Desk, fitted: Path) -> None:
    answer = desk.run(
        "sample", str(fitted), "--dictionary", "dictionary.yaml", "--rows", "700",
        "--out", "north.csv", "--where", "ward=north", "--where", "age=71", "--seed", "4", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.text
    told = json.loads(answer.out)
    assert told["given"] == {"ward": "north", "age": "71"}
    assert 0 < told["share"] < 0.1
    table = pc.read_csv("north.csv").to_pydict()
    assert len(table["age"]) == 700
    assert set(table["ward"]) == {"north"} and set(table["age"]) == {71}
    assert len(set(table["number"])) == 700
    assert np.mean(np.array(table["outcome"]) == 1) > 0.5, "three in four of the old, one of six"
    again = desk.run(
        "sample", str(fitted), "--dictionary", "dictionary.yaml", "--rows", "700",
        "--out", "again.csv", "--where", "age=71", "--where", "ward=north", "--seed", "4",
    )  # fmt: skip
    assert again.code == 0
    assert "Only rows with age: 71, ward: north" in again.out
    assert Path("again.csv").read_bytes() == Path("north.csv").read_bytes()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (["floor=3"], "no such column"),
        (["number=P000001"], "not modelled"),
        (["ward=attic"], "not a declared value"),
        (["age=old"], "not a declared value"),
        (["cost=1e9"], "not a declared value"),
        (["ward"], "COLUMN=VALUE"),
        (["ward=north", "ward=south"], "twice"),
        (["age=__out_of_domain__"], "impossible"),
    ],
    ids=str,
)
def test_conditions_that_cannot_be(
    desk: Desk, fitted: Path, where: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpsynth.synth.binned_model.LEAST_PROBABILITY", 0.01)
    options = [part for text in where for part in ("--where", text)]
    answer = desk.run(
        "sample", str(fitted), "--dictionary", "dictionary.yaml", "--rows", "10", "--out", "x.csv",
        *options,
    )  # fmt: skip
    assert answer.code == 2, answer.text
    assert words in answer.err
    assert "Traceback" not in answer.text
    assert not Path("x.csv").exists()


def test_several_sets_of_one_measurement(desk: Desk, fitted: Path) -> None:
    def draw() -> str:
        answer = desk.run(
            "sample", str(fitted), "--dictionary", "dictionary.yaml", "--rows", "300",
            "--out", "set.parquet", "--sets", "3", "--seed", "1",
        )  # fmt: skip
        return f"{answer.code} {answer.text}"

    told = draw()
    assert told.startswith("0 ") and "share its noise" in told
    tables = [pq.read_table(f"set-{number}.parquet") for number in (1, 2, 3)]
    assert [table.num_rows for table in tables] == [300] * 3
    assert not tables[0].equals(tables[1]) and not tables[1].equals(tables[2])
    assert not Path("set.parquet").exists()
    Path("set-1.parquet").unlink()
    Path("set-3.parquet").unlink()
    refused = draw()
    assert refused.startswith("2 ") and "set-2.parquet: exists already" in refused
    assert not Path("set-1.parquet").exists(), "nothing is written where one name is taken"
    Path("set-2.parquet").unlink()
    assert draw().startswith("0 ")
    for number, table in enumerate(tables, 1):
        assert pq.read_table(f"set-{number}.parquet").equals(table), "a seed repeats the draw"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_of_many_blocks_is_one_table(desk: Desk, fitted: Path, form: str) -> None:
    codec, dictionary = parts(desk.folder)
    path = Path(f"many.{form}")
    told: list[str] = []
    drawing.write_sets(
        load_model(fitted), codec, dictionary, [path], 2 * BLOCK + 17,
        seed=3, progress=told.append, block_rows=BLOCK,
    )  # fmt: skip
    table = pc.read_csv(path) if form == "csv" else pq.read_table(path)
    assert table.num_rows == 2 * BLOCK + 17
    assert table.column_names == list(codec.columns_out)
    assert len(set(table.column("number").to_pylist())) == table.num_rows
    assert told[-1] == f"{path}: 10,017 of 10,017 rows"
    assert len(told) == 4
    rows = list(zip(*table.drop_columns(["number"]).to_pydict().values(), strict=True))
    assert rows[:BLOCK] != rows[BLOCK : 2 * BLOCK], "each block has a seed of its own"


def test_memory_does_not_grow_with_the_rows(desk: Desk, fitted: Path) -> None:
    """What Python, numpy and Arrow hold at most is that of one block, also for nine."""
    model, (codec, dictionary) = load_model(fitted), parts(desk.folder)
    most: list[int] = []

    def watch(text: str) -> None:
        most.append(tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes())

    def peak(blocks: int) -> int:
        most.clear()
        tracemalloc.start()
        drawing.write_sets(
            model, codec, dictionary, [Path(f"{blocks}.parquet")], blocks * BLOCK,
            seed=0, progress=watch, block_rows=BLOCK,
        )  # fmt: skip
        traced = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return traced + max(most)

    peak(1)  # what is loaded once is loaded
    few, many = peak(3), peak(12)
    assert many < 1.25 * few
    assert pq.read_metadata("12.parquet").num_rows == 12 * BLOCK


def test_identifiers_are_never_given_twice(desk: Desk, fitted: Path) -> None:
    text = DICTIONARY.replace(r"P\d{6}", r"[A-C]\d{2}")
    (desk.folder / "dictionary.yaml").write_text(text, encoding="utf-8")
    for rows, code in ((301, 2), (300, 0)):
        answer = desk.run(
            "sample", str(fitted), "--dictionary", "dictionary.yaml", "--rows", str(rows),
            "--out", "few.csv",
        )  # fmt: skip
        assert answer.code == code, answer.text
        assert Path("few.csv").exists() == (code == 0)
    refused = desk.run(
        "sample", str(fitted), "--dictionary", "dictionary.yaml", "--rows", "301",
        "--out", "more.csv",
    )  # fmt: skip
    assert "300 different texts" in refused.err
    assert len(set(pc.read_csv("few.csv").column("number").to_pylist())) == 300
    codec, _ = parts(desk.folder)
    blocks = drawing.text_blocks(
        load_model(fitted), codec, 300, seed=np.random.SeedSequence(2), block_rows=7
    )
    assert len({key for block in blocks for key in block.column("number").to_pylist()}) == 300


def test_a_file_appears_whole_or_not_at_all(desk: Desk, fitted: Path) -> None:
    codec, dictionary = parts(desk.folder)
    before = set(desk.folder.iterdir())

    def stop(text: str) -> None:
        assert not Path("half.csv").exists()
        if text.startswith("half.csv: 10,000"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drawing.write_sets(
            load_model(fitted), codec, dictionary, [Path("half.csv")], 4 * BLOCK,
            seed=0, progress=stop, block_rows=BLOCK,
        )  # fmt: skip
    assert set(desk.folder.iterdir()) == before
    Path("taken.csv").write_text("mine")
    answer = desk.run(
        "sample", str(fitted), "--dictionary", "dictionary.yaml", "--rows", "5", "--out",
        "taken.csv",
    )  # fmt: skip
    assert answer.code == 2 and "exists already" in answer.err
    with pytest.raises(InputError, match="exists already"):  # taken while the rows were drawn
        drawing.write_sets(
            load_model(fitted), codec, dictionary, [Path("taken.csv")], 5,
            seed=0, progress=lambda text: None,
        )  # fmt: skip
    assert Path("taken.csv").read_text() == "mine"


def test_rows_that_do_not_follow_the_model_are_not_written(
    desk: Desk, fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dpsynth.synth.marginal_model.sample_codes",
        lambda graph, rows, rng: np.zeros((len(graph.domain), rows), dtype=np.int32),
    )
    answer = desk.run(
        "sample", str(fitted), "--dictionary", "dictionary.yaml", "--rows", "5000", "--out",
        "wrong.csv",
    )  # fmt: skip
    assert answer.code == 1, answer.text
    assert "do not follow the fitted model" in answer.err and "No file was written" in answer.err
    assert not Path("wrong.csv").exists()
