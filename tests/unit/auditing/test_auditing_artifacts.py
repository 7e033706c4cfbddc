"""The scan of what was written: every form in which a planted text or row can hide is found."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from dpsynth.auditing.artifacts import holding

TOKEN = "Zanzibar-Quux-7731"
ROWS = np.random.default_rng(1).integers(0, 90, (997, 8))


def _parquet(path: Path, texts: list[str]) -> None:
    pq.write_table(pa.table({"x": texts, "y": range(len(texts))}), path, compression="zstd")


def _envelope(payload: str) -> str:
    return json.dumps({"payload": base64.b64encode(payload.encode()).decode(), "signatures": []})


def _pdf(text: str) -> bytes:
    packed = zlib.compress(text.encode() * 3)
    return b"%PDF-1.7\n1 0 obj <</Filter /FlateDecode>>\nstream\n" + packed + b"\nendstream"


def test_planted_texts_are_found_in_every_form(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "log.txt").write_text(f"row {TOKEN} is odd")
    (tmp_path / "evidence.dsse.json").write_text(_envelope(f"a {TOKEN}"))
    (tmp_path / "report.pdf").write_bytes(_pdf(TOKEN))
    _parquet(tmp_path / "table.parquet", ["a", TOKEN] * 50)
    np.savez_compressed(tmp_path / "names.npz", names=np.frombuffer(TOKEN.encode(), np.uint8))
    found = [path.name for path in holding(tmp_path, texts=[TOKEN])]
    assert found == ["log.txt", "evidence.dsse.json", "names.npz", "report.pdf", "table.parquet"]


def test_files_without_it_are_not_accused(tmp_path: Path) -> None:
    (tmp_path / "evidence.dsse.json").write_text(_envelope("nothing"))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text(json.dumps({"payload": "no base64!"}))
    (tmp_path / "report.pdf").write_bytes(_pdf("nothing") + b"stream\nno zlib\nendstream")
    _parquet(tmp_path / "table.parquet", ["a", "b"])
    np.savez(tmp_path / "sums.npz", sums=ROWS.sum(axis=0), tables=np.ones((90, 90)))
    assert holding(tmp_path, texts=[TOKEN], rows=ROWS) == []


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.int64])
def test_a_planted_row_is_found_whatever_its_integers(tmp_path: Path, kind: type) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"some": ROWS[990:].astype(kind)}))
    assert len(holding(tmp_path, rows=ROWS)) == 1


@pytest.mark.parametrize("state", [ROWS / 7.0, ROWS.T.astype(float), np.zeros(997)])
def test_an_array_of_the_length_of_the_table_is_found(tmp_path: Path, state: np.ndarray) -> None:
    np.savez_compressed(tmp_path / "arrays.npz", state=state)
    assert len(holding(tmp_path, rows=ROWS)) == 1


@pytest.mark.parametrize("state", [ROWS / 7.0, ROWS.T.astype(float), np.zeros(997)])
def test_it_is_found_in_tensors_too(tmp_path: Path, state: np.ndarray) -> None:
    save_file({"weights": np.ones((3, 4))}, tmp_path / "clean.safetensors", {"of": "a test"})
    save_file({"state": np.ascontiguousarray(state)}, tmp_path / "model.safetensors")
    assert [path.name for path in holding(tmp_path, rows=ROWS)] == ["model.safetensors"]


def test_a_scan_that_could_not_find_anything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing was planted"):
        holding(tmp_path)
    with pytest.raises(ValueError, match="occur by chance"):
        holding(tmp_path, rows=ROWS[:, :4])
