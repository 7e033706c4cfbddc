"""A release that three people sign, one after the other, with trusted time, and its renewal."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from certificates import CertificateAuthority, revocation_list
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    load_pem_private_key,
    pkcs12,
)
from steward import PASSPHRASE, Desk
from time_authority import Authority, serving

from dpsynth.signing.manifest import STAMPS


def declare(desk: Desk, url: str) -> Path:
    """Write a release file that pins the officer to a certificate, as openssl prints it."""
    path = desk.folder / "release.yaml"
    officer = (desk.folder / "dpo.sha256").read_text(encoding="utf-8")
    path.write_text(
        f"""\
name: clinic
lineage: clinic
data: {{source: data.csv, dictionary: dictionary.yaml}}
privacy: {{epsilon: 1, delta: 1e-6}}
policy: default.yaml
attacks: quick
output: {{paper: letter}}
sign:
  passphrase_file: passphrase
  tsa: {url}
  level: B-LTA
  certificates: [keys/root.pem, time.pem]
  crls: [signers.crl, time.crl]
  roles: [issuer, expert, "dpo={officer}"]
""",
        encoding="utf-8",
    )
    return path


def hand_out(desk: Desk, time: Authority) -> None:
    """Write the revocation lists, and keys of expert and data protection officer."""
    keys = desk.folder / "keys"
    root = x509.load_pem_x509_certificate((keys / "root.pem").read_bytes())
    key = load_pem_private_key((keys / "root.key.pem").read_bytes(), PASSPHRASE.encode())
    authority = CertificateAuthority(root, key)  # type: ignore[arg-type]
    (desk.folder / "signers.crl").write_bytes(authority.crl())
    (desk.folder / "time.crl").write_bytes(revocation_list(time.root, time.root_key))
    (desk.folder / "time.pem").write_bytes(time.root.public_bytes(Encoding.PEM))
    for role in ("expert", "dpo", "colleague"):
        signer = authority.signer(f"Dr. {role}", age=datetime.now(UTC) - root.not_valid_before_utc)
        content = pkcs12.serialize_key_and_certificates(
            role.encode(),
            signer.private_key,
            signer.certificate,
            [root],
            BestAvailableEncryption(PASSPHRASE.encode()),
        )
        (desk.folder / f"{role}.p12").write_bytes(content)
        digest = signer.certificate.fingerprint(SHA256()).hex(":").upper()
        (desk.folder / f"{role}.sha256").write_text(digest, encoding="utf-8")


def test_three_signers_and_a_renewal(desk: Desk) -> None:
    time = Authority.make("Time")
    hand_out(desk, time)
    trust = ["--trust", "keys/root.pem", "--tsa-trust", "time.pem"]
    files = "--certificate keys/root.pem --certificate time.pem --crl signers.crl --crl time.crl"
    with serving(time) as url:
        stamped = [*trust, "--tsa", url, *files.split()]
        done = desk.run("release", str(declare(desk, url)))
        assert done.code == 0, done.text

        def verified(*more: str) -> tuple[int, dict[str, str], list[str]]:
            told = json.loads(desk.run("verify", "clinic", *trust, "--json", *more).out)
            codes = [f["code"] for f in told["findings"] if f["severity"] != "note"]
            return told["exit_code"], told["facts"], codes

        def sign(role: str, signer: str = "") -> tuple[int, str]:
            file = f"{signer or role}.p12"
            key = f"sign clinic --role {role} --key {file} --passphrase-file passphrase"
            answer = desk.run(*key.split(), "--level", "B-LTA", *stamped)
            return answer.code, answer.text

        assert verified() == (1, {}, ["pdf_signer_missing", "pdf_signer_missing"])
        issued = (desk.folder / "clinic/public/certificate.pdf").read_bytes()
        code, text = sign("dpo")
        assert code == 2 and "turn of the expert" in text
        assert (desk.folder / "clinic/public/certificate.pdf").read_bytes() == issued
        assert sign("expert")[0] == 0
        assert verified()[2] == ["pdf_signer_missing"]
        before = (desk.folder / "clinic/public/certificate.pdf").read_bytes()
        code, text = sign("dpo", "colleague")
        assert code == 2 and "not the certificate that the issuer declared" in text
        assert (desk.folder / "clinic/public/certificate.pdf").read_bytes() == before
        assert sign("dpo")[0] == 0
        code, facts, found = verified("--ledger", str(desk.ledger), "--rebuild")
        assert (code, found) == (0, [])
        assert facts["rebuilt"] == "certificate.pdf, report.pdf"
        assert facts["level"] == "B-LTA" and facts["stamped"].startswith("20")
        assert facts["signed by dpo"].startswith("Dr. dpo 20") and "UTC" in facts["signed by dpo"]
        code, text = sign("dpo")
        assert code == 2 and "Everybody signed" in text

        before = (desk.folder / "clinic/public/certificate.pdf").read_bytes()
        renewed = desk.run("renew", "clinic", *stamped)
        assert renewed.code == 0, renewed.text
        after = (desk.folder / "clinic/public/certificate.pdf").read_bytes()
        assert after.startswith(before) and len(after) > len(before)
        for folder in ("public", "internal"):
            stamps = (desk.folder / "clinic" / folder / STAMPS).read_bytes()
            assert len(json.loads(stamps)["tokens"]) == 2
        code, renewed_facts, _ = verified("--ledger", str(desk.ledger))
        assert code == 0 and renewed_facts["stamped"] == facts["stamped"]

    shutil.copytree(desk.folder / "clinic", desk.folder / "spoiled")
    path = desk.folder / "spoiled/public/certificate.pdf"
    for content in (issued, before + b"x", after[:-1] + b"x"):
        path.write_bytes(content)
        assert desk.run("verify", "spoiled", *trust).code == 1


def test_an_authority_that_is_away_costs_nothing(desk: Desk) -> None:
    time = Authority.make("Time")
    hand_out(desk, time)
    with serving(time, fault="refused") as url:
        done = desk.run("release", str(declare(desk, url)))
    assert done.code == 2 and "gave no time stamp" in done.text
    assert "clinic" not in json.loads(desk.run("ledger", "status", "--json").out)["lineages"]
