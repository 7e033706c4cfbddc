"""Composition: all rules of all parents hold, in any order, and a child only tightens."""

from __future__ import annotations

from functools import reduce
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dpsynth.errors import InputError
from dpsynth.policy import Gate, GateStatus, Ground, Rule, Severity, Side, Total, load_policy
from dpsynth.policy.compose import Terms, all_of
from dpsynth.policy.gates import VERDICTS, judge, tightest
from dpsynth.policy.rules import CLASSES, LIMITS, PROFILES, REQUIREMENTS, Contradiction
from dpsynth.results import AttackResult, AttackVerdict, FidelityResult, Interval

GROUNDS = {"reason": "A test.", "source": "a test"}
WORDS = ("a", "b", "c")
positive = st.sampled_from([0.1, 0.5, 1.0, 2.0, 3.0])
share = st.sampled_from([1e-9, 1e-6, 0.1, 0.2, 0.5])
totals = st.builds(Total, epsilon=positive, delta=share)


def some(options: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    """Tuples of a few of the options, in their order, as they are read from a file."""
    return st.sets(st.sampled_from(options), min_size=1).map(
        lambda chosen: tuple(o for o in options if o in chosen)
    )


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "max_epsilon": positive,
    "max_delta": share,
    "lineage_total": totals,
    "recipient_total": totals,
    "jurisdiction_total": totals,
    "assurance_classes": some(CLASSES).map(lambda c: tuple(sorted({*c, "A"}))),
    "attacks": some(PROFILES).map(lambda p: tuple(x for x in PROFILES if x in {*p, "full"})),
    "min_holdout": share,
    "review_months": st.integers(1, 120),
    "valid_until": st.dates(),
}
grounds = st.builds(Ground, reason=st.sampled_from(WORDS), source=st.sampled_from(WORDS)).map(
    lambda ground: (ground,)
)
limits = st.fixed_dictionaries(
    {}, optional={k: st.builds(Rule, value=v, grounds=grounds) for k, v in VALUES.items()}
)
requirements = st.fixed_dictionaries(
    {},
    optional={
        key: st.builds(Rule, value=value, grounds=grounds)
        for key, value in {
            "attacks": some(WORDS),
            "signers": some(("issuer", "expert", "dpo")),
            "retention_months": st.integers(1, 600),
        }.items()
    },
)
tuning = {
    "severity": st.sampled_from(Severity),
    "on_inconclusive": st.sampled_from([GateStatus.FAIL, GateStatus.INCONCLUSIVE]),
    "grounds": grounds,
    "title": st.sampled_from(WORDS),
}
number_gates = st.builds(
    Gate,
    id=st.just("n"),
    metric=st.just("fidelity.n.value"),
    condition=st.just("at_most"),
    limit=positive,
    side=st.sampled_from(Side),
    **tuning,
)
verdict_gates = st.builds(
    Gate,
    id=st.just("v"),
    metric=st.just("attacks.v.verdict"),
    condition=st.sampled_from(["verdict_is", "verdict_not"]),
    limit=st.sampled_from(VERDICTS),
    **tuning,
)
terms = st.builds(
    lambda limits, requirements, number: Terms(
        limits=limits, requirements=requirements, gates={"n": number}
    ),
    limits,
    requirements,
    number_gates,
)


def asked(found: Terms) -> tuple[Any, ...]:
    """What terms ask, their words aside."""
    return (
        {key: rule.value for key, rule in found.limits.items()},
        {key: rule.value for key, rule in found.requirements.items()},
        {name: _asked(gate) for name, gate in found.gates.items()},
    )


def _asked(gate: Gate) -> tuple[Any, ...]:
    return gate.condition, gate.limit, gate.side, gate.severity, gate.on_inconclusive


def test_every_kind_of_limit_is_drawn() -> None:
    assert set(VALUES) == set(LIMITS)
    assert {"attacks", "signers", "retention_months"} <= set(REQUIREMENTS)


@given(terms, terms, terms)
@settings(max_examples=150, deadline=None)
def test_composition_is_commutative_associative_and_idempotent(
    a: Terms, b: Terms, c: Terms
) -> None:
    found = [
        asked(reduce(lambda x, y: all_of(x, y, "w"), order)) for order in permutations([a, b, c])
    ]
    assert all(each == found[0] for each in found)
    assert asked(all_of(a, all_of(b, c, "w"), "w")) == found[0]
    assert all_of(a, a, "w") == a
    assert asked(all_of(Terms(), a, "w")) == asked(a)


