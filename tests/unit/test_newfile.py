"""A file appears whole, once, and replaces nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dpsynth.errors import InputError
from dpsynth.newfile import new_bytes, new_file


@pytest.fixture(params=["links", "no links"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "no links":

        def refuse(*names: object) -> None:
            raise PermissionError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    return tmp_path


def test_a_file_appears_when_it_is_whole(folder: Path) -> None:
    with new_bytes(folder / "data") as file:
        file.write(b"a\r\n")
        file.flush()
        assert not (folder / "data").exists()
    assert (folder / "data").read_bytes() == b"a\r\n"
    with new_file(folder / "key") as text:
        text.write("é\n")
    assert (folder / "key").read_bytes() == "é\n".encode()
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["data", "key"]


def test_what_is_there_stays(folder: Path) -> None:
    (folder / "taken").write_text("mine")
    for open_new in (new_file, new_bytes):
        with pytest.raises(InputError, match="exists already"), open_new(folder / "taken"):
            raise AssertionError("never opened")
        with pytest.raises(InputError, match="exists already"), open_new(folder / "late"):
            (folder / "late").write_text("mine")
        assert (folder / "late").read_text() == "mine"
        (folder / "late").unlink()
    assert [path.name for path in folder.iterdir()] == ["taken"]


def test_a_stop_leaves_nothing(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_file(folder / "half") as file:
        file.write("a")
        raise KeyboardInterrupt
    with pytest.raises(InputError, match="cannot be written"), new_bytes(folder / "full") as raw:
        raw.write(b"a")
        raise OSError(errno.ENOSPC, "no space")
    with pytest.raises(InputError, match="cannot be written"), new_bytes(folder / "no" / "x"):
        raise AssertionError("never opened")
    assert list(folder.iterdir()) == []
