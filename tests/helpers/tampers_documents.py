"""Tampers with the signed PDF: by anybody, and by signers who do less than was declared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tampered_pdf
from certificates import CertificateAuthority, new_key, unsuitable_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID
from envelopes import resign_manifest, statement_of
from signed_files import ALL
from tampered_pdf import Tampering, cut_after, unsigned_part
from tampers import Scene, tamper

from dpsynth.signing.chain import fingerprint
from dpsynth.signing.keys import Signer
from dpsynth.signing.levels import Level
from dpsynth.signing.manifest import MANIFEST, STAMPS
from dpsynth.signing.roles import Role

CERTIFICATE = "certificate.pdf"
ISSUED = 1  #: at B-LTA: the archive stamp after the issuer's signature

# Without any key, on a document that three people signed.
_ANYBODY: tuple[tuple[str, str, str, Tampering, str], ...] = (
    ("attachment", "attachment swapped by an update", "another epsilon in the machine-readable "
     "evidence", tampered_pdf.swapped_attachment, "pdf_attachment_swapped"),
    ("attachment", "second attachment of the same name", "programs that read the last one see "
     "another epsilon", tampered_pdf.attachment_twice, "pdf_attachment_swapped"),
    ("attachment", "bit flipped in the attachment", "unreadable evidence",
     tampered_pdf.flipped_in_attachment, "file_changed"),
    ("PDF", "page drawn over by an update", "a reader sees another promise",
     tampered_pdf.red_box, "pdf_page_changed"),
    ("PDF", "language changed by an update", "screen readers misread the text",
     tampered_pdf.other_language, "pdf_catalog_changed"),
    ("PDF", "note put on a page", "words that nobody signed", tampered_pdf.annotated,
     "pdf_signature"),
    ("PDF", "rewritten by another program", "a copy that no signature covers",
     tampered_pdf.rewritten, "file_changed"),
    ("PDF", "bytes after the end", "a hidden channel", tampered_pdf.junk_appended, "pdf_appended"),
    ("PDF", "bytes with an end (%%EOF) of their own", "a hidden channel",
     tampered_pdf.second_end, "pdf_changed"),
    ("signature", "bytes behind the newest stamp", "a hidden channel",
     tampered_pdf.padding_filled, "pdf_changed"),
    ("signature", "archive stamp cut off", "no proof of time once certificates expire",
     lambda pdf: cut_after(pdf, -2), "pdf_archive_stamp_missing"),
    ("signature", "all signatures after the issuer's cut off", "expert and officer did not agree",
     lambda pdf: cut_after(pdf, ISSUED), "pdf_signer_missing"),
    ("signature", "all signatures cut off", "a document that nobody answers for",
     unsigned_part, "file_changed"),
)  # fmt: skip


def _add(part: str, name: str, gain: str, change: Tampering, code: str) -> None:
    @tamper(part, name, gain, code, on="three")
    def apply(scene: Scene, bundle: Path) -> None:
        path = bundle / "public" / CERTIFICATE
        path.write_bytes(change(path.read_bytes()))


for _each in _ANYBODY:
    _add(*_each)


def _issued(scene: Scene, bundle: Path) -> bytes:
    """Return the certificate as the issuer alone signed it."""
    return cut_after((bundle / "public" / CERTIFICATE).read_bytes(), ISSUED)


def _sign(
    scene: Scene,
    bundle: Path,
    steps: Sequence[tuple[Role, Signer]],
    level: Level = Level.B_LTA,
) -> None:
    """Put other signatures after the issuer's."""
    pdf = _issued(scene, bundle)
    for role, signer in steps:
        pdf = scene.hospital.world.sign(pdf, role, ALL, level, signer)
    (bundle / "public" / CERTIFICATE).write_bytes(pdf)


@tamper("signature", "expert of an unknown authority", "an expert who does not exist",
        "pdf_signer_untrusted", on="three")  # fmt: skip
def foreign_expert(scene: Scene, bundle: Path) -> None:
    """Somebody with the expert's name, below a root of the same name."""
    world = scene.hospital.world
    twin = CertificateAuthority.make("Hospital root").signer(world.signer(Role.EXPERT).name)
    path = bundle / "public" / CERTIFICATE
    pdf = world.sign(_issued(scene, bundle), Role.EXPERT, ALL, Level.B_B, twin)
    path.write_bytes(world.sign(pdf, Role.DPO, ALL, Level.B_LTA, world.signer(Role.DPO)))


@tamper("signature", "one person signs in two roles", "four eyes become two", "pdf_same_signer",
        on="three")  # fmt: skip
def same_signer(scene: Scene, bundle: Path) -> None:
    """The officer signs for the expert as well."""
    officer = scene.hospital.world.signer(Role.DPO)
    _sign(scene, bundle, ((Role.EXPERT, officer), (Role.DPO, officer)))


@tamper("signature", "last signer before the second", "the expert was not asked before the officer",
        "pdf_order", on="three")  # fmt: skip
def other_order(scene: Scene, bundle: Path) -> None:
    """The officer signs and locks; the expert is left out."""
    _sign(scene, bundle, ((Role.DPO, scene.hospital.world.signer(Role.DPO)),))


@tamper("signature", "a signature without time below a declared B-LTA",
        "a signature after its key was revoked", "pdf_no_time", on="three")  # fmt: skip
