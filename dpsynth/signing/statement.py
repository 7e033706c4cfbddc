"""in-toto Statement v1: which files, by digest, and what is said of them.

Follows the in-toto Attestation Framework v1. Bytes are canonical (RFC 8785), so that equal
statements are equal files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_DIGEST = frozenset("0123456789abcdef")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A statement that was read.

    Attributes:
        subjects: SHA-256 by name.
        predicate_type: URI of what is said.
        predicate: What is said.
    """

    subjects: Mapping[str, str]
    predicate_type: str
    predicate: Mapping[str, Any]


def statement(
    subjects: Mapping[str, str], predicate_type: str, predicate: Mapping[str, Any]
) -> bytes:
    """Return the canonical bytes of a statement.

    Args:
        subjects: Lower-case hexadecimal SHA-256 by name.
        predicate_type: URI of what is said.
        predicate: What is said; JSON values only, no NaN, integers below 2**53.
    """
    return rfc8785.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": name, "digest": {"sha256": digest}}
                for name, digest in sorted(subjects.items())
            ],
            "predicateType": predicate_type,
            "predicate": dict(predicate),
        }
    )


def parse_statement(payload: bytes) -> Statement:
    """Read a statement strictly: canonical bytes, known keys, one SHA-256 for each name.

    Raises:
        ValueError: It is not such a statement; the message says why.
    """
    tree = parse_canonical(payload)
    if not isinstance(tree, dict) or set(tree) != {
        "_type", "subject", "predicateType", "predicate",
    }:  # fmt: skip
        raise ValueError("is not an in-toto statement")
    kind, predicate = tree["predicateType"], tree["predicate"]
    if tree["_type"] != STATEMENT_TYPE:
        raise ValueError("is not an in-toto statement of version 1")
    if not isinstance(kind, str) or not isinstance(predicate, dict):
        raise ValueError("has no predicate")
    subjects: dict[str, str] = {}
    for entry in tree["subject"] if isinstance(tree["subject"], list) else []:
        match entry:
            case {"name": str(name), "digest": {"sha256": str(digest), **more}, **extra} if not (
                more or extra or name in subjects or len(digest) != 64 or not _DIGEST >= set(digest)
            ):
                subjects[name] = digest
            case _:
                raise ValueError("has a subject that is not a name with one SHA-256")
    if not subjects:
        raise ValueError("names no subject")
    return Statement(subjects=subjects, predicate_type=kind, predicate=predicate)


def parse_canonical(content: bytes) -> Any:
    """Read JSON that must be in canonical form: one meaning, one sequence of bytes.

    Raises:
        ValueError: It is not JSON, or not canonical.
    """
    try:
        tree = json.loads(content)
        canonical = rfc8785.dumps(tree)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON that can be read") from None
    if canonical != content:
        raise ValueError("is not in canonical form (RFC 8785)")
    return tree
