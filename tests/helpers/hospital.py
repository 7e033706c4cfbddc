"""An institution that releases a small table with the product itself, and its time authority.

Everything runs through the command line in this process: releases, further signatures and
verification, as a steward and a recipient would. A release takes some six seconds; what a test or a
benchmark wants of other keys and levels is derived by signing a release anew (:func:`resigned`).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from certificates import CertificateAuthority, revocation_list
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    pkcs12,
)
from envelopes import resign_evidence, resign_manifest, statement_of
from ledger_copies import committed_anew
from signed_files import World
from steward import PASSPHRASE, furnish
from tampered_pdf import unsigned_part
from time_authority import Authority, serving

from dpsynth.cli import main
from dpsynth.privacy.ledger.keys import LedgerKey
from dpsynth.signing.keys import Signer
from dpsynth.signing.levels import Level
from dpsynth.signing.manifest import MANIFEST, STAMPS, sha256
from dpsynth.signing.roles import ISSUER_ONLY, Role
from dpsynth.signing.status import ReleaseStatus, StatusEntry, StatusList, first_edition

DOCUMENTS = {"public": "certificate.pdf", "internal": "report.pdf"}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What `dpsynth verify` answered: its exit code and the codes of what it found."""

    exit_code: int
    codes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Hospital:
    """A furnished folder, and who signs.

    Attributes:
        folder: Table, dictionary, policy and ledger; releases are written into it.
        world: Authorities for signers and for time, and the signers.
    """

    folder: Path
    world: World

    @property
    def ledger(self) -> Path:
        """Its ledger."""
        return self.folder / "ledger.sqlite"

    @property
    def roots(self) -> list[x509.Certificate]:
        """What a recipient trusts."""
        return [self.world.authority.root]

    def run(self, *arguments: str, anchors: str = "") -> tuple[int, str]:
        """Run the command line; return the exit code and what it printed.

        Args:
            arguments: After the name of the program.
            anchors: Where this machine remembers ledgers; the institution's own place if empty.
        """
        environment = _environment(self.folder)
        if anchors:
            environment["DPSYNTH_ANCHORS"] = anchors
        out = StringIO()
        code = 0
        with (
            mock.patch.object(sys, "argv", ["dpsynth", *arguments]),
            mock.patch.dict(os.environ, environment),
            redirect_stdout(out),
            redirect_stderr(StringIO()) as err,
        ):
            try:
                main()
            except SystemExit as stop:
                code = int(stop.code or 0)
        return code, out.getvalue() or err.getvalue()

    def release(
        self,
        name: str,
        *,
        roles: Sequence[Role] = ISSUER_ONLY,
        level: Level = Level.B_B,
        kind: str = "P-256",
        form: str = "csv",
        paper: str = "a4",
    ) -> Path:
        """Release the table, have everybody sign, and return the bundle."""
        how = self._how(level)
        self._must(
            "release", "--data", self._file("data.csv"), "--dictionary",
            self._file("dictionary.yaml"), "--epsilon", "1", "--delta", "1e-6", "--lineage",
            "clinic", "--policy", self._file("default.yaml"), "--synthesizer", "independent",
            "--name", name,
            "--out", self._file(name), "--format", form, "--paper", paper,
            *(part for role in roles for part in ("--role", role.value)),
            *self._key(Role.ISSUER, kind), *how,
        )  # fmt: skip
        for role in roles[1:]:
            self._must(
                "sign", self._file(name), "--role", role.value, *self._key(role, kind),
                "--trust", self._file("root.pem"), "--tsa-trust", self._file("time.pem"), *how,
            )  # fmt: skip
        return self.folder / name

    def verify(self, path: Path, *options: str) -> Checked:
        """Verify as a recipient who trusts both authorities and never met the ledger."""
        with TemporaryDirectory() as anchors:
            code, told = self.run(
                "verify", str(path), "--json", "--trust", self._file("root.pem"),
                "--tsa-trust", self._file("time.pem"), *options, anchors=anchors,
            )  # fmt: skip
        tree = json.loads(told)
        if "error" in tree:
            return Checked(exit_code=code, codes=frozenset({tree["error"]["kind"]}))
        assert tree["exit_code"] == code
        return Checked(exit_code=code, codes=frozenset(f["code"] for f in tree["findings"]))

    def status_list(self, *entries: StatusEntry, age: int = 0, days: int = 30) -> StatusList:
        """Return the first edition of its status list, `age` days old."""
        issued = datetime.now(UTC) - timedelta(days=age, hours=1)
        name = self.world.signer(Role.ISSUER).name
        return replace(first_edition(name, issued=issued, days=days), entries=entries)

    def _must(self, *arguments: str) -> None:
        code, told = self.run(*arguments)
        if code:
            raise RuntimeError(f"{' '.join(arguments)} ended with exit code {code}: {told}")

    def _file(self, name: str) -> str:
        return str(self.folder / name)

    def _key(self, role: Role, kind: str) -> tuple[str, ...]:
        """Return the options that name a signer's key, written where it is not there yet."""
        path = self.folder / f"{role.value}-{kind}.p12"
        if not path.exists():
            path.write_bytes(_p12(self.world.signer(role, kind)))
        return ("--key", str(path), "--passphrase-file", self._file("passphrase"))

    def _how(self, level: Level) -> tuple[str, ...]:
        """Return the options of a level."""
        found: tuple[str, ...] = ("--level", level.value)
        if level.stamped:
            found += ("--tsa", self.world.url)
        if level.long_term:
            for option, names in (
                ("--certificate", ("root.pem", "time.pem")),
                ("--crl", ("signers.crl", "time.crl")),
            ):
                found += tuple(part for name in names for part in (option, self._file(name)))
        return found


