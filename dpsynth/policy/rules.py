"""Limits and requirements: what each asks, which of two is stricter, and the sentence for people.

A limit bounds what a release may ask for; a requirement says what must stand beside it. Both are
known before anything is spent. Of two limits the stricter holds; requirements add up. Never true
here: a combination that lets through what one of its parts refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from dpsynth.policy.shapes import Choice, Day, Listed, Number, Record, Shape, Text, Whole
from dpsynth.results import (
    AssuranceClass,
    AttackProfile,
    SignerRole,
    decimal_string,
    words_of,
)

#: What a person declares of a release, and a policy may ask for.
DECLARATIONS = ("recipient", "jurisdiction", "origin", "purpose")
CLASSES = words_of(AssuranceClass)
PROFILES = words_of(AttackProfile)
AUDITS = ("mechanism",)
ROLES = words_of(SignerRole)


class Contradiction(ValueError):
    """Two rules that nothing can keep both; the message says how."""


@dataclass(frozen=True, kw_only=True, order=True)
class Ground:
    """Why a rule exists, in a plain sentence, and who says so."""

    reason: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Unmet:
    """A rule that a request does not keep: its name, such as ``limits.max_epsilon``, and why."""

    rule: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Total:
    """A largest (epsilon, delta) of several releases together."""

    epsilon: float
    delta: float


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One limit or requirement, with the grounds of every policy that asks for it."""

    value: Any
    grounds: tuple[Ground, ...]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What can be asked under one key.

    Attributes:
        shape: Shape of the value in the file.
        join: The value that keeps two; commutative, associative, and join(x, x) = x.
        sentence: What it asks, in a sentence.
        adds: Whether values of several policies add up, so that none can be a loosening.
        needed: Whether every policy must say it.
    """

    shape: Shape
    join: Callable[[Any, Any], Any]
    sentence: Callable[[Any], str]
    adds: bool = False
    needed: bool = False


@dataclass(frozen=True, kw_only=True)
class _TotalShape:
    """An (epsilon, delta)."""

    record: Record = Record(
        fields={"epsilon": Number(above=0.0), "delta": Number(above=0.0, below=1.0)},
        needed=frozenset({"epsilon", "delta"}),
    )

    def read(self, value: Any, where: str) -> Total:
        """Return the total."""
        return Total(**self.record.read(value, where))

    def schema(self) -> dict[str, Any]:
        """Both numbers."""
        return self.record.schema()


def _smaller_total(one: Total, other: Total) -> Total:
    return Total(epsilon=min(one.epsilon, other.epsilon), delta=min(one.delta, other.delta))


def _common(options: tuple[str, ...], one: tuple[str, ...], other: tuple[str, ...]) -> Any:
    """Return what both allow, in the order of the options."""
    found = tuple(word for word in options if word in one and word in other)
    if not found:
        raise Contradiction(f"one allows only {', '.join(one)}, another only {', '.join(other)}")
    return found


def _together(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))


def _in_order(
    options: tuple[str, ...], one: tuple[str, ...], other: tuple[str, ...]
) -> tuple[str, ...]:
    return tuple(word for word in options if word in one or word in other)


def _words(items: tuple[str, ...]) -> str:
    return ", ".join(item.replace("_", " ") for item in items)


def _of(total: Total) -> str:
    return f"epsilon {total.epsilon:g} at delta {total.delta:g} at most"


LIMITS: Mapping[str, Kind] = {
    "max_epsilon": Kind(
        shape=Number(above=0.0),
        join=min,
        sentence=lambda v: f"One release spends epsilon {v:g} at most.",
        needed=True,
    ),
    "max_delta": Kind(
        shape=Number(above=0.0, below=1.0),
        join=min,
        sentence=lambda v: f"One release spends delta {v:g} at most.",
        needed=True,
    ),
    "lineage_total": Kind(
        shape=_TotalShape(),
        join=_smaller_total,
        sentence=lambda v: f"All releases about the same people spend {_of(v)}.",
        needed=True,
    ),
    "recipient_total": Kind(
        shape=_TotalShape(),
        join=_smaller_total,
        sentence=lambda v: f"Any one recipient gets {_of(v)} of it, over all releases.",
    ),
    "jurisdiction_total": Kind(
        shape=_TotalShape(),
        join=_smaller_total,
        sentence=lambda v: f"All recipients of one jurisdiction get {_of(v)} of it.",
    ),
    "assurance_classes": Kind(
        shape=Listed(item=Choice(options=CLASSES)),
        join=partial(_common, CLASSES),
        sentence=lambda v: f"The method is of assurance class {' or '.join(v)}.",
        needed=True,
    ),
    "attacks": Kind(
        shape=Listed(item=Choice(options=PROFILES)),
        join=partial(_common, PROFILES),
        sentence=lambda v: f"The attack profile is {' or '.join(v)}.",
        needed=True,
    ),
    "min_holdout": Kind(
        shape=Number(above=0.0, below=1.0),
        join=max,
        sentence=lambda v: f"At least {100 * v:g} in 100 people are sealed for the tests.",
        needed=True,
    ),
    "review_months": Kind(
        shape=Whole(least=1, most=120),
        join=min,
        sentence=lambda v: f"The release is reviewed after {v} months at the latest.",
        needed=True,
    ),
    "valid_until": Kind(
        shape=Day(),
        join=min,
        sentence=lambda v: f"The policy lets nothing out after {v.isoformat()}: review it first.",
    ),
}

REQUIREMENTS: Mapping[str, Kind] = {
    "declarations": Kind(
        shape=Listed(item=Choice(options=DECLARATIONS)),
        join=partial(_in_order, DECLARATIONS),
        sentence=lambda v: f"The release file states: {_words(v)}.",
        adds=True,
    ),
    "sections": Kind(
        shape=Listed(item=Text()),
        join=_together,
        sentence=lambda v: f"The internal report has the sections: {', '.join(v)}.",
        adds=True,
    ),
    "attacks": Kind(
        shape=Listed(item=Text()),
        join=_together,
        sentence=lambda v: f"These attacks ran, whatever they found: {', '.join(v)}.",
        adds=True,
    ),
    "audits": Kind(
        shape=Listed(item=Choice(options=AUDITS)),
        join=partial(_in_order, AUDITS),
        sentence=lambda v: f"An audit of the {_words(v)} is named, and was sharp enough.",
        adds=True,
    ),
    "signers": Kind(
        shape=Listed(item=Choice(options=ROLES)),
        join=partial(_in_order, ROLES),
        sentence=lambda v: f"Signed, in this order, by: {_words(v)}.",
        adds=True,
    ),
    "retention_months": Kind(
        shape=Whole(least=1, most=600),
        join=max,
        sentence=lambda v: f"Report and evidence are kept for {v} months.",
        adds=True,
    ),
}


def joined(kind: Kind, one: Rule, other: Rule) -> Rule:
    """Return the rule that keeps two, with the grounds of those whose value it is."""
    value = kind.join(one.value, other.value)
    deciding = [rule for rule in (one, other) if rule.value == value] or [one, other]
    return Rule(value=value, grounds=merged(*(rule.grounds for rule in deciding)))


def merged(*grounds: tuple[Ground, ...]) -> tuple[Ground, ...]:
    """Return grounds without repetition, in an order of their own."""
    return tuple(sorted({ground for several in grounds for ground in several}))


def value_json(value: Any) -> Any:
    """Return a value of a rule as JSON; numbers that people sign for are decimal strings."""
    if isinstance(value, Total):
        return {
            "epsilon": decimal_string(value.epsilon),
            "delta": decimal_string(value.delta),
        }
    if isinstance(value, float):
        return decimal_string(value)
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def grounds_json(grounds: tuple[Ground, ...]) -> list[dict[str, str]]:
    """Return grounds as JSON."""
    return [{"reason": ground.reason, "source": ground.source} for ground in grounds]
