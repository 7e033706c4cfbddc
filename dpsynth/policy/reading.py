"""Reading a policy file, strictly: a policy is written by people who answer for it.

Unknown keys, duplicate keys, an empty list of gates and a limit of the wrong kind are errors that
say where they are.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dpsynth.errors import InputError
from dpsynth.policy.declared import VERDICTS, Gate, GateStatus, Policy, Total
from dpsynth.yamlfile import parse_yaml, read_content

_SHIPPED = "dpsynth.policies"
_MAX_BYTES = 1_000_000
_TOP = frozenset({"version", "name", "title", "description", "limits", "gates"})
_LIMITS = frozenset(
    {
        "max_epsilon", "max_delta", "lineage_total", "assurance_classes", "attacks",
        "min_holdout", "review_months",
    }
)  # fmt: skip
_CAPS = frozenset({"recipient_total", "jurisdiction_total"})
_TOTAL = frozenset({"epsilon", "delta"})
_CONDITIONS = ("at_most", "at_least", "verdict_is", "verdict_not", "is_true")
_GATE = frozenset({"id", "title", "metric", "reason", "on_inconclusive", *_CONDITIONS})


def shipped_policies() -> tuple[str, ...]:
    """Return the names of the policies that come with dpsynth."""
    files = importlib.resources.files(_SHIPPED).iterdir()
    return tuple(sorted(f.name[:-5] for f in files if f.name.endswith(".yaml")))


def load_policy(name_or_path: str | Path) -> Policy:
    """Load a shipped policy by name, or any policy by the path of its YAML file.

    Raises:
        InputError: The policy is unknown, unreadable or malformed; says where.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith((".yaml", ".yml")) or "/" in text:
        content = read_content(Path(name_or_path))
    elif text in shipped_policies():
        content = importlib.resources.files(_SHIPPED).joinpath(f"{text}.yaml").read_bytes()
    else:
        raise InputError(
            f"There is no policy {text!r}.",
            where="policy",
            fix=f"Known: {', '.join(shipped_policies())}; or give the path of a .yaml file.",
        )
    if len(content) > _MAX_BYTES:
        raise InputError("is too large to be a policy.", where=text)
    return _policy(parse_yaml(content, text), text, hashlib.sha256(content).hexdigest())


def _policy(tree: Any, where: str, digest: str) -> Policy:
    _keys(tree, _TOP, _TOP, where)
    if tree["version"] != 1 or isinstance(tree["version"], bool):
        raise InputError("has a version that this dpsynth does not know.", where=where)
    limits = tree["limits"]
    _keys(limits, _LIMITS | _CAPS, _LIMITS, f"{where}: limits")
    total = _total(limits, "lineage_total", where)
    if not isinstance(tree["gates"], list) or not tree["gates"]:
        raise InputError(
            "has no gates: an empty policy is not a policy.", where=where, fix="Add a gate."
        )
    gates = tuple(_gate(g, f"{where}: gates[{i}]") for i, g in enumerate(tree["gates"]))
    if len({gate.id for gate in gates}) != len(gates):
        raise InputError("has two gates of the same id.", where=where)
    return Policy(
        name=_text(tree, "name", where),
        title=_text(tree, "title", where),
        description=_text(tree, "description", where),
        digest=digest,
        max_epsilon=_number(limits, "max_epsilon", where, above=0.0),
        max_delta=_number(limits, "max_delta", where, above=0.0, below=1.0),
        lineage_total=total,
        recipient_total=_cap(limits, "recipient_total", where),
        jurisdiction_total=_cap(limits, "jurisdiction_total", where),
        assurance_classes=_names(limits, "assurance_classes", where),
        attacks=_names(limits, "attacks", where),
        min_holdout=_number(limits, "min_holdout", where, above=0.0, below=1.0),
        review_months=round(_number(limits, "review_months", where, above=0.5, below=120.5)),
        gates=gates,
    )


def _total(limits: Mapping[str, Any], key: str, where: str) -> Total:
    tree = limits[key]
    _keys(tree, _TOTAL, _TOTAL, f"{where}: limits.{key}")
    return Total(
        epsilon=_number(tree, "epsilon", where, above=0.0),
        delta=_number(tree, "delta", where, above=0.0, below=1.0),
    )


def _cap(limits: Mapping[str, Any], key: str, where: str) -> Total | None:
    return _total(limits, key, where) if key in limits else None


def _gate(tree: Any, where: str) -> Gate:
    _keys(tree, _GATE, frozenset({"id", "title", "metric", "reason"}), where)
    chosen = [condition for condition in _CONDITIONS if condition in tree]
    if len(chosen) != 1:
        raise InputError("needs exactly one of: " + ", ".join(_CONDITIONS) + ".", where=where)
    condition = chosen[0]
    limit: float | str | bool = tree[condition]
    if condition in {"at_most", "at_least"}:
        limit = _number(tree, condition, where)
    elif condition == "is_true" and limit is not True:
        raise InputError("is_true takes the value true.", where=where)
    elif condition != "is_true" and str(limit) not in VERDICTS:
        raise InputError(f"{condition} needs a verdict.", where=where, fix=f"{sorted(VERDICTS)}.")
    choice = tree.get("on_inconclusive", "fail")
    if choice not in ("pass", "fail"):
        raise InputError("on_inconclusive must be pass or fail.", where=where)
    return Gate(
        id=_text(tree, "id", where),
        title=_text(tree, "title", where),
        metric=_text(tree, "metric", where),
        condition=condition,
        limit=limit,
        reason=_text(tree, "reason", where),
        on_inconclusive=GateStatus.INCONCLUSIVE if choice == "pass" else GateStatus.FAIL,
    )


def _keys(tree: Any, known: frozenset[str], needed: frozenset[str], where: str) -> None:
    if not isinstance(tree, dict):
        raise InputError("expects keys and values.", where=where)
    unknown = sorted(set(map(str, tree)) - known)
    if unknown:
        raise InputError(
            f"does not know the key {unknown[0]!r}.", where=where, fix=f"Known: {sorted(known)}."
        )
    missing = sorted(needed - set(tree))
    if missing:
        raise InputError(f"lacks the key {missing[0]!r}.", where=where)


def _text(tree: Mapping[str, Any], key: str, where: str) -> str:
    value = tree[key]
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{key} must be text.", where=where)
    return value.strip()


def _names(tree: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = tree[key]
    # YAML reads a bare `off` as False.
    names = ["off" if item is False else item for item in value] if isinstance(value, list) else []
    if not names or not all(isinstance(item, str) for item in names):
        raise InputError(f"{key} must be a list of names.", where=where)
    return tuple(names)


def _number(
    tree: Mapping[str, Any], key: str, where: str, above: float = -math.inf, below: float = math.inf
) -> float:
    value = tree[key]
    if isinstance(value, str):  # YAML 1.1 reads 1e-6 as text
        try:
            value = float(value)
        except ValueError:
            value = math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        value = math.nan
    if not above < value < below:
        span = f" above {above:g}" * (above > -math.inf) + f" below {below:g}" * (below < math.inf)
        raise InputError(f"{key} must be a number{span}.", where=where)
    return float(value)
