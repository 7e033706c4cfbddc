"""The documents as HTML: certificate and report from evidence alone, and the attack report.

The public certificate is rendered from :class:`~dpsynth.evidence.PublicEvidence` and from nothing
else: its type cannot hold a raw number. The internal report is rendered from all evidence of a run.
Templates arrange; :mod:`dpsynth.reports.views` formats; neither measures anything.

Never true of a document: that it prints markup from a dictionary, a file of the machine, the clock,
or a raw number on the certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dpsynth.reports import numbers, report_view, views
from dpsynth.reports.attack_view import AttackRun, attack_report
from dpsynth.reports.pdf import FONT_SCHEME, SIGNATURE_ANCHOR, anchor_of
from dpsynth.reports.text import LANGUAGE, printable, resource, say, word
from dpsynth.reports.unprotected_view import unprotected_certificate
from jinja2 import FunctionLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from dpsynth.errors import DisclosureError
from dpsynth.evidence import PublicEvidence, PublicFact, ReleaseEvidence
from dpsynth.signing.roles import ISSUER_ONLY, Role


def certificate_html(evidence: PublicEvidence, roles: Sequence[Role] = ISSUER_ONLY) -> str:
    """Return the public certificate: two pages; of a release without a guarantee, that it has none.

    Args:
        evidence: What it says.
        roles: Who will sign it, in order; each gets a box.

    Raises:
        DisclosureError: The evidence is not public evidence, or one of its values is raw.
    """
    if type(evidence) is not PublicEvidence:
        raise DisclosureError("A certificate is made from public evidence only.")
    for name in evidence:
        fact = evidence.fact(name)
        if not isinstance(fact, PublicFact) or not fact.disclosure.public:
            raise DisclosureError(f"A certificate cannot hold {name!r}: it is not a public fact.")
    signers = [(role.value, anchor_of(role)) for role in roles]
    if not evidence.protected:
        shown = unprotected_certificate(evidence) | {"signers": signers}
        return _render("certificate_unprotected.html", evidence, shown)
    return _render("certificate.html", evidence, views.certificate(evidence) | {"signers": signers})


def report_html(evidence: ReleaseEvidence) -> str:
    """Return the internal evidence report.

    Raises:
        DisclosureError: The evidence is not the whole evidence of a run.
    """
    if type(evidence) is not ReleaseEvidence:
        raise DisclosureError("An internal report is made from the whole evidence of a run.")
    return _render("report.html", evidence, report_view.report(evidence))


def attack_report_html(run: AttackRun) -> str:
    """Return the report of an attack run on its own; all of it is internal."""
    return _render("attack_report.html", run, attack_report(run))


def _render(template: str, evidence: Any, view: dict[str, Any]) -> str:
    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(_packaged),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals = {
        "t": say,
        "word": word,
        "language": LANGUAGE,
        "fonts": Markup(FONT_SCHEME),  # noqa: S704 (a constant)
        "anchor": SIGNATURE_ANCHOR,
        "number": numbers.number,
        "p_value": numbers.p_value,
        "setting": numbers.setting,
        "grouped": numbers.grouped,
        "hundredths": numbers.hundredths,
        "blocks": numbers.blocks,
        "day": numbers.day,
        "up": numbers.up,
        "down": numbers.down,
        "short": printable,
    }
    return environment.get_template(template).render(e=evidence, **view)


def _packaged(name: str) -> str:
    return resource("templates", name).decode("utf-8")


def _finalize(value: Any) -> Any:
    """Let untrusted text through as printable glyphs only; markup of our own stays as it is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
