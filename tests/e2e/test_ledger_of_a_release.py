"""A real release is an anchor of its ledger, and the status counts what it took."""

from __future__ import annotations

import json
import shutil

from steward import Desk


def test_a_bundle_is_an_anchor_and_a_rollback_shows(desk: Desk) -> None:
    before = desk.folder / "before.sqlite"
    assert desk.release(name="first").code == 0
    shutil.copy(desk.ledger, before)
    assert desk.release(name="second").code == 0
    for anchor in ("second", "second/public", "first/public/evidence.dsse.json"):
        told = desk.run("ledger", "verify", "--anchor", anchor, "--json")
        assert told.code == 0 and json.loads(told.out)["anchors"][0]["held"] is True
    steps = json.loads(desk.run("ledger", "status", "clinic", "--json").out)["lineage"]["burn_down"]
    assert [step["release"] for step in steps] == ["first", "second"]
    # A machine that never met the ledger, and only the document of the second release.
    desk.monkeypatch.setenv("DPSYNTH_ANCHORS", str(desk.folder / "elsewhere"))
    lost = desk.run("ledger", "verify", "--ledger", str(before), "--anchor", "second", "--json")
    assert lost.code == 5
    assert json.loads(lost.out)["findings"][0]["fault"] == "rolled back"
