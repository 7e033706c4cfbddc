"""Reading policy files, strictly, and composing what they extend: people answer for them.

Unknown keys, duplicate keys, a rule without reason or source, a limit of the wrong kind and a
child that loosens its parent are errors that say where they are. A name in ``extends`` is a shipped
policy or part; text that ends in .yaml is a file beside the one that names it.
"""

from __future__ import annotations

import hashlib
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import rfc8785

from dpsynth.errors import InputError
from dpsynth.policy.compose import Terms, Tightening, all_of, narrowed
from dpsynth.policy.declared import Policy, PolicyFile, WaiverTerms
from dpsynth.policy.gates import (
    CONDITIONS,
    SELF_TEST,
    Gate,
    GateStatus,
    Severity,
    Side,
    careful_side,
)
from dpsynth.policy.layout import POLICY, VERSION, has_side
from dpsynth.policy.rules import LIMITS, Ground, Rule
from dpsynth.policy.transfers import Transfer
from dpsynth.yamlfile import parse_yaml, read_content

_SHIPPED = "dpsynth.policies"
_PARTS = "parts"
_MAX_BYTES = 1_000_000
_MAX_FILES = 32
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class _Place:
    """Where a policy stands: a shipped name, or a file."""

    label: str
    file: Path | None = None

    def content(self) -> bytes:
        """Return the bytes of the file."""
        if self.file is not None:
            return read_content(self.file)
        root = importlib.resources.files(_SHIPPED)
        for folder in (root, root.joinpath(_PARTS)):
            found = folder.joinpath(f"{self.label}.yaml")
            if found.is_file():
                return found.read_bytes()
        raise InputError(
            f"There is no policy {self.label!r}.",
            where="policy",
            fix=f"Known: {', '.join(shipped_policies())}; or give the path of a .yaml file.",
        )

    def beside(self, named: str) -> _Place:
        """Return what a name in `extends` means."""
        if named.endswith(_SUFFIXES):
            if self.file is None:
                raise InputError("may extend shipped names only.", where=self.label)
            return _Place(named, self.file.parent / named)
        return _Place(named)

    @property
    def key(self) -> str:
        """What the place is, however it was written."""
        return self.label if self.file is None else str(self.file.resolve())


def shipped_policies() -> tuple[str, ...]:
    """Return the names of the policies that come with dpsynth."""
    files = importlib.resources.files(_SHIPPED).iterdir()
    return tuple(sorted(f.name[:-5] for f in files if f.name.endswith(".yaml")))


def load_policy(name_or_path: str | Path) -> Policy:
    """Load a shipped policy by name, or any policy by the path of its YAML file.

    Raises:
        InputError: The policy is unknown, unreadable, malformed, incomplete, or loosens what it
            extends; says where.
    """
    text = str(name_or_path)
    is_file = isinstance(name_or_path, Path) or text.endswith(_SUFFIXES) or "/" in text
    place = _Place(text, Path(name_or_path) if is_file else None)
    files: dict[str, PolicyFile] = {}
    tree, terms = _resolved(place, files, ())
    missing = [key for key, kind in LIMITS.items() if kind.needed and key not in terms.limits]
    if missing:
        raise InputError(
            f"lacks the limit {missing[0]!r}.",
            where=text,
            fix="Say it under `limits`, or extend a policy that does: parts are no policies.",
        )
    if not terms.gates:
        raise InputError(
            "has no gates: an empty policy is not a policy.", where=text, fix="Add a gate."
        )
    _check_waivers(terms, text)
    policy = Policy(
        name=tree["name"],
        title=tree["title"],
        description=" ".join(tree["description"].split()),
        digest="",
        files=tuple(sorted(files.values(), key=lambda file: file.name)),
        limits=terms.limits,
        requirements=terms.requirements,
        transfers=terms.transfers,
        waivers=terms.waivers,
        gates=tuple(terms.gates.values()),
    )
    return replace(policy, digest=hashlib.sha256(rfc8785.dumps(policy.content())).hexdigest())


def _resolved(
    place: _Place, files: dict[str, PolicyFile], above: tuple[str, ...]
) -> tuple[dict[str, Any], Terms]:
    """Return the content of one file and its terms together with those of all its parents.

    Args:
        place: The file.
        files: Every file read so far, by place; this one and its parents are added.
        above: Places of the children that led here.
    """
    where = place.label
    if place.key in above:
        raise InputError("extends itself.", where=where, fix="Break the circle.")
    content = place.content()
    if len(content) > _MAX_BYTES:
        raise InputError("is too large to be a policy.", where=where)
    tree = _checked(parse_yaml(content, where), where)
    read = PolicyFile(name=tree["name"], sha256=hashlib.sha256(content).hexdigest())
    twin = next((f for f in files.values() if f.name == read.name and f != read), None)
    if twin is not None:
        raise InputError(f"has the name {read.name} of another policy.", where=where)
    files[place.key] = read
    if len(files) > _MAX_FILES:
        raise InputError(f"extends more than {_MAX_FILES} files.", where=where)
    parents = [
        _resolved(place.beside(named), files, (*above, place.key))[1]
        for named in tree.get("extends", ())
    ]
    inherited = reduce(lambda one, other: all_of(one, other, where), parents, Terms())
    return tree, narrowed(inherited, _own(tree, where), _tightenings(tree, inherited, where), where)


