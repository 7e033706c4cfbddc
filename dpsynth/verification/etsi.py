"""A validation report after ETSI TS 119 102-2 for whoever files such reports: pyHanko's, not ours.

What it says is the verdict of pyHanko's implementation of EN 319 102-1 on one signature of one
file. It is weaker than this package's: it calls a certificate valid whose page was drawn over or
whose attachment was swapped in a later revision, or that has junk at its end, and knows nothing of
manifest, evidence and data. Never true here: a network, or a verdict of `dpsynth verify` that
depends on this report.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cryptography import x509
from pyhanko.sign.validation.ades import ades_lta_validation
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.policy_decl import (
    CertificateFetchingRule,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager

from dpsynth.errors import InputError, MissingExtraError
from dpsynth.reports.levels import to_asn1
from dpsynth.reports.sign import in_own_loop
from dpsynth.signing.timestamp import quiet
from dpsynth.verification.checked import PUBLIC, CheckedPart, read_file
from dpsynth.verification.pdf import MAX_PDF
from dpsynth.verification.pdf_objects import BROKEN
from dpsynth.verification.pdf_reader import IndexedReader
from dpsynth.verification.pdf_signers import KEY_USAGE


def need_etsi() -> None:
    """Refuse early where the extra is missing.

    Raises:
        MissingExtraError: It is.
    """
    if find_spec("xsdata") is None:
        raise MissingExtraError(
            "A report after ETSI TS 119 102-2 needs xsdata.", fix="pip install dpsynth[etsi]"
        )


def etsi_report(
    bundle: Path,
    *,
    roots: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate],
    at: datetime,
) -> bytes:
    """Return the report on the issuer's signature of a bundle's certificate, XML.

    Args:
        bundle: The bundle folder, or its public folder alone.
        roots: What the reader trusts for signers.
        authorities: What the reader trusts for time stamps.
        at: Time of validation.

    Raises:
        MissingExtraError: The extra ``etsi`` is not installed.
        InputError: There is no certificate, or its signature cannot be read.
    """
    need_etsi()
    # Only here: it is generated code of an extra.
    from pyhanko.sign.validation.report.tools import generate_report

    folder = bundle / PUBLIC.folder if (bundle / PUBLIC.folder).is_dir() else bundle
    path = folder / PUBLIC.document
    content = read_file(CheckedPart(name=""), folder, PUBLIC.document, MAX_PDF)
    if content is None:
        raise InputError("cannot be read: there is nothing to report on.", where=str(path))
    timing = ValidationTimingInfo(
        validation_time=at, best_signature_time=at, point_in_time_validation=False
    )
    try:
        with quiet():
            signature = IndexedReader(content).embedded_regular_signatures[0]
            status = in_own_loop(
                ades_lta_validation(signature, _rules(roots, authorities), timing_info=timing)
            )
            report: str = generate_report(signature, status)
    except (SignatureValidationError, *BROKEN) as error:
        raise InputError(
            f"has no signature that can be reported on ({type(error).__name__}).", where=str(path)
        ) from None
    return report.encode()


def _rules(
    roots: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]
) -> PdfSignatureValidationSpec:
    """Return rules: these roots only, revocation lists from the file, no network."""

    def trusting(certificates: Sequence[x509.Certificate]) -> Any:
        return CertValidationPolicySpec(
            trust_manager=SimpleTrustManager.build([to_asn1(each) for each in certificates]),
            revinfo_policy=CertRevTrustPolicy(RevocationCheckingPolicy.from_legacy("require")),
        )

    return PdfSignatureValidationSpec(
        SignatureValidationSpec(
            cert_validation_policy=trusting(roots),
            ts_cert_validation_policy=trusting(authorities),
            revinfo_gathering_policy=RevocationInfoGatheringSpec(
                online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY,
                certificate_fetching_rule=CertificateFetchingRule.NEVER_FETCH,
            ),
            key_usage_settings=KEY_USAGE,
        )
    )
