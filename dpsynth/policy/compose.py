"""Composition of policies: all rules of all parents hold, and a child may only tighten.

Of two limits the stricter holds, requirements add up, rules of transfer all hold, gates are united
by id and a gate that both have becomes the loosest one that is as tight as both. For limits,
requirements and gates this is commutative, associative and idempotent, so the order of ``extends``
decides nothing but the order in which gates are listed. A parent that says nothing of waivers
leaves them to the child; one that allows none, or some, binds it. Never true here: a child that
lets through what a parent refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from dpsynth.errors import InputError
from dpsynth.policy.declared import WaiverTerms
from dpsynth.policy.gates import Gate, tightest
from dpsynth.policy.rules import (
    LIMITS,
    REQUIREMENTS,
    Contradiction,
    Ground,
    Kind,
    Rule,
    joined,
    merged,
)
from dpsynth.policy.transfers import Group

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a policy asks, as far as it is known; the terms of nobody ask nothing."""

    limits: Mapping[str, Rule] = field(default_factory=dict)
    requirements: Mapping[str, Rule] = field(default_factory=dict)
    transfers: tuple[Group, ...] = ()
    waivers: WaiverTerms | None = None
    gates: Mapping[str, Gate] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tightening:
    """What a child changes of gates that it inherits.

    Attributes:
        gates: Their ids.
        changes: Fields of :class:`Gate` with their new values.
        grounds: Why, and who says so.
    """

    gates: tuple[str, ...]
    changes: Mapping[str, Any]
    grounds: tuple[Ground, ...]


def all_of(one: Terms, other: Terms, where: str) -> Terms:
    """Return the terms that keep two.

    Raises:
        InputError: Nothing can keep both; names the rule.
    """
    gates = dict(one.gates)
    for name, gate in other.gates.items():
        mine = gates.get(name)
        gates[name] = gate if mine is None else _kept(f"{where}: gate {name}", tightest, mine, gate)
    return Terms(
        limits=_joined(LIMITS, one.limits, other.limits, where),
        requirements=_joined(REQUIREMENTS, one.requirements, other.requirements, where),
        transfers=tuple(sorted({*one.transfers, *other.transfers})),
        waivers=_waivers(one.waivers, other.waivers),
        gates=gates,
    )


def narrowed(parents: Terms, own: Terms, tightenings: tuple[Tightening, ...], where: str) -> Terms:
    """Return the terms of a child.

    Args:
        parents: Terms of all parents together.
        own: What the child adds; its gates must be new.
        tightenings: What it changes of gates that it inherits.
        where: What messages call it.

    Raises:
        InputError: The child loosens something, or tightens what it does not inherit.
    """
    for kinds, inherited, said in (
        (LIMITS, parents.limits, own.limits),
        (REQUIREMENTS, parents.requirements, own.requirements),
    ):
        for key, rule in said.items():
            if key in inherited and not kinds[key].adds:
                _not_looser(kinds[key], inherited[key], rule, f"{where}: {key}")
    for name in own.gates:
        if name in parents.gates:
            raise InputError(
                "is a gate of a parent already.",
                where=f"{where}: gate {name}",
                fix="Change it under `tighten`.",
            )
    kept = _waivers(parents.waivers, own.waivers)
    if own.waivers is not None and kept is not None and _allowed(kept) != _allowed(own.waivers):
        raise InputError(
            "allows waivers that a parent does not allow.",
            where=f"{where}: waivers",
            fix="Name gates and signers that every parent names, and no more days.",
        )
    gates = dict(parents.gates)
    for tightening in tightenings:
        for name in tightening.gates:
            if name not in gates:
                raise InputError(
                    "is no gate of a parent.",
                    where=f"{where}: tighten {name}",
                    fix="Write a new gate under `gates`.",
                )
            gates[name] = _tightened(gates[name], tightening, f"{where}: gate {name}")
    return all_of(replace(parents, gates=gates), own, where)


def _allowed(waivers: WaiverTerms) -> tuple[object, ...]:
    return waivers.gates, waivers.signers if waivers.gates else (), waivers.max_days


def _tightened(gate: Gate, tightening: Tightening, where: str) -> Gate:
    asked = replace(gate, **tightening.changes, grounds=tightening.grounds)
    both = _kept(where, tightest, gate, asked)
    if both != asked:
        raise InputError(
            f"would be loosened: {_words(gate)} is asked for by a parent, {_words(asked)} here.",
            where=where,
            fix="A child may only tighten: write a policy that does not extend that parent.",
        )
    return asked


def _words(gate: Gate) -> str:
    tolerance = gate.on_inconclusive.value.replace("inconclusive", "pass")
    return f"{gate.limit_text!r} ({gate.severity.value}, on_inconclusive {tolerance})"


def _not_looser(kind: Kind, parent: Rule, rule: Rule, where: str) -> None:
    kept = _kept(where, kind.join, parent.value, rule.value)
    if kept != rule.value:
        raise InputError(
            f"would be loosened. A parent asks: {kind.sentence(parent.value)}",
            where=where,
            fix="A child may only tighten: leave the key out, or do not extend that parent.",
        )


def _joined(
    kinds: Mapping[str, Kind], one: Mapping[str, Rule], other: Mapping[str, Rule], where: str
) -> dict[str, Rule]:
    found = dict(one)
    for key, rule in other.items():
        mine = found.get(key)
        found[key] = (
            rule if mine is None else _kept(f"{where}: {key}", joined, kinds[key], mine, rule)
        )
    return found


def _kept(where: str, join: Callable[..., _T], *both: Any) -> _T:
    try:
        return join(*both)
    except Contradiction as error:
        raise InputError(
            f"cannot be kept: {error}.",
            where=where,
            fix="Extend policies that agree, or give the rule another name.",
        ) from None


def _waivers(one: WaiverTerms | None, other: WaiverTerms | None) -> WaiverTerms | None:
    """Return what both allow; who says nothing leaves it to the other."""
    if one is None or other is None:
        return one or other
    gates = tuple(name for name in one.gates if name in other.gates)
    return WaiverTerms(
        gates=gates,
        signers=tuple(name for name in one.signers if name in other.signers) if gates else (),
        max_days=min(one.max_days, other.max_days),
        grounds=merged(one.grounds, other.grounds),
    )
