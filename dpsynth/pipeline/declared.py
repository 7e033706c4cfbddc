"""The facts of the evidence that are known before data is opened.

They are a function of the plan and of what is installed. So that no declared text or option can
stop a release after its budget is spent, :func:`check_declared` builds them once before: each must
have the shape of its field and a canonical form (RFC 8785).

Never true here: a fact that follows a row, the ledger or the outcome of a run.
"""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import rfc8785

from dpsynth.errors import DisclosureError, InputError
from dpsynth.evidence import FIELDS, EvidenceBuilder
from dpsynth.evidence.shapes import fault
from dpsynth.pipeline import wording
from dpsynth.pipeline.installed import installed, lock_digest
from dpsynth.pipeline.plan import Plan
from dpsynth.reports import claims
from dpsynth.reports.from_evidence import renderer
from dpsynth.results import Disclosure, decimal_string
from dpsynth.synth import registry

DECLARED = Disclosure.DECLARED

_PACKAGES = ("dpsynth", "opendp", "dp-accounting", "numpy", "scipy", "numba", "pyarrow",
             "scikit-learn", "pyHanko", "cryptography")  # fmt: skip


def declare(b: EvidenceBuilder, plan: Plan, *, issuer: str, created: datetime) -> None:
    """Add all facts that are declared; `created` is the time of issue, in UTC.

    Raises:
        DisclosureError: A value is not of the shape of its field.
    """
    settings = plan.settings
    b.add("release.name", settings.name, DECLARED)
    b.add("release.title", plan.dictionary.title, DECLARED)
    b.add("release.issuer", issuer, DECLARED)
    b.add("release.created", created.isoformat().replace("+00:00", "Z"), DECLARED)
    b.add("release.review_by", review_by(created, plan.policy.review_months), DECLARED)
    b.add("release.purpose", settings.purpose, DECLARED)
    b.add(
        "release.recipient",
        {"name": settings.recipient, "jurisdiction": settings.jurisdiction},
        DECLARED,
    )
    b.add("release.origin", settings.origin, DECLARED)
    b.add("release.dpsynth_version", version("dpsynth"), DECLARED)
    b.add("data.codebook", plan.dictionary.codebook, DECLARED)
    b.add("synthesizer.name", settings.synthesizer, DECLARED)
    b.add("synthesizer.options", dict(plan.synthesizer.options()), DECLARED)
    b.add("attacks.profile", settings.attacks, DECLARED)
    _policy(b, plan, created)
    _environment(b, plan)
    if plan.protected:
        _promised(b, plan)


def _promised(b: EvidenceBuilder, plan: Plan) -> None:
    """Add what only a release with a guarantee declares."""
    steps = plan.sampled
    told = None if steps is None else {"order": decimal_string(plan.terms.order), **steps.to_json()}
    b.add("guarantee.relation", plan.unit.relation.value, DECLARED)
    b.add("guarantee.unit", plan.unit.name, DECLARED)
    b.add("guarantee.unit_column", plan.unit.column, DECLARED)
    b.add("guarantee.max_rows_per_unit", plan.unit.max_rows, DECLARED)
    b.add("budget.lineage", plan.settings.lineage, DECLARED)
    b.add("accounting.method", wording.accounting(sampled=steps is not None), DECLARED)
    b.add("accounting.sampled", told, DECLARED)
    b.add("data.unprotected", wording.unprotected(plan.unit), DECLARED)
    b.add("synthesizer.plan", [stage.to_json() for stage in plan.stages], DECLARED)
    b.add("audit.status", {"status": plan.audit.status.value, "text": plan.audit.text}, DECLARED)


def _policy(b: EvidenceBuilder, plan: Plan, created: datetime) -> None:
    """Add the policy: its files, what it asks beside its gates, and what was waived."""
    policy, months = plan.policy, plan.policy.retention_months
    terms = {
        "files": [{"name": file.name, "sha256": file.sha256} for file in policy.files],
        **{key: list(policy.required(key)) for key in ("sections", "attacks", "audits", "signers")},
        "retain_until": None if months is None else review_by(created, months),
    }
    b.add("policy.name", policy.name, DECLARED)
    b.add("policy.sha256", policy.digest, DECLARED)
    b.add("policy.terms", terms, DECLARED)
    b.add("policy.waivers", [waiver.to_json() for waiver in plan.waivers], DECLARED)


def _environment(b: EvidenceBuilder, plan: Plan) -> None:
    """Add what is installed."""
    others = registry.find(plan.settings.synthesizer).distributions
    versions = {name: version(name) for name in (*_PACKAGES, *others)} | renderer()
    packages = installed()
    b.add("environment.versions", {"python": platform.python_version(), **versions}, DECLARED)
    b.add("environment.lock", lock_digest(packages), DECLARED)
    b.add("environment.packages", list(packages), DECLARED)
    b.add("environment.code", claims.digests(), DECLARED)


def columns(plan: Plan) -> list[dict[str, Any]]:
    """Return the value of `data.columns`: the dictionary, and how each column is treated."""
    treatment = {t.column: t for t in plan.codec.treatments}
    return [
        {
            "name": column.name,
            "kind": column.kind.value,
            "role": column.role.value,
            "meaning": column.meaning,
            "domain": wording.domain_words(column),
            "domain_source": column.domain_source,
            "missing": list(column.missing),
            "special": list(column.special),
            "format": wording.date_format(column),
            "treatment": treatment[column.name].treatment,
            "reason": treatment[column.name].reason,
        }
        for column in plan.dictionary.columns
    ]


def check_declared(plan: Plan) -> None:
    """Refuse a plan whose declared facts cannot become evidence, while nothing is spent.

    Raises:
        InputError: Names the field that such a value would fill.
    """
    b = _Checked(protected=plan.protected)
    declare(b, plan, issuer="", created=datetime.now(UTC).replace(microsecond=0))
    b.add("data.columns", columns(plan), DECLARED)


class _Checked(EvidenceBuilder):
    """Takes values as the evidence does, and refuses in words for the person who declared them."""

    def add(
        self, name: str, value: Any, disclosure: Disclosure, *, ledger_seq: int | None = None
    ) -> None:
        """Check one field as :meth:`EvidenceBuilder.add` does, and that it can be written."""
        try:
            super().add(name, value, disclosure, ledger_seq=ledger_seq)
            rfc8785.dumps(value)
        except (DisclosureError, rfc8785.CanonicalizationError):
            found = fault(FIELDS[name].shape, value, name)
            raise InputError(
                "holds a declared value that cannot be written into the evidence"
                + (f": {found}." if found else "."),
                where=name,
                fix="Declare plain text, finite numbers and lists of them in dictionary, release "
                "file and options.",
            ) from None


def review_by(created: datetime, months: int) -> str:
    """Return the ISO date `months` after a time, on the same day or the 28th."""
    month = created.month - 1 + months
    return f"{created.year + month // 12:04d}-{month % 12 + 1:02d}-{min(created.day, 28):02d}"