@contextmanager
def opened(folder: Path, name: str) -> Iterator[Hospital]:
    """Furnish a folder, and answer requests for time until the end of the block."""
    furnish(folder)
    time = Authority.make(f"{name} time")
    authority = CertificateAuthority.make(f"{name} root")
    (folder / "root.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
    (folder / "time.pem").write_bytes(time.pem())
    (folder / "signers.crl").write_bytes(authority.crl())
    (folder / "time.crl").write_bytes(revocation_list(time.root, time.root_key))
    with serving(time) as url:
        yield Hospital(folder=folder, world=World(authority, time, url))


def resigned(hospital: Hospital, bundle: Path, target: Path, *, level: Level, kind: str) -> Path:
    """Return a copy of a bundle that was signed anew, by other keys and at another level."""
    shutil.copytree(bundle, target)
    issuer = hospital.world.signer(Role.ISSUER, kind)
    bound: dict[str, str] = {}
    for part, document in DOCUMENTS.items():
        folder = target / part
        (folder / STAMPS).unlink(missing_ok=True)  # it is over the manifest that was
        roles = roles_of(folder)
        pdf = unsigned_part((folder / document).read_bytes())
        whole = b""
        for role in roles:
            signer = hospital.world.signer(role, kind)
            pdf = hospital.world.sign(pdf, role, roles, level, signer)
            if role is Role.ISSUER:
                (folder / document).write_bytes(pdf)
                resign_evidence(folder, issuer)
                said = statement_of(folder / MANIFEST).predicate["signatures"]
                signatures = {**said, "level": level.value}
                digest = resign_manifest(folder, issuer, signatures=signatures, **bound)
            whole = pdf
        (folder / document).write_bytes(whole)
        bound = {"public_manifest": digest}
    return target


def ledger_of(hospital: Hospital, bundle: Path, target: Path) -> Path:
    """Return the ledger as it would be had the newest release been signed as this bundle is."""
    digests = {part: sha256(bundle / part / MANIFEST) for part in DOCUMENTS}
    key = LedgerKey.load(hospital.folder / "keys" / "ledger.pem")
    return committed_anew(hospital.ledger, target, key, digests)


def roles_of(folder: Path) -> tuple[Role, ...]:
    """Return who signs the document of a folder."""
    predicate = statement_of(folder / MANIFEST).predicate
    return tuple(Role(name) for name in predicate["signatures"]["roles"])


def entry(
    release: str, status: ReleaseStatus = ReleaseStatus.WITHDRAWN, **more: str
) -> StatusEntry:
    """Return what a status list says about a release today."""
    today = datetime.now(UTC).date()
    return StatusEntry(release=release, status=status, since=today, reason="Because.", **more)


def _environment(folder: Path) -> dict[str, str]:
    """Return where ledger and anchors of an institution are."""
    return {
        "DPSYNTH_KEYS": str(folder / "keys"),
        "DPSYNTH_LEDGER": str(folder / "ledger.sqlite"),
        "DPSYNTH_ANCHORS": str(folder / "anchors"),
        "COLUMNS": "200",
    }


def _p12(signer: Signer) -> bytes:
    return pkcs12.serialize_key_and_certificates(
        b"signer",
        signer.private_key,
        signer.certificate,
        list(signer.chain),
        BestAvailableEncryption(PASSPHRASE.encode()),
    )
