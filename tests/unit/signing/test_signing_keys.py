"""Keys: a trial authority, PKCS#12 files good and bad, passphrases, roots."""

from __future__ import annotations

import os
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dpsynth.errors import InputError
from dpsynth.signing.chain import DOCUMENT_SIGNING, EMAIL_PROTECTION, find_path
from dpsynth.signing.keys import (
    TrialAuthority,
    init_trial_authority,
    load_roots,
    load_signer,
    read_passphrase,
)
from dpsynth.signing.trial import TRIAL_MARK, is_trial

SECRET = b"correct horse"
# An hour ahead: keys that a slow run makes later than this line are valid by then.
NOW = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> TrialAuthority:
    folder = tmp_path_factory.mktemp("keys") / "new"
    return init_trial_authority(folder, organisation="Hospital", passphrase=SECRET, days=30)


def certificate(
    key: object,
    *,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
    ca: bool = False,
    depth: int | None = None,
    purpose: x509.ObjectIdentifier | None = DOCUMENT_SIGNING,
    signs: bool = True,
    name: str = "Somebody",
    days: tuple[int, int] = (-1, 30),
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = dict.fromkeys(
        (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    usage["key_cert_sign" if ca else "digital_signature"] = signs
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())  # type: ignore[attr-defined]
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=depth), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
    )
    if purpose is not None and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    signing_key = issuer[1] if issuer else key
    digest = None if isinstance(signing_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(signing_key, digest)  # type: ignore[arg-type]


def bag(path: Path, key: object, cert: x509.Certificate | None) -> Path:
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"x",
            key,
            cert,
            None,
            BestAvailableEncryption(SECRET),  # type: ignore[arg-type]
        )
    )
    return path


def test_the_trial_authority_makes_a_signer_that_its_root_vouches_for(
    trial: TrialAuthority,
) -> None:
    signer = load_signer(trial.signer, SECRET)
    roots = load_roots([trial.root])
    assert signer.name == "Hospital (TRIAL)"
    assert signer.chain == tuple(roots)
    assert find_path(signer.certificate, [], roots, NOW).root == roots[0]
    assert is_trial(signer.certificate)
    assert TRIAL_MARK == "Trial authority, not for legal use"
    purposes = signer.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [DOCUMENT_SIGNING, EMAIL_PROTECTION]
    assert isinstance(signer.certificate.public_key(), ec.EllipticCurvePublicKey)
    assert signer.certificate.public_key().curve.name == "secp256r1"
    assert roots[0].public_key().curve.name == "secp384r1"  # type: ignore[union-attr]
    assert "private_key" not in repr(signer)


def test_openssl_accepts_the_chain(trial: TrialAuthority, tmp_path: Path) -> None:
    leaf = tmp_path / "leaf.pem"
    for args in (
        [
            "pkcs12",
            "-in",
            str(trial.signer),
            "-nokeys",
            "-clcerts",
            "-passin",
            "pass:correct horse",
        ],
        ["verify", "-x509_strict", "-purpose", "smimesign", "-CAfile", str(trial.root), str(leaf)],
    ):
        done = subprocess.run(["openssl", *args], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        leaf.write_bytes(done.stdout)


def test_private_files_are_private(trial: TrialAuthority) -> None:
    for path in (trial.root_key, trial.signer):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"BEGIN PRIVATE" not in path.read_bytes()
    assert stat.S_IMODE(trial.signer.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["root.pem", "root.key.pem", "signer.p12"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds keys already"):
        init_trial_authority(tmp_path, organisation="H", passphrase=SECRET, days=1)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"organisation": " "}, "organisation"),
        ({"organisation": "x" * 41}, "organisation"),
        ({"organisation": "a\nb"}, "organisation"),
        ({"passphrase": b""}, "passphrase"),
        ({"days": 0}, "days"),
    ],
)
def test_unusable_values(tmp_path: Path, change: dict[str, object], where: str) -> None:
    values = {"organisation": "H", "passphrase": SECRET, "days": 1} | change
    with pytest.raises(InputError) as caught:
        init_trial_authority(tmp_path, **values)  # type: ignore[arg-type]
    assert caught.value.where == where
    assert not os.listdir(tmp_path)


def test_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        init_trial_authority(tmp_path / "file" / "x", organisation="H", passphrase=SECRET, days=1)


def test_a_wrong_passphrase(trial: TrialAuthority) -> None:
    for wrong in (b"wrong", b""):
        with pytest.raises(InputError, match="passphrase does not open"):
            load_signer(trial.signer, wrong)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x30\x82" + b"\x00" * 50])
def test_not_a_key_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.p12"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a PKCS#12 file"):
        load_signer(path, SECRET)


def test_a_missing_key_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_signer(tmp_path / "none.p12", SECRET)


def test_certificates_out_of_their_time(trial: TrialAuthority) -> None:
    with pytest.raises(InputError, match="expired on"):
        load_signer(trial.signer, SECRET, at=NOW + timedelta(days=31))
    with pytest.raises(InputError, match="not valid before"):
        load_signer(trial.signer, SECRET, at=NOW - timedelta(days=31))


