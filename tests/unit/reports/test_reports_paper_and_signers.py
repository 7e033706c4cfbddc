"""A4 and Letter, one to three signature fields: always two pages, and fields that can be signed."""

from __future__ import annotations

import io
from collections.abc import Sequence

import conformance
import pikepdf
import pytest
import sample_evidence as sample
from dpsynth.reports.document import certificate_html
from dpsynth.reports.pdf import Rendered, render_pdf
from test_reports_hostile import HOSTILE, hostile_values

from dpsynth.errors import InputError
from dpsynth.evidence import ReleaseEvidence
from dpsynth.signing.roles import ISSUER_ONLY, Role, declared_roles

ALL = (Role.ISSUER, Role.EXPERT, Role.DPO)


def certificate(evidence: ReleaseEvidence, roles: Sequence[Role], paper: str) -> Rendered:
    return render_pdf(
        certificate_html(evidence.public(), roles),
        attachments=[("evidence.public.json", evidence.public().to_bytes(), "Evidence")],
        title="Certificate",
        created=sample.CREATED,
        identifier=b"1",
        roles=roles,
        paper=paper,
    )


@pytest.mark.parametrize("paper", ["a4", "letter"])
@pytest.mark.parametrize("roles", [ISSUER_ONLY, ALL[::2], ALL], ids=["one", "two", "three"])
def test_two_pages_and_a_field_each(roles: Sequence[Role], paper: str) -> None:
    rendered = certificate(sample.build(hostile_values(HOSTILE["long text"])), roles, paper)
    assert rendered.pages == 2
    assert conformance.check(rendered.pdf).problems == ()
    width, height = {"a4": (595.3, 841.9), "letter": (612, 792)}[paper]
    with pikepdf.open(io.BytesIO(rendered.pdf)) as pdf:
        for page in pdf.pages:
            assert list(map(float, page.MediaBox)) == pytest.approx([0, 0, width, height], abs=0.1)
        fields = list(pdf.Root.AcroForm.Fields)
        assert [str(field.T) for field in fields] == [role.field for role in roles]
        lower = height
        for field in fields:
            left, low, right, high = map(float, field.Rect)
            assert 0.55 * width < left < right < width and 40 < low < high <= lower
            assert right - left > 100 and high - low > 18
            lower = low
        assert ["/Lock" in field for field in fields] == [len(roles) > 1] * len(roles)
        if len(roles) > 1:
            assert (str(fields[-1].Lock.Action), int(fields[-1].Lock.P)) == ("/All", 1)
            assert [str(f) for f in fields[0].Lock.Fields] == ["Issuer"]


def test_the_same_pages_on_both_papers() -> None:
    evidence = sample.build(sample.diabetes_values())
    words = []
    for paper in ("a4", "letter"):
        with pikepdf.open(io.BytesIO(certificate(evidence, ALL, paper).pdf)) as pdf:
            kinds = [str(e.S) for e, _ in conformance._elements(pdf)]
            words.append(kinds)
    assert words[0] == words[1] and len(words[0]) > 100


def test_papers_and_roles_that_do_not_exist(adult: ReleaseEvidence) -> None:
    with pytest.raises(InputError, match="must be one of"):
        certificate(adult, ISSUER_ONLY, "a5")
    assert declared_roles(["issuer", "dpo", "expert"]) == (Role.ISSUER, Role.DPO, Role.EXPERT)
    for names in ([], ["dpo"], ["dpo", "issuer"], ["issuer", "issuer"], ["issuer", "boss"]):
        with pytest.raises(InputError, match="issuer first"):
            declared_roles(names)
