"""How pyHanko writes each PAdES level of :mod:`dpsynth.signing.levels`.

No network is used but the declared authority's (RFC 3161). Certificates and revocation lists for
B-LT come from files; a certificate on the way to a root that no list covers is refused, so the file
never lacks what its level promises.
"""

from __future__ import annotations

from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign import fields
from pyhanko.sign.signers import PdfSignatureMetadata
from pyhanko.sign.signers.pdf_signer import (
    DSSContentSettings,
    SigDSSPlacementPreference,
    TimestampDSSContentSettings,
)
from pyhanko_certvalidator import ValidationContext

from dpsynth.signing.keys import Signer
from dpsynth.signing.levels import Assurance, Level

#: Validation data go in before the stamp: it then covers the whole file, and one more byte shows.
BEFORE_STAMP = TimestampDSSContentSettings(include_vri=False, update_before_ts=True)


def metadata(
    field: str, assurance: Assurance, signer: Signer, *, certifies: fields.MDPPerm | None
) -> PdfSignatureMetadata:
    """Return what pyHanko needs to know of one signature.

    Args:
        field: Name of its field.
        assurance: What it shall carry.
        signer: Who signs.
        certifies: What may change after a certification, or None for a further signature.
    """
    level = assurance.level
    return PdfSignatureMetadata(
        field_name=field,
        subfilter=fields.SigSeedSubFilter.PADES,
        md_algorithm="sha256",
        certify=certifies is not None,
        docmdp_permissions=certifies or fields.MDPPerm.FILL_FORMS,
        embed_validation_info=level.long_term,
        validation_context=offline_context(assurance, signer) if level.long_term else None,
        use_pades_lta=level is Level.B_LTA,
        dss_settings=DSSContentSettings(
            include_vri=False,
            placement=SigDSSPlacementPreference.TOGETHER_WITH_SIGNATURE,
            next_ts_settings=BEFORE_STAMP,
        ),
    )


def offline_context(assurance: Assurance, signer: Signer | None = None) -> ValidationContext:
    """Return what signing checks chains with: the named files, every list required, no network.

    Args:
        assurance: Holds certificates and revocation lists.
        signer: Whose chain belongs to it as well.
    """
    found = [*assurance.certificates, *(signer.chain if signer is not None else ())]
    return ValidationContext(
        trust_roots=[to_asn1(c) for c in found if c.subject == c.issuer],
        other_certs=[to_asn1(c) for c in found if c.subject != c.issuer],
        crls=[asn1_crl.CertificateList.load(content) for content in assurance.crls],
        allow_fetching=False,
        revocation_mode="require",
    )


def to_asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    """Return the certificate in the form that pyHanko takes."""
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
