"""The command line of the benchmarks hands each of them what it takes."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import peers
from benchmarks.__main__ import parser

(CHOICES,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))


@pytest.mark.parametrize("name", CHOICES.choices)
def test_every_option_is_a_parameter_of_what_it_runs(name: str) -> None:
    options = vars(parser().parse_args([name]))
    run = options.pop("run")
    assert run.__module__ == f"benchmarks.{name}"
    inspect.signature(run).bind(**options)


def test_what_a_peer_gave_is_kept_and_what_it_did_not_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def row(peer: peers.Peer, table: Any, *, epsilon: float, delta: float, limit: int) -> list[str]:
        asked.append(limit)
        if epsilon > 1 and limit < 100:
            raise peers.GivenUpError("not done")
        if epsilon > 10:
            raise peers.PeerError("failed")
        return [peer.name, f"{epsilon:g}"]

    monkeypatch.setattr(peers, "_row", row)

    def give(epsilon: float, limit: int) -> str:
        peer, table = peers.PEERS["dpmm mst"], SimpleNamespace(name="adult", train=[0])
        kept = peers.Kept(tmp_path / "rows.jsonl")
        cells = kept.row(peer, table, epsilon=epsilon, delta=1e-9, limit=limit)  # type: ignore[arg-type]
        return " ".join(cells).strip()

    assert [give(1, 10), give(1, 10), give(1, 100)] == ["dpmm mst 1"] * 3
    assert asked == [10]
    assert [give(10, 10), give(10, 5), give(10, 100), give(10, 10)] == [
        *["dpmm mst: not done"] * 2, *["dpmm mst 10"] * 2,
    ]  # fmt: skip
    assert asked == [10, 10, 100]
    assert [give(20, 100), give(20, 100)] == ["dpmm mst: failed"] * 2
    assert asked == [10, 10, 100, 100, 100]
