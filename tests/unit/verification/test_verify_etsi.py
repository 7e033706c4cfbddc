"""The report after ETSI TS 119 102-2: what it says, and that it decides nothing here."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bundle_builder import Issuer, write_bundle
from certificates import CertificateAuthority
from cryptography.hazmat.primitives.serialization import Encoding
from signed_files import World
from time_authority import Authority, serving

from dpsynth.cli import main
from dpsynth.errors import InputError, MissingExtraError
from dpsynth.signing.levels import Level
from dpsynth.signing.roles import Role
from dpsynth.verification import etsi

NAMESPACE = "{http://uri.etsi.org/19102/v1.2.1#}"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    time = Authority.make("Time")
    with serving(time) as url:
        yield World(CertificateAuthority.make("Hospital root"), time, url)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, world: World) -> Path:
    issuer = Issuer(world.signer(Role.ISSUER), [world.authority.root])
    folder = tmp_path_factory.mktemp("made") / "bundle"
    return write_bundle(folder, issuer, assurance=world.assurance(Level.B_LTA))


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bundle"))


def indication(report: bytes) -> str:
    """Return the main indication of the one signature that is reported on."""
    root = ElementTree.fromstring(report)
    assert root.tag == f"{NAMESPACE}ValidationReport"
    [found] = root.iter(f"{NAMESPACE}MainIndication")
    return str(found.text).rpartition(":")[2]


def reported(bundle: Path, world: World, root: CertificateAuthority | None = None) -> str:
    return indication(
        etsi.etsi_report(
            bundle,
            roots=[(root or world.authority).root],
            authorities=[world.time.root],
            at=datetime.now(UTC),
        )
    )


def test_a_whole_bundle_and_its_public_folder(bundle: Path, world: World) -> None:
    assert reported(bundle, world) == reported(bundle / "public", world) == "total-passed"


def test_who_trusts_another_root(bundle: Path, world: World) -> None:
    assert reported(bundle, world, CertificateAuthority.make("Other")) == "indeterminate"


def test_a_flipped_byte(bundle: Path, world: World) -> None:
    path = bundle / "public" / "certificate.pdf"
    content = bytearray(path.read_bytes())
    content[content.index(b"/EmbeddedFile") - 40] ^= 1
    path.write_bytes(bytes(content))
    assert reported(bundle, world) == "total-failed"


@pytest.mark.parametrize("content", [None, b"", b"%PDF-1.7\n%%EOF\n"])
def test_what_cannot_be_reported_on(content: bytes | None, bundle: Path, world: World) -> None:
    path = bundle / "public" / "certificate.pdf"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="report"):
        reported(bundle, world)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etsi, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"dpsynth\[etsi\]"):
        etsi.need_etsi()


def test_the_exit_code_is_ours(
    bundle: Path, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Junk at the end: passed for pyHanko, invalid for us."""
    for name, root in (("root.pem", world.authority.root), ("time.pem", world.time.root)):
        (tmp_path / name).write_bytes(root.public_bytes(Encoding.PEM))
    monkeypatch.chdir(tmp_path)

    def verify(target: str) -> int:
        words = f"dpsynth verify bundle --trust root.pem --tsa-trust time.pem --etsi {target}"
        monkeypatch.setattr(sys, "argv", words.split())
        with pytest.raises(SystemExit) as stopped:
            main()
        return int(stopped.value.code or 0)

    assert verify("good.xml") == 0
    path = bundle / "public" / "certificate.pdf"
    path.write_bytes(path.read_bytes() + b"junk")
    assert verify("bad.xml") == 1
    found = {n: indication((tmp_path / n).read_bytes()) for n in ("good.xml", "bad.xml")}
    assert found == {"good.xml": "total-passed", "bad.xml": "total-passed"}
    assert verify("bad.xml") == 2  # no report replaces another
    path.write_bytes(b"")
    assert verify("none.xml") == 1 and not (tmp_path / "none.xml").exists()
