"""A bundle of level B-LTA renewed by a second authority, read after the first has expired."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bundle_builder import Issuer, write_bundle
from certificates import CertificateAuthority, revocation_list
from signed_files import World
from time_authority import Authority, serving

from dpsynth.errors import InputError
from dpsynth.pipeline.further import Trusted, renew
from dpsynth.signing.levels import Assurance, Level
from dpsynth.signing.manifest import STAMPS
from dpsynth.signing.roles import Role
from dpsynth.verification import Severity, VerificationReport, VerificationVerdict, verify_bundle

FOLDERS = {"public": "certificate.pdf", "internal": "report.pdf"}
LATE = timedelta(days=500)  # the first authority is good for 365 days, the second for 3,650


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    time = Authority.make("Old time")
    with serving(time) as url:
        yield World(CertificateAuthority.make("Hospital root"), time, url)


@pytest.fixture(scope="module")
def newer() -> Authority:
    return Authority.make("New time", days=3650)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, world: World) -> Path:
    issuer = Issuer(world.signer(Role.ISSUER), [world.authority.root])
    folder = tmp_path_factory.mktemp("made") / "bundle"
    return write_bundle(folder, issuer, assurance=world.assurance(Level.B_LTA))


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bundle"))


def by(world: World, newer: Authority, url: str) -> Assurance:
    given = world.assurance(Level.B_LTA)
    return replace(
        given,
        tsa=url,
        certificates=(*given.certificates, newer.root),
        crls=(*given.crls, revocation_list(newer.root, newer.root_key)),
    )


def check(bundle: Path, world: World, *authorities: Authority) -> VerificationReport:
    return verify_bundle(
        bundle,
        roots=[world.authority.root],
        authorities=[each.root for each in authorities],
        at=datetime.now(UTC) + LATE,
    )


def codes(report: VerificationReport) -> set[str]:
    return {f.code for f in report.findings if f.severity is not Severity.NOTE}


def contents(bundle: Path) -> dict[str, bytes]:
    return {str(p.relative_to(bundle)): p.read_bytes() for p in bundle.rglob("*") if p.is_file()}


def test_a_renewed_bundle_outlives_the_first_authority(
    bundle: Path, world: World, newer: Authority
) -> None:
    before = check(bundle, world, world.time, newer)
    assert before.verdict is VerificationVerdict.INDETERMINATE
    assert {"stamp_expired", "time_expired", "certificate_time"} <= codes(before)
    trusted = Trusted(roots=[world.authority.root], authorities=[world.time.root, newer.root])
    with serving(newer) as url:
        grown = renew(bundle, assurance=by(world, newer, url), trusted=trusted)
    assert {str(path.relative_to(bundle)) for path in grown} == {
        f"{folder}/{name}" for folder, pdf in FOLDERS.items() for name in (pdf, STAMPS)
    }
    after = check(bundle, world, world.time, newer)
    assert (after.verdict, codes(after)) == (VerificationVerdict.VALID, set())
    assert "in the lists that the document holds" in next(
        f.text for f in after.findings if f.code == "revocation"
    )
    # Who does not know the newer authority cannot believe the older, expired one.
    assert {"stamp_untrusted", "stamp_expired"} <= codes(check(bundle, world, world.time))


def test_a_folder_without_a_token_gets_its_first(
    bundle: Path, world: World, newer: Authority
) -> None:
    (bundle / "public" / STAMPS).unlink()
    trusted = Trusted(roots=[world.authority.root], authorities=[world.time.root, newer.root])
    with serving(newer) as url:
        renew(bundle, assurance=by(world, newer, url), trusted=trusted)
    tokens = {
        folder: len(json.loads((bundle / folder / STAMPS).read_bytes())["tokens"])
        for folder in FOLDERS
    }
    assert tokens == {"public": 1, "internal": 2}


def test_a_renewal_that_does_not_verify_leaves_every_byte(
    bundle: Path, world: World, newer: Authority
) -> None:
    """Of an authority that the person who renews does not trust; then one that gives nothing."""
    held = contents(bundle)
    trusted = Trusted(roots=[world.authority.root], authorities=[world.time.root])
    with serving(newer) as url, pytest.raises(InputError, match="authority that you trust"):
        renew(bundle, assurance=by(world, newer, url), trusted=trusted)
    assert contents(bundle) == held
    with serving(newer, fault="refused") as url, pytest.raises(InputError, match="no time stamp"):
        renew(bundle, assurance=by(world, newer, url), trusted=trusted)
    assert contents(bundle) == held
    (bundle / "public" / STAMPS).unlink()
    held = contents(bundle)
    with serving(newer) as url, pytest.raises(InputError, match="authority that you trust"):
        renew(bundle, assurance=by(world, newer, url), trusted=trusted)
    assert contents(bundle) == held


def test_a_damaged_chain_is_not_renewed(bundle: Path, world: World, newer: Authority) -> None:
    path = bundle / "public" / STAMPS
    path.write_bytes((bundle / "internal" / STAMPS).read_bytes())
    held = contents(bundle)
    trusted = Trusted(roots=[world.authority.root], authorities=[world.time.root, newer.root])
    with serving(newer) as url, pytest.raises(InputError, match="stamp_refused"):
        renew(bundle, assurance=by(world, newer, url), trusted=trusted)
    assert contents(bundle) == held
