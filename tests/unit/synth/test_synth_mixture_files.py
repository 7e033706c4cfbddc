"""Files of mixture models: they read back to the same model and cannot carry anything else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mixtures import model_of
from safetensors.numpy import load_file, save_file

from dpsynth.errors import InputError
from dpsynth.synth.neural.latents import NormalLatents, StoredLatents
from dpsynth.synth.registry import load_model

SEEDED = NormalLatents(seed=2**62, count=40, dimension=3)
STORED = StoredLatents(values=SEEDED.points(np.arange(40)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model_of(tied=True, latents=STORED).save(tmp_path)
    return tmp_path


@pytest.mark.parametrize("latents", [SEEDED, STORED], ids=["seeded", "stored"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_saved_model_reads_back_and_saves_to_the_same_bytes(
    tied: bool, latents: NormalLatents | StoredLatents, tmp_path: Path
) -> None:
    model = model_of(tied=tied, latents=latents)
    first, second = tmp_path / "first", tmp_path / "second"
    for place, each in ((first, model), (second, None)):
        place.mkdir()
        (each or load_model(first)).save(place)
    assert sorted(path.name for path in first.iterdir()) == ["model.json", "model.safetensors"]
    for name in ("model.json", "model.safetensors"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    loaded = load_model(second)
    assert (loaded.sample(500, seed=1) == model.sample(500, seed=1)).all()
    assert loaded.measured == model.measured and loaded.total == model.total
    assert loaded.domain == model.domain and loaded.method == model.method
    assert loaded.half_widths({}) == model.half_widths({})


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": np.zeros((777, 3), dtype=np.int32)},
        {"fine_0": np.zeros(777)},
        {"fine_0": np.array([1.0, -1.0, 1.0])},
        {"measurement_0": None},
        {"partition_0": np.array([0, 2, 2])},
        {"latents": np.zeros((777, 3), dtype=np.float32)},
        {"latents": np.full((40, 3), np.nan, dtype=np.float32)},
        {"latents": np.zeros((40, 3))},
        {"weight_0": np.zeros((777, 8), dtype=np.float32)},
        {"weight_6": np.zeros((8, 8), dtype=np.float32)},
        {"bias_5": None},
        {"allowed_0": np.ones((4, 777), dtype=np.bool_)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_foreign_arrays_are_refused(folder: Path, changes: dict[str, np.ndarray | None]) -> None:
    arrays = load_file(folder / "model.safetensors") | changes
    kept = {name: array for name, array in arrays.items() if array is not None}
    save_file(kept, folder / "model.safetensors")
    with pytest.raises(InputError, match="not a readable model"):
        load_model(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2),
        ("format", "another"),
        ("rows", 5),
        ("decoder", {"width": 8, "blocks": 3}),
        ("decoder", {"width": 8, "blocks": 10**9}),
        ("decoder", {"width": -8, "blocks": 2}),
        ("decoder", {"width": 8.0, "blocks": 2}),
        ("decoder", {"width": 8}),
        ("decoder", [8, 2]),
        ("latents", {"kind": "stored", "count": 40, "dimension": 3, "seed": 1}),
        ("latents", {"kind": "normal", "count": 40, "dimension": 3, "seed": 1}),
        ("latents", {"kind": "normal", "count": 10**9, "dimension": 3, "seed": 1}),
        ("latents", {"kind": "stored", "count": True, "dimension": 3}),
        ("latents", {"kind": "rows", "count": 40, "dimension": 3}),
        ("latents", {}),
    ],
)
def test_foreign_heads_are_refused(folder: Path, key: str, value: object) -> None:
    path = folder / "model.json"
    head = json.loads(path.read_text())
    head[key] = value
    path.write_text(json.dumps(head))
    with pytest.raises(InputError, match="not a readable model"):
        load_model(folder)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\xff" * 8 + b"{}", None])
def test_missing_or_broken_arrays_are_refused(folder: Path, content: bytes | None) -> None:
    path = folder / "model.safetensors"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match="not a readable model"):
        load_model(folder)