def _checked(tree: Any, where: str) -> dict[str, Any]:
    """Return the content of a file, of the right version and layout."""
    if isinstance(tree, dict) and tree.get("version") != VERSION:
        old = tree.get("version") == 1 and not isinstance(tree["version"], bool)
        raise InputError(
            "is a policy of version 1, whose rules had no sources."
            if old
            else "has a version that this dpsynth does not know.",
            where=where,
            fix=f"Write `version: {VERSION}`, each limit as {{limit, reason, source}} and a source "
            "for each gate: docs/policies.md shows how.",
        )
    return POLICY.read(tree, where)


def _own(tree: Mapping[str, Any], where: str) -> Terms:
    gates = [_gate(said, f"{where}: gates[{i}]") for i, said in enumerate(tree.get("gates", ()))]
    if len({gate.id for gate in gates}) != len(gates):
        raise InputError("has two gates of the same id.", where=where)
    transfers = tuple(sorted(_transfer(said) for said in tree.get("transfers", ())))
    waivers = tree.get("waivers")
    return Terms(
        limits=_rules(tree.get("limits", {})),
        requirements=_rules(tree.get("requirements", {})),
        transfers=(transfers,) if transfers else (),
        waivers=None
        if waivers is None
        else WaiverTerms(
            gates=waivers["allowed_gates"],
            signers=waivers["signers"],
            max_days=waivers["max_days"],
            grounds=_grounds(waivers),
        ),
        gates={gate.id: gate for gate in gates},
    )


def _rules(tree: Mapping[str, Any]) -> dict[str, Rule]:
    return {key: Rule(value=said["limit"], grounds=_grounds(said)) for key, said in tree.items()}


def _grounds(said: Mapping[str, Any]) -> tuple[Ground, ...]:
    return (Ground(reason=_line(said["reason"]), source=_line(said["source"])),)


def _line(text: str) -> str:
    return " ".join(text.split())


def _transfer(said: Mapping[str, Any]) -> Transfer:
    (ground,) = _grounds(said)
    return Transfer(
        allow=said["decision"] == "allow",
        origin=said.get("from", ()),
        to=said.get("to", ()),
        purpose=said.get("purpose", ()),
        ground=ground,
    )


def _gate(said: Mapping[str, Any], where: str) -> Gate:
    changes = _changes(said)
    gate = Gate(
        id=said["id"],
        title=_line(said["title"]),
        metric=said["metric"],
        grounds=_grounds(said),
        **{"side": careful_side(changes["condition"]), **changes},
    )
    _check_side(gate, where)
    return gate


def _tightenings(tree: Mapping[str, Any], inherited: Terms, where: str) -> tuple[Tightening, ...]:
    found = []
    for i, said in enumerate(tree.get("tighten", ())):
        changes = _changes(said)
        if not changes:
            raise InputError("changes nothing.", where=f"{where}: tighten[{i}]")
        found.append(Tightening(gates=said["gates"], changes=changes, grounds=_grounds(said)))
        numeric = [g for g in said["gates"] if g in inherited.gates and inherited.gates[g].side]
        if "side" in changes and len(numeric) != len(said["gates"]):
            raise InputError("gives a side to a gate without numbers.", where=f"{where}: tighten")
    return tuple(found)


def _changes(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a gate or a tightening says, as fields of a gate."""
    changes: dict[str, Any] = {}
    for condition in CONDITIONS:
        if condition in said:
            changes |= {"condition": condition, "limit": said[condition]}
    if "side" in said:
        changes["side"] = Side(said["side"])
    if "severity" in said:
        changes["severity"] = Severity(said["severity"])
    if "on_inconclusive" in said:
        tolerant = said["on_inconclusive"] == "pass"
        changes["on_inconclusive"] = GateStatus.INCONCLUSIVE if tolerant else GateStatus.FAIL
    return changes


def _check_side(gate: Gate, where: str) -> None:
    if gate.side is not None and not has_side(gate.condition):
        raise InputError("has a side, but compares no numbers.", where=where)


def _check_waivers(terms: Terms, where: str) -> None:
    """Refuse waivers for what may never be waived, and waivers that nobody could sign."""
    if terms.waivers is None:
        return
    for name in terms.waivers.gates:
        gate = terms.gates.get(name)
        if gate is None or gate.metric.startswith(SELF_TEST):
            raise InputError(
                "may not be waived." if gate else "is no gate of this policy.",
                where=f"{where}: waivers, {name}",
                fix="Waivers are for gates on attacks and fidelity; limits hold always.",
            )
    if terms.waivers.gates and not terms.waivers.signers:
        raise InputError("names nobody who may sign a waiver.", where=f"{where}: waivers")
