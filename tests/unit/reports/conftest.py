from __future__ import annotations

import pytest
import sample_evidence as sample
from dpsynth.reports.pdf import Rendered

from dpsynth.evidence import ReleaseEvidence


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
        f"{name}-{kind}": sample.make(evidence, kind)
        for name, evidence in (("adult", adult), ("diabetes", diabetes))
        for kind in ("certificate", "report")
    }
