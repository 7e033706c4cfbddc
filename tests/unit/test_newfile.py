"""A file appears whole: a new one once, replacing nothing; a replaced one is the old or the new."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from dpsynth.errors import InputError
from dpsynth.newfile import create_bytes, new_bytes, new_file, replace_bytes


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


def test_a_new_file_from_its_content_says_what_stopped_it(folder: Path) -> None:
    create_bytes(folder / "key", b"k", mode=0o600)
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        create_bytes(folder / "key", b"other")
    with pytest.raises(FileNotFoundError):
        create_bytes(folder / "no" / "x", b"")
    assert (folder / "key").read_bytes() == b"k"
    assert [path.name for path in folder.iterdir()] == ["key"]


def test_a_replaced_file_is_whole_and_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "list"
    replace_bytes(path, b"first", mode=0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"first", 0o600)
    mask = os.umask(0o022)
    try:
        replace_bytes(path, b"second")
    finally:
        os.umask(mask)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"second", 0o644)
    assert [each.name for each in tmp_path.iterdir()] == ["list"]


def test_file_and_folder_are_on_the_disk_in_that_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, rename = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def renamed(old: Path, new: Path) -> None:
        done.append("rename")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    replace_bytes(tmp_path / "list", b"x")
    assert done == ["file", "rename", "folder"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_stop_before_the_rename_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (tmp_path / "list").write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="the disk is gone"):
        replace_bytes(tmp_path / "list", b"new")
    assert (tmp_path / "list").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_a_process_that_dies_before_the_rename_leaves_the_old_file_whole(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"old")
    child = os.fork()
    if child == 0:
        os.replace = lambda *_: os._exit(9)  # type: ignore[assignment]
        replace_bytes(tmp_path / "list", b"new")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (tmp_path / "list").read_bytes() == b"old"
    (draft,) = (path for path in tmp_path.iterdir() if path.name != "list")
    assert draft.name.startswith(".list.")
    replace_bytes(tmp_path / "list", b"next")
    assert (tmp_path / "list").read_bytes() == b"next"


def test_a_file_system_that_cannot_sync_folders_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def picky(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not for folders")
        sync(handle)

    monkeypatch.setattr(os, "fsync", picky)
    replace_bytes(tmp_path / "list", b"x")
    assert (tmp_path / "list").read_bytes() == b"x"
