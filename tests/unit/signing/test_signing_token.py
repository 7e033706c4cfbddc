"""Keys on a device, with SoftHSM as the device; openssl-compatible signatures, PDFs, refusals."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from certificates import CertificateAuthority, new_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dpsynth.reports.levels import to_asn1
from dpsynth.reports.pdf import render_pdf
from dpsynth.reports.sign import sign_pdf
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import KeyUsageConstraints, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from dpsynth.errors import InputError
from dpsynth.pipeline.prepare import load_release_signer
from dpsynth.pipeline.settings import ReleaseSettings
from dpsynth.signing.dsse import open_envelope, sign_envelope
from dpsynth.signing.statement import statement
from dpsynth.signing.token import load_token_signer

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
MODULE = next((path for path in MODULES if Path(path).exists()), "")
PIN = "12345678"
KINDS = ("RSA-3072", "P-256", "P-384")
PAYLOAD = statement({"a.csv": "0" * 64}, "https://example.org/v1", {"n": 1})

pytestmark = pytest.mark.skipif(
    not MODULE or shutil.which("softhsm2-util") is None,
    reason="SoftHSM (Debian: softhsm2) is not installed",
)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.make("Hospital root")


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory, authority: CertificateAuthority) -> str:
    """A token with a key of each kind, its certificate and the root; returns its URI up to `;`."""
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    import pkcs11

    run = ["softhsm2-util", "--init-token", "--free", "--label", "test", "--pin", PIN]
    subprocess.run([*run, "--so-pin", PIN], check=True, capture_output=True)
    for number, kind in enumerate(KINDS):
        key = new_key(kind)
        path = folder / "key.pem"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        command = ["softhsm2-util", "--import", path, "--token", "test", "--pin", PIN]
        command += ["--label", kind, "--id", f"0{number + 1}"]
        subprocess.run(command, check=True, capture_output=True)
        _store(pkcs11, kind, authority.certificate(key, f"Signer {kind}"))
    _store(pkcs11, "root", authority.root)
    return "pkcs11:token=test;object="


def _store(pkcs11: object, label: str, certificate: object) -> None:
    from pkcs11 import Attribute, CertificateType, ObjectClass, lib

    with lib(MODULE).get_token(token_label="test").open(user_pin=PIN, rw=True) as session:
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.CERTIFICATE,
                Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
                Attribute.TOKEN: True,
                Attribute.LABEL: label,
                Attribute.SUBJECT: certificate.subject.public_bytes(),
                Attribute.VALUE: certificate.public_bytes(Encoding.DER),
            }
        )


def uri(token: str, label: str) -> str:
    return f"{token}{label}?module-path={MODULE}"


@pytest.mark.parametrize("kind", KINDS)
def test_envelopes_and_documents(token: str, authority: CertificateAuthority, kind: str) -> None:
    signer = load_token_signer(uri(token, kind), PIN.encode())
    assert (signer.name, signer.chain) == (f"Signer {kind}", (authority.root,))
    assert PIN not in repr(signer) and PIN not in repr(signer.private_key)
    opened = open_envelope(sign_envelope(PAYLOAD, signer), [authority.root], datetime.now(UTC))
    assert (opened.payload, opened.problems) == (PAYLOAD, ())
    unsigned = render_pdf(
        "<html lang=en><title>t</title><p id=signature-box style='height:60px'></p>",
        attachments=[],
        title="t",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        identifier=b"1",
    ).pdf
    signed = sign_pdf(unsigned, signer, lines=["Signed"])
    (signature,) = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    context = ValidationContext(trust_roots=[to_asn1(authority.root)])
    usage = KeyUsageConstraints(key_usage={"digital_signature"})
    assert validate_pdf_signature(signature, context, key_usage_settings=usage).bottom_line


@pytest.mark.parametrize(
    ("change", "pin", "words"),
    [
        (lambda text: text, "00000000", "PIN does not open"),
        (lambda text: text.replace("token=test", "token=none"), PIN, "cannot be used"),
        (lambda text: text.replace("libsofthsm2", "nothing"), PIN, "cannot be used"),
        (lambda text: text.replace("P-256", "nobody"), PIN, "no single certificate"),
        (lambda text: text.replace("P-256", "root"), PIN, "cannot sign evidence"),
        (lambda text: text + "&pin-value=12345678", PIN, "nothing else"),
        (lambda text: "pkcs11:", PIN, "must name"),
    ],
)
def test_refusals_name_what_is_wrong(token: str, change: object, pin: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        load_token_signer(change(uri(token, "P-256")), pin.encode())  # type: ignore[operator]
    assert PIN not in str(refused.value)


def test_a_release_takes_the_uri_in_place_of_a_file(token: str, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text(f"{PIN}\n")
    settings = ReleaseSettings(key=Path(uri(token, "P-256")), passphrase_file=tmp_path / "pin")
    assert load_release_signer(settings.key, settings.passphrase_file, None).name == "Signer P-256"
