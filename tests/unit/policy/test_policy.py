"""Policies: strict to read, no gate passes for want of a measurement."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dpsynth.errors import InputError, PolicyRefusal
from dpsynth.policy import GateStatus, Metric, Policy, load_policy, shipped_policies
from dpsynth.results import AttackResult, AttackVerdict, FidelityResult, Status

ROOT = Path(__file__).resolve().parents[3]
DEFAULT = ROOT / "policies" / "default.yaml"
REQUEST: dict[str, Any] = {
    "epsilon": 1.0,
    "delta": 1e-6,
    "total_epsilon": 4.0,
    "total_delta": 1e-6,
    "assurance_class": "A",
    "attacks": "quick",
    "holdout": 0.2,
}
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
    assert len(verdict.outcomes) == len(policy.gates)
    return gates


def edited(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    tree = yaml.safe_load(DEFAULT.read_text())
    change(tree)
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def test_the_shipped_policies_load_and_pass_a_good_release() -> None:
    assert shipped_policies() == ("default", "strict")
    for name in shipped_policies():
        policy = load_policy(name)
        assert policy.name == name
        assert not failed(policy, good())
        policy.check_request(**REQUEST | {"total_epsilon": 1.0})


def test_the_digest_is_that_of_the_file() -> None:
    expected = hashlib.sha256(DEFAULT.read_bytes()).hexdigest()
    assert load_policy("default").digest == load_policy(DEFAULT).digest == expected


def test_json_has_limits_and_gates() -> None:
    tree = load_policy("default").to_json()
    assert tree["limits"]["max_epsilon"] == 3.0
    assert tree["gates"][0]["id"] == "selftest"


@pytest.mark.parametrize("name", sorted(good()))
@pytest.mark.parametrize("policy", shipped_policies())
def test_a_missing_metric_fails_its_gate(policy: str, name: str) -> None:
    metrics = good()
    del metrics[name]
    if policy == "default" and name == "fidelity.tvd_2way":
        assert not failed(load_policy(policy), metrics)
    else:
        assert failed(load_policy(policy), metrics) == {
            name.split(".")[-1].replace("passed", "selftest")
        }


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
        ({"attacks": "off"}, "'off'"),
        ({"holdout": 0.05}, "holdout"),
        ({"holdout": float("nan")}, "holdout"),
    ],
)
def test_a_request_beyond_a_limit_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyRefusal, match=words) as caught:
        load_policy("default").check_request(**REQUEST | change)
    assert caught.value.exit_code == 3


def test_a_refusal_gives_all_reasons() -> None:
    with pytest.raises(PolicyRefusal) as caught:
        load_policy("default").check_request(
            **REQUEST | {"epsilon": 9.0, "attacks": "off", "holdout": 0.01}
        )
    assert all(word in str(caught.value) for word in ("epsilon", "attack profile", "holdout"))


def test_an_unknown_policy_lists_the_known() -> None:
    with pytest.raises(InputError, match="default, strict"):
        load_policy("lenient")
    with pytest.raises(InputError, match="cannot be read"):
        load_policy("nowhere.yaml")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.update(gates=[]), "empty policy"),
        (lambda t: t.update(gates=None), "empty policy"),
        (lambda t: t.update(colour="red"), "colour"),
        (lambda t: t.pop("limits"), "limits"),
        (lambda t: t.update(limits=None), "keys and values"),
        (lambda t: t.update(version=2), "version"),
        (lambda t: t.update(version=True), "version"),
        (lambda t: t.update(title=""), "title"),
        (lambda t: t["limits"].update(max_epsilon="much"), "max_epsilon"),
        (lambda t: t["limits"].update(max_epsilon=True), "max_epsilon"),
        (lambda t: t["limits"].update(max_epsilon=float("inf")), "max_epsilon"),
        (lambda t: t["limits"].update(max_delta=1), "max_delta"),
        (lambda t: t["limits"].update(lineage_total={"epsilon": 1}), "delta"),
        (lambda t: t["limits"].update(attacks="quick"), "attacks"),
        (lambda t: t["limits"].update(attacks=[]), "attacks"),
        (lambda t: t["limits"].update(review_months=0), "review_months"),
        (lambda t: t["limits"].update(extra=0), "extra"),
        (lambda t: t["gates"][0].pop("reason"), "reason"),
        (lambda t: t["gates"][0].update(at_most=3), "exactly one"),
        (lambda t: t["gates"][0].pop("is_true"), "exactly one"),
        (lambda t: t["gates"][0].update(is_true=False), "is_true"),
        (lambda t: t["gates"][1].update(verdict_is="safe"), "verdict"),
        (lambda t: t["gates"][1].update(verdict_is=["leak found"]), "verdict"),
        (lambda t: t["gates"][1].update(on_inconclusive="maybe"), "on_inconclusive"),
        (lambda t: t["gates"][1].update(on_inconclusive=[]), "on_inconclusive"),
        (lambda t: t["gates"][1].update(id="selftest"), "same id"),
        (lambda t: t["gates"].append("x"), "keys and values"),
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
    path.write_text(DEFAULT.read_text().replace("max_delta: 1.0e-6", "max_delta: 1e-6"))
    assert load_policy(path).max_delta == 1e-6


def test_a_bare_off_is_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(DEFAULT.read_text().replace("attacks: [quick, full]", "attacks: [quick, off]"))
    load_policy(path).check_request(**REQUEST | {"attacks": "off"})


@pytest.mark.parametrize("line", ["version: 2020-13-45", "version: 1\nversion: 1", "name: !!int x"])
def test_text_that_yaml_stumbles_over_is_an_input_error(tmp_path: Path, line: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(DEFAULT.read_text().replace("version: 1", line, 1))
    with pytest.raises(InputError, match="not valid YAML"):
        load_policy(path)
