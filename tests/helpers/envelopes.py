"""Statements of a bundle, read without any check and signed anew by somebody with a key."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dpsynth.evidence import PREDICATE_TYPE
from dpsynth.signing.dsse import sign_envelope
from dpsynth.signing.keys import Signer
from dpsynth.signing.manifest import MANIFEST, MANIFEST_TYPE, manifest_statement
from dpsynth.signing.statement import Statement, parse_statement, statement

EVIDENCE = "evidence.dsse.json"


def opened(envelope: bytes) -> Statement:
    """Return the statement in an envelope."""
    return parse_statement(base64.b64decode(json.loads(envelope)["payload"]))


def statement_of(path: Path) -> Statement:
    """Return the statement in the envelope in a file."""
    return opened(path.read_bytes())


def resign_manifest(folder: Path, signer: Signer, /, **changes: Any) -> str:
    """Sign a manifest over the files that are there now; return its digest.

    Args:
        folder: ``public`` or ``internal`` of a bundle.
        signer: Who signs.
        changes: Keys of the predicate that become others.
    """
    predicate = {**statement_of(folder / MANIFEST).predicate, **changes}
    (folder / MANIFEST).unlink()
    return _write(folder / MANIFEST, manifest_statement(folder, predicate), signer)


def resign_statement(
    folder: Path, signer: Signer, subjects: Mapping[str, str], predicate: Mapping[str, Any]
) -> str:
    """Sign a manifest that lists what it is told to list; return its digest."""
    return _write(folder / MANIFEST, statement(subjects, MANIFEST_TYPE, predicate), signer)


def resign_evidence(
    folder: Path,
    signer: Signer,
    change: Callable[[dict[str, Any]], object] = lambda _: None,
    subjects: Mapping[str, str] | None = None,
) -> None:
    """Sign the evidence of a folder anew after a change of its predicate or its subjects."""
    found = statement_of(folder / EVIDENCE)
    predicate = copy.deepcopy(dict(found.predicate))
    change(predicate)
    content = statement({**found.subjects, **(subjects or {})}, PREDICATE_TYPE, predicate)
    _write(folder / EVIDENCE, content, signer)


def _write(path: Path, content: bytes, signer: Signer) -> str:
    envelope = sign_envelope(content, signer)
    path.write_bytes(envelope)
    return hashlib.sha256(envelope).hexdigest()
