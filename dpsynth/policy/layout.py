"""The layout of a policy file, version 2: one description for the reader and for the JSON Schema.

Every rule is an object with what it asks, a ``reason`` in plain words and a ``source``. Keys that
are not listed here are errors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from dpsynth.policy.gates import NUMERIC, VERDICTS, Severity, Side
from dpsynth.policy.rules import LIMITS, REQUIREMENTS, Kind
from dpsynth.policy.shapes import Choice, Fixed, Listed, Number, Pattern, Record, Shape, Text, Whole

VERSION = 2
MOST_WAIVER_DAYS = 366  #: no waiver lasts longer, whatever a policy says
_DRAFT = "https://json-schema.org/draft/2020-12/schema"

_NAME = Pattern(
    pattern=r"[a-z0-9][a-z0-9._-]{0,63}",
    meaning="a name of at most 64 lower-case letters, digits, points, dashes and underscores",
)
_GATE_NAME = Pattern(
    pattern=r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    meaning="a name of at most 64 letters, digits, points, dashes and underscores",
)
_METRIC = Pattern(
    pattern=r"[a-z0-9_]+(\.[A-Za-z0-9_-]+){1,3}",
    meaning="the name of a metric, for example fidelity.tvd_1way.value",
)
_FINGERPRINT = Pattern(
    pattern=r"[0-9a-f]{64}",
    meaning="the SHA-256 of a certificate: 64 lower-case hexadecimal digits",
)
_GROUNDS: Mapping[str, Shape] = {"reason": Text(), "source": Text()}
_GROUNDED = frozenset(_GROUNDS)

_TESTS: Mapping[str, Shape] = {
    "at_most": Number(),
    "at_least": Number(),
    "verdict_is": Choice(options=VERDICTS),
    "verdict_not": Choice(options=VERDICTS),
    "is_true": Fixed(value=True),
}
_TUNING: Mapping[str, Shape] = {
    "side": Choice(options=tuple(side.value for side in Side)),
    "severity": Choice(options=tuple(severity.value for severity in Severity)),
    "on_inconclusive": Choice(options=("pass", "fail")),
}

GATE = Record(
    fields={"id": _GATE_NAME, "title": Text(), "metric": _METRIC, **_TESTS, **_TUNING, **_GROUNDS},
    needed=frozenset({"id", "title", "metric"}) | _GROUNDED,
    one_of=tuple(_TESTS),
)
TIGHTEN = Record(
    fields={"gates": Listed(item=_GATE_NAME), **_TESTS, **_TUNING, **_GROUNDS},
    needed=frozenset({"gates"}) | _GROUNDED,
    at_most_one_of=tuple(_TESTS),
)
TRANSFER = Record(
    fields={
        "decision": Choice(options=("allow", "deny")),
        "from": Listed(item=Text()),
        "to": Listed(item=Text()),
        "purpose": Listed(item=Text()),
        **_GROUNDS,
    },
    needed=frozenset({"decision"}) | _GROUNDED,
)
WAIVERS = Record(
    fields={
        "allowed_gates": Listed(item=_GATE_NAME, least=0),
        "signers": Listed(item=_FINGERPRINT, least=0),
        "max_days": Whole(least=1, most=MOST_WAIVER_DAYS),
        **_GROUNDS,
    },
    needed=frozenset({"allowed_gates", "signers", "max_days"}) | _GROUNDED,
)


def _rules(kinds: Mapping[str, Kind]) -> Record:
    return Record(
        fields={
            key: Record(
                fields={"limit": kind.shape, **_GROUNDS}, needed=frozenset({"limit"}) | _GROUNDED
            )
            for key, kind in kinds.items()
        }
    )


POLICY = Record(
    fields={
        "version": Fixed(value=VERSION),
        "name": _NAME,
        "title": Text(),
        "description": Text(),
        "extends": Listed(item=Text(), keep_order=True),
        "limits": _rules(LIMITS),
        "requirements": _rules(REQUIREMENTS),
        "transfers": Listed(item=TRANSFER, keep_order=True),
        "waivers": WAIVERS,
        "gates": Listed(item=GATE, keep_order=True),
        "tighten": Listed(item=TIGHTEN, keep_order=True),
    },
    needed=frozenset({"version", "name", "title", "description"}),
)


def has_side(condition: str) -> bool:
    """Say whether a condition compares numbers, so that an end of an interval can be chosen."""
    return condition in NUMERIC


def schema_text() -> str:
    """Return the JSON Schema of a policy file, as it is shipped: ``policy.schema.json``."""
    tree = {"$schema": _DRAFT, "title": "dpsynth policy, version 2", **POLICY.schema()}
    return json.dumps(tree, indent=1, ensure_ascii=False) + "\n"
