"""Documents made anew from signed evidence: equal, contradicting, and not comparable.

A whole bundle with its internal report is rebuilt in tests/e2e/test_signing_in_turn.py.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import sample_evidence as sample
from bundle_builder import Issuer, render, signed, write_evidence, write_manifest
from dpsynth.reports import from_evidence
from dpsynth.reports.from_evidence import certificate_pdf, renderer, report_pdf
from dpsynth.reports.pdf import render_pdf
from dpsynth.reports.sheets import SHEETS
from sample_evidence import adult_values

from dpsynth.evidence import PublicEvidence, PublicFact, ReleaseEvidence
from dpsynth.verification import Severity, VerificationReport, VerificationVerdict, verify_bundle
from dpsynth.verification import rebuild as rebuilding

DATA = b"a,b\n1,2\n"
Changes = Mapping[str, Any]


def facts_of(signer: str, changes: Changes) -> ReleaseEvidence:
    values = adult_values() | {
        "release.issuer": signer,
        "files.synthetic": [
            {"name": "synthetic.csv", "sha256": hashlib.sha256(DATA).hexdigest(), "bytes": 8}
        ],
        "environment.versions": {"dpsynth": rebuilding.version("dpsynth"), **renderer()},
    }
    return sample.build(values | changes)


def write(
    folder: Path,
    issuer: Issuer,
    *,
    says: Changes | None,
    paper: str = "a4",
    **changes: Any,
) -> Path:
    """Write a public folder.

    `says` is what the pages state otherwise than the evidence; None leaves a page of one word.
    """
    signer = issuer.signer
    folder.mkdir(parents=True)
    (folder / "synthetic.csv").write_bytes(DATA)
    for name in SHEETS:
        (folder / name).write_text(name)
    facts = facts_of(signer.name, {key.replace("__", "."): v for key, v in changes.items()})
    shown = facts.public()
    if says is None:
        unsigned = render("evidence.public.json", shown.to_bytes())
    elif says:
        unsigned = contradicting(shown, says)
    else:
        unsigned = certificate_pdf(shown, paper=paper).pdf
    (folder / "certificate.pdf").write_bytes(signed(unsigned, signer))
    write_evidence(folder, facts, signer, unsigned, public=True)
    _manifest(folder, issuer, facts, paper)
    return folder


def _manifest(folder: Path, issuer: Issuer, facts: ReleaseEvidence, paper: str) -> None:
    head = {key: facts[f"ledger.{key}"] for key in ("head_seq", "head_digest")}
    write_manifest(
        folder,
        issuer.signer,
        release=facts["release.id"],
        created=facts["release.created"],
        ledger=head,
        signatures={"level": "B-B", "paper": paper, "roles": ["issuer"]},
    )


def contradicting(evidence: PublicEvidence, says: Changes) -> bytes:
    """Return a certificate with the true evidence attached and other words on its pages."""
    facts = {name: evidence.fact(name) for name in evidence}
    for name, value in says.items():
        facts[name] = PublicFact(value=value, disclosure=facts[name].disclosure)
    content = evidence.to_bytes()
    return render_pdf(
        from_evidence.certificate_html(PublicEvidence(facts)),
        attachments=[("evidence.public.json", content, "Evidence as canonical JSON")],
        title=f"Privacy release certificate {evidence['release.id']}",
        created=sample.CREATED,
        identifier=hashlib.sha256(content).digest(),
    ).pdf


def check(folder: Path, issuer: Issuer, *, rebuild: bool = True) -> VerificationReport:
    return verify_bundle(folder, roots=issuer.roots, rebuild=rebuild)


def codes(report: VerificationReport, severity: Severity) -> set[str]:
    return {f.code for f in report.findings if f.severity is severity}


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Path:
    return write(tmp_path_factory.mktemp("rebuilt") / "public", issuer, says={})


@pytest.fixture
def public(rebuilt: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(rebuilt, tmp_path / "public"))


def test_an_honest_certificate_is_the_same_byte_for_byte(public: Path, issuer: Issuer) -> None:
    report = check(public, issuer)
    assert report.verdict is VerificationVerdict.VALID
    assert report.facts["rebuilt"] == "certificate.pdf"
    assert "rebuilt" not in check(public, issuer, rebuild=False).facts


def test_pages_that_contradict_the_evidence(tmp_path: Path, issuer: Issuer) -> None:
    """Both are signed by the issuer and every digest fits: only rebuilding sees it."""
    folder = write(tmp_path / "public", issuer, says={"guarantee.epsilon": "0.1"})
    assert check(folder, issuer, rebuild=False).verdict is VerificationVerdict.VALID
    report = check(folder, issuer)
    assert codes(report, Severity.INVALID) == {"rebuild_differs"}
    # The same construction without a contradiction is the honest certificate.
    shown = facts_of(issuer.signer.name, {}).public()
    assert contradicting(shown, {}) == certificate_pdf(shown).pdf


def test_another_paper_than_the_manifest_says(tmp_path: Path, issuer: Issuer) -> None:
    folder = write(tmp_path / "public", issuer, says={}, paper="letter")
    facts = facts_of(issuer.signer.name, {})
    for declared, found in (
        ("letter", set()),
        ("a4", {"rebuild_differs"}),
        ("papyrus", {"rebuild_differs"}),
    ):
        _manifest(folder, issuer, facts, declared)
        assert codes(check(folder, issuer), Severity.INVALID) == found


@pytest.mark.parametrize(
    "change",
    [
        lambda versions: versions | {"weasyprint": "69.0"},
        lambda versions: versions | {"pango": "1.0\x1b"},
        lambda versions: {k: v for k, v in versions.items() if k != "harfbuzz"},
        lambda versions: versions | {"dpsynth": "0.0.9"},
        lambda versions: versions | {"dpsynth.reports": "ab" * 16},
    ],
    ids=["weasyprint", "pango", "harfbuzz", "dpsynth", "reports"],
)
def test_other_versions_are_a_note(
    change: Callable[[Changes], Changes], tmp_path: Path, issuer: Issuer
) -> None:
    """Even where the pages say something else than the evidence: nobody can tell why then."""
    versions = change(facts_of("x", {})["environment.versions"])
    folder = write(tmp_path / "public", issuer, says=None, environment__versions=versions)
    report = check(folder, issuer)
    assert report.verdict is VerificationVerdict.VALID and "rebuilt" not in report.facts
    (text,) = [f.text for f in report.findings if f.code == "not_rebuilt"]
    assert "made with" in text and text.isprintable()


def test_a_number_reads_the_same_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON has no 1.0: a document that was made from Python's would not be found again."""
    made: list[str] = []
    monkeypatch.setattr(from_evidence, "render_pdf", lambda html, **_: made.append(html))
    values = adult_values()
    for value in (1.0, 1):
        calls = [call | {"sensitivity": value} for call in values["accounting.calls"]]
        evidence = sample.build(values | {"accounting.calls": calls})
        report_pdf(evidence)
        made.append(from_evidence.report_html(evidence))
    canonical, plain, again, _ = made
    assert canonical == again != plain


def test_evidence_that_gives_no_document_is_a_finding(tmp_path: Path, issuer: Issuer) -> None:
    """Values of the right shape and without sense: they break the layout, not the verifier."""
    folder = write(tmp_path / "public", issuer, says=None, guarantee__curve=[])
    assert codes(check(folder, issuer), Severity.INVALID) == {"rebuild_differs"}
