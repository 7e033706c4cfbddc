from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
import sample_evidence as sample

from dpsynth.evidence import ReleaseEvidence
from dpsynth.reports.document import certificate_html, report_html
from dpsynth.reports.pdf import Rendered, render_pdf

CREATED = datetime(2026, 3, 2, 9, 41, tzinfo=UTC)


def make(evidence: ReleaseEvidence, kind: str) -> Rendered:
    public = evidence.public()
    content = public.to_bytes() if kind == "certificate" else evidence.to_bytes()
    name = "evidence.public.json" if kind == "certificate" else "evidence.internal.json"
    return render_pdf(
        certificate_html(public) if kind == "certificate" else report_html(evidence),
        attachments=[(name, content, "Evidence as canonical JSON")],
        title=f"{kind} {public['release.id']}",
        created=CREATED,
        identifier=hashlib.sha256(content).digest(),
    )


@pytest.fixture(scope="session")
def adult() -> ReleaseEvidence:
    return sample.build(sample.adult_values())


@pytest.fixture(scope="session")
def diabetes() -> ReleaseEvidence:
    return sample.build(sample.diabetes_values())


@pytest.fixture(scope="session")
def documents(adult: ReleaseEvidence, diabetes: ReleaseEvidence) -> dict[str, Rendered]:
    """Both documents of both samples, rendered once."""
    return {
        f"{name}-{kind}": make(evidence, kind)
        for name, evidence in (("adult", adult), ("diabetes", diabetes))
        for kind in ("certificate", "report")
    }
