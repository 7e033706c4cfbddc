"""What each PAdES level needs, and that none silently becomes a lower one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from certificates import CertificateAuthority, new_key, revocation_list
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    pkcs12,
)
from dpsynth.reports.pdf import render_pdf
from dpsynth.reports.sign import sign_pdf
from time_authority import Authority, serving

from dpsynth.errors import InputError
from dpsynth.signing.keys import load_crls, load_signer
from dpsynth.signing.levels import Assurance, Level, assurance_of

URL = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def ca() -> CertificateAuthority:
    return CertificateAuthority.make("Hospital root")


@pytest.fixture(scope="module")
def time() -> Authority:
    return Authority.make("Time")


@pytest.fixture(scope="module")
def url(time: Authority) -> Iterator[str]:
    with serving(time) as found:
        yield found


@pytest.fixture(scope="module")
def unsigned() -> bytes:
    return render_pdf(
        "<html lang=en><title>t</title><p id=signature-box style='height:60px'></p>",
        attachments=[],
        title="t",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        identifier=b"1",
    ).pdf


def test_the_level_follows_from_what_is_declared() -> None:
    assert assurance_of(None, None).level is Level.B_B
    assert assurance_of(None, URL).level is Level.B_T
    assert assurance_of("B-LTA", URL, crls=[b"x"]).level is Level.B_LTA


@pytest.mark.parametrize(
    ("level", "tsa", "crls", "words"),
    [
        ("B-X", None, [], "must be one of"),
        ("B-T", None, [], "needs a time-stamping authority"),
        ("B-LTA", None, [b"x"], "needs a time-stamping authority"),
        ("B-B", URL, [], "holds no time stamp"),
        ("B-LT", URL, [], "needs revocation lists"),
    ],
)
def test_a_level_that_lacks_something(
    level: str, tsa: str | None, crls: list[bytes], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        assurance_of(level, tsa, crls=crls)


@pytest.mark.parametrize("fault", ["junk", "refused", "nonce", "other", "status", "type"])
def test_an_authority_that_answers_wrongly(
    time: Authority, ca: CertificateAuthority, unsigned: bytes, fault: str
) -> None:
    with serving(time, fault=fault) as broken, pytest.raises(InputError):
        sign_pdf(
            unsigned,
            ca.signer("Hospital"),
            lines=["Signed"],
            assurance=Assurance(level=Level.B_T, tsa=broken),
        )


def test_long_term_needs_a_list_in_force_of_every_issuer(
    time: Authority, ca: CertificateAuthority, unsigned: bytes, url: str
) -> None:
    signer = ca.signer("Hospital")
    theirs = revocation_list(time.root, time.root_key)
    faults = {
        "none of the signer's issuer": [theirs],
        "none of the authority's issuer": [ca.crl()],
        "expired": [ca.crl(days=-1), theirs],
        "of another key": [CertificateAuthority.make("Hospital root").crl(), theirs],
        "the signer is revoked": [ca.crl([signer.certificate]), theirs],
    }
    for crls in faults.values():
        assurance = Assurance(
            level=Level.B_LT, tsa=url, certificates=(ca.root, time.root), crls=tuple(crls)
        )
        with pytest.raises(InputError, match="do not reach"):
            sign_pdf(unsigned, signer, lines=["Signed"], assurance=assurance)
    good = Assurance(
        level=Level.B_LT, tsa=url, certificates=(ca.root, time.root), crls=(ca.crl(), theirs)
    )
    assert b"/DSS" in sign_pdf(unsigned, signer, lines=["Signed"], assurance=good)


def test_revocation_lists_come_from_files(tmp_path: Path, ca: CertificateAuthority) -> None:
    (tmp_path / "a.crl").write_bytes(ca.crl())
    assert load_crls([tmp_path / "a.crl"])[0] == (tmp_path / "a.crl").read_bytes()
    (tmp_path / "b.crl").write_bytes(ca.root.public_bytes(Encoding.PEM))
    with pytest.raises(InputError, match="revocation list"):
        load_crls([tmp_path / "b.crl"])


def test_ed25519_is_refused_with_the_reason(tmp_path: Path, ca: CertificateAuthority) -> None:
    key = new_key("Ed25519")
    content = pkcs12.serialize_key_and_certificates(
        b"x", key, ca.certificate(key, "Modern"), [ca.root], BestAvailableEncryption(b"x")
    )
    (tmp_path / "modern.p12").write_bytes(content)
    with pytest.raises(InputError, match="common PDF readers reject"):
        load_signer(tmp_path / "modern.p12", b"x")