@given(terms, terms)
@settings(max_examples=150, deadline=None)
def test_of_two_limits_the_stricter_holds(a: Terms, b: Terms) -> None:
    both = all_of(a, b, "w")
    for part in (a, b):
        for key, rule in part.limits.items():
            value = both.limits[key].value
            match key:
                case "max_epsilon" | "max_delta" | "review_months" | "valid_until":
                    assert value <= rule.value
                case "min_holdout":
                    assert value >= rule.value
                case "assurance_classes" | "attacks":
                    assert set(value) <= set(rule.value)
                case _:
                    assert value.epsilon <= rule.value.epsilon
                    assert value.delta <= rule.value.delta
        for key, rule in part.requirements.items():
            value = both.requirements[key].value
            if key == "retention_months":
                assert value >= rule.value
            else:
                assert set(value) >= set(rule.value)


numbers = st.builds(
    lambda low, more, most: FidelityResult(
        name="n", title="n", value=low + more,
        interval=Interval(low=low, high=low + more + most, level=0.95),
    ),
    positive, positive, positive,
)  # fmt: skip


@given(number_gates, number_gates, numbers)
@settings(max_examples=300, deadline=None)
def test_the_tightest_number_gate_lets_nothing_through_that_one_stops(
    a: Gate, b: Gate, result: FidelityResult
) -> None:
    metrics = {"fidelity.n": result}
    if judge(tightest(a, b), metrics, waived=False).passed:
        assert all(judge(gate, metrics, waived=False).passed for gate in (a, b))


@given(verdict_gates, verdict_gates, st.sampled_from(AttackVerdict))
@settings(max_examples=300, deadline=None)
def test_the_tightest_verdict_gate_lets_nothing_through_that_one_stops(
    a: Gate, b: Gate, verdict: AttackVerdict
) -> None:
    try:
        both = tightest(a, b)
    except Contradiction:
        assert not set(a.accepted) & set(b.accepted)
        return
    assert set(both.accepted) == set(a.accepted) & set(b.accepted)
    metrics = {"attacks.v": AttackResult(name="v", title="v", value=0.5, verdict=verdict)}
    if judge(both, metrics, waived=False).passed:
        assert all(judge(gate, metrics, waived=False).passed for gate in (a, b))


@given(number_gates, verdict_gates)
@settings(max_examples=10, deadline=None)
def test_gates_on_different_metrics_are_not_one(a: Gate, b: Gate) -> None:
    assume(a.metric != b.metric)
    with pytest.raises(Contradiction, match="reads"):
        tightest(a, b)


# Files


def write(folder: Path, name: str, **more: Any) -> Path:
    tree = {"version": 2, "name": name, "title": "x", "description": "x", **more}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def limit(value: Any) -> dict[str, Any]:
    return {"limit": value, **GROUNDS}


