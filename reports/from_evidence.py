"""The two documents of a release, from its evidence and nothing else.

Writing a bundle and rebuilding it (`dpsynth verify --rebuild`) both come here. A document is made
from the canonical JSON of its evidence, the form in which a verifier has it, so that a number reads
the same whether it was computed a moment ago or read from a file.

Never true here: that bytes are promised to be equal under other libraries than `renderer` names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable

from dpsynth.reports.document import certificate_html, report_html
from dpsynth.reports.pdf import Rendered, render_pdf
from dpsynth.reports.text import plain
from jinja2 import TemplateError
from weasyprint.text.ffi import harfbuzz, harfbuzz_subset, pango

from dpsynth.errors import InputError
from dpsynth.evidence import PublicEvidence, ReleaseEvidence, public_evidence, release_evidence
from dpsynth.signing.roles import ISSUER_ONLY, Role

_PACKAGES = ("weasyprint", "pydyf", "fonttools", "jinja2")
_SOURCES = (".py", ".html", ".css", ".toml", ".woff2")


def certificate_pdf(
    evidence: PublicEvidence, *, roles: Sequence[Role] = ISSUER_ONLY, paper: str = "a4"
) -> Rendered:
    """Return the public certificate before it is signed.

    Args:
        evidence: What it says; attached to it, and it holds the time of issue.
        roles: Who will sign it, in order.
        paper: One of :data:`dpsynth.reports.pdf.PAPERS`.

    Raises:
        DisclosureError: One of the values is raw.
        InputError: The evidence cannot be laid out.
    """
    read = public_evidence(json.loads(evidence.to_bytes()))
    with _laid_out():
        return _rendered(
            certificate_html(read, roles),
            read,
            attachment=("evidence.public.json", "Evidence as canonical JSON"),
            title=plain("common.title" if read.protected else "unprotected.title"),
            roles=roles,
            paper=paper,
        )


def report_pdf(
    evidence: ReleaseEvidence, *, roles: Sequence[Role] = ISSUER_ONLY, paper: str = "a4"
) -> Rendered:
    """Return the internal report before it is signed.

    Args:
        evidence: What it says; attached to it, and it holds the time of issue.
        roles: Who will sign it; it has room for the issuer alone.
        paper: One of :data:`dpsynth.reports.pdf.PAPERS`.

    Raises:
        InputError: The evidence cannot be laid out.
    """
    read = release_evidence(json.loads(evidence.to_bytes()))
    with _laid_out():
        return _rendered(
            report_html(read),
            read,
            attachment=("evidence.internal.json", "All evidence, not for disclosure"),
            title="Internal evidence report",
            roles=roles,
            paper=paper,
        )


@cache
def renderer() -> dict[str, str]:
    """Return what the bytes of a document depend on beside its evidence, by name: versions.

    ``dpsynth.reports`` is no version but the first half of the SHA-256 over all sources, templates
    and fonts of that package; ``harfbuzz-subset`` is "none" where fontTools cuts fonts instead.
    """
    digest = hashlib.sha256()
    for name, content in sorted(_sources(files("dpsynth.reports"))):
        digest.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(content).digest())
    found = {name: version(name) for name in _PACKAGES}
    number = pango.pango_version()
    found["pango"] = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    found["harfbuzz"] = _harfbuzz()
    found["harfbuzz-subset"] = "none" if harfbuzz_subset is None else found["harfbuzz"]
    found["dpsynth.reports"] = digest.hexdigest()[:32]
    return found


def _rendered(
    html: str,
    evidence: PublicEvidence | ReleaseEvidence,
    *,
    attachment: tuple[str, str],
    title: str,
    roles: Sequence[Role],
    paper: str,
) -> Rendered:
    content = evidence.to_bytes()
    name, description = attachment
    return render_pdf(
        html,
        attachments=[(name, content, description)],
        title=f"{title} {evidence['release.id']}",
        created=datetime.fromisoformat(evidence["release.created"]),
        identifier=hashlib.sha256(content).digest(),
        roles=roles,
        paper=paper,
    )


@contextmanager
def _laid_out() -> Iterator[None]:
    """Turn what a value of the right shape and without sense can break into one error."""
    try:
        yield
    except (
        TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError,
    ) as error:  # fmt: skip
        raise InputError(
            f"The evidence cannot be laid out as a document ({type(error).__name__})."
        ) from error


def _sources(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of what this package is made of, compiled files left out."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _sources(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SOURCES):
            yield prefix + entry.name, entry.read_bytes()


def _harfbuzz() -> str:
    """Return the version of HarfBuzz, which says no more than "at least"."""
    found: list[int] = []
    for rest in (2, 1, 0):
        number = 0
        while harfbuzz.hb_version_atleast(*found, number + 1, *[0] * rest):
            number += 1
        found.append(number)
    return ".".join(map(str, found))
