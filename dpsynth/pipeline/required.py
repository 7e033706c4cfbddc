"""What a policy asks of a release before data is opened: is it met, and can this version check it?

Everything here is known from declarations, so it is decided before anything is spent. Never true
here: a requirement that nobody checks and that a release passes all the same.
"""

from __future__ import annotations

from datetime import UTC, datetime

from dpsynth import attacks, fidelity
from dpsynth.errors import InputError
from dpsynth.pipeline.audited import AuditFact
from dpsynth.pipeline.settings import ReleaseSettings
from dpsynth.policy import Policy, Severity, Unmet, transfer_refusals
from dpsynth.privacy.budget import Budget
from dpsynth.results import AttackProfile
from dpsynth.signing.waiver import Waiver, read_waiver
from dpsynth.synth import registry

#: Sections of the internal report.
SECTIONS = (
    "summary", "context", "data", "guarantee", "accounting", "hazards", "audit", "attacks",
    "fidelity", "fairness", "ledger", "residual", "monitoring", "statements", "environment",
    "methods", "glossary", "crosswalk",
)  # fmt: skip
#: Whether every attack of the profile ran, and none found a leak.
ALL_RAN = "attacks.all_ran_and_found_no_leak"


def attack_names(profile: str) -> frozenset[str]:
    """Return the names of the attacks and controls that a release runs in a profile."""
    if profile == AttackProfile.OFF:
        return frozenset()
    output = {attack.name for attack in attacks.output_attacks()}
    return attacks.CONTROLS | output | attacks.generator_attack_names(profile)


def unsupported(policy: Policy) -> tuple[Unmet, ...]:
    """Return what a policy asks and this version can neither do nor check; empty if nothing."""
    names_of_all = attack_names(AttackProfile.FULL.value)
    metrics = {"selftest.passed", ALL_RAN, *(f"fidelity.{name}.value" for name in fidelity.NAMES)}
    for part in ("verdict", "value"):
        metrics |= {f"attacks.{name}.{part}" for name in names_of_all}
    known = {
        "sections": ("a report section named", frozenset(SECTIONS)),
        "attacks": ("an attack named", names_of_all),
    }
    found = [
        Unmet(
            rule=f"requirements.{key}",
            text=f"this version of dpsynth does not make {words} {name}",
        )
        for key, (words, names) in known.items()
        for name in policy.required(key)
        if name not in names
    ]
    found += [
        Unmet(
            rule=f"gates.{gate.id}",
            text=f"this version of dpsynth does not measure {gate.metric}",
        )
        for gate in policy.gates
        if gate.metric not in metrics
    ]
    return tuple(found)


def refusals(
    policy: Policy,
    settings: ReleaseSettings,
    *,
    budget: Budget | None,
    total: Budget,
    audit: AuditFact,
    now: datetime,
) -> tuple[Unmet, ...]:
    """Return every rule that a release does not keep before data is opened.

    Args:
        policy: Its policy.
        settings: What was declared.
        budget: What it would spend; None where the method has no guarantee.
        total: Cap of its lineage.
        audit: What a mechanism audit says of its method.
        now: Time of the check, with a time zone.
    """
    return (
        *unsupported(policy),
        *policy.request_refusals(
            epsilon=None if budget is None else budget.epsilon,
            delta=None if budget is None else budget.delta,
            total_epsilon=total.epsilon,
            total_delta=total.delta,
            assurance_class=registry.find(settings.synthesizer).assurance,
            attacks=settings.attacks,
            holdout=settings.holdout,
            today=now.astimezone(UTC).date(),
        ),
        *_missing(policy, settings, audit),
        *transfer_refusals(
            policy.transfers,
            origin=settings.origin,
            to=settings.jurisdiction,
            purpose=settings.purpose,
        ),
    )


def _missing(policy: Policy, settings: ReleaseSettings, audit: AuditFact) -> list[Unmet]:
    """Return the requirements that a release does not bring with it."""
    said = {
        "recipient": settings.recipient,
        "jurisdiction": settings.jurisdiction,
        "origin": settings.origin,
        "purpose": settings.purpose,
    }
    texts: dict[str, list[str]] = {
        "requirements.declarations": [
            f"the {key} is not stated"
            for key in policy.required("declarations")
            if not said[key].strip()
        ],
        "requirements.audits": [
            f"no audit of the {name} is named that was sharp enough"
            for name in policy.required("audits")
            if not audit.sharp
        ],
    }
    texts["requirements.signers"] = [
        f"the {name} is not declared as a signer (sign.roles)"
        for name in policy.required("signers")
        if name not in {text.partition("=")[0] for text in settings.roles}
    ]
    ran = attack_names(settings.attacks)
    texts["requirements.attacks"] = [
        f"the attack {name} does not run in the profile {settings.attacks}"
        for name in policy.required("attacks")
        if name not in ran
    ]
    for gate in policy.gates:
        of_attack = gate.metric.startswith("attacks.") and gate.severity is Severity.BLOCK
        name = gate.metric.split(".")[1]
        if of_attack and (not ran if gate.metric == ALL_RAN else name not in ran):
            texts[f"gates.{gate.id}"] = [
                f"no attack of the profile {settings.attacks} gives {gate.metric}"
                if ran
                else "gates judge attacks, and without attacks there is nothing to judge"
            ]
    return [Unmet(rule=rule, text=text) for rule, lines in texts.items() for text in lines]


def waivers_of(policy: Policy, settings: ReleaseSettings, now: datetime) -> tuple[Waiver, ...]:
    """Return the waivers of a release, each checked.

    Raises:
        InputError, PolicyRefusal: One does not hold; nothing was spent.
    """
    found = tuple(
        read_waiver(path, policy, release=settings.name, lineage=settings.lineage, now=now)
        for path in settings.waivers
    )
    if len({waiver.gate for waiver in found}) != len(found):
        raise InputError("Two waivers are for the same gate.", where="--waiver", fix="Give one.")
    return found