def test_keys_that_are_refused(tmp_path: Path) -> None:
    for key, words in (
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519 keys are not accepted, because common PDF"),
        (rsa.generate_private_key(65537, 2048), "3072"),
        (ec.generate_private_key(ec.SECP521R1()), "secp521r1"),
    ):
        with pytest.raises(InputError, match=words):
            load_signer(bag(tmp_path / "k.p12", key, certificate(key)), SECRET)


def test_keys_that_are_accepted(tmp_path: Path) -> None:
    for key in (ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 3072)):
        signer = load_signer(bag(tmp_path / "k.p12", key, certificate(key)), SECRET)
        assert signer.name == "Somebody"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"purpose": ExtendedKeyUsageOID.SERVER_AUTH}, "another purpose"),
        ({"purpose": None}, "key usage is missing"),
        ({"signs": False}, "does not allow signatures"),
    ],
)
def test_certificates_for_other_purposes(
    tmp_path: Path, options: dict[str, object], words: str
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    cert = certificate(key, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words):
        load_signer(bag(tmp_path / "k.p12", key, cert), SECRET)


def test_a_file_without_key_or_certificate(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(InputError, match="no private key"):
        load_signer(bag(tmp_path / "k.p12", key, None), SECRET)
    with pytest.raises(InputError, match="no private key"):
        load_signer(bag(tmp_path / "k.p12", None, certificate(key)), SECRET)


def test_paths_through_an_intermediate() -> None:
    root_key, middle_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = certificate(root_key, ca=True, name="Root")
    middle = certificate(middle_key, ca=True, name="Middle", issuer=(root, root_key))
    leaf = certificate(key, issuer=(middle, middle_key))
    assert find_path(leaf, [middle], [root], NOW).root == root
    assert find_path(leaf, [], [root], NOW).root is None
    assert find_path(leaf, [middle, root], [certificate(key, ca=True)], NOW).root is None
    late = find_path(leaf, [middle], [root], NOW + timedelta(days=90))
    assert (late.root, late.expired) == (root, True)


def test_paths_that_must_not_hold() -> None:
    root_key, middle_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = certificate(root_key, ca=True, name="Root")
    short = certificate(root_key, ca=True, name="Root", depth=0)
    middle = certificate(middle_key, ca=True, name="Middle", issuer=(root, root_key))
    leaf = certificate(key, issuer=(middle, middle_key))
    assert find_path(leaf, [middle], [short], NOW).root is None, "path length"
    for fake in (
        certificate(middle_key, ca=False, name="Middle", issuer=(root, root_key)),
        certificate(middle_key, ca=True, signs=False, name="Middle", issuer=(root, root_key)),
        certificate(middle_key, ca=True, name="Middle", issuer=(root, key)),
    ):
        assert find_path(leaf, [fake], [root], NOW).root is None
    never = certificate(middle_key, ca=True, name="Middle", issuer=(root, root_key), days=(40, 50))
    assert find_path(leaf, [never], [root], NOW).root is None, "valid at no common time"
    for bad in (ExtendedKeyUsageOID.SERVER_AUTH, None):
        path = find_path(certificate(key, issuer=(root, root_key), purpose=bad), [], [root], NOW)
        assert path.root is None and path.problem


def test_a_passphrase_comes_from_a_file_then_the_environment_then_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_bytes("sésame\r\nsecond line\n".encode())
    monkeypatch.setenv("DPSYNTH_TEST_PASSPHRASE", "from environment")

    def ask(_: str) -> str:
        return "from a person"

    env = "DPSYNTH_TEST_PASSPHRASE"
    assert read_passphrase(file=path, env=env, prompt=ask) == "sésame".encode()
    assert read_passphrase(file=None, env=env, prompt=ask) == b"from environment"
    monkeypatch.delenv(env)
    assert read_passphrase(file=None, env=env, prompt=ask) == b"from a person"
    with pytest.raises(InputError, match="no passphrase"):
        read_passphrase(file=None, env=env, prompt=None)
    with pytest.raises(InputError, match="empty"):
        read_passphrase(file=None, env=env, prompt=lambda _: "")
    path.write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        read_passphrase(file=path, env=env, prompt=ask)
    with pytest.raises(InputError, match="cannot be read"):
        read_passphrase(file=tmp_path / "none", env=env, prompt=ask)


def test_roots(trial: TrialAuthority, tmp_path: Path) -> None:
    root = load_roots([trial.root])[0]
    both = tmp_path / "both.pem"
    both.write_bytes(trial.root.read_bytes() * 2)
    assert load_roots([both]) == [root, root]
    with pytest.raises(InputError, match="--trust"):
        load_roots([])
    with pytest.raises(InputError, match="not a certificate"):
        load_roots([trial.signer])
    leaf = tmp_path / "leaf.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    leaf.write_bytes(certificate(key).public_bytes(Encoding.DER))
    with pytest.raises(InputError, match="not the certificate of an authority"):
        load_roots([leaf])
