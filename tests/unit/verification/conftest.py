"""Issuers and bundles, made once; a test damages a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bundle_builder import Issuer, make_issuer, write_bundle


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return make_issuer(tmp_path_factory.mktemp("issuer"), "Example Hospital")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return make_issuer(tmp_path_factory.mktemp("stranger"), "Somebody Else")


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Path:
    return write_bundle(tmp_path_factory.mktemp("honest") / "bundle", issuer)


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Path:
    """Another release of the same issuer."""
    return write_bundle(tmp_path_factory.mktemp("other") / "bundle", issuer, "REL-2")


@pytest.fixture
def bundle(honest: Path, tmp_path: Path) -> Path:
    """A copy of the honest bundle that a test may damage."""
    return Path(shutil.copytree(honest, tmp_path / "bundle", symlinks=True))
