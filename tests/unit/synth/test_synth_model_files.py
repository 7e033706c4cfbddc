"""Model files: they read back to the same model and cannot carry anything else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dpsynth.errors import InputError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable
from dpsynth.synth.registry import load_model, make

ROWS = 777


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    domain = Domain.from_sizes({"a": 3, "b": 60, "c": 2}, ordered=["b"])
    a = rng.integers(0, 3, ROWS)
    codes = np.array([a, a * 20 + rng.integers(0, 20, ROWS), rng.integers(0, 2, ROWS)])
    table = CodedTable.build(domain, codes.astype(np.int32))
    with Curator(
        table, reservation=MemoryReservation(0.5), max_rows_per_unit=1, rho=0.5
    ) as curator:
        make("mst", {}).fit(curator).save(tmp_path)
    return tmp_path


def rewrite(folder: Path, **changes: np.ndarray | None) -> None:
    with np.load(folder / "arrays.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name, array in changes.items():
        if array is None:
            del arrays[name]
        else:
            arrays[name] = array
    np.savez(folder / "arrays.npz", **arrays)


def test_a_saved_model_reads_back_and_saves_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    model = load_model(folder)
    again = tmp_path / "again"
    again.mkdir()
    model.save(again)
    for name in ("model.json", "arrays.npz"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    second = load_model(again)
    assert (model.sample(500, seed=1) == second.sample(500, seed=1)).all()
    assert second.measured == model.measured and second.total == model.total


def test_no_array_has_as_many_entries_as_there_are_rows(folder: Path) -> None:
    with np.load(folder / "arrays.npz", allow_pickle=False) as archive:
        assert all(ROWS not in archive[name].shape for name in archive.files)
        assert sum(archive[name].size for name in archive.files) < ROWS


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": np.zeros((ROWS, 3), dtype=np.int32)},
        {"fine_0": np.zeros(ROWS)},
        {"fine_0": np.array([1.0, np.nan, 1.0])},
        {"fine_0": np.array([1.0, -1.0, 1.0])},
        {"measurement_0": None},
        {"measurement_0": np.zeros(3)},
        {"partition_0": np.array([0, 2, 2])},
        {"potential_0": np.zeros((4, 4))},
        {"potential_0": np.array([object()])},
    ],
    ids=lambda change: next(iter(change)),
)
def test_foreign_arrays_are_refused(folder: Path, changes: dict[str, np.ndarray | None]) -> None:
    rewrite(folder, **changes)
    with pytest.raises(InputError, match="not a readable model"):
        load_model(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [("version", 1), ("total", -1.0), ("total", True), ("scopes", [["z"]]), ("rows", 5)],
)
def test_foreign_heads_are_refused(folder: Path, key: str, value: object) -> None:
    path = folder / "model.json"
    head = json.loads(path.read_text())
    head[key] = value
    path.write_text(json.dumps(head))
    with pytest.raises(InputError, match="not a readable model"):
        load_model(folder)


def test_missing_or_broken_files_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load_model(tmp_path / "nowhere")
    (folder / "arrays.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(InputError):
        load_model(folder)
    (folder / "model.json").write_text("[]")
    with pytest.raises(InputError):
        load_model(folder)
