"""Rules of transfer: what is not stated is never a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dpsynth.policy import Ground, Policy, load_policy, transfer_refusals
from dpsynth.policy.transfers import Transfer

GROUND = Ground(reason="A test.", source="a test")


def rule(*, allow: bool, **named: tuple[str, ...]) -> Transfer:
    empty: dict[str, tuple[str, ...]] = {"origin": (), "to": (), "purpose": ()}
    return Transfer(allow=allow, ground=GROUND, **(empty | named))


HOME = rule(allow=True, origin=("Germany",), to=("France", "Switzerland"))
ADVERTS = rule(allow=False, purpose=("direct marketing", "advertising"))


@pytest.mark.parametrize(
    ("origin", "to", "purpose", "refused"),
    [
        ("Germany", "France", "Research", 0),
        ("  GERMANY.", "switzer-land", "Research", 0),
        ("Germany", "Brazil", "Research", 1),
        ("Austria", "France", "Research", 1),
        ("", "France", "Research", 1),
        ("Germany", "", "Research", 1),
        ("Germany", "France", "Direct  Marketing, for a while", 1),
        ("Germany", "France", "Directions of marketing", 0),
        ("Germany", "France", "", 1),
        ("", "", "", 2),
    ],
)
def test_rules_of_one_group(origin: str, to: str, purpose: str, refused: int) -> None:
    found = transfer_refusals([(HOME, ADVERTS)], origin=origin, to=to, purpose=purpose)
    assert len(found) == refused
    assert all(unmet.rule == "transfers" for unmet in found)


def test_groups_all_hold() -> None:
    other = rule(allow=True, to=("Switzerland",))
    groups = [(HOME,), (other,)]
    asked: dict[str, Any] = {"origin": "Germany", "purpose": "x"}
    assert not transfer_refusals(groups, to="Switzerland", **asked)
    assert len(transfer_refusals(groups, to="France", **asked)) == 1


def test_no_rules_refuse_nothing() -> None:
    assert transfer_refusals([], origin="", to="", purpose="") == ()


def test_a_child_cannot_add_a_way_out(tmp_path: Path) -> None:
    def policy(name: str, **more: Any) -> Policy:
        tree = {"version": 2, "name": name, "title": "x", "description": "x", **more}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(tree))
        return load_policy(tmp_path / f"{name}.yaml")

    allow = {"decision": "allow", "reason": "x", "source": "x"}
    policy("ours", extends=["default"], transfers=[allow | {"to": ["France"]}])
    child = policy("child", extends=["ours.yaml"], transfers=[allow | {"to": ["Brazil"]}])
    assert len(child.transfers) == 2
    for to, count in (("France", 1), ("Brazil", 1), ("Chile", 2)):
        assert len(transfer_refusals(child.transfers, origin="", to=to, purpose="")) == count
