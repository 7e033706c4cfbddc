"""Policies: strict to read, no gate passes for want of a measurement."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import rfc8785
import yaml

from dpsynth.errors import InputError, PolicyRefusal
from dpsynth.policy import GateStatus, Metric, Policy, Severity, load_policy, shipped_policies
from dpsynth.policy.explain import sentences
from dpsynth.results import AttackResult, AttackVerdict, FidelityResult, Interval, Status

DEFAULT = Path(__file__).resolve().parents[3] / "policies" / "default.yaml"
SHIPPED = (
    "default",
    "gdpr-anonymisation-evidence",
    "glba-fca-finance",
    "hipaa-expert-determination",
    "ico-motivated-intruder",
    "nist-800-226",
    "research",
    "strict",
)
REQUEST: dict[str, Any] = {
    "epsilon": 1.0,
    "delta": 1e-6,
    "total_epsilon": 4.0,
    "total_delta": 1e-6,
    "assurance_class": "A",
    "attacks": "quick",
    "holdout": 0.2,
    "today": date(2026, 12, 1),
}
GROUNDS = {"reason": "A test.", "source": "a test"}
VERDICT = {
    "id": "more", "title": "x", "metric": "attacks.linkability.verdict",
    "verdict_is": "no leak detected by this test", **GROUNDS,
}  # fmt: skip
ATTACKS = (
    "exact_copies",
    "distance_to_closest_record",
    "nearest_neighbour_ratio",
    "closest_distance_membership",
    "density_ratio_membership",
    "targeted_query_membership",
    "singling_out_univariate",
    "singling_out_multivariate",
    "linkability",
    "inference",
    "attribute_inference",
    "one_run_canaries",
    "rare_row_reconstruction",
)


def attack(name: str, verdict: AttackVerdict) -> AttackResult:
    return AttackResult(name=name, title=name, value=0.5, verdict=verdict)


def good() -> dict[str, Metric]:
    """Metrics of a release without a fault."""
    metrics: dict[str, Metric] = {
        "selftest.passed": True,
        "attacks.all_ran_and_found_no_leak": True,
    }
    for name in ATTACKS:
        metrics[f"attacks.{name}"] = attack(name, AttackVerdict.NO_LEAK_DETECTED)
    metrics["attacks.control_positive"] = attack("control_positive", AttackVerdict.LEAK_FOUND)
    metrics["attacks.control_negative"] = attack("control_negative", AttackVerdict.NO_LEAK_DETECTED)
    for name in ("tvd_1way", "tvd_2way"):
        metrics[f"fidelity.{name}"] = FidelityResult(name=name, title=name, value=0.05)
    metrics["fidelity.tstr_auc"] = FidelityResult(
        name="tstr_auc", title="x", value=0.8, interval=Interval(low=0.7, high=0.9, level=0.95)
    )
    return metrics


def inconclusive(name: str) -> AttackResult:
    return AttackResult(
        name=name,
        title=name,
        status=Status.INCONCLUSIVE,
        reason="too few rows",
        verdict=AttackVerdict.INCONCLUSIVE,
    )


def failed(policy: Policy, metrics: dict[str, Metric]) -> set[str]:
    verdict = policy.evaluate(metrics)
    gates = {outcome.gate for outcome in verdict.outcomes if not outcome.passed}
    assert verdict.passed is not bool(gates)
    assert len(verdict.outcomes) == len(policy.gates) + len(policy.required("attacks"))
    return gates


def edited(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    tree = yaml.safe_load(DEFAULT.read_text())
    change(tree)
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def within(policy: Policy) -> dict[str, Any]:
    """A request that keeps every limit of a policy with nothing to spare."""
    limits, total = policy.limits, policy.lineage_total
    return REQUEST | {
        "epsilon": policy.max_epsilon,
        "delta": limits["max_delta"].value,
        "total_epsilon": total.epsilon,
        "total_delta": total.delta,
        "attacks": limits["attacks"].value[-1],
        "holdout": limits["min_holdout"].value,
    }


def test_the_shipped_policies_load_and_pass_a_good_release() -> None:
    assert shipped_policies() == SHIPPED
    for name in SHIPPED:
        policy = load_policy(name)
        assert policy.name == name
        assert not failed(policy, good())
        assert policy.request_refusals(**within(policy)) == ()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_rule_says_why_and_who_says_so_and_promises_nothing(name: str) -> None:
    policy = load_policy(name)
    said = sentences(policy)
    assert {s.rule for s in said} >= {f"gates.{gate.id}" for gate in policy.gates}
    assert all(s.grounds for s in said if s.rule != "waivers")
    words = " ".join(
        [policy.title, policy.description]
        + [f"{s.text} {' '.join(f'{g.reason} {g.source}' for g in s.grounds)}" for s in said]
    ).casefold()
    assert "not legal advice" in words
    for claim in ("compliant", "is anonymous", "are anonymised", "safe", "zero risk", "guaranteed"):
        assert claim not in words


def test_the_digest_is_of_what_is_asked_and_not_of_its_spelling(tmp_path: Path) -> None:
    default = load_policy("default")
    assert default.digest == load_policy(DEFAULT).digest
    assert default.digest == hashlib.sha256(rfc8785.dumps(default.content())).hexdigest()
    path = tmp_path / "default.yaml"
    path.write_text("# a comment\n" + DEFAULT.read_text())
    again = load_policy(path)
    assert again.digest == default.digest and again.files != default.files
    looser = edited(tmp_path, lambda t: t["limits"]["max_epsilon"].update(limit=3.5))
    assert load_policy(looser).digest != default.digest
    reason = edited(tmp_path, lambda t: t["limits"]["max_epsilon"].update(reason="Because."))
    assert load_policy(reason).digest != default.digest


def test_the_files_are_named_without_their_place(tmp_path: Path) -> None:
    path = edited(
        tmp_path, lambda t: t.update(name="ours", extends=["default"], limits={}, gates=[])
    )
    child = yaml.safe_load(path.read_text())
    del child["gates"], child["limits"]
    path.write_text(yaml.safe_dump(child))
    files = {file.name: file.sha256 for file in load_policy(path).files}
    assert set(files) == {"common-gates", "default", "ours"}
    assert files["default"] == hashlib.sha256(DEFAULT.read_bytes()).hexdigest()
    assert str(tmp_path) not in str(load_policy(path).to_json())


def test_json_has_limits_and_gates() -> None:
    tree = load_policy("default").to_json()
    assert tree["limits"]["max_epsilon"]["limit"] == "3.0"
    assert tree["gates"][0]["id"] == "selftest"


@pytest.mark.parametrize("name", sorted(good()))
@pytest.mark.parametrize("policy", ["default", "strict"])
def test_a_missing_metric_fails_its_gate(policy: str, name: str) -> None:
    metrics = good()
    del metrics[name]
    gate = name.split(".")[-1].replace("passed", "selftest")
    expected = {gate} if gate in {g.id for g in load_policy(policy).gates} else set()
    assert failed(load_policy(policy), metrics) == expected
    assert expected or gate in {"tvd_2way", "tstr_auc"}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_leak_fails(name: str) -> None:
    metrics = good() | {f"attacks.{name}": attack(name, AttackVerdict.LEAK_FOUND)}
    assert failed(load_policy("default"), metrics) == {name}


def test_an_attack_that_did_not_run_fails() -> None:
    crashed = AttackResult(name="exact_copies", title="x", status=Status.NOT_RUN, reason="stopped")
    metrics = good() | {"attacks.exact_copies": crashed}
    assert failed(load_policy("default"), metrics) == {"exact_copies"}


def test_inconclusive_is_decided_gate_by_gate() -> None:
    metrics = good() | {f"attacks.{name}": inconclusive(name) for name in ATTACKS}
    verdict = load_policy("default").evaluate(metrics)
    assert verdict.passed
    assert {o.gate for o in verdict.outcomes if o.status is GateStatus.INCONCLUSIVE} == set(ATTACKS)
    assert failed(load_policy("strict"), metrics) == set(ATTACKS) - {"singling_out_univariate"}


def test_controls_that_misbehave_fail() -> None:
    default = load_policy("default")
    silent = attack("control_positive", AttackVerdict.NO_LEAK_DETECTED)
    assert failed(default, good() | {"attacks.control_positive": silent}) == {"control_positive"}
    for result in (
        attack("control_negative", AttackVerdict.LEAK_FOUND),
        inconclusive("control_negative"),
    ):
        assert failed(default, good() | {"attacks.control_negative": result}) == {
            "control_negative"
        }


@pytest.mark.parametrize("value", [False, None, 1.0, "true", "passed"])
def test_a_self_test_passes_only_by_true(value: Any) -> None:
    assert failed(load_policy("default"), good() | {"selftest.passed": value}) == {"selftest"}


def test_a_number_over_its_limit_fails() -> None:
    poor = FidelityResult(name="tvd_1way", title="x", value=0.36)
    assert failed(load_policy("default"), good() | {"fidelity.tvd_1way": poor}) == {"tvd_1way"}
    unknown = FidelityResult(name="t", title="x", status=Status.INCONCLUSIVE, reason="no columns")
    assert failed(load_policy("default"), good() | {"fidelity.tvd_1way": unknown}) == {"tvd_1way"}


def test_a_result_of_the_wrong_kind_fails() -> None:
    number = FidelityResult(name="exact_copies", title="x", value=0.0)
    assert failed(load_policy("default"), good() | {"attacks.exact_copies": number}) == {
        "exact_copies"
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epsilon": 3.1}, "epsilon 3.1"),
        ({"epsilon": float("nan")}, "epsilon nan"),
        ({"delta": 1e-5}, "delta 1e-05"),
        ({"total_epsilon": 5.0}, "total epsilon"),
        ({"total_delta": 1e-5}, "total delta"),
        ({"assurance_class": "N"}, "class N"),
        ({"attacks": "off"}, "profile off"),
        ({"holdout": 0.05}, "holdout"),
        ({"holdout": float("nan")}, "holdout"),
    ],
)
def test_a_request_beyond_a_limit_is_refused(change: dict[str, Any], words: str) -> None:
    policy = load_policy("default")
    (unmet,) = policy.request_refusals(**REQUEST | change)
    assert words in unmet.text
    with pytest.raises(PolicyRefusal, match=words) as caught:
        policy.refuse([unmet])
    assert caught.value.exit_code == 3
    policy.refuse([])


def test_a_refusal_gives_all_reasons() -> None:
    policy = load_policy("default")
    with pytest.raises(PolicyRefusal) as caught:
        policy.refuse(
            policy.request_refusals(**REQUEST | {"epsilon": 9.0, "attacks": "off", "holdout": 0.01})
        )
    assert all(word in str(caught.value) for word in ("epsilon", "attack profile", "holdout"))


def test_an_unknown_policy_lists_the_known() -> None:
    with pytest.raises(InputError, match="default, gdpr"):
        load_policy("lenient")
    with pytest.raises(InputError, match="cannot be read"):
        load_policy("nowhere.yaml")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.update(gates=[]), "at least one"),
        (lambda t: t.update(gates=None), "must be a list"),
        (lambda t: (t.pop("gates"), t.pop("extends")), "empty policy"),
        (lambda t: t.update(colour="red"), "colour"),
        (lambda t: t.pop("limits"), "max_epsilon"),
        (lambda t: t.update(limits=None), "keys and values"),
        (lambda t: t.update(version=1), "version 1.*version: 2.*docs/policies.md"),
        (lambda t: t.update(version=3), "version"),
        (lambda t: t.update(version=True), "version"),
        (lambda t: t.update(title=""), "title"),
        (lambda t: t.update(name="Our Policy"), "name"),
        (lambda t: t.update(extends=["nobody"]), "no policy 'nobody'"),
        (lambda t: t.update(extends=["common-gates", "common-gates"]), "twice"),
        (lambda t: t["limits"].update(max_epsilon=3), "keys and values"),
        (lambda t: t["limits"]["max_epsilon"].update(limit="much"), "max_epsilon"),
        (lambda t: t["limits"]["max_epsilon"].update(limit=True), "max_epsilon"),
        (lambda t: t["limits"]["max_epsilon"].update(limit=float("inf")), "max_epsilon"),
        (lambda t: t["limits"]["max_epsilon"].update(reason=" "), "reason"),
        (lambda t: t["limits"]["max_epsilon"].pop("source"), "source"),
        (lambda t: t["limits"]["max_delta"].update(limit=1), "max_delta"),
        (lambda t: t["limits"]["lineage_total"].update(limit={"epsilon": 1}), "delta"),
        (lambda t: t["limits"]["attacks"].update(limit="quick"), "attacks"),
        (lambda t: t["limits"]["attacks"].update(limit=[]), "attacks"),
        (lambda t: t["limits"]["attacks"].update(limit=["slow"]), "quick, full, off"),
        (lambda t: t["limits"]["review_months"].update(limit=0), "review_months"),
        (lambda t: t["limits"]["review_months"].update(limit=1.5), "whole number"),
        (lambda t: t["limits"].update(extra=0), "extra"),
        (lambda t: t["gates"][0].pop("reason"), "reason"),
        (lambda t: t["gates"][0].pop("source"), "source"),
        (lambda t: t["gates"][0].update(at_least=3), "exactly one"),
        (lambda t: t["gates"][0].pop("at_most"), "exactly one"),
        (lambda t: t["gates"][0].update(side="middle"), "lower, point, upper"),
        (lambda t: t["gates"][0].update(severity="warn"), "block, attention"),
        (lambda t: (t["gates"][0].pop("at_most"), t["gates"][0].update(is_true=False)), "is_true"),
        (lambda t: (t["gates"][0].pop("at_most"), t["gates"][0].update(is_true=True)), "a side"),
        (lambda t: t["gates"].append(VERDICT | {"verdict_is": "safe"}), "none of the words"),
        (lambda t: t["gates"].append(VERDICT | {"verdict_is": ["leak found"]}), "none of the"),
        (lambda t: t["gates"].append(VERDICT | {"on_inconclusive": "maybe"}), "pass, fail"),
        (lambda t: t["gates"].append(VERDICT | {"on_inconclusive": []}), "pass, fail"),
        (lambda t: t["gates"].append(VERDICT | {"id": "tvd_1way"}), "same id"),
        (lambda t: t["gates"].append(VERDICT | {"id": "linkability"}), "parent already"),
        (lambda t: t["gates"].append("x"), "keys and values"),
        (lambda t: t.update(tighten=[{"gates": ["linkability"], **GROUNDS}]), "changes nothing"),
        (
            lambda t: t.update(tighten=[{"gates": ["x"], "severity": "block", **GROUNDS}]),
            "no gate of a parent",
        ),
        (
            lambda t: t.update(tighten=[{"gates": ["linkability"], "side": "upper", **GROUNDS}]),
            "without numbers",
        ),
    ],
)
def test_a_malformed_policy_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        load_policy(edited(tmp_path, change))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"- 1",
        b"version: 1\nversion: 1\n",
        b"a: [",
        b"!!python/object:os.system x",
    ],
)
def test_what_is_not_a_policy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError):
        load_policy(path)


def test_numbers_that_yaml_reads_as_text(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(DEFAULT.read_text().replace("    limit: 1.0e-6", "    limit: 1e-6"))
    assert load_policy(path).limits["max_delta"].value == 1e-6


def test_a_bare_off_is_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(DEFAULT.read_text().replace("limit: [quick, full]", "limit: [quick, off]"))
    assert load_policy(path).request_refusals(**REQUEST | {"attacks": "off"}) == ()


def test_a_policy_may_end(tmp_path: Path) -> None:
    end = {"limit": date(2026, 12, 1), **GROUNDS}
    policy = load_policy(edited(tmp_path, lambda t: t["limits"].update(valid_until=end)))
    assert policy.request_refusals(**REQUEST) == ()
    (unmet,) = policy.request_refusals(**REQUEST | {"today": date(2026, 12, 2)})
    assert "reviewed by 2026-12-01" in unmet.text


@pytest.mark.parametrize(
    ("side", "limit", "status"),
    [
        ("lower", 0.75, "fail"),
        ("point", 0.75, "pass"),
        ("upper", 0.85, "pass"),
        (None, 0.75, "fail"),
    ],
)
def test_the_end_of_an_interval_is_compared(
    tmp_path: Path, side: str | None, limit: float, status: str
) -> None:
    gate = {"id": "auc", "title": "x", "metric": "fidelity.tstr_auc.value", "at_least": limit}
    gate |= GROUNDS | ({} if side is None else {"side": side})
    policy = load_policy(edited(tmp_path, lambda t: t["gates"].append(gate)))
    outcome = next(o for o in policy.evaluate(good()).outcomes if o.gate == "auc")
    assert outcome.status.value == status


def test_an_end_that_is_not_known_is_no_end() -> None:
    metrics = good()
    metrics["fidelity.tstr_auc"] = FidelityResult(name="tstr_auc", title="x", value=0.99)
    outcome = next(o for o in load_policy("research").evaluate(metrics).outcomes if "auc" in o.gate)
    assert outcome.status is GateStatus.ATTENTION and "no interval" in outcome.reason


def test_attention_is_reported_and_refuses_nothing() -> None:
    policy = load_policy("research")
    assert {g.id for g in policy.gates if g.severity is Severity.ATTENTION} == {"tstr_auc"}
    poor = FidelityResult(
        name="tstr_auc", title="x", value=0.5, interval=Interval(low=0.4, high=0.6, level=0.95)
    )
    verdict = policy.evaluate(good() | {"fidelity.tstr_auc": poor})
    assert verdict.passed
    assert [o.gate for o in verdict.outcomes if o.status is GateStatus.ATTENTION] == ["tstr_auc"]


def test_a_required_attack_must_have_run() -> None:
    policy = load_policy("ico-motivated-intruder")
    crashed = AttackResult(name="exact_copies", title="x", status=Status.NOT_RUN, reason="stopped")
    metrics = good() | {"attacks.exact_copies": crashed}
    assert failed(policy, metrics) == {"ran:exact_copies", "exact_copies"}
    unsure = good() | {"attacks.singling_out_univariate": inconclusive("singling_out_univariate")}
    assert not failed(policy, unsure), "it ran, and its gate lets an inconclusive result pass"


def test_a_waiver_is_for_a_gate_that_is_missed_and_for_no_other() -> None:
    policy = load_policy("default")
    leak = good() | {"attacks.linkability": attack("linkability", AttackVerdict.LEAK_FOUND)}
    verdict = policy.evaluate(leak, waived=["linkability"])
    assert verdict.passed
    assert [o.gate for o in verdict.outcomes if o.status is GateStatus.WAIVED] == ["linkability"]
    assert not policy.evaluate(leak, waived=["inference"]).passed
    kept = policy.evaluate(good(), waived=["linkability"])
    assert not [o for o in kept.outcomes if o.status is GateStatus.WAIVED]


@pytest.mark.parametrize("line", ["version: 2020-13-45", "version: 2\nversion: 2", "name: !!int x"])
def test_text_that_yaml_stumbles_over_is_an_input_error(tmp_path: Path, line: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(DEFAULT.read_text().replace("version: 2", line, 1))
    with pytest.raises(InputError, match="not valid YAML"):
        load_policy(path)
