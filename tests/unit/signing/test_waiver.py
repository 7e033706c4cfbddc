"""Waivers hold for one gate, one release, one policy and a time; everything else is refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
import yaml

from dpsynth.errors import DpsynthError, InputError, PolicyRefusal
from dpsynth.policy import Policy, load_policy
from dpsynth.signing.chain import fingerprint
from dpsynth.signing.dsse import sign_envelope
from dpsynth.signing.keys import Signer, init_trial_authority, load_signer
from dpsynth.signing.statement import parse_statement, statement
from dpsynth.signing.waiver import WAIVER_TYPE, read_waiver, sign_waiver

# An hour ahead: keys that a slow run makes later than this line are valid by then.
NOW = datetime.now(UTC) + timedelta(hours=1)
TODAY = NOW.date()
ASKED: dict[str, Any] = {
    "gate": "tvd_1way",
    "release": "spring",
    "lineage": "patients",
    "reason": "The recipient asked for single columns only to test its loader.",
    "issued": TODAY,
    "expires": TODAY + timedelta(days=20),
}


def keys(folder: Path, name: str, days: int = 400) -> Signer:
    made = init_trial_authority(folder / name, organisation=name, passphrase=b"x", days=days)
    return load_signer(made.signer, b"x", at=NOW)


@pytest.fixture(scope="module")
def officer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return keys(tmp_path_factory.mktemp("k"), "Officer")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return keys(tmp_path_factory.mktemp("k"), "Stranger")


def policy_of(folder: Path, *signers: Signer, name: str = "ours", days: int = 30) -> Policy:
    tree = {
        "version": 2, "name": name, "title": "x", "description": "x", "extends": ["default"],
        "waivers": {
            "allowed_gates": ["tvd_1way", "linkability"], "max_days": days,
            "signers": [fingerprint(signer.certificate) for signer in signers],
            "reason": "x", "source": "x",
        },
    }  # fmt: skip
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(tree))
    return load_policy(path)


@pytest.fixture
def policy(tmp_path: Path, officer: Signer) -> Policy:
    return policy_of(tmp_path, officer)


def read(folder: Path, content: bytes, policy: Policy, **changes: Any) -> Any:
    path = folder / "waiver.json"
    path.write_bytes(content)
    asked = {"release": "spring", "lineage": "patients", "now": NOW}
    return read_waiver(path, policy, **(asked | changes))


def test_a_waiver_that_holds(tmp_path: Path, policy: Policy, officer: Signer) -> None:
    waiver = read(tmp_path, sign_waiver(policy, officer, **ASKED), policy)
    assert (waiver.gate, waiver.reason, waiver.expires) == tuple(
        ASKED[key] for key in ("gate", "reason", "expires")
    )
    assert waiver.signer == officer.name and len(waiver.sha256) == 64
    last = NOW + timedelta(days=20)
    assert read(tmp_path, sign_waiver(policy, officer, **ASKED), policy, now=last)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"release": "summer"}, "another release"),
        ({"lineage": "visitors"}, "another lineage"),
        ({"now": NOW + timedelta(days=21)}, "not today"),
        ({"now": NOW - timedelta(days=1)}, "not valid now|not today"),
    ],
)
def test_a_waiver_for_something_else(
    tmp_path: Path, policy: Policy, officer: Signer, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, sign_waiver(policy, officer, **ASKED), policy, **changes)


def test_a_waiver_is_for_the_policy_as_it_was(
    tmp_path: Path, policy: Policy, officer: Signer
) -> None:
    content = sign_waiver(policy, officer, **ASKED)
    for other in (
        policy_of(tmp_path, officer, name="other"),
        policy_of(tmp_path, officer, days=29),
    ):
        with pytest.raises(InputError, match="another policy"):
            read(tmp_path, content, other)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"gate": "inference"}, PolicyRefusal, "tvd_1way"),
        ({"gate": "selftest"}, PolicyRefusal, "does not allow"),
        ({"gate": "max_epsilon"}, PolicyRefusal, "Limits hold always"),
        ({"reason": " "}, InputError, "reason"),
        ({"reason": "x" * 301}, InputError, "reason"),
        ({"reason": "a\nb"}, InputError, "reason"),
        ({"expires": TODAY + timedelta(days=31)}, InputError, "30 days"),
        ({"expires": TODAY - timedelta(days=1)}, InputError, "not before"),
        ({"expires": date(9999, 1, 1)}, InputError, "30 days"),
    ],
)
def test_what_the_policy_does_not_allow_is_neither_written_nor_read(
    tmp_path: Path,
    policy: Policy,
    officer: Signer,
    changes: dict[str, Any],
    error: type[DpsynthError],
    words: str,
) -> None:
    asked = ASKED | changes
    with pytest.raises(error, match=words):
        sign_waiver(policy, officer, **asked)
    said = {key: str(value) for key, value in asked.items()} | {"policy": policy.name}
    forged = sign_envelope(statement({"policy": policy.digest}, WAIVER_TYPE, said), officer)
    with pytest.raises((InputError, PolicyRefusal)):
        read(tmp_path, forged, policy)


def test_a_stranger_waives_nothing(
    tmp_path: Path, policy: Policy, officer: Signer, stranger: Signer
) -> None:
    with pytest.raises(PolicyRefusal, match=fingerprint(stranger.certificate)):
        sign_waiver(policy, stranger, **ASKED)
    honest = json.loads(sign_waiver(policy, officer, **ASKED))
    payload = base64.b64decode(honest["payload"])
    with pytest.raises(InputError, match="not among those"):
        read(tmp_path, sign_envelope(payload, stranger), policy)
    forged = json.loads(sign_envelope(payload, stranger))
    forged["signatures"][0] |= {k: honest["signatures"][0][k] for k in ("cert", "keyid")}
    with pytest.raises(InputError, match="does not fit"):
        read(tmp_path, rfc8785.dumps(forged), policy)


def test_policies_that_allow_none(tmp_path: Path, policy: Policy, officer: Signer) -> None:
    content = sign_waiver(policy, officer, **ASKED)
    for name in ("default", "strict"):
        with pytest.raises(PolicyRefusal, match="allows no waiver"):
            read(tmp_path, content, load_policy(name))
        with pytest.raises(PolicyRefusal, match="allows no waiver"):
            sign_waiver(load_policy(name), officer, **ASKED)


def test_every_spoiled_byte_is_seen(tmp_path: Path, policy: Policy, officer: Signer) -> None:
    content = sign_waiver(policy, officer, **ASKED)
    for place in range(0, len(content), 37):
        spoiled = bytearray(content)
        spoiled[place] ^= 1
        with pytest.raises(InputError):
            read(tmp_path, bytes(spoiled), policy)


def test_another_statement_is_no_waiver(tmp_path: Path, policy: Policy, officer: Signer) -> None:
    honest = parse_statement(
        base64.b64decode(json.loads(sign_waiver(policy, officer, **ASKED))["payload"])
    )
    said = dict(honest.predicate)
    for kind, predicate in (
        ("https://example.org/v1", said),
        (WAIVER_TYPE, said | {"more": "x"}),
        (WAIVER_TYPE, {k: v for k, v in said.items() if k != "issued"}),
        (WAIVER_TYPE, said | {"expires": 5}),
        (WAIVER_TYPE, said | {"expires": "soon"}),
    ):
        forged = sign_envelope(statement(honest.subjects, kind, predicate), officer)
        with pytest.raises(InputError, match="no waiver|a day that is none"):
            read(tmp_path, forged, policy)


def test_an_expired_certificate_waives_nothing(tmp_path: Path) -> None:
    short = keys(tmp_path, "Short", days=5)
    policy = policy_of(tmp_path, short)
    content = sign_waiver(policy, short, **ASKED)
    with pytest.raises(InputError, match="not valid now"):
        read(tmp_path, content, policy, now=NOW + timedelta(days=10))