def test_a_child_tightens(tmp_path: Path) -> None:
    path = write(
        tmp_path, "ours", extends=["default"], limits={"max_epsilon": limit(0.5)},
        tighten=[{"gates": ["linkability"], "on_inconclusive": "fail", **GROUNDS}],
    )  # fmt: skip
    policy, parent = load_policy(path), load_policy("default")
    assert policy.max_epsilon == 0.5 and policy.lineage_total == parent.lineage_total
    changed = [g.id for g, p in zip(policy.gates, parent.gates, strict=True) if g != p]
    assert changed == ["linkability"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"limits": {"max_epsilon": limit(4)}}, "max_epsilon: would be loosened.*epsilon 3"),
        ({"limits": {"min_holdout": limit(0.01)}}, "min_holdout: would be loosened"),
        ({"limits": {"assurance_classes": limit(["A", "B", "N"])}}, "would be loosened"),
        ({"limits": {"attacks": limit(["off"])}}, "attacks: cannot be kept"),
        ({"limits": {"lineage_total": limit({"epsilon": 1, "delta": 1e-5})}}, "would be loosened"),
        ({"gate": {"severity": "attention"}}, "gate linkability: would be loosened"),
        ({"gate": {"verdict_is": "leak found"}}, "gate linkability: cannot be kept"),
        ({"gate": {"verdict_not": "no leak detected by this test"}}, "linkability: would be"),
        ({"number": {"at_most": 0.4}}, "gate tvd_1way: would be loosened.*0.35"),
        ({"number": {"side": "lower"}}, "gate tvd_1way: would be loosened"),
        ({"number": {"at_least": 0.1}}, "gate tvd_1way: cannot be kept"),
        ({"number": {"on_inconclusive": "pass"}}, "gate tvd_1way: would be loosened"),
    ],
)  # fmt: skip
def test_a_child_that_loosens_is_refused(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    for key, gate in (("gate", "linkability"), ("number", "tvd_1way")):
        if key in more:
            more = {"tighten": [{"gates": [gate], **more[key], **GROUNDS}]}
    with pytest.raises(InputError, match=words):
        load_policy(write(tmp_path, "ours", extends=["default"], **more))


def test_all_parents_hold_in_any_order(tmp_path: Path) -> None:
    write(tmp_path, "one", extends=["default"], limits={"max_epsilon": limit(2)})
    write(tmp_path, "two", extends=["default"], limits={"review_months": limit(3)},
          requirements={"declarations": limit(["purpose"])})  # fmt: skip
    for order in permutations(["one.yaml", "two.yaml", "strict"]):
        policy = load_policy(write(tmp_path, "both", extends=list(order)))
        assert policy.max_epsilon == 1.0 and policy.review_months == 3
        assert policy.required("declarations") == ("purpose",)
        assert {g.id: _asked(g) for g in policy.gates} == {
            g.id: _asked(g) for g in load_policy("strict").gates
        }


def test_circles_twins_and_parts_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a", extends=["b.yaml"])
    write(tmp_path, "b", extends=["a.yaml"])
    with pytest.raises(InputError, match="extends itself"):
        load_policy(tmp_path / "a.yaml")
    with pytest.raises(InputError, match="name default of another policy"):
        load_policy(write(tmp_path, "default", extends=["default"]))
    with pytest.raises(InputError, match="parts are no policies"):
        load_policy("common-gates")
    with pytest.raises(InputError, match="cannot be read"):
        load_policy(write(tmp_path, "c", extends=["nowhere.yaml"]))


WAIVERS = {"allowed_gates": ["linkability", "tvd_1way"], "signers": ["ab" * 32], "max_days": 90}


@pytest.mark.parametrize(
    ("waivers", "words"),
    [
        ({"allowed_gates": ["selftest"]}, "selftest: may not be waived"),
        ({"allowed_gates": ["max_epsilon"]}, "is no gate of this policy"),
        ({"signers": []}, "nobody who may sign"),
        ({"signers": ["AB" * 32]}, "SHA-256 of a certificate"),
        ({"max_days": 367}, "1 to 366"),
    ],
)
def test_what_may_never_be_waived(tmp_path: Path, waivers: dict[str, Any], words: str) -> None:
    path = write(tmp_path, "ours", extends=["default"], waivers=WAIVERS | waivers | GROUNDS)
    with pytest.raises(InputError, match=words):
        load_policy(path)


def test_a_child_allows_no_waiver_that_a_parent_does_not(tmp_path: Path) -> None:
    write(tmp_path, "ours", extends=["default"], waivers=WAIVERS | GROUNDS)
    fewer = {**WAIVERS, "allowed_gates": ["tvd_1way"], "max_days": 30, **GROUNDS}
    policy = load_policy(write(tmp_path, "fewer", extends=["ours.yaml"], waivers=fewer))
    assert policy.waivers and policy.waivers.gates == ("tvd_1way",)
    for more in ({"max_days": 91}, {"allowed_gates": ["inference"]}, {"signers": ["cd" * 32]}):
        path = write(
            tmp_path, "more", extends=["ours.yaml"], waivers={**WAIVERS, **more, **GROUNDS}
        )
        with pytest.raises(InputError, match="a parent does not allow"):
            load_policy(path)
    with pytest.raises(InputError, match="a parent does not allow"):
        load_policy(write(tmp_path, "loose", extends=["strict"], waivers=WAIVERS | GROUNDS))
