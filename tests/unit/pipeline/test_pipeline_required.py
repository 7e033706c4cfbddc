"""What a policy asks is decided before data is opened, and nothing is asked that nobody checks."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dpsynth import attacks, fidelity
from dpsynth.pipeline import required
from dpsynth.pipeline.audited import NO_AUDIT, AuditFact
from dpsynth.pipeline.required import refusals, unsupported
from dpsynth.pipeline.settings import ReleaseSettings
from dpsynth.policy import Policy, load_policy, shipped_policies
from dpsynth.privacy.budget import Budget
from dpsynth.results import Status
from dpsynth.schema.domain import Attribute, Domain

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 12, 1, tzinfo=UTC)
SHARP = AuditFact(status=Status.OK, text="x", sharp=True)
STATED = ReleaseSettings(
    name="x", lineage="x", attacks="full", recipient="University of X", jurisdiction="France",
    origin="Germany", purpose="Capacity research", roles=("issuer", "expert"),
)  # fmt: skip


def missed(policy: Policy, settings: ReleaseSettings, audit: AuditFact = SHARP) -> set[str]:
    total = policy.lineage_total
    found = refusals(
        policy,
        settings,
        budget=Budget(epsilon=policy.max_epsilon, delta=1e-6),
        total=Budget(epsilon=total.epsilon, delta=total.delta),
        audit=audit,
        now=NOW,
    )
    return {unmet.rule for unmet in found}


def own(folder: Path, **more: Any) -> Policy:
    tree = {"version": 2, "name": "ours", "title": "x", "description": "x", "extends": ["default"]}
    path = folder / "ours.yaml"
    path.write_text(yaml.safe_dump(tree | more))
    return load_policy(path)


def asking(limit: Any) -> dict[str, Any]:
    return {"limit": limit, "reason": "x", "source": "x"}


@pytest.mark.parametrize("name", shipped_policies())
def test_a_stated_and_audited_release_is_let_begin(name: str) -> None:
    assert missed(load_policy(name), STATED) == set()


def test_the_expert_is_asked_for() -> None:
    alone = replace(STATED, roles=("issuer",))
    assert missed(load_policy("hipaa-expert-determination"), alone) == {"requirements.signers"}


@pytest.mark.parametrize(
    ("policy", "changes", "rule"),
    [
        ("gdpr-anonymisation-evidence", {"origin": " "}, "requirements.declarations"),
        ("research", {"purpose": ""}, "requirements.declarations"),
        ("research", {"purpose": "Marketing research"}, "transfers"),
        ("research", {"purpose": "To sell it"}, "transfers"),
        ("glba-fca-finance", {"purpose": "Advertising"}, "transfers"),
        ("ico-motivated-intruder", {"attacks": "quick"}, "limits.attacks"),
        ("ico-motivated-intruder", {"attacks": "off"}, "requirements.attacks"),
        ("ico-motivated-intruder", {"attacks": "off"}, "gates.linkability"),
        ("ico-motivated-intruder", {"holdout": 0.1}, "limits.min_holdout"),
    ],
)
def test_what_is_not_kept_is_named(policy: str, changes: dict[str, Any], rule: str) -> None:
    assert rule in missed(load_policy(policy), replace(STATED, **changes))


@pytest.mark.parametrize("audit", [NO_AUDIT, AuditFact(status=Status.OK, text="x", sharp=False)])
def test_an_audit_must_be_there_and_sharp(audit: AuditFact) -> None:
    assert missed(load_policy("nist-800-226"), STATED, audit) == {"requirements.audits"}
    assert missed(load_policy("default"), STATED, audit) == set()


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"requirements": {"sections": asking(["astrology"])}}, "requirements.sections"),
        ({"requirements": {"attacks": asking(["time_travel"])}}, "requirements.attacks"),
        ({"metric": "fidelity.beauty.value"}, "gates.g"),
        ({"metric": "attacks.time_travel.value"}, "gates.g"),
        ({"metric": "fidelity.tvd_1way.median"}, "gates.g"),
    ],
)
def test_what_this_version_cannot_check_is_refused(
    tmp_path: Path, more: dict[str, Any], rule: str
) -> None:
    if "metric" in more:
        gate = {"id": "g", "title": "x", "at_most": 1, "reason": "x", "source": "x"}
        more = {"gates": [gate | more]}
    policy = own(tmp_path, **more)
    assert [unmet.rule for unmet in unsupported(policy)] == [rule]
    assert rule in missed(policy, STATED)


def test_the_sections_are_those_of_the_report() -> None:
    template = (ROOT / "reports" / "templates" / "report.html").read_text()
    assert set(required.SECTIONS) == set(re.findall(r"\bs_(\w+)'", template))


def test_the_metrics_are_those_of_the_suites() -> None:
    domain = Domain((Attribute(name="a", size=2), Attribute(name="b", size=2)))
    rows = np.zeros((3, 2), dtype=np.int32)
    ran = attacks.run(
        attacks.AttackData(domain=domain, train=rows, holdout=rows, synthetic=rows),
        seed=1,
    )
    assert required.attack_names("off") == frozenset()
    found = {result.name for result in (*ran, *attacks.without_generator())}
    assert found == required.attack_names("full")
    assert found - required.attack_names("quick") == {
        f"shadow_{how}_{whom}" for how in ("lira", "forest") for whom in ("worst", "random")
    }
    measured = fidelity.run(
        fidelity.FidelityData(domain=domain, train=rows, holdout=rows, synthetic=rows, label=None),
        seed=1,
    )
    assert tuple(result.name for result in measured.results) == fidelity.NAMES
