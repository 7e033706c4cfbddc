"""Envelopes, statements and manifests; openssl is the independent oracle."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from dpsynth.errors import InputError
from dpsynth.signing.chain import DOCUMENT_SIGNING
from dpsynth.signing.dsse import PAYLOAD_TYPE, open_envelope, pae, sign_envelope
from dpsynth.signing.keys import Signer, init_trial_authority, load_roots, load_signer
from dpsynth.signing.manifest import MANIFEST, MANIFEST_TYPE, list_folder, manifest_statement
from dpsynth.signing.statement import parse_statement, statement

# An hour ahead: keys that a slow run makes later than this line are valid by then.
NOW = datetime.now(UTC) + timedelta(hours=1)
PAYLOAD = statement({"a.csv": "0" * 64}, "https://example.org/v1", {"n": 1})


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    made = init_trial_authority(
        tmp_path_factory.mktemp("k"), organisation="Hospital", passphrase=b"x", days=30
    )
    return load_signer(made.signer, b"x")


@pytest.fixture(scope="module")
def roots(signer: Signer) -> list[x509.Certificate]:
    return [signer.chain[-1]]


def self_signed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Signer:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Key")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([DOCUMENT_SIGNING]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Signer(private_key=key, certificate=certificate)


def test_the_encoding_of_the_standard() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@pytest.mark.parametrize(
    ("make", "digest"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), "-sha256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "-sha384"),
        (lambda: rsa.generate_private_key(65537, 3072), "-sha256"),
    ],
    ids=["P-256", "P-384", "RSA-3072"],
)
def test_openssl_verifies_the_signature(tmp_path: Path, make: object, digest: str) -> None:
    signer = self_signed(make())  # type: ignore[operator]
    tree = json.loads(sign_envelope(PAYLOAD, signer))
    files = {
        "key.pem": signer.certificate.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ),
        "sig": base64.b64decode(tree["signatures"][0]["sig"]),
        "good": pae(tree["payloadType"], base64.b64decode(tree["payload"])),
        "bad": pae(tree["payloadType"] + "x", base64.b64decode(tree["payload"])),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for name, code in (("good", 0), ("bad", 1)):
        command = ["openssl", "dgst", digest, "-verify", "key.pem", "-signature", "sig", name]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == code, done.stdout


def test_a_signed_payload_comes_back(signer: Signer, roots: list[x509.Certificate]) -> None:
    opened = open_envelope(sign_envelope(PAYLOAD, signer), roots, NOW)
    assert (opened.payload, opened.problems) == (PAYLOAD, ())
    assert opened.signer_name == "Hospital (TRIAL)"
    assert opened.path is not None and not opened.path.expired


def test_a_root_never_travels(signer: Signer) -> None:
    tree = json.loads(sign_envelope(PAYLOAD, signer))
    assert tree["payloadType"] == PAYLOAD_TYPE
    assert tree["signatures"][0]["intermediates"] == []


def test_every_byte_counts(signer: Signer, roots: list[x509.Certificate]) -> None:
    envelope = sign_envelope(PAYLOAD, signer)
    for position in range(len(envelope)):
        damaged = bytearray(envelope)
        damaged[position] ^= 1
        opened = open_envelope(bytes(damaged), roots, NOW)
        assert opened.problems and opened.payload is None


@pytest.mark.parametrize(
    "spell",
    [
        lambda e: e + b"\n",
        lambda e: json.dumps(json.loads(e)).encode(),
        lambda e: e.replace(b'"payload":', b'"payload":"","payload":', 1),
        lambda e: rfc8785.dumps({**json.loads(e), "extra": 1}),
        lambda e: rfc8785.dumps({**json.loads(e), "signatures": json.loads(e)["signatures"] * 2}),
    ],
    ids=["newline", "spaces", "duplicate key", "extra key", "two signatures"],
)
def test_other_spellings_are_refused(
    signer: Signer, roots: list[x509.Certificate], spell: object
) -> None:
    envelope = spell(sign_envelope(PAYLOAD, signer))  # type: ignore[operator]
    assert open_envelope(envelope, roots, NOW).payload is None


def test_a_stranger_is_refused_by_name(
    tmp_path: Path, signer: Signer, roots: list[x509.Certificate]
) -> None:
    made = init_trial_authority(tmp_path, organisation="Stranger", passphrase=b"x", days=30)
    opened = open_envelope(
        sign_envelope(PAYLOAD, load_signer(made.signer, b"x")), load_roots([made.root]), NOW
    )
    assert opened.payload == PAYLOAD
    opened = open_envelope(sign_envelope(PAYLOAD, load_signer(made.signer, b"x")), roots, NOW)
    assert opened.payload is None
    assert opened.signer_name == "Stranger (TRIAL)"
    assert "trusted root" in opened.problems[0]


def test_expiry_is_told_apart(signer: Signer, roots: list[x509.Certificate]) -> None:
    opened = open_envelope(sign_envelope(PAYLOAD, signer), roots, NOW + timedelta(days=99))
    assert opened.payload == PAYLOAD
    assert opened.path is not None and opened.path.expired


def test_a_statement_comes_back() -> None:
    read = parse_statement(PAYLOAD)
    assert read.subjects == {"a.csv": "0" * 64}
    assert read.predicate_type == "https://example.org/v1"
    assert read.predicate == {"n": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"subject": []},
        {"subject": {}},
        {"subject": [{"name": "a", "digest": {"sha256": "0" * 63}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "G" * 64}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "0" * 64, "sha512": "0"}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "0" * 64}}] * 2},
        {"subject": [{"name": 1, "digest": {"sha256": "0" * 64}}]},
        {"subject": ["a"]},
        {"predicate": []},
        {"predicateType": 1},
        {"more": 1},
    ],
)
def test_malformed_statements(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="is not|has|names"):
        parse_statement(rfc8785.dumps(json.loads(PAYLOAD) | change))
    with pytest.raises(ValueError, match="canonical"):
        parse_statement(PAYLOAD + b" ")


def test_a_manifest_lists_every_other_file(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("b.txt", "a.txt", "model/x.npz", MANIFEST):
        (tmp_path / name).write_text(name)
    read = parse_statement(manifest_statement(tmp_path, {"folder": "internal"}))
    assert read.predicate_type == MANIFEST_TYPE
    assert read.subjects == {
        name: hashlib.sha256(name.encode()).hexdigest()
        for name in ("a.txt", "b.txt", "model/x.npz")
    }


def test_a_manifest_refuses_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "d").symlink_to(tmp_path)
    assert list_folder(tmp_path) == ([], ["a", "d"])
    with pytest.raises(InputError, match="neither a file"):
        manifest_statement(tmp_path, {})


def test_no_certificate_that_a_stranger_made_raises(
    signer: Signer, roots: list[x509.Certificate]
) -> None:
    """Every bit of the certificate in turn; a version that does not exist is one of them."""
    envelope = json.loads(sign_envelope(PAYLOAD, signer))
    der = signer.certificate.public_bytes(Encoding.DER)
    for bit in range(0, len(der) * 8, 3):
        spoiled = bytearray(der)
        spoiled[bit // 8] ^= 1 << (bit % 8)
        body = base64.encodebytes(bytes(spoiled)).decode()
        lines = [body.replace("\n", "")[i : i + 64] for i in range(0, len(body), 64)]
        text = "\n".join(line for line in lines if line)
        pem = f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
        for keyid in (
            envelope["signatures"][0]["keyid"],
            hashlib.sha256(bytes(spoiled)).hexdigest(),
        ):
            tree = json.loads(json.dumps(envelope))
            tree["signatures"][0] |= {"cert": pem, "keyid": keyid}
            opened = open_envelope(rfc8785.dumps(tree), roots, NOW)
            assert opened.certificate != signer.certificate
