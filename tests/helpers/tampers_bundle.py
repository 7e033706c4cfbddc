"""Tampers with the folders of a bundle: its manifest, data, evidence and names of files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import rfc8785
from certificates import CertificateAuthority, new_key, unsuitable_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID
from envelopes import EVIDENCE, resign_evidence, resign_manifest, resign_statement, statement_of
from tampers import Scene, manifest_by, tamper

from dpsynth.signing.chain import DOCUMENT_SIGNING
from dpsynth.signing.dsse import sign_envelope
from dpsynth.signing.manifest import MANIFEST, MANIFEST_TYPE
from dpsynth.signing.statement import statement

DATA = "synthetic.csv"
FAKE = b"number,age,ward,cost,outcome\nP000001,1,north,1,0\n"


# Anybody who can write files


@tamper("data", "data replaced", "conclusions from made-up rows", "file_changed")
def replaced(scene: Scene, bundle: Path) -> None:
    """A table of the same columns."""
    (bundle / "public" / DATA).write_bytes(FAKE)


@tamper("data", "data of another release", "rows of another promise", "file_changed")
def other_data(scene: Scene, bundle: Path) -> None:
    """Genuine, and of the same issuer."""
    shutil.copy(scene.second / "public" / DATA, bundle / "public" / DATA)


@tamper("data", "data is a link", "rows that change after verification", "not_a_file")
def linked(scene: Scene, bundle: Path) -> None:
    """It leads to the very bytes that were signed, for now."""
    path = bundle / "public" / DATA
    path.rename(bundle.parent / DATA)
    path.symlink_to(bundle.parent / DATA)


@tamper("data", "data renamed by a look-alike letter", "a program reads another file",
        "file_unlisted")  # fmt: skip
def renamed(scene: Scene, bundle: Path) -> None:
    """Cyrillic es for Latin c."""
    public = bundle / "public"
    (public / DATA).rename(public / "synthetic.\u0441sv")


@tamper("data", "second data file of a look-alike name", "a person opens the wrong one",
        "file_unlisted")  # fmt: skip
def look_alike(scene: Scene, bundle: Path) -> None:
    """A zero-width space at the end."""
    (bundle / "public" / "synthetic.csv\u200b").write_bytes(FAKE)


@tamper("data", "names that differ in capitals", "one file hides the other on some disks",
        "file_unlisted")  # fmt: skip
def capitals(scene: Scene, bundle: Path) -> None:
    """Beside the genuine one."""
    (bundle / "public" / "Synthetic.csv").write_bytes(FAKE)


@tamper("bundle", "file added", "words that nobody signed", "file_unlisted")
def added(scene: Scene, bundle: Path) -> None:
    """A note for readers."""
    (bundle / "public" / "README.txt").write_text("Epsilon is 0.1.")


@tamper("bundle", "hidden file added", "a hidden channel", "file_unlisted")
def hidden(scene: Scene, bundle: Path) -> None:
    """Not listed by a shell."""
    (bundle / "public" / ".cache").write_text("x")


@tamper("bundle", "empty folder added", "a message in its name", "not_a_file")
def empty_folder(scene: Scene, bundle: Path) -> None:
    """Not a file, and no manifest lists it."""
    (bundle / "public" / "APPROVED BY THE AUTHORITY").mkdir()


@tamper("bundle", "bundle inside the public folder", "the wrong one is verified", "file_unlisted")
def nested(scene: Scene, bundle: Path) -> None:
    """A genuine one inside another."""
    shutil.copytree(scene.second, bundle / "public" / "bundle")


@tamper("bundle", "bundle beside the folders", "the wrong one is used", "file_unlisted", whole=True)
def beside(scene: Scene, bundle: Path) -> None:
    """In the folder that holds public and internal."""
    shutil.copytree(scene.second, bundle / "latest")


@tamper("bundle", "public folder is a link", "a folder that changes after verification",
        "file_unlisted", whole=True)  # fmt: skip
def linked_folder(scene: Scene, bundle: Path) -> None:
    """It leads to the genuine one."""
    (bundle / "public").rename(bundle.parent / "elsewhere")
    (bundle / "public").symlink_to(bundle.parent / "elsewhere")


@tamper("bundle", "datasheet removed", "warnings stay unread", "file_missing")
def removed(scene: Scene, bundle: Path) -> None:
    """The limits of the data are in it."""
    (bundle / "public" / "DATASHEET.md").unlink()


@tamper("bundle", "datasheet edited", "warnings are softened", "file_changed")
def softened(scene: Scene, bundle: Path) -> None:
    """One line less."""
    path = bundle / "public" / "DATASHEET.md"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))


@tamper("bundle", "public part withheld", "a release passes for a refusal", "public_missing",
        whole=True)  # fmt: skip
def withheld(scene: Scene, bundle: Path) -> None:
    """An auditor is shown the internal part."""
    shutil.rmtree(bundle / "public")


@tamper("bundle", "internal part of another release", "an auditor reads better figures",
        "other_release", whole=True)  # fmt: skip
def other_internal(scene: Scene, bundle: Path) -> None:
    """Genuine, and of the same issuer."""
    shutil.rmtree(bundle / "internal")
    shutil.copytree(scene.second / "internal", bundle / "internal")


@tamper("bundle", "folders exchanged", "raw figures are published", "manifest_folder", whole=True)
def exchanged(scene: Scene, bundle: Path) -> None:
    """The internal part stands where the public one belongs."""
    (bundle / "public").rename(bundle / "kept")
    (bundle / "internal").rename(bundle / "public")
    (bundle / "kept").rename(bundle / "internal")


@tamper("manifest", "manifest removed", "nobody vouches, nobody objects", "manifest_missing")
def no_manifest(scene: Scene, bundle: Path) -> None:
    """The rest is genuine."""
    (bundle / "public" / MANIFEST).unlink()


@tamper("manifest", "manifest of another release", "the good name of one covers the other",
        "file_changed")  # fmt: skip
def other_manifest(scene: Scene, bundle: Path) -> None:
    """Genuine, and of the same issuer."""
    shutil.copy(scene.second / "public" / MANIFEST, bundle / "public" / MANIFEST)


@tamper("manifest", "old manifest with a whole new release", "the new one passes for the old",
        "file_changed")  # fmt: skip
def old_manifest(scene: Scene, bundle: Path) -> None:
    """Everything but the manifest is of the other release."""
    kept = (bundle / "public" / MANIFEST).read_bytes()
    shutil.copytree(scene.second / "public", bundle / "public", dirs_exist_ok=True)
    (bundle / "public" / MANIFEST).write_bytes(kept)


def _respelled(name: str, gain: str, change: Callable[[bytes], bytes]) -> None:
    @tamper("manifest", name, gain, "manifest_signature")
    def apply(scene: Scene, bundle: Path) -> None:
        path = bundle / "public" / MANIFEST
        path.write_bytes(change(path.read_bytes()))


def _edited(envelope: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    tree = json.loads(envelope)
    change(tree)
    return rfc8785.dumps(tree)


_respelled(
    "key of the envelope twice",
    "two readers read two payloads",
    lambda content: b'{"payload":"e30=",' + content[1:],
)
_respelled(
    "envelope written with spaces",
    "another file of the same meaning",
    lambda content: json.dumps(json.loads(content), indent=1).encode(),
)
_respelled(
    "second signature in the envelope",
    "a signer whom nobody looks at",
    lambda content: _edited(content, lambda t: t["signatures"].append(t["signatures"][0])),
)
_respelled(
    "payload type changed",
    "the signature of something else",
    lambda content: _edited(content, lambda t: t.update(payloadType="text/plain")),
)


# Somebody with a key under the same root, or with none


def _signed_with(name: str, gain: str, **how: Any) -> None:
    @tamper("manifest", name, gain, "manifest_signature")
    def apply(scene: Scene, bundle: Path) -> None:
        key = new_key(how.get("kind", "P-256"))
        authority = scene.hospital.world.authority
        made = unsuitable_certificate(authority, key, scene.issuer.name, **how)
        manifest_by(scene, bundle, made, key)


_signed_with("signed by a certificate without the right key usage", "any certificate signs",
             signs=False)  # fmt: skip
_signed_with("signed by the certificate of a web server", "whoever runs the web site signs",
             purpose=ExtendedKeyUsageOID.SERVER_AUTH)  # fmt: skip
_signed_with("signed by a certificate with an unknown critical extension",
             "limits of the certificate are ignored", critical=True)  # fmt: skip
_signed_with("signed by a weak key", "a key that can be broken", kind="RSA-2048",
             purpose=DOCUMENT_SIGNING)  # fmt: skip


@tamper("manifest", "signed below a root of the same name", "anybody is the issuer",
        "manifest_signature")  # fmt: skip
def namesake(scene: Scene, bundle: Path) -> None:
    """A root and a signer that are called like the genuine ones."""
    authority = CertificateAuthority.make("Hospital root")
    resign_manifest(bundle / "public", authority.signer(scene.issuer.name))


@tamper("manifest", "signed by a certificate that a signer issued", "each signer is an authority",
        "manifest_signature")  # fmt: skip
def issued_by_a_signer(scene: Scene, bundle: Path) -> None:
    """The colleague's key signs a certificate in the issuer's name."""
    colleague = scene.colleague()
    below = CertificateAuthority(colleague.certificate, colleague.private_key)  # type: ignore[arg-type]
    resign_manifest(bundle / "public", below.signer(scene.issuer.name))


@tamper("manifest", "signed by a colleague", "who vouches for the files did not issue them",
        "other_signer")  # fmt: skip
def by_a_colleague(scene: Scene, bundle: Path) -> None:
    """Under the same root, with a certificate that may sign."""
    resign_manifest(bundle / "public", scene.colleague())


# The issuer's key, used for more than is true


@tamper("data", "data replaced and listed anew", "conclusions from made-up rows", "data_differs")
def relisted(scene: Scene, bundle: Path) -> None:
    """The evidence still says what they were."""
    replaced(scene, bundle)
    resign_manifest(bundle / "public", scene.issuer)


@tamper("data", "private table shipped and listed", "raw rows cross the boundary",
        "not_part_of_a_release")  # fmt: skip
def shipped(scene: Scene, bundle: Path) -> None:
    """A careless signer lists whatever lies there."""
    shutil.copy(scene.hospital.folder / "data.csv", bundle / "public" / "data.csv")
    resign_manifest(bundle / "public", scene.issuer)


@tamper("data", "look-alike file listed", "a person opens the wrong one", "not_part_of_a_release")
def listed_look_alike(scene: Scene, bundle: Path) -> None:
    """Cyrillic es for Latin c, beside the genuine one."""
    (bundle / "public" / "synthetic.\u0441sv").write_bytes(FAKE)
    resign_manifest(bundle / "public", scene.issuer)


@tamper("evidence", "evidence of another release, listed anew", "the promise of another release",
        "evidence_release")  # fmt: skip
def other_evidence(scene: Scene, bundle: Path) -> None:
    """The manifest of this release lists it."""
    shutil.copy(scene.second / "public" / EVIDENCE, bundle / "public" / EVIDENCE)
    resign_manifest(bundle / "public", scene.issuer)


@tamper("evidence", "files of another release under this number", "two releases of one number",
        "evidence_release")  # fmt: skip
def same_number(scene: Scene, bundle: Path) -> None:
    """Certificate, evidence and data of the other; the manifest says this release."""
    predicate = statement_of(bundle / "public" / MANIFEST).predicate
    shutil.copytree(scene.second / "public", bundle / "public", dirs_exist_ok=True)
    resign_manifest(bundle / "public", scene.issuer, **predicate)


def _restated(name: str, gain: str, code: str, change: Callable[[dict[str, Any]], object],
              **how: Any) -> None:  # fmt: skip
    """Add a tamper that changes the evidence of a folder, signed and listed anew."""
    part = how.pop("folder", "public")

    @tamper("evidence", name, gain, code, whole=part == "internal")
    def apply(scene: Scene, bundle: Path) -> None:
        resign_evidence(bundle / part, scene.issuer, change, **how)
        resign_manifest(bundle / part, scene.issuer)


def _value(section: str, key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda tree: tree[section][key].update(value=value)


_restated("epsilon lowered in the evidence", "a stronger promise than was kept",
          "pdf_attachment_differs", _value("guarantee", "epsilon", "0.1"))  # fmt: skip
_restated("epsilon lowered in the internal evidence", "an auditor reads another promise",
          "evidence_differs", _value("guarantee", "epsilon", "0.1"), folder="internal")  # fmt: skip
_restated("class of a raw value changed to post", "a raw figure passes for a private one",
          "evidence_form", lambda tree: tree["release"]["status"].update(provenance="post"),
          folder="internal")  # fmt: skip
_restated("raw section copied into the public evidence", "raw figures cross the boundary",
          "evidence_form", lambda tree: tree.update(fidelity={"results": {
              "value": [], "provenance": "post"}}))  # fmt: skip
_restated("raw value in a section of one's own", "raw figures cross the boundary", "evidence_form",
          lambda tree: tree.update({"x-a": {"n": {"value": 9, "provenance": "raw"}}}))  # fmt: skip
_restated("number of the release changed", "two releases of one number", "evidence_release",
          _value("release", "id", "DPS-2020-0123456789"))  # fmt: skip
_restated("another issuer named", "somebody else answers for it", "evidence_issuer",
          _value("release", "issuer", "Ministry of Health"))  # fmt: skip
_restated("schema of an older version", "rules of today are not asked", "evidence_form",
          lambda tree: tree.update(schemaVersion="1"))  # fmt: skip
_restated("another data file signed", "the evidence is about other rows", "evidence_subjects",
          lambda tree: None, subjects={"other.csv": "0" * 64})  # fmt: skip


@tamper("evidence", "key of the evidence twice", "two readers read two promises", "evidence_form")
def key_twice(scene: Scene, bundle: Path) -> None:
    """Signed and listed; not canonical."""
    found = statement_of(bundle / "public" / EVIDENCE)
    content = statement(found.subjects, found.predicate_type, found.predicate)
    content = content.replace(b'"value":', b'"value":"0.1","value":', 1)
    (bundle / "public" / EVIDENCE).write_bytes(sign_envelope(content, scene.issuer))
    resign_manifest(bundle / "public", scene.issuer)


def _listed(name: str, gain: str, code: str,
            change: Callable[[dict[str, str]], Mapping[str, str]]) -> None:  # fmt: skip
    """Add a tamper that changes what the manifest lists, signed by the issuer."""

    @tamper("manifest", name, gain, code)
    def apply(scene: Scene, bundle: Path) -> None:
        found = statement_of(bundle / "public" / MANIFEST)
        subjects = change(dict(found.subjects))
        resign_statement(bundle / "public", scene.issuer, subjects, found.predicate)


_listed("a name that leads out of the folder", "a file elsewhere is vouched for", "name_unsafe",
        lambda subjects: subjects | {"../data.csv": "0" * 64})  # fmt: skip
_listed("the evidence not listed", "no promise that could be checked", "file_missing",
        lambda subjects: {k: v for k, v in subjects.items() if k != EVIDENCE})  # fmt: skip


@tamper("manifest", "a file listed twice", "either content holds", "manifest_form")
def listed_twice(scene: Scene, bundle: Path) -> None:
    """Two digests for the data."""
    public = bundle / "public"
    found = statement_of(public / MANIFEST)
    content = statement({**found.subjects, DATA + "2": "0" * 64}, MANIFEST_TYPE, found.predicate)
    content = content.replace(f'"{DATA}2"'.encode(), f'"{DATA}"'.encode())
    (public / MANIFEST).write_bytes(sign_envelope(content, scene.issuer))


@tamper("manifest", "manifest names another place in the ledger", "another budget pays",
        "evidence_release")  # fmt: skip
def other_head(scene: Scene, bundle: Path) -> None:
    """That of the other release."""
    ledger = statement_of(scene.second / "public" / MANIFEST).predicate["ledger"]
    resign_manifest(bundle / "public", scene.issuer, ledger=ledger)


@tamper("ledger", "public part issued anew", "a release that the ledger does not know",
        "not_committed")  # fmt: skip
def reissued(scene: Scene, bundle: Path) -> list[str]:
    """Consistent by itself: the same files under a manifest of another nonce."""
    resign_manifest(bundle / "public", scene.issuer, nonce="another")
    return ["--ledger", str(scene.hospital.ledger)]
