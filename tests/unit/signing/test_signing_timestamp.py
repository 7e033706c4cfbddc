"""Time stamps against an authority that the test runs itself: what is asked, kept and believed."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import cms, tsp
from time_authority import Authority, serving

from dpsynth.errors import InputError
from dpsynth.signing.timestamp import LARGEST_TOKEN, Trust, check_token, request_token

MESSAGE = b"the head of a ledger"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make("Test authority")


@pytest.fixture(scope="module")
def token(authority: Authority) -> bytes:
    with serving(authority) as url:
        return request_token(MESSAGE, url)


def test_only_the_digest_is_sent_and_the_token_says_when(authority: Authority) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    authority.asked.clear()
    with serving(authority) as url:
        token = request_token(MESSAGE, url)
    [request] = authority.asked
    asked = tsp.TimeStampReq.load(request)
    assert asked["message_imprint"]["hashed_message"].native == hashlib.sha256(MESSAGE).digest()
    assert MESSAGE not in request and asked["nonce"].native is not None
    stamp = check_token(token, MESSAGE)
    assert before <= stamp.time <= datetime.now(UTC) + timedelta(seconds=1)
    assert (stamp.authority, stamp.trust) == ("Test authority", Trust.NOT_CHECKED)


def test_trust_comes_from_the_reader_alone(authority: Authority, token: bytes) -> None:
    other = Authority.make("Test authority")
    assert check_token(token, MESSAGE, [authority.root]).trust is Trust.TRUSTED
    assert check_token(token, MESSAGE, [other.root]).trust is Trust.UNTRUSTED
    assert check_token(token, MESSAGE, [other.root, authority.root]).trust is Trust.TRUSTED


def test_an_authority_that_expired_since_is_named(authority: Authority, token: bytes) -> None:
    later = datetime.now(UTC) + timedelta(days=5000)
    assert check_token(token, MESSAGE, [authority.root], at=later).trust is Trust.EXPIRED
    other = Authority.make("Test authority")
    assert check_token(token, MESSAGE, [other.root], at=later).trust is Trust.UNTRUSTED


def test_a_certificate_for_another_purpose_is_no_authority() -> None:
    signer = Authority.make("Signer of letters", stamps=False)
    with serving(signer) as url:
        token = request_token(MESSAGE, url)
    assert check_token(token, MESSAGE, [signer.root]).trust is Trust.UNTRUSTED


def test_a_token_of_other_bytes_is_refused(token: bytes) -> None:
    with pytest.raises(InputError, match="something else"):
        check_token(token, MESSAGE + b"!")


def test_a_changed_token_is_refused(token: bytes) -> None:
    """Every tenth byte is changed in turn; none may pass as a stamp of another time."""
    genuine = check_token(token, MESSAGE)
    for place in range(0, len(token), 10):
        changed = bytearray(token)
        changed[place] ^= 1
        try:
            assert check_token(bytes(changed), MESSAGE).time == genuine.time
        except InputError:
            continue


def test_a_stamp_whose_time_was_moved_is_refused(authority: Authority, token: bytes) -> None:
    info = cms.ContentInfo.load(token)
    content = info["content"]["encap_content_info"]
    stamped = tsp.TSTInfo.load(content["content"].parsed.dump())
    stamped["gen_time"] = datetime(2020, 1, 1, tzinfo=UTC)
    content["content"] = cms.ParsableOctetString(stamped.dump(force=True))
    with pytest.raises(InputError, match="does not hold"):
        check_token(info.dump(force=True), MESSAGE, [authority.root])


@pytest.mark.parametrize(
    "junk", [b"", b"\x30\x03\x02\x01\x01", b"x" * 100, b"\x30" * LARGEST_TOKEN + b"\x30"]
)
def test_junk_is_no_time_stamp(junk: bytes) -> None:
    with pytest.raises(InputError, match="time stamp"):
        check_token(junk, MESSAGE)


def test_a_signed_message_is_no_time_stamp(token: bytes) -> None:
    info = cms.ContentInfo.load(token)
    info["content"]["encap_content_info"]["content_type"] = "data"
    with pytest.raises(InputError, match="time stamp"):
        check_token(info.dump(force=True), MESSAGE)


@pytest.mark.parametrize("fault", ["status", "junk", "type", "refused", "nonce", "other"])
def test_an_authority_that_answers_wrongly(authority: Authority, fault: str) -> None:
    with serving(authority, fault=fault) as url, pytest.raises(InputError) as caught:
        request_token(MESSAGE, url)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://nobody.invalid/"])
def test_an_authority_that_cannot_be_reached(url: str) -> None:
    with pytest.raises(InputError, match="gave no time stamp"):
        request_token(MESSAGE, url)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "tsa.example", "ftp://tsa.example"])
def test_only_http(url: str) -> None:
    with pytest.raises(InputError, match="http or https"):
        request_token(MESSAGE, url)


def test_base64_of_a_token_reads_back(token: bytes) -> None:
    assert check_token(base64.b64decode(base64.b64encode(token)), MESSAGE)
