"""A ledger's anchor with a time stamp, from the request to the auditor's check."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from time_authority import Authority, serving

from dpsynth.cli import main
from dpsynth.privacy.ledger import Ledger, LedgerKey

Call = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make("Test authority")


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path, key=LedgerKey.create(tmp_path / "ledger.pem")):
        pass
    monkeypatch.setenv("DPSYNTH_LEDGER", str(path))
    monkeypatch.setenv("DPSYNTH_ANCHORS", str(tmp_path / "anchors"))

    def run(*arguments: str) -> tuple[int, dict[str, object]]:
        monkeypatch.setattr(sys, "argv", ["dpsynth", "ledger", *arguments, "--json"])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, json.loads(capsys.readouterr().out)

    return run


def test_a_stamped_anchor(call: Call, authority: Authority, tmp_path: Path) -> None:
    file, root = tmp_path / "anchor.json", tmp_path / "root.pem"
    root.write_bytes(authority.pem())
    with serving(authority) as url:
        code, told = call("anchor", "--out", str(file), "--tsa", url)
    assert code == 0 and told["time_stamp"]
    code, told = call("verify", "--anchor", str(file))
    [anchor] = told["anchors"]
    assert code == 0 and anchor["time_stamp"]["trust"] == "not checked"
    code, told = call("verify", "--anchor", str(file), "--tsa-trust", str(root))
    [anchor] = told["anchors"]
    assert code == 0 and anchor["time_stamp"]["trust"] == "trusted"
    assert anchor["time_stamp"]["authority"] == "Test authority"


def test_another_authority_is_not_believed(
    call: Call, authority: Authority, tmp_path: Path
) -> None:
    file, root = tmp_path / "anchor.json", tmp_path / "root.pem"
    root.write_bytes(Authority.make("Test authority").pem())
    with serving(authority) as url:
        assert call("anchor", "--out", str(file), "--tsa", url)[0] == 0
    code, told = call("verify", "--anchor", str(file), "--tsa-trust", str(root))
    assert code == 5 and [f["fault"] for f in told["findings"]] == ["time stamp"]


@pytest.mark.parametrize("change", ["created", "token", "swap"])
def test_a_stamp_covers_the_whole_anchor(
    call: Call, authority: Authority, tmp_path: Path, change: str
) -> None:
    file = tmp_path / "anchor.json"
    with serving(authority) as url:
        assert call("anchor", "--out", str(file), "--tsa", url)[0] == 0
        made = json.loads(file.read_text())
        assert call("anchor", "--out", str(tmp_path / "other.json"), "--tsa", url)[0] == 0
    if change == "created":
        made["created"] = "2020-01-01T00:00:00.000+00:00"
    elif change == "token":
        made["time_stamp"] = base64.b64encode(b"no token").decode()
    else:
        made["time_stamp"] = json.loads((tmp_path / "other.json").read_text())["time_stamp"]
    file.write_text(json.dumps(made))
    code, told = call("verify", "--anchor", str(file))
    assert code == 5 and told["findings"][0]["fault"] == "time stamp"


def test_no_stamp_no_file(call: Call, authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "anchor.json"
    with serving(authority, fault="refused") as url:
        code, told = call("anchor", "--out", str(file), "--tsa", url)
    assert code == 2 and not file.exists()
    assert "gave no time stamp" in told["error"]["message"]
