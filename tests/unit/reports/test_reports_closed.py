"""The renderer reads its own resources and nothing else: no file, no network, no other program.

An audit hook of Python sees every file that is opened, every address that is looked up or called
and every program that is started, whatever library does it. Files of the interpreter and of
installed packages are what code is made of; what is opened beside them is refused and noted. What C
libraries open by themselves (the configuration of fontconfig) is not seen.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import sample_evidence as sample
from dpsynth.reports import pdf as pdf_room
from dpsynth.reports.pdf import render_pdf
from dpsynth.reports.sheets import SHEETS
from sample_evidence import make
from test_reports_hostile import HOSTILE, hostile_values
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

ROOT = Path(__file__).resolve().parents[3]
OWN = tuple(ROOT / name for name in ("dpsynth", "reports", "attacks", "policies"))
CODE = (*OWN, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib")))
SCRATCH = Path(tempfile.gettempdir())
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostby", "urllib.Request")
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")

_watching: list[list[str]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Note and refuse what is not allowed, while somebody watches."""
    if not _watching:
        return
    if event.startswith((*NETWORK, *PROGRAMS)):
        told = event
    elif event == "open" and isinstance(arguments[0], str | bytes) and not _is_code(arguments[0]):
        told = os.fsdecode(arguments[0])
    else:
        return
    _watching[-1].append(told)
    raise PermissionError("refused by the test")


def _is_code(name: str | bytes) -> bool:
    path = Path(os.path.abspath(os.fsdecode(name)))
    # WeasyPrint writes the bundled fonts into a folder that it makes, for fontconfig.
    inside = path.relative_to(SCRATCH).parts if path.is_relative_to(SCRATCH) else ()
    made = bool(inside) and inside[0].startswith("weasyprint-") and len(inside) <= 2
    return made or any(folder in path.parents for folder in CODE)


sys.addaudithook(_hook)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Refuse everything beside code within the block; yield what was refused."""
    refused: list[str] = []
    _watching.append(refused)
    try:
        yield refused
    finally:
        _watching.pop()


def page(body: str) -> str:
    return f"<html lang=en><head><title>t</title></head><body><h1>x</h1>{body}</body></html>"


def rendered(body: str) -> None:
    render_pdf(
        page(body),
        attachments=[("evidence.json", b"{}", "Evidence")],
        title="t",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        identifier=b"1",
        roles=(),
    )


@pytest.mark.parametrize("kind", ["html", "svg", "path", "latex"])
def test_hostile_evidence_makes_the_renderer_read_nothing(kind: str) -> None:
    evidence = sample.build(hostile_values(HOSTILE[kind]))
    with watched() as refused:
        make(evidence, "certificate")
        for sheet in SHEETS.values():
            assert sheet(evidence.public())
    assert refused == []


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    path = tmp_path / "planted.png"
    path.write_bytes(b"private")
    return path


def test_a_document_that_asks_for_a_file_does_not_get_it(planted: Path) -> None:
    """Even if markup came through: the fetcher has bundled fonts only."""
    for address in (planted.as_uri(), "http://example.org/x.png"):
        with watched() as refused, pytest.raises(FatalURLFetchingError):
            rendered(f'<img src="{address}" alt="x">')
        assert refused == []


def test_a_planted_reader_is_seen(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the tests above: fetchers that read what the document names."""

    def from_disk(self: object, url: str, headers: object = None) -> URLFetcherResponse:
        return URLFetcherResponse(url, Path(url.removeprefix("file://")).read_bytes())

    def from_anywhere(self: object, url: str, headers: object = None) -> URLFetcherResponse:
        return URLFetcher().fetch(url, headers)

    for fetch, address, told in (
        (from_disk, planted.as_uri(), str(planted)),
        (from_anywhere, "http://127.0.0.1:9/x.png", "urllib.Request"),
    ):
        monkeypatch.setattr(pdf_room.BundledOnly, "fetch", fetch)
        with watched() as refused:
            rendered(f'<img src="{address}" alt="x">')
        assert refused == [told]


@pytest.mark.parametrize(
    "read",
    [
        lambda path: path.read_bytes(),
        lambda path: os.open(path, os.O_RDONLY),
        lambda path: urlopen(path.as_uri()),
        lambda path: socket.create_connection(("127.0.0.1", 9)),
        lambda path: socket.getaddrinfo("example.org", 80),
        lambda path: subprocess.run(["true"], check=False),
    ],
    ids=["read", "open", "url", "connect", "look up", "program"],
)
def test_every_way_to_read_is_refused(planted: Path, read: Any) -> None:
    with watched() as refused, pytest.raises(Exception, match="refused by the test"):
        read(planted)
    assert len(refused) >= 1
