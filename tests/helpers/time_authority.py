"""A time-stamping authority for tests: RSA, one root, answers on a local port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from asn1crypto import keys as asn1_keys
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps import DummyTimeStamper


@dataclass
class Authority:
    """An authority: its root certificate, its stamper, and the requests that it got."""

    root: x509.Certificate
    root_key: rsa.RSAPrivateKey
    stamper: DummyTimeStamper
    asked: list[bytes] = field(default_factory=list)

    @classmethod
    def make(cls, name: str, *, stamps: bool = True, days: int = 365) -> Authority:
        """Make a root and a certificate below it; without `stamps` for another purpose."""
        root_key, key = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)
        )
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} root")])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        purpose = ExtendedKeyUsageOID.TIME_STAMPING if stamps else ExtendedKeyUsageOID.CODE_SIGNING
        root = (
            _certificate(issuer, issuer, root_key.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(root_key, hashes.SHA256())
        )
        leaf = (
            _certificate(subject, issuer, key.public_key(), days)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
            .sign(root_key, hashes.SHA256())
        )
        secret = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        stamper = DummyTimeStamper(
            asn1_x509.Certificate.load(leaf.public_bytes(Encoding.DER)),
            asn1_keys.PrivateKeyInfo.load(secret),
        )
        return cls(root, root_key, stamper)

    def pem(self) -> bytes:
        """Return the root certificate."""
        return self.root.public_bytes(Encoding.PEM)

    def answer(self, request: bytes, fault: str) -> bytes:
        """Return the answer to a request, with a planted fault if one is named."""
        self.asked.append(request)
        asked = tsp.TimeStampReq.load(request)
        if fault == "junk":
            return b"not an answer"
        if fault == "refused":
            return tsp.TimeStampResp({"status": {"status": "rejection"}}).dump()
        if fault == "nonce":
            asked["nonce"] = 1
        if fault == "other":
            asked["message_imprint"]["hashed_message"] = bytes(32)
        return self.stamper.request_tsa_response(asked).dump()


@contextmanager
def serving(authority: Authority, *, fault: str = "") -> Iterator[str]:
    """Run the authority on a local port and yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            body = authority.answer(request, fault)
            self.send_response(500 if fault == "status" else 200)
            kind = "text/html" if fault == "type" else "application/timestamp-reply"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
    )
