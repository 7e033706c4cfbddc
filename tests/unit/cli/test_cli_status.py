"""``dpsynth status`` as an issuer uses it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dpsynth.cli.app import app
from dpsynth.errors import DpsynthError, InputError
from dpsynth.signing.keys import init_trial_authority

RELEASE, OTHER = "DPS-2026-0123456789", "DPS-2026-ABCDEF0123"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("issuer")
    for name in ("own", "other"):
        init_trial_authority(folder / name, organisation=name, passphrase=b"secret", days=30)
    (folder / "passphrase").write_text("secret")
    return folder


def call(desk: Path, *words: object, key: str = "own", signs: bool = True) -> dict[str, object]:
    given = [str(word) for word in words]
    if signs:
        made = next((desk / key).glob("*.p12"))
        given += ["--key", str(made), "--passphrase-file", str(desk / "passphrase")]
    if words[0] != "new":
        given += ["--trust", str(desk / "own" / "root.pem")]
    result = CliRunner().invoke(app, ["status", *given, "--json"])
    if isinstance(result.exception, DpsynthError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.output))


def test_the_life_of_a_list(desk: Path, tmp_path: Path) -> None:
    path = tmp_path / "status.dsse.json"
    assert call(desk, "new", path)["releases"] == []
    first = hashlib.sha256(path.read_bytes()).hexdigest()
    call(desk, "review", path, RELEASE, "--reason", "Still sound.", "--review-by", "2099-01-01")
    call(desk, "supersede", path, OTHER, "--reason", "More rows.", "--by", RELEASE)
    said = call(desk, "withdraw", path, RELEASE, "--reason", "A defect of the dictionary.")
    assert said["number"] == 4
    assert [(e["release"], e["status"]) for e in said["releases"]] == [  # type: ignore[index, attr-defined]
        (RELEASE, "withdrawn"),
        (OTHER, "superseded"),
    ]
    assert first != hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputError, match="final"):
        call(desk, "review", path, RELEASE, "--reason", "Sorry.", "--review-by", "2099-01-01")
    assert call(desk, "renew", path)["number"] == 5
    assert call(desk, "show", path, signs=False)["number"] == 5
    assert [p.name for p in tmp_path.iterdir()] == [path.name], "no draft stays behind"


@pytest.mark.parametrize(
    "words",
    [
        ("withdraw", "DPS-2026-0", "--reason", "x"),
        ("withdraw", RELEASE, "--reason", " "),
        ("withdraw", RELEASE, "--reason", "two\nlines"),
        ("supersede", RELEASE, "--reason", "x", "--by", RELEASE),
        ("review", RELEASE, "--reason", "x", "--review-by", "soon"),
        ("review", RELEASE, "--reason", "x", "--review-by", "2001-01-01"),
        ("renew", "--days", "4000"),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    desk: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    path = tmp_path / "status.dsse.json"
    call(desk, "new", path)
    before = path.read_bytes()
    with pytest.raises(InputError):
        call(desk, words[0], path, *words[1:])
    assert path.read_bytes() == before


def test_a_list_has_one_issuer_and_is_never_replaced_by_a_new_one(
    desk: Path, tmp_path: Path
) -> None:
    path = tmp_path / "status.dsse.json"
    call(desk, "new", path)
    with pytest.raises(InputError, match="belongs to"):
        call(desk, "renew", path, key="other")
    with pytest.raises(InputError, match="exists"):
        call(desk, "new", path)
    path.write_bytes(b"{}")
    with pytest.raises(InputError, match="refused"):
        call(desk, "renew", path)