def no_time(scene: Scene, bundle: Path) -> None:
    """The expert signs at B-B, whatever was declared."""
    world = scene.hospital.world
    pdf = world.sign(_issued(scene, bundle), Role.EXPERT, ALL, Level.B_B, world.signer(Role.EXPERT))
    path = bundle / "public" / CERTIFICATE
    path.write_bytes(world.sign(pdf, Role.DPO, ALL, Level.B_LTA, world.signer(Role.DPO)))


@tamper("signature", "a colleague signs for the declared expert", "a name that nobody agreed on",
        "pdf_other_certificate", on="three")  # fmt: skip
def not_the_declared_expert(scene: Scene, bundle: Path) -> None:
    """Under the trusted root, where the issuer declared one certificate for that role."""
    world = scene.hospital.world
    expert, officer = world.signer(Role.EXPERT), world.signer(Role.DPO)
    (bundle / "public" / CERTIFICATE).write_bytes(_issued(scene, bundle))
    (bundle / "public" / STAMPS).unlink()  # over the manifest that declared no certificate
    _relist(scene, bundle, certificates={"expert": fingerprint(expert.certificate)})
    colleague = world.authority.signer(expert.name)
    _sign(scene, bundle, ((Role.EXPERT, colleague), (Role.DPO, officer)))


@tamper("signature", "expert signs with the certificate of a web server",
        "whoever runs the web site is the expert", "pdf_signer_unsuitable", on="three")  # fmt: skip
def web_server(scene: Scene, bundle: Path) -> None:
    """Under the trusted root."""
    world, key = scene.hospital.world, new_key("P-256")
    made = unsuitable_certificate(
        world.authority, key, "www", purpose=ExtendedKeyUsageOID.SERVER_AUTH
    )
    signer = Signer(private_key=key, certificate=made, chain=(world.authority.root,))
    _sign(scene, bundle, ((Role.EXPERT, signer), (Role.DPO, world.signer(Role.DPO))))


@tamper("PDF", "title changed by the expert before signing", "readers show another promise on top",
        "pdf_metadata_changed", on="three")  # fmt: skip
def title(scene: Scene, bundle: Path) -> None:
    """What the expert changed lies below the expert's signature."""
    world = scene.hospital.world
    pdf = tampered_pdf.other_title(_issued(scene, bundle))
    for role in (Role.EXPERT, Role.DPO):
        pdf = world.sign(pdf, role, ALL, Level.B_LTA, world.signer(role))
    (bundle / "public" / CERTIFICATE).write_bytes(pdf)


@tamper("signature", "certificate signed by a colleague", "who issued it is not who answers for it",
        "pdf_other_signer")  # fmt: skip
def other_issuer(scene: Scene, bundle: Path) -> None:
    """Another key signs the PDF; the issuer's manifest lists it."""
    path = bundle / "public" / CERTIFICATE
    pdf = unsigned_part(path.read_bytes())
    world = scene.hospital.world
    path.write_bytes(world.sign(pdf, Role.ISSUER, (Role.ISSUER,), Level.B_B, scene.colleague()))
    resign_manifest(bundle / "public", scene.issuer)


@tamper("PDF", "certificate of another release", "the promise of another release", "file_changed")
def swapped_certificate(scene: Scene, bundle: Path) -> None:
    """Both are genuine."""
    (bundle / "public" / CERTIFICATE).write_bytes(
        (scene.second / "public" / CERTIFICATE).read_bytes()
    )


@tamper("PDF", "certificate of another release, listed by the issuer",
        "the promise of another release", "pdf_attachment_differs")  # fmt: skip
def relisted_certificate(scene: Scene, bundle: Path) -> None:
    """The issuer's own manifest vouches for it."""
    swapped_certificate(scene, bundle)
    resign_manifest(bundle / "public", scene.issuer)


@tamper("manifest", "level claimed higher than it is", "trust in a time that nobody stamped",
        "pdf_archive_stamp_missing")  # fmt: skip
def higher_level(scene: Scene, bundle: Path) -> None:
    """The manifest says B-LTA, the file is B-B."""
    _relist(scene, bundle, level="B-LTA")


@tamper("manifest", "level claimed lower than it is", "stamps that nobody checks", "pdf_fields",
        on="three")  # fmt: skip
def lower_level(scene: Scene, bundle: Path) -> None:
    """The manifest says B-B, the file has archive stamps."""
    _relist(scene, bundle, level="B-B")


@tamper("manifest", "roles reordered", "another order of signing than was declared", "pdf_order",
        on="three")  # fmt: skip
def reordered(scene: Scene, bundle: Path) -> None:
    """Officer before expert."""
    _relist(scene, bundle, roles=["issuer", "dpo", "expert"])


@tamper("manifest", "a role left out", "nobody asks for the officer's signature", "pdf_fields",
        on="three")  # fmt: skip
def fewer_roles(scene: Scene, bundle: Path) -> None:
    """The officer was never declared, says the manifest."""
    _relist(scene, bundle, roles=["issuer", "expert"])


@tamper("manifest", "a role invented", "a signer whom the document has no field for",
        "pdf_fields")  # fmt: skip
def more_roles(scene: Scene, bundle: Path) -> None:
    """The expert signed as well, says the manifest."""
    _relist(scene, bundle, roles=["issuer", "expert"])


def _relist(scene: Scene, bundle: Path, **changes: object) -> None:
    """Sign the manifest anew, with other words about who signs the document, and how."""
    signatures = statement_of(bundle / "public" / MANIFEST).predicate["signatures"]
    resign_manifest(bundle / "public", scene.issuer, signatures={**signatures, **changes})
